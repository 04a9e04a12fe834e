/** Attention in one kernel, as on a GPU, against attention in operators of its own. */
import { backward } from "../../ffi/autograd.ts";
import { scope } from "../../ffi/tensor.ts";
import { fillBatch, toTensors } from "../../src/data/batch.ts";
import { paperMasking } from "../../src/data/masking.ts";
import { reconstructionLoss } from "../../src/model/loss.ts";
import { AstromerNetwork } from "../../src/model/network.ts";
import { assertAlmostEquals, assertTrue } from "../../src/common/std.ts";
import { sinusoidDataset, wholeWindows } from "../data/support.ts";
import { largestDifference } from "../shared.ts";
import { scramble, tiny } from "./support.ts";

for (
  const [name, lengths] of Object.entries({
    "full windows": [30, 30, 30],
    "different lengths": [30, 17, 5, 30, 8],
  })
) {
  Deno.test(`attention in one kernel: ${name}, loss and every gradient`, () => {
    const dataset = sinusoidDataset(lengths);
    const batch = fillBatch(dataset, wholeWindows(dataset), {
      masking: paperMasking,
      weights: "errors",
      key: [1],
    });
    const [one, several] = [true, false].map((fusedAttention) => {
      using model = new AstromerNetwork(tiny(), { fusedAttention });
      scramble(model);
      return scope(() => {
        const tensors = toTensors(batch, "cpu");
        const loss = reconstructionLoss(model.reconstruct(tensors), tensors.targets, tensors.coefficients);
        model.parameters.zeroGradient();
        backward(loss);
        return { loss: loss.item(), gradient: model.parameters.gradient.toArray() as Float32Array };
      });
    });
    assertAlmostEquals(one.loss, several.loss, 1e-6);
    const largest = several.gradient.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
    assertTrue(largestDifference(one.gradient, several.gradient) < 1e-5 * largest);
  });
}
