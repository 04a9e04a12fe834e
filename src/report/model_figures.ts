/** What a model makes of stars: its embeddings in the plane, its attention; figures 8, 9, 14 and 15 of the paper. */
import { inferenceBatchOn } from "../machine/settings.ts";
import type { Device } from "../../ffi/device.ts";
import { type Dataset, lightCurvesOf } from "../data/dataset.ts";
import { paperMasking } from "../data/masking.ts";
import { randomWindow, sequentialWindows } from "../data/windows.ts";
import { perLightCurve } from "../embed/stream.ts";
import { eachEmbeddedWindow, windowsOf } from "../embed/stream.ts";
import { InputError } from "../common/errors.ts";
import { attentionWeights } from "../evaluate/attention.ts";
import { lombScargle } from "../evaluate/lomb_scargle.ts";
import { project } from "../evaluate/projection.ts";
import { copyingRemark, reconstructWindows } from "../evaluate/reconstruction.ts";
import { seeded } from "../common/random.ts";
import type { LoadedModel } from "../weights/model_folder.ts";
import { attendedObservations, attentionFigure } from "./attention_figure.ts";
import { fileNameFor } from "./column.ts";
import type { Figure } from "./figure.ts";
import { type ProjectedPoint, projectionFigure } from "./projection_figure.ts";
import { type DrawnPoint, drawnPoints, reconstructionFigure } from "./reconstruction_figure.ts";

/** What the figures are made of. */
export interface ModelFigureOptions {
  /** Light curves of the projection, at most. */
  lightCurves: number;
  /** Classes with a light curve whose attention is shown, at most. */
  attention: number;
  seed: number;
  device?: Device;
  onProgress?: (what: string) => void;
}

/** As in the paper. */
const perplexity = 30;

/**
 * The light curves that are shown: of the test set, where that has enough for a projection, those whose class is known,
 * where any is.
 */
function shownLightCurves(dataset: Dataset, { lightCurves, seed }: ModelFigureOptions) {
  const tested = dataset.subsets.filter((subset) => subset === "test").length;
  const subset = tested > 3 * perplexity ? "test" as const : "all" as const;
  const all = lightCurvesOf(dataset, subset), classed = all.filter((i) => dataset.classes[i] !== null);
  const from = classed.length ? classed : all;
  const chosen = seeded(seed, 0xf165).shuffle([...from]).slice(0, lightCurves).sort((a, b) => a - b);
  return { subset, of: from.length, chosen };
}

/**
 * Hidden observations of a light curve of each class and their predictions, t-SNE of the mean output of every block, and
 * the attention of block 1 in a light curve of each class.
 * @throws {InputError} when there are too few light curves for a projection
 */
export async function modelFigures(
  { model, config }: LoadedModel,
  dataset: Dataset,
  options: ModelFigureOptions,
): Promise<Figure[]> {
  const { subset, of, chosen } = shownLightCurves(dataset, options), { onProgress = () => {} } = options;
  if (chosen.length <= 3 * perplexity) {
    throw new InputError(
      `t-SNE with perplexity ${perplexity} needs more than ${
        3 * perplexity
      } light curves; ${dataset.folder} has ` +
        `${chosen.length} to show`,
    );
  }
  const windowing = {
    pooling: "layers",
    windowSize: config.window_size,
    batchSize: inferenceBatchOn(model.device),
  } as const;
  const windows = eachEmbeddedWindow(
    model,
    dataset,
    windowsOf(dataset, chosen, config.window_size),
    windowing,
    (done) => onProgress(`embedding: ${done} windows`),
  );
  const embedded = await Array.fromAsync(perLightCurve(windows, dataset, "layers"));
  const { blocks } = model.architecture, width = embedded[0].embedding.length / (blocks + 1);
  const points: ProjectedPoint[] = [];
  for (let block = 1; block <= blocks; block++) {
    const rows = new Float32Array(embedded.length * width);
    for (const [i, { embedding }] of embedded.entries()) {
      rows.set(embedding.subarray(block * width, (block + 1) * width), i * width);
    }
    const plane = await project(rows, width, {
      method: "tsne",
      seed: options.seed,
      perplexity,
      onProgress: (stage, done, of) => onProgress(`t-SNE of block ${block}: ${stage} ${done}/${of}`),
    });
    for (const [i, { lightCurve }] of embedded.entries()) {
      const place = { x: plane[2 * i], y: plane[2 * i + 1] };
      points.push({ ...place, class: dataset.classes[lightCurve], panel: `block ${block}` });
    }
  }
  const stars = (count: number) => `${count.toLocaleString("en-US")} light curves`;
  const whence = subset === "test" ? "the test set" : "all subsets";
  const projection: Figure = {
    name: "tsne",
    caption:
      `t-SNE (perplexity ${perplexity}, learning rate ${
        Math.min(1000, embedded.length)
      }, started from the principal components) of the mean embedding that each attention block gives ${
        stars(embedded.length)
      } of ${whence}` +
      (chosen.length < of ? `, drawn at random of ${of.toLocaleString("en-US")}` : "") +
      ", colored by class. Directions and units mean nothing.",
    width: blocks === 1 ? "column" : "page",
    spec: projectionFigure(points, { axes: "t-SNE" }),
  };
  return [
    await reconstruction({ model, config }, dataset, chosen, options),
    projection,
    ...await attentionFigures({ model, config }, dataset, chosen, options),
  ];
}

