/** The heads: the gamma head against the reference's recorded numbers; training on clouds of points. */
import { backward, noGrad } from "../../ffi/autograd.ts";
import { crossEntropyLoss } from "../../ffi/ops.ts";
import { liveTensors, scope, Tensor } from "../../ffi/tensor.ts";
import { Head, headKinds } from "../../src/classify/head.ts";
import {
  type Balance,
  crossEntropy,
  type HeadTraining,
  mostLikely,
  probabilitiesOf,
  type Sample,
  scaled,
  scored,
  temperatureOf,
  trainHead,
} from "../../src/classify/train_head.ts";
import { embedBatch } from "../../src/embed/pooling.ts";
import { Failure } from "../../src/common/errors.ts";
import { architecture } from "../../src/model/architecture.ts";
import { AstromerNetwork } from "../../src/model/network.ts";
import { seeded } from "../../src/common/random.ts";
import {
  assertAlmostEquals,
  assertEquals,
  assertRejects,
  assertStringIncludes,
  assertTrue,
} from "../../src/common/std.ts";
import { Fixture, largestDifference, sharedTest } from "../shared.ts";
import "../model/support.ts"; // one thread
import { loadReference, recorded, referenceFrequencies } from "../model/reference.ts";
import { rehearsedGraph } from "../model/rehearsed_graph.ts";

/** Our parameter's name to the reference's. */
function referenceName(name: string): string {
  return "head." + name.replace("hidden.", "dense.")
    .replace("norm.weight", "ln.gamma").replace("norm.bias", "ln.beta").replace("weight", "kernel");
}

sharedTest(
  "the gamma head reproduces the reference: weighted layers, logits, cross-entropy, gradients",
  async () => {
    const fixture = await Fixture.read("classifier_skip.safetensors");
    using head = new Head({ kind: "gamma", vectors: 8, width: 256, classes: 6 });
    head.parameters.loadStateDict(
      new Map(head.parameters.layout.map(({ name, shape }) => [
        name,
        { shape, data: recorded(fixture, referenceName(name), shape) },
      ])),
    );
    assertTrue(largestDifference(head.gammas!, fixture.floats("out.gamma_softmax")) < 1e-7);
    const pooled = fixture.floats("out.pooled"); // (7, 6, 256)
    const vectors = new Float32Array(6 * 8 * 256);
    for (let layer = 0; layer < 7; layer++) {
      for (let w = 0; w < 6; w++) {
        vectors.set(pooled.subarray((layer * 6 + w) * 256, (layer * 6 + w + 1) * 256), (w * 8 + layer) * 256);
      }
    }
    const labels = BigInt64Array.from(fixture.numbers("labels"), BigInt);
    const [logits, loss] = scope(() => {
      const out = head.forward(Tensor.from(vectors, [6, 8, 256]));
      const loss = crossEntropyLoss(out, Tensor.from(labels));
      head.parameters.zeroGradient();
      backward(loss);
      head.parameters.gatherGradient();
      return [out.toArray() as Float32Array, loss.item()];
    });
    assertTrue(largestDifference(logits, fixture.floats("out.logits")) < 5e-6);
    assertAlmostEquals(loss, fixture.floats("out.cross_entropy")[0], 1e-6);
    const gradient = head.parameters.gradient.toArray() as Float32Array;
    for (const { name, shape, offset } of head.parameters.layout) {
      const of = referenceName(name).replace("head.", "");
      const mine = gradient.subarray(offset, offset + shape.reduce((a, b) => a * b, 1));
      if (fixture.has(`grad.${of}`)) {
        const theirs = recorded(fixture, `grad.${of}`, shape);
        const largest = theirs.reduce((m, g) => Math.max(m, Math.abs(g)), 0);
        assertTrue(largestDifference(mine, theirs) < 1e-5 * largest, name);
      } else {
        const norm = Math.sqrt(mine.reduce((sum, g) => sum + g * g, 0));
        assertAlmostEquals(norm, fixture.numbers(`grad_norm.${of}`)[0], 1e-5 * norm, name);
      }
    }
  },
);

