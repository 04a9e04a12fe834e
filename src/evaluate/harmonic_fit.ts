/** The Fourier series that fits a light curve best at a given period. */
import { solvePositive } from "./cholesky.ts";

/** m(t) = constant + sum over k of A_k cos(2 pi k t / period + phi_k). */
export interface HarmonicFit {
  /** Days. */
  period: number;
  /** mag. */
  constant: number;
  /** A_k, mag; [0] is k = 1. */
  amplitudes: Float64Array;
  /** phi_k, radians, at time 0. */
  phases: Float64Array;
  /** Weighted variance that is left over, as a share of the weighted variance: 0 (a perfect fit) to 1. */
  residual: number;
}

/**
 * Ridge on coefficients, as a share of the weights' sum, beside which a cosine has 1/2: what phases without observations
 * leave open is held to 0, and amplitudes shrink by 0.2 %.
 */
const ridge = 1e-3;

/**
 * Weighted least squares of a Fourier series with a floating mean.
 * @param times days
 * @param magnitudes of the same length, as are the weights, in sum 1
 * @param harmonics K, the terms of the series
 */
export function harmonicFit(
  times: Float64Array,
  magnitudes: Float64Array,
  weights: Float64Array,
  period: number,
  harmonics: number,
): HarmonicFit {
  const size = 2 * harmonics + 2, basis = new Float64Array(size);
  // The sums of weight * basis * basis: of 1, cosines and sines in turn, and last the magnitudes.
  const sums = Array.from({ length: size }, () => new Float64Array(size));
  for (const [i, time] of times.entries()) {
    const angle = 2 * Math.PI * (time / period % 1), c = Math.cos(angle), s = Math.sin(angle);
    basis[0] = 1;
    for (let k = 1, cosine = c, sine = s; k <= harmonics; k++) {
      basis[2 * k - 1] = cosine;
      basis[2 * k] = sine;
      [cosine, sine] = [cosine * c - sine * s, sine * c + cosine * s];
    }
    basis[size - 1] = magnitudes[i];
    for (let row = 0; row < size; row++) {
      const weighted = weights[i] * basis[row], into = sums[row];
      for (let column = 0; column <= row; column++) into[column] += weighted * basis[column];
    }
  }
  const mean = sums[size - 1][0], variance = sums[size - 1][size - 1] - mean ** 2;
  const target = sums[size - 1].slice(0, size - 1);
  const matrix = sums.slice(0, size - 1);
  for (let k = 1; k < size - 1; k++) matrix[k][k] += ridge;
  const { x: solution } = solvePositive(matrix, target);
  let explained = -(mean ** 2), penalty = 0;
  for (const [k, value] of solution.entries()) {
    explained += value * target[k];
    if (k > 0) penalty += ridge * value ** 2;
  }
  const amplitudes = new Float64Array(harmonics), phases = new Float64Array(harmonics);
  for (let k = 0; k < harmonics; k++) {
    const cosine = solution[2 * k + 1], sine = solution[2 * k + 2];
    amplitudes[k] = Math.hypot(cosine, sine);
    phases[k] = Math.atan2(-sine, cosine);
  }
  const left = (variance - explained - penalty) / variance;
  return { period, constant: solution[0], amplitudes, phases, residual: Math.min(1, Math.max(0, left)) };
}

/** The series' magnitude at a time in days. */
export function harmonicMagnitude(
  { period, constant, amplitudes, phases }: HarmonicFit,
  time: number,
): number {
  const angle = 2 * Math.PI * (time / period % 1);
  return amplitudes.reduce((sum, A, k) => sum + A * Math.cos((k + 1) * angle + phases[k]), constant);
}
