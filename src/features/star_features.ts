/**
 * What is known of a star without a label: the classical features of its light curve, and how it repeats. For the latter a
 * series is fitted at each of the highest peaks of its periodogram, and the best explained one is described: the highest peak
 * of a periodogram is often an alias or a multiple of the period, and a sinusoid does not know an eclipse.
 */
import type { Device } from "../../ffi/device.ts";
import type { Dataset } from "../data/dataset.ts";
import { harmonicEvidence } from "../evaluate/harmonic_evidence.ts";
import { lombScarglePeaks, type Peak } from "../evaluate/lomb_scargle.ts";
import { type ClassicalFeatures, classicalFeatures, classicalNames } from "./classical_features.ts";

/** Peaks at which a series is fitted. */
const peaksTried = 12;
/** Periods between 1.5 hours and 1000 days. */
const grid = { minimumFrequency: 1e-3, maximumFrequency: 16, oversampling: 3 };
/** Share of the variance that is added to every squared error: a few tiny errors must not decide alone. */
const addedVariance = 0.1;
/** Light curves whose periodograms are held at once. */
const lightCurvesAtOnce = 256;

/**
 * Names of the numbers that say how a star repeats, in their order. m = sum A_k cos(2 pi k t / P + phi_k), of 4 harmonics at
 * the period P (`once`), and of 8 at 2 P (`twice`, for binaries with two similar eclipses).
 *
 * - `repeats_log_period`: log10 of P in days. `repeats_power`: of the Lomb-Scargle peak at P, 0 to 1.
 * - `repeats_odds_once`, `_twice`: asinh of a third of the logarithm of the odds against noise ({@link harmonicEvidence}).
 * - `repeats_residual_once`, `_twice`: share of the variance that the series leaves over.
 * - `repeats_log_amplitude`: log10 of A_1 in mag. `repeats_r21`, `r31`, `r41`: asinh of A_k / A_1.
 * - `repeats_cos_phi21`, `sin_phi21`, … : phi_k - k phi_1 as a point on the circle.
 * - `repeats_odd_share`: of the squared amplitudes at 2 P that of odd harmonics, by which alternate cycles differ.
 */
export const repetitionNames = [
  "repeats_log_period",
  "repeats_power",
  "repeats_odds_once",
  "repeats_odds_twice",
  "repeats_residual_once",
  "repeats_residual_twice",
  "repeats_log_amplitude",
  "repeats_r21",
  "repeats_r31",
  "repeats_r41",
  "repeats_cos_phi21",
  "repeats_sin_phi21",
  "repeats_cos_phi31",
  "repeats_sin_phi31",
  "repeats_cos_phi41",
  "repeats_sin_phi41",
  "repeats_odd_share",
] as const;

/** Names of all numbers, in the order of the columns: the classical features, then {@link repetitionNames}. */
export const starNames: readonly string[] = [...classicalNames, ...repetitionNames];

/**
 * What {@link starNames} name, of each light curve.
 * @param onProgress is told how many light curves are done, when signals have been let in
 * @param options the device that searches for periods; default: the CPU
 * @returns all finite; 0 where a light curve does not define a number
 */
export async function starFeatures(
  dataset: Pick<Dataset, "mjd" | "mag" | "err" | "offsets" | "lengths">,
  lightCurves: readonly number[],
  onProgress: (done: number) => void = () => {},
  { device }: { device?: Device } = {},
): Promise<ClassicalFeatures> {
  const described = await describeStars(dataset, lightCurves, onProgress, device);
  return { names: [...starNames], values: described.values };
}

/** How well a period explains a light curve. */
export interface ExplainedPeriod {
  /** log10 of days. */
  logPeriod: number;
  /** Natural logarithm of the odds against noise, of the better of both series. */
  odds: number;
}

/** What {@link starNames} name, (n, 66) row after row, and all periods that were tried of each light curve. */
export interface DescribedStars {
  values: Float32Array<ArrayBuffer>;
  periods: ExplainedPeriod[][];
}

