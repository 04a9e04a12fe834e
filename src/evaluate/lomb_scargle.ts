/**
 * The generalised Lomb-Scargle periodogram (Zechmeister & Kürster 2009, A&A 496, 577): at every frequency the weighted
 * least-squares fit of a sinusoid with a floating mean, many light curves at once.
 *
 * On the whole grid the sums over observations are fast Fourier transforms in float32, which find the maxima (on a GPU they
 * are products there, too). About these
 * they are matrix products in float64, which measure them: frequencies are some coarse ones a, plus and minus small steps
 * b, and cos(a ± b) = cos a cos b ∓ sin a sin b, so that a few cosines of an observation serve many frequencies.
 */
import { noGrad } from "../../ffi/autograd.ts";
import type { Device } from "../../ffi/device.ts";
import {
  add,
  cat,
  cos,
  div,
  flip,
  frac,
  gt,
  matmul,
  maximum,
  mul,
  narrow,
  reshape,
  sub,
  topk,
  transpose,
  view,
  where,
} from "../../ffi/ops.ts";
import { scope, Tensor, unscoped } from "../../ffi/tensor.ts";
import type { LightCurve } from "../data/light_curves.ts";
import { letSignalsIn } from "../machine/signals.ts";
import { fourierSums } from "./nonuniform_fft.ts";

/** What a periodogram reads of a light curve. */
export type Observed = Pick<LightCurve, "mjd" | "magnitude" | "error">;

/**
 * Which frequencies are tried: for each light curve in steps of 1 / (oversampling x days from first to last), but no more than
 * {@link mostFrequencies}.
 */
export interface FrequencyGrid {
  /** 1/day. Default: 0.001 (a period of 1000 days). */
  minimumFrequency?: number;
  /** 1/day. Default: 10 (a period of 0.1 days). */
  maximumFrequency?: number;
  /** Frequencies within the width of a peak, which is one over the light curve's duration. Default: 5. */
  oversampling?: number;
  /** Where maxima are refined, or a whole periodogram is computed. Default: the CPU. */
  device?: Device;
  /**
   * How the whole grid's maxima are found: by fast Fourier transforms on the CPU, or by matrix products in float64 on the
   * device. Default: by products on a GPU, which does them a thousand times as fast as a processor.
   */
  maximaBy?: "transforms" | "products";
}

/** The highest peak of a periodogram. */
export interface Peak {
  /** Days; NaN where a light curve does not vary, or was observed at fewer than {@link fewestInstants} instants. */
  period: number;
  /** 0 (the sinusoid explains nothing) to 1 (all of the variance). */
  power: number;
}

/** A whole periodogram. */
export interface Periodogram {
  /** 1/day, ascending. */
  frequencies: Float64Array;
  /** 0 … 1, see {@link Peak}. */
  power: Float64Array;
}

/** A sinusoid with a floating mean has three numbers and goes through any three points, whatever its period. */
export const fewestInstants = 4;

/**
 * Frequencies of a light curve's grid, at most: enough for 87,000 days at up to 16 cycles a day. What lies further apart, such
 * as times of which one is damaged, gets coarser steps.
 */
const mostFrequencies = 1 << 22;

/** Frequencies about a middle, on the grid and when a maximum is refined. */
const gridSteps = 256, zoomSteps = 32;
/** Middles of the grid whose sums are in memory at once. */
const middlesAtOnce = 1 << 10;
/** Numbers of cosines and sines that are in memory at once where the grid is searched by products. */
const cosinesAtOnce = 1 << 26;
/** Observations whose cosines are in memory at once, of each light curve. */
const observationsAtOnce = 1 << 13;
/** Light curves whose maxima are refined together. */
const lightCurvesAtOnce = 32;
/** Grid maxima that are refined at least. */
const candidates = 5;
/** Smallest determinant D (eq. 6; 1/4 where phases are spread evenly) that is divided by. */
const smallestDeterminant = 1e-3;

/**
 * The best period of each light curve: the highest of the grid's maxima, refined to 1/256 of the grid's step.
 * Observations that cover less than about a fifth of a cycle do not determine a sinusoid: such frequencies get too
 * little power, by design. An error of 0, which stands for an unknown one, counts as the smallest that is known.
 * @param onBatch is told how many are done, when signals have been let in
 * @throws {RangeError} when the grid is empty
 */
export async function lombScargle(
  lightCurves: readonly Observed[],
  grid: FrequencyGrid & { onBatch?: (done: number) => void } = {},
): Promise<Peak[]> {
  const found = await lombScarglePeaks(lightCurves, 1, grid);
  return found.map(([peak]) => peak ?? { period: NaN, power: 0 });
}