sharedTest("the vectors that a head reads are those of the reference's own windows", async () => {
  const fixture = await Fixture.read("classifier_skip.safetensors");
  using network = loadReference(
    new AstromerNetwork(architecture("astromer2", { masked_magnitudes: "kept" }), {
      frequencies: await referenceFrequencies(),
    }),
    await Fixture.read("astromer2_random.safetensors"),
  );
  const lengths = Array.from(fixture.numbers("length") as Int32Array);
  const batch = {
    windows: lengths.map((length, lightCurve) => ({ lightCurve, start: 0, length })),
    length: 200,
    keys: 200,
    keysAreVisible: false,
    queriesFrom: 0,
    magnitudes: fixture.floats("in.input"),
    times: fixture.floats("in.times"),
    hidden: Uint8Array.from(fixture.floats("in.mask_in")),
    means: new Float64Array(6),
    roles: new Uint8Array(6 * 200),
    positions: new Int32Array(6 * 200),
    shows: new Int32Array(6 * 200),
    probed: new Int32Array(6),
  };
  const vectors = embedBatch(network, batch, "features");
  const pooled = fixture.floats("out.pooled");
  for (let w = 0; w < 6; w++) {
    for (let layer = 0; layer < 7; layer++) {
      const theirs = pooled.subarray((layer * 6 + w) * 256, (layer * 6 + w + 1) * 256);
      const mine = vectors[w].subarray(layer * 256, (layer + 1) * 256);
      assertTrue(
        largestDifference(mine, theirs) < 1e-5,
        `window ${w}, layer ${layer}: ${largestDifference(mine, theirs)}`,
      );
    }
  }
});

/** Clouds of points around a centre a class, in the last mean and the maximum; two windows each. */
function clouds(count: number, classes: number, seed: number) {
  const random = seeded(seed), width = 6, vectors = 3;
  const rows: number[][] = [], samples: Sample[] = [];
  for (let i = 0; i < count; i++) {
    const label = i % classes;
    samples.push({ rows: [rows.length, rows.length + 1], label });
    for (let w = 0; w < 2; w++) {
      const row = Array.from(
        { length: vectors * width },
        (_, j) => (j % width === label ? 2 : 0) + 0.7 * random.normal(),
      );
      rows.push(row);
    }
  }
  return { table: Float32Array.from(rows.flat()), shape: [rows.length, vectors, width], samples };
}

Deno.test("each head reads the vectors that its name says, and no others", () => {
  const read = { gamma: [0, 1, 2], mean: [2], max: [3], "mean-max": [2, 3], all: [0, 1, 2], linear: [2] };
  const size = [1, 4, 6], values = Float32Array.from({ length: 24 }, (_, i) => Math.sin(i));
  for (const kind of headKinds) {
    using head = new Head({ kind, vectors: 4, width: 6, classes: 2 });
    const logits = (changed?: number) =>
      noGrad(() =>
        scope(() => {
          const given = values.map((value, i) => Math.floor(i / 6) === changed ? value + i : value);
          return head.forward(Tensor.from(given, size)).toArray() as Float32Array;
        })
      );
    const plain = logits();
    const moving = [0, 1, 2, 3].filter((vector) => largestDifference(logits(vector), plain) > 1e-3);
    assertEquals(moving, read[kind], kind);
  }
});

for (const kind of headKinds) {
  Deno.test(`head ${kind} learns clouds of points, the same from the same seed, and frees what it took`, async () => {
    const before = liveTensors();
    const train = clouds(120, 3, 1),
      settings = {
        learningRate: kind === "linear" ? 0.1 : 3e-3,
        batchSize: 32,
        epochs: 12,
        patience: 10,
        balance: "none",
        seed: 3,
      } as const;
    const run = async () => {
      using head = new Head({ kind, vectors: 3, width: 6, classes: 3 }, { seed: 5 });
      using vectors = Tensor.from(train.table, train.shape);
      const [held, kept] = [train.samples.slice(0, 30), train.samples.slice(30)];
      const result = await trainHead(head, vectors, { train: kept, validation: held }, settings);
      const probabilities = probabilitiesOf(head, vectors, held);
      assertAlmostEquals(
        crossEntropy(probabilities, held, 3),
        result.validationLoss,
        1e-6,
        "the best epoch is kept",
      );
      return { f1: scored(probabilities, held, ["a", "b", "c"]).scores.f1, probabilities };
    };
    const [one, two] = [await run(), await run()];
    assertTrue(one.f1 > 0.9, `${one.f1}`);
    assertEquals(one.probabilities, two.probabilities);
    assertEquals(liveTensors(), before);
  });
}

Deno.test("with steps under way, as on a GPU, a head learns what it learns otherwise", async () => {
  const before = liveTensors(), train = clouds(120, 3, 1);
  const run = async (deferred: HeadTraining["deferred"], balance: Balance) => {
    using head = new Head({ kind: "mean-max", vectors: 3, width: 6, classes: 3 }, { seed: 5 });
    using vectors = Tensor.from(train.table, train.shape);
    const losses: number[][] = [], [held, kept] = [train.samples.slice(0, 30), train.samples.slice(30)];
    const settings = {
      learningRate: 1e-3,
      batchSize: 32,
      epochs: 4,
      patience: 9,
      balance,
      seed: 3,
      deferred,
    };
    await trainHead(
      head,
      vectors,
      { train: kept, validation: held },
      settings,
      (_, ...both) => losses.push(both),
    );
    return losses.flat();
  };
  for (const balance of ["none", "loss"] as const) {
    const expected = await run(undefined, balance);
    for (const deferred of [{ ahead: 3, record: rehearsedGraph }, { ahead: 8, record: null }]) {
      const found = await run(deferred, balance);
      for (const [i, loss] of expected.entries()) assertAlmostEquals(found[i], loss, 1e-4);
    }
  }
  assertEquals(liveTensors(), before);
});

