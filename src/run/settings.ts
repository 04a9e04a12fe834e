/**
 * The settings of pretraining: presets (what the model is), recipes (how it is trained), flags and files over both. All
 * from zod schemas, which also make `--help`, the README's table and the saved run.
 */
import type { Device } from "../../ffi/device.ts";
import { type Given, setting, z } from "../common/setting.ts";
import { InputError } from "../common/errors.ts";
import { severalDatasets } from "../data/joined_datasets.ts";
import { maskingShape } from "../data/masking.ts";
import { precisions, runShape } from "../machine/settings.ts";
import { architectureShape, presets, shortestFoldedPeriod, widthOf } from "../model/architecture.ts";
import { initializationSetting } from "../model/initialization.ts";
import { energyShape } from "../train/energy.ts";
import type { PretrainOptions } from "../train/pretrain_types.ts";
import { constant, cosine, type Schedule, transformer } from "../train/schedule.ts";

/** Settings of the training loop, for pretraining and finetuning alike. */
export const loopShape = {
  epochs: setting(
    z.int().min(1).default(100),
    "epochs at most; in each, one random window of every light curve",
  ),
  max_minutes: setting(z.number().gt(0).optional(), "minutes at most (default: no limit)", "minutes"),
  batch_size: setting(
    z.int().min(1).default(16),
    "windows per step (pretraining on a GPU with the fast recipe: 256)",
    "windows",
  ),
  learning_rate: setting(
    z.union([z.number().gt(0), z.literal("schedule")]).default(5e-4),
    "peak learning rate, or the word schedule for the Transformer's schedule",
  ),
  schedule: setting(
    z.enum(["constant", "cosine", "transformer"]).default("cosine"),
    "learning rate over the run: constant; warm-up, then half a cosine down to the end of epochs or minutes; or the Transformer's",
  ),
  warmup_steps: setting(
    z.int().min(0).default(200),
    "warm-up steps (4000 for the Transformer's schedule)",
    "steps",
  ),
  clip_norm: setting(
    z.number().min(0).default(1),
    "clip gradients to this global norm; 0: never",
  ),
  loss_weights: setting(
    z.enum(["errors", "none"]).default("none"),
    "weight of a point in the loss: by its error (Astromer 2), or the same for all (Astromer 1)",
  ),
  patience: setting(
    z.int().min(1).default(20),
    "epochs without a better validation loss before the run ends",
    "epochs",
  ),
  select: setting(
    z.enum(["loss", "probe"]).default("loss"),
    "what chooses the best epoch: the validation loss, or the macro F1 of nearest neighbors among the vectors of labelled validation light curves",
  ),
  data_weights: setting(
    z.array(z.coerce.number().min(0)).min(1).optional(),
    "with several datasets: for each, windows per light curve and epoch (default: 1 each); with 0.1, a different tenth of the light curves every epoch",
  ),
  validation_windows: setting(z.int().min(1).default(2048), "most windows to validate on"),
  log_steps: setting(z.int().min(1).default(50), "steps between lines of metrics.jsonl", "steps"),
  checkpoint_minutes: setting(
    z.number().min(0).default(10),
    "minutes between checkpoints, from which --resume continues; 0: one every step",
    "minutes",
  ),
  steps_ahead: setting(
    z.int().min(0).max(64).optional(),
    "steps queued on the device before the first result is read (default: 8 on a GPU, 0 on the CPU)",
    "steps",
  ),
  cuda_graphs: setting(
    z.enum(["auto", "off"]).default("auto"),
    "auto: run a GPU's steps as CUDA graphs, from the second batch of a shape on, if libtorch can",
  ),
  data_on_device: setting(
    z.enum(["auto", "true", "false"]).default("auto"),
    "keep the training observations in GPU memory and gather batches there (same windows, same masks); auto: if they fit in half of the free memory, at 16 bytes each",
  ),
  seed: setting(z.int().min(0).default(0), "seed of initial values, windows, masks and dropout"),
  ...runShape,
  precision: setting(
    precisions.default("auto"),
    "arithmetic of the layers; auto takes bfloat16 if the processor is fast with it",
  ),
  ...maskingShape,
  ...energyShape,
} as const;

/** All settings of `pretrain`. */
export const pretrainShape = {
  data: setting(z.string(), severalDatasets),
  output: setting(z.string(), "run folder to make: settings, metrics.jsonl, best/ and last/ model"),
  config: setting(z.string().optional(), "a TOML or JSON file with any of these settings"),
  preset: setting(
    z.enum(Object.keys(presets) as [keyof typeof presets]).default("astromer2"),
    "architecture to start from",
  ),
  recipe: setting(
    z.enum(["fast", "paper"]).default("fast"),
    "how to train; fast: what learned fastest in short runs that were measured; paper: as in the paper",
  ),
  ...loopShape,
  window_size: setting(z.int().min(5).default(200), "observations of a window"),
  ...architectureShape,
  // The fast recipe's encoding differs from the architecture's own default.
  encoding: setting(
    architectureShape.encoding.unwrap().default("folded"),
    architectureShape.encoding.meta()!.help as string,
  ),
  initialization: initializationSetting,
} as const;

