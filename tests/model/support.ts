/** What the tests of the model share: a tiny architecture and windows of random numbers. */
import { noGrad } from "../../ffi/autograd.ts";
import { setThreads, threads } from "../../ffi/device.ts";
import { scope, Tensor } from "../../ffi/tensor.ts";
import { type Architecture, architecture } from "../../src/model/architecture.ts";
import type { AstromerNetwork, EncoderInput, Watch } from "../../src/model/network.ts";
import { seeded } from "../../src/common/random.ts";
import { assertTrue } from "../../src/common/std.ts";
import { largestDifference } from "../shared.ts";

// Tensors this small gain nothing from a second thread, and on a busy machine threads wait seconds for each other.
let before = 0;
Deno.test.beforeAll(() => {
  before = threads();
  setThreads(1);
});
Deno.test.afterAll(() => setThreads(before));

/** Astromer 2 in every respect but its size. */
export function tiny(changes: Partial<Architecture> = {}): Architecture {
  return architecture("astromer2", { blocks: 2, heads: 2, head_size: 4, feed_forward_size: 12, ...changes });
}

/** Windows as plain arrays, (B, L), to be changed and compared. */
export interface PlainWindows {
  batch: number;
  length: number;
  magnitudes: Float32Array<ArrayBuffer>;
  times: Float32Array<ArrayBuffer>;
  /** 1 = hidden. */
  hidden: Uint8Array<ArrayBuffer>;
}

/** Random windows; each point is hidden with the probability given, never a window's first one. */
export function randomWindows(batch: number, length: number, hiddenFraction: number, seed = 1): PlainWindows {
  const random = seeded(seed, 0x3e57), count = batch * length;
  return {
    batch,
    length,
    magnitudes: Float32Array.from({ length: count }, () => random.normal()),
    times: Float32Array.from({ length: count }, () => 300 * random.normal()),
    hidden: Uint8Array.from(
      { length: count },
      (_, i) => i % length > 0 && random.next() < hiddenFraction ? 1 : 0,
    ),
  };
}

/** Plain windows as the encoder reads them. */
export function inputOf({ batch, length, magnitudes, times, hidden }: PlainWindows): EncoderInput {
  const shape = [batch, length, 1];
  return {
    magnitudes: Tensor.from(magnitudes, shape),
    times: Tensor.from(times, shape),
    hidden: Tensor.from(hidden, shape, { dtype: "bool" }),
  };
}

/** Reconstructed magnitudes, (B, L - queriesFrom), row by row. */
export function reconstructed(
  model: AstromerNetwork,
  input: () => EncoderInput,
  watch: Watch = {},
): Float32Array {
  return noGrad(() => scope(() => model.reconstruct(input(), watch).toArray() as Float32Array));
}

/** The embedding of every point and block, end to end. */
export function everyLayer(model: AstromerNetwork, input: () => EncoderInput): Float32Array[] {
  const layers: Float32Array[] = [];
  noGrad(() =>
    scope(() => {
      model.encode(input(), { onLayer: (layer) => layers.push(layer.toArray() as Float32Array) });
    })
  );
  return layers;
}

/**
 * Gives every parameter a value of its own, small and not zero. A new model's mask token and biases are zero, and with
 * those a test of what they do could not fail.
 */
export function scramble(model: AstromerNetwork, seed = 7, scale = 0.3): AstromerNetwork {
  const random = seeded(seed, 0x5c7a);
  const state = model.parameters.stateDict();
  for (const { data } of state.values()) {
    for (let i = 0; i < data.length; i++) data[i] += scale * random.normal();
  }
  model.parameters.loadStateDict(state);
  return model;
}

/** Asserts that arrays are equal bit for bit (and not a number nowhere). */
export function assertSame(actual: ArrayLike<number>, expected: ArrayLike<number>, what = ""): void {
  const difference = largestDifference(actual, expected);
  assertTrue(difference === 0, `${what} differs by ${difference}`);
}

/** Asserts that arrays differ somewhere, by more than rounding. */
export function assertDiffer(actual: ArrayLike<number>, expected: ArrayLike<number>, what = ""): void {
  const difference = largestDifference(actual, expected);
  assertTrue(difference > 1e-4 && difference < Infinity, `${what} differs by ${difference} only`);
}
