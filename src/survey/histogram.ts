/** Smallest, median and largest of a stream of numbers, in the memory of a histogram. */

/** The span of a stream of numbers. */
export interface Span {
  min: number;
  median: number;
  max: number;
}

/** Bins are the leading bits of a float32: sign, exponent, and this many of the fraction, 1 part in 4096. */
const fractionBits = 12, shift = 23 - fractionBits;

/** Counts numbers, as float32. */
export class Histogram {
  readonly #bins = new Float64Array(2 ** (9 + fractionBits));
  #count = 0;
  #min = Infinity;
  #max = -Infinity;

  /** Adds numbers, from the position `start` on. */
  add(values: Float32Array): void {
    const bits = new Int32Array(values.buffer, values.byteOffset, values.length);
    for (let i = 0; i < values.length; i++) {
      const value = values[i];
      if (value < this.#min) this.#min = value;
      if (value > this.#max) this.#max = value;
      this.#bins[bits[i] >>> shift]++;
    }
    this.#count += values.length;
  }

  /** The span, or null when nothing was added; the median is right to 1 part in 4096. */
  span(): Span | null {
    if (this.#count === 0) return null;
    const half = this.#bins.length / 2;
    // Of negative numbers those with the larger bits are the smaller ones.
    let below = 0, rank = -1;
    const binOf = (rank: number) => rank < half ? 2 * half - 1 - rank : rank - half;
    while (below < this.#count / 2) below += this.#bins[binOf(++rank)];
    const bin = binOf(rank), ends = new Int32Array([bin << shift, (bin << shift) + (1 << shift)]);
    const [start, end] = new Float32Array(ends.buffer);
    const median = start === 0 ? 0 : (start + end) / 2;
    return { min: this.#min, median: Math.min(Math.max(median, this.#min), this.#max), max: this.#max };
  }
}
