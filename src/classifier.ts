/** The library's classifier: few labelled light curves as arrays, the classes of others. */
import { Tensor, unscoped } from "../ffi/tensor.ts";
import type { Astromer } from "./astromer.ts";
import { type ClassifierKind, fitClassifier, FittedClassifier } from "./classify/fitted_classifier.ts";
import { type Balance, mostLikely } from "./classify/train_head.ts";
import { plannedWindows, shapeOf } from "./classify/vectors.ts";
import type { Dataset } from "./data/dataset.ts";
import { datasetOf, type LightCurve } from "./data/light_curves.ts";
import type { Window } from "./data/windows.ts";
import { eachEmbeddedWindow } from "./embed/stream.ts";
import { seeded } from "./random.ts";

/** How {@link Classifier.fit} works. */
export interface ClassifierOptions {
  /** What reads the vectors of a window. Default: gamma, layers weighted by trainable gammas (section 5.2 of the paper). */
  head?: ClassifierKind;
  /** Share of every class that is set apart to stop the training and to scale probabilities. Default: 0.2. */
  validationFraction?: number;
  /** Random windows of a light curve to train on. Default: 4. */
  windows?: number;
  /** Default: 1e-3. */
  learningRate?: number;
  /** Light curves of a step. Default: 512. */
  batchSize?: number;
  /** Epochs at most. Default: 500. */
  epochs?: number;
  /** Epochs without a better validation loss before training ends. Default: 40. */
  patience?: number;
  /** Classes of unequal size. Default: none, as they are. */
  balance?: Balance;
  /** Default: 0. */
  seed?: number;
}

/** What is said of one light curve. */
export interface Classification {
  /** The likeliest class. */
  class: string;
  /** By class; temperature-scaled on the validation. */
  probabilities: Record<string, number>;
  /** Distance to what was trained on: about 1 is usual, much more is unlike all of it. */
  novelty: number;
}

/**
 * A classifier of light curves on a frozen model. The model is not owned: it must live as long as the classifier is used.
 *
 * @example A few labelled light curves
 * ```ts
 * import { Astromer, Classifier } from "../mod.ts";
 *
 * const curve = (period: number, phase: number) => {
 *   const mjd = Array.from({ length: 40 }, (_, i) => 59_000 + 0.9 * i);
 *   return { mjd, magnitude: mjd.map((t) => 15 + Math.sin(6.28 * t / period + phase)) };
 * };
 * const labelled = Array.from({ length: 20 }, (_, i) => ({ ...curve(i % 2 ? 7 : 30, i), class: i % 2 ? "fast" : "slow" }));
 * using model = Astromer.untrained({ preset: "small" });
 * using classifier = await Classifier.fit(model, labelled, { head: "linear", learningRate: 0.05, epochs: 50 });
 * const [{ probabilities }] = await classifier.predict([curve(7, 0.3)]);
 * if (Math.abs(probabilities.fast + probabilities.slow - 1) > 1e-5) throw new Error("they sum to 1");
 * ```
 */
export class Classifier implements Disposable {
  readonly #model: Astromer;
  readonly #fitted: FittedClassifier;

  private constructor(model: Astromer, fitted: FittedClassifier) {
    this.#model = model;
    this.#fitted = fitted;
  }

  /**
   * Fits a classifier on light curves whose `class` is given.
   * @throws {TypeError | RangeError} when an array is wrong (see {@link LightCurve}), or a light curve has no class
   * @throws {InputError} when there are not two classes, or a class has too few light curves to set some apart
   */
  static async fit(
    model: Astromer,
    lightCurves: readonly LightCurve[],
    {
      head = "gamma",
      validationFraction = 0.2,
      windows: count = 4,
      learningRate = 1e-3,
      batchSize = 512,
      epochs = 500,
      patience = 40,
      balance = "none",
      seed = 0,
    }: ClassifierOptions = {},
  ): Promise<Classifier> {
    using dataset = datasetOf(lightCurves);
    const unnamed = dataset.classes.indexOf(null);
    if (unnamed >= 0) throw new TypeError(`light curve ${unnamed} has no class`);
    const classes = [...new Set(dataset.classes as string[])].sort();
    const labels = dataset.classes.map((name) => classes.indexOf(name!));
    const held = heldOut(labels, classes.length, validationFraction, seed);
    const [train, judged] = [false, true].map((of) => [...labels.keys()].filter((i) => held.has(i) === of));
    const { windowSize } = windowsFor(model);
    const { windows, trainRows, rows } = plannedWindows(dataset, {
      train,
      judged,
      windows: count,
      windowSize,
      seed,
    });
    using vectors = await embedded(model, dataset, windows);
    const { classifier } = await fitClassifier(
      vectors,
      {
        train: train.map((i) => ({ rows: trainRows.get(i)!, label: labels[i] })),
        validation: judged.map((i) => ({ rows: rows.get(i)!, label: labels[i] })),
      },
      classes,
      head,
      { learningRate, batchSize, epochs, patience, balance, seed },
    );
    return new Classifier(model, classifier);
  }

