/** The period that the folded encoding finds, against the float64 periodogram, and what it must not depend on. */
import { scope, Tensor } from "../../ffi/tensor.ts";
import { lombScargle } from "../../src/evaluate/lomb_scargle.ts";
import { PeriodSearch } from "../../src/model/period_search.ts";
import { seeded } from "../../src/common/random.ts";
import { assertAlmostEquals, assertEquals, assertThrows, assertTrue } from "../../src/common/std.ts";
import { assertSame } from "./support.ts";

const bounds = { shortest_period: 0.125, longest_period: 1000 };

/** A window of nightly observations: n of them visible, padded to a length. */
interface Window {
  times: Float32Array<ArrayBuffer>;
  magnitudes: Float32Array<ArrayBuffer>;
  n: number;
}

/** Observations at about the same hour of some nights of five years. */
function nightly(n: number, magnitude: (time: number) => number, seed: number): Window {
  const random = seeded(seed);
  const times = Float32Array.from(
    { length: n },
    () => Math.floor(1800 * random.next()) - 900 + 0.1 * random.normal(),
  ).sort();
  return { times, magnitudes: times.map(magnitude), n };
}

/** Frequencies and significances. */
function found(
  windows: readonly Window[],
  length = Math.max(...windows.map(({ n }) => n)),
  filling = 0,
  fewPasses = false,
) {
  using search = new PeriodSearch(bounds, { fewPasses });
  return scope(() => {
    const padded = (values: (window: Window) => Float32Array, filling: number) => {
      const all = new Float32Array(windows.length * length).fill(filling);
      for (const [b, window] of windows.entries()) all.set(values(window), b * length);
      return Tensor.from(all, [windows.length, length, 1]);
    };
    const hidden = Uint8Array.from(
      { length: windows.length * length },
      (_, i) => i % length < windows[Math.floor(i / length)].n ? 0 : 1,
    );
    const { frequency, significance } = search.find({
      times: padded(({ times }) => times, filling),
      magnitudes: padded(({ magnitudes }) => magnitudes, filling),
      hidden: Tensor.from(hidden, [windows.length, length, 1], { dtype: "bool" }),
    });
    assertEquals([frequency.shape, significance.shape], [[windows.length, 1, 1], [windows.length, 1, 1]]);
    return {
      frequency: frequency.toArray() as Float64Array,
      significance: significance.toArray() as Float32Array,
    };
  });
}

const noise = seeded(11);
const variable = (period: number, scatter = 0.1) => (time: number) =>
  0.3 * Math.sin(2 * Math.PI * time / period) + scatter * noise.normal();
const periodic = [0.1302, 0.31, 0.5671, 0.9173, 3.44, 27.1, 333].map((period, i) => ({
  period,
  window: nightly(90 + 10 * i, variable(period), i),
}));

Deno.test("period search: the highest peak, as the float64 periodogram has it, of hours and of a year", async () => {
  const windows = periodic.map(({ window }) => window);
  const { frequency, significance } = found(windows);
  const peaks = await lombScargle(
    windows.map(({ times, magnitudes }) =>
      ({
        mjd: Float64Array.from(times),
        magnitude: Float64Array.from(magnitudes),
      }) as never
    ),
    { minimumFrequency: 1 / bounds.longest_period, maximumFrequency: 1 / bounds.shortest_period },
  );
  for (const [i, { period, window }] of periodic.entries()) {
    // A thousandth of the width of a peak.
    assertAlmostEquals(frequency[i], 1 / peaks[i].period, 1 / 1800 / 1000, `period ${period}`);
    assertAlmostEquals(frequency[i], 1 / period, 1 / 1800, `period ${period}`);
    // 8 a day in steps of 1/8192 a day, of which eight neighbours are one peak.
    const noiseLeaves = 8192 ** (-2 / (window.n - 3));
    assertAlmostEquals(significance[i], 1 - (1 - peaks[i].power) / noiseLeaves, 0.01);
    assertTrue(significance[i] > 0.6);
  }
});

Deno.test("period search: noise, constants and too few points have hardly a significance", () => {
  const scatter = Array.from({ length: 40 }, (_, i) => nightly(120, () => noise.normal(), 100 + i));
  const { significance } = found(scatter);
  assertTrue(significance.every((value) => value >= 0 && value < 0.15));
  assertTrue(significance.reduce((sum, value) => sum + value) / 40 < 0.05);
  const constant = found([nightly(50, () => 0, 1), nightly(1, () => 1, 3)]);
  assertEquals([...constant.significance], [0, 0]);
  for (const n of [0, 1, 2, 3, 4, 5]) {
    const { frequency, significance } = found([nightly(n, () => noise.normal(), n)], 8);
    assertTrue(frequency[0] >= 1 / 1000 && frequency[0] <= 8, `${frequency[0]}`);
    // Four points are always fitted exactly.
    assertTrue(n <= 4 ? significance[0] === 0 : significance[0] >= 0 && significance[0] <= 1, `${n} points`);
  }
});

