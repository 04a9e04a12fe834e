/** A ranking of embeddings by how odd they are, without labels. */
import { InputError } from "../common/errors.ts";
import { seeded } from "../common/random.ts";
import { letSignalsIn } from "../machine/signals.ts";
import { EmbeddingFile } from "./embedding_file.ts";
import { type Piece, standardizationOf, VectorSet } from "./vectors.ts";
import { exactSearch } from "./exact_search.ts";
import { IsolationForest } from "./isolation_forest.ts";

/** By the distance to the k-th neighbor, an isolation forest, or the mean rank of both. */
export type AnomalyMethod = "neighbors" | "forest" | "both";

/** Options of {@link anomalies}. */
export interface AnomalyOptions {
  /** Default: both. */
  method?: AnomalyMethod;
  /** Which neighbor's distance counts. Default: 10. */
  k?: number;
  /**
   * Neighbors are looked for among this many embeddings, drawn at random, or all if there are fewer. Default: 20,000.
   */
  sample?: number;
  /** Seed of that draw and of the forest. Default: 0. */
  seed?: number;
}

/** One embedding, and how odd it is. */
export interface Anomaly {
  /** Its row in the file, or its place in the array, from 0. */
  row: number;
  /** From 0, the most usual, to 1, the oddest: the share of all embeddings that are less odd. */
  score: number;
  /** Euclidean distance to the k-th neighbor, of standardized embeddings. */
  neighborDistance: number;
  /** Score of the isolation forest: about 0.5 is usual, towards 1 is odd. */
  isolation: number;
  /** Its id, where a file was ranked. */
  id?: string;
}

/** Queries that are compared at once. */
const queriesAtOnce = 512;

/**
 * Ranks all rows, the oddest first.
 * @param pieces of the standardized vectors, in order
 * @param reference the rows that were drawn, and their vectors
 */
export async function ranked(
  pieces: AsyncIterable<Piece> | Iterable<Piece>,
  width: number,
  reference: { rows: readonly number[]; vectors: Float32Array<ArrayBuffer> },
  { method = "both", k = 10, seed = 0 }: AnomalyOptions,
  onProgress: (rows: number) => void = () => {},
): Promise<Anomaly[]> {
  const { rows, vectors } = reference;
  const others = Array.from({ length: rows.length }, (_, i) => vectors.subarray(i * width, (i + 1) * width));
  using set = VectorSet.of(others);
  const forest = IsolationForest.grow(vectors, width, { seed });
  const found: Anomaly[] = [], nth = Math.min(k, Math.max(1, rows.length - 1));
  for await (const piece of pieces) {
    for (let at = 0; at < piece.vectors.length; at += queriesAtOnce * width) {
      const queries = piece.vectors.slice(at, at + queriesAtOnce * width), from = piece.from + at / width;
      const matches = await exactSearch(set, queries, width, { k: nth + 1, metric: "euclidean" });
      const isolation = forest.score(queries);
      for (const [i, some] of matches.entries()) {
        const without = some.filter((match) => rows[match.row] !== from + i);
        const neighborDistance = without[Math.min(nth, without.length) - 1]?.distance ?? 0;
        found.push({ row: from + i, score: 0, neighborDistance, isolation: isolation[i] });
      }
      await letSignalsIn();
      onProgress(from + matches.length);
    }
  }
  const ranks = (of: (one: Anomaly) => number) => {
    const sorted = Float64Array.from(found, of).sort();
    return (one: Anomaly) => lowerBound(sorted, of(one)) / Math.max(1, sorted.length - 1);
  };
  const byDistance = ranks((one) => one.neighborDistance), byForest = ranks((one) => one.isolation);
  const combined = found.map((one) =>
    method === "neighbors"
      ? byDistance(one)
      : method === "forest"
      ? byForest(one)
      : (byDistance(one) + byForest(one)) / 2
  );
  const sorted = Float64Array.from(combined).sort();
  for (const [i, one] of found.entries()) {
    one.score = lowerBound(sorted, combined[i]) / Math.max(1, sorted.length - 1);
  }
  return found.sort((a, b) => b.score - a.score || b.neighborDistance - a.neighborDistance || a.row - b.row);
}

/** How many of the sorted values are smaller. */
function lowerBound(sorted: Float64Array, value: number): number {
  let low = 0, high = sorted.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (sorted[middle] < value) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** Rows drawn at random, in order; all of them, if there are no more. */
export function drawn(rows: readonly number[], sample: number, seed: number): number[] {
  if (rows.length <= sample) return [...rows];
  return seeded(seed, 0xa40).shuffle([...rows]).slice(0, sample).sort((a, b) => a - b);
}

/**
 * Ranks the rows of a file, which is standardized first.
 * @throws {InputError} when there are fewer than three rows
 */
export async function rankFile(
  file: EmbeddingFile,
  options: AnomalyOptions,
  onProgress?: (rows: number) => void,
): Promise<Anomaly[]> {
  if (file.rows < 3) {
    throw new InputError(`${file.path} has ${file.rows} rows, at least 3 are needed to rank them`);
  }
  await file.standardize();
  const all = Array.from({ length: file.rows }, (_, i) => i);
  const rows = drawn(all, options.sample ?? 20_000, options.seed ?? 0);
  return await ranked(
    file.pieces(),
    file.width,
    { rows, vectors: await file.vectorsAt(rows) },
    options,
    onProgress,
  );
}

/**
 * Ranks embeddings by how odd they are, the oddest first, without labels.
 *
 * @example
 * ```ts
 * import { anomalies } from "../../mod.ts";
 *
 * const embeddings = Array.from({ length: 50 }, (_, i) => Float32Array.of(Math.sin(i), Math.cos(i)));
 * embeddings[7] = Float32Array.of(9, -9);
 * const [oddest] = await anomalies(embeddings, { k: 3 });
 * if (oddest.row !== 7 || oddest.score !== 1) throw new Error("it lies apart");
 * ```
 * @param embeddings arrays of one length, or the path of a Parquet file as `embed` writes it
 * @param options how they are ranked
 * @throws {InputError} when the file cannot be read, or has fewer than three rows
 * @throws {RangeError} when arrays are not of one length, not finite, or fewer than three
 */
export async function anomalies(
  embeddings: readonly Float32Array[] | string,
  options: AnomalyOptions = {},
): Promise<Anomaly[]> {
  if (typeof embeddings === "string") {
    using file = await EmbeddingFile.open(embeddings);
    const found = await rankFile(file, options);
    const ids = await file.everyRow();
    return found.map((one) => ({ ...one, id: ids[one.row].id }));
  }
  if (embeddings.length < 3) {
    throw new RangeError(`${embeddings.length} embeddings cannot be ranked, at least 3 are needed`);
  }
  using checked = VectorSet.of(embeddings);
  const { width } = checked;
  using set = VectorSet.of(embeddings, standardizationOf(embeddings));
  let from = 0;
  const pieces = set.pieces.map((piece): Piece => {
    const vectors = piece.toArray() as Float32Array<ArrayBuffer>;
    from += vectors.length / width;
    return { from: from - vectors.length / width, vectors };
  });
  const rows = drawn([...embeddings.keys()], options.sample ?? 20_000, options.seed ?? 0);
  const vectors = new Float32Array(rows.length * width);
  for (const [i, row] of rows.entries()) {
    const { from, vectors: own } = pieces.findLast((piece) => piece.from <= row)!;
    vectors.set(own.subarray((row - from) * width, (row - from + 1) * width), i * width);
  }
  return await ranked(pieces, width, { rows, vectors }, options);
}
