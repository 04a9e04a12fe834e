/** The library's classifier: learns from a few labelled light curves and predicts the classes of others. */
import type { Astromer } from "./astromer.ts";
import { checkFitOptions, encoderOf, everyVector, heldOut, partedVectors, refuseMisfit } from "./arrays.ts";
import { classSet, thresholdOf } from "../classify/conformal.ts";
import { fitClassifier } from "../classify/fit_classifier.ts";
import { FittedClassifier } from "../classify/fitted_classifier.ts";
import type { ClassifierKind } from "../classify/fitted.ts";
import { type Balance, mostLikely } from "../classify/train_head.ts";
import { datasetOf, type LightCurve } from "../data/light_curves.ts";
import { refuseForeignFolder } from "../files/atomic.ts";

/** How {@link Classifier.fit} works. */
export interface ClassifierOptions {
  /**
   * Which head reads the vectors of a window. Default: gamma, layers weighted by trainable gammas (section 5.4 of the
   * paper).
   */
  head?: ClassifierKind;
  /** Share of every class that is set apart to stop the training and to scale probabilities. Default: 0.2. */
  validationFraction?: number;
  /** Random windows per light curve to train on. Default: enough for 2,000 in all, from 4 to 16. */
  windows?: number;
  /** Default: 1e-3. */
  learningRate?: number;
  /** Light curves per step. Default: 512. */
  batchSize?: number;
  /** Epochs at most. Default: 500. */
  epochs?: number;
  /** Epochs without a better validation loss before training ends. Default: 40. */
  patience?: number;
  /** How classes of unequal size are balanced, in training and in the validation loss that ends it. Default: none. */
  balance?: Balance;
  /** Default: 0. */
  seed?: number;
}

/** What is predicted for one light curve. */
export interface Classification {
  /** The likeliest class. */
  class: string;
  /** By class; temperature-scaled on the validation light curves. */
  probabilities: Record<string, number>;
  /** Distance to the training data: about 1 is usual, much more is unlike all of it. */
  novelty: number;
  /** With `coverage`: classes, likeliest first, that contain the true one that often. */
  set?: string[];
}

/** How {@link Classifier.predict} and `Regressor.predict` work. */
export interface PredictOptions {
  /**
   * How often the set of classes is to contain the true class, or the interval the true value, for light curves like
   * those that were fitted on. Calibrated on light curves that were set apart.
   */
  coverage?: number;
}

