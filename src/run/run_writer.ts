/**
 * The folder of a training under way: settings, environment, metrics line by line, checkpoints, the best and the last
 * model.
 */
import { libtorch } from "../../ffi/library.ts";
import type { Tensor } from "../../ffi/tensor.ts";
import { InputError, messageOf } from "../common/errors.ts";
import { duration, ProgressLine } from "../common/progress.ts";
import { fixed } from "../common/table.ts";
import { version } from "../common/version.ts";
import { landingOf, removeLeftovers, writeAll, writeJson } from "../files/atomic.ts";
import type { Adam } from "../train/adam.ts";
import { type Checkpoint, writeCheckpoint } from "../train/checkpoint.ts";
import { energyOf, type Usage } from "../train/energy.ts";
import type {
  MetricsLine,
  PretrainEvents,
  PretrainOptions,
  PretrainResult,
  PretrainState,
} from "../train/pretrain_types.ts";
import { datasetDetails, saveModel } from "../weights/model_folder.ts";
import { type Fingerprints, fingerprintsOf } from "./fingerprints.ts";
import { checkpointOf, cutBack, isModel, setParameters } from "./from_checkpoint.ts";
import type { TrainedRun, TrainingRun } from "./trained_run.ts";

/** What the best model is so far. */
interface Best {
  parameters: Float32Array<ArrayBuffer>;
  metrics: Record<string, number>;
}

/** Writes a run folder, as the training tells what happens. */
export class RunWriter implements PretrainEvents, Disposable {
  readonly #run: TrainingRun;
  readonly #adam: Adam;
  readonly #folder: string;
  readonly #environment: Record<string, unknown>;
  readonly #fingerprints: Fingerprints;
  readonly #from: Checkpoint | undefined;
  readonly #started = performance.now();
  /** When the run was started, and when this part of it was, in ISO 8601. */
  readonly #begun: string;
  readonly #now = new Date().toISOString();
  readonly #line = new ProgressLine();
  #metrics!: Deno.FsFile;
  #metricsBytes = 0;
  #best: Best | undefined;
  /** When the last checkpoint was written; never at first: should it fail, it fails early. */
  #checkpointed: number;

  private constructor(
    run: TrainingRun,
    adam: Adam,
    folder: string,
    environment: Record<string, unknown>,
    fingerprints: Fingerprints,
    from: Checkpoint | undefined,
  ) {
    this.#run = run;
    this.#adam = adam;
    this.#folder = folder;
    this.#environment = environment;
    this.#fingerprints = fingerprints;
    this.#from = from;
    this.#begun = from?.record.started ?? this.#now;
    this.#best = from?.best && { parameters: from.best, metrics: from.record.best ?? {} };
    this.#checkpointed = from ? performance.now() : -Infinity;
  }

  /**
   * Makes the folder, or goes on with it: network and optimizer are then those of its newest checkpoint.
   * @throws {InputError} when the folder cannot be made, or the run in it cannot be continued
   */
  static async open(
    run: TrainingRun,
    folder: string,
    { train, validation }: Pick<Required<PretrainOptions>, "train" | "validation">,
    adam: Adam,
    ranks: number,
  ): Promise<RunWriter> {
    await Deno.mkdir(await landingOf(folder), { recursive: true }).catch((error) => {
      throw new InputError(`--output ${folder} cannot be made: ${messageOf(error)}`);
    });
    for (const written of [folder, `${folder}/checkpoints`]) await removeLeftovers(written);
    const environment = {
      astromer: version,
      deno: Deno.version.deno,
      libtorch: libtorch().version,
      ...run.runtime,
      ranks,
    };
    const fingerprints = fingerprintsOf(run.dataset, run.network, train, validation, run.model);
    const from = run.resume ? await checkpointOf(folder, fingerprints, environment, run.saved) : undefined;
    const writer = new RunWriter(run, adam, folder, environment, fingerprints, from);
    if (from) await writer.#restore(from);
    await writer.#writeSettings();
    writer.#metrics = await Deno.open(`${folder}/metrics.jsonl`, { create: true, write: true });
    writer.#metricsBytes = await cutBack(writer.#metrics, from?.record.metricsBytes ?? 0);
    return writer;
  }

  /** Where the run stands; undefined at its beginning. */
  get state(): PretrainState | undefined {
    return this.#from?.record.state;
  }

