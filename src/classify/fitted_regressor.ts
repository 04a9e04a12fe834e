/** A fitted regressor of light curves: from windows' vectors to a value, such as a period or [Fe/H]; and as a folder. */
import type { Device } from "../../ffi/device.ts";
import { mean, square, sub } from "../../ffi/ops.ts";
import type { Tensor } from "../../ffi/tensor.ts";
import { z } from "../common/setting.ts";
import { InputError } from "../common/errors.ts";
import { nearestNeighbors } from "../evaluate/nearest_neighbors.ts";
import { writeFolderAtomically, writeJson } from "../files/atomic.ts";
import type { FormatVersions } from "../files/format_version.ts";
import { jsonNumber } from "../files/json.ts";
import { writeSafetensors } from "../files/safetensors.ts";
import { version } from "../common/version.ts";
import {
  type ClassifierKind,
  classifierKinds,
  Fitted,
  type FittedParts,
  hasGradients,
  neighborChoices,
} from "./fitted.ts";
import { floats, FolderTensors, headTensors, readConfig, standardizationTensors } from "./fitted_folder.ts";
import { type Forest, growValueForest } from "./forest.ts";
import { Head } from "./head.ts";
import {
  distinctSamples,
  noveltyOf,
  pointsOf,
  type Reference,
  spacingOf,
  standardizationOf,
} from "./points.ts";
import {
  type HeadTraining,
  meanOverWindows,
  type OnEpoch,
  trainTowards,
  type WindowRows,
} from "./train_head.ts";

/** One light curve with its value. */
export interface ValueSample extends WindowRows {
  /** In the unit of the target. */
  value: number;
}

/** What is predicted. */
export interface Target {
  /** What it is called. */
  name: string;
  /** Whether its logarithm to base 10 is learned and scored. */
  log: boolean;
}

/** Light curves that were trained on, with what is learned of them. */
interface ValuedReference extends Reference {
  /** (n,) standardized. */
  values: Float32Array<ArrayBuffer>;
}

/** What a regressor says of light curves. */
export interface ValuePredictions {
  /** (N,) in the scale that is learned. */
  learned: Float64Array;
  /** (N,) see the novelty of a classifier. */
  novelty: Float32Array;
}

/** Every regressor folder says its version. */
export const regressorVersions: FormatVersions = { what: "regressor", oldest: 1, newest: 1 };

/** The file that tells a regressor folder. */
export const regressorFile = "regressor.safetensors";

const configSchema = z.object({
  regressor_type: z.literal("astromer-regressor"),
  format_version: z.int(),
  target: z.object({ name: z.string(), log: z.boolean() }),
  kind: z.enum(classifierKinds),
  vectors: z.int().min(2),
  width: z.int().min(1),
  /** Of what is learned, over the light curves that were trained on. */
  mean: z.number(),
  deviation: z.number().gt(0),
  neighbors: z.int().min(0),
  spacing: z.number().min(0),
  encoder: z.record(z.string(), z.unknown()),
  training: z.record(z.string(), z.unknown()),
  metrics: z.record(z.string(), jsonNumber),
  astromer_version: z.string(),
});
type RegressorConfig = z.output<typeof configSchema>;

/** What a regressor's folder says of where it comes from. */
export type RegressorDetails = Pick<RegressorConfig, "encoder" | "training" | "metrics">;

/** A regressor that was fitted. */
export class FittedRegressor extends Fitted<ValuedReference> {
  constructor(
    readonly target: Target,
    private readonly scale: { mean: number; deviation: number },
    /** (n,) how far it was from light curves that it was not trained on, in the scale that is learned. */
    readonly residuals: Float32Array<ArrayBuffer>,
    parts: FittedParts<ValuedReference>,
  ) {
    super(parts);
  }

  /** A value in the scale that is learned. */
  learnedOf(value: number): number {
    return this.target.log ? Math.log10(value) : value;
  }

  /** A value in the unit of the target. */
  override valueOf(learned: number): number {
    return this.target.log ? 10 ** learned : learned;
  }

