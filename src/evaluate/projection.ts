/** Embeddings as points of the plane: t-SNE, as in the paper's figures 14 and 15, or UMAP. */
import { linalgEigh, matmul, narrow, sub, sum, transpose } from "../../ffi/ops.ts";
import { scope, Tensor } from "../../ffi/tensor.ts";
import { InputError } from "../common/errors.ts";
import { seeded } from "../common/random.ts";
import { letSignalsIn } from "../machine/signals.ts";
import { nearestNeighbors, type Neighbors } from "./nearest_neighbors.ts";
import { tsneLayout } from "./tsne.ts";

/** How embeddings are laid out. */
export interface ProjectionOptions {
  method: "tsne" | "umap";
  /** The same seed gives the same coordinates, bit for bit, on the same machine. */
  seed: number;
  /** t-SNE: the effective number of neighbors of a point, from 1. Default: 30, as in the paper. */
  perplexity?: number;
  /**
   * t-SNE: the step, as scikit-learn counts it. Default: 1000, as in the paper, or the number of rows if that is less:
   * larger steps throw few points apart.
   */
  learningRate?: number;
  /** Default: 1000 with t-SNE; with UMAP from 500 for few rows to 200 for many, as umap-js chooses. */
  iterations?: number;
  /** UMAP: neighbors of a point, itself among them, from 2. Default: 15. */
  neighbors?: number;
  /** UMAP: how near points may come, in the projection's units. Default: 0.1. */
  minDistance?: number;
  /** Called now and then, when signals have been let in; what it throws stops. */
  onProgress?: (stage: "neighbors" | "layout", done: number, of: number) => void;
}

/** Iterations of umap-js, by the number of rows. */
function umapIterations(rows: number): number {
  return rows <= 2500 ? 500 : rows <= 5000 ? 400 : rows <= 7500 ? 300 : 200;
}

/**
 * How long a projection takes, by what it took of 5,000 to 20,000 rows of 256 on a core of an AMD EPYC with AVX-512: every
 * pair of rows is compared once, in 0.15 ns a number, and an iteration takes 3.1 µs a row.
 * @param threads that compare; the layout has one
 * @returns seconds; half or twice as many on other machines
 */
export function projectionSeconds(
  { rows, width, method, threads }: { rows: number; width: number; method: "tsne" | "umap"; threads: number },
): number {
  const iterations = method === "tsne" ? 1000 : umapIterations(rows);
  return 1.5e-10 * rows ** 2 * width / threads + 3.1e-6 * rows * iterations;
}

/**
 * Projects embeddings to two dimensions. Both methods start from the two principal components, which keeps the large
 * scale (Kobak and Linderman 2021), with a little noise of the seed, which parts equal rows. On two cores 14,000 rows
 * of 256 take half a minute; 100,000 take t-SNE some six minutes and 0.7 GB, UMAP eight minutes and 3.5 GB.
 * @param embeddings (N, width), row by row
 * @returns (N, 2), row by row; directions and units mean nothing
 * @throws {InputError} when a number is not finite, or there are too few rows for the perplexity or the neighbors
 */
