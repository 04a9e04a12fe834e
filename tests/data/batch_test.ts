/** Batches: layout, normalisation, weights, and the mistakes that others' data paths have made. */
import { batchesOf, fillBatch, lossWeights, role, toTensors } from "../../src/data/batch.ts";
import { noMasking, paperMasking } from "../../src/data/masking.ts";
import { seeded } from "../../src/common/random.ts";
import { assertAlmostEquals, assertEquals, assertNotEquals, assertTrue } from "../../src/common/std.ts";
import { scope } from "../../ffi/tensor.ts";
import { Fixture, largestDifference, sharedTest } from "../shared.ts";
import { datasetOf, sinusoidDataset, wholeWindows } from "./support.ts";

const lengths = [40, 23, 5, 40, 9];
const filled = (key: number[] = [1], weights: "errors" | "none" = "none") => {
  const dataset = sinusoidDataset(lengths);
  return {
    dataset,
    batch: fillBatch(dataset, wholeWindows(dataset), { masking: paperMasking, weights, key }),
  };
};

Deno.test("every observed point has one column, with its time and magnitude; all others are padding", () => {
  const { dataset, batch } = filled();
  const { length, queriesFrom, positions, times, magnitudes, hidden, roles, targets } = batch;
  const read = length - queriesFrom;
  for (const [b, n] of lengths.entries()) {
    const from = dataset.offsets[b];
    const mean = (values: ArrayLike<number>) => {
      let sum = 0;
      for (let i = from; i < from + n; i++) sum += values[i];
      return sum / n;
    };
    const time = mean(dataset.mjd), magnitude = mean(dataset.mag);
    const seen: number[] = [];
    for (let column = 0; column < length; column++) {
      const at = b * length + column, point = positions[at];
      const inLoss = column >= queriesFrom ? b * read + column - queriesFrom : -1;
      if (point < 0) {
        assertEquals([magnitudes[at], times[at], hidden[at]], [0, 0, 1], "padding is hidden");
        if (inLoss >= 0) {
          assertEquals([roles[inLoss], batch.coefficients[inLoss], targets[inLoss]], [role.none, 0, 0]);
        }
        continue;
      }
      seen.push(point);
      assertAlmostEquals(times[at], dataset.mjd[from + point] - time, 1e-4);
      const true_ = dataset.mag[from + point] - magnitude, what = inLoss < 0 ? role.none : roles[inLoss];
      assertEquals(hidden[at], what === role.masked ? 1 : 0, "1 is hidden");
      if (what === role.replaced) {
        const window = dataset.mag.subarray(from, from + n);
        assertTrue(window.some((m) => Math.abs(m - magnitude - magnitudes[at]) < 1e-6), "another point's");
      } else assertAlmostEquals(magnitudes[at], true_, 1e-6);
      if (what !== role.none) assertAlmostEquals(targets[inLoss], true_, 1e-6);
      // Hidden columns lie behind the keys, visible ones within.
      assertEquals(column < batch.keys, what !== role.masked);
    }
    assertEquals(seen.sort((x, y) => x - y), Array.from({ length: n }, (_, i) => i));
    const of = (what: number) => roles.subarray(b * read, (b + 1) * read).filter((r) => r === what).length;
    const masked = Math.round(0.3 * n), probed = Math.floor(n / 2);
    assertEquals(of(role.masked), masked);
    assertEquals(of(role.masked) + of(role.replaced) + of(role.left), probed);
  }
  assertTrue(!batch.keysAreVisible);
});

Deno.test("a replaced point shows another point's magnitude but keeps its own time and target", () => {
  // Magnitude i at time i, so that what a point shows names its source.
  const n = 40, numbers = Array.from({ length: n }, (_, i) => i);
  const dataset = datasetOf([{ mjd: numbers, mag: numbers, err: numbers.map(() => 0.1) }]);
  const sources = new Set<number>();
  for (let epoch = 0; epoch < 30; epoch++) {
    const { length, queriesFrom, roles, positions, magnitudes, times, targets } = fillBatch(
      dataset,
      wholeWindows(dataset),
      { masking: paperMasking, weights: "none", key: [epoch] },
    );
    for (let column = queriesFrom; column < length; column++) {
      if (roles[column - queriesFrom] !== role.replaced) continue;
      const point = positions[column], mean = (n - 1) / 2;
      assertEquals([times[column], targets[column - queriesFrom]], [point - mean, point - mean]);
      const source = magnitudes[column] + mean;
      assertTrue(Number.isInteger(source) && source >= 0 && source < n);
      if (source !== point) sources.add(source);
    }
  }
  assertTrue(sources.size > 30, "sources are drawn from the whole window");
});

