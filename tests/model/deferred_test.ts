/** Work that is given to a device while the program goes on, rehearsed on the CPU. */
import { liveTensors } from "../../ffi/tensor.ts";
import { square } from "../../ffi/ops.ts";
import { fillBatch } from "../../src/data/batch.ts";
import { noMasking } from "../../src/data/masking.ts";
import { modelPredictor } from "../../src/evaluate/reconstruction.ts";
import { Deferred, type Recorder } from "../../src/model/deferred.ts";
import { DeferredReconstruction } from "../../src/model/deferred_reconstruction.ts";
import { AstromerNetwork } from "../../src/model/network.ts";
import { assertEquals } from "../../src/std.ts";
import { sinusoidDataset, wholeWindows } from "../data/support.ts";
import { tiny } from "./support.ts";

const again: Recorder = (_device, work) => ({ replay: work, [Symbol.dispose]() {} });

Deno.test("several pieces of work under way at once each have their own numbers", () => {
  const before = liveTensors(), recorded: string[] = [];
  {
    using deferred = new Deferred("cpu", {
      record: (device, work) => {
        recorded.push(device);
        return again(device, work);
      },
    });
    const begin = (...values: number[]) =>
      deferred.begin(`${values.length}`, { x: { shape: [values.length], values } }, ({ x }) => square(x));
    const reads = [begin(1), begin(2, 3), begin(4), begin(5), begin(6, 7)];
    assertEquals(reads.map((read) => [...read()]), [[1], [4, 9], [16], [25], [36, 49]]);
    assertEquals([recorded, deferred.graphs], [["cpu", "cpu"], 2], "each kind the second time, and no more");
  }
  assertEquals(liveTensors(), before);
});

Deno.test("batches that are reconstructed while others are filled have the predictions of those that are not", async () => {
  const dataset = sinusoidDataset([20, 14, 20, 20, 9, 20]), windows = wholeWindows(dataset);
  const batches = [[0, 2], [1, 4], [3, 5], [0, 3]].map((curves) =>
    fillBatch(dataset, curves.map((i) => windows[i]), { masking: noMasking, weights: "none", key: [1] })
  );
  using model = new AstromerNetwork(tiny());
  const predict = modelPredictor(model), expected = await Promise.all(batches.map((batch) => predict(batch)));
  using reconstruction = new DeferredReconstruction(model, { record: again });
  const reads = batches.map((batch) => reconstruction.begin(batch));
  for (const [i, read] of reads.entries()) assertEquals(read(), expected[i]);
});
