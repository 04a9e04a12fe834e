/** The training loop: set the learning rate, forward, backward, update, log, validate, keep the best. */
import { manualSeed } from "../../ffi/random.ts";
import type { Batch } from "../data/batch.ts";
import { batchesOf, fillBatch, type LossWeights } from "../data/batch.ts";
import { type Dataset, lightCurvesOf } from "../data/dataset.ts";
import type { Masking } from "../data/masking.ts";
import { randomWindow, sequentialWindows, type Window } from "../data/windows.ts";
import { Failure } from "../errors.ts";
import { ReconstructionMetrics } from "../evaluate/metrics.ts";
import { eachWindow, reconstructionMetrics } from "../evaluate/reconstruction.ts";
import type { AstromerNetwork } from "../model/network.ts";
import { seeded } from "../random.ts";
import { letSignalsIn } from "../run.ts";
import type { Adam } from "./adam.ts";
import type { Schedule } from "./schedule.ts";
import { trainingStep } from "./step.ts";

/** What a run of pretraining is told. */
export interface PretrainOptions {
  windowSize: number;
  batchSize: number;
  masking: Masking;
  weights: LossWeights;
  schedule: Schedule;
  /** Epochs at most. */
  epochs: number;
  /** Minutes at most; the run then ends in the middle of an epoch. */
  maxMinutes: number;
  /** Epochs without a better validation loss before the run ends. */
  patience: number;
  /** Validation looks at this many windows at most. */
  validationWindows: number;
  /** Steps between two lines of metrics. */
  logSteps: number;
  seed: number;
  /** Light curves to train on, of which one may stand more than once. Default: the dataset's train subset. */
  train?: readonly number[];
  /** Light curves to validate with. Default: the dataset's validation subset. */
  validation?: readonly number[];
}

/** A line of `metrics.jsonl`. */
export type MetricsLine = {
  kind: "step" | "epoch";
  epoch: number;
  step: number;
  /** Seconds since the start of the run. */
  seconds: number;
  [metric: string]: number | string;
};

/** What the loop calls. */
export interface PretrainEvents {
  /** After every step, for a progress line. */
  onStep?: (
    state: { epoch: number; step: number; steps: number; done: number; loss: number; rate: number },
  ) => void;
  /** A line of metrics. */
  onMetrics: (line: MetricsLine) => void | Promise<void>;
  /** After every epoch's validation. */
  onEpoch?: (metrics: Record<string, number>) => Promise<void>;
  /** The model is the best so far. */
  onBest: (metrics: Record<string, number>) => Promise<void>;
  /** Set by a signal: the run stops after the step in progress, without a validation. */
  stopRequested?: () => boolean;
}

/** How a run ended. */
export interface PretrainResult {
  reason: "all epochs done" | "time is up" | "early stopping" | "stopped by a signal";
  epochs: number;
  steps: number;
  seconds: number;
  /** Metrics of the last epoch: of training alone where it was not validated. */
  last: Record<string, number>;
}

/** One random window of each light curve, in random order, cut into batches. */
export function epochBatches(
  dataset: Pick<Dataset, "lengths">,
  lightCurves: readonly number[],
  { seed, windowSize, batchSize }: Pick<PretrainOptions, "seed" | "windowSize" | "batchSize">,
  epoch: number,
): Window[][] {
  const seen = new Map<number, number>(); // a light curve that stands here again has another window
  const windows = lightCurves.map((i) => {
    const time = seen.get(i) ?? 0;
    seen.set(i, time + 1);
    const random = time === 0 ? seeded(seed, 0x11d0, epoch, i) : seeded(seed, 0x11d0, epoch, i, time);
    return randomWindow(i, dataset.lengths[i], random, windowSize);
  });
  return batchesOf(seeded(seed, 0x54f1, epoch).shuffle(windows), batchSize, [seed, 0xba7c, epoch]);
}

/** Windows that validation looks at: sequential ones, or a fixed draw of them if there are too many. */
export function validationSample(
  dataset: Pick<Dataset, "lengths">,
  lightCurves: readonly number[],
  { seed, windowSize, validationWindows }: Pick<PretrainOptions, "seed" | "windowSize" | "validationWindows">,
): Window[] {
  const all = lightCurves.flatMap((i) => sequentialWindows(i, dataset.lengths[i], windowSize));
  return seeded(seed, 0x7a11d).shuffle(all).slice(0, validationWindows);
}

/**
 * Pretrains a model on a dataset's light curves.
 * @throws {Failure} when the loss is not a number, with the batch's light curves
 */
