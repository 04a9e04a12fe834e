/** One step of pretraining: forward, backward, update. */
import { scope } from "../../ffi/tensor.ts";
import { type Batch, toTensors } from "../data/batch.ts";
import type { AstromerNetwork } from "../model/network.ts";
import type { Ranks } from "../machine/ranks.ts";
import type { Adam } from "./adam.ts";

/** What a step found, before its update. */
export interface StepResult {
  /** The loss of the whole batch, mag. */
  loss: number;
  /** (B, P) predicted magnitudes of the columns that the loss reads, of this rank's part. */
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
    const pass = passOf(model, batch), loss = pass.loss.item();
    // A loss that is not a number must not reach the parameters.
    if (!Number.isFinite(loss)) return { loss, predicted: new Float32Array() };
    pass.backward();
    const gradientNorm = adam.update(learningRate);
    return { loss, predicted: pass.reconstruction.toArray() as Float32Array, gradientNorm };
  });
}

/**
 * Makes one step on a batch of which every rank has a part, the same step that one rank makes on the whole. The loss L is
 * the root of a mean over B windows; a part of B_r of them has the loss L_r. So L^2 = sum_r (B_r / B) L_r^2, and its
 * gradient is sum_r (B_r / B) (L_r / L) grad L_r: L first, with which each rank scales its own part, then one sum.
 * @param part this rank's; undefined where the batch has fewer windows than there are ranks
 * @param size B, windows of the whole batch
 */
export function sharedStep(
  model: AstromerNetwork,
  adam: Adam,
  part: Batch | undefined,
  size: number,
  learningRate: number,
  ranks: Ranks,
): StepResult {
  if (ranks.size === 1) return trainingStep(model, adam, part!, learningRate);
  return scope(() => {
    const pass = part && passOf(model, part), own = pass?.loss.item() ?? 0;
    const share = (part?.windows.length ?? 0) / size;
    const loss = Math.sqrt(ranks.sum({ squared: share * own ** 2 }).squared);
    if (!Number.isFinite(loss)) return { loss, predicted: new Float32Array() };
    if (pass && own > 0) pass.backward(share * own / loss);
    else model.parameters.zeroGradient();
    const gradientNorm = adam.update(learningRate, ranks);
    const predicted = pass ? pass.reconstruction.toArray() as Float32Array : new Float32Array();
    return { loss, predicted, gradientNorm };
  });
}

function passOf(model: AstromerNetwork, batch: Batch) {
  const tensors = toTensors(batch, model.device);
  return model.trainingPass(tensors, tensors.targets, tensors.coefficients);
}