/**
 * The highest peaks of each light curve: local maxima of the grid, refined to 1/256 of its step, by power. None where a light
 * curve has no duration or does not vary.
 * @param count how many at most
 * @param onBatch is told how many are done, when signals have been let in
 * @throws {RangeError} when the grid is empty
 */
export async function lombScarglePeaks(
  lightCurves: readonly Observed[],
  count: number,
  { onBatch, ...grid }: FrequencyGrid & { onBatch?: (done: number) => void } = {},
): Promise<Peak[][]> {
  const peaks: Peak[][] = lightCurves.map(() => []);
  // Of a similar length, so that little padding is computed.
  const order = [...lightCurves.keys()].sort((i, j) => lightCurves[i].mjd.length - lightCurves[j].mjd.length);
  for (let from = 0; from < order.length; from += lightCurvesAtOnce) {
    const some = order.slice(from, from + lightCurvesAtOnce);
    const batch = some.map((place) => ({ place, curve: prepare(lightCurves[place], grid) }))
      .filter(({ curve }) => curve.count > 0);
    const found = refinedPeaks(
      batch.map(({ curve }) => curve),
      { maxima: Math.max(candidates, count), keep: count },
      grid,
    );
    for (const [k, { place }] of batch.entries()) {
      // Where there are fewer maxima than that, the last of them is repeated.
      peaks[place] = found[k].filter(({ period }, i) =>
        !found[k].slice(0, i).some((p) => p.period === period)
      );
    }
    await letSignalsIn();
    onBatch?.(from + some.length);
  }
  return peaks;
}

/**
 * The periodogram of one light curve on its whole grid, in float64.
 * @throws {RangeError} when the grid is empty
 */
export function periodogram(lightCurve: Observed, grid: FrequencyGrid = {}): Periodogram {
  const prepared = prepare(lightCurve, grid), { from, step, count } = prepared;
  const power = new Float64Array(count);
  using observations = new Observations([prepared], grid.device);
  for (let start = 0; start < count; start += middlesAtOnce * gridSteps) {
    const length = Math.min(middlesAtOnce, Math.ceil((count - start) / gridSteps));
    const middles = Array.from(
      { length },
      (_, a) => from + (start + (a + 0.5) * gridSteps - 0.5) * step,
    );
    const [part] = observations.power([middles], [step], gridSteps);
    power.set(part.subarray(0, count - start), start);
  }
  return { frequencies: Float64Array.from({ length: count }, (_, k) => from + k * step), power };
}

/** A light curve as the sums want it, and its grid. */
interface Prepared {
  /** Days from the first observation. */
  times: Float64Array;
  /** w, in sum 1. */
  weights: Float64Array;
  /** y, of weighted mean 0 and weighted variance YY = 1 (all 0 where the light curve does not vary). */
  values: Float64Array;
  /** Lowest and highest frequency, and the grid's step, 1/day. */
  from: number;
  to: number;
  step: number;
  /** Frequencies of the grid; 0 where there is nothing to look for. */
  count: number;
}

function prepare(
  { mjd, magnitude, error = [] }: Observed,
  { minimumFrequency = 0.001, maximumFrequency = 10, oversampling = 5 }: FrequencyGrid,
): Prepared {
  if (!(minimumFrequency > 0 && minimumFrequency < maximumFrequency && oversampling > 0)) {
    throw new RangeError(
      `a grid needs 0 < minimumFrequency < maximumFrequency and oversampling > 0, not ${minimumFrequency}, ` +
        `${maximumFrequency} and ${oversampling}`,
    );
  }
  const n = mjd.length;
  let first = Infinity, last = -Infinity, smallest = Infinity;
  for (let i = 0; i < n; i++) {
    first = Math.min(first, mjd[i]);
    last = Math.max(last, mjd[i]);
    if (error[i] > 0) smallest = Math.min(smallest, error[i]);
  }
  const weights = new Float64Array(n).fill(1);
  if (smallest < Infinity) {
    for (let i = 0; i < n; i++) weights[i] = Math.max(error[i], smallest) ** -2;
  }
  const total = weights.reduce((sum, w) => sum + w, 0);
  let mean = 0, variance = 0;
  for (let i = 0; i < n; i++) mean += (weights[i] /= total) * magnitude[i];
  for (let i = 0; i < n; i++) variance += weights[i] * (magnitude[i] - mean) ** 2;
  const duration = last - first, varies = variance > 1e-20 && new Set(Array.from(mjd)).size >= fewestInstants;
  const scale = varies ? 1 / Math.sqrt(variance) : 0,
    step = Math.max(
      1 / (oversampling * duration),
      (maximumFrequency - minimumFrequency) / mostFrequencies,
    );
  return {
    times: Float64Array.from(mjd, (t) => t - first),
    weights,
    values: Float64Array.from(magnitude, (m) => (m - mean) * scale),
    from: minimumFrequency,
    to: maximumFrequency,
    step,
    count: varies ? Math.floor((maximumFrequency - minimumFrequency) / step) + 1 : 0,
  };
}

