/** A training as a run folder: settings, environment, metrics line by line, the best and the last model. */
import { libtorch } from "../ffi/library.ts";
import { type LoopSettings, pretrainOptions } from "./config.ts";
import type { Dataset } from "./data/dataset.ts";
import { InputError, messageOf } from "./errors.ts";
import { exists, writeJson } from "./files/atomic.ts";
import { widthOf } from "./model/architecture.ts";
import type { AstromerNetwork } from "./model/network.ts";
import { duration, ProgressLine } from "./progress.ts";
import { listenForStop, type Runtime } from "./run.ts";
import { Adam } from "./train/adam.ts";
import { energyOf } from "./train/energy.ts";
import { pretrain, type PretrainResult } from "./train/pretrain.ts";
import { version } from "./version.ts";
import { datasetDetails, type ModelDetails, saveModel } from "./weights/model_folder.ts";

/** What is trained, on what, and where it goes. */
export interface TrainingRun {
  network: AstromerNetwork;
  dataset: Dataset;
  /** Light curves, if not the dataset's own subsets. */
  train?: readonly number[];
  validation?: readonly number[];
  settings: LoopSettings;
  /** What `config.json` of the run and of its models say of the settings. */
  saved: Record<string, unknown>;
  /** What the model folders say beside that. */
  details: Pick<ModelDetails, "window_size" | "origin" | "notes" | "license">;
  runtime: Runtime;
  /** The run folder. */
  output: string;
}

/**
 * Refuses a folder that holds a run.
 * @throws {InputError} if it does
 */
export async function refuseExistingRun(output: string): Promise<void> {
  if (await exists(`${output}/metrics.jsonl`)) {
    throw new InputError(`${output} already holds a run: choose another --output, or remove it first`);
  }
}

/**
 * Trains a network into a run folder, with progress on standard error and a line an epoch on standard output.
 * @throws {InputError} when the folder cannot be made
 * @throws {Failure} when the loss is not a number
 */
export async function trainIntoFolder(
  { network, dataset, train, validation, settings, saved, details, runtime, output }: TrainingRun,
): Promise<PretrainResult & { folder: string; best: string | null }> {
  const { device } = runtime, folder = output.replace(/\/+$/, "");
  using adam = new Adam(network.parameters, { clipNorm: settings.clip_norm || Infinity });
  await Deno.mkdir(folder, { recursive: true }).catch((error) => {
    throw new InputError(`--output ${folder} cannot be made: ${messageOf(error)}`);
  });
  await writeJson(`${folder}/config.json`, saved);
  await writeJson(`${folder}/environment.json`, {
    astromer: version,
    deno: Deno.version.deno,
    libtorch: libtorch().version,
    ...runtime,
    dataset: { folder: dataset.folder, fingerprint: dataset.fingerprint },
    parameters: network.parameters.size,
    started: new Date().toISOString(),
  });
  using metrics = await Deno.open(`${folder}/metrics.jsonl`, { create: true, write: true });
  const started = performance.now();
  const used = () => ({
    hours: (performance.now() - started) / 3.6e6,
    cores: device === "cpu" ? runtime.threads : 1,
    gpus: device === "cpu" ? 0 : 1,
    memory: Deno.memoryUsage().rss / 1e9,
  });
  const save = (name: string, found: Record<string, number>) =>
    saveModel(`${folder}/${name}`, network, {
      ...details,
      ...datasetDetails(dataset),
      training: saved,
      metrics: found,
      energy: energyOf(used(), settings),
    });

  const line = new ProgressLine();
  using stop = listenForStop(() => {
    line.clear();
    console.error("stopping after this step; once more to stop at once");
  });
  const options = pretrainOptions(settings, widthOf(network.architecture), details.window_size);
  const result = await pretrain(network, adam, dataset, { ...options, train, validation }, {
    stopRequested: stop.requested,
    onStep: ({ epoch, step, steps, done, loss, rate }) =>
      line.update(() => {
        const elapsed = (performance.now() - started) / 1000;
        return `epoch ${epoch}  step ${step}/${steps}  loss ${loss.toFixed(4)}  ${
          rate.toFixed(1)
        } windows/s  ` +
          `${duration(elapsed)}, ${duration(elapsed * (1 - done) / done)} left`;
      }),
    async onMetrics(found) {
      await metrics.write(new TextEncoder().encode(JSON.stringify(found) + "\n"));
      if (found.kind !== "epoch") return;
      line.clear();
      const number = (name: string) => Number(found[name]).toFixed(4);
      console.log(
        `epoch ${found.epoch}: train loss ${number("train_loss")}, validation loss ${
          number("validation_loss")
        }, ` +
          `RMSE ${number("validation_rmse")}, R2 ${number("validation_r2")}, ${duration(found.seconds)}` +
          (found.best ? ", best so far" : ""),
      );
    },
    onEpoch: (found) => save("last", found),
    onBest: (found) => save("best", found),
  });
  line.clear();
  // A run that ends within an epoch has gone on since it last saved.
  if (result.reason === "stopped by a signal") await save("last", result.last);
  return { ...result, folder, best: await exists(`${folder}/best`) ? `${folder}/best` : null };
}

/** How a run ended, in two lines. */
export function summaryOf(
  { reason, epochs, steps, seconds, folder, best }: Awaited<ReturnType<typeof trainIntoFolder>>,
): string {
  return `${reason}: ${epochs} epochs, ${steps} steps, ${duration(seconds)}\n` +
    `best model: ${
      best ?? "none yet, there was no validation"
    }   last model: ${folder}/last   metrics: ${folder}/metrics.jsonl`;
}
