/** Pretraining: epochs of steps, each followed by a validation; the best model is handed out. */
import { returnFreedMemory } from "../../ffi/device.ts";
import { manualSeed } from "../../ffi/random.ts";
import { Failure } from "../common/errors.ts";
import { seeded } from "../common/random.ts";
import { type Dataset, lightCurvesOf } from "../data/dataset.ts";
import { epochLightCurves, type TrainPart } from "../data/joined_datasets.ts";
import type { Window } from "../data/windows.ts";
import { ReconstructionMetrics } from "../evaluate/metrics.ts";
import { modelPredictor, predictionMetrics } from "../evaluate/reconstruction.ts";
import { oneRank, type Ranks } from "../machine/ranks.ts";
import { letSignalsIn } from "../machine/signals.ts";
import { UnderWay } from "../model/deferred.ts";
import type { AstromerNetwork } from "../model/network.ts";
import type { Adam } from "./adam.ts";
import type { StepOutcome } from "./deferred_steps.ts";
import { allOnce, epochBatches, validationSample } from "./epoch.ts";
import type { PretrainEvents, PretrainOptions, PretrainResult, PretrainState } from "./pretrain_types.ts";
import { RunClock } from "./run_clock.ts";
import { memoryMetric, TrainingMetrics } from "./training_metrics.ts";
import { launchOptions, TrainingSteps } from "./training_steps.ts";

/** How long memory that is freed is kept within an epoch: taking it anew costs a thousandth of a minute. */
const secondsOfFreedMemory = 60;

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
  using training = new Pretraining(model, adam, dataset, options, events, from, ranks);
  return await training.run();
}

/** A step of which the outcome is not yet read. */
interface BegunStep {
  step: number;
  /** Of its epoch, from 0. */
  batch: number;
  learningRate: number;
  /** The share of the run that is done after it. */
  done: number;
  read: () => StepOutcome;
}

/** One run under way. */
class Pretraining implements Disposable {
  readonly #parts: readonly TrainPart[];
  readonly #validation: Window[];
  readonly #clock: RunClock;
  readonly #metrics: TrainingMetrics;
  readonly #steps: TrainingSteps;
  readonly #predictor: ReturnType<typeof modelPredictor>;
  readonly #underWay: UnderWay<BegunStep>;
  readonly #owned: DisposableStack;

  #epoch: number;
  /** Batches of the epoch that are done. */
  #batch: number;
  #batches: Window[][] = [];
  #best: PretrainState["best"];
  #last: Record<string, number>;
  /** When freed memory was last given back. */
  #returned: number;

  constructor(
    readonly model: AstromerNetwork,
    readonly adam: Adam,
    readonly dataset: Dataset,
    readonly options: PretrainOptions,
    readonly events: PretrainEvents,
    from: PretrainState | undefined,
    readonly ranks: Ranks,
  ) {
    this.#parts = options.train ?? allOnce(lightCurvesOf(dataset, "train"));
    const validation = options.validation ?? lightCurvesOf(dataset, "validation");
    this.#validation = validationSample(dataset, validation, options);
    const windows = this.#parts.reduce((sum, { windows }) => sum + windows, 0);
    this.#clock = new RunClock(options, Math.ceil(windows / options.batchSize), ranks, from);
    this.#metrics = new TrainingMetrics(this.#clock, from);
    this.#epoch = from?.epoch ?? 1;
    this.#batch = from?.batch ?? 0;
    this.#best = from?.best;
    this.#last = from?.last ?? {};
    this.#returned = this.#clock.seconds;
    using owned = new DisposableStack();
    const lightCurves = this.#parts.flatMap(({ lightCurves }) => lightCurves);
    this.#steps = owned.use(new TrainingSteps(model, adam, dataset, lightCurves, options, ranks));
    const launch = launchOptions(model, options);
    this.#predictor = owned.use(modelPredictor(model, launch));
    this.#underWay = new UnderWay(launch.ahead);
    this.#owned = owned.move();
  }

  [Symbol.dispose](): void {
    this.#owned.dispose();
  }