/** Power on a light curve's whole grid, to some 1e-5. */
function gridPower({ times, weights, values, from, step, count }: Prepared): Float64Array {
  const [once, weighted, twice] = fourierSums(
    [
      { times, coefficients: [weights, weights.map((w, i) => w * values[i])] },
      { times: times.map((t) => 2 * t), coefficients: [weights] },
    ],
    { from, step, count },
  );
  const power = new Float64Array(count);
  for (let k = 0, re = 0, im = 1; k < count; k++, re += 2, im += 2) {
    power[k] = powerOf(once[re], once[im], weighted[re], weighted[im], twice[re], twice[im]);
  }
  return power;
}

/** Eqs. 5, 6 and 13 to 15 of the sums of w and w y times cosine and sine, with Y = 0 and YY = 1; C2, S2 at 2 f. */
function powerOf(C: number, S: number, YC: number, YS: number, C2: number, S2: number): number {
  const CC = (1 + C2) / 2 - C * C, SS = (1 - C2) / 2 - S * S, CS = S2 / 2 - C * S;
  const D = Math.max(CC * SS - CS * CS, smallestDeterminant);
  return (SS * YC * YC + CC * YS * YS - 2 * CS * YC * YS) / D;
}

/**
 * The best of the grid's highest maxima of each light curve, by power: measured on one finer grid about each maximum, and the
 * best `keep` of them on a second one.
 */
function refinedPeaks(
  batch: readonly Prepared[],
  { maxima, keep }: { maxima: number; keep: number },
  { device = "cpu", maximaBy = device === "cpu" ? "transforms" : "products" }: FrequencyGrid,
): Peak[][] {
  if (batch.length === 0) return [];
  using observations = new Observations(batch, device);
  const places = maximaBy === "products"
    ? observations.highestMaxima(maxima)
    : batch.map((curve) => highestMaxima(gridPower(curve), maxima));
  let middles = batch.map(({ from, step }, i) => places[i].map((k) => from + k * step));
  let peaks: Peak[][] = [];
  for (const finer of [16, 256]) {
    const steps = batch.map(({ step }) => step / finer);
    peaks = observations.power(middles, steps, zoomSteps).map((power, i) => {
      const { from, to } = batch[i];
      return middles[i].map((middle, m) => {
        let best: Peak = { period: NaN, power: -1 };
        for (let k = 0; k < zoomSteps; k++) {
          const value = power[m * zoomSteps + k];
          const frequency = middle + (k + 0.5 - zoomSteps / 2) * steps[i];
          if (value > best.power && frequency >= from && frequency <= to) {
            best = { period: 1 / frequency, power: value };
          }
        }
        return best;
      }).sort((a, b) => b.power - a.power).slice(0, keep);
    });
    middles = peaks.map((found) => found.map(({ period }) => 1 / period));
  }
  return peaks;
}

/** Places of the highest local maxima, always as many as asked for (the last is repeated). */
function highestMaxima(power: Float64Array, candidates: number): number[] {
  const highest: number[] = [];
  let lowest = -Infinity; // of as many as are wanted
  for (let k = 0; k < power.length; k++) {
    if (power[k] <= lowest) continue; // first, for it is so of nearly all
    if (k > 0 && power[k] < power[k - 1] || k + 1 < power.length && power[k] <= power[k + 1]) continue;
    const at = highest.findIndex((other) => power[k] > power[other]);
    highest.splice(at < 0 ? highest.length : at, 0, k);
    if (highest.length > candidates) highest.pop();
    if (highest.length === candidates) lowest = power[highest[candidates - 1]];
  }
  return Array.from({ length: candidates }, (_, i) => highest[Math.min(i, highest.length - 1)]);
}

/** Light curves side by side in float64, padded with observations of weight 0. */
class Observations implements Disposable {
  readonly #times: Tensor; // (L, 1, 1, n) days
  readonly #weights: Tensor; // (L, 1, n) w
  readonly #weighted: Tensor; // (L, 1, n) w y
  readonly #quarters: Tensor; // (2, 1) 0 and -pi / 2: the cosine of an angle less a quarter is its sine