export async function project(
  embeddings: Float32Array<ArrayBuffer>,
  width: number,
  {
    method,
    seed,
    perplexity = 30,
    learningRate,
    iterations,
    neighbors = 15,
    minDistance = 0.1,
    onProgress = () => {},
  }: ProjectionOptions,
): Promise<Float32Array<ArrayBuffer>> {
  const rows = embeddings.length / width;
  if (rows < 4) throw new InputError(`${rows} embeddings are too few to project`);
  const flaw = embeddings.findIndex((value) => !Number.isFinite(value));
  if (flaw >= 0) {
    throw new InputError(
      `row ${Math.floor(flaw / width) + 1} of the embeddings holds ${embeddings[flaw]}: leave that row out`,
    );
  }
  const needed = method === "tsne" ? Math.floor(3 * perplexity) : neighbors;
  if (rows <= needed) {
    const setting = method === "tsne" ? `perplexity ${perplexity}` : `neighbors ${neighbors}`;
    const highest = method === "tsne" ? Math.floor((rows - 1) / 3) : rows - 1;
    throw new InputError(
      `${setting} needs more than ${needed} embeddings, not ${rows}: lower it to ${highest} or less`,
    );
  }
  // Three times the perplexity is van der Maaten's choice; UMAP counts the point itself.
  const others = method === "tsne" ? needed : neighbors - 1;
  const found = await nearestNeighbors(embeddings, embeddings, width, others, {
    excludeSelf: true,
    onBlock: (done) => onProgress("neighbors", done, rows),
  });
  const random = seeded(seed, 0x7590);
  const positions = principalComponents(embeddings, width).map((value) => value + 0.01 * random.normal());
  const steps = method === "tsne"
    ? tsneLayout(found, positions, {
      perplexity,
      learningRate: learningRate ?? Math.min(1000, rows),
      iterations: iterations ?? 1000,
    })
    : umapLayout(found, positions, { minDistance, iterations, random: random.next });
  let done = 0, paused = performance.now();
  for await (const of of steps) {
    done++;
    if (performance.now() - paused < 100) continue;
    await letSignalsIn();
    onProgress("layout", done, of);
    paused = performance.now();
  }
  return Float32Array.from(positions);
}

/**
 * UMAP (McInnes, Healy and Melville 2018), by umap-js.
 * @param neighbors of every embedding, without itself
 * @param positions where the points start, and in the end where they lie: x, y of each
 * @returns an iterator that pauses after each iteration, with the number of all
 */
async function* umapLayout(
  { k, indices, distances }: Neighbors,
  positions: Float64Array,
  options: { minDistance: number; iterations: number | undefined; random: () => number },
): AsyncGenerator<number> {
  const { UMAP } = await import("npm:umap-js@1.4.0");
  const umap = new UMAP({
    nNeighbors: k + 1, // with itself
    minDist: options.minDistance,
    nEpochs: options.iterations,
    random: options.random,
  });
  const rowsOf = (values: Int32Array | Float32Array, self: (row: number) => number) =>
    Array.from({ length: values.length / k }, (_, i) => [self(i), ...values.subarray(i * k, (i + 1) * k)]);
  const indexRows = rowsOf(indices, (row) => row);
  umap.setPrecomputedKNN(indexRows, rowsOf(distances, () => 0));
  const iterations = umap.initializeFit(indexRows); // which reads only how many rows there are
  // umap-js has put the points anywhere in a square of 20; they start as umap-learn's do with init="pca".
  const points = umap.getEmbedding();
  const scale = 10 / positions.reduce((largest, value) => Math.max(largest, Math.abs(value)), 0);
  for (const [i, point] of points.entries()) {
    for (const axis of [0, 1]) point[axis] = scale * positions[2 * i + axis];
  }
  while (umap.step() < iterations) yield iterations;
  positions.set(points.flat());
}

/**
 * Coordinates along the two directions of largest variance: (N, 2), row by row, centered, the first with standard
 * deviation 1.
 * @param rows (N, width), row by row
 */
function principalComponents(rows: Float32Array<ArrayBuffer>, width: number): Float64Array {
  const count = rows.length / width;
  return scope(() => {
    const given = Tensor.from(rows, [count, width]);
    const centered = sub(given, sum(given, [0], true), 1 / count);
    // In ascending order of variance; directions are columns.
    const [variances, directions] = linalgEigh(matmul(transpose(centered, 0, 1), centered));
    const deviation = Math.sqrt(Number(variances.toArray()[width - 1]) / count) || 1;
    const lastTwo = matmul(centered, narrow(directions, 1, width - 2, 2)).toArray() as Float32Array;
    return Float64Array.from(lastTwo, (_, i) => lastTwo[i ^ 1] / deviation); // the larger first
  });
}
