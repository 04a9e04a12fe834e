/** Windows and light curves of any number, in order, the same whatever the batch. */
import { liveTensors } from "../../ffi/tensor.ts";
import {
  batchesByLength,
  eachEmbeddedWindow,
  type EmbeddingOptions,
  perLightCurve,
  windowsOf,
} from "../../src/embed/stream.ts";
import { AstromerNetwork } from "../../src/model/network.ts";
import { assertEquals, assertTrue } from "../../src/common/std.ts";
import { sinusoidDataset } from "../data/support.ts";
import { scramble, tiny } from "../model/support.ts";
import { largestDifference } from "../shared.ts";
import { rehearsedGraph } from "../model/rehearsed_graph.ts";

const lengths = [20, 5, 47, 13, 60, 9, 20, 33, 6, 41];
const dataset = sinusoidDataset(lengths);
const windowSize = 20;

async function embed(
  network: AstromerNetwork,
  { pooling = "mean", batchSize = 4, deferred }: Partial<EmbeddingOptions> = {},
) {
  const windows = windowsOf(dataset, dataset.lengths.keys(), windowSize);
  return await Array.fromAsync(
    eachEmbeddedWindow(network, dataset, windows, { pooling, batchSize, windowSize, deferred }),
  );
}

Deno.test("every window has its batch, padded by its own length alone", () => {
  const windows = [...windowsOf(dataset, dataset.lengths.keys(), windowSize)];
  for (const seesPadding of [false, true]) {
    for (const batchSize of [1, 3, 64]) {
      const batches = batchesByLength(windows, { windowSize, batchSize }, seesPadding);
      const places = batches.flatMap((batch) => batch.places);
      assertEquals(places.toSorted((a, b) => a - b), windows.map((_, i) => i));
      for (const { places, paddedTo } of batches) {
        assertTrue(places.length * paddedTo <= batchSize * windowSize);
        for (const i of places) {
          const own = seesPadding ? windowSize : Math.min(windowSize, Math.ceil(windows[i].length / 8) * 8);
          assertEquals(paddedTo, own);
        }
      }
    }
  }
});

for (const pooling of ["mean", "max", "layers", "features", "points"] as const) {
  Deno.test(`with several batches under way, embeddings are the same to the bit (${pooling})`, async () => {
    using network = scramble(new AstromerNetwork(tiny({ encoding: "periods" })));
    const expected = await embed(network, { pooling }), before = liveTensors();
    for (
      const deferred of [{ ahead: 1 }, { ahead: 3, record: rehearsedGraph }, { ahead: 100, record: null }]
    ) {
      assertEquals(await embed(network, { pooling, deferred }), expected);
    }
    assertEquals(liveTensors(), before);
  });
}

Deno.test("with batches under way, pools of windows follow each other, and whoever stops leaves nothing behind", async () => {
  using network = new AstromerNetwork(tiny());
  const before = liveTensors(), size = 256; // of a pool of points
  const many = Array.from({ length: 3 * size + 5 }, (_, i) => ({
    lightCurve: i % lengths.length,
    start: 0,
    length: Math.min(lengths[i % lengths.length], 6),
  }));
  const options = { pooling: "points", batchSize: 40, windowSize } as const;
  const embedded = (deferred?: EmbeddingOptions["deferred"]) =>
    eachEmbeddedWindow(network, dataset, many, { ...options, deferred });
  const expected = await Array.fromAsync(embedded());
  assertEquals(expected.map(({ window }) => window), many);
  assertEquals(await Array.fromAsync(embedded({ ahead: 2 })), expected);
  for await (const { window } of embedded({ ahead: 2 })) if (window === many[size + 3]) break;
  assertEquals(liveTensors(), before);
});

for (const dtype of ["float32", "bfloat16"] as const) {
  Deno.test(`embeddings come in order and do not depend on the batch (${dtype})`, async () => {
    using network = scramble(new AstromerNetwork(tiny(), { dtype }));
    const before = liveTensors();
    const [one, some, all] = [
      await embed(network, { batchSize: 1 }),
      await embed(network, { batchSize: 3 }),
      await embed(network, { batchSize: 1000 }),
    ];
    const windows = [...windowsOf(dataset, dataset.lengths.keys(), windowSize)];
    assertEquals(one.map(({ window }) => window), windows);
    for (const [i, { embedding }] of one.entries()) {
      assertTrue(embedding.some((value) => value !== 0));
      assertTrue(largestDifference(embedding, some[i].embedding) < 1e-5);
      assertTrue(largestDifference(embedding, all[i].embedding) < 1e-5);
    }
    assertEquals(liveTensors(), before);
  });
}

Deno.test("a light curve is its windows, weighted by their points, or their maximum", async () => {
  using network = scramble(new AstromerNetwork(tiny()));
  for (const pooling of ["mean", "layers", "max"] as const) {
    const windows = await embed(network, { pooling });
    const stream = ReadableStream.from(windows);
    const curves = await Array.fromAsync(perLightCurve(stream, dataset, pooling));
    assertEquals(curves.map(({ lightCurve }) => lightCurve), [...lengths.keys()]);
    assertEquals(curves.map(({ points }) => points), lengths);
    for (const { lightCurve, embedding, windows: count } of curves) {
      const mine = windows.filter(({ window }) => window.lightCurve === lightCurve);
      assertEquals(count, mine.length);
      const total = mine.reduce((sum, { window }) => sum + window.length, 0);
      const expected = embedding.map((_, j) =>
        pooling === "max"
          ? Math.max(...mine.map(({ embedding }) => embedding[j]))
          : mine.reduce((sum, { window, embedding }) => sum + window.length * embedding[j], 0) / total
      );
      assertTrue(largestDifference(embedding, expected) < 1e-6);
    }
  }
});

Deno.test("windows are held some thousand at a time, whatever their number", async () => {
  using network = scramble(new AstromerNetwork(tiny({ blocks: 1 })));
  const many = sinusoidDataset([5]);
  let asked = 0, done = 0;
  function* endless() {
    for (;; asked++) yield { lightCurve: 0, start: 0, length: 5 };
  }
  const options = { pooling: "mean", batchSize: 512, windowSize } as const;
  for await (const { embedding } of eachEmbeddedWindow(network, many, endless(), options)) {
    assertEquals(embedding.length, 8);
    if (++done === 5000) break;
  }
  assertTrue(asked < 10_000, `${asked} windows were taken for ${done}`);
});
