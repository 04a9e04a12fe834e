/** The library's door: arrays in, vectors and predictions out. */
import { Astromer } from "../../src/library/astromer.ts";
import type { LightCurve } from "../../src/data/light_curves.ts";
import { InputError } from "../../src/common/errors.ts";
import { liveTensors } from "../../ffi/tensor.ts";
import {
  assertAlmostEquals,
  assertEquals,
  assertRejects,
  assertStringIncludes,
  assertThrows,
  assertTrue,
} from "../../src/common/std.ts";
import { sinusoids } from "../data/support.ts";
import "../model/support.ts"; // one thread
import { largestDifference, testIn } from "../shared.ts";

const curves = (lengths: number[], seed = 0): LightCurve[] =>
  sinusoids(lengths, seed).map(({ mjd, mag, err }) => ({ mjd, magnitude: mag, error: err }));
const small = { preset: "small", precision: "float32" } as const;

Deno.test("embed: a vector for each light curve, whatever the order of observations, the company, the batch", () => {
  using model = Astromer.untrained(small);
  const lightCurves = curves([30, 450, 5]);
  const embeddings = model.embed(lightCurves);
  assertEquals(embeddings.map(({ length }) => length), [64, 64, 64]);
  assertTrue(largestDifference(embeddings[0], embeddings[1]) > 1e-3);
  const [first] = lightCurves;
  const reversed = {
    mjd: Array.from(first.mjd).reverse(),
    magnitude: Array.from(first.magnitude).reverse(),
  };
  assertTrue(largestDifference(model.embed([reversed], { batchSize: 1 })[0], embeddings[0]) < 1e-6);
  const layers = model.embed(lightCurves, { pooling: "layers" });
  assertEquals(layers[0].length, 3 * 64);
  assertTrue(largestDifference(layers[1].subarray(128), embeddings[1]) < 1e-6);
  assertEquals(model.embed([]), []);
});

Deno.test("embeddings do not change when a constant is added to times or magnitudes", () => {
  using model = Astromer.untrained(small);
  const [curve] = curves([60]);
  const shifted = {
    mjd: Array.from(curve.mjd, (t) => t + 2_400_000.5),
    magnitude: Array.from(curve.magnitude, (m) => m + 3),
  };
  const [[a], [b]] = [model.embed([curve]), model.embed([shifted])];
  assertTrue(largestDifference(a, b) < 1e-3);
});

Deno.test("reconstruct: every observation in order of time, hidden ones without their own magnitude", () => {
  using model = Astromer.untrained(small);
  const [curve] = curves([250]);
  const [plain] = model.reconstruct([curve]);
  assertEquals([plain.mjd.length, plain.predicted.length], [250, 250]);
  assertTrue(plain.predicted.every(Number.isFinite));
  assertEquals(plain.hidden.some(Boolean), false);

  // Two hidden magnitudes change places: their mean stays, so nothing may change.
  const swapped = { ...curve, magnitude: Array.from(curve.magnitude) };
  [swapped.magnitude[7], swapped.magnitude[20]] = [curve.magnitude[20], curve.magnitude[7]];
  const [one, two] = [curve, swapped].map((c) => model.reconstruct([c], () => [7, 20])[0]);
  assertEquals(Array.from(one.hidden.keys()).filter((i) => one.hidden[i]), [7, 20]);
  assertTrue(largestDifference(one.predicted.subarray(0, 200), two.predicted.subarray(0, 200)) < 1e-5);
  const visible = [curve, swapped].map((c) => model.reconstruct([c])[0]);
  assertTrue(largestDifference(visible[0].predicted, visible[1].predicted) > 1e-3);
  const error = assertThrows(() => model.reconstruct([curve], () => [250]), RangeError);
  assertEquals(error.message, "light curve 0 has no observation 250: they count from 0 to 249");
});

Deno.test("attention: rows of weights that sum to 1, a window at a time", () => {
  using model = Astromer.untrained(small);
  const [curve] = curves([230]);
  for (const block of [1, 2]) {
    const windows = model.attention(curve, { block });
    assertEquals(windows.map(({ start, length }) => [start, length]), [[0, 200], [30, 200]]);
    for (const { weights } of windows) {
      assertEquals(weights.length, 4 * 200 * 200);
      for (const row of [0, 1, 4 * 200 - 1]) {
        const sum = weights.subarray(row * 200, (row + 1) * 200).reduce((a, b) => a + b, 0);
        assertAlmostEquals(sum, 1, 1e-5);
      }
    }
  }
  assertThrows(() => model.attention(curve, { block: 3 }), RangeError, "this model has blocks 1 to 2");
  // A point at its own time is the likeliest to look at where queries and keys begin near the identity.
  const [{ weights }] = model.attention(curve);
  assertTrue(weights[0] > 1 / 200);
});

testIn("pretrain, evaluate, save, load: arrays all the way", async (folder) => {
  const before = liveTensors();
  const train = curves(Array(40).fill(40), 1), test = curves(Array(10).fill(40), 2);
  {
    using untrained = Astromer.untrained(small);
    const epochs: number[] = [];
    const settings = { ...small, epochs: 6, learning_rate: 3e-3, warmup_steps: 5, seed: 1 };
    using model = await Astromer.pretrain(
      train,
      settings,
      (line) => line.kind === "epoch" && epochs.push(line.epoch),
    );
    assertEquals(epochs, [1, 2, 3, 4, 5, 6]);
    assertEquals(model.config.dataset?.light_curves, 40);
    const [was, is] = [await untrained.evaluate(test), await model.evaluate(test)];
    assertTrue(is.rmse < 0.8 * was.rmse, `${is.rmse} after, ${was.rmse} before`);
    await model.save(`${folder}/model`);
    using again = await Astromer.load(`${folder}/model`);
    assertEquals(again.embed(test), model.embed(test));
    const { format_version: _, ...config } = again.config;
    assertEquals(config, model.config);
  }
  assertEquals(liveTensors(), before);
});

testIn("a folder that is no model is not replaced, and options are checked", async (folder) => {
  using model = Astromer.untrained(small);
  await Deno.writeTextFile(`${folder}/thesis.txt`, "years of work");
  const { message } = await assertRejects(() => model.save(folder), InputError);
  assertEquals(
    message,
    `${folder} exists and is not a model folder, so it is not replaced: choose another name`,
  );
  assertEquals(await Deno.readTextFile(`${folder}/thesis.txt`), "years of work");
  const embed = (options: object) => () => model.embed(curves([10]), options);
  assertThrows(embed({ pooling: "median" }), TypeError, "pooling must be mean, max or layers, not median");
  assertThrows(embed({ batchSize: 1.5 }), RangeError, "batchSize must be a whole number from 1, not 1.5");
});

Deno.test("impossible settings and folders are refused by name", async () => {
  const refused = async (work: () => unknown) =>
    (await assertRejects(() => Promise.resolve().then(work), InputError)).message;
  assertStringIncludes(await refused(() => Astromer.untrained({ blocks: 0 })), "setting blocks: ");
  assertStringIncludes(await refused(() => Astromer.untrained({ lr: 3 })), 'Unrecognized key: "lr"');
  assertStringIncludes(await refused(() => Astromer.pretrain("nowhere")), "nowhere is not a dataset folder");
  assertStringIncludes(await refused(() => Astromer.load("nowhere")), "nowhere is not a model folder");
});
