/** All work that a GPU records as a graph: nothing in it is uploaded or read back, whatever the network. */
import { Tensor } from "../../ffi/tensor.ts";
import { indexSelect, to } from "../../ffi/ops.ts";
import { Head } from "../../src/classify/head.ts";
import { classLoss, HeadSteps, labelParts } from "../../src/classify/head_steps.ts";
import { fillBatch, layOut } from "../../src/data/batch.ts";
import { paperMasking } from "../../src/data/masking.ts";
import { besideOf, embedding, pooled, type Pooling } from "../../src/embed/pooling.ts";
import { unmasked } from "../../src/embed/stream.ts";
import {
  DeferredInference,
  inputOf,
  partsOf,
  reconstruction,
  shapeKey,
} from "../../src/model/deferred_inference.ts";
import { AstromerNetwork } from "../../src/model/network.ts";
import { oneRank } from "../../src/machine/ranks.ts";
import { assertEquals, assertThrows, assertTrue } from "../../src/common/std.ts";
import { Adam } from "../../src/train/adam.ts";
import { DeferredSteps } from "../../src/train/deferred_steps.ts";
import { DeviceObservations } from "../../src/train/device_observations.ts";
import { sinusoidDataset, wholeWindows } from "../data/support.ts";
import { rehearsedGraph as record } from "./rehearsed_graph.ts";
import { tiny } from "./support.ts";

const dataset = sinusoidDataset([20, 14, 20, 9]), windows = wholeWindows(dataset);

Deno.test("what a graph could not hold is refused", () => {
  const graph = record("cpu", () => void Tensor.from([1]));
  assertThrows(() => graph.replay(), Error, "an upload within work that a GPU records");
  using one = Tensor.from([1]);
  assertThrows(() => record("cpu", () => void one.item()).replay(), Error, "a read-back");
  assertEquals(one.item(), 1);
});

for (const encoding of ["reference", "periods", "folded"] as const) {
  for (const dtype of ["float32", "bfloat16"] as const) {
    Deno.test(`steps, reconstruction and embeddings can be recorded (${encoding}, ${dtype})`, () => {
      const sizes = { encoding, dropout: 0.1, shortest_period: 2, longest_period: 100 };
      using network = new AstromerNetwork(tiny(sizes), { dtype, fusedAttention: true });
      using adam = new Adam(network.parameters, { clipNorm: 1 });
      const how = { masking: paperMasking, key: [1] };
      using observations = new DeviceObservations(dataset, dataset.lengths.keys(), "cpu", {
        weights: "errors",
      });
      for (const there of [undefined, observations]) {
        using steps = new DeferredSteps(network, adam, oneRank, { record, observations: there });
        const batch = there
          ? layOut(windows, how)
          : fillBatch(dataset, windows, { ...how, weights: "errors" });
        for (let i = 0; i < 3; i++) {
          assertTrue(Number.isFinite(steps.begin(batch, windows.length, 1e-4)().loss));
        }
        assertEquals(steps.graphs, 1);
      }
      const poolings: Pooling[] = ["mean", "max", "layers", "features", "points"];
      for (const work of [reconstruction, ...poolings.map(embedding)]) {
        using inference = new DeferredInference(network, work, { ahead: 1, record });
        const batch = unmasked(dataset, windows, 24), first = inference.begin(batch)().slice();
        assertEquals(inference.begin(batch)(), first, work.name);
        assertEquals(inference.graphs, 1);
      }
    });
  }
}

Deno.test("a head's steps can be recorded, on vectors and with the encoder", () => {
  using network = new AstromerNetwork(tiny({ dropout: 0.1 }), { fusedAttention: true });
  using adam = new Adam(network.parameters, { clipNorm: 1 });
  using head = new Head({ kind: "mean-max", vectors: network.architecture.blocks + 2, width: 8, classes: 2 });
  using headAdam = new Adam(head.parameters);
  using weights = Tensor.from([0.5, 2]);
  const learner = { parameters: head.parameters, adam: headAdam, learningRate: 1e-3 };
  const encoder = { parameters: network.parameters, adam, learningRate: 1e-4 };
  using together = new HeadSteps(head, [encoder, learner], classLoss(weights), { ahead: 1, record });
  const batch = unmasked(dataset, windows, 24),
    source = {
      key: shapeKey(batch),
      parts: { ...partsOf(batch), ...besideOf(batch) },
      vectors: (parts: Record<"magnitudes" | "times" | "hidden" | "shares" | "lowest", Tensor>) =>
        pooled(network, inputOf(batch, parts), parts, "features", { training: true }),
    };
  for (let i = 0; i < 3; i++) {
    assertTrue(Number.isFinite(together.begin(4, labelParts([0, 1, 1, 0]), source)()));
  }
  using vectors = Tensor.zeros([5, network.architecture.blocks + 2, 8]);
  using frozen = new HeadSteps(head, [learner], classLoss(weights), { ahead: 1, record });
  for (let i = 0; i < 3; i++) {
    const read = frozen.begin(2, labelParts([0, 1]), {
      key: "rows",
      parts: { rows: { shape: [2], values: Float64Array.of(4, 1) } },
      vectors: ({ rows }) => indexSelect(vectors, 0, to(rows, "int64")),
    });
    assertTrue(Number.isFinite(read()));
  }
});
