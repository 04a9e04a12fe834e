/** What a network's vectors say of the classes of validation stars: by it `pretrain --select probe` chooses the best epoch. */
import type { Dataset } from "../data/dataset.ts";
import { randomWindow } from "../data/windows.ts";
import { eachEmbeddedWindow } from "../embed/stream.ts";
import { InputError } from "../common/errors.ts";
import { ClassificationMetrics } from "../evaluate/classification.ts";
import { nearestNeighbors } from "../evaluate/nearest_neighbors.ts";
import { widthOf } from "../model/architecture.ts";
import type { AstromerNetwork } from "../model/network.ts";
import { seeded } from "../common/random.ts";
import { byNeighbors, neighbors, standardized } from "./probes.ts";

/** Light curves that are looked at, at most. */
const mostLightCurves = 2000;

/**
 * Makes a probe: the macro F1 of the 5 nearest neighbors, each star judged by the others (leave one out), weighted by the
 * inverse of their distance. A star's vector is the mean over the points of one window, always the same.
 * @param lightCurves to be judged by each other; those without a class, or alone in theirs, are left out
 * @throws {InputError} when fewer than two classes remain
 */
export function validationProbe(
  dataset: Dataset,
  lightCurves: readonly number[],
  { windowSize, batchSize, seed }: { windowSize: number; batchSize: number; seed: number },
): (network: AstromerNetwork) => Promise<number> {
  const chosen = seeded(seed, 0x9a0be).shuffle([...lightCurves].filter((i) => dataset.classes[i] !== null))
    .slice(0, mostLightCurves);
  const byClass = Map.groupBy(chosen, (i) => dataset.classes[i]!);
  const classes = [...byClass].filter(([, stars]) => stars.length > 1).map(([name]) => name).sort();
  if (classes.length < 2) {
    throw new InputError(
      `--select probe judges by the classes of validation light curves, of which ${dataset.folder} has ${classes.length} ` +
        "with two or more stars: label them with preprocess --labels, or leave --select out",
    );
  }
  const stars = chosen.filter((i) => classes.includes(dataset.classes[i]!));
  const labels = stars.map((i) => classes.indexOf(dataset.classes[i]!));
  const windows = stars.map((i) => randomWindow(i, dataset.lengths[i], seeded(seed, 0x9a0be, i), windowSize));
  return async (network) => {
    const width = widthOf(network.architecture), values = new Float32Array(stars.length * width);
    let row = 0;
    const embedded = eachEmbeddedWindow(network, dataset, windows, {
      pooling: "mean",
      windowSize,
      batchSize,
    });
    for await (const { embedding } of embedded) values.set(embedding, width * row++);
    const [points] = standardized(width, values);
    const k = Math.min(neighbors, stars.length - 1);
    const found = await nearestNeighbors(points, points, width, k, { excludeSelf: true });
    const metrics = new ClassificationMetrics(classes);
    byNeighbors(found, labels, classes.length).forEach((predicted, star) =>
      metrics.add(labels[star], predicted)
    );
    return metrics.scores.f1;
  };
}