Deno.test("windows of one length have no padding, and then need no mask", () => {
  const dataset = sinusoidDataset([50, 50, 50]);
  const windows = wholeWindows(dataset);
  const batch = fillBatch(dataset, windows, { masking: paperMasking, weights: "none", key: [1] });
  assertEquals([batch.length, batch.keys, batch.queriesFrom, batch.keysAreVisible], [50, 35, 25, true]);
  assertTrue(batch.positions.every((position) => position >= 0));
  const plain = fillBatch(dataset, windows, { masking: noMasking, weights: "none", key: [1] });
  assertEquals([plain.length, plain.keys, plain.queriesFrom], [50, 50, 0]);
  assertTrue(plain.hidden.every((h) => h === 0));
  assertEquals(Array.from(plain.positions.subarray(0, 50)), Array.from({ length: 50 }, (_, i) => i));
  assertEquals(plain.magnitudes, plain.targets);
});

Deno.test("a window within a light curve: its own points, means of its own", () => {
  const dataset = sinusoidDataset([30, 90]);
  const windows = [{ lightCurve: 1, start: 40, length: 20 }];
  const { times, magnitudes } = fillBatch(dataset, windows, {
    masking: noMasking,
    weights: "none",
    key: [1],
  });
  const mjd = dataset.mjd.subarray(70, 90), mag = dataset.mag.subarray(70, 90);
  const mean = (values: ArrayLike<number>) => Array.from(values).reduce((a, b) => a + b) / 20;
  assertTrue(largestDifference(times, mjd.map((t) => t - mean(mjd))) < 1e-5);
  assertTrue(largestDifference(magnitudes, mag.map((m) => m - mean(mag))) < 1e-6);
  assertAlmostEquals(mean(times), 0, 1e-5);
  assertAlmostEquals(mean(magnitudes), 0, 1e-6);
});

Deno.test("means are taken over observed points, whatever else is in the batch", () => {
  const dataset = sinusoidDataset([12, 60]);
  const [short, long] = wholeWindows(dataset);
  const options = { masking: noMasking, weights: "errors", key: [1] } as const;
  const alone = fillBatch(dataset, [short], options), together = fillBatch(dataset, [short, long], options);
  const observed = (values: Float32Array, { positions }: typeof alone) =>
    values.subarray(0, together.length).filter((_, i) => positions[i] >= 0);
  assertEquals(together.length, 60);
  for (const name of ["magnitudes", "times", "targets"] as const) {
    assertEquals(observed(together[name], together), observed(alone[name], alone), name);
  }
  assertEquals(
    observed(together.coefficients, together).map((c) => 2 * c),
    observed(alone.coefficients, alone),
  );
});

Deno.test("MJD does not fit float32: times are right to 1e-5 days where a cast before the mean fails", () => {
  const random = seeded(1), n = 200;
  let time = 0;
  const days = Array.from({ length: n }, () => time += 1e-3 + 2e-3 * random.next());
  const mjd = days.map((d) => 60_000 + d);
  const dataset = datasetOf([{ mjd, mag: mjd.map(() => 1), err: mjd.map(() => 0.1) }]);
  const { times } = fillBatch(dataset, wholeWindows(dataset), {
    masking: noMasking,
    weights: "none",
    key: [],
  });
  const mean = days.reduce((a, b) => a + b) / n;
  assertTrue(largestDifference(times, days.map((d) => d - mean)) < 1e-5);
  const rounded = mjd.map(Math.fround), roundedMean = rounded.reduce((a, b) => a + b) / n;
  assertTrue(largestDifference(rounded.map((t) => t - roundedMean), days.map((d) => d - mean)) > 1e-3);
});