  /**
   * Predicts the values of light curves by the vectors of their windows.
   * @param vectors (rows, V, d) float32
   * @param samples which rows are each light curve's
   */
  async predict(vectors: Tensor, samples: readonly WindowRows[]): Promise<ValuePredictions> {
    const { width } = this.shape,
      { points, values, spacing } = this.reference,
      { mean, deviation } = this.scale;
    const mine = pointsOf(vectors, samples, this.standardization);
    const plain = this.head instanceof Head
      ? meanOverWindows(this.head, vectors, samples)
      : this.head
      ? this.head.probabilities(pointsOf(vectors, samples, this.standardization, "all"))
      : await neighborMeans(mine, points, values, width, this.neighbors);
    return {
      learned: Float64Array.from(plain, (value) => mean + deviation * value),
      novelty: await noveltyOf(mine, this.distinct, width, spacing),
    };
  }

  /** Writes a regressor folder, atomically. */
  save(folder: string, details: RegressorDetails): Promise<void> {
    const { vectors, width } = this.shape, { points, values, spacing } = this.reference;
    const config: RegressorConfig = {
      regressor_type: "astromer-regressor",
      target: this.target,
      kind: this.kind,
      vectors,
      width,
      ...this.scale,
      neighbors: this.neighbors,
      spacing,
      ...details,
      format_version: regressorVersions.newest,
      astromer_version: version,
    };
    return writeFolderAtomically(folder, async (temporary) => {
      await writeSafetensors(`${temporary}/${regressorFile}`, {
        ...headTensors(this.head),
        ...standardizationTensors(this.standardization, [vectors, width]),
        "reference.points": floats(points, [values.length, width]),
        "reference.values": floats(values, [values.length]),
        "calibration.residuals": floats(this.residuals, [this.residuals.length]),
      }, { format: "pt" });
      await writeJson(`${temporary}/config.json`, config);
    });
  }

  /**
   * Reads a regressor folder.
   * @throws {InputError} naming the file and what is wrong with it
   */
  static async load(
    folder: string,
    device: Device = "cpu",
  ): Promise<{ regressor: FittedRegressor; details: RegressorDetails }> {
    const config = await readConfig(folder, configSchema, {
      what: "a regressor folder (make one with classify --task regression)",
      versions: regressorVersions,
    });
    const { target, kind, vectors, width, mean, deviation, neighbors, spacing, ...details } = config;
    const tensors = await FolderTensors.read(folder, regressorFile);
    const values = tensors.take("reference.values", "F32", [null]);
    const points = tensors.take("reference.points", "F32", [values.length, width]);
    const residuals = tensors.take("calibration.residuals", "F32", [null]);
    const shape = { vectors, width, classes: 1 };
    const { state, standardization, forest } = tensors.headParts({ kind, ...shape });
    const head = hasGradients(kind)
      ? new Head({ kind, ...shape }, { device, state, standardization })
      : forest ?? null;
    return {
      regressor: new FittedRegressor(target, { mean, deviation }, residuals, {
        kind,
        shape: { vectors, width },
        standardization,
        reference: { points, values, spacing },
        head,
        neighbors,
      }),
      details,
    };
  }
}

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

/** The mean value of neighbors, weighted by nearness, (N,). */
async function neighborMeans(
  queries: Float32Array<ArrayBuffer>,
  points: Float32Array<ArrayBuffer>,
  values: Float32Array,
  width: number,
  k: number,
): Promise<Float32Array<ArrayBuffer>> {
  const { indices, distances } = await nearestNeighbors(queries, points, width, k);
  return Float32Array.from({ length: queries.length / width }, (_, i) => {
    let sum = 0, total = 0;
    for (let r = i * k; r < (i + 1) * k; r++) {
      const weight = 1 / Math.max(distances[r], 1e-12);
      sum += weight * values[indices[r]];
      total += weight;
    }
    return sum / total;
  });
}
