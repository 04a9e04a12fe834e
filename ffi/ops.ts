/**
 * The operators in use, one a line, each by its schema in PyTorch's `native_functions.yaml`, which is its documentation
 * too. All go through autograd.
 */
import { op } from "./dispatch.ts";
import { libtorch } from "./library.ts";
import { check, outWord } from "./native.ts";
import { adopt, type Tensor } from "./tensor.ts";

// Arithmetic, element by element, with broadcasting
export const mul = op("aten::mul.Tensor(Tensor self, Tensor other) -> Tensor");
export const div = op("aten::div.Tensor(Tensor self, Tensor other) -> Tensor");
export const sqrt = op("aten::sqrt(Tensor self) -> Tensor");
export const square = op("aten::square(Tensor self) -> Tensor");
export const exp = op("aten::exp(Tensor self) -> Tensor");
export const log = op("aten::log(Tensor self) -> Tensor");
export const sin = op("aten::sin(Tensor self) -> Tensor");
export const cos = op("aten::cos(Tensor self) -> Tensor");
export const frac = op("aten::frac(Tensor self) -> Tensor");
export const tanh = op("aten::tanh(Tensor self) -> Tensor");
export const relu = op("aten::relu(Tensor self) -> Tensor");
export const where = op("aten::where.self(Tensor condition, Tensor self, Tensor other) -> Tensor");
export const gt = op("aten::gt.Tensor(Tensor self, Tensor other) -> Tensor");
export const isfinite = op("aten::isfinite(Tensor self) -> Tensor");
export const minimum = op("aten::minimum(Tensor self, Tensor other) -> Tensor");
export const maximum = op("aten::maximum(Tensor self, Tensor other) -> Tensor");

// Linear algebra and attention
export const linear = op("aten::linear(Tensor input, Tensor weight, Tensor? bias=None) -> Tensor");
export const matmul = op("aten::matmul(Tensor self, Tensor other) -> Tensor");
export const linalgEigh = op(
  'aten::linalg_eigh(Tensor self, str UPLO="L") -> (Tensor eigenvalues, Tensor eigenvectors)',
);
export const viewAsComplex = op("aten::view_as_complex(Tensor(a) self) -> Tensor(a)");
export const viewAsReal = op("aten::view_as_real(Tensor(a) self) -> Tensor(a)");
export const fftC2c = op(
  "aten::_fft_c2c(Tensor self, SymInt[] dim, int normalization, bool forward) -> Tensor",
);
export const softmax = op("aten::softmax.int(Tensor self, int dim, ScalarType? dtype=None) -> Tensor");
export const scaledDotProductAttention = op(
  "aten::scaled_dot_product_attention(Tensor query, Tensor key, Tensor value, Tensor? attn_mask=None, float dropout_p=0.0, bool is_causal=False, *, float? scale=None, bool enable_gqa=False) -> Tensor",
);
export const layerNorm = op(
  "aten::layer_norm(Tensor input, SymInt[] normalized_shape, Tensor? weight=None, Tensor? bias=None, float eps=1e-05, bool cudnn_enable=True) -> Tensor",
);
export const dropout = op("aten::dropout(Tensor input, float p, bool train) -> Tensor");

// Reductions
export const crossEntropyLoss = op(
  "aten::cross_entropy_loss(Tensor self, Tensor target, Tensor? weight=None, int reduction=1, SymInt ignore_index=-100, float label_smoothing=0.0) -> Tensor",
);
export const sum = op(
  "aten::sum.dim_IntList(Tensor self, int[1]? dim, bool keepdim=False, *, ScalarType? dtype=None) -> Tensor",
);
export const mean = op("aten::mean(Tensor self, *, ScalarType? dtype=None) -> Tensor");
export const amax = op("aten::amax(Tensor self, int[1] dim=[], bool keepdim=False) -> Tensor");
export const amin = op("aten::amin(Tensor self, int[1] dim=[], bool keepdim=False) -> Tensor");
export const dot = op("aten::dot(Tensor self, Tensor tensor) -> Tensor");
export const topk = op(
  "aten::topk(Tensor self, SymInt k, int dim=-1, bool largest=True, bool sorted=True) -> (Tensor values, Tensor indices)",
);

