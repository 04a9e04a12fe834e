import { scope, Tensor } from "../../ffi/tensor.ts";
import { architecture } from "../../src/model/architecture.ts";
import {
  angularFrequencies,
  FoldedEncoding,
  PositionalEncoding,
} from "../../src/model/positional_encoding.ts";
import { seeded } from "../../src/common/random.ts";
import { assertAlmostEquals, assertEquals, assertTrue } from "../../src/common/std.ts";
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
  assertAlmostEquals(periods[127], 0.0625, 1e-6);
  for (let i = 1; i < 128; i++) {
    assertAlmostEquals(periods[i] / periods[i - 1], (0.0625 / 1095.75) ** (1 / 127), 1e-5);
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
    const encoded = encoding.forward({ times: Tensor.from(times, [2, 3, 1]) });
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

Deno.test("folded: log-spaced periods, then phases of the window's own period and of twice it, and the period", () => {
  const period = 0.7362, n = 60, random = seeded(4);
  const mjd = Float32Array.from({ length: n }, () => 400 * random.next() - 200);
  // The last three points: one, two and three periods after the first.
  for (const k of [1, 2, 3]) mjd[n - 4 + k] = mjd[0] + k * period;
  const of = architecture("astromer2", { encoding: "folded", shortest_period: 0.1, longest_period: 500 });
  using encoding = new FoldedEncoding(of);
  const rows = scope(() => {
    const times = Tensor.from([...mjd, ...mjd], [2, n, 1]);
    const sinusoid = Array.from(mjd, (t) => 0.4 * Math.sin(2 * Math.PI * t / period));
    const magnitudes = Tensor.from([...sinusoid, ...new Float32Array(n)], [2, n, 1]); // the second is constant
    const encoded = encoding.forward({ times, magnitudes, hidden: null });
    assertEquals(encoded.shape, [2, n, 256]);
    const values = encoded.toArray() as Float32Array;
    return Array.from({ length: 2 * n }, (_, i) => values.subarray(256 * i, 256 * (i + 1)));
  });
  const of128 = (row: Float32Array, from: number, to: number) => row.subarray(2 * from, 2 * to); // pairs
  const close = (a: Float32Array, b: Float32Array, tolerance: number) => {
    assertEquals(a.length, b.length);
    a.forEach((value, j) => assertAlmostEquals(value, b[j], tolerance, `dimension ${j}`));
  };
  const distance = (a: Float32Array, b: Float32Array) => Math.hypot(...a.map((value, j) => value - b[j]));
  const [first, once, twice, thrice] = [0, n - 3, n - 2, n - 1].map((i) => rows[i]);

  // Times: half of the pairs, whose periods the shortest and the longest are.
  const { [0]: longest, [63]: shortest } = Array.from(
    { length: 64 },
    (_, j) => first.subarray(2 * j, 2 * j + 2),
  );
  assertAlmostEquals(longest[0], Math.sin(2 * Math.PI * mjd[0] / 500), 1e-4);
  assertAlmostEquals(shortest[1], Math.cos(2 * Math.PI * mjd[0] / 0.1), 2e-3);
  // Phases: at the period the same after one, at twice the period after two.
  close(of128(once, 96, 128), of128(first, 96, 128), 0.02);
  close(of128(twice, 64, 88), of128(first, 64, 88), 0.02);
  assertTrue(distance(of128(once, 64, 88), of128(first, 64, 88)) > 1);
  close(of128(thrice, 64, 88), of128(once, 64, 88), 0.02);
  // In multiples 1 … 8 that go round, sine and cosine of a point on the circle.
  close(of128(first, 96, 104), of128(first, 104, 112), 1e-6);
  for (let j = 192; j < 256; j += 2) assertAlmostEquals(Math.hypot(first[j], first[j + 1]), 1, 0.01);
  // The period: where its logarithm is between the shortest and the longest, the same for all points.
  const place = Math.log(500 / period) / Math.log(500 / 0.1);
  for (let i = 0; i < 8; i++) {
    assertAlmostEquals(first[2 * (88 + i)], Math.sin(Math.PI * 2 ** i * place), 0.01);
    assertAlmostEquals(first[2 * (88 + i) + 1], Math.cos(Math.PI * 2 ** i * place), 0.01);
  }
  close(of128(once, 88, 96), of128(first, 88, 96), 0);

  // A light curve that does not vary is not folded.
  close(of128(rows[n], 0, 64), of128(first, 0, 64), 0);
  assertEquals(Math.max(...of128(rows[n], 64, 128).map(Math.abs)), 0);
});
