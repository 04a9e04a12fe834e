/** A backward pass that tells of each part when its gradient is complete, so that ranks can sum it beside the rest. */
import { scope } from "../../ffi/tensor.ts";
import { manualSeed } from "../../ffi/random.ts";
import { fillBatch, toTensors } from "../../src/data/batch.ts";
import { paperMasking } from "../../src/data/masking.ts";
import { AstromerNetwork } from "../../src/model/network.ts";
import { assertEquals, assertTrue } from "../../src/common/std.ts";
import { sinusoidDataset, wholeWindows } from "../data/support.ts";
import { largestDifference } from "../shared.ts";
import { scramble, tiny } from "./support.ts";

for (const [name, dropout] of [["written out", 0], ["by autograd", 0.1]] as const) {
  Deno.test(`gradients in parts, blocks ${name}: each part complete when told of, together the whole`, () => {
    const dataset = sinusoidDataset([20, 14, 20]);
    const batch = fillBatch(dataset, wholeWindows(dataset), {
      masking: paperMasking,
      weights: "none",
      key: [1],
    });
    using model = new AstromerNetwork(tiny({ dropout }));
    scramble(model);
    const gradient = () => model.parameters.gradient.toArray() as Float32Array;
    const pass = (inParts: boolean, onPart?: (from: number, to: number) => void) =>
      scope(() => {
        manualSeed(5);
        const tensors = toTensors(batch, "cpu");
        model.trainingPass(tensors, tensors.targets, tensors.coefficients, { inParts }).backward(
          undefined,
          onPart,
        );
        return gradient();
      });
    const whole = pass(false), told: [number, number, Float32Array][] = [];
    const parts = pass(true, (from, to) => void told.push([from, to, gradient().slice(from, to)]));
    const largest = whole.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
    assertTrue(largestDifference(parts, whole) < 1e-6 * largest);
    for (const [from, to, then] of told) {
      assertEquals(then, parts.slice(from, to), `${from} to ${to} changed later`);
    }
    const covered = told.map(([from, to]) => [from, to]);
    assertEquals(covered, model.gradientParts.map((part) => [...part]));
    const inOrder = covered.toSorted(([a], [b]) => a - b);
    assertEquals([0, ...inOrder.map(([, to]) => to)], [
      ...inOrder.map(([from]) => from),
      model.parameters.size,
    ]);
  });
}
