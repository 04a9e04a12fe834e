/** What an older processor would do: libtorch's own switches, for this process and those that it starts. */

/** Names of `--isa`, and the variables of ATen, oneDNN and MKL that keep them from more. */
export const instructionSets = {
  sse4: { ATEN_CPU_CAPABILITY: "default", ONEDNN_MAX_CPU_ISA: "SSE41", MKL_ENABLE_INSTRUCTIONS: "SSE4_2" },
  avx2: { ATEN_CPU_CAPABILITY: "avx2", ONEDNN_MAX_CPU_ISA: "AVX2", MKL_ENABLE_INSTRUCTIONS: "AVX2" },
  avx512: {
    ATEN_CPU_CAPABILITY: "avx512",
    ONEDNN_MAX_CPU_ISA: "AVX512_CORE_VNNI",
    MKL_ENABLE_INSTRUCTIONS: "AVX512",
  },
  avx512_bf16: {
    ATEN_CPU_CAPABILITY: "avx512",
    ONEDNN_MAX_CPU_ISA: "AVX512_CORE_BF16",
    MKL_ENABLE_INSTRUCTIONS: "AVX512_E3",
  },
} as const;

/** The name of an instruction set. */
export type InstructionSet = keyof typeof instructionSets;

/** Computes with no more than an instruction set; libtorch reads it once, when it is opened. */
export function limitInstructions(to: InstructionSet): void {
  for (const [name, value] of Object.entries(instructionSets[to])) Deno.env.set(name, value);
}
