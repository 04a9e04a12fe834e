/** Light curves as points: what was trained on, standardized, and how far others are from it. */
import { indexSelect } from "../../ffi/ops.ts";
import { scope, Tensor } from "../../ffi/tensor.ts";
import { nearestNeighbors } from "../evaluate/nearest_neighbors.ts";
import type { Standardization } from "./head.ts";
import type { WindowRows } from "./train_head.ts";

/** Neighbors whose mean distance is the novelty of a light curve. */
export const noveltyNeighbors = 5;

/** Light curves that were trained on, as points: the mean of their windows' last means, standardized. */
export interface Reference {
  /** (n, d) row after row. */
  points: Float32Array<ArrayBuffer>;
  /** Median distance of one of them to its nearest others. */
  spacing: number;
}

/** Light curves that small classes repeat, each once, and how often each stands there. */
export function distinctSamples<S extends WindowRows>(
  samples: readonly S[],
): { members: S[]; counts: Int32Array } {
  const groups = [...Map.groupBy(samples, ({ rows }) => rows.join()).values()];
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
export function standardizationOf(vectors: Tensor, train: readonly WindowRows[]): Standardization {
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
export function pointsOf(
  vectors: Tensor,
  samples: readonly WindowRows[],
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

function meanDistances(distances: Float32Array, k: number): Float32Array {
  return Float32Array.from({ length: distances.length / k }, (_, i) => {
    let sum = 0;
    for (let r = i * k; r < (i + 1) * k; r++) sum += distances[r];
    return sum / k;
  });
}

/** Rows of (n, width), each once. */
export function distinctRows(rows: Float32Array, width: number): Float32Array<ArrayBuffer> {
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
export async function spacingOf(points: Float32Array<ArrayBuffer>, width: number): Promise<number> {
  const own = distinctRows(points, width), k = Math.min(noveltyNeighbors, own.length / width - 1);
  if (k < 1) return 1;
  const { distances } = await nearestNeighbors(own, own, width, k, { excludeSelf: true });
  const means = meanDistances(distances, k).sort();
  return means[means.length >> 1] || 1;
}

/**
 * Distances of points (N, d) to the nearest of those that were trained on, in units of how far these lie from each other.
 * @param distinct those points, each once
 */
export async function noveltyOf(
  points: Float32Array<ArrayBuffer>,
  distinct: Float32Array<ArrayBuffer>,
  width: number,
  spacing: number,
): Promise<Float32Array> {
  const k = Math.min(noveltyNeighbors, distinct.length / width);
  const { distances } = await nearestNeighbors(points, distinct, width, k);
  return meanDistances(distances, k).map((distance) => distance / spacing);
}
