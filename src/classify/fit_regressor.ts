/** Fitting a regressor: its head is trained by least squares, its neighbors are chosen, or its forest is grown. */
import { mean, square, sub } from "../../ffi/ops.ts";
import type { Tensor } from "../../ffi/tensor.ts";
import { InputError } from "../common/errors.ts";
import { type ClassifierKind, neighborChoices } from "./fitted.ts";
import { FittedRegressor, type Target, type ValueSample } from "./fitted_regressor.ts";
import { type Forest, growValueForest } from "./forest.ts";
import { Head } from "./head.ts";
import { neighborMeans } from "./neighbor_votes.ts";
import { distinctSamples, pointsOf, spacingOf, standardizationOf } from "./points.ts";
import { type HeadTraining, meanOverWindows, type OnEpoch, trainTowards } from "./train_head.ts";

/** How a fit went. */
export interface ValueFit {
  regressor: FittedRegressor;
  epochs: number;
  /** Root of the mean squared residual of the validation, in the scale that is learned. */
  validationRmse: number;
}

/** Light curves to train on, and those that stop the training and say how far off it is. */
export interface ValueSamples {
  train: readonly ValueSample[];
  validation: readonly ValueSample[];
}

/**
 * Fits a regressor by least squares, of values with mean 0 and standard deviation 1.
 * @param vectors (rows, V, d) float32
 * @throws {InputError} unless two different values train and one light curve validates; with a logarithm, where one is not
 * positive
 * @throws {Failure} when the loss is not a number
 */
export async function fitRegressor(
  vectors: Tensor,
  samples: ValueSamples,
  target: Target,
  kind: ClassifierKind,
  training: Omit<HeadTraining, "balance">,
  onEpoch?: OnEpoch,
): Promise<ValueFit> {
  const { scale, train, validation } = standardized(samples, target);
  const standardization = standardizationOf(vectors, train);
  const [, count, width] = vectors.shape, shape = { vectors: count, width };
  // A forest needs no light curves to stop at: those of the validation train it, too.
  const seen = kind === "forest" ? [...train, ...validation] : train;
  const points = pointsOf(vectors, seen, standardization);
  const values = Float32Array.from(seen, ({ value }) => value);
  const reference = { points, values, spacing: await spacingOf(points, width) };
  const fitted = (
    head: Head | Forest | null,
    neighbors: number,
    plain: Float32Array,
    judged: ValueSample[],
  ) => {
    const residuals = Float32Array.from(plain, (found, i) => scale.deviation * (found - judged[i].value));
    return {
      regressor: new FittedRegressor(target, scale, residuals.map(Math.abs), {
        kind,
        shape,
        standardization,
        reference,
        head,
        neighbors,
      }),
      validationRmse: Math.sqrt(residuals.reduce((sum, r) => sum + r * r, 0) / residuals.length),
    };
  };
  if (kind === "forest") {
    const { members, counts } = distinctSamples(seen);
    const { forest, outOfBag } = await growValueForest({
      points: pointsOf(vectors, members, standardization, "all"),
      values: Float32Array.from(members, ({ value }) => value),
      counts,
    }, training);
    return { ...fitted(forest, 0, outOfBag, members), epochs: 0 };
  }
  const judged = distinctSamples(validation).members;
  if (kind === "knn") {
    const queries = pointsOf(vectors, judged, standardization);
    let best = Infinity, neighbors = 0, plain = new Float32Array();
    for (const k of neighborChoices.filter((k) => k <= train.length)) {
      const found = await neighborMeans(queries, points, values, width, k), error = squares(found, judged);
      if (error < best) [best, neighbors, plain] = [error, k, found];
    }
    return { ...fitted(null, neighbors, plain, judged), epochs: 0 };
  }
  using owned = new DisposableStack();
  const { device } = vectors;
  const head = owned.use(
    new Head({ kind, ...shape, classes: 1 }, { device, seed: training.seed, standardization }),
  );
  const { epochs } = await trainTowards(
    head,
    vectors,
    {
      epochOf: (random) => random.shuffle([...train]),
      partsOf: (batch) => ({ truth: { shape: [batch.length, 1], values: batch.map(({ value }) => value) } }),
      lossOf: (outputs, { truth }) => mean(square(sub(outputs, truth))),
      validated: () => squares(meanOverWindows(head, vectors, validation), validation),
    },
    training,
    onEpoch,
  );
  const fit = { ...fitted(head, 0, meanOverWindows(head, vectors, judged), judged), epochs };
  owned.move(); // to the regressor
  return fit;
}

/** The mean squared residual. */
function squares(found: Float32Array, samples: readonly ValueSample[]): number {
  return samples.reduce((sum, { value }, i) => sum + (found[i] - value) ** 2, 0) / samples.length;
}

/** What is learned: the values or their logarithms, with mean 0 and standard deviation 1 over the training. */
function standardized({ train, validation }: ValueSamples, { name, log }: Target) {
  for (const { value } of [...train, ...validation]) {
    if (log ? !(value > 0 && value < Infinity) : !Number.isFinite(value)) {
      throw new InputError(
        `${name} of a light curve is ${value}: ${
          log ? "a logarithm needs positive values" : "it must be finite"
        }`,
      );
    }
  }
  const learned = train.map(({ value }) => log ? Math.log10(value) : value);
  const centre = learned.reduce((sum, value) => sum + value, 0) / learned.length;
  const variance = learned.reduce((sum, value) => sum + (value - centre) ** 2, 0) / learned.length;
  if (new Set(learned).size < 2) {
    throw new InputError(
      `a regressor needs light curves with two different values of ${name} to train on, there are ${
        learned.length ? `only such with ${train[0].value}` : "none"
      }`,
    );
  }
  if (validation.length === 0) {
    throw new InputError(`there is no light curve with a value of ${name} to validate with`);
  }
  const scale = { mean: centre, deviation: Math.sqrt(variance) };
  const scaled = (samples: readonly ValueSample[]) =>
    samples.map(({ rows, value }): ValueSample => ({
      rows,
      value: ((log ? Math.log10(value) : value) - scale.mean) / scale.deviation,
    }));
  return { scale, train: scaled(train), validation: scaled(validation) };
}