Deno.test("period search: hidden points and padding change nothing, whatever stands there", () => {
  const windows = periodic.map(({ window }) => window), length = 200;
  const before = found(windows, length);
  for (const filling of [-7, 1e30, NaN]) {
    const after = found(windows, length, filling);
    assertSame(after.frequency, before.frequency);
    assertSame(after.significance, before.significance);
  }
});

Deno.test("period search: many windows are searched in parts, each as if alone but for rounding", () => {
  const many = Array.from({ length: 20 }, () => periodic).flat(); // 140
  const { frequency, significance } = found(many.map(({ window }) => window));
  for (const [i, { window }] of many.entries()) {
    if (i > 6 && i < 60) continue;
    const alone = found([window]);
    assertAlmostEquals(frequency[i], alone.frequency[0], 1e-9);
    assertAlmostEquals(significance[i], alone.significance[0], 1e-6);
  }
});

Deno.test("period search: windows of days and of years in one batch are each found as if alone", () => {
  const windows = [1800, 30, 400, 5, 1800, 90, 30].map((span, i) => {
    const random = seeded(500 + i);
    const times = Float32Array.from({ length: 100 }, () => span * (random.next() - 0.5)).sort();
    return { times, magnitudes: times.map(variable(0.31 + 0.1 * i)), n: 100 };
  });
  const together = found(windows);
  for (const [i, window] of windows.entries()) {
    const alone = found([window]);
    assertAlmostEquals(together.frequency[i], alone.frequency[0], 1e-9);
    assertAlmostEquals(together.significance[i], alone.significance[0], 1e-6);
    const span = window.times.at(-1)! - window.times[0];
    assertAlmostEquals(together.frequency[i], 1 / (0.31 + 0.1 * i), 0.5 / span, `span ${span}`);
  }
});

Deno.test("period search: a trend has the longest period, a faster variation none below the shortest", () => {
  const times = Float32Array.from({ length: 80 }, () => 450 * (2 * noise.next() - 1));
  const trend = { times, magnitudes: times.map((t) => t / 1000), n: 80 };
  const fast = nightly(150, variable(0.0871, 0), 2);
  const { frequency, significance } = found([trend, fast]);
  assertAlmostEquals(frequency[0], 1 / bounds.longest_period, 1e-4);
  assertTrue(significance[0] > 0.5);
  const [low, high] = [1 / bounds.longest_period, 1 / bounds.shortest_period];
  assertTrue(frequency[1] >= low && frequency[1] <= high);
});

Deno.test("period search: in bfloat16, and of the first keys alone, it finds the same", () => {
  const windows = periodic.map(({ window }) => window), plain = found(windows);
  using coarser = new PeriodSearch(bounds, { dtype: "bfloat16" });
  using search = new PeriodSearch(bounds);
  for (const [i, { times, magnitudes, n }] of windows.entries()) {
    scope(() => {
      const row = (values: Float32Array) => Tensor.from([...values, ...values], [1, 2 * n, 1]);
      const flags = Uint8Array.from({ length: 2 * n }, (_, j) => j < n ? 0 : 1);
      const hidden = Tensor.from(flags, [1, 2 * n, 1], { dtype: "bool" });
      const input = { times: row(times), magnitudes: row(magnitudes), hidden, keys: n };
      for (const { frequency, significance } of [search.find(input), coarser.find(input)]) {
        assertAlmostEquals(frequency.item(), plain.frequency[i], 1e-9);
        assertAlmostEquals(significance.item(), plain.significance[i], 1e-6);
      }
    });
  }
});

Deno.test("period search: impossible bounds are refused, hidden windows are not", () => {
  for (const [shortest_period, longest_period] of [[1, 1], [2, 1], [1e-6, 10], [NaN, 1]]) {
    assertThrows(() => new PeriodSearch({ shortest_period, longest_period }), RangeError);
  }
  using search = new PeriodSearch(bounds);
  scope(() => {
    const zeros = Tensor.zeros([2, 6, 1]),
      hidden = Tensor.from(new Uint8Array(12).fill(1), [2, 6, 1], { dtype: "bool" });
    for (const keys of [6, 0]) {
      const { significance } = search.find({ times: zeros, magnitudes: zeros, hidden, keys });
      assertEquals([...significance.toArray() as Float32Array], [0, 0]);
    }
  });
});

Deno.test("period search in few passes over memory, as on a GPU: the same periods", () => {
  const windows = [
    ...periodic.map(({ window }) => window),
    ...[1, 2, 3].map((seed) => nightly(80, () => noise.normal(), seed)),
  ];
  const [usual, few] = [false, true].map((fewPasses) => found(windows, 200, 0, fewPasses));
  for (const i of periodic.keys()) {
    // A hundred-thousandth of the width of a peak.
    assertAlmostEquals(few.frequency[i], usual.frequency[i], 1 / 1800 / 1e5, `period ${periodic[i].period}`);
    assertAlmostEquals(few.significance[i], usual.significance[i], 1e-6);
  }
  for (let i = periodic.length; i < windows.length; i++) assertTrue(few.significance[i] < 0.35, "noise");
});
