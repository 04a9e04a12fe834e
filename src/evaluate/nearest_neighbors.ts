/** Nearest neighbors among embeddings, exact, on libtorch: for projections, a k-NN classifier, a score of novelty. */
import { linear, mul, square, sub, sum, to, topk } from "../../ffi/ops.ts";
import { scope, Tensor } from "../../ffi/tensor.ts";
import { letSignalsIn } from "../machine/signals.ts";

/** The k nearest points of every query, nearest first. */
export interface Neighbors {
  k: number;
  /** Rows of the points: (N, k), row by row. */
  indices: Int32Array;
  /** Euclidean distances: (N, k), row by row. */
  distances: Float32Array;
}

/** What is asked of {@link nearestNeighbors}. */
export interface NeighborOptions {
  /** The queries are the points: none is its own neighbor (others at the same place are). */
  excludeSelf?: boolean;
  /** Called after each block with the queries done so far, when signals have been let in; what it throws stops. */
  onBlock?: (done: number) => void;
}

/** Distances that a block holds at once: 64 MiB of float32. */
const blockElements = 2 ** 24;

/**
 * The k nearest points of every query by Euclidean distance, in order of distance, then of index. Where points at the
 * very same distance compete for the last place, libtorch chooses.
 * @param queries (N, width), row by row; finite
 * @param points (M, width), row by row; finite
 * @throws {RangeError} when the arrays are not rows of this width, or there are fewer than k points to choose from
 */
export async function nearestNeighbors(
  queries: Float32Array<ArrayBuffer>,
  points: Float32Array<ArrayBuffer>,
  width: number,
  k: number,
  { excludeSelf = false, onBlock = () => {} }: NeighborOptions = {},
): Promise<Neighbors> {
  const rows = queries.length / width, candidates = points.length / width, found = k + Number(excludeSelf);
  if (!Number.isInteger(rows) || !Number.isInteger(candidates)) {
    throw new RangeError(`${queries.length} and ${points.length} elements are not rows of ${width}`);
  }
  if (excludeSelf && rows !== candidates) {
    throw new RangeError(`${rows} queries cannot be the ${candidates} points: excludeSelf does not apply`);
  }
  if (!Number.isInteger(k) || k < 1 || found > candidates) {
    throw new RangeError(`there are no ${k} nearest among ${candidates - Number(excludeSelf)} points`);
  }
  const indices = new Int32Array(rows * k), distances = new Float32Array(rows * k);
  const search = searcher(points, width, found);
  using _ = search;
  const size = Math.max(1, Math.floor(blockElements / candidates));
  for (let from = 0; from < rows; from += size) {
    const until = Math.min(rows, from + size);
    const nearest = search.nearest(queries.slice(from * width, until * width));
    for (let query = from; query < until; query++) {
      // libtorch's order is that of rounded products: it chooses the candidates, their distances are computed anew.
      const chosen = Array.from(
        nearest.subarray((query - from) * found, (query - from + 1) * found),
        (index) => ({ index, distance: distance(queries, query * width, points, index * width, width) }),
      ).sort((a, b) => a.distance - b.distance || a.index - b.index);
      // Among more than k copies of itself a query need not be found: then the farthest goes.
      if (excludeSelf) chosen.splice(chosen.findIndex(({ index }) => index === query), 1);
      for (let rank = 0; rank < k; rank++) {
        indices[query * k + rank] = chosen[rank].index;
        distances[query * k + rank] = chosen[rank].distance;
      }
    }
    await letSignalsIn();
    onBlock(until);
  }
  return { k, indices, distances };
}

/** Finds the k points with the smallest |x - y|^2 - |x|^2 = |y|^2 - 2 x.y of each query x. */
function searcher(points: Float32Array<ArrayBuffer>, width: number, k: number) {
  // Seen from their center, products are small and lose little to rounding.
  const { center, weight, bias } = scope(() => {
    const given = Tensor.from(points, [points.length / width, width]);
    const center = mul(sum(given, [0], true), Tensor.scalar(width / points.length));
    const centered = sub(given, center);
    return { center, weight: mul(centered, Tensor.scalar(-2)), bias: sum(square(centered), [1]) };
  });
  return {
    /** @returns (N, k), row by row */
    nearest: (queries: Float32Array<ArrayBuffer>) =>
      scope(() => {
        const block = sub(Tensor.from(queries, [queries.length / width, width]), center);
        const [, indices] = topk(linear(block, weight, bias), k, -1, false);
        return to(indices, "int32").toArray() as Int32Array;
      }),
    [Symbol.dispose]() {
      for (const tensor of [center, weight, bias]) tensor.dispose();
    },
  };
}

function distance(a: Float32Array, fromA: number, b: Float32Array, fromB: number, width: number): number {
  let squared = 0;
  for (let i = 0; i < width; i++) squared += (a[fromA + i] - b[fromB + i]) ** 2;
  return Math.sqrt(squared);
}
