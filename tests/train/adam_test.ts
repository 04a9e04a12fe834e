import { liveTensors, Tensor } from "../../ffi/tensor.ts";
import { ones, Parameters } from "../../src/model/parameters.ts";
import { uniform } from "../../src/model/initialization.ts";
import { seeded } from "../../src/common/random.ts";
import { Adam, type AdamOptions } from "../../src/train/adam.ts";
import { assertAlmostEquals, assertEquals, assertTrue } from "../../src/common/std.ts";

const size = 12;
const parametersOf = (dtype: "float32" | "bfloat16" = "float32") =>
  new Parameters([{ name: "a", shape: [4, 2], initialise: uniform(1) }, {
    name: "b",
    shape: [4],
    initialise: ones,
  }], {
    dtype,
    seed: 1,
  });

/** Gradients of several steps; some are tiny, where epsilon and its place matter. */
const gradients = Array.from({ length: 6 }, (_, step) => {
  const random = seeded(2, step);
  return Float32Array.from({ length: size }, (_, i) => random.normal() * (i % 3 ? 1 : 3e-9));
});

/** Adam as Keras 2 writes it (`adam.py`, update_step), in float64. */
function keras(
  start: number[],
  rate: number,
  { beta1 = 0.9, beta2 = 0.98, epsilon = 1e-9, clipNorm = Infinity }: AdamOptions,
) {
  const values = [...start], m = Array(size).fill(0), v = Array(size).fill(0);
  return gradients.map((given, step) => {
    const norm = Math.hypot(...given), scale = Math.min(1, clipNorm / norm);
    const alpha = rate * Math.sqrt(1 - beta2 ** (step + 1)) / (1 - beta1 ** (step + 1));
    for (let i = 0; i < size; i++) {
      const g = given[i] * scale;
      m[i] += (g - m[i]) * (1 - beta1);
      v[i] += (g * g - v[i]) * (1 - beta2);
      values[i] -= alpha * m[i] / (Math.sqrt(v[i]) + epsilon);
    }
    return { norm, values: [...values] };
  });
}

/** The same by libtorch's fused kernel. */
function ours(rate: number, options: AdamOptions) {
  using parameters = parametersOf();
  using adam = new Adam(parameters, options);
  return gradients.map((given) => {
    using gradient = Tensor.from(given);
    parameters.gradient.copyFrom(gradient);
    const norm = adam.update(rate);
    return { norm, values: Array.from(parameters.master.toArray(), Number) };
  });
}

const start = () => {
  using parameters = parametersOf();
  return Array.from(parameters.master.toArray(), Number);
};
const cases: Record<string, AdamOptions> = {
  "the paper's": {},
  "clipped by global norm": { clipNorm: 0.5 },
  "with a norm that clips some steps": { clipNorm: 2.8 },
  "with another decay and epsilon": { beta1: 0.5, beta2: 0.9, epsilon: 1e-3 },
};
for (const [name, options] of Object.entries(cases)) {
  Deno.test(`Adam ${name}: Keras's formula`, () => {
    const expected = keras(start(), 0.1, options);
    for (const [step, { norm, values }] of ours(0.1, options).entries()) {
      for (let i = 0; i < size; i++) {
        assertAlmostEquals(values[i], expected[step].values[i], 2e-5, `step ${step}, parameter ${i}`);
      }
      if (options.clipNorm) assertAlmostEquals(norm!, expected[step].norm, 1e-5, "before clipping");
      else assertEquals(norm, undefined, "not computed where nothing is clipped");
    }
  });
}

Deno.test("clipping acts in some of the steps, and not in others", () => {
  const norms = gradients.map((given) => Math.hypot(...given));
  assertTrue(norms.some((norm) => norm > 2.8) && norms.some((norm) => norm < 2.8), norms.join());
});

Deno.test("steps are counted, the working copy follows, moments are freed", () => {
  const before = liveTensors();
  const parameters = parametersOf("bfloat16"), adam = new Adam(parameters, { clipNorm: 1 });
  const leaf = parameters.leaf("b");
  using gradient = Tensor.from(gradients[0], undefined, { dtype: "bfloat16" });
  parameters.workingGradient.copyFrom(gradient);
  const held = liveTensors();
  for (let step = 1; step <= 3; step++) {
    adam.update(0.1);
    assertEquals(adam.steps, step);
  }
  assertEquals(liveTensors(), held);
  const master = parameters.stateDict().get("b")!.data;
  assertTrue(master.some((x) => x !== 1));
  for (const [i, x] of (leaf.toArray() as Float32Array).entries()) assertAlmostEquals(x, master[i], 4e-3);
  adam[Symbol.dispose]();
  parameters[Symbol.dispose]();
  assertEquals(liveTensors(), before + 1);
});
