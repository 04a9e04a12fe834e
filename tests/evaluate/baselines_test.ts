/** Classical predictors, each against a small calculation, and that none sees what is hidden. */
import { fillBatch, role } from "../../src/data/batch.ts";
import { paperMasking } from "../../src/data/masking.ts";
import { type Baseline, baselinePredictor, baselines, fourierSeries } from "../../src/evaluate/baselines.ts";
import { predictWindows } from "../../src/evaluate/reconstruction.ts";
import { seeded } from "../../src/common/random.ts";
import { assertAlmostEquals, assertEquals, assertTrue } from "../../src/common/std.ts";
import { sinusoidDataset, wholeWindows } from "../data/support.ts";
import { largestDifference } from "../shared.ts";

const { mean, "linear interpolation": linear, "harmonic fit": harmonic } = baselines;
const lengths = [60, 23, 5, 60, 41];

/** What a baseline predicts of one window. */
async function predict(baseline: Baseline, times: number[], magnitudes: number[]): Promise<number[]> {
  const window = { times: Float64Array.from(times), magnitudes: Float64Array.from(magnitudes) };
  return Array.from((await baseline([window]))[0]);
}

function batchOf() {
  const dataset = sinusoidDataset(lengths);
  return fillBatch(dataset, wholeWindows(dataset), { masking: paperMasking, weights: "errors", key: [2] });
}

Deno.test("the window's mean is 0", async () => {
  assertEquals(await predict(mean, [1, 2, 4], [0.1, NaN, -0.1]), [0, 0, 0]);
});

Deno.test("straight lines between visible points, constant outside, a visible point itself", async () => {
  const times = [0, 1, 3, 4, 7, 7, 8, 12], magnitudes = [NaN, 0.5, NaN, 0.2, 0.4, NaN, NaN, NaN];
  const expected = [0.5, 0.5, 0.3, 0.2, 0.4, 0.4, 0.4, 0.4];
  assertTrue(largestDifference(await predict(linear, times, magnitudes), expected) < 1e-12);
  const between = await predict(linear, [0, 2, 2, 2, 6], [1, NaN, 0.5, NaN, -0.5]);
  assertEquals(between, [1, 0.5, 0.5, 0.5, -0.5]);
  assertEquals(await predict(linear, [0, 1], [NaN, NaN]), [0, 0]);
  assertEquals(await predict(linear, [0, 1, 2], [NaN, 0.3, NaN]), [0.3, 0.3, 0.3]);
});

Deno.test("a periodic star is found where it was not seen, in the gaps too", async () => {
  const random = seeded(5), period = 0.6312;
  const times = Array.from({ length: 150 }, (_, i) => 2 * i + random.next());
  const truth = times.map((t) =>
    0.1 + 0.4 * Math.sin(2 * Math.PI * t / period) + 0.15 * Math.cos(4 * Math.PI * t / period + 1)
  );
  const shown = truth.map((m, i) => i % 3 === 0 ? NaN : m);
  const found = await predict(harmonic, times, shown);
  // The periodogram's peak is that of a sinusoid: the second term shifts it a little.
  assertTrue(largestDifference(found, truth) < 0.03, `${largestDifference(found, truth)}`);
  const straight = await predict(linear, times, shown);
  assertTrue(largestDifference(straight, truth) > 0.3, "which lines between points do not");
});

Deno.test("a series has as many terms as there is evidence for", () => {
  const random = seeded(6), period = 3.3;
  const times = Float64Array.from({ length: 120 }, (_, i) => i + random.next());
  const noise = times.map(() => 0.05 * random.normal());
  for (const terms of [0, 1, 3]) {
    const magnitudes = noise.map((m, i) =>
      m + (terms > 0 ? 0.3 : 0) * Math.cos(2 * Math.PI * terms * times[i] / period)
    );
    assertEquals(fourierSeries(times, magnitudes, period).amplitudes.length, terms);
  }
  // Three points determine no sinusoid with its period: their mean is left.
  const few = fourierSeries(Float64Array.of(0, 1, 2.5), Float64Array.of(0.1, 0.2, 0.6), period);
  assertEquals(few.amplitudes.length, 0);
  assertAlmostEquals(few.constant, 0.3, 1e-12);
});

Deno.test("two eclipses that differ have twice the period, two that do not have the period", () => {
  const random = seeded(8), period = 0.8;
  const times = Float64Array.from({ length: 140 }, (_, i) => i + random.next());
  const noise = times.map(() => 0.03 * random.normal());
  for (const [depth, expected] of [[0.1, 2 * period], [0, period]]) {
    const magnitudes = noise.map((m, i) =>
      m + 0.3 * Math.cos(2 * Math.PI * times[i] / period) + depth * Math.cos(Math.PI * times[i] / period)
    );
    assertEquals(fourierSeries(times, magnitudes, period).period, expected);
  }
});

Deno.test("nothing to see is predicted by the mean", async () => {
  for (const [name, baseline] of Object.entries(baselines)) {
    assertEquals(await predict(baseline, [0, 1, 2], [NaN, NaN, NaN]), [0, 0, 0], name);
  }
});

Deno.test("no baseline reads hidden magnitudes, each reads visible ones", async () => {
  for (const [name, baseline] of Object.entries(baselines)) {
    const batch = batchOf(), predictor = baselinePredictor(baseline);
    const before = await predictor.begin(batch)();
    batch.targets.fill(9);
    for (const [at, hidden] of batch.hidden.entries()) if (hidden) batch.magnitudes[at] = 100 + at;
    assertEquals(await predictor.begin(batch)(), before, name);
    for (const [at, hidden] of batch.hidden.entries()) if (!hidden) batch.magnitudes[at] *= 2;
    const doubled = largestDifference(await predictor.begin(batch)(), before);
    assertTrue(name === "mean" ? doubled === 0 : doubled > 0.1, name);
  }
});

Deno.test("predictions stand at the probed points, in their order, of what was shown", async () => {
  const dataset = sinusoidDataset(lengths), options = { weights: "none", batchSize: 2, seed: 1 } as const;
  const places: Baseline = (windows) => windows.map(({ times }) => times.map((_, i) => i));
  const found = (baseline: Baseline, check: Parameters<typeof predictWindows>[4]) =>
    predictWindows(baselinePredictor(baseline), dataset, wholeWindows(dataset), {
      ...options,
      masking: paperMasking,
    }, check);
  let windows = 0;
  await found(places, ({ points, predicted }) => {
    windows++;
    assertEquals(Array.from(predicted), Array.from(points));
  });
  assertEquals(windows, lengths.length);
  const wrong = { left: 0, replaced: 0 };
  await found(linear, ({ roles, predicted, targets }) => {
    for (const [i, of] of roles.entries()) {
      if (of === role.left && predicted[i] !== targets[i]) wrong.left++;
      if (of === role.replaced && predicted[i] !== targets[i]) wrong.replaced++;
    }
  });
  assertEquals(wrong.left, 0, "what is left shows its own magnitude");
  assertTrue(wrong.replaced > 10, "what is replaced shows another's");
});
