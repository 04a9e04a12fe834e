/** A training as a run folder: settings, environment, metrics line by line, checkpoints, the best and the last model. */
import { createHash } from "node:crypto";
import { libtorch } from "../../ffi/library.ts";
import { Tensor } from "../../ffi/tensor.ts";
import { z } from "../common/setting.ts";
import { type LoopSettings, pretrainOptions } from "./settings.ts";
import { validationProbe } from "../benchmark/validation_probe.ts";
import { type Dataset, lightCurvesOf } from "../data/dataset.ts";
import type { TrainPart } from "../data/joined_datasets.ts";
import { InputError, messageOf } from "../common/errors.ts";
import { exists, landingOf, removeLeftovers, writeAll, writeJson } from "../files/atomic.ts";
import { readJson } from "../files/json.ts";
import { widthOf } from "../model/architecture.ts";
import type { AstromerNetwork } from "../model/network.ts";
import type { Parameters } from "../model/parameters.ts";
import { duration, ProgressLine } from "../common/progress.ts";
import { oneRank, type Ranks } from "../machine/ranks.ts";
import type { Runtime } from "../machine/runtime.ts";
import type { Stop } from "../machine/signals.ts";
import { fixed } from "../common/table.ts";
import { Adam } from "../train/adam.ts";
import { type Checkpoint, newestCheckpoint, writeCheckpoint } from "../train/checkpoint.ts";
import { energyOf } from "../train/energy.ts";
import {
  allOnce,
  pretrain,
  type PretrainEvents,
  type PretrainResult,
  type PretrainState,
} from "../train/pretrain.ts";
import { version } from "../common/version.ts";
import { datasetDetails, loadModel, saveModel } from "../weights/model_folder.ts";
import type { ModelDetails } from "../weights/model_config.ts";

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
  /** Steps that were done already, where it was gone on with. */
  resumedFrom?: number;
}

/**
 * Trains a network into a run folder, with progress on standard error and a line an epoch on standard output.
 * @throws {InputError} when the folder cannot be made, or cannot be gone on with
 * @throws {Failure} when the loss is not a number
 */
