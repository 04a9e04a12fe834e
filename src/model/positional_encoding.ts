/**
 * Positional encoding of time: eq. 1 and 2 of the Astromer 2 paper, a variant spaced evenly in log period, and one that adds
 * the phase of the window's own period.
 */
import { noGrad } from "../../ffi/autograd.ts";
import type { Device } from "../../ffi/device.ts";
import { add, cat, cos, expand, frac, log, mul, reshape, sin, sqrt, stack, to } from "../../ffi/ops.ts";
import { scope, Tensor, unscoped } from "../../ffi/tensor.ts";
import { type Architecture, widthOf } from "./architecture.ts";
import { PeriodSearch, type SearchOptions, type SeenPoints } from "./period_search.ts";

/**
 * Angular frequencies, (d,), in radians a day.
 *
 * - `reference`: base^(-2j/d) for every dimension j, so neighbours do not share a frequency (the reference's code; the
 *   paper's base 1000 is not what its weights were trained with).
 * - `periods`: d/2 frequencies from the longest period to the shortest, evenly in their logarithm, each one twice.
 */
export function angularFrequencies(architecture: Architecture): Float32Array<ArrayBuffer> {
  const width = widthOf(architecture);
  const { encoding, encoding_base: base, shortest_period: shortest, longest_period: longest } = architecture;
  if (encoding === "reference") {
    return Float32Array.from({ length: width }, (_, j) => base ** (-2 * j / width));
  }
  return Float32Array.from(
    { length: width },
    (_, j) => 2 * Math.PI / logSpaced(longest, shortest, Math.floor(j / 2), width / 2),
  );
}

/** The i-th of some numbers evenly spaced in their logarithm. */
function logSpaced(first: number, last: number, i: number, count: number): number {
  return first * (last / first) ** (i / Math.max(1, count - 1));
}

/**
 * The encoding of an architecture.
 * @param architecture kind, width and periods
 * @param options device, angular frequencies (d,) in place of the architecture's, and how periods are searched: see
 * {@link PeriodSearch}
 * @throws {RangeError} when frequencies are given for the folded encoding, which finds its own, or its periods cannot be
 * searched
 */
export function positionalEncoding(
  architecture: Architecture,
  { frequencies, device = "cpu", ...how }: { frequencies?: Float32Array<ArrayBuffer> } & SearchOptions = {},
): PositionalEncoding | FoldedEncoding {
  if (architecture.encoding !== "folded") {
    return new PositionalEncoding(frequencies ?? angularFrequencies(architecture), device);
  }
  if (frequencies) throw new RangeError("the folded encoding takes no frequencies: it finds its own");
  return new FoldedEncoding(architecture, { device, ...how });
}

/** sin(ωj t) for even j, cos(ωj t) for odd j. */
export class PositionalEncoding implements Disposable {
  readonly #even: Tensor; // (d / 2,)
  readonly #odd: Tensor;

  /** @param frequencies (d,), radians a day */
  constructor(frequencies: Float32Array<ArrayBuffer>, device: Device = "cpu") {
    [this.#even, this.#odd] = unscoped(() =>
      [0, 1].map((parity) =>
        Tensor.from(frequencies.filter((_, j) => j % 2 === parity), undefined, { device })
      )
    );
  }

