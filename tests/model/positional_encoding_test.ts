import { scope, Tensor } from "../../ffi/tensor.ts";
import { architecture } from "../../src/model/architecture.ts";
import { angularFrequencies, PositionalEncoding } from "../../src/model/positional_encoding.ts";
import { assertAlmostEquals, assertEquals, assertTrue } from "../../src/std.ts";
import { tiny } from "./support.ts";

Deno.test("reference: base^(-2j/d) for every dimension, base 10000 by default", () => {
  const frequencies = angularFrequencies(architecture("astromer2"));
  assertEquals(frequencies.length, 256);
  for (const j of [0, 1, 2, 100, 255]) {
    assertAlmostEquals(frequencies[j] / 10_000 ** (-2 * j / 256), 1, 1e-6);
  }
  const small = angularFrequencies(tiny({ encoding_base: 100 }));
  assertEquals(Array.from(small), Array.from({ length: 8 }, (_, j) => Math.fround(100 ** (-j / 4))));
});

Deno.test("periods: sine and cosine share a frequency, periods evenly spaced in their logarithm", () => {
  const frequencies = angularFrequencies(architecture("astromer2", { encoding: "periods" }));
  assertEquals(frequencies.length, 256);
  const periods: number[] = [];
  for (let j = 0; j < 256; j += 2) {
    assertEquals(frequencies[j], frequencies[j + 1]);
    periods.push(2 * Math.PI / frequencies[j]);
  }
  assertAlmostEquals(periods[0], 1095.75, 1e-3);
  assertAlmostEquals(periods[127], 0.125, 1e-6);
  for (let i = 1; i < 128; i++) {
    assertAlmostEquals(periods[i] / periods[i - 1], (0.125 / 1095.75) ** (1 / 127), 1e-5);
  }
  // A single pair has the longest period, not 0 / 0.
  const [a, b] = angularFrequencies(
    tiny({ heads: 1, head_size: 2, encoding: "periods", longest_period: 4 }),
  );
  assertEquals([a, b], [Math.fround(Math.PI / 2), Math.fround(Math.PI / 2)]);
});

Deno.test("sine at even, cosine at odd dimensions, of frequency times time", () => {
  const of = tiny({ encoding: "periods", shortest_period: 1, longest_period: 1000 });
  const frequencies = angularFrequencies(of);
  using encoding = new PositionalEncoding(frequencies);
  const times = [-3, 0, 0.25, 1400, 7, -1e3];
  scope(() => {
    const encoded = encoding.forward(Tensor.from(times, [2, 3, 1]));
    assertEquals(encoded.shape, [2, 3, 8]);
    const values = encoded.toArray() as Float32Array;
    for (const [i, time] of times.entries()) {
      for (let j = 0; j < 8; j++) {
        const angle = Math.fround(frequencies[j] * time);
        assertAlmostEquals(values[8 * i + j], j % 2 ? Math.cos(angle) : Math.sin(angle), 1e-6);
      }
      // A pair is a point on the circle: its angle tells the time within the period.
      for (let j = 0; j < 8; j += 2) {
        assertAlmostEquals(Math.hypot(values[8 * i + j], values[8 * i + j + 1]), 1, 1e-6);
      }
    }
  });
  const reference = angularFrequencies(tiny());
  assertTrue(reference.every((f, j) => j === 0 || f < reference[j - 1]), "there neighbours do not share one");
});
