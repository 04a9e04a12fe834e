/** Fourier sums over uneven times, against their definition. */
import { liveTensors } from "../../ffi/tensor.ts";
import { fourierSums } from "../../src/evaluate/nonuniform_fft.ts";
import { seeded } from "../../src/common/random.ts";
import { assertEquals, assertTrue } from "../../src/common/std.ts";
import "../model/support.ts"; // one thread

Deno.test("the sums are those of the definition, with few frequencies or many, and nothing is left", () => {
  const random = seeded(5), before = liveTensors();
  const times = Float64Array.from({ length: 80 }, () => 2700 * random.next()).sort();
  times[0] = 0;
  const draws = (scale: number) => Float64Array.from(times, () => scale * random.normal() / 80);
  const [a, b, c] = [draws(1), draws(1), draws(30)], doubled = times.map((t) => 2 * t);
  for (
    const { from, step, count } of [
      { from: 0.001, step: 1.2e-4, count: 83_000 },
      { from: 0.5, step: 3e-4, count: 10_922 },
      { from: 0.5, step: 3e-4, count: 10_923 },
      { from: 0, step: 0.01, count: 1 },
      { from: 0.2, step: 0.1, count: 6 },
    ]
  ) {
    const terms = [{ times, coefficients: [a, b] }, { times: doubled, coefficients: [c] }];
    const sums = fourierSums(terms, { from, step, count });
    assertEquals(sums.map(({ length }) => length), Array(3).fill(2 * count));
    for (
      const [i, { t, values }] of [{ t: times, values: a }, { t: times, values: b }, {
        t: doubled,
        values: c,
      }].entries()
    ) {
      const size = values.reduce((sum, value) => sum + Math.abs(value), 0);
      for (let k = 0; k < count; k += Math.ceil(count / 300)) {
        const angles = t.map((time) => 2 * Math.PI * (from + k * step) * time);
        const cos = values.reduce((sum, value, j) => sum + value * Math.cos(angles[j]), 0);
        const sin = values.reduce((sum, value, j) => sum + value * Math.sin(angles[j]), 0);
        const error = Math.hypot(sums[i][2 * k] - cos, sums[i][2 * k + 1] - sin) / size;
        assertTrue(error < 2e-6, `sum ${i}, frequency ${k} of ${count}: ${error}`);
      }
    }
  }
  assertEquals(liveTensors(), before);
});
