/** What the nearest training light curves say of others: shares of their classes, or the mean of their values. */
import { nearestNeighbors } from "../evaluate/nearest_neighbors.ts";

/** Probabilities (N, C): neighbors vote with the inverse of their distance, and every class with a little. */
export async function neighborVotes(
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

/** The mean value of neighbors, weighted by nearness, (N,). */
export async function neighborMeans(
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
