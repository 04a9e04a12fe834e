import { backward, gradientOf, requiresGrad } from "../../ffi/autograd.ts";
import { scope, Tensor } from "../../ffi/tensor.ts";
import { reconstructionLoss } from "../../src/model/loss.ts";
import { assertAlmostEquals } from "../../src/common/std.ts";

Deno.test("the root of the mean over windows of each window's weighted mean", () => {
  // Two windows with two and one probed points, weights 1, 0.5 and 2: not the root of a mean over three points.
  const residuals = [0.3, -0.4, 0, 0.5], weights = [1, 0.5, 0, 2], probed = [2, 2, 1, 1];
  const expected = Math.sqrt((((0.3 ** 2 + 0.5 * 0.4 ** 2) / 2) + 2 * 0.5 ** 2) / 2);
  scope(() => {
    const shape = [2, 2, 1];
    const predicted = requiresGrad(Tensor.from(residuals.map((r) => r + 1), shape));
    const coefficients = Tensor.from(weights.map((w, i) => w / (2 * probed[i])), shape);
    const loss = reconstructionLoss(predicted, Tensor.from([1, 1, 1, 1], shape), coefficients);
    assertAlmostEquals(loss.item(), expected, 1e-6);
    backward(loss);
    const gradient = gradientOf(predicted)!.toArray() as Float32Array;
    for (const [i, r] of residuals.entries()) {
      assertAlmostEquals(gradient[i], r * weights[i] / (2 * probed[i]) / expected, 1e-6);
    }
  });
});
