/** Classifiers of every model, head, scenario and fold: fitted one by one, kept in a folder, not done twice. */
import type { Device } from "../../ffi/device.ts";
import { createHash } from "node:crypto";
import { noGrad } from "../../ffi/autograd.ts";
import { cat, expand } from "../../ffi/ops.ts";
import { scope, Tensor, unscoped } from "../../ffi/tensor.ts";
import { setting, z } from "../command.ts";
import { inferenceBatch, inferenceBatchOn, runShape } from "../config.ts";
import type { Dataset } from "../data/dataset.ts";
import { InputError } from "../errors.ts";
import type { ClassificationMetrics } from "../evaluate/classification.ts";
import { exists, writeJson } from "../files/atomic.ts";
import { readJson } from "../files/json.ts";
import { duration, ProgressLine } from "../progress.ts";
import { requeueSetting } from "../resume.ts";
import { interrupted, type Runtime, type Stop } from "../run.ts";
import { grouped } from "../table.ts";
import { datasetDetails, loadModel, saveModel } from "../weights/model_folder.ts";
import { type FeatureSet, featureSets, isFeatureSet } from "./feature_sets.ts";
import { type Encoder, fingerprintOf, modelFolderOf } from "./encoder.ts";
import { fitEndToEnd, vectorsOfRows } from "./end_to_end.ts";
import {
  type ClassifierKind,
  classifierKinds,
  type Fit,
  fitClassifier,
  hasGradients,
} from "./fitted_classifier.ts";
import { Head, type HeadKind } from "./head.ts";
import { type Result, resultSchema } from "./results.ts";
import type { OpenedScenarios, ScenarioSample } from "./scenarios.ts";
import { type HeadTraining, type Sample, scored } from "./train_head.ts";
import { openVectors, plannedWindows, type VectorTable, windowsToTrainOn } from "./vectors.ts";

const numbers = z.array(z.coerce.number().int().min(0)).min(1);

