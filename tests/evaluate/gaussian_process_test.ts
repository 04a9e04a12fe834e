/** The Kalman filter against the (n, n) matrices of covariances that it saves. */
import { Filter, gaussianProcess, type Process } from "../../src/evaluate/gaussian_process.ts";
import { seeded } from "../../src/common/random.ts";
import { assertAlmostEquals, assertEquals, assertTrue } from "../../src/common/std.ts";
import { largestDifference } from "../shared.ts";

/** Uneven times in two seasons, two of them the same; every third magnitude is hidden. */
function example(n = 24) {
  const random = seeded(7);
  const times = Float64Array.from(
    { length: n },
    (_, i) => 3 * i + 2 * random.next() + (i < n / 2 ? -200 : 150),
  );
  times[5] = times[4];
  times[10] = times[9];
  const magnitudes = times.map((t, i) => i % 3 === 1 ? NaN : Math.sin(t / 11) + 0.2 * random.normal());
  return { times, magnitudes };
}

/** The formulas of Rasmussen and Williams (2006), eqs. 2.23 and 2.30, by elimination of [K + noise I | y]. */
function dense(times: Float64Array, magnitudes: Float64Array, { lengthScale, noise }: Process) {
  const covariance = (t: number, u: number) => {
    const d = Math.sqrt(3) * Math.abs(t - u) / lengthScale;
    return (1 + d) * Math.exp(-d);
  };
  const seen = [...times.keys()].filter((i) => !Number.isNaN(magnitudes[i])), n = seen.length;
  const system = seen.map((i, row) => [
    ...seen.map((j, column) => covariance(times[i], times[j]) + (row === column ? noise : 0)),
    magnitudes[i],
  ]);
  let logDeterminant = 0;
  for (let p = 0; p < n; p++) {
    logDeterminant += Math.log(system[p][p]);
    for (let row = 0; row < n; row++) {
      if (row === p) continue;
      const factor = system[row][p] / system[p][p];
      for (let column = p; column <= n; column++) system[row][column] -= factor * system[p][column];
    }
  }
  const solution = system.map((row, i) => row[n] / row[i]);
  const squares = seen.reduce((sum, i, k) => sum + magnitudes[i] * solution[k], 0);
  return {
    // With the variance that makes it highest, squares / n, and without -n / 2 (1 + ln 2 pi).
    likelihood: -(n * Math.log(squares / n) + logDeterminant) / 2,
    mean: times.map((t) => seen.reduce((sum, i, k) => sum + covariance(t, times[i]) * solution[k], 0)),
  };
}

Deno.test("likelihood and posterior mean are those of the matrix of covariances", () => {
  const { times, magnitudes } = example();
  const filter = new Filter(times, magnitudes);
  for (const lengthScale of [0.05, 4, 60, 900]) {
    for (const noise of [0.001, 0.1, 5]) {
      const expected = dense(times, magnitudes, { lengthScale, noise });
      assertAlmostEquals(filter.run({ lengthScale, noise }), expected.likelihood, 1e-8);
      assertTrue(largestDifference(filter.smoothed(), expected.mean) < 1e-9, `${lengthScale}, ${noise}`);
    }
  }
});

Deno.test("of the grid the likeliest process predicts", () => {
  const { times, magnitudes } = example(), duration = times.at(-1)! - times[0];
  let best = { likelihood: -Infinity, mean: new Float64Array() }, chosen = [0, 0];
  for (let k = 0; k < 16; k++) {
    for (let j = 0; j < 9; j++) {
      const process = { lengthScale: duration / 2 ** k, noise: 10 ** (j / 2 - 3) };
      const found = dense(times, magnitudes, process);
      if (found.likelihood > best.likelihood) [best, chosen] = [found, [k, j]];
    }
  }
  assertTrue(chosen[0] > 0 && chosen[0] < 15 && chosen[1] > 0 && chosen[1] < 8, `${chosen}: at an edge`);
  assertTrue(largestDifference(gaussianProcess(times, magnitudes), best.mean) < 1e-9);
});

Deno.test("with nothing to see, one point or no variation there is still a prediction", () => {
  const times = Float64Array.of(0, 1, 2),
    of = (...magnitudes: number[]) => gaussianProcess(times, Float64Array.from(magnitudes));
  assertEquals([...of(NaN, NaN, NaN)], [0, 0, 0]);
  assertEquals([...of(0, 0, NaN)], [0, 0, 0]);
  const one = of(NaN, 0.5, NaN);
  assertTrue(one[1] > 0 && one[1] < 0.5 && Math.abs(one[0] - one[2]) < 1e-12, `${one}`);
  const same = gaussianProcess(Float64Array.of(4, 4, 4), Float64Array.of(0.2, NaN, 0.4));
  assertTrue(same.every((m) => m > 0.1 && m < 0.3), `${same}`);
});