Deno.test("coefficients are w p / (B sum p): they sum to each window's mean weight over B", () => {
  for (const weights of ["none", "errors"] as const) {
    const { dataset, batch } = filled([2], weights);
    const read = batch.length - batch.queriesFrom;
    for (const [b, n] of lengths.entries()) {
      const from = dataset.offsets[b], probed = Math.floor(n / 2);
      const all = lossWeights(dataset.err.subarray(from, from + n));
      let sum = 0, expected = 0;
      for (let i = 0; i < read; i++) {
        sum += batch.coefficients[b * read + i];
        if (batch.roles[b * read + i] === role.none) continue;
        const point = batch.positions[b * batch.length + batch.queriesFrom + i];
        expected += (weights === "none" ? 1 : all[point]) / (lengths.length * probed);
      }
      assertAlmostEquals(sum, expected, 1e-7);
    }
  }
});

Deno.test("masks depend on key, light curve and start, not on the batch", () => {
  const { dataset, batch } = filled([1, 5]);
  const masked = ({ windows, positions, hidden, length }: typeof batch) =>
    new Map(windows.map(({ lightCurve }, b) => [
      lightCurve,
      Array.from(positions.subarray(b * length, (b + 1) * length))
        .filter((point, i) => point >= 0 && hidden[b * length + i] === 1).sort((x, y) => x - y),
    ]));
  const windows = wholeWindows(dataset).reverse().slice(1);
  const other = fillBatch(dataset, windows, { masking: paperMasking, weights: "none", key: [1, 5] });
  for (const [lightCurve, points] of masked(other)) {
    assertEquals(points, masked(batch).get(lightCurve));
  }
  assertNotEquals(masked(filled([1, 6]).batch), masked(batch), "another epoch");
});

Deno.test("lossWeights: 1 / err between 0 and 1, plus 0.001", () => {
  const [a, b, c] = lossWeights([0.1, 0.05, 0.025]);
  assertAlmostEquals(a, 0.001, 1e-7);
  assertAlmostEquals(b, 1 / 3 + 0.001, 1e-6);
  assertAlmostEquals(c, 1.001, 1e-6);
});

Deno.test("lossWeights: equal errors weigh 1, zero errors stay finite", () => {
  assertEquals(lossWeights([0.02, 0.02, 0.02]), [1, 1, 1]);
  assertEquals(lossWeights([0, 0]), [1, 1]);
  assertEquals(lossWeights([0.3]), [1]);
  const weights = lossWeights([0, 0.01, 0.1]);
  assertTrue(weights.every((w) => Number.isFinite(w) && w >= 0.0009 && w <= 1.0011));
  assertTrue(
    weights[0] === weights[1] && weights[1] > weights[2],
    "an unknown error counts as the smallest known",
  );
});

Deno.test("toTensors uploads what was filled, hidden as bool", () => {
  const { batch } = filled();
  scope(() => {
    const { magnitudes, times, hidden, targets, coefficients } = toTensors(batch, "cpu");
    const read = batch.length - batch.queriesFrom;
    assertEquals(magnitudes.shape, [5, batch.length, 1]);
    assertEquals(targets.shape, [5, read, 1]);
    assertEquals(hidden.dtype, "bool");
    assertEquals(hidden.toArray(), batch.hidden);
    assertEquals(times.toArray(), batch.times);
    assertEquals(coefficients.toArray(), batch.coefficients);
  });
});

