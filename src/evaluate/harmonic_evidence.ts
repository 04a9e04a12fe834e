/**
 * How well a light curve repeats with a period: a Fourier series whose coefficients have a Gaussian prior, so that few
 * observations are not overfitted, and the evidence for the series against noise of the same variance (Bayesian linear
 * regression: Bishop 2006, Pattern Recognition and Machine Learning, section 3.5).
 */
import { solvePositive } from "./cholesky.ts";

/** A Fourier series of K harmonics. */
export interface Series {
  /** A_k of harmonic 1, 2, …, in units of the light curve's standard deviation. */
  amplitudes: Float64Array;
  /** phi_k of A_k cos(2 pi k t / period + phi_k), radians, at time 0. */
  phases: Float64Array;
  /** Share of the variance that is left over. */
  residual: number;
  /** Natural logarithm of the odds against noise alone; below 0 noise is the better explanation. */
  evidence: number;
}

/** Harmonics of twice the period; the even ones are the harmonics of the period itself. */
const harmonics = 8;
/** Prior variance of a coefficient of the k-th harmonic of the period, where the light curve's variance is 1. */
const priorVariance = (k: number) => 0.5 / Math.max(1, k) ** 2;
/** Noise variance to begin with, and at least. It is then what the fit leaves over, twice. */
const firstNoise = 0.3, leastNoise = 1e-3, passes = 3;

/**
 * Fits a series of 4 harmonics at a period, and one of 8 at twice the period, which a binary star with two similar eclipses
 * needs.
 * @param times days
 * @param values of weighted mean 0 and weighted variance 1
 * @param weights of the same length, in sum 1
 * @param period days
 */
export function harmonicEvidence(
  times: Float64Array,
  values: Float64Array,
  weights: Float64Array,
  period: number,
): { once: Series; twice: Series } {
  const size = 2 * harmonics + 1, basis = new Float64Array(size).fill(1);
  // The sums of weight * basis * basis (the lower triangle), and of weight * basis * value.
  const matrix = Array.from({ length: size }, () => new Float64Array(size)), target = new Float64Array(size);
  for (const [i, time] of times.entries()) {
    const angle = Math.PI * (time / period % 2), c = Math.cos(angle), s = Math.sin(angle);
    for (let k = 1, cosine = c, sine = s; k <= harmonics; k++) {
      basis[2 * k - 1] = cosine;
      basis[2 * k] = sine;
      [cosine, sine] = [cosine * c - sine * s, sine * c + cosine * s];
    }
    for (let row = 0; row < size; row++) {
      const weighted = weights[i] * basis[row], into = matrix[row];
      target[row] += weighted * values[i];
      for (let column = 0; column <= row; column++) into[column] += weighted * basis[column];
    }
  }
  const columns = Array.from({ length: size }, (_, i) => i);
  const ofPeriod = columns.filter((i) => Math.ceil(i / 2) % 2 === 0);
  return {
    once: fit(matrix, target, ofPeriod, times.length),
    twice: fit(matrix, target, columns, times.length),
  };
}

/** The most probable series of some columns of the basis: 0 is the constant, then cosines and sines in turn. */
function fit(
  matrix: readonly Float64Array[],
  target: Float64Array,
  columns: readonly number[],
  n: number,
): Series {
  const size = columns.length;
  // The constant is all but free; harmonics are counted in those of the period.
  const prior = columns.map((column) => column === 0 ? 1 : priorVariance(Math.ceil(column / 2) / 2));
  const system = Array.from({ length: size }, () => new Float64Array(size));
  const right = columns.map((column) => target[column]);
  let noise = firstNoise, residual = 1, evidence = 0, x = new Float64Array(size);
  for (let pass = 0; pass < passes; pass++) {
    // (A + noise / (n prior)) x = b
    for (const [i, row] of system.entries()) {
      for (let j = 0; j <= i; j++) row[j] = matrix[columns[i]][columns[j]];
      row[i] += noise / (n * prior[i]);
    }
    const solved = solvePositive(system, right, 1e-12);
    x = solved.x;
    const logDeterminant = prior.reduce((sum, p) => sum + Math.log(n * p / noise), solved.logDeterminant);
    let explained = 0, penalty = 0;
    for (const [i, value] of x.entries()) {
      explained += value * target[columns[i]];
      penalty += value * value * noise / (n * prior[i]);
    }
    residual = Math.min(1, Math.max(leastNoise, 1 - explained - penalty));
    evidence = -n / 2 * (Math.log(noise) + (1 - explained) / noise - 1) - logDeterminant / 2;
    noise = residual;
  }
  const terms = Array.from({ length: (size - 1) / 2 }, (_, k) => [x[2 * k + 1], x[2 * k + 2]]);
  return {
    amplitudes: Float64Array.from(terms, ([cosine, sine]) => Math.hypot(cosine, sine)),
    phases: Float64Array.from(terms, ([cosine, sine]) => Math.atan2(-sine, cosine)),
    residual,
    evidence,
  };
}
