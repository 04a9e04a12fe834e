import { exponentOf } from "../../src/bench/scaling.ts";
import { assertAlmostEquals, assertEquals } from "../../src/common/std.ts";

Deno.test("the exponent of a power law, whatever its factor", () => {
  const x = [1, 2, 4, 8];
  for (const power of [0.5, 1, 2]) {
    assertAlmostEquals(exponentOf(x, x.map((value) => 3 * value ** power))!, power, 1e-12);
  }
  assertEquals(exponentOf([2], [1]), undefined);
});
