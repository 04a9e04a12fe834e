/** Classifiers and regressors of every model, head, scenario and fold: fitted one by one, kept in a folder, not done twice. */
import type { Device } from "../../ffi/device.ts";
import { createHash } from "node:crypto";
import { noGrad } from "../../ffi/autograd.ts";
import { cat, expand } from "../../ffi/ops.ts";
import { scope, Tensor, unscoped } from "../../ffi/tensor.ts";
import { setting, z } from "../common/setting.ts";
import { inferenceBatch, inferenceBatchOn, requeueSetting, runShape } from "../machine/settings.ts";
import type { Dataset } from "../data/dataset.ts";
import { InputError } from "../common/errors.ts";
import { exists, writeJson } from "../files/atomic.ts";
import { readJson } from "../files/json.ts";
import { duration, ProgressLine } from "../common/progress.ts";
import type { Runtime } from "../machine/runtime.ts";
import { interrupted, type Stop } from "../machine/signals.ts";
import { grouped } from "../common/table.ts";
import { loadModel } from "../weights/model_folder.ts";
import { type FeatureSet, featureSets, isFeatureSet } from "../features/feature_sets.ts";
import { type Encoder, fingerprintOf, modelFolderOf } from "./encoder.ts";
import { type ClassifierKind, classifierKinds, hasGradients } from "./fitted.ts";
import type { HeadTraining, OnEpoch, WindowRows } from "./train_head.ts";
import { openVectors, type VectorTable, windowsToTrainOn } from "./vectors.ts";

const numbers = z.array(z.coerce.number().int().min(0)).min(1);

/** Settings of `classify`. */
export const gridSchema = z.object({
  task: setting(
    z.enum(["classification", "regression"]).default("classification"),
    "tell classes apart, or predict a number (--target)",
  ),
  models: setting(
    z.array(z.string()).min(1),
    "model folders, names of models that ship, hf:ORG/NAME[@REVISION], folders that finetune made of scenarios, or the words classical (features of the literature), star (these, and how the star repeats) and star-scores (star for linear heads and few observations); a model followed by +classical, +star or +star-scores has these behind its vectors",
  ),
  data: setting(z.string(), "dataset folder"),
  target: setting(
    z.string().optional(),
    "regression: the column of the number, such as period or feh",
  ),
  targets: setting(
    z.string().optional(),
    "regression: table of ids and numbers with that column (the dataset's metadata, if not given)",
  ),
  targets_id: setting(z.string().optional(), "regression: its column of ids"),
  target_log: setting(
    z.boolean().optional(),
    "regression: learn and score the logarithm to base 10 (errors in dex), as of periods",
  ),
  scenarios: setting(z.string(), "folder of scenarios, as the command scenarios writes it"),
  output: setting(z.string(), "run folder; what is there already is not done again"),
  heads: setting(
    z.array(z.enum(classifierKinds)).min(1).default(["gamma"]),
    `any of ${
      classifierKinds.join(", ")
    }: layers weighted by trainable gammas; the last block's mean, its maximum, or both; all ` +
      "layers end to end; no hidden layer; nearest neighbors; a random forest of 500 trees, which validation light curves train, too",
  ),
  samples_per_class: setting(numbers.optional(), "which scenarios (all, if not given)"),
  folds: setting(numbers.optional(), "which folds (all, if not given)"),
  config: setting(z.string().optional(), "a TOML or JSON file with any of these settings"),
  windows: setting(
    z.int().min(1).optional(),
    "random windows of a light curve to train on (if not given, as many as make 2,000 in all: 4 to 16)",
  ),
  learning_rate: setting(z.number().gt(0).default(1e-3), "learning rate of the head"),
  batch_size: setting(z.int().min(1).default(512), "light curves of a step"),
  epochs: setting(z.int().min(1).default(500), "epochs at most", "epochs"),
  patience: setting(
    z.int().min(1).default(40),
    "epochs without a better validation loss before training ends",
    "epochs",
  ),
  balance: setting(
    z.enum(["none", "batches", "loss"]).default("none"),
    "classes of unequal size: as they are, each as often in the batches of an epoch, or each with the same weight in the loss; " +
      "with either, so does the validation loss that ends the training (the reported one counts light curves alike)",
  ),
  train_encoder: setting(
    z.boolean().default(false),
    "train the encoder, too, end to end (heads with gradients, not classical or star); steps are of --encoder-batch-size windows, 16 if not given",
  ),
  encoder_learning_rate: setting(
    z.number().gt(0).default(1e-5),
    "learning rate of the encoder, where it is trained",
  ),
  encoder_batch_size: inferenceBatch,
  seed: setting(z.int().min(0).default(0), "names the windows, initial values and order"),
  requeue: requeueSetting,
  ...runShape,
});
export type GridSettings = z.output<typeof gridSchema>;

/** A light curve of a scenario. */
export interface DrawnSample {
  /** Its index in the dataset. */
  lightCurve: number;
  /** How often it is taken. */
  count: number;
}

