/** A network's passes without gradients over many batches: on a GPU several are under way while others are filled and read. */
import { noGrad } from "../../ffi/autograd.ts";
import { to } from "../../ffi/ops.ts";
import { scope, Tensor } from "../../ffi/tensor.ts";
import type { ShownBatch } from "../data/batch.ts";
import { Deferred, type DeferredOptions, type Part } from "./deferred.ts";
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
    const { windows, length, keys, keysAreVisible, queriesFrom, magnitudes, times, hidden } = batch;
    const { name, beside = () => ({}) } = this.#inference, columns = { keys, keysAreVisible, queriesFrom };
    const shape = [windows.length, length, 1];
    const parts: Record<string, Part> = {
      magnitudes: { shape, values: magnitudes },
      times: { shape, values: times },
      hidden: { shape, values: hidden },
      ...beside(batch),
    };
    const work = ({ magnitudes, times, hidden, ...others }: Record<string, Tensor>) =>
      noGrad(() => {
        const input = { magnitudes, times, hidden: to(hidden, "bool"), ...columns };
        return this.#inference.run(this.#network, input, others);
      });
    if (this.#deferred) {
      const key = [name, windows.length, length, keys, queriesFrom, keysAreVisible].join();
      return this.#deferred.begin(key, parts, work);
    }
    const { device } = this.#network;
    const found = scope(() => {
      const uploaded = Object.entries(parts).map(([name, { shape, values }]) => {
        const floats = values instanceof Float32Array ? values : Float32Array.from(values);
        return [name, Tensor.from(floats as Float32Array<ArrayBuffer>, shape, { device })];
      });
      return work(Object.fromEntries(uploaded)).toArray() as Float32Array<ArrayBuffer>;
    });
    return () => found;
  }

  /** Waits for the device, and frees what batches were given in. */
  [Symbol.dispose](): void {
    this.#deferred?.[Symbol.dispose]();
  }
}