/** Settings of `classify`. */
export const gridSchema = z.object({
  models: setting(
    z.array(z.string()).min(1),
    "model folders, names of models that ship, hf:ORG/NAME[@REVISION], folders that finetune made of scenarios, or the words classical (features of the literature) and star (these, and how the star repeats); a model followed by +classical or +star has these behind its vectors",
  ),
  data: setting(z.string(), "dataset folder"),
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

export type Run = OpenedScenarios["runs"][number];

/** Windows of a step of the encoder, where it is trained and nothing else is asked. */
const windowsOfAStep = 16;

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
    ...rest
  }: GridSettings,
  dataset: Dataset,
  { classes, runs, test }: OpenedScenarios,
): Promise<void> {
  const draw = createHash("sha256").update(JSON.stringify([runs, test])).digest("hex");
  // A vector does not depend on its batch, but a step of the encoder does.
  const steps = rest.train_encoder ? { encoder_batch_size: encoder_batch_size ?? windowsOfAStep } : {};
  const mine = { ...rest, ...steps, classes, fingerprint: dataset.fingerprint, draw },
    path = `${output}/config.json`;
  const write = () => writeJson(path, { data, scenarios, ...mine });
  if (!await exists(path)) return await write();
  const before = JSON.parse(await Deno.readTextFile(path));
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

/** All classifiers of a run folder. */
export class Grid {
  constructor(
    readonly settings: GridSettings,
    readonly dataset: Dataset,
    readonly scenarios: OpenedScenarios,
    readonly runtime: Runtime,
    readonly output: string,
    readonly stop: Stop,
  ) {}

  /** Ends the command if a signal has asked for it. */
  #check(): void {
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

  #pathOf({ name }: Encoder, head: ClassifierKind, { samplesPerClass, fold }: Run, folder: string): string {
    return `${this.output}/${folder}/${name}/${head}/${samplesPerClass}-${fold}`;
  }

  /** The results that are there, in order. */
  async results(encoders: readonly Encoder[], runs: readonly Run[]): Promise<Result[]> {
    const found: Result[] = [];
    for (const run of runs) {
      for (const encoder of encoders) {
        for (const head of this.#headsOf(encoder)) {
          const path = `${this.#pathOf(encoder, head, run, "results")}.json`;
          if (await exists(path)) found.push(await readJson(path, resultSchema));
        }
      }
    }
    return found;
  }

  /**
   * Results of a model that has changed since, or of another one of the same name, must not stand in one table with these.
   * @throws {InputError} where there are any
   */
  async refuseOtherModels(encoders: readonly Encoder[], runs: readonly Run[]): Promise<void> {
    for (const encoder of encoders) {
      for (const run of runs) {
        const found = await this.results([encoder], [run]);
        if (found.length === 0) continue;
        const fingerprint = await this.#fingerprint(encoder, run);
        if (found.every((result) => result.fingerprint === fingerprint)) continue;
        throw new InputError(
          `${this.output} has results of another model that is called ${encoder.name}, or ${encoder.folder} has ` +
            `changed since: choose another --output, or remove ${this.output}/results/${encoder.name}`,
        );
      }
    }
  }

  async #fingerprint(encoder: Encoder, run: Run): Promise<string | undefined> {
    return isFeatureSet(encoder.kind) ? undefined : await fingerprintOf(await modelFolderOf(encoder, run));
  }

  /** Fits what is missing of one encoder. */
  async run(encoder: Encoder, runs: readonly Run[]): Promise<void> {
    const missing: Run[] = [];
    for (const run of runs) {
      const there = await Promise.all(
        this.#headsOf(encoder).map((head) => exists(`${this.#pathOf(encoder, head, run, "results")}.json`)),
      );
      if (!there.every(Boolean)) missing.push(run);
    }
    // A finetuned encoder is another one for each scenario; others make their vectors once for all.
    if (this.settings.train_encoder && !isFeatureSet(encoder.kind)) {
      for (const run of missing) {
        for (const head of this.#headsOf(encoder)) {
          this.#check();
          if (!await exists(`${this.#pathOf(encoder, head, run, "results")}.json`)) {
            await this.#fitEndToEnd(encoder, head as HeadKind, run);
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
        for (const head of this.#headsOf(encoder)) {
          this.#check();
          if (!await exists(`${this.#pathOf(encoder, head, run, "results")}.json`)) {
            await this.#fit(encoder, head, run, table);
          }
        }
      }
    }
  }

  async #vectors(encoder: Encoder, runs: readonly Run[]): Promise<VectorTable> {
    const indices = (samples: readonly ScenarioSample[]) => samples.map(({ lightCurve }) => lightCurve);
    const train = new Map<number, number>();
    for (const run of runs) {
      const windows = this.#windowsOf(run);
      for (const i of indices(run.train)) train.set(i, Math.max(windows, train.get(i) ?? 0));
    }
    const judged = [...indices(this.scenarios.test), ...runs.flatMap((run) => indices(run.validation))];
    const line = new ProgressLine(), started = performance.now();
    const progress = (done: number, of: number, what: string) => {
      this.#check();
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
  #windowsOf({ train }: Run): number {
    return this.settings.windows ?? windowsToTrainOn(train.length);
  }

  get #training(): HeadTraining {
    const { learning_rate: learningRate, batch_size: batchSize, epochs, patience, balance, seed } =
      this.settings;
    return { learningRate, batchSize, epochs, patience, balance, seed };
  }

  async #fit(encoder: Encoder, kind: ClassifierKind, run: Run, table: VectorTable): Promise<void> {
    const started = performance.now(), { classes, test } = this.scenarios;
    const samples = {
      train: trainSamples(run, table, this.#windowsOf(run)),
      validation: judgedSamples(run.validation, table),
    };
    const fit = await fitClassifier(table.vectors, samples, classes, kind, this.#training);
    using classifier = fit.classifier;
    const tested = judgedSamples(test, table);
    const { probabilities } = await classifier.predict(table.vectors, tested);
    const folder = isFeatureSet(encoder.kind) ? undefined : await modelFolderOf(encoder, run);
    await this.#report(encoder, kind, run, fit, scored(probabilities, tested, classes), started, folder);
  }

  async #fitEndToEnd(encoder: Encoder, kind: HeadKind, run: Run): Promise<void> {
    const started = performance.now(), { classes, test } = this.scenarios;
    const { seed, encoder_batch_size } = this.settings, count = this.#windowsOf(run);
    const encoderBatchSize = inferenceBatchOn(this.runtime.device, encoder_batch_size);
    const { model, config } = await loadModel(await modelFolderOf(encoder, run), this.runtime);
    using _ = model;
    const windowSize = config.window_size,
      indices = (all: readonly ScenarioSample[]) => all.map((s) => s.lightCurve);
    const table = plannedWindows(this.dataset, {
      train: new Map(indices(run.train).map((i) => [i, count])),
      judged: indices([...test, ...run.validation]),
      windowSize,
      seed,
    });
    const { windows } = table;
    const samples = {
      train: trainSamples(run, table, count),
      validation: judgedSamples(run.validation, table),
    };
    const training = {
      ...this.#training,
      batchSize: encoder_batch_size ?? windowsOfAStep,
      encoderLearningRate: this.settings.encoder_learning_rate,
      windowSize,
      encoderBatchSize,
    };
    const line = new ProgressLine();
    const onEpoch = (epoch: number, train: number, validation: number) => {
      this.#check();
      line.update(() =>
        `${encoder.name}: epoch ${epoch}  loss ${train.toFixed(4)}  validation ${validation.toFixed(4)}`
      );
    };
    const fit = await fitEndToEnd(model, this.dataset, windows, samples, classes, kind, training, onEpoch)
      .finally(() => line.clear());
    using classifier = fit.classifier;
    const tested = judgedSamples(test, table), needed = new Set(tested.flatMap((sample) => sample.rows));
    using vectors = await vectorsOfRows(model, this.dataset, windows, needed, training);
    const { probabilities } = await classifier.predict(vectors, tested);
    const folder = `${this.#pathOf(encoder, kind, run, "classifiers")}-encoder`;
    const { metrics: _metrics, energy: _energy, ...kept } = config; // those tell of the model that it started from
    await saveModel(folder, model, {
      ...kept,
      ...datasetDetails(this.dataset),
      training: { ...config.training, end_to_end: training },
    });
    await this.#report(encoder, kind, run, fit, scored(probabilities, tested, classes), started, folder);
  }

  /** Saves a classifier, then its result: what has a result is done. */
  async #report(
    encoder: Encoder,
    kind: ClassifierKind,
    run: Run,
    fit: Fit,
    metrics: ClassificationMetrics,
    started: number,
    encoderFolder: string | undefined,
  ): Promise<void> {
    const { classifier } = fit, { classes, test } = this.scenarios, { samplesPerClass, fold } = run;
    const head = isFeatureSet(encoder.kind) && kind === "mean" ? "mlp" : kind;
    const result: Result = {
      model: encoder.name,
      fingerprint: await this.#fingerprint(encoder, run),
      head,
      samples_per_class: samplesPerClass,
      fold,
      classes: [...classes],
      scores: metrics.scores,
      f1: classes.map((_, of) => metrics.f1(of)),
      confusion: [...metrics.confusion],
      ...classifier.head instanceof Head && classifier.head.gammas
        ? { gammas: [...classifier.head.gammas] }
        : {},
      validation_loss: fit.validationLoss,
      epochs: fit.epochs,
      seconds: (performance.now() - started) / 1000,
      light_curves: { train: run.train.length, validation: run.validation.length, test: test.length },
    };
    await classifier.save(this.#pathOf(encoder, kind, run, "classifiers"), {
      encoder: encoderFolder === undefined ? { kind: encoder.kind } : {
        kind: "model",
        folder: await Deno.realPath(encoderFolder),
        fingerprint: await fingerprintOf(encoderFolder),
        ...encoder.features ? { features: encoder.features } : {},
      },
      training: { samples_per_class: samplesPerClass, fold, ...this.#training },
      metrics: { ...result.scores },
    });
    await writeJson(`${this.#pathOf(encoder, kind, run, "results")}.json`, result);
    console.log(
      `${encoder.name}, ${head}, ${samplesPerClass} samples per class, fold ${fold}: macro F1 ${
        result.scores.f1.toFixed(3)
      }, ` +
        `accuracy ${result.scores.accuracy.toFixed(3)}, ${fit.epochs} epochs, ${result.seconds.toFixed(1)} s`,
    );
  }
}

type Rows = Pick<VectorTable, "rows" | "trainRows">;

function trainSamples({ train }: Run, table: Rows, windows: number): Sample[] {
  return train.flatMap(({ lightCurve, label, count }) =>
    Array.from({ length: count }, () => ({ rows: table.trainRows(lightCurve, windows), label }))
  );
}

/** Validation repeats objects of small classes, as training does; the test set has each once. */
function judgedSamples(samples: readonly ScenarioSample[], table: Rows): Sample[] {
  return samples.flatMap(({ lightCurve, label, count }) =>
    Array.from({ length: count }, () => ({ rows: table.rows(lightCurve), label }))
  );
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