Deno.test("with steps under way, a loss that is not a number ends the training", async () => {
  using head = new Head({ kind: "linear", vectors: 3, width: 6, classes: 3 });
  const { table, shape, samples } = clouds(60, 3, 1);
  using vectors = Tensor.from(table.fill(NaN, 0, 10 * 18), shape);
  const parts = { train: samples.slice(0, 40), validation: samples.slice(40) };
  const settings = {
    learningRate: 1e-3,
    batchSize: 8,
    epochs: 4,
    patience: 9,
    balance: "none",
    seed: 3,
  } as const;
  for (const deferred of [undefined, { ahead: 2, record: rehearsedGraph }]) {
    const error = await assertRejects(
      () => trainHead(head, vectors, parts, { ...settings, deferred }),
      Failure,
    );
    assertStringIncludes(
      error.message,
      "the classifier's loss became NaN in epoch 1: try a lower --learning-rate",
    );
  }
  assertTrue([...head.parameters.master.toArray()].every((value) => Number.isFinite(Number(value))));
});

Deno.test("balance: a class with a tenth of the samples is found as often as the others", async () => {
  const { table, shape, samples } = clouds(600, 2, 7);
  const rare = samples.filter(({ label }, i) => label === 0 || i % 40 === 1), test = samples.slice(500);
  using vectors = Tensor.from(table.map((x) => x * 0.4), shape);
  const recalls: Record<string, number> = {};
  for (const balance of ["none", "batches", "loss"] as const) {
    using head = new Head({ kind: "linear", vectors: 3, width: 6, classes: 2 });
    await trainHead(head, vectors, { train: rare.slice(0, 250), validation: rare.slice(250) }, {
      learningRate: 0.05,
      batchSize: 64,
      epochs: 30,
      patience: 30,
      balance,
      seed: 1,
    });
    recalls[balance] = noGrad(() => scored(probabilitiesOf(head, vectors, test), test, ["a", "b"]).recall(1));
  }
  assertTrue(
    recalls.batches > recalls.none + 0.05 && recalls.loss > recalls.none + 0.05,
    JSON.stringify(recalls),
  );
});

Deno.test("cross-entropy: of all light curves alike, or of all classes alike", () => {
  const samples = [0, 0, 0, 1].map((label) => ({ rows: [0], label })); // and none of the third class
  const probabilities = Float32Array.from(samples.flatMap(() => [0.5, 0.25, 0.25]));
  assertAlmostEquals(crossEntropy(probabilities, samples, 3), (3 * Math.log(2) + Math.log(4)) / 4, 1e-6);
  for (const balance of ["batches", "loss"] as const) {
    const expected = (Math.log(2) + Math.log(4)) / 2;
    assertAlmostEquals(crossEntropy(probabilities, samples, 3, balance), expected, 1e-6);
  }
});

Deno.test("temperature: over-confident probabilities are brought back, and order stays", () => {
  const random = seeded(4), classes = 3;
  const samples: Sample[] = Array.from(
    { length: 4000 },
    () => ({ rows: [0], label: random.integer(classes) }),
  );
  const honest = new Float32Array(samples.length * classes);
  for (const [i, sample] of samples.entries()) {
    const p = [random.next(), random.next(), random.next()], sum = p[0] + p[1] + p[2];
    for (let c = 0; c < 3; c++) honest[3 * i + c] = p[c] / sum;
    let u = random.next(), c = 0;
    while (c < 2 && (u -= honest[3 * i + c]) > 0) c++;
    sample.label = c;
  }
  const sharp = scaled(honest, classes, 1 / 3);
  const temperature = temperatureOf(sharp, samples, classes);
  assertTrue(Math.abs(temperature - 3) < 0.3, `${temperature}`);
  const back = scaled(sharp, classes, temperature);
  assertEquals(mostLikely(back, classes), mostLikely(honest, classes));
  assertAlmostEquals(back[0] + back[1] + back[2], 1, 1e-6);
  assertTrue(crossEntropy(back, samples, classes) < crossEntropy(sharp, samples, classes));
});
