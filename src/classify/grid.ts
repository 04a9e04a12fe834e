/** Classifiers and regressors of every model, head, scenario and fold: fitted one by one, kept in a folder, not done twice. */
import { InputError } from "../common/errors.ts";
import { duration, ProgressLine } from "../common/progress.ts";
import type { z } from "../common/setting.ts";
import { grouped } from "../common/table.ts";
import type { Dataset } from "../data/dataset.ts";
import { isFeatureSet } from "../features/feature_sets.ts";
import { exists } from "../files/atomic.ts";
import { readJson } from "../files/json.ts";
import type { Runtime } from "../machine/runtime.ts";
import { inferenceBatchOn } from "../machine/settings.ts";
import { interrupted, type Stop } from "../machine/signals.ts";
import { loadModel } from "../weights/model_folder.ts";
import type { DrawnFold, DrawnSample, DrawnScenarios } from "./drawn_samples.ts";
import { type Encoder, fingerprintOf, modelFolderOf } from "./encoder.ts";
import { featureTable, withFeatures } from "./feature_table.ts";
import { type ClassifierKind, hasGradients } from "./fitted.ts";
import type { GridSettings } from "./grid_settings.ts";
import type { HeadTraining } from "./train_head.ts";
import { openVectors, type VectorTable, windowsToTrainOn } from "./vectors.ts";

/** How a fit is named, and what it gave. */
interface GridResult {
  fingerprint?: string;
}

/** Where a fit stands in the grid. */
export interface Place<S extends DrawnSample> {
  encoder: Encoder;
  kind: ClassifierKind;
  run: DrawnFold<S>;
  /** Of the fit, by `performance.now()`. */
  started: number;
}

/** All classifiers or regressors of a run folder. */
export abstract class Grid<S extends DrawnSample, R extends GridResult> {
  constructor(
    readonly settings: GridSettings,
    readonly dataset: Dataset,
    readonly scenarios: DrawnScenarios<S>,
    readonly runtime: Runtime,
    readonly output: string,
    readonly stop: Stop,
  ) {}

  protected abstract readonly schema: z.ZodType<R>;
  /** Fits and tests one on vectors that are there. */
  protected abstract fit(place: Place<S>, table: VectorTable): Promise<void>;
  /** Fits and tests one with its encoder. */
  protected abstract fitWithEncoder(place: Place<S>): Promise<void>;

  /** Ends the command if a signal has asked for it. */
  protected check(): void {
    if (this.stop.requested()) {
      throw interrupted(this.stop, "the same command goes on", this.settings.requeue);
    }
  }

