/** Passes that are written out, against the same network in operators that autograd differentiates. */
import { backward, noGrad } from "../../ffi/autograd.ts";
import { liveTensors, scope } from "../../ffi/tensor.ts";
import { type Batch, fillBatch, toTensors } from "../../src/data/batch.ts";
import { type Masking, noMasking, paperMasking } from "../../src/data/masking.ts";
import { reconstructionLoss } from "../../src/model/loss.ts";
import { AstromerNetwork } from "../../src/model/network.ts";
import { assertAlmostEquals, assertEquals, assertTrue } from "../../src/common/std.ts";
import { largestDifference } from "../shared.ts";
import { sinusoidDataset, wholeWindows } from "../data/support.ts";
import { scramble, tiny } from "./support.ts";

type Found = { loss: number; y: Float32Array; gradient: Float32Array };

/** Loss, reconstruction and gradient by autograd alone. */
function plain(model: AstromerNetwork, batch: Batch): Found {
  return scope(() => {
    const tensors = toTensors(batch, "cpu");
    const y = model.reconstruct(tensors); // gradients are recorded
    const loss = reconstructionLoss(y, tensors.targets, tensors.coefficients);
    model.parameters.zeroGradient();
    backward(loss);
    return found(model, loss.item(), y.toArray() as Float32Array);
  });
}

/** The same by the pass of a training step. */
function written(model: AstromerNetwork, batch: Batch): Found {
  return scope(() => {
    const tensors = toTensors(batch, "cpu");
    const pass = model.trainingPass(tensors, tensors.targets, tensors.coefficients);
    const [loss, y] = [pass.loss.item(), pass.reconstruction.toArray() as Float32Array];
    pass.backward();
    return found(model, loss, y);
  });
}

function found(model: AstromerNetwork, loss: number, y: Float32Array): Found {
  model.parameters.gatherGradient();
  return { loss, y, gradient: model.parameters.gradient.toArray() as Float32Array };
}

const maskings: Record<string, Masking> = {
  "the paper's masking": paperMasking,
  "no masking": noMasking,
  "all probed points masked": { probed_fraction: 0.5, masked_fraction: 0.5, replaced_fraction: 0 },
};
const lengthsOf: Record<string, number[]> = {
  "full windows": [30, 30, 30],
  "different lengths": [30, 17, 5, 30, 8],
  "one window": [12],
};

const batchOf = (lengths: number[], masking: Masking) => {
  const dataset = sinusoidDataset(lengths);
  return fillBatch(dataset, wholeWindows(dataset), { masking, weights: "errors", key: [1] });
};

for (const [maskingName, masking] of Object.entries(maskings)) {
  for (const [lengthsName, lengths] of Object.entries(lengthsOf)) {
    Deno.test(`written out, ${maskingName}, ${lengthsName}: as autograd has it`, () => {
      const batch = batchOf(lengths, masking);
      using model = scramble(new AstromerNetwork(tiny()));
      const expected = plain(model, batch);
      const before = liveTensors();
      for (const time of ["first", "second"]) { // a second pass writes over the first one's gradients
        const { loss, y, gradient } = written(model, batch);
        assertAlmostEquals(loss, expected.loss, 1e-6, time);
        assertTrue(largestDifference(y, expected.y) < 1e-5, time);
        for (const { name, shape, offset } of model.parameters.layout) {
          const end = offset + shape.reduce((a, b) => a * b, 1);
          const [a, b] = [gradient, expected.gradient].map((all) => all.subarray(offset, end));
          const largest = b.reduce((most, g) => Math.max(most, Math.abs(g)), 0);
          assertTrue(
            largestDifference(a, b) <= 1e-5 * Math.max(0.1, largest),
            `gradient of ${name}, ${time}`,
          );
        }
      }
      assertEquals(liveTensors(), before);
    });
  }
}

Deno.test("written out in bfloat16: as far from float32 as autograd's own bfloat16", () => {
  const batch = batchOf([30, 17, 30, 30], paperMasking);
  using exact = scramble(new AstromerNetwork(tiny()));
  using model = scramble(new AstromerNetwork(tiny(), { dtype: "bfloat16" }));
  const expected = plain(exact, batch), [a, b] = [plain(model, batch), written(model, batch)];
  const distance = (one: Float32Array, other: Float32Array) => Math.hypot(...one.map((g, i) => g - other[i]));
  for (const what of ["gradient", "y"] as const) {
    const [ofPlain, ofWritten] = [a, b].map((found) => distance(found[what], expected[what]));
    assertTrue(ofPlain > 1e-4, "bfloat16 rounds");
    assertTrue(ofWritten < 1.5 * ofPlain, `${what}: ${ofWritten} against ${ofPlain}`);
  }
});

Deno.test("inference is written out, too: every layer as with gradients recorded", () => {
  const batch = batchOf([30, 17, 5], paperMasking);
  using model = scramble(new AstromerNetwork(tiny()));
  const layers = () => {
    const found: Float32Array[] = [];
    scope(() => {
      const onLayer = (layer: { toArray(): unknown }) => void found.push(layer.toArray() as Float32Array);
      model.encode(toTensors(batch, "cpu"), { onLayer });
    });
    return found;
  };
  const recorded = layers(), inference = noGrad(layers);
  assertEquals(inference.length, 3);
  for (const [i, layer] of inference.entries()) assertTrue(largestDifference(layer, recorded[i]) < 1e-5);
});

Deno.test("dropout and architectures without skips go through autograd, with the same pass", () => {
  const batch = batchOf([30, 17], paperMasking);
  using model = scramble(new AstromerNetwork(tiny({ skip: "none" })));
  const expected = plain(model, batch), { loss, gradient } = written(model, batch);
  assertAlmostEquals(loss, expected.loss, 1e-6);
  assertTrue(largestDifference(gradient, expected.gradient) < 1e-5);
});