export async function trainIntoFolder(run: TrainingRun): Promise<TrainedRun> {
  const { network, dataset, settings, saved, details, runtime, output, stop, ranks = oneRank } = run;
  const { device } = runtime, folder = output.replace(/\/+$/, "");
  const train = run.train ?? allOnce(lightCurvesOf(dataset, "train"));
  const validation = run.validation ?? lightCurvesOf(dataset, "validation");
  const options = {
    ...pretrainOptions(settings, widthOf(network.architecture), details.window_size),
    train,
    validation,
    ...settings.select === "probe"
      ? {
        probe: validationProbe(dataset, validation, {
          windowSize: details.window_size,
          batchSize: 64,
          seed: settings.seed,
        }),
      }
      : {},
  };
  if (options.batchSize < ranks.size) {
    throw new InputError(
      `--batch-size ${options.batchSize} is of all ${ranks.size} ranks together: each needs one window at least`,
    );
  }
  using adam = new Adam(network.parameters, { clipNorm: settings.clip_norm || Infinity });
  if (!ranks.first) {
    const state = startTogether(ranks, network.parameters, adam);
    const nothing = { onMetrics: () => {}, onBest: () => Promise.resolve() };
    const events = { ...nothing, stopRequested: stop.requested };
    const result = await pretrain(network, adam, dataset, options, events, state, ranks);
    return { ...result, folder, best: null };
  }
  await Deno.mkdir(await landingOf(folder), { recursive: true }).catch((error) => {
    throw new InputError(`--output ${folder} cannot be made: ${messageOf(error)}`);
  });
  const checkpoints = `${folder}/checkpoints`;
  for (const written of [folder, checkpoints]) await removeLeftovers(written);
  const environment = {
    astromer: version,
    deno: Deno.version.deno,
    libtorch: libtorch().version,
    ...runtime,
    ranks: ranks.size,
  };
  const fingerprints = {
    dataset: dataset.fingerprint,
    light_curves: hashed(train.map(({ lightCurves }) => lightCurves.join()).join(), validation.join()),
    parameters: hashed(...network.parameters.layout.map(({ name, shape }) => `${name} [${shape}]`)),
    ...run.model === undefined ? {} : { model: run.model },
  };
  const from = run.resume ? await checkpointOf(folder, fingerprints, environment, saved) : undefined;

  const now = new Date().toISOString(), begun = from?.record.started ?? now;
  const started = performance.now(), before = from?.record.state.seconds ?? 0;
  const used = () => ({
    hours: before / 3600 + (performance.now() - started) / 3.6e6,
    cores: ranks.size * (device === "cpu" ? runtime.threads : 1),
    gpus: device === "cpu" ? 0 : ranks.size,
    memory: ranks.size * Deno.memoryUsage().rss / 1e9,
  });
  const save = (name: string, found: Record<string, number>) =>
    saveModel(`${folder}/${name}`, network, {
      ...details,
      ...datasetDetails(dataset),
      training: saved,
      metrics: found,
      energy: energyOf(used(), settings),
    }, { copied: false });
  let best = from?.best && { parameters: from.best, metrics: from.record.best ?? {} };
  if (from) {
    // What is there may be newer than the checkpoint, or half replaced.
    if (!best) await Deno.remove(`${folder}/best`, { recursive: true }).catch(() => {});
    else if (!await isModel(`${folder}/best`, best.parameters)) {
      setParameters(network.parameters, best.parameters);
      await save("best", best.metrics);
    }
    setParameters(network.parameters, from.parameters);
    adam.restore(from.record.step, from.moments);
  }

  await writeJson(`${folder}/config.json`, saved);
  await writeJson(`${folder}/environment.json`, {
    ...environment,
    dataset: { folder: dataset.folder, fingerprint: dataset.fingerprint },
    ...run.model === undefined ? {} : { model: { folder: saved.model, fingerprint: run.model } },
    parameters: network.parameters.size,
    started: begun,
    ...from ? { resumed: now, resumed_from_step: from.record.step } : {},
  });
  using metrics = await Deno.open(`${folder}/metrics.jsonl`, { create: true, write: true });
  let metricsBytes = await cutBack(metrics, from?.record.metricsBytes ?? 0);

  // Nothing changes them while they are written.
  const valuesOf = (tensor: Tensor) => tensor.toRead() as Float32Array<ArrayBuffer>;
  let checkpointed = from ? performance.now() : -Infinity; // the first at once: should it fail, it fails early
  const line = new ProgressLine();
  const state = startTogether(ranks, network.parameters, adam, from?.record.state);
  const events: PretrainEvents = {
    stopRequested: stop.requested,
    checkpointDue: () => performance.now() - checkpointed >= 60_000 * settings.checkpoint_minutes,
    async onCheckpoint(state) {
      await metrics.sync();
      await writeCheckpoint(checkpoints, {
        record: {
          step: adam.steps,
          state,
          best: best?.metrics,
          metricsBytes,
          settings: saved,
          fingerprints,
          started: begun,
          environment,
        },
        parameters: valuesOf(network.parameters.master),
        moments: [valuesOf(adam.moments[0]), valuesOf(adam.moments[1])],
        best: best?.parameters,
      });
      checkpointed = performance.now();
    },
    onStep: ({ epoch, step, steps, done, loss, rate, seconds }) =>
      line.update(() =>
        `epoch ${epoch}  step ${step}/${steps}  loss ${loss.toFixed(4)}  ${rate.toFixed(1)} windows/s  ` +
        `${duration(seconds)}, ${duration(seconds * (1 - done) / done)} left`
      ),
    async onMetrics(found) {
      const bytes = new TextEncoder().encode(JSON.stringify(found) + "\n");
      await writeAll(metrics, bytes);
      metricsBytes += bytes.length;
      if (found.kind !== "epoch") return;
      line.clear();
      const number = (name: string) => fixed(Number(found[name]), 4);
      console.log(
        `epoch ${found.epoch}: train loss ${number("train_loss")}, validation loss ${
          number("validation_loss")
        }, ` +
          `RMSE ${number("validation_rmse")}, R2 ${number("validation_r2")}, ` +
          (found.validation_probe === undefined ? "" : `probe's macro F1 ${number("validation_probe")}, `) +
          duration(found.seconds) +
          (found.best ? ", best so far" : ""),
      );
    },
    onEpoch: (found) => save("last", found),
    async onBest(found) {
      const parameters = best?.parameters ?? new Float32Array(network.parameters.size);
      parameters.set(valuesOf(network.parameters.master));
      best = { parameters, metrics: found };
      await save("best", found);
    },
  };
  const result = await pretrain(network, adam, dataset, options, events, state, ranks);
  line.clear();
  // A run that ends within an epoch has gone on since it last saved.
  if (result.reason === "stopped by a signal" && result.steps > 0) await save("last", result.last);
  return { ...result, folder, best: best ? `${folder}/best` : null, resumedFrom: from?.record.step };
}

/** Gives every rank the first one's parameters, optimizer, and place in the run, which is returned. */
function startTogether(
  ranks: Ranks,
  parameters: Parameters,
  adam: Adam,
  state?: PretrainState,
): PretrainState | undefined {
  const shared = ranks.share({ steps: adam.steps, state });
  ranks.shareTensor(parameters.master);
  parameters.refresh();
  if (shared.steps > 0) {
    for (const moments of adam.moments) ranks.shareTensor(moments);
    adam.goOnAfter(shared.steps);
  }
  return shared.state;
}

/**
 * The checkpoint from which a run goes on; none where it has none yet.
 * @throws {InputError} when none is whole, or the newest is of other data or of another network
 */
