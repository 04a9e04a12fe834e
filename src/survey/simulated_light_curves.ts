/** Simulated light curves: each with random numbers of its own, so that they can be made in any order and anywhere. */
import { seeded } from "../common/random.ts";
import { clearNights, meanMagnitude, measure, visitTimes } from "./observing.ts";
import { variableTypes } from "./variable_stars.ts";

/** A simulated light curve. */
export interface SimulatedLightCurve {
  /** Index into {@link variableTypes}. */
  label: number;
  /** True period in days. */
  period: number;
  /** MJD, ascending. */
  mjd: Float64Array;
  /** Magnitudes and their stated errors. */
  mag: Float32Array;
  err: Float32Array;
}

/**
 * Draws light curve number `index` of the survey named by `seed`. Each has random numbers of its own: it is the same in a
 * survey of ten and of a million.
 * @param clear the survey's nights, from `clearNights(seed)`
 * @param visits visits on average; stars differ by about a factor of 1.5, and the faint ones lose some
 */
export function simulateLightCurve(
  seed: number,
  index: number,
  clear: Uint8Array,
  visits: number,
): SimulatedLightCurve {
  const random = seeded(seed, 1, index);
  const label = random.integer(variableTypes.length);
  const star = variableTypes[label].draw(random), mean = meanMagnitude(random);
  const spread = 0.4, own = visits * Math.exp(spread * random.normal() - spread ** 2 / 2);
  const times = visitTimes(random, clear, own);
  const mjd = new Float64Array(times.length),
    mag = new Float32Array(times.length),
    err = new Float32Array(times.length);
  let n = 0;
  for (const time of times) {
    const measured = measure(random, mean + star.change(time));
    if (measured === null) continue;
    mjd[n] = time;
    mag[n] = measured.mag;
    err[n++] = measured.err;
  }
  return {
    label,
    period: star.period,
    mjd: mjd.subarray(0, n),
    mag: mag.subarray(0, n),
    err: err.subarray(0, n),
  };
}

/** Light curves that are to be simulated: so many from `first` on, of so many visits on average. */
export interface Order {
  seed: number;
  first: number;
  count: number;
  visits: number;
}

/** Simulated light curves, end to end. */
export interface SimulatedLightCurves {
  /** Number of the first. */
  first: number;
  /** Index into {@link variableTypes}, true period in days and observations of each. */
  labels: Int32Array;
  periods: Float64Array;
  lengths: Int32Array;
  /** Number of the light curve, MJD, magnitude and error of each observation. */
  ids: Int32Array;
  mjd: Float64Array;
  mag: Float32Array;
  err: Float32Array;
}

/** Simulates the light curves of an order. */
export function simulateLightCurves({ seed, first, count, visits }: Order): SimulatedLightCurves {
  const clear = clearNights(seed);
  const curves = Array.from({ length: count }, (_, i) => simulateLightCurve(seed, first + i, clear, visits));
  const lengths = Int32Array.from(curves, ({ mjd }) => mjd.length);
  const rows = lengths.reduce((sum, length) => sum + length, 0);
  const ids = new Int32Array(rows), mjd = new Float64Array(rows);
  const mag = new Float32Array(rows), err = new Float32Array(rows);
  let at = 0;
  for (const [i, curve] of curves.entries()) {
    ids.fill(first + i, at, at + lengths[i]);
    mjd.set(curve.mjd, at);
    mag.set(curve.mag, at);
    err.set(curve.err, at);
    at += lengths[i];
  }
  const labels = Int32Array.from(curves, ({ label }) => label);
  return {
    first,
    labels,
    periods: Float64Array.from(curves, ({ period }) => period),
    lengths,
    ids,
    mjd,
    mag,
    err,
  };
}
