/**
 * Classical predictors of the probed points of a window: what a model's reconstruction is worth is seen beside them. They
 * see what the model sees, centred as the model sees it: visible points, the probed ones among them, of which some show
 * the magnitude of another point.
 */
import { type Batch, role } from "../data/batch.ts";
import { gaussianProcess } from "./gaussian_process.ts";
import { type HarmonicFit, harmonicFit, harmonicMagnitude } from "./harmonic_fit.ts";
import { lombScargle } from "./lomb_scargle.ts";
import type { Predictor } from "./reconstruction.ts";

/** A window as a predictor sees it, in order of time. */
export interface SeenWindow {
  /** (n,) days, zero-mean over the window. */
  times: Float64Array;
  /** (n,) mag, the window's mean is 0; NaN where hidden. */
  magnitudes: Float64Array;
}

/** Predicts the magnitude of every point of each window. */
export type Baseline = (windows: readonly SeenWindow[]) => Float64Array[] | Promise<Float64Array[]>;

/** The baselines by their names. */
export const baselines: Readonly<Record<string, Baseline>> = {
  "mean": (windows) => windows.map(({ times }) => new Float64Array(times.length)),
  "linear interpolation": (windows) => windows.map(linearInterpolation),
  "Gaussian process": (windows) => windows.map((w) => gaussianProcess(w.times, w.magnitudes)),
  "harmonic fit": harmonicFits,
};

/** A baseline as a predictor of batches. */
export function baselinePredictor(baseline: Baseline): Predictor {
  const predict = async (batch: Batch) => {
    const { windows, length, queriesFrom, positions, roles } = batch, read = length - queriesFrom;
    const magnitudes = await baseline(windows.map((_, b) => seenWindow(batch, b)));
    const predicted = new Float32Array(roles.length);
    for (let i = 0; i < roles.length; i++) {
      const b = Math.floor(i / read), column = queriesFrom + i % read;
      if (roles[i] !== role.none) predicted[i] = magnitudes[b][positions[b * length + column]];
    }
    return predicted;
  };
  return {
    ahead: 0,
    begin(batch) {
      const predicted = predict(batch);
      return () => predicted;
    },
  };
}

/** What a window of a batch shows. */
function seenWindow({ windows, length, positions, times, magnitudes, hidden }: Batch, b: number): SeenWindow {
  const n = windows[b].length;
  const seen = { times: new Float64Array(n), magnitudes: new Float64Array(n) };
  for (let at = b * length; at < (b + 1) * length; at++) {
    if (positions[at] < 0) continue; // padding
    seen.times[positions[at]] = times[at];
    seen.magnitudes[positions[at]] = hidden[at] ? NaN : magnitudes[at];
  }
  return seen;
}

/** Straight lines between visible points, before the first and after the last one constant; 0 if none is visible. */
function linearInterpolation({ times, magnitudes }: SeenWindow): Float64Array {
  const visible = placesOf(magnitudes);
  const predicted = new Float64Array(times.length);
  if (visible.length === 0) return predicted;
  for (let i = 0, next = 0; i < times.length; i++) {
    while (next < visible.length && visible[next] < i) next++;
    const after = visible[Math.min(next, visible.length - 1)], before = visible[Math.max(next - 1, 0)];
    if (after === i || after === before || times[after] === times[before]) {
      predicted[i] = magnitudes[after];
      continue;
    }
    const share = Math.min(1, Math.max(0, (times[i] - times[before]) / (times[after] - times[before])));
    predicted[i] = (1 - share) * magnitudes[before] + share * magnitudes[after];
  }
  return predicted;
}

/** Terms of a Fourier series at most. */
const mostHarmonics = 5;

/** The Fourier series at the highest peak of the Lomb-Scargle periodogram of the visible points, all of one weight. */
async function harmonicFits(windows: readonly SeenWindow[]): Promise<Float64Array[]> {
  const visible = windows.map(({ times, magnitudes }) => {
    const places = placesOf(magnitudes);
    const of = (values: Float64Array) => Float64Array.from(places, (i) => values[i]);
    return { mjd: of(times), magnitude: of(magnitudes) };
  });
  const peaks = await lombScargle(visible);
  return windows.map(({ times }, w) => {
    const { mjd, magnitude } = visible[w];
    const fit = fourierSeries(mjd, magnitude, peaks[w].period);
    return times.map((time) => harmonicMagnitude(fit, time));
  });
}

/**
 * Of the Fourier series with 0, 1, … 5 terms, at a period or at twice it, the one of the lowest Bayesian information
 * criterion (Schwarz 1978, Ann. Stat. 6, 461), n ln(residual) + parameters ln n. Twice: a periodogram's peak is at half
 * the period of eclipsing binaries, whose two eclipses differ.
 * @param period days; NaN for none: the constant is fitted alone
 */
export function fourierSeries(times: Float64Array, magnitudes: Float64Array, period: number): HarmonicFit {
  const n = times.length, weights = new Float64Array(n).fill(1 / n), none = new Float64Array();
  const constant = n === 0 ? 0 : magnitudes.reduce((sum, m) => sum + m, 0) / n;
  let best: HarmonicFit = { period: 1, constant, amplitudes: none, phases: none, residual: 1 };
  if (!(period > 0)) return best;
  let lowest = Math.log(n); // of the constant, whose residual is 1
  for (const candidate of [period, 2 * period]) {
    for (let harmonics = 1; harmonics <= mostHarmonics && 2 * harmonics + 2 < n; harmonics++) {
      const fit = harmonicFit(times, magnitudes, weights, candidate, harmonics);
      const criterion = n * Math.log(fit.residual) + (2 * harmonics + 2) * Math.log(n); // the period is one
      if (criterion < lowest) [best, lowest] = [fit, criterion];
    }
  }
  return best;
}

/** Where magnitudes are not NaN, ascending. */
function placesOf(magnitudes: Float64Array): number[] {
  return [...magnitudes.keys()].filter((i) => !Number.isNaN(magnitudes[i]));
}
