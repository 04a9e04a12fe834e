/** Nearest vectors, exact, on libtorch: a table is read piece by piece, and the best so far are kept. */
import { div, indexSelect, linear, sub, to, topk } from "../../ffi/ops.ts";
import { scope, Tensor } from "../../ffi/tensor.ts";
import { letSignalsIn } from "../machine/signals.ts";
import { measured, type Metric, type Piece, type VectorSet } from "./vectors.ts";

/** A row that was found. */
export interface Match {
  /** Its place, from 0. */
  row: number;
  distance: number;
}

/** What is asked of {@link exactSearch}. */
export interface ExactOptions {
  k: number;
  metric: Metric;
  /** After each piece: rows that were compared. What it throws stops. */
  onPiece?: (rows: number) => void;
}

/** More are taken than asked for, as rounding may change the order of those that are nearly as near. */
const spare = 8;

/**
 * The k nearest rows of each query, nearest first, at equal distance in the order of rows. libtorch chooses them in float32,
 * their distances are computed anew in float64.
 * @param pieces of the table
 * @param queries (Q, width), row by row
 */
export async function exactSearch(
  pieces: AsyncIterable<Piece> | VectorSet,
  queries: Float32Array<ArrayBuffer>,
  width: number,
  { k, metric, onPiece = () => {} }: ExactOptions,
): Promise<Match[][]> {
  const count = queries.length / width;
  let found: Match[][] = Array.from({ length: count }, () => []);
  using asked = Tensor.from(queries, [count, width]);
  const compare = (points: Tensor, measure: Tensor, origin: Tensor, from: number) => {
    const { rows, vectors } = scope(() => nearestOf(points, measure, origin, asked, k + spare, metric));
    const each = rows.length / count;
    found = found.map((before, q) => {
      const here = Array.from({ length: each }, (_, i) => ({
        row: from + rows[q * each + i],
        distance: distanceOf(metric, queries, q * width, vectors, (q * each + i) * width, width),
      }));
      return [...before, ...here].sort((a, b) => a.distance - b.distance || a.row - b.row).slice(0, k);
    });
  };
  let done = 0, paused = performance.now();
  if (Symbol.asyncIterator in pieces) {
    for await (const { from, vectors } of pieces) {
      using points = Tensor.from(vectors, [vectors.length / width, width]);
      using origin = Tensor.from(vectors.slice(0, width), [1, width]);
      using measure = measured(points, metric, origin);
      compare(points, measure, origin, from);
      onPiece(done += points.shape[0]);
    }
  } else {
    const { origin, measures } = pieces.measured(metric);
    for (const [i, points] of pieces.pieces.entries()) {
      compare(points, measures[i], origin, done);
      onPiece(done += points.shape[0]);
      if (performance.now() - paused < 200) continue;
      await letSignalsIn();
      paused = performance.now();
    }
  }
  return found;
}

/** The rows of a piece that are nearest to each query, (Q, n), and their vectors, (Q n, width). */
function nearestOf(
  points: Tensor,
  measure: Tensor,
  origin: Tensor,
  queries: Tensor,
  wanted: number,
  metric: Metric,
): { rows: Int32Array; vectors: Float32Array } {
  // In the order of cosines, or of -|x - y|: what is the same for all rows is left out.
  const near = metric === "cosine"
    ? div(linear(queries, points), measure)
    : sub(linear(sub(queries, origin), points), measure);
  const [, indices] = topk(near, Math.min(wanted, points.shape[0]));
  const rows = to(indices, "int32").toArray() as Int32Array;
  const flat = Tensor.from(BigInt64Array.from(rows, BigInt));
  return { rows, vectors: indexSelect(points, 0, flat).toArray() as Float32Array };
}

/** The distance of two vectors in float64. */
export function distanceOf(
  metric: Metric,
  a: ArrayLike<number>,
  fromA: number,
  b: ArrayLike<number>,
  fromB: number,
  width: number,
): number {
  let first = 0, second = 0, product = 0, difference = 0;
  for (let i = 0; i < width; i++) {
    const x = a[fromA + i], y = b[fromB + i];
    first += x * x;
    second += y * y;
    product += x * y;
    difference += (x - y) ** 2;
  }
  if (metric === "euclidean") return Math.sqrt(difference);
  // A vector of zeros has no direction: it is as far as what stands at a right angle.
  return 1 - product / (Math.sqrt(first * second) || Infinity);
}
