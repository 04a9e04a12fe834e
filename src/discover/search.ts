/** Rows of a table of embeddings that are like others. */
import { InputError } from "../common/errors.ts";
import { EmbeddingFile, type EmbeddingRow } from "./embedding_file.ts";
import { standardizationOf, standardize, VectorSet } from "./vectors.ts";
import { distanceOf, exactSearch, type Match } from "./exact_search.ts";
import type { Metric } from "./vectors.ts";
import { type IndexOptions, openIndex, type VectorIndex } from "./vector_index.ts";

/** Rows up to which `auto` compares with all of them. */
export const exactRows = 10_000_000;

/** How a file is searched. */
export interface FileSearchOptions extends IndexOptions {
  k: number;
  /**
   * Compare with every row; or ask the HNSW index beside the file, which is made if need be; auto: exact to ten
   * million rows.
   */
  index: "auto" | "exact" | "hnsw";
  /** Rows that are not wanted, such as the queries themselves. */
  without?: ReadonlySet<number>;
}

/**
 * Searches a file.
 * @param queries (Q, width), row by row
 * @returns the nearest rows of each query, and the index if one was asked
 */
export async function searchFile(
  file: EmbeddingFile,
  queries: Float32Array<ArrayBuffer>,
  options: FileSearchOptions,
): Promise<{ matches: Match[][]; index?: VectorIndex }> {
  const { k, metric, without = new Set(), onProgress = () => {} } = options, { width } = file;
  const useIndex = options.index === "hnsw" || options.index === "auto" && file.rows > exactRows;
  const wanted = Math.min(file.rows, k + without.size);
  const few = (matches: Match[]) => matches.filter(({ row }) => !without.has(row)).slice(0, k);
  if (!useIndex) {
    const matches = await exactSearch(file.pieces(), queries, width, {
      k: wanted,
      metric,
      onPiece: (rows) => onProgress(rows, file.rows),
    });
    return { matches: matches.map(few) };
  }
  const index = await openIndex(file, options);
  const found = index.search(queries, wanted);
  // The index knows rounded vectors: distances and order are those of the file's own.
  const vectors = await file.vectorsAt(found.flat().map(({ row }) => row));
  let at = 0;
  const matches = found.map((some, q) =>
    few(
      some.map(({ row }) => ({
        row,
        distance: distanceOf(metric, queries, q * width, vectors, at++ * width, width),
      })).sort((a, b) => a.distance - b.distance || a.row - b.row),
    )
  );
  return { matches, index };
}

/** The middle of some vectors: of their directions, or of the vectors themselves. */
export function middleOf(
  vectors: Float32Array,
  width: number,
  metric: Metric,
): Float32Array<ArrayBuffer> {
  const middle = new Float64Array(width), count = vectors.length / width;
  for (let i = 0; i < count; i++) {
    const vector = vectors.subarray(i * width, (i + 1) * width);
    const length = metric === "cosine" ? Math.hypot(...vector) || 1 : 1;
    for (let e = 0; e < width; e++) middle[e] += vector[e] / length / count;
  }
  return Float32Array.from(middle);
}

/** How {@link search} works. */
export interface SearchOptions {
  /** Number of nearest rows to find. Default: 10. */
  k?: number;
  /** 1 - cosine of the angle, or the length of the difference. Default: cosine. */
  metric?: Metric;
  /** Whether to standardize each element over all embeddings first. Default: true. */
  standardized?: boolean;
  /** Of a file: see {@link FileSearchOptions.index}. Default: auto. */
  index?: "auto" | "exact" | "hnsw";
}

/** What {@link search} found. */
export interface SearchMatch {
  /** Its row in the file, or its place in the array, from 0. */
  row: number;
  /** From the query, in the metric that was asked for. */
  distance: number;
  /** Its id, where a file was searched. */
  id?: string;
}

/**
 * Finds the nearest embeddings to given ones. A given embedding that is itself among those searched is found at
 * distance 0.
 *
 * @example
 * ```ts
 * import { search } from "../../mod.ts";
 *
 * const embeddings = [[1, 0], [0.9, 0.1], [0, 1]].map((vector) => Float32Array.from(vector));
 * const [found] = await search(embeddings, [Float32Array.of(2, 0)], { k: 2 });
 * if (found[0].row !== 0 || found[1].row !== 1) throw new Error("the same direction first");
 * ```
 * @param embeddings arrays of one length, or the path of a Parquet file as `embed` writes it
 * @param like vectors to search for; in a file also ids
 * @returns for each of `like` the nearest ones, nearest first
 * @throws {InputError} when the file cannot be read, or has no such id
 * @throws {RangeError} when vectors are not of one length, or not finite
 */
export async function search(
  embeddings: readonly Float32Array[] | string,
  like: readonly (Float32Array | string)[],
  { k = 10, metric = "cosine", standardized = true, index = "auto" }: SearchOptions = {},
): Promise<SearchMatch[][]> {
  if (!Number.isInteger(k) || k < 1) throw new RangeError(`k must be a whole number from 1, not ${k}`);
  if (like.length === 0) return [];
  if (typeof embeddings !== "string") {
    using checked = VectorSet.of(embeddings);
    const known = standardized ? standardizationOf(embeddings) : undefined;
    using vectors = known ? VectorSet.of(embeddings, known) : checked;
    const queries = queriesOf(like, vectors.width);
    if (known) standardize(queries, known);
    return await exactSearch(vectors, queries, vectors.width, { k, metric });
  }
  using file = await EmbeddingFile.open(embeddings);
  const standardization = standardized ? await file.standardize() : undefined;
  const known = await file.find(like.filter((one) => typeof one === "string"));
  const vectors = await file.vectorsAt(known.map(({ row }) => row));
  const byId = new Map(
    known.map(({ id }, i) => [id, vectors.subarray(i * file.width, (i + 1) * file.width)]),
  );
  const given = like.filter((one) => typeof one !== "string");
  const own = queriesOf(given, file.width);
  if (standardization) standardize(own, standardization);
  const prepared = new Map(given.map((one, i) => [one, own.subarray(i * file.width, (i + 1) * file.width)]));
  const queries = queriesOf(
    like.map((one) => typeof one === "string" ? byId.get(one)! : prepared.get(one)!),
    file.width,
  );
  const { matches } = await searchFile(file, queries, { k, metric, index });
  const rows = await file.rowsAt([...new Set(matches.flat().map(({ row }) => row))]);
  const ids = new Map(rows.map(({ row, id }: EmbeddingRow) => [row, id]));
  return matches.map((some) => some.map((match) => ({ ...match, id: ids.get(match.row) })));
}

function queriesOf(like: readonly (Float32Array | string)[], width: number): Float32Array<ArrayBuffer> {
  const queries = new Float32Array(like.length * width);
  for (const [i, vector] of like.entries()) {
    if (typeof vector === "string") {
      throw new InputError(`"${vector}": only embeddings in a file have ids`);
    }
    if (vector.length !== width || !vector.every(Number.isFinite)) {
      throw new RangeError(`query ${i} must be ${width} finite numbers, as the embeddings are`);
    }
    queries.set(vector, i * width);
  }
  return queries;
}