  /**
   * @param input times: (B, L, 1), days, zero-mean in each window
   * @returns (B, L, d) float32
   */
  forward({ times }: Pick<SeenPoints, "times">): Tensor {
    return pairs(sin(mul(times, this.#even)), cos(mul(times, this.#odd)));
  }

  [Symbol.dispose](): void {
    this.#even.dispose();
    this.#odd.dispose();
  }
}

/** Multiples of a phase, repeated over the pairs. */
const harmonics = 8;

/** Numbers of a folded encoding: see {@link FoldedEncoding}. */
export interface FoldedConstants {
  /** Radians a day. */
  time: number[];
  /** Multiples of the phase at twice the best period. */
  phaseTwice: number[];
  /** Radians. */
  place: number[];
  /** As phaseTwice, all even. */
  phaseOnce: number[];
  /** What is added to the logarithm of the frequency, and what the sum is multiplied by: 0 … 1 between the bounds. */
  shift: number;
  scale: number;
}

/** The numbers of an architecture's folded encoding. */
export function foldedConstants(architecture: Architecture): FoldedConstants {
  const { shortest_period: shortest, longest_period: longest } = architecture;
  const all = widthOf(architecture) / 2, half = Math.ceil(all / 2), quarter = Math.floor(all / 4);
  const ofPeriod = Math.floor(all / 16), twice = all - half - quarter - ofPeriod;
  const numbers = (length: number, value: (i: number) => number) =>
    Array.from({ length }, (_, i) => value(i));
  return {
    time: numbers(half, (i) => 2 * Math.PI / logSpaced(longest, shortest, i, half)),
    phaseTwice: numbers(twice, (i) => i % harmonics + 1),
    place: numbers(ofPeriod, (i) => Math.PI * 2 ** i),
    phaseOnce: numbers(quarter, (i) => 2 * (i % harmonics + 1)),
    shift: Math.log(longest),
    scale: 1 / Math.log(longest / shortest),
  };
}

/**
 * Times of a light curve that is folded on its own best period ({@link PeriodSearch}, of the visible points), beside the
 * times themselves. Of the d/2 pairs of sine and cosine
 *
 * - the first half have log-spaced periods, as in the `periods` encoding;
 * - the next 3/16 have the phase at twice the best period, in multiples 1 … 8 that go round, since a periodogram has
 *   its peak at half the period of eclipsing binaries;
 * - the next 1/16 tell the period: the place of its logarithm between the shortest and the longest, in 1/2, 1, 2, 4 …
 *   turns;
 * - the last quarter have the phase at the best period, in multiples 1 … 8 that go round.
 *
 * All but the first are scaled by the square root of the period's significance, so that a light curve without a
 * period is not folded. With the `interpolation` start and four heads the last one's attention is at first a kernel in phase.
 */
export class FoldedEncoding implements Disposable {
  readonly #search: PeriodSearch;
  readonly #time: Tensor; // radians a day
  readonly #phaseTwice: Tensor; // multiples of the phase at twice the best period
  readonly #place: Tensor; // radians
  readonly #phaseOnce: Tensor; // as above, all even
  readonly #scalars: Record<"shift" | "scale" | "twoPi" | "half", Tensor>;

  /**
   * @param architecture width, and the shortest and the longest period
   * @param options device, and how periods are searched
   */
  constructor(architecture: Architecture, options: SearchOptions = {}) {
    const { device = "cpu" } = options;
    const constants = foldedConstants(architecture);
    const tensor = (values: number[]) =>
      unscoped(() => Tensor.from(Float32Array.from(values), undefined, { device }));
    const scalar = (value: number) => unscoped(() => Tensor.scalar(value, { device }));
    this.#search = new PeriodSearch(architecture, options);
    this.#time = tensor(constants.time);
    this.#phaseTwice = tensor(constants.phaseTwice);
    this.#place = tensor(constants.place);
    this.#phaseOnce = tensor(constants.phaseOnce);
    this.#scalars = {
      shift: scalar(constants.shift),
      scale: scalar(constants.scale),
      twoPi: scalar(2 * Math.PI),
      half: scalar(0.5),
    };
  }

  /**
   * @param input a batch of windows
   * @returns (B, L, d) float32
   */
  forward(input: SeenPoints): Tensor {
    const { frequency, significance } = this.#search.find(input);
    return noGrad(() =>
      scope(() => {
        const { times } = input, [batch, length] = times.shape, { shift, scale, twoPi, half } = this.#scalars;
        const turns = to(frac(mul(mul(times, frequency), half)), "float32"); // (B, L, 1), of twice the period
        const phases = (multiples: Tensor) => mul(frac(mul(turns, multiples)), twoPi);
        const place = to(mul(add(log(frequency), shift), scale), "float32"); // (B, 1, 1), 0 … 1
        const places = expand(mul(place, this.#place), [batch, length, -1]);
        const angles = cat([phases(this.#phaseTwice), places, phases(this.#phaseOnce)], 2);
        const amplitude = sqrt(significance), time = mul(times, this.#time);
        return pairs(
          cat([sin(time), mul(amplitude, sin(angles))], 2),
          cat([cos(time), mul(amplitude, cos(angles))], 2),
        );
      })
    );
  }

  [Symbol.dispose](): void {
    const tensors = [this.#time, this.#phaseTwice, this.#place, this.#phaseOnce];
    for (const tensor of [...tensors, ...Object.values(this.#scalars)]) tensor.dispose();
    this.#search[Symbol.dispose]();
  }
}

/** Sines (B, L, d / 2) and cosines in turn: (B, L, d). */
function pairs(sines: Tensor, cosines: Tensor): Tensor {
  const [batch, length] = sines.shape;
  return reshape(stack([sines, cosines], 3), [batch, length, -1]);
}
