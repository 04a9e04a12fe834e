/** Multi-head attention, eq. 3 of the paper, with the points that may be keys at the front. */
import {
  add,
  linear,
  matmul,
  mul,
  narrow,
  reshape,
  scaledDotProductAttention,
  softmax,
  transpose,
  view,
} from "../../ffi/ops.ts";
import type { Tensor } from "../../ffi/tensor.ts";
import type { LinearParameters } from "./parameters.ts";

/** x W^T + b on rows: (N, in) to (N, out). */
export function linearOf(x: Tensor, { weight, bias }: LinearParameters): Tensor {
  return linear(x, weight, bias);
}

/** Positions start … start + length - 1 of (B, L, d) as rows (B * length, d); a copy only if it is a part. */
export function rowsOf(x: Tensor, start: number, length: number): Tensor {
  const [, , width] = x.shape;
  return reshape(narrow(x, 1, start, length), [-1, width]);
}

/** Projected rows by head: (B * L, d) to (B, H, L, d / H). */
export function headsOf(rows: Tensor, batch: number, heads: number): Tensor {
  const [count, width] = rows.shape;
  return transpose(view(rows, [batch, count / batch, heads, width / heads]), 1, 2);
}

/**
 * softmax(Q K^T / sqrt(d_head) + mask) V. The reference divides by the root of the head's size (the paper's text says
 * the model's).
 * @param query (B, H, Lq, d_head)
 * @param key (B, H, K, d_head)
 * @param value (B, H, K, d_head)
 * @param mask what is added to the logits, broadcast to (B, H, Lq, K), or null
 * @param scale 0-dimensional: 1 / sqrt(d_head)
 * @returns rows (B * Lq, H * d_head), and the weights (B, H, Lq, K)
 */
export function attend(
  query: Tensor,
  key: Tensor,
  value: Tensor,
  mask: Tensor | null,
  scale: Tensor,
): { output: Tensor; weights: Tensor } {
  const [, heads, , headSize] = query.shape;
  const logits = matmul(mul(query, scale), transpose(key, 2, 3));
  const weights = softmax(mask ? add(logits, mask) : logits, -1);
  const output = reshape(transpose(matmul(weights, value), 1, 2), [-1, heads * headSize]);
  return { output, weights };
}

/**
 * The same in one kernel that keeps no weights: libtorch takes the one that suits device, dtype and mask.
 * @returns rows (B * Lq, H * d_head)
 */
export function attendFused(query: Tensor, key: Tensor, value: Tensor, mask: Tensor | null): Tensor {
  const [, heads, , headSize] = query.shape;
  const output = scaledDotProductAttention(query, key, value, mask);
  return reshape(transpose(output, 1, 2), [-1, heads * headSize]);
}
