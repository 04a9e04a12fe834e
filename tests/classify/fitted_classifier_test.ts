/** What a fitted classifier says beside classes: how unlike its training a light curve is. */
import { Tensor } from "../../ffi/tensor.ts";
import { fitClassifier } from "../../src/classify/fit_classifier.ts";
import type { HeadTraining, Sample } from "../../src/classify/train_head.ts";
import { seeded } from "../../src/common/random.ts";
import { assertEquals, assertTrue } from "../../src/common/std.ts";
import "../model/support.ts"; // one thread

const width = 4,
  training: HeadTraining = {
    learningRate: 1e-3,
    batchSize: 8,
    epochs: 1,
    patience: 1,
    balance: "none",
    seed: 0,
  };

Deno.test("novelty is about 1 for what is like the training, however often a small class repeats its objects", async () => {
  const random = seeded(3), normal = () => random.normal(), size = 3 * width;
  const table = Float32Array.from({ length: 100 * size }, normal);
  for (let i = 99 * size; i < 100 * size; i++) table[i] += 20; // the last one is unlike all others
  using vectors = Tensor.from(table, [100, 3, width]);
  const samples: Sample[] = Array.from({ length: 100 }, (_, row) => ({ rows: [row], label: row % 2 }));
  const novelties: Float32Array[] = [];
  for (const times of [1, 7]) {
    const train = samples.slice(0, 40).flatMap((sample) => Array<Sample>(times).fill(sample));
    const parts = { train, validation: samples.slice(40, 60) };
    const { classifier } = await fitClassifier(vectors, parts, ["a", "b"], "linear", training);
    using _ = classifier;
    novelties.push((await classifier.predict(vectors, samples.slice(60))).novelty);
  }
  const [once, repeated] = novelties, usual = once.slice(0, 39).sort()[19];
  assertTrue(usual > 0.8 && usual < 1.25, `${usual}`);
  assertTrue(once[39] > 5, `${once[39]}`);
  assertEquals(repeated, once);
});
