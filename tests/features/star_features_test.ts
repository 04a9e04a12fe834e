import { assertAlmostEquals, assertEquals, assertTrue } from "../../src/common/std.ts";
import { repetitionNames, starFeatures } from "../../src/features/star_features.ts";
import { datasetOf } from "../../src/data/light_curves.ts";
import { harmonicEvidence } from "../../src/evaluate/harmonic_evidence.ts";
import { lombScarglePeaks } from "../../src/evaluate/lomb_scargle.ts";
import { seeded } from "../../src/common/random.ts";

/** Times of a survey from the ground: one or two observations a night, some nights lost. */
function times(n: number, seed = 1): Float64Array {
  const random = seeded(seed),
    days = Array.from({ length: n }, () => random.integer(900) + 0.25 * random.next());
  return Float64Array.from(days.sort((a, b) => a - b));
}

/** Of weighted mean 0 and variance 1, as the fit wants it. */
function standardized(values: Float64Array): Float64Array {
  const mean = values.reduce((sum, v) => sum + v, 0) / values.length;
  const deviation = Math.sqrt(values.reduce((sum, v) => sum + (v - mean) ** 2, 0) / values.length);
  return values.map((v) => (v - mean) / deviation);
}
const alike = (n: number) => new Float64Array(n).fill(1 / n);

async function describe(mjd: ArrayLike<number>, magnitude: ArrayLike<number>, error?: ArrayLike<number>) {
  using dataset = datasetOf([{ mjd, magnitude, error }]);
  const { names, values } = await starFeatures(dataset, [0]);
  assertTrue(values.every(Number.isFinite));
  return Object.fromEntries(names.map((name, i) => [name, values[i]]));
}

Deno.test("a series is found again, with its amplitudes and phases", () => {
  const mjd = times(400), period = 0.61;
  const y = mjd.map((t) =>
    1.2 * Math.cos(2 * Math.PI * t / period + 0.4) + 0.5 * Math.cos(4 * Math.PI * t / period - 1)
  );
  const values = standardized(y), scale = (values[1] - values[0]) / (y[1] - y[0]);
  const { once, twice } = harmonicEvidence(mjd, values, alike(400), period);
  for (const [k, A] of [1.2, 0.5, 0, 0].entries()) {
    assertAlmostEquals(once.amplitudes[k] / scale, A, 0.03);
  }
  assertAlmostEquals(once.phases[0], 0.4, 0.03);
  assertAlmostEquals(once.phases[1], -1, 0.03);
  assertTrue(once.residual < 0.01 && once.evidence > 500, `${once.residual} ${once.evidence}`);
  assertTrue(once.evidence > twice.evidence, "harmonics that nothing needs are no evidence");
});

Deno.test("eclipses of two depths are evidence for twice the period", () => {
  const mjd = times(400, 2), period = 1.7;
  const y = mjd.map((t) => {
    const phase = t / period % 2;
    return Math.max(0, 1 - Math.abs(phase - 0.5) / 0.15) +
      0.4 * Math.max(0, 1 - Math.abs(phase - 1.5) / 0.15);
  });
  const { once, twice } = harmonicEvidence(mjd, standardized(y), alike(400), period);
  assertTrue(twice.evidence > once.evidence + 20, `${once.evidence} ${twice.evidence}`);
});

Deno.test("noise is no evidence, however few the observations", () => {
  for (const n of [8, 25, 60, 300]) {
    const random = seeded(3, n), mjd = times(n, n), y = standardized(mjd.map(() => random.normal()));
    let highest = -Infinity;
    for (let k = 0; k < 50; k++) {
      const { once, twice } = harmonicEvidence(mjd, y, alike(n), 0.3 + 0.37 * k);
      highest = Math.max(highest, once.evidence, twice.evidence);
    }
    assertTrue(highest < 5, `${n} observations of noise: ${highest}`);
  }
});

Deno.test("a periodogram has the peaks of two periods", async () => {
  const mjd = times(500, 4);
  const magnitude = mjd.map((t) => Math.sin(2 * Math.PI * t / 3.3) + 0.8 * Math.sin(2 * Math.PI * t / 0.77));
  const [[first, ...others]] = await lombScarglePeaks([{ mjd, magnitude }], 8);
  assertAlmostEquals(first.period, 3.3, 1e-3);
  assertTrue(others.some(({ period }) => Math.abs(period - 0.77) < 1e-4));
  assertEquals(others.map(({ power }) => power), others.map(({ power }) => power).toSorted((a, b) => b - a));
});

Deno.test("an RR Lyrae star is described by its period and its steep rise", async () => {
  const mjd = times(300, 5), random = seeded(6), period = 0.5732;
  const magnitude = mjd.map((t) =>
    15 + [0.35, 0.16, 0.09, 0.05].reduce((m, A, k) =>
      m + A * Math.sin(2 * Math.PI * (k + 1) * t / period), 0) +
    0.02 * random.normal()
  );
  const star = await describe(mjd, magnitude, mjd.map(() => 0.02));
  assertAlmostEquals(star.repeats_log_period, Math.log10(period), 1e-4);
  assertAlmostEquals(star.repeats_log_amplitude, Math.log10(0.35), 0.01);
  assertAlmostEquals(Math.sinh(star.repeats_r21), 0.16 / 0.35, 0.03);
  // Of sines all phi_k are -pi / 2: phi_21 is pi / 2.
  assertAlmostEquals(star.repeats_sin_phi21, 1, 0.02);
  assertTrue(star.repeats_residual_once < 0.02 && star.repeats_odds_once > 5);
});

Deno.test("neither the order of observations nor constants added to times and magnitudes matter", async () => {
  const mjd = times(80, 7),
    magnitude = mjd.map((t) => 14 + Math.sin(t / 0.9) ** 3),
    error = mjd.map((_, i) => 0.01 + i / 1e4);
  const star = await describe(mjd, magnitude, error);
  const order = Array.from(seeded(8).shuffle(Array.from(mjd.keys())));
  const other = await describe(
    order.map((i) => mjd[i] + 512),
    order.map((i) => magnitude[i] - 2),
    order.map((i) => error[i]),
  );
  for (const name of repetitionNames) assertAlmostEquals(star[name], other[name], 2e-3, name);
});

Deno.test("constant, short and errorless light curves have finite numbers", async () => {
  const constant = await describe([1, 2, 3, 4, 5, 6], [3, 3, 3, 3, 3, 3]);
  for (const name of repetitionNames) assertEquals(constant[name], 0, name);
  await describe([1, 2, 3.5, 4, 7], [3, 3.1, 3, 2.9, 3.2]);
  await describe([5, 5, 5, 5, 5], [3, 3.1, 3, 2.9, 3.2]);
});
