/** What the tests of libtorch's bindings share. */
import { cudaDeviceCount } from "../../ffi/device.ts";
import { libtorch } from "../../ffi/library.ts";
import { scope, type Tensor } from "../../ffi/tensor.ts";

/** A test whose tensors are disposed at its end. */
export function scopedTest(name: string, run: () => void): void {
  Deno.test(name, () => scope(run));
}

/** A test that needs a GPU: skipped, with a line that says so, where there is none. */
export function gpuTest(name: string, run: () => void): void {
  const ignore = cudaDeviceCount() === 0;
  Deno.test({ name: ignore ? `${name} (skipped: no GPU here)` : name, ignore, fn: () => scope(run) });
}

/** What the error of a refused call says: libtorch's own words, or before 2.13 the sentence that stands for them. */
export function ownWords(words: string): string {
  return libtorch().torch.torch_exception_get_what_without_backtrace ? words : "libtorch refused the call";
}

/** The elements as plain numbers, row by row. */
export function numbers(tensor: Tensor): number[] {
  return Array.from(tensor.toArray(), Number);
}
