/** An HNSW index of embeddings, kept beside their file: approximate neighbors of tables that are too long to be read. */
import { InputError } from "../common/errors.ts";
import { exists, flush, writeJson } from "../files/atomic.ts";
import { seeded } from "../common/random.ts";
import { letSignalsIn } from "../machine/signals.ts";
import type { EmbeddingFile } from "./embedding_file.ts";
import { exactSearch, type Match } from "./exact_search.ts";
import type { Metric } from "./vectors.ts";
import { type NativeIndex, nativeIndex } from "./usearch.ts";

/** How an index is made and searched. */
export interface IndexOptions {
  metric: Metric;
  /** Links of a row; each needs about eight bytes. Default: 16. */
  connectivity?: number;
  /** Candidates that are looked at when a row is added. Default: 128. */
  expansionAdd?: number;
  /** Candidates that are looked at in a search: more find more, and take longer. Default: 256. */
  expansionSearch?: number;
  /** Default: all of the machine's. */
  threads?: number;
  /** Rows that were added, and their number. What it throws stops. */
  onProgress?: (rows: number, of: number) => void;
}

/** What stands beside an index: what it is of, and how good it is. */
interface IndexDetails {
  file: { bytes: number; modified: number };
  column: string;
  standardized: boolean;
  rows: number;
  width: number;
  metric: Metric;
  connectivity: number;
  expansion_add: number;
  expansion_search: number;
  /** Of the ten nearest rows of {@link sampled} rows, the share that the index finds. */
  recall_at_10: number;
}

/** Rows whose neighbors are compared with the exact ones. */
export const sampled = 100;
const nearest = 10;
/** Rows between two looks at signals. */
const rowsAtOnce = 2048;

/** An index that can be searched. */
export interface VectorIndex {
  path: string;
  /** Of the ten nearest, by {@link sampled} rows of the table. */
  recall: number;
  /** Whether it was made now, not found. */
  built: boolean;
  /** The k nearest rows of each query, nearest first; distances are those of vectors rounded to bfloat16. */
  search(queries: Float32Array<ArrayBuffer>, k: number): Match[][];
}

/** The path of a file's index. */
export function indexPath(file: EmbeddingFile, metric: Metric): string {
  return `${file.path}.${file.standardized ? "" : "raw-"}${metric}.usearch`;
}

/**
 * Opens the index beside a file, or makes it where there is none, or one of another file, column or setting.
 * @throws {InputError} when the folder cannot be written
 */
export async function openIndex(file: EmbeddingFile, options: IndexOptions): Promise<VectorIndex> {
  const { metric, connectivity = 16, expansionAdd = 128, expansionSearch = 256, threads = 0 } = options;
  const path = indexPath(file, metric), { size: bytes, mtime } = await Deno.stat(file.path);
  const wanted = {
    file: { bytes, modified: mtime?.getTime() ?? 0 },
    column: file.column,
    standardized: file.standardized,
    rows: file.rows,
    width: file.width,
    metric,
    connectivity,
    expansion_add: expansionAdd,
    expansion_search: expansionSearch,
  };
  const make = () =>
    nativeIndex(file.width, metric === "cosine" ? "cos" : "l2sq", {
      connectivity,
      expansionAdd,
      expansionSearch,
    });
  const index = make();
  const known = await detailsOf(path);
  const fits = known &&
    Object.entries(wanted).every(([name, value]) =>
      JSON.stringify(known[name as keyof IndexDetails]) === JSON.stringify(value)
    );
  let recall = known?.recall_at_10 ?? 0;
  if (!fits) {
    recall = await build(index, file, options, threads);
    const temporary = `${path}.${Deno.pid}.tmp`;
    try {
      index.save(temporary);
      await flush(temporary);
      await Deno.remove(`${path}.json`).catch(() => {});
      await Deno.rename(temporary, path);
    } catch (error) {
      await Deno.remove(temporary).catch(() => {});
      throw new InputError(`the index ${path} cannot be written: ${(error as Error).message}`);
    }
    await writeJson(`${path}.json`, { ...wanted, recall_at_10: recall } satisfies IndexDetails);
  } else index.view(path);
  return {
    path,
    recall,
    built: !fits,
    search: (queries, k) => matchesOf(index, queries, file.width, k, metric, threads),
  };
}

async function detailsOf(path: string): Promise<IndexDetails | undefined> {
  if (!await exists(path)) return undefined;
  try {
    return JSON.parse(await Deno.readTextFile(`${path}.json`));
  } catch {
    return undefined; // it is made anew
  }
}

/** Adds all rows, and searches exactly for some of them in the same pass over the file. */
async function build(
  index: NativeIndex,
  file: EmbeddingFile,
  { metric, onProgress = () => {} }: IndexOptions,
  threads: number,
): Promise<number> {
  const random = seeded(0, 0x1d8), count = Math.min(sampled, file.rows), k = Math.min(nearest, file.rows);
  const rows = Array.from({ length: count }, () => random.integer(file.rows));
  const queries = await file.vectorsAt(rows);
  async function* added() {
    for await (const piece of file.pieces()) {
      const n = piece.vectors.length / file.width;
      for (let from = 0; from < n; from += rowsAtOnce) {
        const until = Math.min(n, from + rowsAtOnce);
        const keys = BigUint64Array.from({ length: until - from }, (_, i) => BigInt(piece.from + from + i));
        index.add(keys, piece.vectors.subarray(from * file.width, until * file.width), threads);
        await letSignalsIn();
        onProgress(piece.from + until, file.rows);
      }
      yield piece;
    }
  }
  const exact = await exactSearch(added(), queries, file.width, { k, metric });
  const found = matchesOf(index, queries, file.width, k, metric, threads);
  return recallOf(found, exact);
}

/** The share of the exact matches that were found. */
export function recallOf(found: readonly Match[][], exact: readonly Match[][]): number {
  let hits = 0, all = 0;
  for (const [q, matches] of exact.entries()) {
    const rows = new Set(found[q].map(({ row }) => row));
    // At the same distance, whichever it takes is right.
    const farthest = matches.at(-1)?.distance ?? 0;
    hits += matches.filter(({ row, distance }) =>
      rows.has(row) || distance === farthest && distance === 0
    ).length;
    all += matches.length;
  }
  return all ? hits / all : 1;
}

function matchesOf(
  index: NativeIndex,
  queries: Float32Array<ArrayBuffer>,
  width: number,
  k: number,
  metric: Metric,
  threads: number,
): Match[][] {
  const [keys, distances, counts] = index.search(queries, k, threads);
  return Array.from(
    { length: queries.length / width },
    (_, q) =>
      Array.from({ length: Number(counts[q]) }, (_, i) => {
        const distance = distances[q * k + i];
        return {
          row: Number(keys[q * k + i]),
          distance: metric === "euclidean" ? Math.sqrt(Math.max(0, distance)) : distance,
        };
      }),
  );
}
