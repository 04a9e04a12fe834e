/** One step of pretraining: forward, backward, update. */
import { scope } from "../../ffi/tensor.ts";
import { type Batch, toTensors } from "../data/batch.ts";
import type { AstromerNetwork } from "../model/network.ts";
import type { Adam } from "./adam.ts";

/** What a step found, before its update. */
export interface StepResult {
  /** The loss, mag. */
  loss: number;
  /** (B, P) predicted magnitudes of the columns that the loss reads. */
  predicted: Float32Array;
  /** The gradient's global norm; undefined when it is not clipped. */
  gradientNorm?: number;
}

/** Makes one step on a batch. */
export function trainingStep(
  model: AstromerNetwork,
  adam: Adam,
  batch: Batch,
  learningRate: number,
): StepResult {
  return scope(() => {
    const tensors = toTensors(batch, model.device);
    const pass = model.trainingPass(tensors, tensors.targets, tensors.coefficients);
    const value = pass.loss.item();
    // A loss that is not a number must not reach the parameters.
    if (!Number.isFinite(value)) return { loss: value, predicted: new Float32Array() };
    pass.backward();
    const gradientNorm = adam.update(learningRate);
    return { loss: value, predicted: pass.reconstruction.toArray() as Float32Array, gradientNorm };
  });
}