export async function pretrain(
  model: AstromerNetwork,
  adam: Adam,
  dataset: Dataset,
  options: PretrainOptions,
  events: PretrainEvents,
): Promise<PretrainResult> {
  const { masking, weights, batchSize, seed } = options;
  const train = options.train ?? lightCurvesOf(dataset, "train");
  const validation = validationSample(
    dataset,
    options.validation ?? lightCurvesOf(dataset, "validation"),
    options,
  );
  const paddedTo = model.seesPadding ? options.windowSize : undefined;
  const stepsPerEpoch = Math.ceil(train.length / batchSize);
  const start = performance.now();
  const seconds = () => (performance.now() - start) / 1000;
  // The last validation belongs to the run's minutes.
  let validationSeconds = 0;
  const budget = () => Math.max(1e-9, 60 * options.maxMinutes - validationSeconds);
  // Of the epochs or of the minutes, whichever is further; a run with both limits ends at the first.
  const done = (step: number) => Math.max(step / (options.epochs * stepsPerEpoch), seconds() / budget());

  let bestLoss = Infinity, bestEpoch = 0, reason: PretrainResult["reason"] = "all epochs done";
  let last: Record<string, number> = {}, epoch = 0;
  const notFinite = (what: string, value: number, where: string) =>
    new Failure(
      `the ${what} became ${value} in ${where}` +
        (bestEpoch ? `; the best model, of epoch ${bestEpoch}, is kept` : "") +
        ". Try a lower --learning-rate",
    );
  while (epoch < options.epochs && reason === "all epochs done") {
    epoch++;
    const running = new ReconstructionMetrics();
    let interval = new ReconstructionMetrics(),
      intervalStart = seconds(),
      intervalLoss = 0,
      intervalSteps = 0;
    const place = (i: number, batch: Batch) => `epoch ${epoch}, batch ${i + 1} (${idsOf(batch, dataset)})`;
    const batches = epochBatches(dataset, train, options, epoch);
    for (const [i, windows] of batches.entries()) {
      const step = adam.steps + 1;
      const learningRate = options.schedule({ step, done: done(step) });
      manualSeed(seeded(seed, 0xd20b, step).integer(2 ** 31)); // dropout: a function of seed and step
      const batch = fillBatch(dataset, windows, { masking, weights, key: [seed, 0x3a5c, epoch], paddedTo });
      const { loss, predicted, gradientNorm } = trainingStep(model, adam, batch, learningRate);
      if (!Number.isFinite(loss)) throw notFinite("loss", loss, place(i, batch));
      if (gradientNorm !== undefined && !Number.isFinite(gradientNorm)) {
        throw notFinite("gradient's norm", gradientNorm, place(i, batch));
      }

      eachWindow(batch, predicted, (window) => {
        running.add(window.predicted, window.targets, window.weights);
        interval.add(window.predicted, window.targets, window.weights);
      });
      intervalLoss += loss;
      intervalSteps++;
      const rate = interval.windows / (seconds() - intervalStart);
      events.onStep?.({ epoch, step: i + 1, steps: batches.length, done: done(step), loss, rate });
      if (step % options.logSteps === 0) {
        await events.onMetrics({
          kind: "step",
          epoch,
          step,
          loss: intervalLoss / intervalSteps,
          rmse: interval.rmse,
          r2: interval.r2,
          learning_rate: learningRate,
          ...gradientNorm === undefined ? {} : { gradient_norm: gradientNorm },
          windows_per_second: rate,
          seconds: seconds(),
        });
        interval = new ReconstructionMetrics();
        intervalStart = seconds();
        intervalLoss = intervalSteps = 0;
      }
      await letSignalsIn();
      if (events.stopRequested?.()) reason = "stopped by a signal";
      else if (seconds() >= budget()) reason = "time is up";
      if (reason !== "all epochs done") break;
    }

    last = { train_loss: running.loss, train_rmse: running.rmse, train_r2: running.r2 };
    if (reason === "stopped by a signal") break;
    const validationStart = seconds();
    const validated = await reconstructionMetrics(model, dataset, validation, {
      masking,
      weights,
      batchSize,
      seed,
      paddedTo,
      onBatch: () => !events.stopRequested?.(),
    });
    if (events.stopRequested?.()) {
      reason = "stopped by a signal";
      break;
    }
    validationSeconds = seconds() - validationStart;
    if (!Number.isFinite(validated.loss)) {
      throw notFinite("validation loss", validated.loss, `epoch ${epoch}`);
    }
    last = {
      ...last,
      validation_loss: validated.loss,
      validation_rmse: validated.rmse,
      validation_r2: validated.r2,
    };
    const line = { kind: "epoch" as const, epoch, step: adam.steps, seconds: seconds(), ...last };
    await events.onMetrics({ ...line, best: validated.loss < bestLoss ? 1 : 0 });
    await events.onEpoch?.({ epoch, step: adam.steps, ...last });
    if (validated.loss < bestLoss) {
      bestLoss = validated.loss;
      bestEpoch = epoch;
      await events.onBest({ epoch, step: adam.steps, ...last });
    } else if (reason === "all epochs done" && epoch - bestEpoch >= options.patience) {
      reason = "early stopping";
    }
  }
  return { reason, epochs: epoch, steps: adam.steps, seconds: seconds(), last };
}

/** The first light curves of a batch, for a message. */
function idsOf({ windows }: Batch, { ids }: Dataset): string {
  const distinct = [...new Set(windows.map(({ lightCurve }) => ids[lightCurve]))];
  return `light curves ${distinct.slice(0, 8).join(", ")}${distinct.length > 8 ? ", …" : ""}`;
}
