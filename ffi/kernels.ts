/**
 * Operators below autograd, for passes that are written out: kernels with several steps in one, the halves of a
 * differentiable operator, and results that go where they are told. Each by its schema, as in `ops.ts`.
 */
import { op } from "./dispatch.ts";

// oneDNN's linear maps on the CPU: attr is "none" or "tanh", and "add" for the sum with another tensor
export const linearPointwise = op(
  "mkldnn::_linear_pointwise(Tensor X, Tensor W, Tensor? B, str attr, Scalar?[] scalars, str? algorithm) -> Tensor Y",
);
export const linearPointwiseBinary = op(
  "mkldnn::_linear_pointwise.binary(Tensor X, Tensor other, Tensor W, Tensor? B, str attr) -> Tensor Y",
);

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