/** As {@link starFeatures}, with the periods among which the best was chosen. */
export async function describeStars(
  dataset: Pick<Dataset, "mjd" | "mag" | "err" | "offsets" | "lengths">,
  lightCurves: readonly number[],
  onProgress: (done: number) => void = () => {},
  device?: Device,
): Promise<DescribedStars> {
  const width = starNames.length, values = new Float32Array(lightCurves.length * width);
  const periods: ExplainedPeriod[][] = [];
  for (let start = 0; start < lightCurves.length; start += lightCurvesAtOnce) {
    const some = lightCurves.slice(start, start + lightCurvesAtOnce);
    const classical = await classicalFeatures(
      dataset,
      some,
      (done) => onProgress(start + Math.floor(done / 2)),
      { device },
    );
    const curves = some.map((i) => prepare(dataset, i));
    const peaks = await lombScarglePeaks(curves, peaksTried, {
      ...grid,
      device,
      onBatch: (done) => onProgress(start + Math.floor((some.length + done) / 2)),
    });
    for (const [row, curve] of curves.entries()) {
      const at = (start + row) * width, first = classicalNames.length;
      values.set(classical.values.subarray(row * first, (row + 1) * first), at);
      const found = repetition(curve, peaks[row]);
      values.set(found.numbers.map((value) => Number.isFinite(value) ? value : 0), at + first);
      periods.push(found.periods);
    }
    onProgress(start + some.length);
  }
  return { values, periods };
}

/** A light curve in order of time, with errors that none of them is far below the others. */
interface Curve {
  /** Days from the first observation. */
  mjd: Float64Array;
  magnitude: Float64Array;
  error: Float64Array;
}

function prepare(
  { mjd, mag, err, offsets, lengths }: Pick<Dataset, "mjd" | "mag" | "err" | "offsets" | "lengths">,
  lightCurve: number,
): Curve {
  const from = offsets[lightCurve], n = lengths[lightCurve];
  // Of the same time, by magnitude: so that the order in a file does not matter.
  const order = Array.from({ length: n }, (_, i) => from + i)
    .sort((i, j) => mjd[i] - mjd[j] || mag[i] - mag[j] || (err[i] || 0) - (err[j] || 0));
  const magnitudes = Float64Array.from(order, (i) => mag[i]), mean = average(magnitudes);
  const variance = average(magnitudes.map((m) => (m - mean) ** 2));
  return {
    mjd: Float64Array.from(order, (i) => mjd[i] - mjd[order[0]]),
    magnitude: magnitudes.map((m) => m - mean),
    error: Float64Array.from(
      order,
      (i) => Math.sqrt((err[i] > 0 ? err[i] ** 2 : 0) + addedVariance * variance + 1e-12),
    ),
  };
}

/** What {@link repetitionNames} name, and how well each peak's period explains the light curve. */
function repetition(
  { mjd, magnitude, error }: Curve,
  peaks: readonly Peak[],
): { numbers: number[]; periods: ExplainedPeriod[] } {
  if (peaks.length === 0) return { numbers: repetitionNames.map(() => 0), periods: [] };
  const total = error.reduce((sum, e) => sum + e ** -2, 0), weights = error.map((e) => e ** -2 / total);
  const mean = weights.reduce((sum, w, i) => sum + w * magnitude[i], 0);
  const deviation = Math.sqrt(weights.reduce((sum, w, i) => sum + w * (magnitude[i] - mean) ** 2, 0));
  const values = magnitude.map((m) => (m - mean) / deviation);
  const periods: ExplainedPeriod[] = [];
  let best: { peak: Peak; odds: number } & ReturnType<typeof harmonicEvidence> | undefined;
  for (const peak of peaks) {
    const found = harmonicEvidence(mjd, values, weights, peak.period);
    const odds = Math.max(found.once.evidence, found.twice.evidence);
    if (Number.isFinite(odds)) periods.push({ logPeriod: Math.log10(peak.period), odds });
    if (!best || odds > best.odds) best = { peak, odds, ...found };
  }
  const { peak, once, twice } = best!, [A, phi] = [once.amplitudes, once.phases];
  const squares = twice.amplitudes.map((amplitude) => amplitude ** 2);
  const numbers = [
    Math.log10(peak.period),
    peak.power,
    Math.asinh(once.evidence / 3),
    Math.asinh(twice.evidence / 3),
    once.residual,
    twice.residual,
    Math.log10(Math.max(A[0] * deviation, 1e-6)),
    ...[1, 2, 3].map((k) => Math.asinh(A[k] / A[0])),
    ...[2, 3, 4].map((k) => phi[k - 1] - k * phi[0]).flatMap((angle) => [Math.cos(angle), Math.sin(angle)]),
    sumOf(squares.filter((_, k) => k % 2 === 0)) / sumOf(squares),
  ];
  return { numbers, periods };
}

const sumOf = (values: Float64Array) => values.reduce((sum, value) => sum + value, 0);
const average = (values: Float64Array) => sumOf(values) / values.length;
