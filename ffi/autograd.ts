/** Gradients: which tensors want one, where it accumulates, the backward pass, and code that records nothing. */
import { op } from "./dispatch.ts";
import { libtorch } from "./library.ts";
import { check, outWord } from "./native.ts";
import { adopt, type Tensor } from "./tensor.ts";

const _backward = op(
  "aten::_backward(Tensor self, Tensor[] inputs, Tensor? gradient=None, bool? retain_graph=None, bool create_graph=False) -> ()",
);

/**
 * Sets whether operations on a leaf are recorded for the backward pass; returns the tensor.
 *
 * @example
 * ```ts
 * import { backward, gradientOf, ops, requiresGrad, scope, Tensor } from "../mod.ts";
 *
 * const gradient = scope(() => {
 *   const x = requiresGrad(Tensor.from([3]));
 *   backward(ops.mean(ops.square(x)));
 *   return gradientOf(x)!.item();
 * });
 * if (gradient !== 6) throw new Error("d x^2 / dx at 3 is 6");
 * ```
 * @throws {TorchError} when its elements are not floating point
 */
export function requiresGrad(leaf: Tensor, wanted = true): Tensor {
  check(libtorch().torch.torch_set_requires_grad(leaf.handle, wanted), "requires_grad");
  return leaf;
}

/** The `at::Tensor` that a leaf's gradient is; libtorch has no C entry for it. */
function gradientPointer(leaf: Tensor): Deno.PointerObject {
  // A handle points to an at::Tensor, whose only member is the pointer to its TensorImpl.
  const implementation = new Deno.UnsafePointerView(leaf.handle).getPointer();
  return libtorch().c10._ZN3c1010TensorImpl12mutable_gradEv(implementation)!;
}

/**
 * Makes a leaf's gradient accumulate in the given tensor, which may be a view of a flat buffer.
 *
 * @example
 * ```ts
 * import { backward, ops, requiresGrad, scope, setGradient, Tensor } from "../mod.ts";
 *
 * const sum = scope(() => {
 *   const x = requiresGrad(Tensor.from([1, 2])), gradient = Tensor.zeros([2]);
 *   setGradient(x, gradient);
 *   for (let i = 0; i < 2; i++) backward(ops.mean(x));
 *   return gradient.toArray();
 * });
 * if (sum.join() !== "1,1") throw new Error("two passes of 1/2 each");
 * ```
 * @throws {RangeError} unless shape, dtype and device are the leaf's
 */
export function setGradient(leaf: Tensor, gradient: Tensor): void {
  // libtorch would notice in the backward pass only, or not at all.
  const kind = ({ shape, dtype, device }: Tensor) => `${dtype} of shape [${shape}] on ${device}`;
  if (kind(leaf) !== kind(gradient)) {
    throw new RangeError(`a gradient of ${kind(leaf)} is needed, not of ${kind(gradient)}`);
  }
  check(libtorch().torch.aoti_torch_assign_tensors(gradient.handle, gradientPointer(leaf)), "grad");
}

/**
 * A leaf's gradient, of its shape, or null before a backward pass has reached it (and for what is not a leaf).
 *
 * @example
 * ```ts
 * import { backward, gradientOf, ops, requiresGrad, scope, Tensor } from "../mod.ts";
 *
 * const [before, after] = scope(() => {
 *   const x = requiresGrad(Tensor.from([1]));
 *   const before = gradientOf(x);
 *   backward(ops.mean(x));
 *   return [before, gradientOf(x)!.item()];
 * });
 * if (before !== null || after !== 1) throw new Error("null before the backward pass, dx / dx = 1 after it");
 * ```
 */
export function gradientOf(leaf: Tensor): Tensor | null {
  check(libtorch().torch.aoti_torch_new_tensor_handle(gradientPointer(leaf), outWord), "grad");
  const gradient = adopt(outWord[0]);
  if (gradient.defined) return gradient;
  gradient.dispose();
  return null;
}

/**
 * Adds the gradient of a scalar to every leaf that it depends on.
 *
 * @example
 * ```ts
 * import { backward, gradientOf, ops, requiresGrad, scope, Tensor } from "../mod.ts";
 *
 * const gradient = scope(() => {
 *   const weight = requiresGrad(Tensor.from([1, 2], [1, 2]));
 *   backward(ops.mean(ops.linear(Tensor.from([3, 4], [1, 2]), weight)));
 *   return gradientOf(weight)!.toArray();
 * });
 * if (gradient.join() !== "3,4") throw new Error("the gradient of w x by w is x");
 * ```
 * @param loss a tensor of one element, or, with its gradient, of any shape
 * @param gradient the gradient of a later result with respect to this tensor, of the same shape; default: 1
 * @throws {TorchError} when it has more elements than one and no gradient, or depends on no leaf that wants a gradient
 */
export function backward(loss: Tensor, gradient: Tensor | null = null): void {
  _backward(loss, [], gradient);
}

/** Whether operations are recorded for the backward pass now. */
export function gradientsAreRecorded(): boolean {
  return libtorch().torch.aoti_torch_grad_mode_is_enabled();
}

/**
 * Runs a function whose operations are not recorded for the backward pass, and returns its result.
 *
 * @example
 * ```ts
 * import { backward, gradientOf, noGrad, ops, requiresGrad, scope, Tensor } from "../mod.ts";
 *
 * const gradient = scope(() => {
 *   const x = requiresGrad(Tensor.from([3]));
 *   const constant = noGrad(() => ops.square(x)); // 9, of which the backward pass knows nothing
 *   backward(ops.mean(ops.mul(x, constant)));
 *   return gradientOf(x)!.item();
 * });
 * if (gradient !== 9) throw new Error("d 9x / dx is 9, d x^3 / dx would be 27");
 * ```
 */
export function noGrad<R>(run: () => R): R {
  const { torch } = libtorch();
  const before = torch.aoti_torch_grad_mode_is_enabled();
  torch.aoti_torch_grad_mode_set_enabled(false);
  try {
    return run();
  } finally {
    torch.aoti_torch_grad_mode_set_enabled(before);
  }
}
