/** A fitted classifier of light curves: from windows' vectors to probabilities and novelty; and as a folder. */
import type { Device } from "../../ffi/device.ts";
import { indexSelect } from "../../ffi/ops.ts";
import { scope, Tensor } from "../../ffi/tensor.ts";
import { z } from "../command.ts";
import { InputError, messageOf } from "../errors.ts";
import { nearestNeighbors } from "../evaluate/nearest_neighbors.ts";
import { writeFolderAtomically, writeJson } from "../files/atomic.ts";
import { checkedVersion, type FormatVersions, versionIn } from "../files/format_version.ts";
import { jsonNumber } from "../files/json.ts";
import { readSafetensors, type TensorData, writeSafetensors } from "../files/safetensors.ts";
import { checkStateDict, type StateDict } from "../model/parameters.ts";
import { version } from "../version.ts";
import { Forest, growForest } from "./forest.ts";
import { Head, type HeadKind, headKinds, headSpecs, type Standardization } from "./head.ts";
import {
  crossEntropy,
  type HeadTraining,
  probabilitiesOf,
  type Sample,
  scaled,
  scored,
  temperatureOf,
  trainHead,
} from "./train_head.ts";

/**
 * Heads of a classifier: see `HeadKind`; `knn`: the nearest training light curves vote, weighted by nearness; `forest`: a
 * random forest of 500 trees on the means of all layers, over a light curve's windows. It needs no light curves to stop at,
 * so those of the validation train it, too, and the trees that have not seen a light curve say how sure it may be.
 */
export type ClassifierKind = "gamma" | "mean" | "max" | "mean-max" | "all" | "linear" | "knn" | "forest";
export const classifierKinds = [...headKinds, "knn", "forest"] as const satisfies readonly ClassifierKind[];

/** Whether a head is trained by gradients. */
export function hasGradients(kind: ClassifierKind): kind is HeadKind {
  return kind !== "knn" && kind !== "forest";
}

/** Light curves that were trained on, as points: the mean of their windows' last means, standardized. */
interface Reference {
  /** (n, d) row after row. */
  points: Float32Array<ArrayBuffer>;
  /** (n,) classes. */
  labels: Int32Array<ArrayBuffer>;
  /** Median distance of one of them to its nearest others. */
  spacing: number;
}

/** Neighbors whose mean distance is the novelty of a light curve. */
export const noveltyNeighbors = 5;
/** Numbers of neighbors that a knn chooses among, by its validation. */
const neighborChoices = [1, 3, 5, 10, 20, 40];

/** What a classifier says of light curves. */
export interface Predictions {
  /** (N, C) row after row, temperature-scaled on the validation. */
  probabilities: Float32Array;
  /**
   * (N,) distance to the nearest training light curves in units of how far those lie from each other: about 1 for what was
   * trained on, large for what is unlike all of it.
   */
  novelty: Float32Array;
}

/** Version 1 says its version; it reads as version 0, which does not. */
export const classifierVersions: FormatVersions = { what: "classifier", oldest: 0, newest: 1 };

const configSchema = z.object({
  classifier_type: z.literal("astromer-classifier"),
  format_version: z.int().default(0),
  classes: z.array(z.string()).min(2),
  kind: z.enum(classifierKinds),
  /** Vectors of a window, as `HeadShape` counts them, and their length. */
  vectors: z.int().min(2),
  width: z.int().min(1),
  temperature: z.number().gt(0),
  neighbors: z.int().min(0),
  spacing: z.number().min(0),
  /** The encoder: a model folder with the SHA-256 of its weights, or classical features by name. */
  encoder: z.record(z.string(), z.unknown()),
  training: z.record(z.string(), z.unknown()),
  metrics: z.record(z.string(), jsonNumber),
  astromer_version: z.string(),
});
type ClassifierConfig = z.output<typeof configSchema>;

/** What a classifier folder holds. */
export interface ClassifierParts {
  config: ClassifierConfig;
  /** Parameters of a head that is trained by gradients; else empty. */
  state: StateDict;
  standardization: Standardization;
  reference: Reference;
  /** The reference's points, each once: an object that is taken repeatedly is no nearer for that. */
  distinct: Float32Array<ArrayBuffer>;
  /** Of that kind alone. */
  forest: Forest | undefined;
}

/** What a classifier's folder says of where it comes from. */
export type ClassifierDetails = Pick<ClassifierConfig, "encoder" | "training" | "metrics">;

/** A classifier that was fitted. */
export class FittedClassifier implements Disposable {
  /** The reference's points, each once: an object that is taken repeatedly is no nearer for that. */
  readonly #distinct: Float32Array<ArrayBuffer>;

