/** From embeddings of points to embeddings of windows and light curves (section 5 of the paper). */
import { noGrad } from "../../ffi/autograd.ts";
import { amax, matmul, narrow, stack, to, view, where } from "../../ffi/ops.ts";
import { scope, Tensor } from "../../ffi/tensor.ts";
import { type Batch, toTensors } from "../data/batch.ts";
import { widthOf } from "../model/architecture.ts";
import type { AstromerNetwork, Watch } from "../model/network.ts";

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

/**
 * Embeds the windows of a batch that was filled without masking. Padding is never pooled.
 * @returns for every window its vectors end to end: `vectorsOf` x d, or with `points` n x d in order of time
 */
export function embedBatch(network: AstromerNetwork, batch: Batch, pooling: Pooling): Float32Array[] {
  return noGrad(() =>
    scope(() => {
      if (pooling === "points") return pointsOf(batch, network.encode(toTensors(batch, network.device)));
      const rows = pool(network, batch, pooling).toArray() as Float32Array;
      const size = vectorsOf(network, pooling) * widthOf(network.architecture);
      return batch.windows.map((_, b) => rows.slice(b * size, (b + 1) * size));
    })
  );
}

/**
 * The pooled vectors of a batch, with their graph.
 * @returns (B, `vectorsOf`, d) float32
 */
export function pool(
  network: AstromerNetwork,
  batch: Batch,
  pooling: Exclude<Pooling, "points">,
  watch: Pick<Watch, "training"> = {},
): Tensor {
  const input = toTensors(batch, network.device), pooled: Tensor[] = [];
  if (pooling === "layers" || pooling === "features") {
    const meanOf = mean(batch, network);
    const last = network.encode(input, { ...watch, onLayer: (x) => void pooled.push(meanOf(x)) });
    if (pooling === "features") pooled.push(maximum(batch, network)(last));
  } else pooled.push((pooling === "max" ? maximum : mean)(batch, network)(network.encode(input, watch)));
  return stack(pooled, 1);
}

/** The mean over observed points of (B, L, d), as (B, d). */
function mean({ windows, length, hidden }: Batch, { device }: AstromerNetwork): (x: Tensor) => Tensor {
  const weights = Float32Array.from(hidden, (h, i) => h ? 0 : 1 / windows[Math.floor(i / length)].length);
  const row = Tensor.from(weights, [windows.length, 1, length], { device });
  return (x) => {
    const [size, columns, width] = x.shape;
    // The last block leaves out columns of padding at the front.
    return view(matmul(narrow(row, 2, length - columns, columns), to(x, "float32")), [size, width]);
  };
}

/** The largest value over observed points of (B, L, d), as (B, d). */
function maximum({ windows, length, hidden }: Batch, { device }: AstromerNetwork): (x: Tensor) => Tensor {
  const padding = Tensor.from(hidden, [windows.length, length, 1], { dtype: "bool", device });
  const lowest = Tensor.scalar(-Infinity, { device });
  return (x) => {
    const columns = x.shape[1];
    const observed = where(narrow(padding, 1, length - columns, columns), lowest, to(x, "float32"));
    return amax(observed, [1], false);
  };
}

/** The vectors (n, d) of every window's points, in order of time. */
function pointsOf({ windows, length, positions }: Batch, x: Tensor): Float32Array[] {
  const [, columns, width] = x.shape, values = x.toArray() as Float32Array;
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
