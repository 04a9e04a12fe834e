/**
 * Whether PyTorch's CUDA wheels have every function that is called by name. It needs no GPU, only wheels that are unpacked:
 * ASTROMER_CUDA_WHEELS names their folders, each with torch/lib in it, parted by colons.
 */
import { cudaSymbols, torchSymbols } from "../../ffi/symbols.ts";
import { assertEquals } from "../../src/common/std.ts";

/** Names of what a shared library exports, or null where it is not there. */
async function exported(library: string): Promise<Set<string> | null> {
  const { success, stdout } = await new Deno.Command("nm", {
    args: ["-D", "--defined-only", library],
    stderr: "null",
  })
    .output();
  if (!success) return null;
  const lines = new TextDecoder().decode(stdout).split("\n");
  return new Set(lines.map((line) => line.split(" ").at(-1)!.replace(/@.*$/, "")));
}

const wheels = (Deno.env.get("ASTROMER_CUDA_WHEELS") ?? "").split(":").filter((folder) => folder);
/** Of the C library, of C++'s own, and of the CUDA runtime, which is a wheel of its own. */
const elsewhere = /^(cuda|_Znwm$|mem|malloc|free$|mallopt$|madvise$|getpagesize$)/;
/** After libtorch 2.10, the floor: others take their part there. */
const later = new Set<string>(["torch_exception_get_what_without_backtrace", "torch_new_stable_ivalue"]);

Deno.test({
  name: wheels.length
    ? "PyTorch's CUDA wheels have every function that is called by its name"
    : "functions in PyTorch's CUDA wheels (skipped: ASTROMER_CUDA_WHEELS names none that are unpacked)",
  ignore: wheels.length === 0,
  async fn(t) {
    for (const folder of wheels) {
      await t.step(folder, async () => {
        const found = await Promise.all(
          ["torch_cuda", "c10_cuda", "torch_cpu", "c10"].map((name) =>
            exported(`${folder}/torch/lib/lib${name}.so`)
          ),
        );
        assertEquals(found.map((names) => names !== null), [true, true, true, true], `${folder}/torch/lib`);
        const has = (name: string) => found.some((names) => names!.has(name));
        const wanted = [...Object.keys(cudaSymbols), ...Object.keys(torchSymbols)];
        const missing = wanted.filter((name) => !elsewhere.test(name) && !later.has(name) && !has(name));
        assertEquals(missing, []);
      });
    }
  },
});
