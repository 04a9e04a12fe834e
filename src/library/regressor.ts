/** The library's regressor: learns from light curves with known values and predicts the values of others. */
import type { Astromer } from "./astromer.ts";
import { checkFitOptions, encoderOf, everyVector, heldOut, partedVectors, refuseMisfit } from "./arrays.ts";
import type { ClassifierOptions, PredictOptions } from "./classifier.ts";
import { thresholdOf } from "../classify/conformal.ts";
import { fitRegressor } from "../classify/fit_regressor.ts";
import { FittedRegressor, regressorFile, type Target } from "../classify/fitted_regressor.ts";
import { datasetOf, type LightCurve } from "../data/light_curves.ts";
import { refuseForeignFolder } from "../files/atomic.ts";

/** How {@link Regressor.fit} works. */
export interface RegressorOptions extends Omit<ClassifierOptions, "balance"> {
  /** Name of the value. Default: value. */
  name?: string;
  /** Whether to learn its base-10 logarithm, as is right for periods. Default: false. */
  log?: boolean;
}

/** What is predicted for one light curve. */
export interface PredictedValue {
  /** In the unit of the training values. */
  value: number;
  /** With `coverage`: an interval that contains the true value that often. */
  interval?: [low: number, high: number];
  /** Distance to the training data: about 1 is usual, much more is unlike all of it. */
  novelty: number;
}

/**
 * A regressor of light curves on a frozen model: predicts a number for each, such as its period or [Fe/H]. It does
 * not own the model, which must stay alive as long as the regressor is used.
 *
 * @example Amplitudes
 * ```ts
 * import { Astromer, Regressor } from "../../mod.ts";
 *
 * const curve = (amplitude: number, phase: number) => {
 *   const mjd = Array.from({ length: 40 }, (_, i) => 59_000 + 0.9 * i);
 *   return { mjd, magnitude: mjd.map((t) => 15 + amplitude * Math.sin(t + phase)) };
 * };
 * const known = Array.from({ length: 60 }, (_, i) => ({ ...curve(0.1 + i / 60, i), value: 0.1 + i / 60 }));
 * using model = Astromer.untrained({ preset: "small" });
 * using regressor = await Regressor.fit(model, known, { name: "amplitude", head: "forest" });
 * const [small, large] = await regressor.predict([curve(0.3, 1), curve(0.9, 1)], { coverage: 0.8 });
 * if (small.value > large.value) throw new Error("it has learned nothing");
 * if (!(large.interval![0] < large.value && large.value < large.interval![1])) throw new Error("around the value");
 * ```
 */
export class Regressor implements Disposable {
  readonly #model: Astromer;
  readonly #fitted: FittedRegressor;

  private constructor(model: Astromer, fitted: FittedRegressor) {
    this.#model = model;
    this.#fitted = fitted;
  }

  /**
   * Fits a regressor on light curves whose `value` is given, by least squares.
   *
   * @example
   * ```ts
   * import { Astromer, Regressor } from "../../mod.ts";
   *
   * const mjd = Array.from({ length: 40 }, (_, i) => 59_000 + 0.9 * i);
   * const known = Array.from(
   *   { length: 20 },
   *   (_, i) => ({ mjd, magnitude: mjd.map((t) => Math.sin(t / (1 + i))), value: 1 + i }),
   * );
   * using model = Astromer.untrained({ preset: "small" });
   * using regressor = await Regressor.fit(model, known, { name: "period", log: true, head: "linear", epochs: 5 });
   * if (regressor.target.name !== "period" || !regressor.target.log) throw new Error("as it was asked for");
   * ```
   * @param model the encoder, which is not changed
   * @param lightCurves with a value each. Those with the same `id` (in several bands) are one object, which trains or
   * is set apart as a whole
   * @param options which head, how much is set apart, and how to train
   * @throws {TypeError | RangeError} when an array is wrong (see {@link LightCurve}), or a light curve has no value
   * @throws {InputError} when there are not two different values to train on, or fewer than two objects
   * @throws {Failure} when the loss is not a number
   */
  static async fit(
    model: Astromer,
    lightCurves: readonly LightCurve[],
    {
      name = "value",
      log = false,
      head = "gamma",
      validationFraction = 0.2,
      windows: asked,
      learningRate = 1e-3,
      batchSize = 512,
      epochs = 500,
      patience = 40,
      seed = 0,
    }: RegressorOptions = {},
  ): Promise<Regressor> {
    checkFitOptions(head, validationFraction, { windows: asked ?? 1, batchSize, epochs, patience });
    using dataset = datasetOf(lightCurves);
    const without = lightCurves.findIndex(({ value }) =>
      typeof value !== "number" || !Number.isFinite(value)
    );
    if (without >= 0) {
      throw new TypeError(
        `light curve ${without} has no value: a finite number is needed, not ${lightCurves[without].value}`,
      );
    }
    const values = lightCurves.map(({ value }) => value!);
    const held = heldOut(dataset.ids, values.map(() => 0), 1, validationFraction, seed);
    const parted = await partedVectors(model, dataset, held, { windows: asked, seed });
    using vectors = parted.vectors;
    const { regressor } = await fitRegressor(
      vectors,
      {
        train: parted.train.map(({ lightCurve, rows }) => ({ rows, value: values[lightCurve] })),
        validation: parted.validation.map(({ lightCurve, rows }) => ({ rows, value: values[lightCurve] })),
      },
      { name, log },
      head,
      { learningRate, batchSize, epochs, patience, seed },
    );
    return new Regressor(model, regressor);
  }

