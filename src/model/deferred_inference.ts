/** A network's passes without gradients over many batches: on a GPU several are under way while others are filled and read. */
import { noGrad } from "../../ffi/autograd.ts";
import { to } from "../../ffi/ops.ts";
import { scope, type Tensor } from "../../ffi/tensor.ts";
import type { BatchLayout, ShownBatch } from "../data/batch.ts";
import { Deferred, type DeferredOptions, type Part, uploaded } from "./deferred.ts";
import type { AstromerNetwork, EncoderInput } from "./network.ts";

/** What a network makes of a batch. */
export interface Inference {
  /** Distinguishes it from whatever else is made of batches of the same shape. */
  name: string;
  /** What it reads of a batch beside magnitudes, times and what is hidden. */
  beside?: (batch: ShownBatch) => Record<string, Part>;
  /** All of it, on the device; nothing in it is read back. */
  run: (network: AstromerNetwork, input: EncoderInput, beside: Record<string, Tensor>) => Tensor;
}

/** The magnitudes (B, P, 1) of the points of a batch that the loss reads. */
export const reconstruction: Inference = {
  name: "reconstruction",
  run: (network, input) => network.reconstruct(input),
};

/** What is uploaded of a batch. */
export function partsOf({ windows, length, magnitudes, times, hidden }: ShownBatch) {
  const shape = [windows.length, length, 1];
  return {
    magnitudes: { shape, values: magnitudes },
    times: { shape, values: times },
    hidden: { shape, values: hidden },
  } satisfies Record<string, Part>;
}

/** What the encoder reads, from what was uploaded of a batch. */
export function inputOf(
  { keys, keysAreVisible, queriesFrom }: BatchLayout,
  { magnitudes, times, hidden }: Record<keyof ReturnType<typeof partsOf>, Tensor>,
): EncoderInput {
  return { magnitudes, times, hidden: to(hidden, "bool"), keys, keysAreVisible, queriesFrom };
}

/** What batches have in common of which the same is computed. */
export function shapeKey({ windows, length, keys, queriesFrom, keysAreVisible }: BatchLayout): string {
  return [windows.length, length, keys, queriesFrom, keysAreVisible].join();
}

/** How batches are given to a device. */
export interface InferenceOptions extends DeferredOptions {
  /** Batches that are given before the first of them is read. Default: 0 on the CPU, 8 on a GPU. */
  ahead?: number;
}

/** Gives batches to a network. */
export class DeferredInference implements Disposable {
  /** Batches that are best begun before the first of them is read. */
  readonly ahead: number;
  readonly #network: AstromerNetwork;
  readonly #inference: Inference;
  readonly #deferred: Deferred | undefined;

  constructor(network: AstromerNetwork, inference: Inference, options: InferenceOptions = {}) {
    const { device } = network, { ahead = device === "cpu" ? 0 : 8, ...how } = options;
    this.ahead = ahead;
    this.#network = network;
    this.#inference = inference;
    this.#deferred = ahead > 0 ? new Deferred(device, how) : undefined;
  }

  /** Kinds of batches whose work is launched as graphs. */
  get graphs(): number {
    return this.#deferred?.graphs ?? 0;
  }

  /**
   * Gives the device a batch.
   * @returns what waits for it and gives the numbers, row by row: to be called once, in the order in which batches were
   * begun. They are to be read before another is begun
   * @throws {TorchError} when the device's memory is not enough
   */
  begin(batch: ShownBatch): () => Float32Array<ArrayBuffer> {
    const { name, beside } = this.#inference, { device } = this.#network;
    const parts: Record<string, Part> = { ...partsOf(batch), ...beside?.(batch) };
    const work = (tensors: Record<string, Tensor>) =>
      noGrad(() => this.#inference.run(this.#network, inputOf(batch, tensors), tensors));
    if (this.#deferred) return this.#deferred.begin(`${name},${shapeKey(batch)}`, parts, work);
    const found = scope(() => work(uploaded(parts, device)).toArray() as Float32Array<ArrayBuffer>);
    return () => found;
  }

  /** Waits for the device, and frees what batches were given in. */
  [Symbol.dispose](): void {
    this.#deferred?.[Symbol.dispose]();
  }
}
