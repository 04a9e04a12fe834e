/** The random numbers of libtorch's own operators (dropout, rand): their seed. */
import { libtorch } from "./library.ts";

/**
 * Seeds the generators of the CPU and of every GPU, as PyTorch's `torch.manual_seed` does.
 *
 * @example
 * ```ts
 * import { manualSeed, ops, scope } from "../mod.ts";
 *
 * const draw = () => {
 *   manualSeed(7);
 *   return scope(() => ops.rand([2]).toArray().join());
 * };
 * if (draw() !== draw()) throw new Error("the same seed gives the same numbers");
 * ```
 * @param seed a whole number of up to 64 bits
 * @throws {RangeError} when it is another: it would be cut to one that fits
 */
export function manualSeed(seed: number | bigint): void {
  const whole = typeof seed === "bigint" || Number.isSafeInteger(seed);
  if (!whole || seed < 0 || seed >= 2n ** 64n) {
    throw new RangeError(
      `a seed must be a whole number from 0 to 2^53 - 1, or a bigint below 2^64, not ${seed}`,
    );
  }
  const { torch, cuda } = libtorch();
  // An at::Generator's only member is the pointer to its implementation.
  const generator = torch._ZN2at6detail22getDefaultCPUGeneratorEv()!;
  const implementation = new Deno.UnsafePointerView(generator).getPointer();
  torch._ZN2at16CPUGeneratorImpl16set_current_seedEm(implementation, BigInt(seed));
  if (cuda) torch._ZN5torch4cuda15manual_seed_allEm(BigInt(seed));
}
