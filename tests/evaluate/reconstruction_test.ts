import { liveTensors } from "../../ffi/tensor.ts";
import { fillBatch, lossWeights, role, toTensors } from "../../src/data/batch.ts";
import { noMasking, paperMasking } from "../../src/data/masking.ts";
import { sequentialWindows } from "../../src/data/windows.ts";
import { ReconstructionMetrics } from "../../src/evaluate/metrics.ts";
import {
  reconstructionMetrics,
  reconstructWindows,
  type WindowResult,
} from "../../src/evaluate/reconstruction.ts";
import { AstromerNetwork } from "../../src/model/network.ts";
import { reconstructionLoss } from "../../src/model/loss.ts";
import { assertAlmostEquals, assertEquals, assertTrue } from "../../src/common/std.ts";
import { scope } from "../../ffi/tensor.ts";
import { sinusoidDataset, wholeWindows } from "../data/support.ts";
import { largestDifference } from "../shared.ts";
import { scramble, tiny } from "../model/support.ts";

const lengths = [30, 12, 5, 47, 30, 8];
const windowsOf = () => lengths.flatMap((n, i) => sequentialWindows(i, n, 20));
const options = { masking: paperMasking, weights: "errors", batchSize: 4, seed: 3 } as const;

/** Every window's result, by light curve and start. */
async function results(
  model: AstromerNetwork,
  changes: Partial<typeof options> | object = {},
): Promise<Map<string, WindowResult>> {
  const found = new Map<string, WindowResult>();
  await reconstructWindows(
    model,
    sinusoidDataset(lengths),
    windowsOf(),
    { ...options, ...changes },
    (result) => {
      found.set(`${result.window.lightCurve} ${result.window.start}`, result);
    },
  );
  return found;
}

Deno.test("every window once, its probed points with their own targets and weights", async () => {
  using model = scramble(new AstromerNetwork(tiny()));
  const dataset = sinusoidDataset(lengths);
  const found = await results(model);
  assertEquals(found.size, windowsOf().length);
  for (const { lightCurve, start, length } of windowsOf()) {
    const { points, targets, weights, roles, predicted } = found.get(`${lightCurve} ${start}`)!;
    assertEquals(points.length, Math.floor(length / 2));
    assertEquals(new Set(points).size, points.length);
    assertEquals(predicted.length, points.length);
    const from = dataset.offsets[lightCurve] + start;
    const mag = dataset.mag.subarray(from, from + length),
      all = lossWeights(dataset.err.subarray(from, from + length));
    const mean = mag.reduce((a, b) => a + b) / length;
    for (const [i, point] of points.entries()) {
      assertAlmostEquals(targets[i], mag[point] - mean, 1e-5);
      assertAlmostEquals(weights[i], all[point], 1e-6);
    }
    assertEquals(
      roles.filter((r) => r === role.masked).length,
      Math.min(points.length, Math.round(0.3 * length)),
    );
    assertTrue(roles.every((r) => r !== role.none));
  }
});

Deno.test("masks are those of the seed, whatever the size of the batches", async () => {
  using model = scramble(new AstromerNetwork(tiny()));
  const first = await results(model), other = await results(model, { batchSize: 3 });
  for (const [key, { points, roles, predicted }] of first) {
    const again = other.get(key)!;
    assertEquals([again.points, again.roles], [points, roles]);
    assertTrue(largestDifference(again.predicted, predicted) < 1e-5, key); // products of other sizes round otherwise
  }
  const reseeded = await results(model, { seed: 4 });
  assertTrue([...first].some(([key, { points }]) => points.join() !== reseeded.get(key)!.points.join()));
});

Deno.test("without masking every point is reconstructed, in its order", async () => {
  using model = scramble(new AstromerNetwork(tiny()));
  for (const { window, points, roles } of (await results(model, { masking: noMasking })).values()) {
    assertEquals(Array.from(points), Array.from({ length: window.length }, (_, i) => i));
    assertTrue(roles.every((r) => r === role.left));
  }
});

Deno.test("the metrics' loss is the training loss of the same batch", async () => {
  using model = scramble(new AstromerNetwork(tiny()));
  const dataset = sinusoidDataset(lengths);
  for (const weights of ["errors", "none"] as const) {
    const batch = fillBatch(dataset, wholeWindows(dataset), {
      masking: paperMasking,
      weights,
      key: [3, 0xf1cd],
    });
    const loss = scope(() => {
      const tensors = toTensors(batch, "cpu");
      return reconstructionLoss(model.reconstruct(tensors), tensors.targets, tensors.coefficients).item();
    });
    const metrics = await reconstructionMetrics(model, dataset, wholeWindows(dataset), {
      ...options,
      weights,
      batchSize: 100,
    });
    assertAlmostEquals(metrics.loss, loss, 1e-5);
    assertEquals(metrics.windows, 6);
    if (weights === "none") assertAlmostEquals(metrics.rmse, loss, 1e-5);
  }
});

Deno.test("a caller can stop early, and no tensor is left", async () => {
  using model = new AstromerNetwork(tiny());
  const before = liveTensors(), metrics = new ReconstructionMetrics(), done: number[] = [];
  await reconstructWindows(
    model,
    sinusoidDataset(lengths),
    windowsOf(),
    { ...options, batchSize: 5, onBatch: (n) => done.push(n) < 1 },
    ({ predicted, targets }) => metrics.add(predicted, targets),
  );
  assertEquals([done, metrics.windows], [[5], 5]);
  assertEquals(liveTensors(), before);
});

Deno.test("windows are asked for while the batch before them is computed, and the first by its own reading", async () => {
  using model = scramble(new AstromerNetwork(tiny()));
  const asked: string[] = [], done: string[] = [];
  const name = ({ lightCurve, start }: WindowResult["window"]) => `${lightCurve} ${start}`;
  const willNeed = (windows: readonly WindowResult["window"][]) => {
    assertTrue(windows.every((window) => !done.includes(name(window))));
    asked.push(...windows.map(name));
  };
  const dataset = { ...sinusoidDataset(lengths), willNeed };
  await reconstructWindows(
    model,
    dataset,
    windowsOf(),
    options,
    ({ window }) => void done.push(name(window)),
  );
  assertEquals(asked.length, windowsOf().length - options.batchSize);
  assertEquals(done.slice(options.batchSize), asked);
});
