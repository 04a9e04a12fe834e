import { liveTensors } from "../../ffi/tensor.ts";
import { fillBatch } from "../../src/data/batch.ts";
import { paperMasking } from "../../src/data/masking.ts";
import { AstromerNetwork } from "../../src/model/network.ts";
import { Adam } from "../../src/train/adam.ts";
import { trainingStep } from "../../src/train/step.ts";
import { assertEquals, assertTrue } from "../../src/common/std.ts";
import { sinusoidDataset, wholeWindows } from "../data/support.ts";
import { assertDiffer, assertSame, tiny } from "../model/support.ts";

function setup(lengths = [20, 14]) {
  const dataset = sinusoidDataset(lengths);
  const batch = fillBatch(dataset, wholeWindows(dataset), {
    masking: paperMasking,
    weights: "none",
    key: [1],
  });
  const model = new AstromerNetwork(tiny());
  return { batch, model, adam: new Adam(model.parameters, { clipNorm: 1 }) };
}
const values = (model: AstromerNetwork) => model.parameters.master.toArray() as Float32Array;

Deno.test("a step updates every kind of parameter and says what it found", () => {
  const { batch, model, adam } = setup();
  using _ = model, __ = adam;
  const before = model.parameters.stateDict(), tensors = liveTensors();
  const { loss, predicted, gradientNorm } = trainingStep(model, adam, batch, 1e-3);
  assertEquals(liveTensors(), tensors);
  assertTrue(loss > 0 && gradientNorm! > 0);
  assertEquals(predicted.length, 2 * (batch.length - batch.queriesFrom));
  assertEquals(adam.steps, 1);
  for (const [name, { data }] of model.parameters.stateDict()) {
    assertTrue(data.some((x, i) => x !== before.get(name)!.data[i]), `${name} did not move`);
  }
});

Deno.test("gradients do not pile up from step to step", () => {
  const { batch, model, adam } = setup();
  using _ = model, __ = adam;
  const norms = [0, 1, 2].map(() => trainingStep(model, adam, batch, 0).gradientNorm);
  assertEquals(norms, Array(3).fill(norms[0]));
});

Deno.test("a loss that is not a number leaves parameters, moments and step count as they were", () => {
  const { batch, model, adam } = setup();
  using _ = model, __ = adam;
  trainingStep(model, adam, batch, 1e-3);
  const before = values(model), moments = adam.moments.map((m) => m.toArray() as Float32Array);
  for (const wrong of [NaN, Infinity]) {
    const targets = batch.targets.slice();
    targets[batch.roles.findIndex((r) => r > 0)] = wrong;
    const { loss, predicted } = trainingStep(model, adam, { ...batch, targets }, 1e-3);
    assertTrue(!Number.isFinite(loss));
    assertEquals(predicted.length, 0);
    assertSame(values(model), before);
    for (const [i, m] of adam.moments.entries()) assertSame(m.toArray() as Float32Array, moments[i]);
    assertEquals(adam.steps, 1);
  }
  trainingStep(model, adam, batch, 1e-1);
  assertDiffer(values(model), before);
});