/** One fold of a scenario. */
export interface DrawnFold<S extends DrawnSample> {
  samplesPerClass: number;
  /** Counted from 0. */
  fold: number;
  train: S[];
  validation: S[];
}

/** What classifiers and regressors are fitted and tested on. */
export interface DrawnScenarios<S extends DrawnSample> {
  test: S[];
  runs: DrawnFold<S>[];
}

/** Windows of a step of the encoder, where it is trained and nothing else is asked. */
export const windowsOfAStep = 16;

/** Results of other settings must not stand in one table with these. */
export async function refuseOtherSettings(
  output: string,
  {
    models: _,
    heads: __,
    samples_per_class: ___,
    folds: ____,
    config: _____,
    output: ______,
    threads: _______,
    requeue: ________,
    encoder_batch_size,
    // Where they lie may change: the fingerprint and the draw say whether they are the same.
    data,
    scenarios,
    task,
    targets,
    ...rest
  }: GridSettings,
  dataset: Dataset,
  classes: readonly string[],
  { runs, test }: DrawnScenarios<DrawnSample>,
): Promise<void> {
  const draw = createHash("sha256").update(JSON.stringify([runs, test])).digest("hex");
  // A vector does not depend on its batch, but a step of the encoder does.
  const steps = rest.train_encoder ? { encoder_batch_size: encoder_batch_size ?? windowsOfAStep } : {};
  // Folders of versions that had no regression do not name the task.
  const named = task === "regression" ? { task } : {}, path = `${output}/config.json`;
  const mine = { ...named, ...rest, ...steps, classes, fingerprint: dataset.fingerprint, draw };
  const write = () =>
    writeJson(path, { data, scenarios, ...targets === undefined ? {} : { targets }, ...mine });
  if (!await exists(path)) return await write();
  const before = JSON.parse(await Deno.readTextFile(path));
  if ((before.task ?? "classification") !== task) {
    throw new InputError(
      `${output} was begun with --task ${before.task ?? "classification"}: choose another --output`,
    );
  }
  const other = Object.keys(mine).find((name) =>
    JSON.stringify(before[name]) !== JSON.stringify(mine[name as keyof typeof mine])
  );
  if (other) {
    throw new InputError(
      `${output} was begun with ${other} = ${JSON.stringify(before[other])}, now it is ` +
        `${JSON.stringify(mine[other as keyof typeof mine])}: choose another --output`,
    );
  }
  if (before.data !== data || before.scenarios !== scenarios) await write();
}

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

  /** Fits what is missing of one encoder. */
  async run(encoder: Encoder, runs: readonly DrawnFold<S>[]): Promise<void> {
    const missing: DrawnFold<S>[] = [];
    for (const run of runs) {
      const there = await Promise.all(
        this.#headsOf(encoder).map((kind) =>
          exists(`${this.pathOf({ encoder, kind, run }, "results")}.json`)
        ),
      );
      if (!there.every(Boolean)) missing.push(run);
    }
    // A finetuned encoder is another one for each scenario; others make their vectors once for all.
    if (this.settings.train_encoder && !isFeatureSet(encoder.kind)) {
      for (const run of missing) {
        for (const kind of this.#headsOf(encoder)) {
          this.check();
          if (!await exists(`${this.pathOf({ encoder, kind, run }, "results")}.json`)) {
            await this.fitWithEncoder({ encoder, kind, run, started: performance.now() });
          }
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
        for (const kind of this.#headsOf(encoder)) {
          this.check();
          if (!await exists(`${this.pathOf({ encoder, kind, run }, "results")}.json`)) {
            await this.fit({ encoder, kind, run, started: performance.now() }, table);
          }
        }
      }
    }
  }

  async #vectors(encoder: Encoder, runs: readonly DrawnFold<S>[]): Promise<VectorTable> {
    const indices = (samples: readonly S[]) => samples.map(({ lightCurve }) => lightCurve);
    const train = new Map<number, number>();
    for (const run of runs) {
      const windows = this.windowsOf(run);
      for (const i of indices(run.train)) train.set(i, Math.max(windows, train.get(i) ?? 0));
    }
    const judged = [...indices(this.scenarios.test), ...runs.flatMap((run) => indices(run.validation))];
    const line = new ProgressLine(), started = performance.now();
    const progress = (done: number, of: number, what: string) => {
      this.check();
      line.update(() => {
        const seconds = (performance.now() - started) / 1000, rate = done / seconds;
        return `${encoder.name}: ${grouped(done)} of ${grouped(of)} ${what}  ${rate.toFixed(1)}/s  ` +
          `${duration(seconds)}, ${duration((of - done) / rate)} left`;
      });
    };
    try {
      if (isFeatureSet(encoder.kind)) {
        return await featureTable(
          encoder.kind,
          this.dataset,
          [...new Set([...train.keys(), ...judged])],
          this.runtime.device,
          (done, of) => progress(done, of, "light curves"),
        );
      }
      const folder = await modelFolderOf(encoder, runs[0]);
      const { model, config } = await loadModel(folder, this.runtime);
      using _ = model;
      const { encoder_batch_size, seed } = this.settings;
      const batchSize = inferenceBatchOn(this.runtime.device, encoder_batch_size);
      const table = await openVectors(model, this.dataset, {
        train,
        judged,
        windowSize: config.window_size,
        batchSize,
        seed,
        cache: `${this.output}/cache`,
        fingerprint: await fingerprintOf(folder),
      }, (done, of) => progress(done, of, "windows"));
      if (!encoder.features) return table;
      using _table = table;
      return await withFeatures(
        encoder.features,
        table,
        this.dataset,
        (done, of) => progress(done, of, "light curves"),
      );
    } finally {
      line.clear();
    }
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

