/** What a training into a run folder is told, and how it ended. */
import { duration } from "../common/progress.ts";
import type { Dataset } from "../data/dataset.ts";
import type { TrainPart } from "../data/joined_datasets.ts";
import type { Ranks } from "../machine/ranks.ts";
import type { Runtime } from "../machine/runtime.ts";
import type { Stop } from "../machine/signals.ts";
import type { AstromerNetwork } from "../model/network.ts";
import type { PretrainResult } from "../train/pretrain_types.ts";
import type { ModelDetails } from "../weights/model_config.ts";
import type { LoopSettings } from "./settings.ts";

/** What is trained, on what, and where it goes. */
export interface TrainingRun {
  network: AstromerNetwork;
  dataset: Dataset;
  /** Light curves, if not the dataset's own subsets. */
  train?: readonly TrainPart[];
  validation?: readonly number[];
  settings: LoopSettings;
  /** What `config.json` of the run and of its models say of the settings. */
  saved: Record<string, unknown>;
  /** What the model folders say beside that. */
  details: Pick<ModelDetails, "window_size" | "origin" | "notes" | "license">;
  runtime: Runtime;
  /** The fingerprint of the model that training starts from, if it is not from initial values. */
  model?: string;
  /** The run folder. */
  output: string;
  /** Whether to go on from the folder's newest checkpoint. */
  resume: boolean;
  stop: Stop;
  /** Who trains together; the first of them writes. Default: this process alone. */
  ranks?: Ranks;
}

/** How a training ended, and where its models are. */
export interface TrainedRun extends PretrainResult {
  folder: string;
  /** The best model's folder, once there was a validation. */
  best: string | null;
  /** Steps that were done before, in a run that was resumed. */
  resumedFrom?: number;
}

/** How a run ended, in two lines. */
export function summaryOf({ reason, epochs, steps, seconds, folder, best, resumedFrom }: TrainedRun): string {
  return (steps === resumedFrom && reason !== "stopped by a signal"
    ? `${folder} was finished already: `
    : "") +
    `${reason}: ${epochs} epochs, ${steps} steps, ${duration(seconds)}\n` +
    `best model: ${
      best ?? "none yet, there was no validation"
    }   last model: ${folder}/last   metrics: ${folder}/metrics.jsonl`;
}