/**
 * A classifier of light curves on a frozen model. It does not own the model, which must stay alive as long as the
 * classifier is used.
 *
 * @example A few labelled light curves
 * ```ts
 * import { Astromer, Classifier } from "../../mod.ts";
 *
 * const curve = (period: number, phase: number) => {
 *   const mjd = Array.from({ length: 40 }, (_, i) => 59_000 + 0.9 * i);
 *   return { mjd, magnitude: mjd.map((t) => 15 + Math.sin(6.28 * t / period + phase)) };
 * };
 * const labelled = Array.from(
 *   { length: 20 },
 *   (_, i) => ({ ...curve(i % 2 ? 7 : 30, i), class: i % 2 ? "fast" : "slow" }),
 * );
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
   * Fits a classifier on light curves whose `class` is given (section 5.4 of the paper).
   *
   * @example
   * ```ts
   * import { Astromer, Classifier } from "../../mod.ts";
   *
   * const curve = (period: number, phase: number) => {
   *   const mjd = Array.from({ length: 40 }, (_, i) => 59_000 + 0.9 * i);
   *   return { mjd, magnitude: mjd.map((t) => 15 + Math.sin(6.28 * t / period + phase)) };
   * };
   * const labelled = Array.from(
   *   { length: 20 },
   *   (_, i) => ({ ...curve(i % 2 ? 7 : 30, i), class: i % 2 ? "fast" : "slow" }),
   * );
   * using model = Astromer.untrained({ preset: "small" });
   * using classifier = await Classifier.fit(model, labelled, { head: "mean", balance: "loss", epochs: 20 });
   * if (classifier.classes.join() !== "fast,slow") throw new Error("in alphabetical order");
   * ```
   * @param model the encoder, which is not changed
   * @param lightCurves with a class each; of every class with two objects or more, at least one object is set apart.
   * Light curves with the same `id` (in several bands) are one object, which trains or is set apart as a whole
   * @param options which head, how much is set apart, and how to train
   * @throws {TypeError | RangeError} when an array is wrong (see {@link LightCurve}), or a light curve has no class
   * @throws {InputError} when there are not two classes, or no class has two objects
   * @throws {Failure} when the loss is not a number
   */
  static async fit(
    model: Astromer,
    lightCurves: readonly LightCurve[],
    {
      head = "gamma",
      validationFraction = 0.2,
      windows: asked,
      learningRate = 1e-3,
      batchSize = 512,
      epochs = 500,
      patience = 40,
      balance = "none",
      seed = 0,
    }: ClassifierOptions = {},
  ): Promise<Classifier> {
    checkFitOptions(head, validationFraction, { windows: asked ?? 1, batchSize, epochs, patience });
    using dataset = datasetOf(lightCurves);
    const unnamed = dataset.classes.indexOf(null);
    if (unnamed >= 0) throw new TypeError(`light curve ${unnamed} has no class`);
    const classes = [...new Set(dataset.classes as string[])].sort();
    const labels = dataset.classes.map((name) => classes.indexOf(name!));
    const held = heldOut(dataset.ids, labels, classes.length, validationFraction, seed);
    const parted = await partedVectors(model, dataset, held, { windows: asked, seed });
    using vectors = parted.vectors;
    const { classifier } = await fitClassifier(
      vectors,
      {
        train: parted.train.map(({ lightCurve, rows }) => ({ rows, label: labels[lightCurve] })),
        validation: parted.validation.map(({ lightCurve, rows }) => ({ rows, label: labels[lightCurve] })),
      },
      classes,
      head,
      { learningRate, batchSize, epochs, patience, balance, seed },
    );
    return new Classifier(model, classifier);
  }

  /**
   * Loads a classifier folder that {@link save} or `deno task classify` wrote.
   *
   * @example
   * ```ts
   * import { Astromer, Classifier } from "../../mod.ts";
   *
   * const curve = (period: number, phase: number) => {
   *   const mjd = Array.from({ length: 40 }, (_, i) => 59_000 + 0.9 * i);
   *   return { mjd, magnitude: mjd.map((t) => 15 + Math.sin(6.28 * t / period + phase)) };
   * };
   * const labelled = Array.from(
   *   { length: 20 },
   *   (_, i) => ({ ...curve(i % 2 ? 7 : 30, i), class: i % 2 ? "fast" : "slow" }),
   * );
   * using model = Astromer.untrained({ preset: "small" });
   * const folder = await Deno.makeTempDir();
   * using fitted = await Classifier.fit(model, labelled, { head: "linear", epochs: 5 });
   * await fitted.save(`${folder}/classifier`);
   * using classifier = await Classifier.load(`${folder}/classifier`, model);
   * await Deno.remove(folder, { recursive: true });
   * const [before, after] = await Promise.all([fitted, classifier].map((one) => one.predict([curve(7, 0.3)])));
   * if (Math.abs(before[0].novelty - after[0].novelty) > 1e-5) throw new Error("not the same classifier");
   * ```
   * @param folder that was written
   * @param model the encoder that it was fitted on
   * @throws {InputError} naming the file and what is wrong with it
   * @throws {RangeError} when the model makes vectors of another shape than those it was fitted on
   */
  static async load(folder: string, model: Astromer): Promise<Classifier> {
    const { classifier } = await FittedClassifier.load(folder, model.network.device);
    refuseMisfit(classifier, model, folder);
    return new Classifier(model, classifier);
  }

  /** Names of the classes, in order. */
  get classes(): readonly string[] {
    return this.#fitted.classes;
  }

  /**
   * Classifies light curves by all their windows.
   *
   * @example
   * ```ts
   * import { Astromer, Classifier } from "../../mod.ts";
   *
   * const curve = (period: number, phase: number) => {
   *   const mjd = Array.from({ length: 40 }, (_, i) => 59_000 + 0.9 * i);
   *   return { mjd, magnitude: mjd.map((t) => 15 + Math.sin(6.28 * t / period + phase)) };
   * };
   * const labelled = Array.from(
   *   { length: 20 },
   *   (_, i) => ({ ...curve(i % 2 ? 7 : 30, i), class: i % 2 ? "fast" : "slow" }),
   * );
   * using model = Astromer.untrained({ preset: "small" });
   * using classifier = await Classifier.fit(model, labelled, { head: "knn" }); // nothing is trained
   * const [found] = await classifier.predict([curve(7, 0.3)]);
   * if (found.class !== "fast" || found.probabilities.fast < 0.5) throw new Error("a period of 7 days is fast");
   * const noise = { mjd: labelled[0].mjd, magnitude: labelled[0].mjd.map((_, i) => i % 2 ? 10 : 20) };
   * const [{ novelty }] = await classifier.predict([noise]);
   * if (novelty < 2 * found.novelty) throw new Error("it is like nothing that was trained on");
   * ```
   * @param lightCurves of any class
   * @param options `coverage`, for sets of classes
   * @returns for each light curve its class, the probabilities of all, and the distance to the training data
   * @throws {TypeError | RangeError} when an array is wrong: see {@link LightCurve}; when the coverage is not between
   * 0 and 1, or too few light curves were set apart for it
   */
  async predict(
    lightCurves: readonly LightCurve[],
    { coverage }: PredictOptions = {},
  ): Promise<Classification[]> {
    const threshold = coverage === undefined ? undefined : thresholdOf(this.#fitted.calibration, coverage);
    if (lightCurves.length === 0) return [];
    using dataset = datasetOf(lightCurves);
    const { vectors, rows } = await everyVector(this.#model, dataset);
    using _ = vectors;
    const { probabilities, novelty } = await this.#fitted.predict(vectors, rows);
    const { classes } = this, best = mostLikely(probabilities, classes.length);
    return lightCurves.map((_, i) => ({
      class: classes[best[i]],
      probabilities: Object.fromEntries(
        classes.map((name, of) => [name, probabilities[i * classes.length + of]]),
      ),
      novelty: novelty[i],
      ...threshold === undefined ? {} : {
        set: classSet(probabilities.subarray(i * classes.length, (i + 1) * classes.length), threshold).map((
          of,
        ) => classes[of]),
      },
    }));
  }

  /**
   * Writes a classifier folder, atomically: {@link Classifier.load} (which has an example) and `deno task predict`
   * read it. It records the folder that its model was loaded from or saved to; without one, `predict` needs
   * `--model`.
   * @param folder its parents are made; an older classifier folder of that name is replaced
   * @throws {InputError} when the folder holds something else
   * @throws {Failure} when it cannot be written
   */
  async save(folder: string): Promise<void> {
    await refuseForeignFolder(folder, "classifier.safetensors", "a classifier folder", "");
    const encoder = await encoderOf(this.#model);
    await this.#fitted.save(folder, { encoder, training: {}, metrics: {} });
  }

  /** Frees the native memory, but not that of the model; harmless the second time. */
  [Symbol.dispose](): void {
    this.#fitted[Symbol.dispose]();
  }
}