  async run(): Promise<PretrainResult> {
    for (;;) {
      if (this.#batch === 0) {
        const reason = this.#reasonToEnd();
        if (reason) {
          await this.#keep();
          return this.#ended(reason);
        }
        this.#metrics.beginEpoch();
      }
      if (await this.#trainEpoch() === "stopped") return this.#ended("stopped by a signal");
      // With more minutes, the run goes on from before this validation, as if it had not stood here.
      const cutShort = this.#batch < this.#batches.length;
      if (cutShort) await this.#keep();
      if (await this.#validate() === "stopped") {
        await this.#keep();
        return this.#ended("stopped by a signal");
      }
      if (cutShort) return this.#ended("time is up");
      this.#epoch++;
      this.#batch = 0;
    }
  }

  /** Why no epoch follows; null if one does. */
  #reasonToEnd(): PretrainResult["reason"] | null {
    const { patience, epochs } = this.options;
    if (this.#timeIsUp()) return "time is up";
    if (this.#epoch - 1 - (this.#best?.epoch ?? 0) >= patience) return "early stopping";
    return this.#epoch > epochs ? "all epochs done" : null;
  }

  /** A run makes one step at least. */
  #timeIsUp(): boolean {
    return this.adam.steps > 0 && this.#clock.isUp();
  }

  /** Makes the steps of the epoch that are left, or as many as there is time for. */
  async #trainEpoch(): Promise<"trained" | "stopped"> {
    const { seed } = this.options, epoch = this.#epoch;
    const lightCurves = this.#parts.flatMap((part, i) =>
      epochLightCurves(part, () => seeded(seed, 0xd1a7, epoch, i))
    );
    this.#batches = epochBatches(this.dataset, lightCurves, this.options, epoch);
    while (this.#batch < this.#batches.length && !this.#timeIsUp()) {
      if (await this.#stopped()) return "stopped";
      this.#underWay.add(this.#beginStep());
      await this.#takeIn(this.#underWay.ahead);
      if (this.#clock.seconds - this.#returned > secondsOfFreedMemory) this.#returnFreedMemory();
    }
    await this.#takeIn();
    return await this.#stopped() ? "stopped" : "trained";
  }

  /** Sets the learning rate, and begins forward pass, backward pass and update on the next batch. */
  #beginStep(): BegunStep {
    const { ranks, options: { seed, schedule } } = this, batch = this.#batch, windows = this.#batches[batch];
    const step = this.adam.steps + 1, done = this.#clock.doneAfter(step);
    const learningRate = schedule({ step, done });
    // Dropout: a function of seed, step, and rank.
    manualSeed(seeded(seed, 0xd20b, step, ...ranks.first ? [] : [ranks.rank]).integer(2 ** 31));
    const part = ranks.part(windows), next = this.#batches[batch + 1];
    if (next) this.dataset.willNeed?.(ranks.part(next));
    const read = this.#steps.begin(part, windows.length, learningRate, this.#epoch);
    this.#batch++;
    return { step, batch, learningRate, done, read };
  }

  /** Takes in what the steps that are under way have found, but for the last so many. */
  async #takeIn(left = 0): Promise<void> {
    for (const begun of this.#underWay.due(left)) await this.#takeInStep(begun);
  }

  async #takeInStep({ step, batch, learningRate, done, read }: BegunStep): Promise<void> {
    const { loss, gradientNorm, sums } = read(), epoch = this.#epoch;
    const place = () => `epoch ${epoch}, batch ${batch + 1} (${idsOf(this.#batches[batch], this.dataset)})`;
    if (!Number.isFinite(loss)) throw this.#notFinite("loss", loss, place());
    if (gradientNorm !== undefined && !Number.isFinite(gradientNorm)) {
      throw this.#notFinite("gradient's norm", gradientNorm, place());
    }
    this.#metrics.add(loss, this.ranks.sum(sums));
    const { rate } = this.#metrics, { seconds } = this.#clock;
    this.events.onStep?.({ epoch, step: batch + 1, steps: this.#batches.length, done, loss, rate, seconds });
    if (step % this.options.logSteps !== 0) return;
    await this.events.onMetrics({
      kind: "step",
      epoch,
      step,
      ...this.#metrics.takeInterval(),
      learning_rate: learningRate,
      ...gradientNorm === undefined ? {} : { gradient_norm: gradientNorm },
      windows_per_second: rate,
      ...memoryMetric(),
      seconds: this.#clock.seconds,
    });
  }

  /** Between two steps: whether the run is to stop. What it needs to go on is then kept, as when a checkpoint is due. */
  async #stopped(): Promise<boolean> {
    await letSignalsIn();
    const { events } = this;
    const wish = this.ranks.max(events.stopRequested?.() ? 2 : events.checkpointDue?.() ? 1 : 0);
    if (wish > 0) {
      await this.#takeIn();
      await this.#keep();
    }
    return wish === 2;
  }