// Shapes and types
export const view = op("aten::view(Tensor(a) self, SymInt[] size) -> Tensor(a)");
export const reshape = op("aten::reshape(Tensor(a) self, SymInt[] shape) -> Tensor(a)");
export const expand = op(
  "aten::expand(Tensor(a) self, SymInt[] size, *, bool implicit=False) -> Tensor(a)",
);
export const transpose = op("aten::transpose.int(Tensor(a) self, int dim0, int dim1) -> Tensor(a)");
export const narrow = op("aten::narrow(Tensor(a) self, int dim, SymInt start, SymInt length) -> Tensor(a)");
export const flip = op("aten::flip(Tensor self, int[] dims) -> Tensor");
export const unbind = op("aten::unbind.int(Tensor(a -> *) self, int dim=0) -> Tensor(a)[]");
export const cat = op("aten::cat(Tensor[] tensors, int dim=0) -> Tensor");
export const stack = op("aten::stack(Tensor[] tensors, int dim=0) -> Tensor");
export const indexSelect = op("aten::index_select(Tensor self, int dim, Tensor index) -> Tensor");
export const gather = op(
  "aten::gather(Tensor self, int dim, Tensor index, *, bool sparse_grad=False) -> Tensor",
);
export const split = op(
  "aten::split_with_sizes(Tensor(a -> *) self, SymInt[] split_sizes, int dim=0) -> Tensor(a)[]",
);
export const to = op(
  "aten::to.dtype(Tensor(a) self, ScalarType dtype, bool non_blocking=False, bool copy=False, MemoryFormat? memory_format=None) -> Tensor(a)",
);
/** The same memory as numbers of another type. */
export const viewAs = op("aten::view.dtype(Tensor(a) self, ScalarType dtype) -> Tensor(a)");

// Random numbers
export const rand = op(
  "aten::rand(SymInt[] size, *, ScalarType? dtype=None, Layout? layout=None, Device? device=None, bool? pin_memory=None) -> Tensor",
);
export const randn = op(
  "aten::randn(SymInt[] size, *, ScalarType? dtype=None, Layout? layout=None, Device? device=None, bool? pin_memory=None) -> Tensor",
);
export const randperm = op(
  "aten::randperm(SymInt n, *, ScalarType? dtype=long, Layout? layout=None, Device? device=None, bool? pin_memory=None) -> Tensor",
);

// In place
export const copy_ = op("aten::copy_(Tensor(a!) self, Tensor src, bool non_blocking=False) -> Tensor(a!)");
export const zero_ = op("aten::zero_(Tensor(a!) self) -> Tensor(a!)");
export const mul_ = op("aten::mul_.Tensor(Tensor(a!) self, Tensor other) -> Tensor(a!)");

// The optimizer: one call for all parameters
export const fusedAdam_ = op(
  "aten::_fused_adam_(Tensor(a!)[] self, Tensor(b!)[] grads, Tensor(c!)[] exp_avgs, Tensor(d!)[] exp_avg_sqs, Tensor(e!)[] max_exp_avg_sqs, Tensor[] state_steps, *, float lr, float beta1, float beta2, float weight_decay, float eps, bool amsgrad, bool maximize, Tensor? grad_scale=None, Tensor? found_inf=None) -> ()",
);

/** The same with the learning rate as a tensor, which a later step can change without a new call. */
export const fusedAdamByTensor_ = op(
  "aten::_fused_adam_.tensor_lr(Tensor(a!)[] self, Tensor(b!)[] grads, Tensor(c!)[] exp_avgs, Tensor(d!)[] exp_avg_sqs, Tensor(e!)[] max_exp_avg_sqs, Tensor[] state_steps, *, Tensor lr, float beta1, float beta2, float weight_decay, float eps, bool amsgrad, bool maximize, Tensor? grad_scale=None, Tensor? found_inf=None) -> ()",
);

// A file as a tensor: mapped, not read
export const fromFile = op(
  "aten::from_file(str filename, bool? shared=None, int? size=0, *, ScalarType? dtype=None, Layout? layout=None, Device? device=None, bool? pin_memory=None) -> Tensor",
);

/**
 * self - alpha * other, with broadcasting. The dispatcher's own `sub.Tensor` has a Scalar argument, which the C ABI
 * cannot pack; this entry takes it as a double.
 *
 * @example
 * ```ts
 * import { ops, scope, Tensor } from "../mod.ts";
 *
 * const rest = scope(() => ops.sub(Tensor.from([5, 6]), Tensor.from([1, 2]), 2).toArray());
 * if (rest.join() !== "3,2") throw new Error("5 - 2 x 1 and 6 - 2 x 2");
 * ```
 * @throws {TorchError} when the shapes do not broadcast
 */
export function sub(self: Tensor, other: Tensor, alpha = 1): Tensor {
  check(libtorch().torch.aoti_torch_aten_subtract_Tensor(self.handle, other.handle, alpha, outWord), "sub");
  return adopt(outWord[0]);
}

/**
 * self + alpha * other, with broadcasting.
 *
 * @example
 * ```ts
 * import { ops, scope, Tensor } from "../mod.ts";
 *
 * const sum = scope(() => ops.add(Tensor.from([1, 2, 3, 4], [2, 2]), Tensor.from([10, 20])).toArray());
 * if (sum.join() !== "11,22,13,24") throw new Error("the row is added to each row");
 * ```
 * @throws {TorchError} when the shapes do not broadcast
 */
export function add(self: Tensor, other: Tensor, alpha = 1): Tensor {
  return sub(self, other, -alpha);
}