  constructor(
    readonly classes: readonly string[],
    readonly kind: ClassifierKind,
    private readonly shape: { vectors: number; width: number },
    private readonly standardization: Standardization,
    private readonly reference: Reference,
    /** Null of knn. */
    readonly head: Head | Forest | null,
    readonly neighbors: number,
    readonly temperature: number,
  ) {
    this.#distinct = distinctRows(reference.points, shape.width);
  }

  /** Vectors of a window, and their length. */
  get vectorShape(): [vectors: number, width: number] {
    return [this.shape.vectors, this.shape.width];
  }

  /** Where vectors must be that its head reads. */
  get device(): Device {
    return this.head instanceof Head ? this.head.parameters.master.device : "cpu";
  }

  /** What is wrong with a model that makes so many vectors of such a length; undefined where they fit. */
  misfit([vectors, width]: readonly [vectors: number, width: number]): string | undefined {
    const { shape } = this;
    if (shape.vectors === vectors && shape.width === width) return undefined;
    return `reads ${shape.vectors} vectors of ${shape.width} a window, this model makes ${vectors} of ${width}`;
  }

  /**
   * Classifies light curves by the vectors of their windows.
   * @param vectors (rows, V, d) float32
   * @param samples which rows are each light curve's
   */
  async predict(vectors: Tensor, samples: readonly Pick<Sample, "rows">[]): Promise<Predictions> {
    const { width } = this.shape, { points, labels, spacing } = this.reference;
    const mine = pointsOf(vectors, samples, this.standardization);
    const plain = this.head instanceof Head
      ? probabilitiesOf(this.head, vectors, samples.map(({ rows }) => ({ rows, label: 0 })))
      : this.head
      ? this.head.probabilities(pointsOf(vectors, samples, this.standardization, "all"))
      : await votes(mine, points, labels, width, this.neighbors, this.classes.length);
    const k = Math.min(noveltyNeighbors, this.#distinct.length / width);
    const { distances } = await nearestNeighbors(mine, this.#distinct, width, k);
    return {
      probabilities: scaled(plain, this.classes.length, this.temperature),
      novelty: meanDistances(distances, k).map((distance) => distance / spacing),
    };
  }

  /** Writes a classifier folder, atomically. */
  save(folder: string, details: ClassifierDetails): Promise<void> {
    const { vectors, width } = this.shape, { points, labels, spacing } = this.reference;
    const config: ClassifierConfig = {
      classifier_type: "astromer-classifier",
      classes: [...this.classes],
      kind: this.kind,
      vectors,
      width,
      temperature: this.temperature,
      neighbors: this.neighbors,
      spacing,
      ...details,
      format_version: classifierVersions.newest,
      astromer_version: version,
    };
    const floats = (data: Float32Array<ArrayBuffer>, shape: readonly number[]): TensorData => ({
      dtype: "F32",
      shape,
      data,
    });
    const state = this.head instanceof Head ? this.head.parameters.stateDict() : [];
    const head = [...state].map(([name, { shape, data }]) => [`head.${name}`, floats(data, shape)] as const);
    return writeFolderAtomically(folder, async (temporary) => {
      await writeSafetensors(`${temporary}/classifier.safetensors`, {
        ...Object.fromEntries(head),
        ...this.head instanceof Forest ? forestTensors(this.head) : {},
        "standardization.mean": floats(this.standardization.mean, [vectors, width]),
        "standardization.scale": floats(this.standardization.scale, [vectors, width]),
        "reference.points": floats(points, [labels.length, width]),
        "reference.labels": { dtype: "I32", shape: [labels.length], data: labels },
      }, { format: "pt" });
      await writeJson(`${temporary}/config.json`, config);
    });
  }

  /**
   * Reads a classifier folder.
   * @throws {InputError} naming the file and what is wrong with it
   */
  static async load(
    folder: string,
    device: Device = "cpu",
  ): Promise<{ classifier: FittedClassifier; details: ClassifierDetails }> {
    const { config, state, standardization, reference, forest } = await readClassifier(folder);
    const { classes, kind, vectors, width, temperature, neighbors, spacing: _, ...details } = config;
    const shape = { vectors, width, classes: classes.length };
    const head = hasGradients(kind)
      ? new Head({ kind, ...shape }, { device, state, standardization })
      : forest ?? null;
    return {
      classifier: new FittedClassifier(
        classes,
        kind,
        { vectors, width },
        standardization,
        reference,
        head,
        neighbors,
        temperature,
      ),
      details,
    };
  }

  /** Gives the native memory back. */
  [Symbol.dispose](): void {
    if (this.head instanceof Head) this.head[Symbol.dispose]();
  }
}

function forestTensors({ nodes, classes }: Forest): Record<string, TensorData> {
  const { roots, feature, threshold, child, leaves } = nodes;
  const integers = (data: Int32Array<ArrayBuffer>): TensorData => ({
    dtype: "I32",
    shape: [data.length],
    data,
  });
  return {
    "forest.roots": integers(roots),
    "forest.feature": integers(feature),
    "forest.threshold": { dtype: "F32", shape: [threshold.length], data: threshold },
    "forest.child": integers(child),
    "forest.leaves": { dtype: "F32", shape: [leaves.length / classes, classes], data: leaves },
  };
}

/**
 * Reads a classifier folder.
 * @throws {InputError} naming the file and what is wrong with it
 */
export async function readClassifier(folder: string): Promise<ClassifierParts> {
  let json: unknown;
  try {
    json = JSON.parse(await Deno.readTextFile(`${folder}/config.json`));
  } catch (error) {
    throw new InputError(
      `${folder} is not a classifier folder (make one with classify): ${messageOf(error)}`,
    );
  }
  checkedVersion(`${folder}/config.json`, versionIn(json, "format_version"), classifierVersions);
  const parsed = configSchema.safeParse(json);
  if (!parsed.success) {
    const [{ path, message }] = parsed.error.issues;
    throw new InputError(`${folder}/config.json: ${path.length ? `${path.join(".")}: ` : ""}${message}`);
  }
  const { classes, kind, vectors, width, spacing } = parsed.data;
  const path = `${folder}/classifier.safetensors`, { tensors } = await readSafetensors(path);
  const take = (name: string, dtype: "F32" | "I32", shape: readonly (number | null)[]) => {
    const found = tensors.get(name);
    const fits = found && found.dtype === dtype && found.shape.length === shape.length &&
      shape.every((size, i) => size === null || size === found.shape[i]);
    if (!fits) throw new InputError(`${path} has no tensor "${name}" that fits ${folder}/config.json`);
    return found.data;
  };
  const labels = take("reference.labels", "I32", [null]) as Int32Array<ArrayBuffer>;
  const points = take("reference.points", "F32", [labels.length, width]) as Float32Array<ArrayBuffer>;
  const standardization = {
    mean: take("standardization.mean", "F32", [vectors, width]) as Float32Array<ArrayBuffer>,
    scale: take("standardization.scale", "F32", [vectors, width]) as Float32Array<ArrayBuffer>,
  };
  const state = new Map(
    [...tensors].filter(([name, { dtype }]) => name.startsWith("head.") && dtype === "F32").map((
      [name, { shape, data }],
    ) => [
      name.slice(5),
      { shape, data: data as Float32Array<ArrayBuffer> },
    ]),
  );
  let forest: Forest | undefined;
  if (kind === "forest") {
    const nodes = {
      roots: take("forest.roots", "I32", [null]) as Int32Array<ArrayBuffer>,
      feature: take("forest.feature", "I32", [null]) as Int32Array<ArrayBuffer>,
      threshold: take("forest.threshold", "F32", [null]) as Float32Array<ArrayBuffer>,
      child: take("forest.child", "I32", [null]) as Int32Array<ArrayBuffer>,
      leaves: take("forest.leaves", "F32", [null, classes.length]) as Float32Array<ArrayBuffer>,
    };
    forest = new Forest(nodes, (vectors - 1) * width, classes.length);
    const wrong = forest.flaw();
    if (wrong !== undefined) throw new InputError(`${path}: ${wrong}`);
  }
  try {
    const shape = { vectors, width, classes: classes.length };
    if (hasGradients(kind)) checkStateDict(headSpecs({ kind, ...shape }), state);
  } catch (error) {
    throw new InputError(`${path} does not fit ${folder}/config.json: ${messageOf(error)}`);
  }
  const reference = { points, labels, spacing };
  const distinct = distinctRows(points, width);
  return { config: parsed.data, state, standardization, reference, distinct, forest };
}

/** How a fit went. */
export interface Fit {
  classifier: FittedClassifier;
  epochs: number;
  /** Cross-entropy of the validation by scaled probabilities, nat: light curves alike, whatever the balance. */
  validationLoss: number;
}

/** Light curves to train on, and those that stop the training and scale its probabilities. */
export interface Samples {
  train: readonly Sample[];
  validation: readonly Sample[];
}

/**
 * Refuses what cannot be learned.
 * @throws {InputError} unless there are two classes, each with light curves to train on, and some to validate with
 */
export function checkSamples(classes: readonly string[], { train, validation }: Samples): void {
  if (classes.length < 2) {
    throw new InputError(`a classifier needs two classes, not ${classes.join() || "none"}`);
  }
  const empty = classes.filter((_, of) => !train.some(({ label }) => label === of));
  if (empty.length) {
    throw new InputError(`there is no light curve to train on of the classes ${empty.join(", ")}`);
  }
  if (validation.length === 0) {
    throw new InputError("there is no light curve to validate with: one class at least needs two objects");
  }
}

/**
 * Fits a classifier.
 * @param vectors (rows, V, d) float32
 * @throws {InputError} as {@link checkSamples}
 */
export async function fitClassifier(
  vectors: Tensor,
  samples: Samples,
  classes: readonly string[],
  kind: ClassifierKind,
  training: HeadTraining,
  onEpoch?: (epoch: number, trainLoss: number, validationLoss: number) => void,
): Promise<Fit> {
  checkSamples(classes, samples);
  const standardization = standardizationOf(vectors, samples.train);
  if (!hasGradients(kind)) {
    return await finishFit(vectors, samples, classes, standardization, kind, 0, training);
  }
  const [, count, width] = vectors.shape;
  using owned = new DisposableStack();
  const shape = { kind, vectors: count, width, classes: classes.length };
  const head = owned.use(
    new Head(shape, { device: vectors.device, seed: training.seed, standardization }),
  );
  const { epochs } = await trainHead(head, vectors, samples, training, onEpoch);
  const fit = await finishFit(vectors, samples, classes, standardization, head, epochs, training);
  owned.move(); // to the classifier
  return fit;
}

/**
 * What a classifier has beside its head, if it has one: training light curves, neighbors, temperature.
 * @param head that was trained, or what needs no training by gradients and is fitted here
 */
export async function finishFit(
  vectors: Tensor,
  { train, validation }: Samples,
  classes: readonly string[],
  standardization: Standardization,
  head: Head | "knn" | "forest",
  epochs: number,
  { seed }: Pick<HeadTraining, "seed">,
): Promise<Fit> {
  const [, count, width] = vectors.shape, shape = { vectors: count, width };
  const seen = head === "forest" ? [...train, ...validation] : train;
  const points = pointsOf(vectors, seen, standardization);
  const labels = Int32Array.from(seen, ({ label }) => label);
  const reference = { points, labels, spacing: await spacingOf(points, width) };
  let neighbors = 0,
    plain: Float32Array = new Float32Array(),
    judged = validation,
    forest: Forest | null = null;
  if (head === "forest") {
    const { members, counts } = distinctSamples(seen);
    const grown = await growForest({
      points: pointsOf(vectors, members, standardization, "all"),
      labels: Int32Array.from(members, ({ label }) => label),
      counts,
      classes: classes.length,
    }, { seed });
    [forest, plain, judged] = [grown.forest, grown.outOfBag, members];
  } else if (head === "knn") {
    const queries = pointsOf(vectors, validation, standardization);
    let best = -1;
    for (const k of neighborChoices.filter((k) => k <= train.length)) {
      const found = await votes(queries, points, labels, width, k, classes.length);
      const { f1 } = scored(found, validation, classes).scores;
      if (f1 > best) [best, neighbors, plain] = [f1, k, found];
    }
  } else plain = probabilitiesOf(head, vectors, validation);
  const temperature = temperatureOf(plain, judged, classes.length);
  return {
    classifier: new FittedClassifier(
      classes,
      head instanceof Head ? head.shape.kind : head,
      shape,
      standardization,
      reference,
      head instanceof Head ? head : forest,
      neighbors,
      temperature,
    ),
    epochs,
    validationLoss: crossEntropy(scaled(plain, classes.length, temperature), judged, classes.length),
  };
}

/** Light curves that small classes repeat, each once, and how often each stands there. */
function distinctSamples(samples: readonly Sample[]): { members: Sample[]; counts: Int32Array } {
  const groups = [...Map.groupBy(samples, ({ rows, label }) => `${label}:${rows.join()}`).values()];
  return {
    members: groups.map(([first]) => first),
    counts: Int32Array.from(groups, (group) => group.length),
  };
}

/** Rows of the table, (n, V, d), in pieces. */
function* blocksOf(
  vectors: Tensor,
  rows: readonly number[],
): Generator<{ from: number; values: Float32Array }> {
  for (let from = 0; from < rows.length; from += 4096) {
    const some = BigInt64Array.from(rows.slice(from, from + 4096), BigInt);
    const values = scope(() =>
      indexSelect(vectors, 0, Tensor.from(some, undefined, { device: vectors.device })).toArray()
    ) as Float32Array;
    yield { from, values };
  }
}

/** Of the windows that are trained on, each once; an element that never changes is left as it is. */
export function standardizationOf(vectors: Tensor, train: readonly Sample[]): Standardization {
  const [, count, width] = vectors.shape, size = count * width;
  const rows = [...new Set(train.flatMap((sample) => sample.rows))];
  const sum = new Float64Array(size), squares = new Float64Array(size);
  for (const { values } of blocksOf(vectors, rows)) {
    for (let i = 0; i < values.length; i++) {
      sum[i % size] += values[i];
      squares[i % size] += values[i] ** 2;
    }
  }
  const mean = Float32Array.from(sum, (total) => total / rows.length);
  const scale = Float32Array.from(squares, (total, i) => {
    const variance = total / rows.length - (sum[i] / rows.length) ** 2;
    return variance > 1e-12 ? 1 / Math.sqrt(variance) : 1;
  });
  return { mean, scale };
}

/**
 * Each light curve's point: the mean over its windows of the last block's mean, standardized, (N, d); or of the means of all
 * layers end to end, (N, (V - 1) d).
 */
function pointsOf(
  vectors: Tensor,
  samples: readonly Pick<Sample, "rows">[],
  { mean, scale }: Standardization,
  layers: "last" | "all" = "last",
): Float32Array<ArrayBuffer> {
  const [, count, each] = vectors.shape, last = layers === "last" ? (count - 2) * each : 0;
  const width = layers === "last" ? each : (count - 1) * each;
  const owners = samples.flatMap(({ rows }, i) => rows.map((row) => ({ row, i, share: 1 / rows.length })));
  const points = new Float32Array(samples.length * width);
  for (const { from, values } of blocksOf(vectors, owners.map(({ row }) => row))) {
    for (let k = 0; k < values.length / (count * each); k++) {
      const { i, share } = owners[from + k];
      for (let j = 0; j < width; j++) {
        const value = values[k * count * each + last + j];
        points[i * width + j] += share * (value - mean[last + j]) * scale[last + j];
      }
    }
  }
  return points;
}

/** Probabilities (N, C): neighbors vote with the inverse of their distance, and every class with a little. */
async function votes(
  queries: Float32Array<ArrayBuffer>,
  points: Float32Array<ArrayBuffer>,
  labels: Int32Array,
  width: number,
  k: number,
  classes: number,
): Promise<Float32Array> {
  const { indices, distances } = await nearestNeighbors(queries, points, width, k);
  const probabilities = new Float32Array(queries.length / width * classes);
  for (let i = 0; i < probabilities.length / classes; i++) {
    const row = probabilities.subarray(i * classes, (i + 1) * classes);
    // Without a prior vote, a class without a neighbor would be impossible.
    let total = 0.5 * classes / k;
    row.fill(0.5 / k);
    const nearest = Math.max(distances[i * k], 1e-12);
    for (let r = i * k; r < (i + 1) * k; r++) {
      const weight = nearest / Math.max(distances[r], 1e-12);
      row[labels[indices[r]]] += weight;
      total += weight;
    }
    for (let c = 0; c < classes; c++) row[c] /= total;
  }
  return probabilities;
}

function meanDistances(distances: Float32Array, k: number): Float32Array {
  return Float32Array.from({ length: distances.length / k }, (_, i) => {
    let sum = 0;
    for (let r = i * k; r < (i + 1) * k; r++) sum += distances[r];
    return sum / k;
  });
}

/** Rows of (n, width), each once. */
function distinctRows(rows: Float32Array, width: number): Float32Array<ArrayBuffer> {
  const distinct = new Map<string, Float32Array>();
  for (let i = 0; i < rows.length; i += width) {
    const row = rows.subarray(i, i + width);
    distinct.set(row.join(), row);
  }
  const once = new Float32Array(distinct.size * width);
  for (const [i, row] of [...distinct.values()].entries()) once.set(row, i * width);
  return once;
}

/** The median over training points of their mean distance to their nearest others (repeats of one object left out). */
async function spacingOf(points: Float32Array<ArrayBuffer>, width: number): Promise<number> {
  const own = distinctRows(points, width), k = Math.min(noveltyNeighbors, own.length / width - 1);
  if (k < 1) return 1;
  const { distances } = await nearestNeighbors(own, own, width, k, { excludeSelf: true });
  const means = meanDistances(distances, k).sort();
  return means[means.length >> 1] || 1;
}
