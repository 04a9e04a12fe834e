/** The random numbers of libtorch's own operators (dropout, rand): their seed. */
import { libtorch } from "./library.ts";

/**
 * Seeds the generators of the CPU and of every GPU, as PyTorch's `torch.manual_seed` does.
 * @param seed a whole number from 0
 */
export function manualSeed(seed: number | bigint): void {
  const { torch, cuda } = libtorch();
  // An at::Generator's only member is the pointer to its implementation.
  const generator = torch._ZN2at6detail22getDefaultCPUGeneratorEv()!;
  const implementation = new Deno.UnsafePointerView(generator).getPointer();
  torch._ZN2at16CPUGeneratorImpl16set_current_seedEm(implementation, BigInt(seed));
  if (cuda) torch._ZN5torch4cuda15manual_seed_allEm(BigInt(seed));
}
