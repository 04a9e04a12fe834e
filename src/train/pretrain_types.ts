/** What a run of pretraining is told, what it tells while it runs, and what it needs to go on. */
import type { LossWeights } from "../data/batch.ts";
import type { TrainPart } from "../data/joined_datasets.ts";
import type { Masking } from "../data/masking.ts";
import type { ReconstructionSums } from "../evaluate/metrics.ts";
import type { AstromerNetwork } from "../model/network.ts";
import type { DataOnDevice } from "./device_observations.ts";
import type { Schedule } from "./schedule.ts";

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
