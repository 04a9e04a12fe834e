import { glorot, nearIdentity, uniform } from "../../src/model/initialization.ts";
import { seeded } from "../../src/common/random.ts";
import { AstromerNetwork } from "../../src/model/network.ts";
import { assertAlmostEquals, assertEquals, assertTrue } from "../../src/common/std.ts";
import { tiny } from "./support.ts";

function drawn(initialise: ReturnType<typeof uniform>, size: number): Float32Array {
  const values = new Float32Array(size);
  initialise(values, seeded(1));
  return values;
}
const spread = (values: Float32Array) => Math.sqrt(values.reduce((s, x) => s + x * x, 0) / values.length);

Deno.test("uniform and Glorot fill their interval", () => {
  for (
    const [values, limit] of [
      [drawn(uniform(0.5), 20_000), 0.5],
      [drawn(glorot(100, 50), 20_000), 0.2],
    ] as const
  ) {
    assertTrue(values.every((x) => Math.abs(x) <= limit));
    assertAlmostEquals(spread(values), limit / Math.sqrt(3), 0.01 * limit);
    assertAlmostEquals(values.reduce((a, b) => a + b) / values.length, 0, 0.03 * limit);
  }
});

Deno.test("nearIdentity is the identity plus noise", () => {
  assertEquals(Array.from(drawn(nearIdentity(3, 0), 9)), [1, 0, 0, 0, 1, 0, 0, 0, 1]);
  const noisy = drawn(nearIdentity(100, 0.3), 10_000);
  for (let i = 0; i < 100; i++) noisy[i * 101] -= 1;
  assertTrue(noisy.every((x) => Math.abs(x) <= 0.03 + 1e-6));
  assertAlmostEquals(spread(noisy), 0.03 / Math.sqrt(3), 1e-3);
});

Deno.test("interpolation starts skips at the identity, queries and keys near it; reference has neither", () => {
  for (const initialization of ["interpolation", "reference"] as const) {
    using model = new AstromerNetwork(tiny(), { initialization });
    const near = initialization === "interpolation";
    for (const [name, { shape, data }] of model.parameters.stateDict()) {
      if (/mask_token|norm\.bias|head\.linear\.bias/.test(name)) assertTrue(data.every((x) => x === 0), name);
      else if (/norm\.weight/.test(name)) assertTrue(data.every((x) => x === 1), name);
      else if (/(skip|query|key)\.weight/.test(name)) {
        const [width] = shape;
        const diagonal = Array.from({ length: width }, (_, i) => data[i * width + i]);
        const mean = diagonal.reduce((a, b) => a + b) / width;
        assertTrue(near ? Math.abs(mean - 1) < 0.1 : Math.abs(mean) < 0.6, `${name}: ${mean}`);
        if (near && name.includes("skip")) assertEquals(diagonal, Array(width).fill(1));
      } else if (/(skip|query|key)\.bias/.test(name) || (!near && name.endsWith("bias"))) {
        assertTrue(data.every((x) => x === 0), name);
      } else assertTrue(data.some((x) => x !== 0), name);
    }
  }
});
