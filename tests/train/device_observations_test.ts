/** Observations on the device, rehearsed on the CPU: batches that are gathered there are those that are filled here. */
import { liveTensors } from "../../ffi/tensor.ts";
import { fillBatch, layOut, type LossWeights } from "../../src/data/batch.ts";
import { type Masking, noMasking, paperMasking } from "../../src/data/masking.ts";
import { randomWindow } from "../../src/data/windows.ts";
import { InputError } from "../../src/common/errors.ts";
import { AstromerNetwork } from "../../src/model/network.ts";
import { seeded } from "../../src/common/random.ts";
import { assertEquals, assertStringIncludes, assertThrows, assertTrue } from "../../src/common/std.ts";
import { Adam } from "../../src/train/adam.ts";
import { belongOnDevice, DeviceObservations } from "../../src/train/device_observations.ts";
import { pretrain } from "../../src/train/pretrain.ts";
import type { MetricsLine, PretrainOptions } from "../../src/train/pretrain_types.ts";
import { constant } from "../../src/train/schedule.ts";
import { datasetOf, sinusoidDataset, sinusoids } from "../data/support.ts";
import { gathered } from "./support.ts";
import { assertSame, tiny } from "../model/support.ts";

/** Light curves of all lengths, whose errors are alike, unknown, zero, infinite, or of all sizes. */
function unevenDataset() {
  const curves = sinusoids([40, 12, 25, 5, 31, 40, 18, 9, 22, 35, 300, 7, 64]);
  const errors: ((error: number, i: number) => number)[] = [
    (error) => error,
    () => 0.25,
    (error, i) => i % 3 ? error : 0,
    (error, i) => i % 4 ? error : NaN,
    () => NaN,
    (error, i) => i === 2 ? Infinity : error,
    (error, i) => i % 2 ? error * 1e-6 : error * 1e6,
    (error, i) => i === 1 ? -error : error,
  ];
  return datasetOf(curves.map((curve, i) => ({ ...curve, err: curve.err.map(errors[i % errors.length]) })));
}

Deno.test("gathered on the device, a batch is to the bit the one that is filled", () => {
  const dataset = unevenDataset(), before = liveTensors();
  const maskings: Masking[] = [paperMasking, noMasking, {
    probed_fraction: 0.9,
    masked_fraction: 0.2,
    replaced_fraction: 0.5,
  }];
  const there = [...dataset.lengths.keys()].filter((i) => i % 5 !== 1).reverse(); // not all of them
  let compared = 0;
  for (const weights of ["errors", "none"] satisfies LossWeights[]) {
    using observations = new DeviceObservations(dataset, there, "cpu", { weights });
    for (const [m, masking] of maskings.entries()) {
      for (let draw = 0; draw < 4; draw++) {
        const random = seeded(m, draw), key = [3, m, draw];
        const windows = Array.from({ length: 9 }, () => {
          const lightCurve = there[random.integer(there.length)];
          return randomWindow(lightCurve, dataset.lengths[lightCurve], random, 50);
        });
        const expected = fillBatch(dataset, windows, { masking, weights, key });
        const layout = layOut(windows, { masking, key });
        const found = gathered(observations, layout, "cpu");
        for (const name of ["magnitudes", "times", "targets", "coefficients"] as const) {
          assertEquals(found[name], expected[name], `${name} ${weights} ${m} ${draw}`);
          compared += expected[name].filter((value) => value !== 0).length;
        }
      }
    }
  }
  assertTrue(compared > 10_000, `${compared} numbers`);
  assertEquals(liveTensors(), before);
});

async function train(changes: Partial<PretrainOptions>) {
  const lengths = [40, 12, 25, 5, 31, 40, 18, 9, 22, 35, 30, 45, 16];
  const data = sinusoidDataset(lengths, { subsets: lengths.map((_, i) => i < 10 ? "train" : "validation") });
  using model = new AstromerNetwork(tiny({ dropout: 0.1 }), { seed: 1 });
  using adam = new Adam(model.parameters, { clipNorm: 1 });
  const options: PretrainOptions = {
    ...{ windowSize: 20, batchSize: 3, masking: paperMasking, weights: "errors", schedule: constant(5e-3) },
    ...{ epochs: 2, maxMinutes: Infinity, patience: 20, validationWindows: 100, logSteps: 1, seed: 1 },
    ...changes,
  };
  const lines: MetricsLine[] = [];
  await pretrain(model, adam, data, options, {
    onMetrics: (line) => void lines.push(line),
    onBest: () => Promise.resolve(),
  });
  const timeless = lines.map(({ seconds: _, windows_per_second: __, memory_gb: ___, ...rest }) => rest);
  return { lines: timeless, parameters: model.parameters.master.toArray() as Float32Array };
}

Deno.test("a training whose observations lie on the device is the same to the bit", async () => {
  const before = liveTensors();
  const expected = await train({ stepsAhead: 3, dataOnDevice: "false" });
  for (const stepsAhead of [3, 0]) {
    const found = await train({ stepsAhead, dataOnDevice: "true" });
    assertEquals(found.lines, expected.lines);
    assertSame(found.parameters, expected.parameters);
  }
  assertEquals(expected.lines.length, 10);
  assertEquals(liveTensors(), before);
});

Deno.test("observations lie on a GPU where half of its free memory is enough, and nowhere else unless told to", () => {
  const lengths = Int32Array.of(300, 600, 400);
  const on = (
    ...[device, wish, free]: Parameters<typeof belongOnDevice> extends [unknown, unknown, ...infer R] ? R
      : never
  ) => belongOnDevice({ lengths }, [2, 1, 2], device, wish, free); // 1,000 observations
  assertEquals([on("cuda", "auto", 32_000), on("cuda", "auto", 31_999)], [true, false]);
  assertEquals([on("cuda:1", "true", 32_000), on("cuda", "false", 32_000)], [true, false]);
  assertEquals([on("cpu", "auto"), on("cpu", "true"), on("cpu", "false")], [false, true, false]);
  const many = { lengths: new Int32Array(5000).fill(1e6) };
  const error = assertThrows(
    () => belongOnDevice(many, many.lengths.keys(), "cuda", "true", 79e9),
    InputError,
  );
  assertStringIncludes(
    error.message,
    "--data-on-device true: the observations take 80.0 GB, and of the 79.0 GB that are free on cuda half is left to them",
  );
});
