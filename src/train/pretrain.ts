/** The training loop: set the learning rate, forward, backward, update, log, validate, keep the best. */
import { ownMemory, returnFreedMemory } from "../../ffi/device.ts";
import { manualSeed } from "../../ffi/random.ts";
import { batchesOf, fillBatch, layOut, type LossWeights } from "../data/batch.ts";
import { type Dataset, lightCurvesOf } from "../data/dataset.ts";
import type { Masking } from "../data/masking.ts";
import { epochLightCurves, type TrainPart } from "../data/joined_datasets.ts";
import { randomWindow, sequentialWindows, type Window } from "../data/windows.ts";
import { Failure } from "../common/errors.ts";
import { ReconstructionMetrics, type ReconstructionSums } from "../evaluate/metrics.ts";
import { eachWindow, modelPredictor, predictionMetrics } from "../evaluate/reconstruction.ts";
import { UnderWay } from "../model/deferred.ts";
import type { AstromerNetwork } from "../model/network.ts";
import { seeded } from "../common/random.ts";
import { oneRank, type Ranks } from "../machine/ranks.ts";
import { letSignalsIn } from "../machine/signals.ts";
import type { Adam } from "./adam.ts";
import { DeferredSteps, type StepOutcome } from "./deferred_steps.ts";
import { belongOnDevice, type DataOnDevice, DeviceObservations } from "./device_observations.ts";
import type { Schedule } from "./schedule.ts";
import { sharedStep } from "./step.ts";

/** What a run of pretraining is told. */
export interface PretrainOptions {
  windowSize: number;
  /** Of all ranks together. */
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
  /**
   * Steps that are given to the device before what the first of them found is read. Default: 0 on the CPU, where each is
   * read at once; 8 on a GPU, which then never waits for the program.
   */
  stepsAhead?: number;
  /** Whether a GPU's steps are recorded as graphs where they can be. Default: yes. */
  graphs?: boolean;
  /** Whether observations lie on the device, and batches are gathered there. Default: auto, on a GPU if they fit. */
  dataOnDevice?: DataOnDevice;
  /**
   * Light curves to train on, of which one may stand more than once, in parts of which an epoch takes so many windows each.
   * Default: one window of each light curve of the dataset's train subset.
   */
  train?: readonly TrainPart[];
  /** Light curves to validate with. Default: the dataset's validation subset. */
  validation?: readonly number[];
  /** A score of the network, by whose highest value the best epoch is chosen. Default: the lowest validation loss. */
  probe?: (model: AstromerNetwork) => Promise<number>;
}

/**
 * Where a run stands: beside parameters and optimizer all that its future depends on. No generator's state is part of it,
 * since every draw is a function of the seed and of epoch, step or light curve. Its numbers survive JSON exactly.
 */
export interface PretrainState {
  /** The epoch under way, from 1. */
  epoch: number;
  /** Its batches that are done; after the last of them comes the validation, and then the next epoch. */
  batch: number;
  /** Seconds that the run has taken so far, and that its last validation took. */
  seconds: number;
  validationSeconds: number;
  /** Over the windows of the epoch. */
  running: ReconstructionSums;
  /** Since the last line of metrics: sums, when it began, sum of the steps' losses, steps. */
  interval: { metrics: ReconstructionSums; start: number; loss: number; steps: number };
  /** The epoch of the lowest validation loss so far, or of the highest score of the probe that chooses. */
  best?: { epoch: number; loss: number; probe?: number };
  /** Metrics of the last epoch that was validated. */
  last: Record<string, number>;
}

/** How long memory that is freed is kept within an epoch: taking it anew costs a thousandth of a minute. */
const secondsOfFreedMemory = 60;

