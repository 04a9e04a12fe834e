import { liveTensors } from "../../ffi/tensor.ts";
import { lombScargle, lombScarglePeaks, periodogram } from "../../src/evaluate/lomb_scargle.ts";
import {
  assertAlmostEquals,
  assertEquals,
  assertRejects,
  assertThrows,
  assertTrue,
} from "../../src/common/std.ts";
import { sinusoids } from "../data/support.ts";
import { largestDifference } from "../shared.ts";

type Arrays = { mjd: number[]; magnitude: number[]; error: number[] };

/** A light curve that any language can make. */
function formula(n: number): Arrays {
  const index = Array.from({ length: n }, (_, i) => i);
  const mjd = index.map((i) => 53_000 + 1.7 * i + 0.6 * Math.sin(i * i));
  return {
    mjd,
    magnitude: index.map((i) =>
      12 + 0.3 * Math.sin(2 * Math.PI * (mjd[i] - 53_000) / 3.21) + 0.1 * Math.cos(1.3 * i * i)
    ),
    error: index.map((i) => 0.02 + 0.01 * (i % 3)),
  };
}

const curves = (lengths: number[], seed = 0): Arrays[] =>
  sinusoids(lengths, seed).map(({ mjd, mag, err }) => ({
    mjd: [...mjd],
    magnitude: [...mag],
    error: [...err],
  }));

/** 1 - chi2(sinusoid and constant) / chi2(constant), by the normal equations. */
function bruteForce({ mjd, magnitude, error }: Arrays, frequency: number): number {
  const chi2 = (columns: (t: number) => number[]) => {
    const design = mjd.map((t) => columns(t - mjd[0])), k = design[0].length;
    const weight = (i: number) => 1 / error[i] ** 2;
    const y = magnitude.map((m) => m - magnitude[0]);
    // Gauss and Jordan on [X'WX | X'Wy].
    const system = Array.from({ length: k }, (_, r) =>
      Array.from(
        { length: k + 1 },
        (_, c) => design.reduce((sum, row, i) => sum + weight(i) * row[r] * (c < k ? row[c] : y[i]), 0),
      ));
    for (let p = 0; p < k; p++) {
      for (let r = 0; r < k; r++) {
        if (r === p) continue;
        const factor = system[r][p] / system[p][p];
        for (let c = p; c <= k; c++) system[r][c] -= factor * system[p][c];
      }
    }
    const fitted = system.map((row, r) => row[k] / row[r]);
    return y.reduce(
      (sum, value, i) => sum + weight(i) * (value - design[i].reduce((s, x, c) => s + x * fitted[c], 0)) ** 2,
      0,
    );
  };
  const angle = (t: number) => 2 * Math.PI * frequency * t;
  return 1 - chi2((t) => [1, Math.cos(angle(t)), Math.sin(angle(t))]) / chi2(() => [1]);
}

Deno.test("the power of every frequency is that of a weighted least-squares fit", () => {
  for (const curve of curves([40, 87])) {
    const { frequencies, power } = periodogram(curve, {
      minimumFrequency: 0.03,
      maximumFrequency: 5,
      oversampling: 1.3,
    });
    const duration = curve.mjd[curve.mjd.length - 1] - curve.mjd[0];
    assertAlmostEquals(frequencies[7], 0.03 + 7 / (1.3 * duration), 1e-12);
    assertEquals(power.length, Math.floor(4.97 * 1.3 * duration) + 1);
    const expected = frequencies.map((frequency) => bruteForce(curve, frequency));
    assertTrue(largestDifference(power, expected) < 1e-9, String(largestDifference(power, expected)));
  }
});

Deno.test("astropy's numbers", () => {
  // astropy 8.0.2: LombScargle(t, y, dy).power(f, method="cython"), the peak on a grid of steps of 1e-9 / day.
  const curve = formula(60);
  const expected: [number, number][] = [
    [0.01, 0.023169007460601587],
    [0.05, 0.0347329881481808],
    [1 / 3.21, 0.9369263989934158],
    [0.9, 0.03800552148507102],
    [2.5, 0.09703002854359873],
  ];
  for (const [frequency, power] of expected) {
    const found = periodogram(curve, { minimumFrequency: frequency, maximumFrequency: frequency + 1e-9 });
    assertAlmostEquals(found.power[0], power, 1e-9);
  }
});

Deno.test("astropy's best period", async () => {
  const [{ period, power }] = await lombScargle([formula(60)], {
    minimumFrequency: 0.01,
    maximumFrequency: 3,
  });
  // 1/256 of a grid step of 1 / (5 x 100 days) is a period of 1e-4 days here.
  assertAlmostEquals(period, 3.203983629899255, 1e-4);
  assertAlmostEquals(power, 0.9457548814568577, 1e-6);
});