  /**
   * Loads a regressor folder that {@link save} or `deno task classify --task regression` wrote.
   *
   * @example
   * ```ts
   * import { Astromer, Regressor } from "../../mod.ts";
   *
   * const mjd = Array.from({ length: 40 }, (_, i) => 59_000 + 0.9 * i);
   * const known = Array.from(
   *   { length: 20 },
   *   (_, i) => ({ mjd, magnitude: mjd.map((t) => Math.sin(t / (1 + i))), value: 1 + i }),
   * );
   * using model = Astromer.untrained({ preset: "small" });
   * const folder = await Deno.makeTempDir();
   * using fitted = await Regressor.fit(model, known, { head: "knn" });
   * await fitted.save(`${folder}/regressor`);
   * using regressor = await Regressor.load(`${folder}/regressor`, model);
   * await Deno.remove(folder, { recursive: true });
   * const [[before], [after]] = await Promise.all([fitted, regressor].map((one) => one.predict(known.slice(0, 1))));
   * if (before.value !== after.value) throw new Error("not the same regressor");
   * ```
   * @param folder that was written
   * @param model the encoder that it was fitted on
   * @throws {InputError} naming the file and what is wrong with it
   * @throws {RangeError} when the model makes vectors of another shape than those it was fitted on
   */
  static async load(folder: string, model: Astromer): Promise<Regressor> {
    const { regressor } = await FittedRegressor.load(folder, model.network.device);
    refuseMisfit(regressor, model, folder);
    return new Regressor(model, regressor);
  }

  /** What is predicted, and whether its logarithm is learned. */
  get target(): Readonly<Target> {
    return this.#fitted.target;
  }

  /**
   * Predicts the values of light curves by all their windows.
   *
   * @example
   * ```ts
   * import { Astromer, Regressor } from "../../mod.ts";
   *
   * const mjd = Array.from({ length: 40 }, (_, i) => 59_000 + 0.9 * i);
   * const known = Array.from(
   *   { length: 20 },
   *   (_, i) => ({ mjd, magnitude: mjd.map((t) => i * Math.sin(t)), value: i }),
   * );
   * using model = Astromer.untrained({ preset: "small" });
   * using regressor = await Regressor.fit(model, known, { head: "knn" });
   * const [{ value, novelty }] = await regressor.predict(known.slice(10, 11));
   * if (value < 0 || value > 19 || !(novelty >= 0)) throw new Error("between the values of neighbors");
   * ```
   * @param lightCurves of the same kind as those that were fitted on
   * @param options `coverage`, for intervals
   * @returns for each light curve its value, and the distance to the training data
   * @throws {TypeError | RangeError} when an array is wrong: see {@link LightCurve}; when the coverage is not between
   * 0 and 1, or too few light curves were set apart for it
   */
  async predict(
    lightCurves: readonly LightCurve[],
    { coverage }: PredictOptions = {},
  ): Promise<PredictedValue[]> {
    const fitted = this.#fitted;
    const halfWidth = coverage === undefined ? undefined : thresholdOf(fitted.residuals, coverage);
    if (lightCurves.length === 0) return [];
    using dataset = datasetOf(lightCurves);
    const { vectors, rows } = await everyVector(this.#model, dataset);
    using _ = vectors;
    const { learned, novelty } = await fitted.predict(vectors, rows);
    return lightCurves.map((_, i) => ({
      value: fitted.valueOf(learned[i]),
      ...halfWidth === undefined
        ? {}
        : { interval: [fitted.valueOf(learned[i] - halfWidth), fitted.valueOf(learned[i] + halfWidth)] },
      novelty: novelty[i],
    }));
  }

  /**
   * Writes a regressor folder, atomically: {@link Regressor.load} (which has an example) and `deno task predict` read
   * it. It records the folder that its model was loaded from or saved to; without one, `predict` needs `--model`.
   * @param folder its parents are made; an older regressor folder of that name is replaced
   * @throws {InputError} when the folder holds something else
   * @throws {Failure} when it cannot be written
   */
  async save(folder: string): Promise<void> {
    await refuseForeignFolder(folder, regressorFile, "a regressor folder", "");
    const encoder = await encoderOf(this.#model);
    await this.#fitted.save(folder, { encoder, training: {}, metrics: {} });
  }

  /** Frees the native memory, but not that of the model; harmless the second time. */
  [Symbol.dispose](): void {
    this.#fitted[Symbol.dispose]();
  }
}