type Rows = Pick<VectorTable, "rows" | "trainRows">;

/** Samples to train on: random windows, and a light curve as often as it was drawn. */
export function trainSamples<S extends DrawnSample>(
  samples: readonly S[],
  table: Rows,
  windows: number,
): (S & WindowRows)[] {
  return samples.flatMap((sample) =>
    Array.from(
      { length: sample.count },
      () => ({ ...sample, rows: table.trainRows(sample.lightCurve, windows) }),
    )
  );
}

/** Samples to judge by, all of their windows. Validation repeats objects of small classes, as training does; the test set has each once. */
export function judgedSamples<S extends DrawnSample>(samples: readonly S[], table: Rows): (S & WindowRows)[] {
  return samples.flatMap((sample) =>
    Array.from({ length: sample.count }, () => ({ ...sample, rows: table.rows(sample.lightCurve) }))
  );
}

/** Losses by epoch, as a report draws them. */
export interface LossCurve {
  epoch: number[];
  train: number[];
  validation: number[];
}

/** Epochs of a curve that are kept, at most. */
const keptEpochs = 60;

/** Collects losses; of many epochs some are kept, evenly, and the last. */
export function lossCurve(): { curve: () => LossCurve; onEpoch: OnEpoch } {
  const all: [epoch: number, train: number, validation: number][] = [];
  const digits = (value: number) => Number(value.toPrecision(5));
  return {
    onEpoch: (...losses) => void all.push(losses),
    curve: () => {
      const step = Math.ceil(all.length / keptEpochs);
      const kept = all.filter((_, i) => (all.length - 1 - i) % step === 0);
      return {
        epoch: kept.map(([epoch]) => epoch),
        train: kept.map(([, train]) => digits(train)),
        validation: kept.map(([, , validation]) => digits(validation)),
      };
    },
  };
}

/** A table whose vectors have features of their light curves behind them, the same behind each of a window. */
async function withFeatures(
  set: FeatureSet,
  { vectors, lightCurves, rows, trainRows }: VectorTable & { lightCurves: readonly number[] },
  dataset: Dataset,
  onProgress: (done: number, of: number) => void,
): Promise<VectorTable> {
  const distinct = [...new Set(lightCurves)], places = new Map(distinct.map((i, place) => [i, place]));
  const { names, values } = await featureSets[set].compute(
    dataset,
    distinct,
    (done) => onProgress(done, distinct.length),
    { device: vectors.device },
  );
  const width = names.length, [size, count] = vectors.shape, repeated = new Float32Array(size * width);
  for (const [row, i] of lightCurves.entries()) {
    const place = places.get(i)!;
    repeated.set(values.subarray(place * width, (place + 1) * width), row * width);
  }
  const together = noGrad(() =>
    scope(() => {
      const features = Tensor.from(repeated, [size, 1, width], { device: vectors.device });
      return cat([vectors, expand(features, [size, count, width])], 2);
    })
  );
  return { vectors: together, rows, trainRows, [Symbol.dispose]: () => together.dispose() };
}

/** Features as a table: one row a light curve; the features stand for mean and maximum alike. */
async function featureTable(
  set: FeatureSet,
  dataset: Dataset,
  lightCurves: readonly number[],
  device: Device,
  onProgress: (done: number, of: number) => void,
): Promise<VectorTable> {
  const { names, values } = await featureSets[set].compute(
    dataset,
    lightCurves,
    (done) => onProgress(done, lightCurves.length),
    { device },
  );
  const width = names.length, rows = new Map(lightCurves.map((i, row) => [i, [row]]));
  const doubled = new Float32Array(2 * values.length);
  for (let row = 0; row < lightCurves.length; row++) {
    const features = values.subarray(row * width, (row + 1) * width);
    doubled.set(features, 2 * row * width);
    doubled.set(features, (2 * row + 1) * width);
  }
  const vectors = unscoped(() => Tensor.from(doubled, [lightCurves.length, 2, width]));
  const of = (lightCurve: number) => rows.get(lightCurve)!;
  return { vectors, rows: of, trainRows: of, [Symbol.dispose]: () => vectors.dispose() };
}