/** The schema of all settings of pretraining: default, unit and help of each. */
export const pretrainSchema = z.object(pretrainShape);
/** Settings of pretraining, with defaults filled in. */
export type PretrainSettings = z.output<typeof pretrainSchema>;

/** What a recipe sets where nothing else was given; `fast` is the schema's defaults. */
export const recipes = {
  fast: {},
  paper: {
    learning_rate: 1e-5,
    schedule: "constant",
    warmup_steps: 0,
    clip_norm: 0,
    loss_weights: "errors",
    encoding: "reference",
    initialization: "reference",
    batch_size: 32,
  },
} as const satisfies Record<string, Partial<PretrainSettings>>;

/**
 * Settings as they apply: flags, over the config file, over recipe and preset, over the defaults. A preset or recipe
 * that is itself a flag counts more than the file, which may hold every setting of another run.
 * @throws {InputError} when settings that are possible alone contradict each other
 */
export function resolve<S extends PretrainSettings>(settings: S, given: Given): S {
  const resolved = { ...settings };
  const apply = (chosen: Partial<PretrainSettings>, chooser: string) => {
    const protectedNames = given.flags.has(chooser) ? given.flags : given.all;
    Object.assign(
      resolved,
      Object.fromEntries(Object.entries(chosen).filter(([name]) => !protectedNames.has(name))),
    );
  };
  apply(presets[settings.preset], "preset");
  apply(recipes[settings.recipe], "recipe");
  if (resolved.learning_rate === "schedule") {
    apply({ schedule: "transformer", warmup_steps: 4000 }, "learning_rate");
  }
  checkTogether(resolved);
  return resolved;
}

/**
 * Settings as they apply on a device: a step of a few windows would leave a GPU idle.
 * @param begun whether they are those of a run that is resumed
 */
export function forDevice<S extends PretrainSettings>(
  settings: S,
  device: Device,
  given: Given,
  begun: boolean,
): S {
  const kept = device === "cpu" || begun || settings.recipe !== "fast" || given.all.has("batch_size");
  return kept ? settings : { ...settings, batch_size: 256 };
}

/**
 * Refuses settings of the loop that are possible alone but not together.
 * @throws {InputError} naming them
 */
export function checkLoop(settings: LoopSettings): void {
  const { probed_fraction: probed, masked_fraction: masked, replaced_fraction: replaced } = settings;
  if (masked + replaced > probed + 1e-9) {
    throw new InputError(
      `--masked-fraction ${masked} and --replaced-fraction ${replaced} are parts of --probed-fraction ${probed}, so their sum cannot be larger`,
    );
  }
  if ((settings.learning_rate === "schedule") !== (settings.schedule === "transformer")) {
    throw new InputError(
      `--schedule ${settings.schedule} does not fit --learning-rate ${settings.learning_rate}: the Transformer's schedule sets its own rate, with --learning-rate schedule`,
    );
  }
}

/** Refuses settings that are possible alone but not together. */
function checkTogether(settings: PretrainSettings): void {
  checkLoop(settings);
  if (settings.attention_mask !== "keys" || settings.attention_mask_value > -1e9) {
    throw new InputError(
      `--attention-mask ${settings.attention_mask} with --attention-mask-value ${settings.attention_mask_value} lets padding into the attention, which is meant for imported weights only: train with keys and -1e9`,
    );
  }
  if (widthOf(settings) % 2) {
    throw new InputError(`--heads times --head-size must be even, not ${widthOf(settings)}`);
  }
  if (settings.encoding === "folded" && settings.shortest_period < shortestFoldedPeriod) {
    throw new InputError(
      `--shortest-period ${settings.shortest_period} is too short for --encoding folded, which searches every window for periods from this one up: it needs at least ${shortestFoldedPeriod} days`,
    );
  }
  if (settings.shortest_period >= settings.longest_period) {
    throw new InputError(
      `--shortest-period ${settings.shortest_period} must be below --longest-period ${settings.longest_period}`,
    );
  }
}

/** Settings of the training loop, with defaults filled in. */
export type LoopSettings = z.output<z.ZodObject<typeof loopShape>>;

/** What the training loop is told by the settings, for a network of a width and windows of a size. */
export function pretrainOptions(settings: LoopSettings, width: number, windowSize: number): PretrainOptions {
  return {
    windowSize,
    batchSize: settings.batch_size,
    masking: settings,
    weights: settings.loss_weights,
    schedule: scheduleOf(settings, width),
    epochs: settings.epochs,
    maxMinutes: settings.max_minutes ?? Infinity,
    patience: settings.patience,
    validationWindows: settings.validation_windows,
    logSteps: settings.log_steps,
    stepsAhead: settings.steps_ahead,
    graphs: settings.cuda_graphs === "auto",
    dataOnDevice: settings.data_on_device,
    seed: settings.seed,
  };
}

function scheduleOf(settings: LoopSettings, width: number): Schedule {
  const { learning_rate: rate, schedule, warmup_steps: warmup } = settings;
  if (rate === "schedule") return transformer(width, warmup);
  return schedule === "cosine" ? cosine(rate, warmup) : constant(rate, warmup);
}
