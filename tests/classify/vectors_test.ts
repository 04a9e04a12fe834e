/** Vectors of windows, computed once and found again. */
import { liveTensors } from "../../ffi/tensor.ts";
import {
  openVectors,
  plannedWindows,
  type VectorOptions,
  windowsToTrainOn,
} from "../../src/classify/vectors.ts";
import { sequentialWindows } from "../../src/data/windows.ts";
import { AstromerNetwork } from "../../src/model/network.ts";
import { assertEquals, assertThrows, assertTrue } from "../../src/common/std.ts";
import { sinusoidDataset } from "../data/support.ts";
import { scramble, tiny } from "../model/support.ts";
import { namesIn } from "../survey/support.ts";
import { testIn } from "../shared.ts";

const dataset = sinusoidDataset([20, 5, 47, 60, 33]);
const train = new Map([[2, 3], [3, 3], [1, 5]]);
const plan = { train, judged: [0, 3, 4], windowSize: 20, seed: 4 };

Deno.test("random windows to train on, all windows to judge by, each once", () => {
  const { windows, trainRows, rows } = plannedWindows(dataset, plan);
  assertEquals(trainRows(1, 5).map((row) => windows[row]), [{ lightCurve: 1, start: 0, length: 5 }]);
  for (const i of [2, 3]) {
    const drawn = trainRows(i, 3).map((row) => windows[row]);
    assertEquals(trainRows(i, 1).map((row) => windows[row]), drawn.slice(0, 1));
    assertTrue(drawn.length >= 1 && drawn.length <= 3);
    assertTrue(
      drawn.every(({ lightCurve, start, length }) =>
        lightCurve === i && length === 20 && start + 20 <= dataset.lengths[i]
      ),
    );
  }
  for (const i of [0, 3, 4]) {
    assertEquals(rows(i).map((row) => windows[row]), sequentialWindows(i, dataset.lengths[i], 20));
  }
  assertEquals(
    new Set(windows.map(({ lightCurve, start }) => `${lightCurve}:${start}`)).size,
    windows.length,
  );
  assertEquals(plannedWindows(dataset, plan).windows, windows);
  assertThrows(() => trainRows(0, 1), RangeError, "light curve 0 is not in this table");
  assertThrows(() => rows(1), RangeError, "light curve 1 is not in this table");
});

Deno.test("of few light curves more random windows each", () => {
  assertEquals([1, 112, 200, 560, 2800].map(windowsToTrainOn), [16, 16, 10, 4, 4]);
});

testIn(
  "the cache is used again for the same weights, windows and data, and for nothing else",
  async (folder) => {
    using network = scramble(new AstromerNetwork(tiny()));
    const before = liveTensors();
    let batches = 0;
    const open = async (changes: Partial<VectorOptions> = {}) => {
      batches = 0;
      const options = { ...plan, batchSize: 4, cache: folder, fingerprint: "a", ...changes };
      using table = await openVectors(network, dataset, options, () => void batches++);
      assertEquals(table.vectors.shape.slice(1), [4, 8]);
      return { values: table.vectors.toArray(), rows: table.rows(options.judged[0]), computed: batches > 0 };
    };
    const first = await open(), second = await open();
    assertEquals([first.computed, second.computed], [true, false]);
    assertEquals(second, { ...first, computed: false });
    for (const changes of [{ fingerprint: "b" }, { seed: 5 }, { judged: [0] }]) {
      assertTrue((await open(changes)).computed, JSON.stringify(changes));
    }
    assertEquals((await namesIn(folder)).length, 4);
    assertEquals(liveTensors(), before);
  },
);
