/** Which observations a block looks at. */
import { noGrad } from "../../ffi/autograd.ts";
import { narrow } from "../../ffi/ops.ts";
import { scope } from "../../ffi/tensor.ts";
import { fillBatch, toTensors } from "../data/batch.ts";
import type { Dataset } from "../data/dataset.ts";
import { noMasking } from "../data/masking.ts";
import type { Window } from "../data/windows.ts";
import type { AstromerNetwork } from "../model/network.ts";

/**
 * The attention weights of a block in a window, nothing hidden (softmax of eq. 3 of the paper).
 * @param block from 1, as the paper counts
 * @param windowSize observations of a full window
 * @returns (H, n, n): head, query, key, both in order of time. Rows sum to 1, but for models that see padding (the
 * released Astromer 1), whose padding takes a part
 * @throws {RangeError} when the model has no such block
 */
export function attentionWeights(
  network: AstromerNetwork,
  dataset: Pick<Dataset, "offsets" | "mjd" | "mag" | "err">,
  window: Window,
  block: number,
  windowSize: number,
): Float32Array {
  const { blocks } = network.architecture;
  if (!Number.isInteger(block) || block < 1 || block > blocks) {
    throw new RangeError(`there is no block ${block}: this model has blocks 1 to ${blocks}`);
  }
  const paddedTo = network.seesPadding ? windowSize : undefined;
  const batch = fillBatch(dataset, [window], { masking: noMasking, weights: "none", key: [], paddedTo });
  return noGrad(() =>
    scope(() => {
      let weights: Float32Array | undefined;
      network.encode(toTensors(batch, network.device), {
        onWeights(tensor, i) {
          if (i !== block - 1) return;
          // Padding stands before the observations.
          const observed = (t: typeof tensor, dim: number) =>
            narrow(t, dim, t.shape[dim] - window.length, window.length);
          weights = observed(observed(tensor, 2), 3).toArray() as Float32Array;
        },
      });
      return weights!;
    })
  );
}
