/** How well a model reconstructs magnitudes: of probed points under fixed masks, or of all points without masking. */
import { type Batch, batchesOf, fillBatch, type LossWeights, role } from "../data/batch.ts";
import type { Dataset } from "../data/dataset.ts";
import type { Masking } from "../data/masking.ts";
import type { Window } from "../data/windows.ts";
import type { Architecture } from "../model/architecture.ts";
import { UnderWay } from "../model/deferred.ts";
import { DeferredInference, type InferenceOptions, reconstruction } from "../model/deferred_inference.ts";
import type { AstromerNetwork } from "../model/network.ts";
import { letSignalsIn } from "../machine/signals.ts";
import { ReconstructionMetrics } from "./metrics.ts";

/**
 * A sentence on models that are shown the magnitudes of hidden points, such as the released Astromer 1: their errors are
 * not to be compared with those of models that are not. Undefined for these.
 */
export function copyingRemark({ masked_magnitudes }: Pick<Architecture, "masked_magnitudes">) {
  if (masked_magnitudes !== "kept") return undefined;
  return "this model is shown the magnitudes of hidden observations: it does not predict them";
}

/** How windows are masked and weighed. */
export interface ReconstructionOptions {
  masking: Masking;
  weights: LossWeights;
  batchSize: number;
  /** Fixes the masks: the same seed masks the same points of the same windows. */
  seed: number;
  /** See `BatchOptions`. */
  paddedTo?: number;
  /** Called after each batch, when signals have been let in; returning false stops early. */
  onBatch?: (windowsDone: number) => boolean | void;
}

/** What a predictor made of one window. */
export interface WindowResult {
  window: Window;
  /** Predicted and true magnitudes of the probed points, the loss weights, and what each point is (see `role`). */
  predicted: readonly number[];
  targets: readonly number[];
  weights: readonly number[];
  roles: readonly number[];
  /** The probed points' places in the window. */
  points: readonly number[];
}

/** Predicts the magnitudes (B, P) of the points of a batch that the loss reads, from what it shows: hidden ones are not to be read. */
export interface Predictor {
  /** Batches that are best begun before the first of them is read. */
  readonly ahead: number;
  /** Begins with a batch. The result waits for its magnitudes: to be called once, in order, before the next is begun. */
  begin(batch: Batch): () => Float32Array | Promise<Float32Array>;
}

/** A model as a predictor. */
export function modelPredictor(model: AstromerNetwork, options?: InferenceOptions): DeferredInference {
  return new DeferredInference(model, reconstruction, options);
}

/** Reconstructs windows with a model and hands out each one's probed points. */
export async function reconstructWindows(
  model: AstromerNetwork,
  dataset: Pick<Dataset, "offsets" | "mjd" | "mag" | "err" | "willNeed">,
  windows: readonly Window[],
  options: ReconstructionOptions,
  onWindow: (result: WindowResult) => void,
): Promise<void> {
  using predictor = modelPredictor(model);
  await predictWindows(predictor, dataset, windows, options, onWindow);
}

/** Predicts windows and hands out each one's probed points: of the same seed the same, whoever predicts. */
export async function predictWindows(
  predictor: Predictor,
  dataset: Pick<Dataset, "offsets" | "mjd" | "mag" | "err" | "willNeed">,
  windows: readonly Window[],
  { masking, weights, batchSize, seed, paddedTo, onBatch }: ReconstructionOptions,
  onWindow: (result: WindowResult) => void,
): Promise<void> {
  let begun = 0;
  const batches = batchesOf(windows, batchSize, [seed, 0xba7c]);
  const underWay = new UnderWay<() => Promise<boolean | void>>(predictor.ahead);
  for (const [i, batch] of batches.entries()) {
    if (i + 1 < batches.length) dataset.willNeed?.(batches[i + 1]);
    const filled = fillBatch(dataset, batch, { masking, weights, key: [seed, 0xf1cd], paddedTo });
    const read = predictor.begin(filled), done = begun += batch.length;
    underWay.add(async () => {
      eachWindow(filled, await read(), onWindow);
      await letSignalsIn();
      return onBatch?.(done);
    });
    for (const take of underWay.due(i + 1 < batches.length ? predictor.ahead : 0)) {
      if (await take() === false) return;
    }
  }
}

/**
 * Cuts a batch's predictions (B, P) into windows of probed points. Plain arrays: typed ones are blocks of the C library's
 * heap until they are collected, and a training step's blocks must find their places between them.
 */
export function eachWindow(
  { windows, length, queriesFrom, targets, coefficients, roles, positions }: Batch,
  predicted: Float32Array,
  onWindow: (result: WindowResult) => void,
): void {
  const read = length - queriesFrom;
  for (const [b, window] of windows.entries()) {
    const probed: number[] = [];
    for (let i = b * read; i < (b + 1) * read; i++) if (roles[i] !== role.none) probed.push(i);
    // A coefficient is w / (B n); the weight w is wanted back.
    const scale = windows.length * probed.length;
    onWindow({
      window,
      predicted: probed.map((i) => predicted[i]),
      targets: probed.map((i) => targets[i]),
      weights: probed.map((i) => Math.fround(coefficients[i] * scale)),
      roles: probed.map((i) => roles[i]),
      points: probed.map((i) => positions[b * length + queriesFrom + i - b * read]),
    });
  }
}

/** A model's loss, RMSE and R2 over windows under fixed masks. */
export async function reconstructionMetrics(
  model: AstromerNetwork,
  dataset: Pick<Dataset, "offsets" | "mjd" | "mag" | "err" | "willNeed">,
  windows: readonly Window[],
  options: ReconstructionOptions,
): Promise<ReconstructionMetrics> {
  using predictor = modelPredictor(model);
  return await predictionMetrics(predictor, dataset, windows, options);
}

/** The same of any predictor. */
export async function predictionMetrics(
  predictor: Predictor,
  dataset: Pick<Dataset, "offsets" | "mjd" | "mag" | "err" | "willNeed">,
  windows: readonly Window[],
  options: ReconstructionOptions,
): Promise<ReconstructionMetrics> {
  const metrics = new ReconstructionMetrics();
  await predictWindows(predictor, dataset, windows, options, ({ predicted, targets, weights }) => {
    metrics.add(predicted, targets, weights);
  });
  return metrics;
}
