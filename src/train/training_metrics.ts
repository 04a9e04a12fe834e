/** What training has found: over the windows of an epoch, and since the last line of metrics. */
import { ownMemory } from "../../ffi/device.ts";
import { ReconstructionMetrics, type ReconstructionSums } from "../evaluate/metrics.ts";
import type { PretrainState } from "./pretrain_types.ts";
import type { RunClock } from "./run_clock.ts";

/** Sums up what the steps of a training find. */
export class TrainingMetrics {
  readonly #clock: RunClock;
  #epoch: ReconstructionMetrics;
  #interval: { metrics: ReconstructionMetrics; start: number; loss: number; steps: number };

  /** @param from where the run stood, if this is not its beginning */
  constructor(clock: RunClock, from?: Pick<PretrainState, "running" | "interval">) {
    this.#clock = clock;
    this.#epoch = new ReconstructionMetrics(from?.running);
    this.#interval = from
      ? { ...from.interval, metrics: new ReconstructionMetrics(from.interval.metrics) }
      : this.#newInterval();
  }

  #newInterval() {
    return { metrics: new ReconstructionMetrics(), start: this.#clock.seconds, loss: 0, steps: 0 };
  }

  /** Forgets the epoch before. */
  beginEpoch(): void {
    this.#epoch = new ReconstructionMetrics();
    this.#interval = this.#newInterval();
  }

  /** Adds what a step has found, over the windows of all ranks. */
  add(loss: number, sums: ReconstructionSums): void {
    this.#epoch.addSums(sums);
    this.#interval.metrics.addSums(sums);
    this.#interval.loss += loss;
    this.#interval.steps++;
  }

  /** Windows a second, since the last line of metrics. */
  get rate(): number {
    return this.#interval.metrics.windows / (this.#clock.seconds - this.#interval.start);
  }

  /** Means since the last line of metrics, of which this is the next. */
  takeInterval(): { loss: number; rmse: number; r2: number } {
    const { loss, steps, metrics: { rmse, r2 } } = this.#interval;
    this.#interval = this.#newInterval();
    return { loss: loss / steps, rmse, r2 };
  }

  /** Of the epoch so far. */
  ofEpoch(): Record<string, number> {
    const { loss, rmse, r2 } = this.#epoch;
    return { train_loss: loss, train_rmse: rmse, train_r2: r2 };
  }

  /** What a checkpoint keeps of them. */
  get state(): Pick<PretrainState, "running" | "interval"> {
    return {
      running: this.#epoch.sums,
      interval: { ...this.#interval, metrics: this.#interval.metrics.sums },
    };
  }
}

/** The program's memory as a metric; none where it cannot be asked. */
export function memoryMetric(): Record<string, number> {
  const bytes = ownMemory();
  return bytes === undefined ? {} : { memory_gb: bytes / 1e9 };
}
