/** Classifiers that are the same for every vector, so that scores tell of the vectors: as the field's benchmarks use them. */
import { growForest } from "../classify/forest.ts";
import { mostLikely } from "../classify/train_head.ts";
import { fitLogisticRegression, logitsOf } from "../evaluate/logistic_regression.ts";
import { nearestNeighbors, type Neighbors } from "../evaluate/nearest_neighbors.ts";

/**
 * - `logistic`: logistic regression with an L2 penalty, C = 0.05 in scikit-learn's notation.
 * - `knn`: the 5 nearest, weighted by the inverse of their distance.
 * - `forest`: a random forest of 500 trees.
 *
 * All read standardized vectors, by means and deviations of what is trained on.
 */
export const probeNames = ["logistic", "knn", "forest"] as const;
export type ProbeName = typeof probeNames[number];

const strength = 0.05;
/** Neighbors that vote. */
export const neighbors = 5;

/** Vectors, row after row. */
export interface Vectors {
  /** (n, F) */
  values: Float32Array<ArrayBuffer>;
  width: number;
}

/** Some rows. */
export function rowsOf({ values, width }: Vectors, rows: ArrayLike<number>): Float32Array<ArrayBuffer> {
  const chosen = new Float32Array(rows.length * width);
  for (let k = 0; k < rows.length; k++) {
    chosen.set(values.subarray(rows[k] * width, (rows[k] + 1) * width), k * width);
  }
  return chosen;
}

/** Standardizes points (n, F), all by means and deviations of the first: elements that never change become 0. */
export function standardized<A extends Float32Array[]>(width: number, ...[first, ...others]: A): A {
  const n = first.length / width, mean = new Float64Array(width), squares = new Float64Array(width);
  for (let k = 0; k < first.length; k++) mean[k % width] += first[k] / n;
  for (let k = 0; k < first.length; k++) squares[k % width] += (first[k] - mean[k % width]) ** 2 / n;
  const scale = squares.map((v, f) => v > 1e-12 * (1 + mean[f] ** 2) ? 1 / Math.sqrt(v) : 0);
  return [first, ...others].map((points) =>
    points.map((value, k) => (value - mean[k % width]) * scale[k % width])
  ) as A;
}

/**
 * Fits a probe, and predicts classes.
 * @param train (n, F) and classes (n,); repeated rows count as often
 * @param test (m, F)
 * @returns (m,) predicted classes
 */
export async function predictedBy(
  probe: ProbeName,
  train: Float32Array,
  labels: Int32Array,
  test: Float32Array,
  width: number,
  classes: number,
): Promise<Int32Array> {
  const [points, queries] = standardized(width, train, test) as Float32Array<ArrayBuffer>[];
  switch (probe) {
    case "logistic": {
      const fitted = await fitLogisticRegression(points, labels, classes, strength);
      return mostLikely(logitsOf(fitted, queries), classes);
    }
    case "forest": {
      const { forest } = await growForest({ points, labels, classes });
      return mostLikely(forest.probabilities(queries), classes);
    }
    case "knn": {
      const k = Math.min(neighbors, labels.length);
      const { indices, distances } = await nearestNeighbors(queries, points, width, k);
      return byNeighbors({ k, indices, distances }, labels, classes);
    }
  }
}

/**
 * The classes that the nearest neighbors of each query vote for, weighted by the inverse of their distance.
 * @param labels (n,) classes of the points
 * @returns (m,) predicted classes
 */
export function byNeighbors(
  { k, indices, distances }: Neighbors,
  labels: ArrayLike<number>,
  classes: number,
): Int32Array {
  const votes = new Float32Array(indices.length / k * classes);
  for (let i = 0; i < indices.length; i++) {
    votes[Math.floor(i / k) * classes + labels[indices[i]]] += 1 / Math.max(distances[i], 1e-9);
  }
  return mostLikely(votes, classes);
}