Deno.test("the highest peaks of many light curves are those of their own periodograms", async () => {
  const batch = curves([300, 15, 60, 26, 121, 300, 33], 4), before = liveTensors(), done: number[] = [];
  const grid = { minimumFrequency: 0.002, maximumFrequency: 2, oversampling: 4 };
  const peaks = await lombScargle(batch, { ...grid, onBatch: (n) => done.push(n) });
  assertEquals(done.at(-1), batch.length);
  for (const [i, { period, power }] of peaks.entries()) {
    const whole = periodogram(batch[i], { ...grid, oversampling: 32 });
    const highest = whole.power.reduce((a, b) => Math.max(a, b));
    assertTrue(power > highest - 2e-3 && power < highest + 2e-3, `light curve ${i}: ${power}, ${highest}`);
    assertAlmostEquals(power, bruteForce(batch[i], 1 / period), 1e-9);
    assertTrue(1 / period >= 0.002 && 1 / period <= 2);
    const [alone] = await lombScargle([batch[i]], grid);
    assertAlmostEquals(alone.period, period, 1e-9 * period);
  }
  assertEquals(liveTensors(), before);
});

Deno.test("phases keep their digits far from the zero point of time, in any order of observations", async () => {
  const [curve] = curves([150]), far = 2_400_000.5;
  const shifted = {
    mjd: curve.mjd.map((t) => t + far).reverse(),
    magnitude: curve.magnitude.toReversed(),
    error: curve.error.toReversed(),
  };
  const [here, there] = await lombScargle([curve, shifted], { maximumFrequency: 5 });
  assertAlmostEquals(there.period, here.period, 1e-7);
  assertAlmostEquals(there.power, here.power, 1e-7);
});

Deno.test("unknown errors: the smallest known one, or all alike", async () => {
  const [{ mjd, magnitude, error }] = curves([80]);
  const smallest = Math.min(...error.slice(1));
  const same = await lombScargle([
    { mjd, magnitude, error: [0, ...error.slice(1)] },
    { mjd, magnitude, error: [smallest, ...error.slice(1)] },
    { mjd, magnitude },
    { mjd, magnitude, error: error.map(() => 0) },
    { mjd, magnitude, error: error.map(() => 0.3) },
  ]);
  assertEquals(same[0], same[1]);
  assertEquals(same[2], same[3]);
  assertAlmostEquals(same[2].power, same[4].power, 1e-12);
  assertTrue(Math.abs(same[0].power - same[2].power) > 1e-6);
});

Deno.test("where there is nothing to find the period is not a number", async () => {
  const [{ mjd, magnitude }] = curves([20]);
  const nothing = { period: NaN, power: 0 };
  const peaks = await lombScargle([
    { mjd, magnitude: mjd.map(() => 12.3) },
    { mjd, magnitude },
    { mjd: mjd.map(() => 51_000), magnitude },
  ]);
  assertEquals([peaks[0], peaks[2]], [nothing, nothing]);
  assertTrue(peaks[1].period > 0);
  assertEquals(periodogram({ mjd, magnitude: mjd.map(() => 12.3) }).power.length, 0);
});

Deno.test("observations that cover too little of a cycle do not win", async () => {
  // A trend over 20 days is a part of a sinusoid of any long period: without a limit the longest wins, 1000 days.
  const mjd = Array.from({ length: 40 }, (_, i) => 51_000 + i / 2 + 0.1 * Math.sin(i * i));
  const [{ period }] = await lombScargle([{ mjd, magnitude: mjd.map((t) => 12 + (t - 51_000) / 100) }]);
  assertTrue(period < 100, String(period));
});

Deno.test("an impossible grid is refused", async () => {
  const [curve] = curves([20]);
  for (const grid of [{ minimumFrequency: 0 }, { maximumFrequency: 0.0001 }, { oversampling: NaN }]) {
    assertThrows(() => periodogram(curve, grid), RangeError, "minimumFrequency");
    await assertRejects(() => lombScargle([curve], grid), RangeError, "oversampling > 0, not");
  }
});

Deno.test("by products, as on a GPU, the maxima are those of the transforms, and in their order", async () => {
  const before = liveTensors();
  const some = [
    ...curves([30, 200, 41, 7, 120]),
    { ...formula(20), magnitude: Array(20).fill(12) },
    formula(64),
  ];
  const grid = { minimumFrequency: 0.01, maximumFrequency: 1.7 };
  const expected = await lombScarglePeaks(some, 8, grid);
  const found = await lombScarglePeaks(some, 8, { ...grid, maximaBy: "products" });
  assertEquals(found.map(({ length }) => length), expected.map(({ length }) => length));
  for (const [i, peaks] of expected.entries()) {
    for (const [k, { period, power }] of peaks.entries()) {
      assertAlmostEquals(found[i][k].power, power, 1e-6);
      assertAlmostEquals(found[i][k].period / period, 1, 1e-9);
    }
  }
  assertEquals([expected[1].length, expected[5].length], [8, 0]);
  assertEquals(liveTensors(), before);
});

Deno.test("a gap of thousands of years makes the grid coarser, not endless", async () => {
  const mjd = [...Array.from({ length: 9 }, (_, i) => 58_000 + 1.3 * i), 9e6];
  const [peak] = await lombScargle([{ mjd, magnitude: mjd.map((_, i) => 12 + i % 3) }]);
  assertTrue(peak.period > 0.1 && peak.period < 1000 && peak.power > 0 && peak.power <= 1);
});
