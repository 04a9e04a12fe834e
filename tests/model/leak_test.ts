/**
 * What no output may depend on: the true magnitude of a masked point, anything of padding, a window's neighbours in its
 * batch. Equality is bit for bit: whatever is hidden has a weight of exactly zero.
 */
import { type Batch, fillBatch, toTensors } from "../../src/data/batch.ts";
import { paperMasking } from "../../src/data/masking.ts";
import type { Architecture } from "../../src/model/architecture.ts";
import { AstromerNetwork } from "../../src/model/network.ts";
import { seeded } from "../../src/common/random.ts";
import { assertEquals, assertTrue } from "../../src/common/std.ts";
import { sinusoidDataset, wholeWindows } from "../data/support.ts";
import { largestDifference } from "../shared.ts";
import {
  assertDiffer,
  assertSame,
  everyLayer,
  inputOf,
  type PlainWindows,
  randomWindows,
  reconstructed,
  scramble,
  tiny,
} from "./support.ts";

const lengths = [40, 33, 7, 40, 5];

/** A batch with masked points and padding, among the keys as well as behind them. */
function maskedBatch(): Batch {
  const dataset = sinusoidDataset(lengths);
  const batch = fillBatch(dataset, wholeWindows(dataset), {
    masking: paperMasking,
    weights: "none",
    key: [3],
  });
  assertTrue(!batch.keysAreVisible, "some window has padding among its keys");
  return batch;
}

/** A copy with other magnitudes where a column is chosen, and other times too if they are given. */
function changed<W extends { magnitudes: Float32Array; times: Float32Array }>(
  windows: W,
  chosen: (column: number) => boolean,
  { magnitude, time }: { magnitude: number; time?: number },
): W {
  const random = seeded(5);
  const other = (scale: number) => (value: number, i: number) =>
    chosen(i) ? scale * (1 + random.next()) : value;
  return {
    ...windows,
    magnitudes: windows.magnitudes.map(other(magnitude)),
    times: time === undefined ? windows.times : windows.times.map(other(time)),
  };
}

Deno.test("a hidden point shows the token and its own time, in the input embedding", () => {
  using model = scramble(new AstromerNetwork(tiny()));
  const token = model.parameters.stateDict().get("encoder.mask_token")!.data[0];
  assertTrue(token !== 0);
  const windows = randomWindows(2, 9, 0.5);
  const shown: PlainWindows = {
    ...windows,
    magnitudes: windows.magnitudes.map((m, i) => windows.hidden[i] ? token : m),
    hidden: new Uint8Array(windows.hidden.length),
  };
  assertSame(everyLayer(model, () => inputOf(windows))[0], everyLayer(model, () => inputOf(shown))[0]);
  const moved = { ...windows, times: windows.times.map((t, i) => windows.hidden[i] ? t + 1 : t) };
  assertDiffer(everyLayer(model, () => inputOf(moved))[0], everyLayer(model, () => inputOf(windows))[0]);
});

