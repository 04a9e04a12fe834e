/** CUDA graphs where there is no GPU. */
import { Tensor } from "../../ffi/tensor.ts";
import type { Recorder } from "../../src/model/deferred.ts";

/** Runs work in which nothing may be uploaded or read back, as while a GPU records it. */
function asRecorded(work: () => void): void {
  const refuse = (what: string) => () => {
    throw new Error(`${what} within work that a GPU records`);
  };
  const { from, scalar } = Tensor, { toArray, toRead, item } = Tensor.prototype;
  try {
    Tensor.from = refuse("an upload") as typeof from;
    Tensor.scalar = refuse("an upload") as typeof scalar;
    Object.assign(Tensor.prototype, {
      toArray: refuse("a read-back"),
      toRead: refuse("a read-back"),
      item: refuse("a read-back"),
    });
    work();
  } finally {
    Tensor.from = from;
    Tensor.scalar = scalar;
    Object.assign(Tensor.prototype, { toArray, toRead, item });
  }
}

/** Rehearses a graph on the CPU: the work is done again, and what a graph could not hold is an error. */
export const rehearsedGraph: Recorder = (_device, work) => ({
  replay: () => asRecorded(work),
  [Symbol.dispose]() {},
});
