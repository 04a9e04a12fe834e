/** From embeddings of points to embeddings of windows and light curves (section 5 of the paper). */
import { amax, matmul, narrow, stack, to, view, where } from "../../ffi/ops.ts";
import type { Tensor } from "../../ffi/tensor.ts";
import type { BatchLayout, ShownBatch } from "../data/batch.ts";
import type { Part } from "../model/deferred.ts";
import { DeferredInference, type Inference } from "../model/deferred_inference.ts";
import type { AstromerNetwork, EncoderInput, Watch } from "../model/network.ts";

/**
 * How the embeddings of a window's points become one.
 *
 * - `mean`, `max`: of the last block's output, over the observed points.
 * - `layers`: the means of the input embedding and of every block's output.
 * - `features`: those, then the maximum of the last block's output: what the heads of a classifier read.
 * - `points`: none; every point keeps its own.
 */
export type Pooling = "mean" | "max" | "layers" | "features" | "points";

/** Vectors of an embedding: one, or with `layers` that of the input embedding and one a block, with `features` one more. */
export function vectorsOf(network: Pick<AstromerNetwork, "architecture">, pooling: Pooling): number {
  const { blocks } = network.architecture;
  return pooling === "layers" ? blocks + 1 : pooling === "features" ? blocks + 2 : 1;
}

/** The pooled vectors of batches that were filled without masking, as work for a device. */
export function embedding(pooling: Pooling): Inference {
  if (pooling === "points") return { name: pooling, run: (network, input) => network.encode(input) };
  return {
    name: pooling,
    beside: besideOf,
    run: (network, input, beside) => pooled(network, input, beside as Record<keyof Beside, Tensor>, pooling),
  };
}

/**
 * Each window's vectors of what {@link embedding} made of a batch.
 * @param values row by row
 * @returns for every window its vectors end to end: `vectorsOf` x d, or with `points` n x d in order of time
 */
export function embeddingsOf(batch: BatchLayout, pooling: Pooling, values: Float32Array): Float32Array[] {
  const size = values.length / batch.windows.length;
  return pooling === "points"
    ? pointsOf(batch, values)
    : batch.windows.map((_, b) => values.slice(b * size, (b + 1) * size));
}

/** Embeds the windows of a batch that was filled without masking, and waits for it. Padding is never pooled. */
export function embedBatch(network: AstromerNetwork, batch: ShownBatch, pooling: Pooling): Float32Array[] {
  using inference = new DeferredInference(network, embedding(pooling), { ahead: 0 });
  return embeddingsOf(batch, pooling, inference.begin(batch)());
}

/** What pooling reads of a batch. */
type Beside = ReturnType<typeof besideOf>;

/** The share (B, 1, L) of each point in the mean of its window, none of padding; and what no maximum is below. */
export function besideOf({ windows, length, hidden }: BatchLayout) {
  const shares = new Float32Array(windows.length * length);
  for (const [b, { length: n }] of windows.entries()) {
    for (let i = b * length; i < (b + 1) * length; i++) shares[i] = hidden[i] ? 0 : 1 / n;
  }
  return {
    shares: { shape: [windows.length, 1, length], values: shares },
    lowest: { shape: [], values: Float32Array.of(-Infinity) },
  } satisfies Record<string, Part>;
}

/**
 * The pooled vectors of a batch.
 * @returns (B, `vectorsOf`, d) float32
 */
export function pooled(
  network: AstromerNetwork,
  input: EncoderInput,
  { shares, lowest }: Record<keyof Beside, Tensor>,
  pooling: Exclude<Pooling, "points">,
  watch: Pick<Watch, "training"> = {},
): Tensor {
  const vectors: Tensor[] = [];
  if (pooling === "layers" || pooling === "features") {
    const last = network.encode(input, { ...watch, onLayer: (x) => void vectors.push(mean(shares, x)) });
    if (pooling === "features") vectors.push(maximum(input, lowest, last));
  } else {
    const x = network.encode(input, watch);
    vectors.push(pooling === "max" ? maximum(input, lowest, x) : mean(shares, x));
  }
  return stack(vectors, 1);
}

/** The mean over observed points of (B, L, d), as (B, d). */
function mean(shares: Tensor, x: Tensor): Tensor {
  const [size, columns, width] = x.shape, length = shares.shape[2];
  // The last block leaves out columns of padding at the front.
  return view(matmul(narrow(shares, 2, length - columns, columns), to(x, "float32")), [size, width]);
}

/** The largest value over observed points of (B, L, d), as (B, d). */
function maximum({ hidden }: EncoderInput, lowest: Tensor, x: Tensor): Tensor {
  const columns = x.shape[1], length = hidden!.shape[1];
  const observed = where(narrow(hidden!, 1, length - columns, columns), lowest, to(x, "float32"));
  return amax(observed, [1], false);
}

/** The vectors (n, d) of every window's points, in order of time. */
function pointsOf(
  { windows, length, queriesFrom, positions }: BatchLayout,
  values: Float32Array,
): Float32Array[] {
  const columns = length - queriesFrom, width = values.length / (windows.length * columns);
  return windows.map(({ length: n }, b) => {
    const points = new Float32Array(n * width);
    for (let column = 0; column < columns; column++) {
      const point = positions[b * length + length - columns + column];
      const from = (b * columns + column) * width;
      if (point >= 0) points.set(values.subarray(from, from + width), point * width);
    }
    return points;
  });
}