for (const encoding of ["reference", "folded"] as const) {
  const width = encoding === "folded" ? 32 : 8; // of all of whose pairs there are some
  // The period too depends on the rounding of sums, and its phase counts eight times.
  const rounding = encoding === "folded" ? 1e-5 : 2e-6;
  /** For the folded encoding of a period that is found, else its pairs would be 0. */
  const windowsOf = (batch: number, length: number, hiddenFraction: number) => {
    const windows = randomWindows(batch, length, hiddenFraction);
    const magnitude = (t: number, i: number) =>
      Math.sin(2 * Math.PI * t / 3.7) + 0.01 * windows.magnitudes[i];
    return encoding === "folded" ? { ...windows, magnitudes: windows.times.map(magnitude) } : windows;
  };
  const small = (changes: Partial<Architecture> = {}) => tiny({ encoding, head_size: width / 2, ...changes });

  for (const dtype of ["float32", "bfloat16"] as const) {
    Deno.test(`${encoding}, ${dtype}, batch layout: a masked point's magnitude reaches no output`, () => {
      using model = scramble(new AstromerNetwork(small(), { dtype }));
      const batch = maskedBatch();
      const masked = (i: number) => batch.hidden[i] === 1 && batch.positions[i] >= 0;
      assertTrue([...batch.hidden.keys()].filter(masked).length > 30);
      const before = reconstructed(model, () => toTensors(batch, "cpu"));
      const layers = everyLayer(model, () => toTensors(batch, "cpu"));
      for (const magnitude of [1e-3, 100, -1e30, NaN]) {
        const other = changed(batch, masked, { magnitude });
        assertSame(reconstructed(model, () => toTensors(other, "cpu")), before);
        for (const [i, layer] of everyLayer(model, () => toTensors(other, "cpu")).entries()) {
          assertSame(layer, layers[i], `layer ${i}`);
        }
      }
    });

    Deno.test(`${encoding}, ${dtype}, natural order: a hidden point's magnitude reaches no output`, () => {
      using model = scramble(new AstromerNetwork(small(), { dtype }));
      for (const hiddenFraction of [0.05, 0.4, 0.95]) {
        const windows = windowsOf(4, 25, hiddenFraction);
        const before = reconstructed(model, () => inputOf(windows));
        const layers = everyLayer(model, () => inputOf(windows));
        for (const magnitude of [0.1, -1e30, NaN]) {
          const other = changed(windows, (i) => windows.hidden[i] === 1, { magnitude });
          assertSame(reconstructed(model, () => inputOf(other)), before);
          for (const [i, layer] of everyLayer(model, () => inputOf(other)).entries()) {
            assertSame(layer, layers[i], `layer ${i}`);
          }
        }
      }
    });
  }

  Deno.test(`${encoding}: the same with a zero in the token's place, but not where magnitudes are kept`, () => {
    const windows = windowsOf(3, 20, 0.4);
    const other = changed(windows, (i) => windows.hidden[i] === 1, { magnitude: 3 });
    using zero = scramble(new AstromerNetwork(small({ masked_magnitudes: "zero" })));
    assertSame(reconstructed(zero, () => inputOf(other)), reconstructed(zero, () => inputOf(windows)));
    const zeroed = { ...windows, magnitudes: windows.magnitudes.map((m, i) => windows.hidden[i] ? 0 : m) };
    assertSame(reconstructed(zero, () => inputOf(zeroed)), reconstructed(zero, () => inputOf(windows)));
    // The control: this setting leaks, as the released Astromer 1 does, and the test above would see it.
    using kept = scramble(new AstromerNetwork(small({ masked_magnitudes: "kept" })));
    assertDiffer(reconstructed(kept, () => inputOf(other)), reconstructed(kept, () => inputOf(windows)));
  });

  Deno.test(`${encoding}: hidden: 1 means hidden; inverted it gives another result`, () => {
    using model = scramble(new AstromerNetwork(small()));
    const windows = windowsOf(1, 12, 0.5);
    const hiddenKeys = windows.hidden.reduce((sum, h) => sum + h, 0);
    const visible = windows.hidden.length - hiddenKeys;
    let weights: Float32Array | undefined;
    reconstructed(model, () => inputOf(windows), {
      onWeights: (w, block) => block === 0 && (weights = w.toArray() as Float32Array),
    });
    // (H, Lq, K): every query looks at the visible points only.
    for (let row = 0; row < weights!.length; row += 12) {
      const seen = [...weights!.subarray(row, row + 12).keys()].filter((k) => weights![row + k] > 0);
      assertEquals(seen, [...windows.hidden.keys()].filter((k) => windows.hidden[k] === 0));
      assertEquals(seen.length, visible);
    }
    const inverted = { ...windows, hidden: windows.hidden.map((h) => 1 - h) };
    assertDiffer(
      reconstructed(model, () => inputOf(inverted)),
      reconstructed(model, () => inputOf(windows)),
    );
  });

  Deno.test(`${encoding}: padding's magnitude and time reach no observed point`, () => {
    using model = scramble(new AstromerNetwork(small()));
    const batch = maskedBatch();
    const read = batch.length - batch.queriesFrom;
    const observed = (values: Float32Array) => values.filter((_, i) => batch.roles[i] > 0);
    const other = changed(batch, (i) => batch.positions[i] < 0, { magnitude: 50, time: 1000 });
    assertDiffer(other.times, batch.times);
    const [before, after] = [batch, other].map((b) => reconstructed(model, () => toTensors(b, "cpu")));
    assertEquals(before.length, lengths.length * read);
    assertSame(observed(after), observed(before));
    // All layers, natural order: padding behind the observed points.
    const windows = windowsOf(3, 16, 0.3);
    const ends = [16, 9, 3];
    const isPadding = (i: number) => i % 16 >= ends[Math.floor(i / 16)];
    windows.hidden = windows.hidden.map((h, i) => isPadding(i) ? 1 : h);
    const padded = changed(windows, isPadding, { magnitude: -7, time: 1e4 });
    const [first, second] = [windows, padded].map((w) => everyLayer(model, () => inputOf(w)));
    for (const [layer, values] of first.entries()) {
      const ofObserved = (all: Float32Array) => all.filter((_, i) => !isPadding(Math.floor(i / width)));
      assertSame(ofObserved(second[layer]), ofObserved(values), `layer ${layer}`);
    }
  });

  Deno.test(`${encoding}: more padding changes no observed point but for rounding`, () => {
    using model = scramble(new AstromerNetwork(small()));
    const windows = windowsOf(1, 14, 0.3);
    const longer: PlainWindows = {
      batch: 1,
      length: 50,
      magnitudes: new Float32Array(50),
      times: new Float32Array(50),
      hidden: new Uint8Array(50).fill(1),
    };
    for (const name of ["magnitudes", "times", "hidden"] as const) longer[name].set(windows[name]);
    const [short, long] = [windows, longer].map((w) => reconstructed(model, () => inputOf(w)));
    assertTrue(largestDifference(short, long.subarray(0, 14)) < rounding);
  });

  Deno.test(`${encoding}: a window's neighbours in its batch do not change it`, () => {
    using model = scramble(new AstromerNetwork(small()));
    const windows = windowsOf(4, 18, 0.4);
    const before = reconstructed(model, () => inputOf(windows));
    const other = changed(windows, (i) => i >= 36, { magnitude: 9, time: 400 });
    const after = reconstructed(model, () => inputOf(other));
    assertSame(after.subarray(0, 36), before.subarray(0, 36));
    assertDiffer(after.subarray(36), before.subarray(36));
  });

  Deno.test(`${encoding}: nor does the order of the windows, but for rounding`, () => {
    // A matrix product may round a row differently by where it lies (seen at width 256 with 90 rows), so: not bit for bit.
    using model = scramble(new AstromerNetwork(small()));
    const dataset = sinusoidDataset(lengths);
    const results = [wholeWindows(dataset), wholeWindows(dataset).reverse()].map((windows) => {
      const batch = fillBatch(dataset, windows, { masking: paperMasking, weights: "none", key: [3] });
      const read = batch.length - batch.queriesFrom;
      const y = reconstructed(model, () => toTensors(batch, "cpu"));
      return new Map(windows.map(({ lightCurve }, b) => [lightCurve, y.subarray(b * read, (b + 1) * read)]));
    });
    for (const [lightCurve, values] of results[0]) {
      assertTrue(largestDifference(values, results[1].get(lightCurve)!) < rounding);
    }
  });

  Deno.test(`${encoding}: nor does the order of a window's points, but for rounding`, () => {
    using model = scramble(new AstromerNetwork(small()));
    const windows = windowsOf(1, 30, 0.3);
    const order = seeded(8).shuffle(Array.from({ length: 30 }, (_, i) => i));
    const shuffled: PlainWindows = {
      ...windows,
      magnitudes: Float32Array.from(order, (i) => windows.magnitudes[i]),
      times: Float32Array.from(order, (i) => windows.times[i]),
      hidden: Uint8Array.from(order, (i) => windows.hidden[i]),
    };
    const [before, after] = [windows, shuffled].map((w) => reconstructed(model, () => inputOf(w)));
    assertTrue(largestDifference(Float32Array.from(order, (i) => before[i]), after) < rounding);
  });
}

Deno.test("folded: a visible magnitude reaches the other points' input embeddings, by the period", () => {
  using model = scramble(new AstromerNetwork(tiny({ encoding: "folded", head_size: 16 })));
  const windows = randomWindows(1, 30, 0.3);
  const of = (period: number) => windows.times.map((t) => Math.sin(2 * Math.PI * t / period));
  const magnitudes = of(3.7), first = magnitudes[0];
  const other = of(5.3);
  other[0] = first; // point 0 keeps its own
  const [before, after] = [magnitudes, other].map((magnitudes) =>
    everyLayer(model, () => inputOf({ ...windows, magnitudes }))[0].subarray(0, 32)
  );
  assertDiffer(after, before);
});
