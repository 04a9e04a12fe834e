/** Vectors of light curves in memory: in pieces, standardized, measured for a search. */
import { maximum, mul, narrow, sqrt, square, sub, sum } from "../../ffi/ops.ts";
import { scope, Tensor, unscoped } from "../../ffi/tensor.ts";

/** Rows that are read and compared at once. */
export const pieceRows = 1 << 15;

/** Consecutive vectors of a table. */
export interface Piece {
  /** Row of the first one, from 0. */
  from: number;
  /** (n, width), row by row. */
  vectors: Float32Array<ArrayBuffer>;
}

/** How far two vectors are from each other: one less the cosine of their angle, or the length of their difference. */
export type Metric = "cosine" | "euclidean";

/** What brings each element of vectors to mean 0 and standard deviation 1. */
export interface Standardization {
  /** (width,) */
  mean: Float64Array;
  /** (width,) 1 / standard deviation; 1 where an element never changes. */
  scale: Float64Array;
}

/** Sums over vectors, piece by piece. */
export class Moments {
  #count = 0;
  readonly #origin: Float64Array;
  readonly #sum: Float64Array;
  readonly #squares: Float64Array;

  constructor(readonly width: number, first: Float32Array) {
    this.#origin = Float64Array.from(first.subarray(0, width)); // seen from it, squares lose little to rounding
    this.#sum = new Float64Array(width);
    this.#squares = new Float64Array(width);
  }

  add(vectors: Float32Array): void {
    const { width } = this;
    for (let i = 0; i < vectors.length; i += width) {
      for (let e = 0; e < width; e++) {
        const value = vectors[i + e] - this.#origin[e];
        this.#sum[e] += value;
        this.#squares[e] += value * value;
      }
    }
    this.#count += vectors.length / width;
  }

  standardization(): Standardization {
    const mean = this.#sum.map((sum) => sum / this.#count);
    const scale = this.#squares.map((squares, e) => {
      const variance = squares / this.#count - mean[e] ** 2;
      return variance > 1e-18 ? 1 / Math.sqrt(variance) : 1;
    });
    return { mean: mean.map((value, e) => value + this.#origin[e]), scale };
  }
}

/** Of vectors in memory, which must be of one length. */
export function standardizationOf(vectors: readonly Float32Array[]): Standardization {
  const moments = new Moments(vectors[0].length, vectors[0]);
  for (const vector of vectors) moments.add(vector);
  return moments.standardization();
}

/** Standardizes vectors in place: (n, width), row by row. */
export function standardize(
  vectors: Float32Array<ArrayBuffer>,
  { mean, scale }: Standardization,
): Float32Array<ArrayBuffer> {
  const width = mean.length;
  for (let i = 0; i < vectors.length; i += width) {
    for (let e = 0; e < width; e++) vectors[i + e] = (vectors[i + e] - mean[e]) * scale[e];
  }
  return vectors;
}

/**
 * What a comparison reads of rows beside themselves, the same for all queries: (n,) their lengths, or half of their squared
 * distances from an origin.
 * @param origin (1, width): a vector among the rows. Seen from it, squares are small and lose little to rounding
 */
export function measured(points: Tensor, metric: Metric, origin: Tensor): Tensor {
  return unscoped(() =>
    scope(() =>
      metric === "cosine"
        ? maximum(sqrt(sum(square(points), [1])), Tensor.scalar(1e-30))
        : mul(sum(square(sub(points, origin)), [1]), Tensor.scalar(0.5))
    )
  );
}

/** Vectors in memory, as tensors, measured once for all queries. */
export class VectorSet implements Disposable {
  readonly #owned: Tensor[] = [];
  readonly #measured = new Map<Metric, { origin: Tensor; measures: Tensor[] }>();

  constructor(readonly pieces: readonly Tensor[], readonly width: number) {}

  /** What {@link measured} says of each piece. */
  measured(metric: Metric): { origin: Tensor; measures: Tensor[] } {
    const known = this.#measured.get(metric);
    if (known) return known;
    const origin = unscoped(() => narrow(this.pieces[0], 0, 0, 1));
    const measures = this.pieces.map((points) => measured(points, metric, origin));
    this.#owned.push(origin, ...measures);
    this.#measured.set(metric, { origin, measures });
    return { origin, measures };
  }

  /**
   * Of rows as arrays.
   * @param standardization applied to copies of them
   */
  static of(vectors: readonly Float32Array[], standardization?: Standardization): VectorSet {
    const width = vectors[0]?.length ?? 0;
    const wrong = vectors.findIndex((vector) => vector.length !== width || !vector.every(Number.isFinite));
    if (width === 0 || wrong >= 0) {
      throw new RangeError(
        width === 0
          ? "there are no embeddings"
          : `embedding ${wrong} must be ${width} finite numbers, as the first is`,
      );
    }
    const pieces: Tensor[] = [];
    for (let from = 0; from < vectors.length; from += pieceRows) {
      const some = vectors.slice(from, from + pieceRows), flat = new Float32Array(some.length * width);
      for (const [i, vector] of some.entries()) flat.set(vector, i * width);
      if (standardization) standardize(flat, standardization);
      pieces.push(unscoped(() => Tensor.from(flat, [some.length, width])));
    }
    return new VectorSet(pieces, width);
  }

  /** Number of vectors. */
  get rows(): number {
    return this.pieces.reduce((sum, { shape }) => sum + shape[0], 0);
  }

  [Symbol.dispose](): void {
    for (const tensor of [...this.pieces, ...this.#owned]) tensor.dispose();
  }
}