async function checkpointOf(
  folder: string,
  fingerprints: { dataset: string; light_curves: string; parameters: string; model?: string },
  environment: Record<string, unknown>,
  saved: Record<string, unknown>,
): Promise<Checkpoint | undefined> {
  const found = await newestCheckpoint(`${folder}/checkpoints`, console.error);
  if (!found) {
    for (const model of ["best", "last"]) {
      if (await exists(`${folder}/${model}`)) {
        throw new InputError(
          `${folder} holds the model ${model}/ but no checkpoint to go on from: choose another --output`,
        );
      }
    }
    console.log(`${folder} has no checkpoint yet: it is begun from the beginning`);
    return undefined;
  }
  const { step, state: { epoch, batch }, fingerprints: then, environment: there } = found.record;
  if (then.dataset !== fingerprints.dataset) {
    throw new InputError(
      `${folder} was begun with a dataset of the fingerprint ${then.dataset}, --data has ${fingerprints.dataset}: ` +
        "a run goes on with the data it was begun with",
    );
  }
  if (then.light_curves !== fingerprints.light_curves) {
    throw new InputError(
      `${folder} was begun with other light curves to train on or to validate with: choose another --output`,
    );
  }
  if (then.parameters !== fingerprints.parameters) {
    throw new InputError(
      `${folder} was begun with a network of other parameters (astromer ${there.astromer}): choose another --output`,
    );
  }
  refuseOtherModel(folder, fingerprints.model, saved.model, then.model, found.record.settings.model);
  const place = batch ? `${batch} batches into epoch ${epoch}` : `${epoch - 1} epochs done`;
  console.log(`${folder} goes on from step ${step} (${place})`);
  const changed = Object.entries(environment).filter(([name, value]) => there[name] !== value)
    .map(([name, value]) => `${name} ${value} (before: ${there[name]})`);
  if (changed.length) {
    console.log(
      `it goes on with ${
        changed.join(", ")
      }: numbers may differ in their last bits from a run without a stop`,
    );
  }
  return found;
}

/** What a network is, and what its parameters are, wherever it was read from: SHA-256 in hexadecimal. */
export function fingerprintOfNetwork({ architecture, parameters }: AstromerNetwork): string {
  const values = parameters.master.toArray() as Float32Array<ArrayBuffer>;
  return createHash("sha256").update(JSON.stringify(architecture)).update(new Uint8Array(values.buffer))
    .digest("hex");
}

/**
 * Refuses another model than the one that a run was begun with. Runs of older versions know its path alone.
 * @throws {InputError} naming both
 */
export function refuseOtherModel(
  folder: string,
  fingerprint: string | undefined,
  model: unknown,
  fingerprintBefore: string | undefined,
  modelBefore: unknown,
): void {
  if (fingerprintBefore === undefined ? model === modelBefore : fingerprint === fingerprintBefore) return;
  throw new InputError(
    `${folder} was begun with another model than --model ${model}: with ${modelBefore}` +
      (fingerprintBefore === undefined
        ? ", whose fingerprint was not kept: give it by that path"
        : `, of the fingerprint ${fingerprintBefore.slice(0, 12)}, this one has ${
          fingerprint?.slice(0, 12)
        }`),
  );
}

/** The fingerprint of the model that the run in a folder was begun with, if it is known. */
export async function modelFingerprintIn(folder: string): Promise<string | undefined> {
  const path = `${folder}/environment.json`;
  if (!await exists(path)) return undefined;
  return (await readJson(path, environmentSchema)).model?.fingerprint;
}

const environmentSchema = z.looseObject({ model: z.looseObject({ fingerprint: z.string() }).optional() });

function hashed(...texts: string[]): string {
  return createHash("sha256").update(texts.join("\n")).digest("hex");
}

function setParameters(parameters: Parameters, values: Float32Array<ArrayBuffer>): void {
  using source = Tensor.from(values);
  parameters.master.copyFrom(source);
  parameters.refresh();
}

/** Whether a folder is a whole model with these parameters. */
async function isModel(folder: string, parameters: Float32Array): Promise<boolean> {
  try {
    using model = (await loadModel(folder)).model;
    const found = model.parameters.master.toArray() as Float32Array;
    return found.length === parameters.length && found.every((value, i) => value === parameters[i]);
  } catch (error) {
    if (error instanceof InputError) return false;
    throw error;
  }
}

/**
 * Cuts the metrics back to where a checkpoint was written; the steps after it are made again.
 * @returns the file's length
 */
async function cutBack(metrics: Deno.FsFile, wanted: number): Promise<number> {
  const { size } = await metrics.stat();
  if (size < wanted) {
    console.error(`metrics.jsonl is cut short: it has ${size} bytes of the checkpoint's ${wanted}`);
  }
  const length = Math.min(size, wanted);
  await metrics.truncate(length);
  await metrics.seek(length, Deno.SeekMode.Start);
  return length;
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
