/**
 * Operators below autograd, for passes that are written out: kernels with several steps in one, the halves of a
 * differentiable operator, and results that go where they are told. Each by its schema, as in `ops.ts`.
 */
import { op } from "./dispatch.ts";
import { libtorch } from "./library.ts";
import { check, outWord, TorchError } from "./native.ts";
import { observed } from "./profiler.ts";
import { adopt, type Tensor } from "./tensor.ts";

// oneDNN's linear maps on the CPU. By their C entries: of each text that an operator takes, libtorch keeps a copy for good
const texts = Object.fromEntries(
  ["none", "tanh", "add"].map((text) => [text, new TextEncoder().encode(text + "\0")]),
);

/** Calls a C entry that makes a tensor; null where this libtorch has none. */
function made<Entry>(name: string, entry: Entry | null, call: (entry: Entry) => number): Tensor {
  if (!entry) throw new TorchError(name, "this libtorch has no such function");
  return observed(name, () => {
    check(call(entry), name);
    return adopt(outWord[0]);
  });
}

const place = new BigUint64Array(1);

/** The place of an optional tensor's handle, until the next call; or null. */
function placeOf(tensor: Tensor | null): BigUint64Array<ArrayBuffer> | null {
  if (!tensor) return null;
  place[0] = BigInt(Deno.UnsafePointer.value(tensor.handle));
  return place;
}

/**
 * `mkldnn::_linear_pointwise`: x W^T + b, or the tanh of it.
 * @param x (N, in)
 * @param weight (out, in)
 * @param bias (out,)
 */
export function linearPointwise(
  x: Tensor,
  weight: Tensor,
  bias: Tensor | null,
  activation: "none" | "tanh" = "none",
): Tensor {
  return made(
    "mkldnn::_linear_pointwise",
    libtorch().torch.aoti_torch_cpu__linear_pointwise,
    (entry) => entry(x.handle, weight.handle, placeOf(bias), texts[activation], null, 0n, null, outWord),
  );
}

/**
 * `mkldnn::_linear_pointwise.binary`: other + x W^T + b.
 * @param x (N, in)
 * @param other (N, out)
 * @param weight (out, in)
 * @param bias (out,)
 */
export function linearPointwiseBinary(x: Tensor, other: Tensor, weight: Tensor, bias: Tensor | null): Tensor {
  return made(
    "mkldnn::_linear_pointwise",
    libtorch().torch.aoti_torch_cpu__linear_pointwise_binary,
    (entry) => entry(x.handle, other.handle, weight.handle, placeOf(bias), texts.add, outWord),
  );
}

// Products
export const bmm = op("aten::bmm(Tensor self, Tensor mat2) -> Tensor");

// Results that go where they are told
export const mmOut = op("aten::mm.out(Tensor self, Tensor mat2, *, Tensor(a!) out) -> Tensor(a!)");
export const mulOut = op("aten::mul.out(Tensor self, Tensor other, *, Tensor(a!) out) -> Tensor(a!)");
export const sumOut = op(
  "aten::sum.IntList_out(Tensor self, int[1]? dim, bool keepdim=False, *, ScalarType? dtype=None, Tensor(a!) out) -> Tensor(a!)",
);

// Layer normalisation: with each row's mean and 1 / deviation, which its backward pass reads
export const nativeLayerNorm = op(
  "aten::native_layer_norm(Tensor input, SymInt[] normalized_shape, Tensor? weight, Tensor? bias, float eps) -> (Tensor, Tensor, Tensor)",
);
export const nativeLayerNormBackward = op(
  "aten::native_layer_norm_backward(Tensor grad_out, Tensor input, SymInt[] normalized_shape, Tensor mean, Tensor rstd, Tensor? weight, Tensor? bias, bool[3] output_mask) -> (Tensor, Tensor, Tensor)",
);

// Gradients from results
export const softmaxBackward = op(
  "aten::_softmax_backward_data(Tensor grad_output, Tensor output, int dim, ScalarType input_dtype) -> Tensor",
);
export const tanhBackward = op("aten::tanh_backward(Tensor grad_output, Tensor output) -> Tensor");