/** Light curves by class, the classes with the most of them first. */
function byClassOf(
  dataset: Dataset,
  lightCurves: readonly number[],
): [of: string | null, members: number[]][] {
  return [...Map.groupBy(lightCurves, (i) => dataset.classes[i])].sort(([, a], [, b]) => b.length - a.length);
}

/** Panels of the reconstruction at most. */
const mostPanels = 8;

/** A window of each class (of the first light curves, where no class is known), masked as in pretraining. */
async function reconstruction(
  { model, config }: LoadedModel,
  dataset: Dataset,
  lightCurves: readonly number[],
  { seed }: ModelFigureOptions,
): Promise<Figure> {
  const longest = (members: readonly number[]) =>
    members.reduce((a, b) => dataset.lengths[b] > dataset.lengths[a] ? b : a);
  const classes = byClassOf(dataset, lightCurves);
  const shown = classes[0][0] === null
    ? lightCurves.slice(0, mostPanels)
    : classes.slice(0, mostPanels).map(([, members]) => longest(members));
  const { window_size: size } = config;
  const windows = shown.map((i) => randomWindow(i, dataset.lengths[i], seeded(seed, 0x1e57, i), size));
  const points: DrawnPoint[] = [];
  const options = { masking: paperMasking, weights: "none", batchSize: mostPanels, seed } as const;
  const paddedTo = model.seesPadding ? size : undefined;
  await reconstructWindows(model, dataset, windows, { ...options, paddedTo }, (result) => {
    const i = result.window.lightCurve, of = dataset.classes[i];
    points.push(...drawnPoints(`${of === null ? "" : `${of}, `}${dataset.ids[i]}`, dataset, result));
  });
  points.sort((a, b) => a.panel < b.panel ? -1 : a.panel > b.panel ? 1 : 0);
  const remark = copyingRemark(model.architecture);
  return {
    name: "reconstruction",
    caption:
      `Observations that were hidden from the model, and what it predicts for them: windows of ${size} observations at most, ` +
      "masked as in pretraining. Gray is what it sees (some of which it is asked to reconstruct, too)." +
      (remark === undefined ? "" : ` Note: ${remark}.`),
    width: "page",
    spec: reconstructionFigure(points),
  };
}

/** The first of the light curves of each class, the classes with the most light curves first. */
async function attentionFigures(
  { model, config }: LoadedModel,
  dataset: Dataset,
  lightCurves: readonly number[],
  { attention, device, onProgress = () => {} }: ModelFigureOptions,
): Promise<Figure[]> {
  const figures: Figure[] = [];
  for (const [of, [i]] of byClassOf(dataset, lightCurves).slice(0, attention)) {
    onProgress(`attention: ${of ?? dataset.ids[i]}`);
    const from = dataset.offsets[i], to = from + dataset.lengths[i];
    const [{ period }] = await lombScargle([{
      mjd: dataset.mjd.subarray(from, to),
      magnitude: dataset.mag.subarray(from, to),
      error: dataset.err.subarray(from, to),
    }], { device });
    if (Number.isNaN(period)) continue; // it does not vary
    const [window] = sequentialWindows(i, dataset.lengths[i], config.window_size);
    const weights = attentionWeights(model, dataset, window, 1, config.window_size);
    const folded = Number(period.toPrecision(7)), id = dataset.ids[i];
    figures.push({
      name: fileNameFor("attention", id, dataset.bands[i]),
      caption:
        `Attention that each of the first ${window.length} observations of ${id}${
          of === null ? "" : ` (${of})`
        } receives in ` +
        "block 1, nothing masked: for each head, and for their mean, the weight averaged over all queries, relative to uniform " +
        `attention. Folded on the highest Lomb–Scargle peak, ${folded} days, two cycles` +
        (model.architecture.encoding === "folded" ? "" : "; the model itself sees the times unfolded") +
        ". Gray bars: uncertainties as the survey gives them.",
      width: "column",
      spec: attentionFigure(attendedObservations(dataset, window, weights), {
        title: id,
        remarks: of === null ? [] : [of],
        period: folded,
      }),
    });
  }
  return figures;
}
