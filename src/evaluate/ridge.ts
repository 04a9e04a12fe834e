/** Linear regression with a penalty: how much of a quantity vectors tell. */
import { noGrad } from "../../ffi/autograd.ts";
import { linalgEigh, matmul, transpose } from "../../ffi/ops.ts";
import { scope, Tensor } from "../../ffi/tensor.ts";

/** Penalties that are tried. */
const penalties = [1e-2, 1e-1, 1, 10, 1e2, 1e3, 1e4, 1e5];

/**
 * R2 of ridge regression, each point predicted by all others (leave-one-out, in closed form), with the penalty that does
 * best: 1 is all of the variance, 0 no better than the mean of the others, less is worse.
 * @param points (n, F) row after row, standardized
 * @param values (n,) what is to be told
 */
export function ridgeR2(points: Float32Array, width: number, values: Float64Array): number {
  const n = values.length, mean = values.reduce((sum, v) => sum + v, 0) / n;
  const centers = new Float64Array(width);
  for (let k = 0; k < points.length; k++) centers[k % width] += points[k] / n;
  const centered = Float64Array.from(points, (value, k) => value - centers[k % width]);
  const [eigenvalues, vectors] = noGrad(() =>
    scope(() => {
      const x = Tensor.from(centered, [n, width]);
      return linalgEigh(matmul(x, transpose(x, 0, 1))).map((tensor) => tensor.toArray() as Float64Array);
    })
  );
  const rest = values.map((v) => v - mean),
    variance = rest.reduce((sum, r) => sum + (r * n / (n - 1)) ** 2, 0);
  const turned = new Float64Array(n);
  for (let i = 0; i < n; i++) for (let k = 0; k < n; k++) turned[k] += vectors[i * n + k] * rest[i];
  let best = -Infinity;
  for (const penalty of penalties) {
    const shares = eigenvalues.map((e) => Math.max(e, 0) / (Math.max(e, 0) + penalty));
    let squares = 0;
    for (let i = 0; i < n; i++) {
      let predicted = 0, own = 1 / n;
      for (let k = 0; k < n; k++) {
        const v = vectors[i * n + k] * shares[k];
        predicted += v * turned[k];
        own += v * vectors[i * n + k];
      }
      squares += ((rest[i] - predicted) / Math.max(1 - own, 1e-9)) ** 2;
    }
    best = Math.max(best, 1 - squares / variance);
  }
  return best;
}