Deno.test("batchesOf: every window once, of similar lengths, in an order of the key", () => {
  const random = seeded(3);
  const windows = Array.from(
    { length: 101 },
    (_, i) => ({ lightCurve: i, start: 0, length: 5 + random.integer(50) }),
  );
  const batches = batchesOf(windows, 8, [1]);
  assertEquals(batches.length, 13);
  assertEquals(batches.map((batch) => batch.length).filter((n) => n !== 8), [5]);
  assertEquals(
    batches.flat().map(({ lightCurve }) => lightCurve).sort((a, b) => a - b),
    windows.map(({ lightCurve }) => lightCurve),
  );
  const padding = (all: typeof batches) =>
    all.reduce((sum, batch) => {
      const longest = Math.max(...batch.map(({ length }) => length));
      return sum + batch.reduce((rest, { length }) => rest + longest - length, 0);
    }, 0);
  const unsorted = Array.from({ length: 13 }, (_, i) => windows.slice(8 * i, 8 * i + 8));
  assertTrue(padding(batches) < 0.3 * padding(unsorted));
  assertEquals(batchesOf(windows, 8, [1]), batches);
  assertNotEquals(batchesOf(windows, 8, [2]), batches);
  const firsts = batches.map(([{ length }]) => length);
  assertNotEquals(firsts, firsts.toSorted((a, b) => a - b), "not from short to long");
  assertEquals(batchesOf([], 8, [1]), []);
});

/** The recorded windows as light curves. */
async function recordedWindows(file: string) {
  const fixture = await Fixture.read(file);
  const counts = Array.from(fixture.entry("length").data as Int32Array<ArrayBuffer>);
  const row = (name: string, w: number) =>
    Array.from(fixture.entry(name).data as Float64Array<ArrayBuffer>).slice(200 * w, 200 * w + counts[w]);
  const dataset = datasetOf(counts.map((_, w) => ({
    mjd: row("raw.time_mjd", w),
    mag: row("raw.mag", w),
    err: row("raw.err", w),
  })));
  return { fixture, counts, dataset };
}

Deno.test("batches of similar lengths have one shape; full windows have no padding", () => {
  const shapeOf = (length: number) => {
    const dataset = sinusoidDataset([length, 8]);
    const batch = fillBatch(dataset, wholeWindows(dataset), {
      masking: paperMasking,
      weights: "none",
      key: [1],
    });
    return [batch.length, batch.keys, batch.queriesFrom];
  };
  const shapes = Array.from({ length: 10 }, (_, i) => shapeOf(51 + i).join());
  assertEquals(new Set(shapes).size, 1);
  assertEquals(shapeOf(61).join() === shapes[0], false);
  const full = sinusoidDataset([200, 200]);
  const batch = fillBatch(full, wholeWindows(full), { masking: paperMasking, weights: "none", key: [1] });
  assertEquals([batch.length, batch.keys, batch.queriesFrom, batch.keysAreVisible], [200, 140, 100, true]);
});

sharedTest("normalised windows agree with the reference's, but for its float32 means", async () => {
  for (const file of ["astromer2_io.safetensors", "astromer1_macho.safetensors"]) {
    const { fixture, counts, dataset } = await recordedWindows(file);
    for (const [w, n] of counts.entries()) {
      const batch = fillBatch(dataset, wholeWindows(dataset).slice(w, w + 1), {
        masking: noMasking,
        weights: "errors",
        key: [],
      });
      const recorded = (name: string) => fixture.floats(name).subarray(200 * w, 200 * w + n);
      const targets = batch.targets.slice(-n); // the columns before are padding
      assertTrue(largestDifference(targets, recorded("in.target")) < 1e-5, `window ${w}, magnitudes`);
      // Its mean of float32 times is off by up to 0.05 d; the rest is MJD in steps of 1/256 d.
      const difference = batch.times.slice(-n).map((t, i) => t - recorded("in.times")[i]);
      const shift = difference.reduce((a, b) => a + b) / n;
      assertTrue(Math.abs(shift) < 0.06, `window ${w}: times are shifted by ${shift}`);
      assertTrue(difference.every((d) => Math.abs(d - shift) < 0.004), `window ${w}, times`);
    }
  }
});

sharedTest("lossWeights agree with the reference's recorded weights", async () => {
  const { fixture, counts, dataset } = await recordedWindows("astromer2_io.safetensors");
  const recorded = fixture.floats("in.w_error");
  for (const [w, n] of counts.entries()) {
    const from = dataset.offsets[w];
    const weights = lossWeights(dataset.err.subarray(from, from + n));
    assertTrue(largestDifference(weights, recorded.subarray(200 * w, 200 * w + n)) < 1e-5);
  }
});
