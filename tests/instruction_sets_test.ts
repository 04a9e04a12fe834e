/** The same model and light curves on processors of other kinds: one machine stands for them by what it may use. */
import { instructionSets } from "../src/bench/instruction_set.ts";
import { assertEquals, assertTrue } from "../src/common/std.ts";
import { largestDifference } from "./shared.ts";

/** Less than this processor has, for each of the libraries that choose their kernels by what there is. */
const older = {
  "nothing new": instructionSets.sse4,
  "AVX2 in oneDNN": { ONEDNN_MAX_CPU_ISA: "AVX2" },
} as const;

/** What a process computes, by name. */
async function computed(env: Record<string, string>, precision: string): Promise<Record<string, number[]>> {
  const at = (path: string) => JSON.stringify(import.meta.resolve(path));
  const code = `
    import { Astromer } from ${at("../mod.ts")};
    const curve = (i, n) => {
      const mjd = Array.from({ length: n }, (_, k) => 58_000 + 1.7 * k + 0.3 * Math.sin(12.9 * k + i));
      const magnitude = mjd.map((t, k) => 14 + 0.4 * Math.sin(2 * Math.PI * t / (0.6 + i)) + 0.02 * Math.sin(78.2 * k));
      return { mjd, magnitude };
    };
    const curves = [40, 120, 200, 230].map((n, i) => curve(i, n));
    const dtype = ${JSON.stringify(precision)};
    using model = await Astromer.load("astromer2-asas", { dtype });
    const found = {
      embedding: model.embed(curves).flatMap((values) => [...values]),
      layers: model.embed(curves, { pooling: "layers" }).flatMap((values) => [...values]),
      reconstruction: model.reconstruct(curves, () => [3, 4, 5]).flatMap(({ predicted }) => [...predicted]),
      attention: model.attention(curves[0]).flatMap(({ weights }) => [...weights]),
    };
    using trained = await Astromer.pretrain(
      [...curves, ...curves],
      { preset: "small", epochs: 1, batch_size: 4, precision: dtype },
      (line) => { if (line.kind === "epoch") found.loss = [line.train_loss, line.validation_loss]; },
    );
    console.log(JSON.stringify(found));`;
  const { code: status, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["eval", "--no-check", code],
    env: { OMP_NUM_THREADS: "1", NO_COLOR: "1", ...env },
  }).output();
  assertEquals(status, 0, new TextDecoder().decode(stderr));
  return JSON.parse(new TextDecoder().decode(stdout));
}

const largest = (values: number[]) => values.reduce((most, value) => Math.max(most, Math.abs(value)), 0);

Deno.test("float32 is the same on processors of other kinds, to 1e-5 of the largest value", async () => {
  const own = await computed({}, "float32"), two = await computed({ OMP_NUM_THREADS: "2" }, "float32");
  const other = await computed(older["nothing new"], "float32");
  for (const [name, values] of Object.entries(own)) {
    for (const found of [two, other]) {
      const difference = largestDifference(found[name], values) / largest(values);
      assertTrue(difference < 1e-5, `${name}: ${difference}`);
    }
  }
});

Deno.test("bfloat16 computes where oneDNN has no kernels for it", async () => {
  const exact = await computed({}, "float32");
  for (const [kind, env] of Object.entries(older)) {
    const found = await computed(env, "bfloat16");
    const difference = largestDifference(found.reconstruction, exact.reconstruction);
    assertTrue(difference < 0.05, `${kind}: ${difference} mag`);
    assertTrue(found.loss.every(Number.isFinite), kind);
  }
});
