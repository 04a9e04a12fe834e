/** What classifiers and regressors of arrays have in common: which objects are set apart, the vectors of windows. */
import { Tensor, unscoped } from "../../ffi/tensor.ts";
import type { Astromer } from "./astromer.ts";
import { inferenceBatchOn } from "../machine/settings.ts";
import type { Dataset } from "../data/dataset.ts";
import type { Window } from "../data/windows.ts";
import { eachEmbeddedWindow } from "../embed/stream.ts";
import { seeded } from "../common/random.ts";
import { fingerprintOf } from "../classify/encoder.ts";
import { type ClassifierKind, classifierKinds, type Fitted } from "../classify/fitted.ts";
import type { Reference } from "../classify/points.ts";
import { exists } from "../files/atomic.ts";
import { plannedWindows, shapeOf, windowsToTrainOn } from "../classify/vectors.ts";

/** Checks options of a fit. */
export function checkFitOptions(
  head: ClassifierKind,
  validationFraction: number,
  wholeNumbers: Record<string, number>,
): void {
  if (!classifierKinds.includes(head)) {
    throw new TypeError(`head must be one of ${classifierKinds.join(", ")}, not ${head}`);
  }
  for (const [name, value] of Object.entries(wholeNumbers)) {
    if (!Number.isInteger(value) || value < 1) {
      throw new RangeError(`${name} must be a whole number from 1, not ${value}`);
    }
  }
  if (!(validationFraction > 0 && validationFraction < 1)) {
    throw new RangeError(`validationFraction must lie between 0 and 1, not ${validationFraction}`);
  }
}

function windowsFor({ config: { window_size }, network: { device } }: Astromer) {
  return { windowSize: window_size, batchSize: inferenceBatchOn(device) };
}

/** Of every class a share of its objects, at least one and never all. */
export function heldOut(
  ids: readonly string[],
  labels: readonly number[],
  classes: number,
  fraction: number,
  seed: number,
): Set<number> {
  return new Set(
    Array.from({ length: classes }, (_, of) => {
      const members = [...labels.keys()].filter((i) => labels[i] === of);
      const objects = seeded(seed, 0x4e1d, of).shuffle([...Map.groupBy(members, (i) => ids[i]).values()]);
      const share = Math.max(1, Math.round(fraction * objects.length));
      return objects.slice(0, Math.min(objects.length - 1, share)).flat();
    }).flat(),
  );
}

/** A light curve, and which rows of vectors are its windows'. */
interface LightCurveRows {
  lightCurve: number;
  rows: number[];
}

/**
 * The vectors of windows: random ones of the light curves that train, all of those that are set apart.
 * @param held light curves that are set apart
 * @param asked random windows of a light curve; default: see `windowsToTrainOn`
 */
export async function partedVectors(
  model: Astromer,
  dataset: Dataset,
  held: ReadonlySet<number>,
  { windows: asked, seed }: { windows?: number; seed: number },
): Promise<{ vectors: Tensor; train: LightCurveRows[]; validation: LightCurveRows[] }> {
  const all = [...dataset.ids.keys()];
  const train = all.filter((i) => !held.has(i)), judged = all.filter((i) => held.has(i));
  const count = asked ?? windowsToTrainOn(train.length), { windowSize } = windowsFor(model);
  const { windows, trainRows, rows } = plannedWindows(dataset, {
    train: new Map(train.map((i) => [i, count])),
    judged,
    windowSize,
    seed,
  });
  return {
    vectors: await embedded(model, dataset, windows),
    train: train.map((lightCurve) => ({ lightCurve, rows: trainRows(lightCurve, count) })),
    validation: judged.map((lightCurve) => ({ lightCurve, rows: rows(lightCurve) })),
  };
}

/**
 * The vectors of all windows of all light curves.
 * @returns (rows, V, d), and the rows of each light curve
 */
export async function everyVector(
  model: Astromer,
  dataset: Dataset,
): Promise<{ vectors: Tensor; rows: { rows: number[] }[] }> {
  const judged = [...dataset.ids.keys()], { windowSize } = windowsFor(model);
  const { windows, rows } = plannedWindows(dataset, { train: new Map(), judged, windowSize, seed: 0 });
  return { vectors: await embedded(model, dataset, windows), rows: judged.map((i) => ({ rows: rows(i) })) };
}

/** What a folder records of the model that it was fitted on: with a folder of its own, where that is and what is in it. */
export async function encoderOf({ folder }: Astromer): Promise<Record<string, string>> {
  return folder !== undefined && await exists(`${folder}/model.safetensors`)
    ? { kind: "model", folder, fingerprint: await fingerprintOf(folder) }
    : { kind: "model" };
}

/**
 * Refuses, and frees, what was fitted on vectors of another shape than a model makes.
 * @throws {RangeError} naming its folder
 */
export function refuseMisfit(fitted: Fitted<Reference>, model: Astromer, folder: string): void {
  const misfit = fitted.misfit(shapeOf(model.network));
  if (misfit === undefined) return;
  fitted[Symbol.dispose]();
  throw new RangeError(`${folder} ${misfit}`);
}

/** (rows, V, d): the vectors of windows. */
async function embedded(
  model: Astromer,
  dataset: Dataset,
  windows: readonly Window[],
): Promise<Tensor> {
  const { network } = model, shape = shapeOf(network);
  const table = new Float32Array(windows.length * shape[0] * shape[1]);
  let at = 0;
  const options = { pooling: "features", ...windowsFor(model) } as const;
  for await (const { embedding } of eachEmbeddedWindow(network, dataset, windows, options)) {
    table.set(embedding, at);
    at += embedding.length;
  }
  return unscoped(() => Tensor.from(table, [windows.length, ...shape], { device: network.device }));
}
