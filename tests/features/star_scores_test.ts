import { starFeatures, starNames } from "../../src/features/star_features.ts";
import { normalScore, periodBins, starScoreNames, starScores } from "../../src/features/star_scores.ts";
import scale from "../../src/features/star_scores.json" with { type: "json" };
import { datasetOf } from "../../src/data/light_curves.ts";
import { seeded } from "../../src/common/random.ts";
import { assertAlmostEquals, assertEquals, assertTrue } from "../../src/common/std.ts";

Deno.test("a normal score is that of the rank, and of equal values the middle one", () => {
  const quantiles = [0, 1, 1, 1, 3]; // at -2.5, -1.25, 0, 1.25, 2.5
  assertEquals([-7, 0, 1, 3, 8].map((value) => normalScore(value, quantiles)), [-2.5, -2.5, 0, 2.5, 2.5]);
  assertAlmostEquals(normalScore(0.5, quantiles), -1.875, 1e-12);
  assertAlmostEquals(normalScore(2, quantiles), 1.875, 1e-12);
  assertEquals(normalScore(5, [5, 5, 5]), 0);
});

Deno.test("every number of star has its quantiles, in order", () => {
  assertEquals(scale.quantiles.length, starNames.length);
  for (const [k, quantiles] of scale.quantiles.entries()) {
    assertEquals(quantiles.length, 41);
    for (let i = 1; i < 41; i++) assertTrue(quantiles[i] >= quantiles[i - 1], starNames[k]);
  }
});

Deno.test("periods share their bins by the odds", () => {
  const sure = periodBins([{ logPeriod: 0, odds: 100 }, { logPeriod: 1, odds: 0 }]);
  assertAlmostEquals(sure[5], 1, 1e-9);
  assertAlmostEquals(sure[9], 0, 1e-3);
  const even = periodBins([{ logPeriod: 0, odds: 5 }, { logPeriod: 1, odds: 5 }]);
  assertAlmostEquals(even[5], 0.5, 1e-3);
  assertAlmostEquals(even[9], 0.5, 1e-3);
  assertEquals(periodBins([]), Array(18).fill(0));
});

Deno.test("scores follow star's numbers, and are finite for light curves that say nothing", async () => {
  const random = seeded(4), mjd = Float64Array.from({ length: 60 }, () => 500 * random.next()).sort();
  const curves = [
    { mjd, magnitude: mjd.map((t) => 12 + Math.sin(2 * Math.PI * t / 3.16)) },
    { mjd: [1, 2, 3, 4, 5], magnitude: [3, 3, 3, 3, 3] },
    { mjd: [5, 5, 5, 5, 5], magnitude: [3, 3.1, 3, 2.9, 3.2] },
  ];
  using dataset = datasetOf(curves);
  const star = await starFeatures(dataset, [0, 1, 2]), found = await starScores(dataset, [0, 1, 2]);
  const width = starScoreNames.length;
  assertEquals([found.names.length, found.values.length], [width, 3 * width]);
  assertEquals(new Set(starScoreNames).size, width);
  assertTrue(found.values.every(Number.isFinite));
  for (const [k, name] of starNames.entries()) {
    const score = Math.fround(normalScore(star.values[k], scale.quantiles[k]));
    assertEquals(found.values[starScoreNames.indexOf(`score_${name}`)], score);
    assertAlmostEquals(found.values[starScoreNames.indexOf(`squared_score_${name}`)], score ** 2, 1e-5);
  }
  const near = found.values[starScoreNames.indexOf("period_near_3.2")];
  assertTrue(near > 0.9, `${near}`);
});
