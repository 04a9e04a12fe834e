/** Classifies the objects of a dataset, in its order and in bounded memory. */
import type { Device } from "../../ffi/device.ts";
import { Tensor } from "../../ffi/tensor.ts";
import type { Dataset } from "../data/dataset.ts";
import { eachEmbeddedWindow, windowsOf } from "../embed/stream.ts";
import type { AstromerNetwork } from "../model/network.ts";
import { type FeatureSet, featureSets } from "../features/feature_sets.ts";
import type { FittedClassifier } from "./fitted_classifier.ts";
import type { FittedRegressor } from "./fitted_regressor.ts";
import { mostLikely, type WindowRows } from "./train_head.ts";

/** What is said of one object. */
export interface ObjectPrediction {
  /** One of its light curves. */
  lightCurve: number;
  /** Index of its most likely class. */
  predicted: number;
  /** (C,) */
  probabilities: Float32Array;
  novelty: number;
}

/** The vectors of an object's windows, end to end. */
interface ObjectVectors {
  lightCurve: number;
  vectors: Float32Array[];
  /** The light curve of each. */
  owners: number[];
}

/** Objects whose vectors are held at once. */
const heldObjects = 1024;

/** The windows of every object, in the order of the dataset, in which an object's light curves follow each other. */
export async function* modelVectors(
  network: AstromerNetwork,
  dataset: Dataset,
  lightCurves: readonly number[],
  options: { windowSize: number; batchSize: number },
  onBatch?: (windows: number) => void,
): AsyncGenerator<ObjectVectors> {
  const windows = windowsOf(dataset, lightCurves, options.windowSize);
  let object: ObjectVectors | undefined;
  const embedded = eachEmbeddedWindow(
    network,
    dataset,
    windows,
    { ...options, pooling: "features" },
    onBatch,
  );
  for await (const { window: { lightCurve }, embedding } of embedded) {
    if (object && dataset.ids[object.lightCurve] !== dataset.ids[lightCurve]) {
      yield object;
      object = undefined;
    }
    object ??= { lightCurve, vectors: [], owners: [] };
    object.vectors.push(embedding);
    object.owners.push(lightCurve);
  }
  if (object) yield object;
}

/** Features of every object's light curves, as modelVectors has windows. */
export async function* featureVectors(
  set: FeatureSet,
  dataset: Dataset,
  lightCurves: readonly number[],
  onProgress?: (lightCurves: number) => void,
  device?: Device,
): AsyncGenerator<ObjectVectors> {
  let object: ObjectVectors | undefined;
  for (let from = 0; from < lightCurves.length; from += heldObjects) {
    const some = lightCurves.slice(from, from + heldObjects);
    const { names, values } = await featureSets[set].compute(
      dataset,
      some,
      (done) => onProgress?.(from + done),
      { device },
    );
    for (const [row, lightCurve] of some.entries()) {
      if (object && dataset.ids[object.lightCurve] !== dataset.ids[lightCurve]) {
        yield object;
        object = undefined;
      }
      const features = values.subarray(row * names.length, (row + 1) * names.length);
      object ??= { lightCurve, vectors: [], owners: [] };
      object.vectors.push(Float32Array.of(...features, ...features));
      object.owners.push(lightCurve);
    }
  }
  if (object) yield object;
}

/**
 * The same with features of a window's light curve behind each of its vectors.
 * @param count vectors of a window
 * @param device searches for periods; default: the CPU
 */
export async function* withFeatures(
  set: FeatureSet,
  objects: AsyncIterable<ObjectVectors>,
  dataset: Dataset,
  count: number,
  device?: Device,
): AsyncGenerator<ObjectVectors> {
  let held: ObjectVectors[] = [];
  async function joined(): Promise<ObjectVectors[]> {
    const distinct = [...new Set(held.flatMap(({ owners }) => owners))];
    const { names, values } = await featureSets[set].compute(dataset, distinct, undefined, { device }),
      F = names.length;
    const places = new Map(distinct.map((i, place) => [i, place]));
    return held.map(({ vectors, owners, ...object }) => ({
      ...object,
      owners,
      vectors: vectors.map((vector, k) => {
        const place = places.get(owners[k])!, features = values.subarray(place * F, (place + 1) * F);
        const d = vector.length / count, longer = new Float32Array(count * (d + F));
        for (let v = 0; v < count; v++) {
          longer.set(vector.subarray(v * d, (v + 1) * d), v * (d + F));
          longer.set(features, v * (d + F) + d);
        }
        return longer;
      }),
    }));
  }
  for await (const object of objects) {
    held.push(object);
    if (held.length < heldObjects) continue;
    yield* await joined();
    held = [];
  }
  if (held.length) yield* await joined();
}

/** What reads vectors: a classifier or a regressor. */
interface Reader {
  vectorShape: [vectors: number, width: number];
  device: Device;
}

/** Classifies objects by their vectors. */
export function predictObjects(
  classifier: FittedClassifier,
  objects: AsyncIterable<ObjectVectors>,
): AsyncGenerator<ObjectPrediction> {
  const count = classifier.classes.length;
  return eachObject(classifier, objects, async (vectors, samples, held) => {
    const { probabilities, novelty } = await classifier.predict(vectors, samples);
    const best = mostLikely(probabilities, count);
    return held.map(({ lightCurve }, i) => ({
      lightCurve,
      predicted: best[i],
      probabilities: probabilities.slice(i * count, (i + 1) * count),
      novelty: novelty[i],
    }));
  });
}

/** What is said of one object by a regressor. */
export interface ObjectValue {
  /** One of its light curves. */
  lightCurve: number;
  /** In the scale that is learned. */
  learned: number;
  novelty: number;
}

/** Predicts the values of objects by their vectors. */
export function predictValues(
  regressor: FittedRegressor,
  objects: AsyncIterable<ObjectVectors>,
): AsyncGenerator<ObjectValue> {
  return eachObject(regressor, objects, async (vectors, samples, held) => {
    const { learned, novelty } = await regressor.predict(vectors, samples);
    return held.map(({ lightCurve }, i) => ({ lightCurve, learned: learned[i], novelty: novelty[i] }));
  });
}

/** Has something said of objects, some at once. */
async function* eachObject<T>(
  { vectorShape: shape, device }: Reader,
  objects: AsyncIterable<ObjectVectors>,
  say: (vectors: Tensor, samples: WindowRows[], held: readonly ObjectVectors[]) => Promise<T[]>,
): AsyncGenerator<T> {
  let held: ObjectVectors[] = [];
  const size = shape[0] * shape[1];
  async function said(): Promise<T[]> {
    let rows = 0;
    const samples = held.map(({ vectors }) => ({ rows: vectors.map(() => rows++) }));
    const table = new Float32Array(rows * size);
    for (const [row, vector] of held.flatMap(({ vectors }) => vectors).entries()) {
      table.set(vector, row * size);
    }
    using vectors = Tensor.from(table, [rows, ...shape], { device });
    return await say(vectors, samples, held);
  }
  for await (const object of objects) {
    held.push(object);
    if (held.length < heldObjects) continue;
    yield* await said();
    held = [];
  }
  if (held.length) yield* await said();
}
