import { filterLightCurve, type FilterSettings, quantile } from "../../src/survey/filters.ts";
import { seeded } from "../../src/common/random.ts";
import { assertAlmostEquals, assertEquals } from "../../src/common/std.ts";

const settings: FilterSettings = {
  min_error: 0,
  max_error: 1,
  trim: false,
  trim_percentiles: [1, 99],
  noise_filter: false,
  noise_kurtosis: 10,
  noise_skewness: 1,
  noise_std: 0.1,
  noise_criteria: "any",
  min_observations: 1,
};

Deno.test("quantiles interpolate between order statistics, of any values in any order", () => {
  const random = seeded(2);
  for (const n of [1, 2, 3, 10, 101, 500]) {
    // Few distinct values: ties must not mislead the selection.
    for (const distinct of [3, 1e6]) {
      const values = Float32Array.from({ length: n }, () => random.integer(distinct)),
        sorted = values.toSorted();
      for (const share of [0, 0.01, 0.3, 0.5, 0.99, 1]) {
        const rank = (n - 1) * share, below = Math.floor(rank);
        const wanted = sorted[below] +
          (rank - below) * ((sorted[below + 1] ?? sorted[below]) - sorted[below]);
        assertAlmostEquals(quantile(values.slice(), share), wanted, 1e-9 * distinct);
      }
    }
  }
});

Deno.test("a light curve in any order comes out by time, magnitude and error, repeats dropped", () => {
  const random = seeded(3), n = 777;
  const rows = Array.from(
    { length: n },
    () => [random.integer(200), random.integer(3), random.integer(2) / 2],
  );
  const column = (k: number) => rows.map((row) => row[k]);
  const { time, mag, err, left } = filterLightCurve(
    {
      time: Float64Array.from(column(0)),
      mag: Float32Array.from(column(1)),
      err: Float32Array.from(column(2)),
    },
    settings,
  );
  const wanted = [...new Map(rows.map((row) => [row.join(), row])).values()]
    .sort((a, b) => a[0] - b[0] || a[1] - b[1] || a[2] - b[2]);
  assertEquals(Array.from(time, (t, i) => [t, mag[i], err[i]]), wanted);
  assertEquals(left, [n, wanted.length, wanted.length, wanted.length, wanted.length]);
});

Deno.test("a light curve of which trimming leaves nothing is counted up to there", () => {
  const { time, left } = filterLightCurve(
    { time: new Float64Array([1, 2]), mag: new Float32Array([10, 11]), err: new Float32Array(2) },
    { ...settings, trim: true },
  );
  assertEquals([time.length, ...left], [0, 2, 2, 0, 0, 0]);
});