/** A line of `metrics.jsonl`. `memory_gb` is {@link ownMemory}, in an epoch's line once freed memory is given back. */
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
    state: {
      epoch: number;
      step: number;
      steps: number;
      done: number;
      loss: number;
      rate: number;
      seconds: number;
    },
  ) => void;
  /** A line of metrics. */
  onMetrics: (line: MetricsLine) => void | Promise<void>;
  /** After every epoch's validation. */
  onEpoch?: (metrics: Record<string, number>) => Promise<void>;
  /** The model is the best so far. */
  onBest: (metrics: Record<string, number>) => Promise<void>;
  /** Set by a signal: the run stops after the step in progress, without a validation. */
  stopRequested?: () => boolean;
  /** Whether it is time for a checkpoint; asked between steps. */
  checkpointDue?: () => boolean;
  /** To be kept, with parameters and optimizer: when it is due, on a stop, and when all steps are done. */
  onCheckpoint?: (state: PretrainState) => Promise<void>;
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

/** What an epoch takes: one window of each light curve. */
export function allOnce(lightCurves: readonly number[]): TrainPart[] {
  return [{ lightCurves, windows: lightCurves.length }];
}

/** Random windows of light curves, one for each time that one stands there, in random order, cut into batches. */
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
 * @param from where the run stood, if this is not its beginning; parameters and optimizer must be those of then
 * @param ranks who trains together: each has its part of every batch and of the validation. All of them have the same
 * parameters, `from` and numbers, and stop at the same step, asked at whichever; only `onStep`'s clock is a rank's own
 * @throws {Failure} when the loss is not a number, with the batch's light curves
 */
