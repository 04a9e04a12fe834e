/**
 * The batch layout (visible points first, hidden ones never computed as keys, only probed columns at the end) gives what
 * the plain way gives: every window in natural order, every point a key and a query, a mask over the hidden ones.
 */
import { backward } from "../../ffi/autograd.ts";
import { scope, Tensor } from "../../ffi/tensor.ts";
import { type Batch, fillBatch, role, toTensors } from "../../src/data/batch.ts";
import { type Masking, noMasking, paperMasking } from "../../src/data/masking.ts";
import { AstromerNetwork } from "../../src/model/network.ts";
import { reconstructionLoss } from "../../src/model/loss.ts";
import { assertAlmostEquals, assertEquals, assertTrue } from "../../src/common/std.ts";
import { sinusoidDataset, wholeWindows } from "../data/support.ts";
import { largestDifference } from "../shared.ts";
import { scramble, tiny } from "./support.ts";

/** A batch's windows in natural order, padded behind, with targets and coefficients for every point. */
function naturalOrder(batch: Batch, size: number) {
  const { length, queriesFrom } = batch, read = length - queriesFrom, count = batch.windows.length * size;
  const magnitudes = new Float32Array(count), times = new Float32Array(count);
  const hidden = new Uint8Array(count).fill(1);
  const targets = new Float32Array(count), coefficients = new Float32Array(count);
  for (const [column, position] of batch.positions.entries()) {
    if (position < 0) continue;
    const b = Math.floor(column / length), to = b * size + position;
    magnitudes[to] = batch.magnitudes[column];
    times[to] = batch.times[column];
    hidden[to] = batch.hidden[column];
    const from = b * read + column % length - queriesFrom;
    if (column % length < queriesFrom) continue;
    targets[to] = batch.targets[from];
    coefficients[to] = batch.coefficients[from];
  }
  return () => {
    const shape = [batch.windows.length, size, 1];
    return {
      magnitudes: Tensor.from(magnitudes, shape),
      times: Tensor.from(times, shape),
      hidden: Tensor.from(hidden, shape, { dtype: "bool" }),
      targets: Tensor.from(targets, shape),
      coefficients: Tensor.from(coefficients, shape),
    };
  };
}

/** Reconstruction, loss and the gradient of all parameters. */
function run(model: AstromerNetwork, input: () => ReturnType<ReturnType<typeof naturalOrder>>) {
  return scope(() => {
    const tensors = input();
    const y = model.reconstruct(tensors);
    const loss = reconstructionLoss(y, tensors.targets, tensors.coefficients);
    model.parameters.zeroGradient();
    backward(loss);
    const arrays = [y, model.parameters.gradient].map((tensor) => tensor.toArray() as Float32Array);
    return { y: arrays[0], gradient: arrays[1], loss: loss.item() };
  });
}

const maskings: Record<string, Masking> = {
  "the paper's masking": paperMasking,
  "no masking": noMasking,
  "all probed points masked": { probed_fraction: 0.5, masked_fraction: 0.5, replaced_fraction: 0 },
  "none masked, some replaced": { probed_fraction: 0.5, masked_fraction: 0, replaced_fraction: 0.2 },
  "none masked, none replaced": { probed_fraction: 0.4, masked_fraction: 0, replaced_fraction: 0 },
  "all probed, most masked": { probed_fraction: 1, masked_fraction: 0.75, replaced_fraction: 0.1 },
};
const lengthsOf: Record<string, number[]> = {
  "full windows": [30, 30, 30],
  "different lengths": [30, 17, 5, 30, 8],
  "one window": [12],
};

for (const [maskingName, masking] of Object.entries(maskings)) {
  for (const [lengthsName, lengths] of Object.entries(lengthsOf)) {
    Deno.test(`${maskingName}, ${lengthsName}: the batch layout equals natural order`, () => {
      const dataset = sinusoidDataset(lengths);
      const batch = fillBatch(dataset, wholeWindows(dataset), { masking, weights: "errors", key: [1] });
      const size = Math.max(...lengths);
      using model = scramble(new AstromerNetwork(tiny()));
      const compact = run(model, () => toTensors(batch, "cpu"));
      const plain = run(model, naturalOrder(batch, size));

      const read = batch.length - batch.queriesFrom;
      assertEquals(compact.y.length, lengths.length * read);
      let probed = 0;
      for (const [i, what] of batch.roles.entries()) {
        if (what === role.none) continue;
        const b = Math.floor(i / read);
        const point = batch.positions[b * batch.length + batch.queriesFrom + i % read];
        assertAlmostEquals(compact.y[i], plain.y[b * size + point], 1e-5);
        probed++;
      }
      assertEquals(probed, lengths.reduce((sum, n) => sum + Math.floor(masking.probed_fraction * n), 0));
      assertAlmostEquals(compact.loss, plain.loss, 1e-6);
      assertTrue(compact.loss > 0.1);
      for (const { name, shape, offset } of model.parameters.layout) {
        const end = offset + shape.reduce((a, b) => a * b, 1);
        const [a, b] = [compact, plain].map(({ gradient }) => gradient.subarray(offset, end));
        const largest = b.reduce((most, g) => Math.max(most, Math.abs(g)), 0);
        const difference = largestDifference(a, b);
        assertTrue(
          difference <= 1e-5 * Math.max(1, largest),
          `gradient of ${name}: differs by ${difference}`,
        );
      }
      const token = compact.gradient.at(-1)!;
      assertEquals(
        token !== 0,
        masking.masked_fraction > 0,
        "the token has a gradient where points are masked",
      );
    });
  }
}

for (const attention_mask of ["queries", "both"] as const) {
  for (const attention_mask_value of [1, -1e9]) {
    // Such a mask leaves hidden points as keys, so what is padding matters: full windows have none.
    Deno.test(`masks of ${attention_mask}, ${attention_mask_value}: the same, for full windows`, () => {
      const dataset = sinusoidDataset([20, 20]), windows = wholeWindows(dataset);
      const batch = fillBatch(dataset, windows, { masking: paperMasking, weights: "none", key: [1] });
      using model = scramble(new AstromerNetwork(tiny({ attention_mask, attention_mask_value })));
      const compact = run(model, () => toTensors(batch, "cpu")), plain = run(model, naturalOrder(batch, 20));
      assertAlmostEquals(compact.loss, plain.loss, 1e-6);
      for (const [i, y] of compact.y.entries()) {
        const point = batch.positions[Math.floor(i / 10) * 20 + batch.queriesFrom + i % 10];
        assertAlmostEquals(y, plain.y[Math.floor(i / 10) * 20 + point], 1e-5);
      }
      assertTrue(largestDifference(compact.gradient, plain.gradient) < 1e-4);
    });
  }
}

Deno.test("a batch whose points are all masked is computed without a failure", () => {
  const dataset = sinusoidDataset([9, 6]);
  const masking = { probed_fraction: 1, masked_fraction: 1, replaced_fraction: 0 };
  const batch = fillBatch(dataset, wholeWindows(dataset), { masking, weights: "none", key: [1] });
  assertEquals([batch.keys, batch.queriesFrom, batch.length], [0, 0, 10]);
  using model = scramble(new AstromerNetwork(tiny()));
  const { y, gradient } = run(model, () => toTensors(batch, "cpu"));
  assertTrue(y.every(Number.isFinite) && gradient.every(Number.isFinite));
});