  /**
   * Loads a classifier folder that {@link save} or `deno task classify` wrote.
   * @param model the encoder that it was fitted on
   * @throws {InputError} naming the file and what is wrong with it
   */
  static async load(folder: string, model: Astromer): Promise<Classifier> {
    const { classifier } = await FittedClassifier.load(folder, model.network.device);
    const [vectors, width] = shapeOf(model.network), wanted = classifier.vectorShape;
    if (wanted[0] !== vectors || wanted[1] !== width) {
      classifier[Symbol.dispose]();
      throw new RangeError(
        `${folder} reads ${wanted[0]} vectors of ${
          wanted[1]
        } a window, this model makes ${vectors} of ${width}`,
      );
    }
    return new Classifier(model, classifier);
  }

  /** Names of the classes, in order. */
  get classes(): readonly string[] {
    return this.#fitted.classes;
  }

  /**
   * Classifies light curves by all their windows.
   * @throws {TypeError | RangeError} when an array is wrong: see {@link LightCurve}
   */
  async predict(lightCurves: readonly LightCurve[]): Promise<Classification[]> {
    if (lightCurves.length === 0) return [];
    using dataset = datasetOf(lightCurves);
    const all = [...lightCurves.keys()];
    const { windowSize } = windowsFor(this.#model);
    const { windows, rows } = plannedWindows(dataset, {
      train: [],
      judged: all,
      windows: 1,
      windowSize,
      seed: 0,
    });
    using vectors = await embedded(this.#model, dataset, windows);
    const { probabilities, novelty } = await this.#fitted.predict(
      vectors,
      all.map((i) => ({ rows: rows.get(i)! })),
    );
    const { classes } = this, best = mostLikely(probabilities, classes.length);
    return all.map((i) => ({
      class: classes[best[i]],
      probabilities: Object.fromEntries(
        classes.map((name, of) => [name, probabilities[i * classes.length + of]]),
      ),
      novelty: novelty[i],
    }));
  }

  /** Writes a classifier folder, atomically. */
  save(folder: string): Promise<void> {
    return this.#fitted.save(folder, { encoder: { kind: "model" }, training: {}, metrics: {} });
  }

  /** Gives the native memory back; the model is left alone. */
  [Symbol.dispose](): void {
    this.#fitted[Symbol.dispose]();
  }
}

function windowsFor({ config: { window_size } }: Astromer) {
  return { windowSize: window_size, batchSize: 16 };
}

/** Of every class a share, at least one and never all. */
function heldOut(labels: readonly number[], classes: number, fraction: number, seed: number): Set<number> {
  return new Set(
    Array.from({ length: classes }, (_, of) => {
      const members = seeded(seed, 0x4e1d, of).shuffle([...labels.keys()].filter((i) => labels[i] === of));
      return members.slice(
        0,
        Math.min(members.length - 1, Math.max(1, Math.round(fraction * members.length))),
      );
    }).flat(),
  );
}

/** (rows, V, d): the vectors of windows. */
async function embedded(model: Astromer, dataset: Dataset, windows: readonly Window[]): Promise<Tensor> {
  const { network } = model, shape = shapeOf(network);
  const table = new Float32Array(windows.length * shape[0] * shape[1]);
  let at = 0;
  const options = { pooling: "features", ...windowsFor(model) } as const;
  for await (const { embedding } of eachEmbeddedWindow(network, dataset, windows, options)) {
    table.set(embedding, at);
    at += embedding.length;
  }
  return unscoped(() => Tensor.from(table, [windows.length, ...shape], { device: network.device }));
}