export async function pretrain(
  model: AstromerNetwork,
  adam: Adam,
  dataset: Dataset,
  options: PretrainOptions,
  events: PretrainEvents,
  from?: PretrainState,
  ranks: Ranks = oneRank,
): Promise<PretrainResult> {
  const { masking, weights, batchSize, seed } = options;
  const parts = options.train ?? allOnce(lightCurvesOf(dataset, "train"));
  const validation = validationSample(
    dataset,
    options.validation ?? lightCurvesOf(dataset, "validation"),
    options,
  );
  const paddedTo = model.seesPadding ? options.windowSize : undefined;
  const stepsPerEpoch = Math.ceil(parts.reduce((sum, { windows }) => sum + windows, 0) / batchSize);
  const start = performance.now() - 1000 * (from?.seconds ?? 0);
  const seconds = () => (performance.now() - start) / 1000;
  let { epoch, batch, validationSeconds, best, last } = from ??
    { epoch: 1, batch: 0, validationSeconds: 0, last: {} };
  let running = new ReconstructionMetrics(from?.running);
  const memory = (): Record<string, number> => {
    const bytes = ownMemory();
    return bytes === undefined ? {} : { memory_gb: bytes / 1e9 };
  };
  let returned = seconds();
  const newInterval = () => ({ metrics: new ReconstructionMetrics(), start: seconds(), loss: 0, steps: 0 });
  let interval = from
    ? { ...from.interval, metrics: new ReconstructionMetrics(from.interval.metrics) }
    : newInterval();

  // The last validation belongs to the run's minutes.
  const budget = () => Math.max(1e-9, 60 * options.maxMinutes - validationSeconds);
  const timeIsUp = () => adam.steps > 0 && ranks.any(seconds() >= budget());
  // Of the epochs or of the minutes, whichever is further; a run with both limits ends at the first. The learning rate may
  // depend on it, so that ranks must not differ.
  const doneAt = (step: number) =>
    ranks.max(Math.max(step / (options.epochs * stepsPerEpoch), seconds() / budget()));
  const keep = () =>
    events.onCheckpoint?.({
      epoch,
      batch,
      seconds: seconds(),
      validationSeconds,
      running: running.sums,
      interval: { ...interval, metrics: interval.metrics.sums },
      best,
      last,
    });
  const ahead = options.stepsAhead ?? (model.device === "cpu" ? 0 : 8);
  const launched = options.graphs === false ? { record: null } : {};
  const seen = parts.flatMap(({ lightCurves }) => lightCurves);
  using observations = belongOnDevice(dataset, seen, model.device, options.dataOnDevice ?? "auto")
    ? new DeviceObservations(dataset, seen, model.device, { weights })
    : undefined;
  using deferred = ahead > 0 || observations
    ? new DeferredSteps(model, adam, ranks, { ...launched, observations })
    : undefined;
  using predictor = modelPredictor(model, { ahead, ...launched });
  /** Begins a step; what it found is read, and waited for, by the result. */
  const begin = (windows: readonly Window[], size: number, learningRate: number): () => StepOutcome => {
    const filling = { masking, weights, key: [seed, 0x3a5c, epoch], paddedTo };
    if (deferred && observations) {
      return deferred.begin(windows.length ? layOut(windows, filling) : undefined, size, learningRate);
    }
    const filled = windows.length ? fillBatch(dataset, windows, filling) : undefined;
    if (deferred) return deferred.begin(filled, size, learningRate);
    const { loss, predicted, gradientNorm } = sharedStep(model, adam, filled, size, learningRate, ranks);
    return () => {
      const found = new ReconstructionMetrics();
      if (filled && Number.isFinite(loss)) {
        eachWindow(filled, predicted, (window) => {
          found.add(window.predicted, window.targets, window.weights);
        });
      }
      return { loss, gradientNorm, sums: found.sums };
    };
  };
  /** Takes in what the steps that are under way have found, but for the last so many. */
  const underWay = new UnderWay<() => Promise<void>>(ahead);
  const takeIn = async (left = 0) => {
    for (const take of underWay.due(left)) await take();
  };
  /** Between two steps: whether the run is to stop. */
  const stopped = async () => {
    await letSignalsIn();
    const wish = ranks.max(events.stopRequested?.() ? 2 : events.checkpointDue?.() ? 1 : 0);
    if (wish > 0) {
      await takeIn();
      await keep();
    }
    return wish === 2;
  };
  const trained = () => ({ train_loss: running.loss, train_rmse: running.rmse, train_r2: running.r2 });
  const ended = (reason: PretrainResult["reason"]): PretrainResult => {
    const within = reason === "stopped by a signal" && batch > 0;
    const epochs = batch ? epoch : epoch - 1;
    return { reason, epochs, steps: adam.steps, seconds: seconds(), last: within ? trained() : last };
  };
  const notFinite = (what: string, value: number, where: string) =>
    new Failure(
      `the ${what} became ${value} in ${where}` +
        (best ? `; the best model, of epoch ${best.epoch}, is kept` : "") +
        ". Try a lower --learning-rate",
    );

  for (;;) {
    if (batch === 0) {
      const reason = timeIsUp()
        ? "time is up"
        : epoch - 1 - (best?.epoch ?? 0) >= options.patience
        ? "early stopping"
        : epoch > options.epochs
        ? "all epochs done"
        : null;
      if (reason) {
        await keep();
        return ended(reason);
      }
      running = new ReconstructionMetrics();
      interval = newInterval();
    }
    const place = (i: number) => `epoch ${epoch}, batch ${i + 1} (${idsOf(batches[i], dataset)})`;
    const train = parts.flatMap((part, i) => epochLightCurves(part, () => seeded(seed, 0xd1a7, epoch, i)));
    const batches = epochBatches(dataset, train, options, epoch);
    while (batch < batches.length && !timeIsUp()) {
      if (await stopped()) return ended("stopped by a signal");
      const step = adam.steps + 1;
      const doneAfter = doneAt(step), learningRate = options.schedule({ step, done: doneAfter });
      // Dropout: a function of seed, step, and rank.
      manualSeed(seeded(seed, 0xd20b, step, ...ranks.first ? [] : [ranks.rank]).integer(2 ** 31));
      const windows = ranks.part(batches[batch]), size = batches[batch].length;
      if (batch + 1 < batches.length) dataset.willNeed?.(ranks.part(batches[batch + 1]));
      const read = begin(windows, size, learningRate);
      const done = ++batch;
      underWay.add(async () => {
        const { loss, gradientNorm, sums: found } = read();
        if (!Number.isFinite(loss)) throw notFinite("loss", loss, place(done - 1));
        if (gradientNorm !== undefined && !Number.isFinite(gradientNorm)) {
          throw notFinite("gradient's norm", gradientNorm, place(done - 1));
        }
        const sums = ranks.sum(found);
        running.addSums(sums);
        interval.metrics.addSums(sums);
        interval.loss += loss;
        interval.steps++;
        const rate = interval.metrics.windows / (seconds() - interval.start);
        events.onStep?.({
          epoch,
          step: done,
          steps: batches.length,
          done: doneAfter,
          loss,
          rate,
          seconds: seconds(),
        });
        if (step % options.logSteps === 0) {
          await events.onMetrics({
            kind: "step",
            epoch,
            step,
            loss: interval.loss / interval.steps,
            rmse: interval.metrics.rmse,
            r2: interval.metrics.r2,
            learning_rate: learningRate,
            ...gradientNorm === undefined ? {} : { gradient_norm: gradientNorm },
            windows_per_second: rate,
            ...memory(),
            seconds: seconds(),
          });
          interval = newInterval();
        }
      });
      await takeIn(ahead);
      if (seconds() - returned > secondsOfFreedMemory) {
        returnFreedMemory();
        returned = seconds();
      }
    }

    await takeIn();
    if (await stopped()) return ended("stopped by a signal");
    // With more minutes, the run goes on from before this validation, as if it had not stood here.
    const cutShort = batch < batches.length;
    if (cutShort) await keep();
    returnFreedMemory(); // inference takes blocks of other sizes
    const validationStart = seconds();
    const part = await predictionMetrics(predictor, dataset, ranks.part(validation), {
      masking,
      weights,
      batchSize: Math.ceil(batchSize / ranks.size),
      seed,
      paddedTo,
      onBatch: () => !events.stopRequested?.(),
    });
    if (ranks.any(events.stopRequested?.() ?? false)) {
      await keep();
      return ended("stopped by a signal");
    }
    validationSeconds = ranks.max(seconds() - validationStart);
    const validated = new ReconstructionMetrics(ranks.sum(part.sums));
    if (!Number.isFinite(validated.loss)) {
      throw notFinite("validation loss", validated.loss, `epoch ${epoch}`);
    }
    const probe = options.probe && ranks.max(await options.probe(model));
    last = {
      ...trained(),
      validation_loss: validated.loss,
      validation_rmse: validated.rmse,
      validation_r2: validated.r2,
      ...probe === undefined ? {} : { validation_probe: probe },
    };
    returnFreedMemory();
    returned = seconds();
    const line = {
      kind: "epoch" as const,
      epoch,
      step: adam.steps,
      seconds: seconds(),
      ...last,
      ...memory(),
    };
    const better = probe === undefined
      ? validated.loss < (best?.loss ?? Infinity)
      : probe > (best?.probe ?? -Infinity);
    await events.onMetrics({ ...line, best: better ? 1 : 0 });
    await events.onEpoch?.({ epoch, step: adam.steps, ...last });
    if (better) {
      best = { epoch, loss: validated.loss, ...probe === undefined ? {} : { probe } };
      await events.onBest({ epoch, step: adam.steps, ...last });
    }
    if (cutShort) return ended("time is up");
    epoch++;
    batch = 0;
  }
}

/** The first light curves of a batch, for a message. */
function idsOf(windows: readonly Window[], { ids }: Dataset): string {
  const distinct = [...new Set(windows.map(({ lightCurve }) => ids[lightCurve]))];
  return `light curves ${distinct.slice(0, 8).join(", ")}${distinct.length > 8 ? ", …" : ""}`;
}
