/**
 * Turns native errors into exceptions, and holds the out-parameters that calls write to (filled and read at once, on
 * one thread).
 */
import { libtorch } from "./library.ts";

/**
 * A call that libtorch refused, with libtorch's own message.
 *
 * @example
 * ```ts
 * import { ops, scope, Tensor, TorchError } from "../mod.ts";
 *
 * try {
 *   scope(() => ops.matmul(Tensor.from([1, 2], [1, 2]), Tensor.from([1, 2], [1, 2])));
 *   throw new Error("unreachable");
 * } catch (error) {
 *   if (!(error instanceof TorchError)) throw error; // in libtorch's own words
 * }
 * ```
 */
export class TorchError extends Error {
  /** The error's kind. */
  override name = "TorchError";
  /**
   * An error of an operator.
   * @param operator what was called
   * @param text libtorch's words
   */
  constructor(readonly operator: string, text: string) {
    super(`${operator}: ${text}`);
  }
}

export const outWord = new BigUint64Array(1);
export const outCode = new Int32Array(1);
export const outFlag = new Uint8Array(1);

/**
 * @param status what a C function returned
 * @param operator what was called, for the message
 * @throws {TorchError} unless the status is 0
 */
export function check(status: number, operator: string): void {
  if (status !== 0) throw new TorchError(operator, lastError());
}

function lastError(): string {
  const { torch, cuda } = libtorch(), text = torch.torch_exception_get_what_without_backtrace?.();
  if (text) return Deno.UnsafePointerView.getCString(text).trim();
  const likely = cuda ? "; if the GPU's memory ran out, a smaller batch or window is what helps" : ""; // see src/common/errors.ts
  return `libtorch refused the call and printed why (2.13 and newer say it here)${likely}`;
}
