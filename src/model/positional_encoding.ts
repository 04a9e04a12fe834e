/** Positional encoding of time: eq. 1 and 2 of the Astromer 2 paper, and a variant spaced evenly in log period. */
import { cos, mul, reshape, sin, stack } from "../../ffi/ops.ts";
import type { Device } from "../../ffi/device.ts";
import { Tensor, unscoped } from "../../ffi/tensor.ts";
import { type Architecture, widthOf } from "./architecture.ts";

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
  const pairs = width / 2;
  return Float32Array.from({ length: width }, (_, j) => {
    const position = Math.floor(j / 2) / Math.max(1, pairs - 1);
    return 2 * Math.PI / (longest * (shortest / longest) ** position);
  });
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
   * @param times (B, L, 1), days, zero-mean in each window
   * @returns (B, L, d) float32
   */
  forward(times: Tensor): Tensor {
    const [batch, length] = times.shape;
    const pairs = stack([sin(mul(times, this.#even)), cos(mul(times, this.#odd))], 3); // (B, L, d / 2, 2)
    return reshape(pairs, [batch, length, -1]);
  }

  [Symbol.dispose](): void {
    this.#even.dispose();
    this.#odd.dispose();
  }
}
