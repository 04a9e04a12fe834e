/** One step of pretraining: forward, backward, update. */
import { backward } from "../../ffi/autograd.ts";
import { scope } from "../../ffi/tensor.ts";
import { type Batch, toTensors } from "../data/batch.ts";
import type { AstromerNetwork } from "../model/network.ts";
import { reconstructionLoss } from "../model/loss.ts";
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
    const reconstruction = model.reconstruct(tensors, { training: true });
    const loss = reconstructionLoss(reconstruction, tensors.targets, tensors.coefficients);
    const value = loss.item();
    // A loss that is not a number must not reach the parameters.
    if (!Number.isFinite(value)) return { loss: value, predicted: new Float32Array() };
    model.parameters.zeroGradient();
    backward(loss);
    const gradientNorm = adam.update(learningRate);
    return { loss: value, predicted: reconstruction.toArray() as Float32Array, gradientNorm };
  });
}
