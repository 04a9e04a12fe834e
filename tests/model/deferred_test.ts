/** Work that is given to a device while the program goes on, rehearsed on the CPU. */
import { liveTensors } from "../../ffi/tensor.ts";
import { square } from "../../ffi/ops.ts";
import { fillBatch } from "../../src/data/batch.ts";
import { noMasking } from "../../src/data/masking.ts";
import { modelPredictor } from "../../src/evaluate/reconstruction.ts";
import { Deferred } from "../../src/model/deferred.ts";
import { AstromerNetwork } from "../../src/model/network.ts";
import { assertEquals, assertTrue } from "../../src/common/std.ts";
import { sinusoidDataset, wholeWindows } from "../data/support.ts";
import { tiny } from "./support.ts";
import { rehearsedGraph } from "./rehearsed_graph.ts";

Deno.test("several pieces of work under way at once each have their own numbers", () => {
  const before = liveTensors(), recorded: string[] = [];
  {
    using deferred = new Deferred("cpu", {
      record: (device, work) => {
        recorded.push(device);
        return rehearsedGraph(device, work);
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

Deno.test("of a hundred kinds that come once the memory is not kept, and each has its own numbers", () => {
  const before = liveTensors();
  {
    using deferred = new Deferred("cpu", { record: null });
    const of = (count: number) => Array.from({ length: count }, (_, i) => i + count);
    const begin = (count: number) =>
      deferred.begin(`${count}`, { x: { shape: [count], values: of(count) } }, ({ x }) => square(x));
    const squares = (count: number) => of(count).map((value) => value ** 2);
    for (let count = 1; count <= 100; count += 2) {
      const reads = [begin(count), begin(count + 1), begin(1)];
      assertEquals(
        reads.map((read) => [...read()]),
        [squares(count), squares(count + 1), [1]],
      );
    }
    assertTrue(liveTensors() - before < 110, `${liveTensors() - before} are alive`);
  }
  assertEquals(liveTensors(), before);
});

Deno.test("batches that are given while others are filled have the predictions of those that are waited for", () => {
  const dataset = sinusoidDataset([20, 14, 20, 20, 9, 20]), windows = wholeWindows(dataset);
  const batches = [[0, 2], [1, 4], [3, 5], [0, 3]].map((curves) =>
    fillBatch(dataset, curves.map((i) => windows[i]), { masking: noMasking, weights: "none", key: [1] })
  );
  using model = new AstromerNetwork(tiny());
  using plain = modelPredictor(model);
  assertEquals(plain.ahead, 0, "on the CPU");
  const expected = batches.map((batch) => plain.begin(batch)());
  using later = modelPredictor(model, { ahead: 8, record: rehearsedGraph });
  const reads = batches.map((batch) => later.begin(batch));
  for (const [i, read] of reads.entries()) assertEquals(read(), expected[i]);
  assertEquals(later.graphs, 1);
});
