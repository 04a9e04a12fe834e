/**
 * Gaussian process regression with a Matern-3/2 covariance and white noise: of a grid of length scales and noises the
 * pair of the highest marginal likelihood.
 *
 * In one dimension, time, such a process is the first component of a state that obeys a linear stochastic differential
 * equation (Hartikainen and Särkkä 2010, MLSP, sec. 3.1). A Kalman filter then gives the likelihood and a smoother the
 * posterior mean, the same numbers as with the (n, n) matrix of covariances, in n steps.
 */

/** Length scales, as shares of the time from the first point to the last: 1, 1/2, … 2^-15. */
const lengthScales = Array.from({ length: 16 }, (_, k) => 2 ** -k);
/** Noise variances, as shares of the process's variance: 0.001, 0.003, … 10. */
const noises = Array.from({ length: 9 }, (_, k) => 10 ** (k / 2 - 3));

/** A process whose covariance is a (1 + d) exp(-d), d = sqrt(3) |t - t'| / lengthScale, and a noise of variance a noise. */
export interface Process {
  /** Days. */
  lengthScale: number;
  /** Variance of the noise as a share of the process's variance a, which is the likeliest one. */
  noise: number;
}

/**
 * The posterior mean of the likeliest process.
 * @param times (n,) days, ascending
 * @param magnitudes (n,) of mean 0; NaN where not observed
 * @returns (n,) the process without its noise, at every time; 0 where nothing is observed
 */
export function gaussianProcess(times: Float64Array, magnitudes: Float64Array): Float64Array {
  const duration = times[times.length - 1] - times[0] || 1, filter = new Filter(times, magnitudes);
  let best: Process = { lengthScale: duration, noise: 1 }, highest = -Infinity;
  for (const share of lengthScales) {
    for (const noise of noises) {
      const process = { lengthScale: share * duration, noise }, likelihood = filter.run(process);
      if (likelihood > highest) [best, highest] = [process, likelihood];
    }
  }
  filter.run(best);
  return filter.smoothed();
}

/**
 * The Kalman filter and smoother of a process of variance 1 at given times. The state is (f, u), the process and its
 * derivative in units of sqrt(3) / lengthScale, both of prior variance 1. From one time to the next it is multiplied by
 * A = exp(-d) [1 + d, d; -d, 1 - d], and its covariance P becomes I + A (P - I) A^T.
 */
export class Filter {
  // After each time's observation: the state's mean, P - I, the step d that led there, and what the smoother reads.
  readonly #f: Float64Array;
  readonly #u: Float64Array;
  readonly #ff: Float64Array;
  readonly #fu: Float64Array;
  readonly #d: Float64Array;
  readonly #gainF: Float64Array;
  readonly #gainU: Float64Array;
  readonly #surprise: Float64Array;

  /** @param magnitudes NaN where not observed */
  constructor(readonly times: Float64Array, readonly magnitudes: Float64Array) {
    const column = () => new Float64Array(times.length);
    this.#f = column();
    this.#u = column();
    this.#ff = column();
    this.#fu = column();
    this.#d = column();
    this.#gainF = column();
    this.#gainU = column();
    this.#surprise = column();
  }

  /** The logarithm of the marginal likelihood at the likeliest variance, but for a constant; NaN without observations. */
  run({ lengthScale, noise }: Process): number {
    let f = 0, u = 0, ff = 0, fu = 0, uu = 0;
    let observed = 0, squares = 0, logarithms = 0;
    for (let i = 0; i < this.times.length; i++) {
      const d = i === 0 ? 0 : Math.sqrt(3) * (this.times[i] - this.times[i - 1]) / lengthScale;
      const e = Math.exp(-d), a = e * (1 + d), b = e * d, c = e * (1 - d); // A = [a, b; -b, c]
      [f, u] = [a * f + b * u, c * u - b * f];
      [ff, fu, uu] = [
        a * a * ff + 2 * a * b * fu + b * b * uu,
        (a * c - b * b) * fu + b * c * uu - a * b * ff,
        c * c * uu - 2 * b * c * fu + b * b * ff,
      ];
      let gainF = 0, gainU = 0, surprise = 0;
      if (!Number.isNaN(this.magnitudes[i])) {
        const variance = 1 + ff + noise, difference = this.magnitudes[i] - f;
        gainF = (1 + ff) / variance;
        gainU = fu / variance;
        surprise = difference / variance;
        f += gainF * difference;
        u += gainU * difference;
        [ff, fu, uu] = [
          ff - gainF * gainF * variance,
          fu - gainF * gainU * variance,
          uu - gainU * gainU * variance,
        ];
        observed++;
        squares += difference * surprise;
        logarithms += Math.log(variance);
      }
      this.#f[i] = f;
      this.#u[i] = u;
      this.#ff[i] = ff;
      this.#fu[i] = fu;
      this.#d[i] = d;
      this.#gainF[i] = gainF;
      this.#gainU[i] = gainU;
      this.#surprise[i] = surprise;
    }
    return -(observed * Math.log(squares / observed) + logarithms) / 2; // the likeliest variance is squares / observed
  }

  /** The mean of f at each time given all observations, of the last run (the smoother of Bryson and Frazier 1963). */
  smoothed(): Float64Array {
    const mean = new Float64Array(this.times.length);
    let f = 0, u = 0; // what later observations add is P times this
    for (let i = mean.length - 1; i >= 0; i--) {
      mean[i] = this.#f[i] + (1 + this.#ff[i]) * f + this.#fu[i] * u;
      f += this.#surprise[i] - this.#gainF[i] * f - this.#gainU[i] * u;
      const d = this.#d[i], e = Math.exp(-d);
      [f, u] = [e * ((1 + d) * f - d * u), e * (d * f + (1 - d) * u)];
    }
    return mean;
  }
}