  /** Heads that differ: features have one vector, which makes all with hidden layers the same. */
  #headsOf({ kind }: Encoder): ClassifierKind[] {
    const { heads, train_encoder } = this.settings;
    if (!isFeatureSet(kind)) return train_encoder ? heads.filter(hasGradients) : heads;
    return [...new Set(heads.map((head) => hasGradients(head) && head !== "linear" ? "mean" : head))];
  }

  /** Where something of a fit is kept. */
  protected pathOf(
    { encoder: { name }, kind, run: { samplesPerClass, fold } }: Pick<Place<S>, "encoder" | "kind" | "run">,
    folder: string,
  ): string {
    return `${this.output}/${folder}/${name}/${kind}/${samplesPerClass}-${fold}`;
  }

  /** The results that are there, in order. */
  async results(encoders: readonly Encoder[], runs: readonly DrawnFold<S>[]): Promise<R[]> {
    const found: R[] = [];
    for (const run of runs) {
      for (const encoder of encoders) {
        for (const kind of this.#headsOf(encoder)) {
          const path = `${this.pathOf({ encoder, kind, run }, "results")}.json`;
          if (await exists(path)) found.push(await readJson(path, this.schema));
        }
      }
    }
    return found;
  }

  /**
   * Results of a model that has changed since, or of another one of the same name, must not stand in one table with these.
   * @throws {InputError} where there are any
   */
  async refuseOtherModels(encoders: readonly Encoder[], runs: readonly DrawnFold<S>[]): Promise<void> {
    for (const encoder of encoders) {
      for (const run of runs) {
        const found = await this.results([encoder], [run]);
        if (found.length === 0) continue;
        const fingerprint = await this.fingerprintOf(encoder, run);
        if (found.every((result) => result.fingerprint === fingerprint)) continue;
        throw new InputError(
          `${this.output} has results of another model that is called ${encoder.name}, or ${encoder.folder} has ` +
            `changed since: choose another --output, or remove ${this.output}/results/${encoder.name}`,
        );
      }
    }
  }

  /** Of a model folder; none of features. */
  protected async fingerprintOf(encoder: Encoder, run: DrawnFold<S>): Promise<string | undefined> {
    return isFeatureSet(encoder.kind) ? undefined : await fingerprintOf(await modelFolderOf(encoder, run));
  }

  /** Heads of an encoder that a run has no results of yet. */
  async #missing(encoder: Encoder, run: DrawnFold<S>): Promise<ClassifierKind[]> {
    const missing: ClassifierKind[] = [];
    for (const kind of new Set(this.#headsOf(encoder))) {
      if (!await exists(`${this.pathOf({ encoder, kind, run }, "results")}.json`)) missing.push(kind);
    }
    return missing;
  }

  /** Fits what is missing of one encoder. */
  async run(encoder: Encoder, runs: readonly DrawnFold<S>[]): Promise<void> {
    const missing: DrawnFold<S>[] = [];
    for (const run of runs) if ((await this.#missing(encoder, run)).length) missing.push(run);
    // A finetuned encoder is another one for each scenario; others make their vectors once for all.
    if (this.settings.train_encoder && !isFeatureSet(encoder.kind)) {
      for (const run of missing) {
        for (const kind of await this.#missing(encoder, run)) {
          this.check();
          await this.fitWithEncoder({ encoder, kind, run, started: performance.now() });
        }
      }
      return;
    }
    // Of a model all runs, not the missing alone: the table on disk then serves again, each vector to its last bit.
    const embedded = encoder.kind === "model" ? runs : missing;
    const groups = encoder.kind === "finetuned"
      ? missing.map((run) => [run])
      : missing.length
      ? [embedded]
      : [];
    for (const group of groups) {
      using table = await this.#vectors(encoder, group);
      for (const run of group) {
        for (const kind of await this.#missing(encoder, run)) {
          this.check();
          await this.fit({ encoder, kind, run, started: performance.now() }, table);
        }
      }
    }
  }

  /** The vectors that some runs read, with a line of progress. */
  async #vectors(encoder: Encoder, runs: readonly DrawnFold<S>[]): Promise<VectorTable> {
    const line = new ProgressLine(), started = performance.now();
    const progress = (done: number, of: number, what: string) => {
      this.check();
      line.update(() => {
        const seconds = (performance.now() - started) / 1000, rate = done / seconds;
        return `${encoder.name}: ${grouped(done)} of ${grouped(of)} ${what}  ${rate.toFixed(1)}/s  ` +
          `${duration(seconds)}, ${duration((of - done) / rate)} left`;
      });
    };
    const onLightCurves = (done: number, of: number) => progress(done, of, "light curves");
    const { train, judged } = this.#wanted(runs);
    try {
      if (isFeatureSet(encoder.kind)) {
        const all = [...new Set([...train.keys(), ...judged])];
        return await featureTable(encoder.kind, this.dataset, all, this.runtime.device, onLightCurves);
      }
      const folder = await modelFolderOf(encoder, runs[0]);
      const { model, config } = await loadModel(folder, this.runtime);
      using _ = model;
      const { encoder_batch_size, seed } = this.settings;
      const table = await openVectors(model, this.dataset, {
        train,
        judged,
        windowSize: config.window_size,
        batchSize: inferenceBatchOn(this.runtime.device, encoder_batch_size),
        seed,
        cache: `${this.output}/cache`,
        fingerprint: await fingerprintOf(folder),
      }, (done, of) => progress(done, of, "windows"));
      if (!encoder.features) return table;
      using _table = table;
      return await withFeatures(encoder.features, table, this.dataset, onLightCurves);
    } finally {
      line.clear();
    }
  }

  /** Light curves that some runs train on, with how many windows of each, and those that they are judged by. */
  #wanted(runs: readonly DrawnFold<S>[]): { train: Map<number, number>; judged: number[] } {
    const indices = (samples: readonly S[]) => samples.map(({ lightCurve }) => lightCurve);
    const train = new Map<number, number>();
    for (const run of runs) {
      const windows = this.windowsOf(run);
      for (const i of indices(run.train)) train.set(i, Math.max(windows, train.get(i) ?? 0));
    }
    return {
      train,
      judged: [...indices(this.scenarios.test), ...runs.flatMap((run) => indices(run.validation))],
    };
  }

  /** Random windows of each light curve that a run trains on. */
  protected windowsOf({ train }: DrawnFold<S>): number {
    return this.settings.windows ?? windowsToTrainOn(train.length);
  }

  protected get training(): HeadTraining {
    const { learning_rate: learningRate, batch_size: batchSize, epochs, patience, balance, seed } =
      this.settings;
    return { learningRate, batchSize, epochs, patience, balance, seed };
  }

  /** The model folder of a fit whose encoder is not trained with it; none of features. */
  protected async folderOf({ encoder, run }: Place<S>): Promise<string | undefined> {
    return isFeatureSet(encoder.kind) ? undefined : await modelFolderOf(encoder, run);
  }

  /** What a fit is called: of features all heads with hidden layers are one. */
  protected headOf({ encoder, kind }: Place<S>): string {
    return isFeatureSet(encoder.kind) && kind === "mean" ? "mlp" : kind;
  }

  /** What a fitted folder says of its encoder. */
  protected async encoderOf({ encoder }: Place<S>, folder: string | undefined) {
    return folder === undefined ? { kind: encoder.kind } : {
      kind: "model",
      folder: await Deno.realPath(folder),
      fingerprint: await fingerprintOf(folder),
      ...encoder.features ? { features: encoder.features } : {},
    };
  }
}