  /** Validates the model, tells what it is worth, and hands it out if it is the best so far. */
  async #validate(): Promise<"validated" | "stopped"> {
    const { ranks, events, options: { masking, weights, batchSize, seed, windowSize, probe } } = this;
    returnFreedMemory(); // inference takes blocks of other sizes
    const start = this.#clock.seconds;
    const part = await predictionMetrics(this.#predictor, this.dataset, ranks.part(this.#validation), {
      masking,
      weights,
      batchSize: Math.ceil(batchSize / ranks.size),
      seed,
      paddedTo: this.model.seesPadding ? windowSize : undefined,
      onBatch: () => !events.stopRequested?.(),
    });
    if (ranks.any(events.stopRequested?.() ?? false)) return "stopped";
    this.#clock.validationSeconds = ranks.max(this.#clock.seconds - start);
    const { loss, rmse, r2 } = new ReconstructionMetrics(ranks.sum(part.sums));
    if (!Number.isFinite(loss)) throw this.#notFinite("validation loss", loss, `epoch ${this.#epoch}`);
    const score = probe && ranks.max(await probe(this.model));
    this.#returnFreedMemory();
    await this.#tellEpoch(loss, score, {
      ...this.#metrics.ofEpoch(),
      validation_loss: loss,
      validation_rmse: rmse,
      validation_r2: r2,
      ...score === undefined ? {} : { validation_probe: score },
    });
    return "validated";
  }

  async #tellEpoch(loss: number, probe: number | undefined, found: Record<string, number>): Promise<void> {
    const place = { epoch: this.#epoch, step: this.adam.steps }, { events } = this;
    const better = probe === undefined
      ? loss < (this.#best?.loss ?? Infinity)
      : probe > (this.#best?.probe ?? -Infinity);
    this.#last = found;
    await events.onMetrics({
      kind: "epoch",
      ...place,
      seconds: this.#clock.seconds,
      ...found,
      ...memoryMetric(),
      best: better ? 1 : 0,
    });
    await events.onEpoch?.({ ...place, ...found });
    if (!better) return;
    this.#best = { epoch: this.#epoch, loss, ...probe === undefined ? {} : { probe } };
    await events.onBest({ ...place, ...found });
  }

  #returnFreedMemory(): void {
    returnFreedMemory();
    this.#returned = this.#clock.seconds;
  }

  /** Hands out what a checkpoint keeps. */
  async #keep(): Promise<void> {
    await this.events.onCheckpoint?.({
      epoch: this.#epoch,
      batch: this.#batch,
      seconds: this.#clock.seconds,
      validationSeconds: this.#clock.validationSeconds,
      ...this.#metrics.state,
      best: this.#best,
      last: this.#last,
    });
  }

  #ended(reason: PretrainResult["reason"]): PretrainResult {
    const within = reason === "stopped by a signal" && this.#batch > 0;
    return {
      reason,
      epochs: this.#batch ? this.#epoch : this.#epoch - 1,
      steps: this.adam.steps,
      seconds: this.#clock.seconds,
      last: within ? this.#metrics.ofEpoch() : this.#last,
    };
  }

  #notFinite(what: string, value: number, where: string): Failure {
    const kept = this.#best ? `; the best model, of epoch ${this.#best.epoch}, is kept` : "";
    return new Failure(`the ${what} became ${value} in ${where}${kept}. Try a lower --learning-rate`);
  }
}

/** The first light curves of a batch, for a message. */
function idsOf(windows: readonly Window[], { ids }: Dataset): string {
  const distinct = [...new Set(windows.map(({ lightCurve }) => ids[lightCurve]))];
  return `light curves ${distinct.slice(0, 8).join(", ")}${distinct.length > 8 ? ", …" : ""}`;
}
