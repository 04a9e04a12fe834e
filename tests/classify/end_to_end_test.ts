/** Head and encoder trained together. */
import { liveTensors, scope, Tensor } from "../../ffi/tensor.ts";
import { type EndToEndTraining, fitEndToEnd, vectorsOfRows } from "../../src/classify/end_to_end.ts";
import { lossOf, probabilitiesOf, type Sample } from "../../src/classify/train_head.ts";
import { fitClassifier } from "../../src/classify/fit_classifier.ts";
import type { Head } from "../../src/classify/head.ts";
import { Failure, InputError } from "../../src/common/errors.ts";
import { AstromerNetwork } from "../../src/model/network.ts";
import { assertAlmostEquals, assertEquals, assertRejects, assertTrue } from "../../src/common/std.ts";
import { sinusoidDataset, wholeWindows } from "../data/support.ts";
import { tiny } from "../model/support.ts";
import { rehearsedGraph } from "../model/rehearsed_graph.ts";

const classes = ["slow", "fast"];
const dataset = sinusoidDataset(Array.from({ length: 60 }, () => 12));
// The second class is a little more variable, and has a ninth of the light curves.
const isRare = (i: number) => i % 9 === 0;
for (let i = 0; i < 60; i++) if (isRare(i)) { for (let k = 0; k < 12; k++) dataset.mag[12 * i + k] *= 1.5; }
const windows = wholeWindows(dataset);
const samples: Sample[] = windows.map((_, i) => ({ rows: [i], label: Number(isRare(i)) }));
const parts = { train: samples.slice(0, 40), validation: samples.slice(40) };
const training: EndToEndTraining = {
  learningRate: 0.01,
  encoderLearningRate: 1e-3,
  batchSize: 8,
  encoderBatchSize: 8,
  windowSize: 12,
  epochs: 3,
  patience: 3,
  balance: "none",
  seed: 0,
};

/** Fits; what comes out for every light curve, and the encoder's weights. */
async function fitted(changes: Partial<EndToEndTraining> = {}) {
  using network = new AstromerNetwork(tiny({ dropout: 0.2 }), { seed: 1 });
  const before = network.parameters.stateDict().get("encoder.input.weight")!.data.slice();
  const settings = { ...training, ...changes }, losses: number[] = [];
  const { classifier, epochs } = await fitEndToEnd(
    ...[network, dataset, windows, parts, classes, "linear", settings] as const,
    (_epoch, _train, validation) => void losses.push(validation),
  );
  using _ = classifier;
  const vectors = await vectorsOfRows(network, dataset, windows, new Set(windows.keys()), settings);
  using _vectors = vectors;
  const probabilities = probabilitiesOf(classifier.head as Head, vectors, samples);
  const after = network.parameters.stateDict().get("encoder.input.weight")!.data;
  return { probabilities, losses, epochs, moved: after.some((value, i) => value !== before[i]) };
}

Deno.test("the encoder learns, too; the same seed gives the same, and nothing is left", async () => {
  const before = liveTensors();
  const [one, two, other] = [await fitted(), await fitted(), await fitted({ seed: 1 })];
  assertTrue(one.moved && one.epochs === 3);
  assertEquals(two, one);
  assertTrue(other.probabilities.join() !== one.probabilities.join());
  assertEquals(liveTensors(), before);
});

Deno.test("with steps under way, as on a GPU, encoder and head learn what they learn otherwise", async () => {
  const before = liveTensors(), expected = await fitted({ learningRate: 1e-3 });
  for (const deferred of [{ ahead: 2, record: rehearsedGraph }, { ahead: 8, record: null }]) {
    const found = await fitted({ learningRate: 1e-3, deferred });
    for (const [i, loss] of expected.losses.entries()) assertAlmostEquals(found.losses[i], loss, 1e-3);
  }
  assertEquals(liveTensors(), before);
});

Deno.test("balance counts end to end as it does with a frozen encoder", async () => {
  /** Mean probability of the rare class: it rises where both classes count alike. Over seeds, as few steps are noisy. */
  const probability = async (balance: EndToEndTraining["balance"]) => {
    let sum = 0;
    for (const seed of [0, 1, 2]) {
      const { probabilities } = await fitted({ balance, seed, epochs: 10, patience: 10 });
      for (const i of samples.keys()) sum += probabilities[2 * i + 1] / samples.length / 3;
    }
    return sum;
  };
  const none = await probability("none"), batches = await probability("batches");
  assertTrue(batches > 1.2 * none, `${none} without, ${batches} batches`);
  // Which epoch is best is judged without weights: that the loss has them is seen, how they count is lossOf's test.
  assertTrue(await probability("loss") !== none);
});

Deno.test("classes weigh in the loss as they should, also in a batch of one class", () => {
  const logits = [[1, 0], [0, 2], [3, 0]], labels = [0, 1, 0];
  const mean = (weights: number[], rows: number[]) => {
    const batch = rows.map((row) => ({ rows: [row], label: labels[row] }));
    const part = Tensor.from(rows.flatMap((row) => logits[row]), [rows.length, 2]);
    return lossOf(part, batch, Tensor.from(weights)).item();
  };
  const own = labels.map((label, row) => Math.log(1 + Math.exp(logits[row][1 - label] - logits[row][label])));
  scope(() => {
    assertAlmostEquals(mean([0.5, 4], [0, 1, 2]), (0.5 * own[0] + 4 * own[1] + 0.5 * own[2]) / 3, 1e-6);
    assertAlmostEquals(mean([0.5, 4], [0, 2]), 0.5 * (own[0] + own[2]) / 2, 1e-6);
  });
});

Deno.test("a loss that is not a number ends the fit, and nothing is left", async () => {
  using network = new AstromerNetwork(tiny());
  const before = liveTensors();
  const endless = { ...training, learningRate: 1e30, epochs: 50, patience: 50 };
  await assertRejects(
    () => fitEndToEnd(network, dataset, windows, parts, classes, "mean", endless),
    Failure,
    "the classifier's loss became",
  );
  assertEquals(liveTensors(), before, "end to end");
  const vectors = await vectorsOfRows(network, dataset, windows, new Set(windows.keys()), training);
  using _ = vectors;
  const held = liveTensors();
  await assertRejects(
    () => fitClassifier(vectors, parts, classes, "mean", endless),
    Failure,
    "the classifier's loss became",
  );
  assertEquals(liveTensors(), held, "frozen encoder");
});

Deno.test("what cannot be learned is refused before any vector is computed", async () => {
  using network = new AstromerNetwork(tiny());
  const before = liveTensors();
  await assertRejects(
    () => fitEndToEnd(network, dataset, windows, { ...parts, validation: [] }, classes, "linear", training),
    InputError,
    "there is no light curve to validate with",
  );
  assertEquals(liveTensors(), before);
});
