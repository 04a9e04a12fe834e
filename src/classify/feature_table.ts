/** Tables of vectors with features in them: alone, or behind a model's. */
import type { Device } from "../../ffi/device.ts";
import { noGrad } from "../../ffi/autograd.ts";
import { cat, expand } from "../../ffi/ops.ts";
import { scope, Tensor, unscoped } from "../../ffi/tensor.ts";
import type { Dataset } from "../data/dataset.ts";
import { type FeatureSet, featureSets } from "../features/feature_sets.ts";
import type { VectorTable } from "./vectors.ts";

/** A table whose vectors have features of their light curves behind them, the same behind each of a window. */
export async function withFeatures(
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
export async function featureTable(
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