  /** What is there may be newer than the checkpoint, or half replaced. */
  async #restore({ best, parameters, moments, record }: Checkpoint): Promise<void> {
    const own = this.#run.network.parameters, folder = `${this.#folder}/best`;
    if (!best) await Deno.remove(folder, { recursive: true }).catch(() => {});
    else if (!await isModel(folder, best)) {
      setParameters(own, best);
      await this.#save("best", record.best ?? {});
    }
    setParameters(own, parameters);
    this.#adam.restore(record.step, moments);
  }

  async #writeSettings(): Promise<void> {
    const { dataset, model, network, saved } = this.#run, folder = this.#folder;
    await writeJson(`${folder}/config.json`, saved);
    await writeJson(`${folder}/environment.json`, {
      ...this.#environment,
      dataset: { folder: dataset.folder, fingerprint: dataset.fingerprint },
      ...model === undefined ? {} : { model: { folder: saved.model, fingerprint: model } },
      parameters: network.parameters.size,
      started: this.#begun,
      ...this.#from ? { resumed: this.#now, resumed_from_step: this.#from.record.step } : {},
    });
  }

  /** Writes the model as it is now. */
  async #save(name: string, metrics: Record<string, number>): Promise<void> {
    const { network, details, dataset, saved, settings } = this.#run;
    await saveModel(`${this.#folder}/${name}`, network, {
      ...details,
      ...datasetDetails(dataset),
      training: saved,
      metrics,
      energy: energyOf(this.#used(), settings),
    }, { copied: false });
  }

  /** Hours, processors and memory of the run so far. */
  #used(): Usage {
    const { device, threads } = this.#run.runtime, ranks = this.#run.ranks?.size ?? 1;
    const before = this.#from?.record.state.seconds ?? 0;
    return {
      hours: before / 3600 + (performance.now() - this.#started) / 3.6e6,
      cores: ranks * (device === "cpu" ? threads : 1),
      gpus: device === "cpu" ? 0 : ranks,
      memory: ranks * Deno.memoryUsage().rss / 1e9,
    };
  }

  stopRequested(): boolean {
    return this.#run.stop.requested();
  }

  checkpointDue(): boolean {
    return performance.now() - this.#checkpointed >= 60_000 * this.#run.settings.checkpoint_minutes;
  }

  async onCheckpoint(state: PretrainState): Promise<void> {
    await this.#metrics.sync();
    await writeCheckpoint(`${this.#folder}/checkpoints`, {
      record: {
        step: this.#adam.steps,
        state,
        best: this.#best?.metrics,
        metricsBytes: this.#metricsBytes,
        settings: this.#run.saved,
        fingerprints: this.#fingerprints,
        started: this.#begun,
        environment: this.#environment,
      },
      parameters: valuesOf(this.#run.network.parameters.master),
      moments: [valuesOf(this.#adam.moments[0]), valuesOf(this.#adam.moments[1])],
      best: this.#best?.parameters,
    });
    this.#checkpointed = performance.now();
  }

  onStep(at: Parameters<NonNullable<PretrainEvents["onStep"]>>[0]): void {
    const { epoch, step, steps, done, loss, rate, seconds } = at;
    this.#line.update(() =>
      `epoch ${epoch}  step ${step}/${steps}  loss ${loss.toFixed(4)}  ${rate.toFixed(1)} windows/s  ` +
      `${duration(seconds)}, ${duration(seconds * (1 - done) / done)} left`
    );
  }

  async onMetrics(found: MetricsLine): Promise<void> {
    const bytes = new TextEncoder().encode(JSON.stringify(found) + "\n");
    await writeAll(this.#metrics, bytes);
    this.#metricsBytes += bytes.length;
    if (found.kind !== "epoch") return;
    this.#line.clear();
    const number = (name: string) => fixed(Number(found[name]), 4);
    console.log(
      [
        `epoch ${found.epoch}: train loss ${number("train_loss")}`,
        `validation loss ${number("validation_loss")}`,
        `RMSE ${number("validation_rmse")}`,
        `R2 ${number("validation_r2")}`,
        ...found.validation_probe === undefined ? [] : [`probe's macro F1 ${number("validation_probe")}`],
        duration(found.seconds),
        ...found.best ? ["best so far"] : [],
      ].join(", "),
    );
  }

  onEpoch(found: Record<string, number>): Promise<void> {
    return this.#save("last", found);
  }

  async onBest(found: Record<string, number>): Promise<void> {
    const { network } = this.#run;
    const parameters = this.#best?.parameters ?? new Float32Array(network.parameters.size);
    parameters.set(valuesOf(network.parameters.master));
    this.#best = { parameters, metrics: found };
    await this.#save("best", found);
  }

  /** Writes what is still to be written of a run that has ended, and says where its models are. */
  async finish(result: PretrainResult): Promise<TrainedRun> {
    this.#line.clear();
    // A run that ends within an epoch has gone on since it last saved.
    if (result.reason === "stopped by a signal" && result.steps > 0) await this.#save("last", result.last);
    const folder = this.#folder;
    return {
      ...result,
      folder,
      best: this.#best ? `${folder}/best` : null,
      resumedFrom: this.#from?.record.step,
    };
  }

  [Symbol.dispose](): void {
    this.#metrics.close();
  }
}

/** To be written at once: nothing changes them meanwhile. */
function valuesOf(tensor: Tensor): Float32Array<ArrayBuffer> {
  return tensor.toRead() as Float32Array<ArrayBuffer>;
}
