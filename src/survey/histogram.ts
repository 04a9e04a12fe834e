/** Smallest, median and largest of a stream of positive numbers, in the memory of a histogram. */

/** Bins per factor e: the median is right to half of one per cent. */
const binsPerE = 100;
const smallest = 1e-9;

/** The span of a stream of numbers. */
export interface Span {
  min: number;
  median: number;
  max: number;
}

/** Adds up numbers >= 0; bins are even in the logarithm. */
export class LogHistogram {
  #bins = new Float64Array(60 * binsPerE);
  #zeros = 0;
  #count = 0;
  #min = Infinity;
  #max = -Infinity;

  add(value: number) {
    this.#count++;
    if (value < this.#min) this.#min = value;
    if (value > this.#max) this.#max = value;
    if (value < smallest) this.#zeros++;
    else this.#bins[Math.min(this.#bins.length - 1, Math.floor(Math.log(value / smallest) * binsPerE))]++;
  }

  /** The span, or null when nothing was added. */
  span(): Span | null {
    if (this.#count === 0) return null;
    let below = this.#zeros, bin = -1;
    while (below < this.#count / 2 && bin < this.#bins.length - 1) below += this.#bins[++bin];
    const median = bin < 0 ? 0 : smallest * Math.exp((bin + 0.5) / binsPerE);
    return { min: this.#min, median: Math.min(Math.max(median, this.#min), this.#max), max: this.#max };
  }
}
