/**
 * Fourier sums over times that are not evenly spaced, at very many evenly spaced frequencies: each term is spread over
 * a few points of a fine grid, the grid is transformed by FFT, and what the spreading did is divided out (Barnett,
 * Magland and af Klinteberg 2019, SIAM J. Sci. Comput. 41, C479: a transform of type 1).
 *
 * A survey's light curve wants some hundred thousand frequencies. They are taken in combs, every R-th one, so that all
 * transforms have one short length that fits a processor's cache, and one kernel serves all.
 */
import { noGrad } from "../../ffi/autograd.ts";
import { fftC2c, viewAsComplex, viewAsReal } from "../../ffi/ops.ts";
import { scope, Tensor } from "../../ffi/tensor.ts";

/** Points of a grid, and how many there are at least for each frequency of a comb. */
const gridSize = 1 << 14, oversampling = 1.5;
/** Frequencies of a comb at most: half of them below, half above its middle. */
const longestComb = 2 * Math.floor(gridSize / oversampling / 2);
/** Grid points that a term is spread over: the sums are then right to 2e-6 of the sum of all |c|. */
const support = 8;
/** The sharpness of the kernel, by their equation for a given oversampling. */
const beta = 0.976 * Math.PI * support * (1 - 1 / (2 * oversampling));

/** The kernel "exponential of semicircle" at a distance of z, in units of half its width. */
const kernel = (z: number) => Math.abs(z) < 1 ? Math.exp(beta * (Math.sqrt(1 - z * z) - 1)) : 0;

/** One over the kernel's Fourier transform at 0, 1, … longestComb / 2 cycles a grid, by the trapezoidal rule. */
let corrections: Float64Array | undefined;
function correctionsOf(): Float64Array {
  return corrections ??= Float64Array.from({ length: longestComb / 2 + 1 }, (_, m) => {
    const nodes = 128;
    let sum = 0.5 * kernel(0);
    for (let i = 1; i < nodes; i++) {
      sum += kernel(i / nodes) * Math.cos(Math.PI * m * support * i / (nodes * gridSize));
    }
    return nodes / (support * sum);
  });
}

/** Terms that share their times. */
export interface FourierTerms {
  /** t, any number of them. */
  times: Float64Array;
  /** Of each sum its terms c, one for each time. */
  coefficients: readonly Float64Array[];
}

/**
 * The sums over j of c_j exp(2 pi i f_k t_j) at the frequencies f_k = from + k step, on the CPU.
 * @param count frequencies, from 1
 * @returns for each of the coefficients, in their order, (count, 2): real and imaginary parts, to 2e-6 of the sum of |c|
 */
export function fourierSums(
  terms: readonly FourierTerms[],
  { from, step, count }: { from: number; step: number; count: number },
): Float32Array[] {
  const combs = Math.ceil(count / longestComb), middle = Math.ceil(count / combs) >> 1;
  const size = combs * gridSize * 2, sums = terms.flatMap(({ coefficients }) => coefficients).length;
  return noGrad(() =>
    scope(() => {
      const grids = Tensor.zeros([sums * combs, gridSize, 2]);
      let at = 0;
      for (const { times, coefficients } of terms) {
        spread(times, coefficients, (grids.memory() as Float32Array).subarray(at));
        at += coefficients.length * size;
      }
      const transformed = viewAsReal(fftC2c(viewAsComplex(grids), [1], 0, false)).memory() as Float32Array;
      return Array.from({ length: sums }, (_, sum) => gathered(transformed.subarray(sum * size)));
    })
  );

  /** The frequencies in their order, of the combs of one sum. */
  function gathered(transformed: Float32Array): Float32Array {
    const result = new Float32Array(2 * count), correction = correctionsOf();
    // Written in the order of memory: the combs are read side by side.
    for (let k = 0, m = -middle; k < count; m++) {
      const factor = correction[m < 0 ? -m : m], tooth = 2 * (m & gridSize - 1);
      for (let comb = 0; comb < combs && k < count; comb++, k++) {
        const place = 2 * comb * gridSize + tooth;
        result[2 * k] = factor * transformed[place];
        result[2 * k + 1] = factor * transformed[place + 1];
      }
    }
    return result;
  }

  /** Adds terms to their grids, (sums, combs, gridSize, 2). */
  function spread(times: Float64Array, coefficients: readonly Float64Array[], grids: Float32Array): void {
    const weights = new Float64Array(support);
    for (let j = 0; j < times.length; j++) {
      // What a comb's neighbouring frequencies differ by turns a term once around the grid.
      const turns = combs * step * times[j], place = (turns - Math.floor(turns)) * gridSize;
      const first = Math.ceil(place - support / 2);
      for (let i = 0; i < support; i++) weights[i] = kernel((first + i - place) / (support / 2));
      // The frequency in the middle of each comb: the first one's phase, then a step further.
      const cycles = (from + combs * middle * step) * times[j], angle = 2 * Math.PI * (cycles % 1);
      const turn = 2 * Math.PI * (step * times[j] % 1), turnCos = Math.cos(turn), turnSin = Math.sin(turn);
      let cos = Math.cos(angle), sin = Math.sin(angle);
      for (let comb = 0; comb < combs; comb++) {
        for (let sum = 0; sum < coefficients.length; sum++) {
          const real = coefficients[sum][j] * cos, imaginary = coefficients[sum][j] * sin;
          const grid = (sum * combs + comb) * gridSize;
          for (let i = 0; i < support; i++) {
            const at = 2 * (grid + (first + i & gridSize - 1));
            grids[at] += weights[i] * real;
            grids[at + 1] += weights[i] * imaginary;
          }
        }
        const next = cos * turnCos - sin * turnSin;
        sin = sin * turnCos + cos * turnSin;
        cos = next;
      }
    }
  }
}
