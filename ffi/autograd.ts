/** Gradients: which tensors want one, where it accumulates, the backward pass, and code that records nothing. */
import { op } from "./dispatch.ts";
import { libtorch } from "./library.ts";
import { check, outWord } from "./native.ts";
import { adopt, type Tensor } from "./tensor.ts";

const _backward = op(
  "aten::_backward(Tensor self, Tensor[] inputs, Tensor? gradient=None, bool? retain_graph=None, bool create_graph=False) -> ()",
);

/** Says whether operations on a leaf are recorded for the backward pass; returns the tensor. */
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

/** Makes a tensor the place where a leaf's gradient accumulates, in place; it may be a view of a flat buffer. */
export function setGradient(leaf: Tensor, gradient: Tensor): void {
  check(libtorch().torch.aoti_torch_assign_tensors(gradient.handle, gradientPointer(leaf)), "grad");
}

/** A leaf's gradient, or null before a backward pass has reached it. */
export function gradientOf(leaf: Tensor): Tensor | null {
  check(libtorch().torch.aoti_torch_new_tensor_handle(gradientPointer(leaf), outWord), "grad");
  const gradient = adopt(outWord[0]);
  if (gradient.defined) return gradient;
  gradient.dispose();
  return null;
}

/**
 * Adds the gradient of a scalar to every leaf that it depends on.
 * @param loss a tensor of one element
 */
export function backward(loss: Tensor): void {
  _backward(loss, []);
}

/** Runs a function whose operations are not recorded. */
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