  constructor(readonly batch: readonly Prepared[], readonly device: Device = "cpu") {
    const size = batch.length, n = Math.max(...batch.map(({ times }) => times.length));
    const padded = (values: (curve: Prepared, i: number) => number) => {
      const array = new Float64Array(size * n);
      for (const [l, curve] of batch.entries()) {
        for (let i = 0; i < curve.times.length; i++) array[l * n + i] = values(curve, i);
      }
      return array;
    };
    const tensor = (values: Float64Array<ArrayBuffer>, shape: number[]) =>
      unscoped(() => Tensor.from(values, shape, { device }));
    this.#times = tensor(padded(({ times }, i) => times[i]), [size, 1, 1, n]);
    this.#weights = tensor(padded(({ weights }, i) => weights[i]), [size, 1, n]);
    this.#weighted = tensor(padded(({ weights, values }, i) => weights[i] * values[i]), [size, 1, n]);
    this.#quarters = tensor(Float64Array.of(0, -Math.PI / 2), [2, 1]);
  }

  /**
   * Power about some frequencies.
   * @param middles for each light curve A frequencies a, 1/day
   * @param steps for each light curve the distance of neighbours, 1/day
   * @param count how many about each middle: half of them below, half above
   * @returns for each light curve (A, count)
   */
  power(middles: readonly number[][], steps: readonly number[], count: number): Float64Array[] {
    const A = middles[0].length, B = count / 2;
    const sums = noGrad(() =>
      scope(() => this.#sums(middles, steps, B).map((sum) => sum.toArray() as Float64Array))
    );
    const [once, weighted, twice] = sums;
    return this.batch.map((_, l) => {
      const power = new Float64Array(A * count);
      for (let a = 0; a < A; a++) {
        for (let b = 0; b < B; b++) {
          // The sums of cos a cos b, cos a sin b, sin a cos b, sin a sin b.
          const cc = (l * 2 * A + 2 * a) * 2 * B + 2 * b, cs = cc + 1, sc = cc + 2 * B, ss = sc + 1;
          for (let sign = -1; sign <= 1; sign += 2) {
            const C = once[cc] - sign * once[ss], S = once[sc] + sign * once[cs];
            const YC = weighted[cc] - sign * weighted[ss], YS = weighted[sc] + sign * weighted[cs];
            const C2 = twice[cc] - sign * twice[ss], S2 = twice[sc] + sign * twice[cs];
            power[a * count + (sign < 0 ? B - 1 - b : B + b)] = powerOf(C, S, YC, YS, C2, S2);
          }
        }
      }
      return power;
    });
  }

  /**
   * The sums of w, of w y, and of w at twice the frequencies, times cos a cos b, cos a sin b, sin a cos b, sin a sin b.
   * @param half steps on either side of a middle
   * @returns three times (L, 2A, 2B)
   */
  #sums(middles: readonly number[][], steps: readonly number[], half: number): Tensor[] {
    const fine = steps.map((step) => Array.from({ length: half }, (_, k) => (k + 0.5) * step));
    const n = this.#times.shape[3];
    let sums: Tensor[] = [];
    for (let start = 0; start < n; start += observationsAtOnce) {
      const of = (t: Tensor) => narrow(t, t.shape.length - 1, start, Math.min(observationsAtOnce, n - start));
      const parts = scope(() => {
        const times = of(this.#times), weights = of(this.#weights);
        const a = this.#cycles(middles, times), b = this.#cycles(fine, times);
        const products = (weights: Tensor, harmonic: number) => {
          const left = mul(weights, this.#cosSin(a, harmonic)), right = this.#cosSin(b, harmonic);
          return matmul(left, transpose(right, 1, 2));
        };
        return [products(weights, 1), products(of(this.#weighted), 1), products(weights, 2)];
      });
      sums = start > 0 ? sums.map((sum, k) => add(sum, parts[k])) : parts;
    }
    return sums;
  }

  /**
   * The whole grid's highest local maxima, found on the device; only their places are read back.
   * @param wanted of each light curve
   * @returns for each light curve places in its grid, the highest first; the last is repeated where there are fewer
   */
  highestMaxima(wanted: number): number[][] {
    const counts = this.batch.map(({ count }) => count), longest = Math.max(...counts);
    return noGrad(() =>
      scope(() => {
        const parts: Tensor[] = [];
        const each = 2 * counts.length * Math.min(this.#times.shape[3], observationsAtOnce);
        const most = Math.max(1, Math.min(middlesAtOnce, Math.floor(cosinesAtOnce / each)));
        for (let start = 0; start < longest; start += most * gridSteps) {
          const length = Math.min(most, Math.ceil((longest - start) / gridSteps));
          parts.push(scope(() => this.#gridPower(start, length)));
        }
        const power = cat(parts, 1), [size, width] = power.shape; // (L, K), below 0 beyond a light curve's grid
        const none = Tensor.from(new Float64Array(size).fill(-1), [size, 1], { device: this.device });
        const before = cat([none, narrow(power, 1, 0, width - 1)], 1);
        const after = cat([narrow(power, 1, 1, width - 1), none], 1);
        const [values, found] = topk(
          where(gt(before, power), none, where(gt(power, after), power, none)),
          Math.min(wanted, width),
        );
        const heights = values.toArray() as Float64Array, places = found.toArray() as BigInt64Array;
        return counts.map((_, l) => {
          const at = l * values.shape[1];
          let there = 1;
          while (there < values.shape[1] && heights[at + there] >= 0) there++;
          return Array.from({ length: wanted }, (_, i) => Number(places[at + Math.min(i, there - 1)]));
        });
      })
    );
  }

  /** Power at the grid's frequencies from a place on, of so many middles; -1 beyond its end: (L, middles x gridSteps). */
  #gridPower(start: number, length: number): Tensor {
    const { batch, device } = this, size = batch.length, half = gridSteps / 2;
    const middleOf = ({ from, step }: Prepared, a: number) =>
      from + (start + (a + 0.5) * gridSteps - 0.5) * step;
    const middles = batch.map((curve) => Array.from({ length }, (_, a) => middleOf(curve, a)));
    const sums = this.#sums(middles, batch.map(({ step }) => step), half);
    const scalar = (value: number) => Tensor.scalar(value, { dtype: "float64", device });
    const one = scalar(1), two = scalar(2), smallest = scalar(smallestDeterminant);
    const square = (x: Tensor) => mul(x, x), halved = (x: Tensor) => div(x, two);
    // (L, A) middles, cosine and sine, (B) steps, cosine and sine: one of the four, (L, A, B).
    const [once, weighted, twice] = sums.map((sum) => {
      const by = view(sum, [size, length, 2, half, 2]);
      return (a: 0 | 1, b: 0 | 1) => reshape(narrow(narrow(by, 2, a, 1), 4, b, 1), [size, length, half]);
    });
    const side = (sign: -1 | 1) => {
      const cosine = (of: typeof once) => add(of(0, 0), of(1, 1), -sign);
      const sine = (of: typeof once) => add(of(1, 0), of(0, 1), sign);
      const [C, S, YC, YS, C2, S2] = [once, weighted, twice].flatMap((of) => [cosine(of), sine(of)]);
      // As powerOf.
      const CC = sub(halved(add(one, C2)), square(C)), SS = sub(halved(sub(one, C2)), square(S));
      const CS = sub(halved(S2), mul(C, S));
      const D = maximum(sub(mul(CC, SS), square(CS)), smallest);
      const both = add(mul(SS, square(YC)), mul(CC, square(YS)));
      const power = div(sub(both, mul(CS, mul(YC, YS)), 2), D);
      return sign < 0 ? flip(power, [2]) : power;
    };
    const power = reshape(cat([side(-1), side(1)], 2), [size, length * gridSteps]);
    const ends = Tensor.from(Float64Array.from(batch, ({ count }) => count), [size, 1], { device });
    const places = Tensor.from(
      Float64Array.from({ length: length * gridSteps }, (_, k) => start + k),
      [1, length * gridSteps],
      { device },
    );
    return where(gt(ends, places), power, scalar(-1));
  }

  /** f t modulo 1 of K frequencies of each light curve: (L, K, 1, n). */
  #cycles(frequencies: readonly number[][], times: Tensor): Tensor {
    const shape = [frequencies.length, frequencies[0].length, 1, 1];
    const f = Tensor.from(Float64Array.from(frequencies.flat()), shape, { device: this.device });
    return frac(mul(f, times));
  }

  /** Cosines and sines in turn: (L, 2K, n). */
  #cosSin(cycles: Tensor, harmonic: number): Tensor {
    const [size, count, , n] = cycles.shape;
    return view(cos(add(this.#quarters, cycles, 2 * Math.PI * harmonic)), [size, 2 * count, n]);
  }

  [Symbol.dispose](): void {
    for (const tensor of [this.#times, this.#weights, this.#weighted, this.#quarters]) tensor.dispose();
  }
}
