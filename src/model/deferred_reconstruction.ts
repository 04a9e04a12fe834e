/** Reconstruction by a GPU that goes on while the program fills the next batches and reads the last ones. */
import { noGrad } from "../../ffi/autograd.ts";
import { to } from "../../ffi/ops.ts";
import type { Batch } from "../data/batch.ts";
import { Deferred, type DeferredOptions } from "./deferred.ts";
import type { AstromerNetwork } from "./network.ts";

/** Reconstructs batches with a network, several at once. */
export class DeferredReconstruction implements Disposable {
  readonly #model: AstromerNetwork;
  readonly #deferred: Deferred;

  constructor(model: AstromerNetwork, options: DeferredOptions = {}) {
    this.#model = model;
    this.#deferred = new Deferred(model.device, options);
  }

  /**
   * Gives the device a batch.
   * @returns what waits for it and gives (B, P) magnitudes: to be called once, in order, and read before the next begins
   * @throws {TorchError} when the device's memory is not enough
   */
  begin(
    { windows, length, keys, keysAreVisible, queriesFrom, magnitudes, times, hidden }: Batch,
  ): () => Float32Array {
    const shape = [windows.length, length, 1], columns = { keys, keysAreVisible, queriesFrom };
    return this.#deferred.begin(
      [windows.length, length, keys, queriesFrom, keysAreVisible].join(),
      {
        magnitudes: { shape, values: magnitudes },
        times: { shape, values: times },
        hidden: { shape, values: hidden },
      },
      (seen) =>
        noGrad(() => this.#model.reconstruct({ ...seen, hidden: to(seen.hidden, "bool"), ...columns })),
    );
  }

  /** Waits for the device, and frees what batches were given in. */
  [Symbol.dispose](): void {
    this.#deferred[Symbol.dispose]();
  }
}
