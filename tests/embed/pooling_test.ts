/** Pooling against plain arithmetic on the points' own vectors. */
import { noGrad } from "../../ffi/autograd.ts";
import { liveTensors, scope } from "../../ffi/tensor.ts";
import { fillBatch, toTensors } from "../../src/data/batch.ts";
import { noMasking } from "../../src/data/masking.ts";
import { embedBatch } from "../../src/embed/pooling.ts";
import { AstromerNetwork } from "../../src/model/network.ts";
import { assertEquals, assertTrue } from "../../src/common/std.ts";
import { sinusoidDataset, wholeWindows } from "../data/support.ts";
import { scramble, tiny } from "../model/support.ts";
import { largestDifference } from "../shared.ts";

const dataset = sinusoidDataset([13, 5, 20]);
const windows = wholeWindows(dataset);
const width = 8;
const fill = (which: typeof windows, paddedTo?: number) =>
  fillBatch(dataset, which, { masking: noMasking, weights: "none", key: [], paddedTo });

/** The layers' outputs for one window alone, without padding: (layers, n, d). */
function layersOf(network: AstromerNetwork, window: typeof windows[number]): Float32Array[] {
  const outputs: Float32Array[] = [];
  noGrad(() =>
    scope(() =>
      void network.encode(toTensors(fill([window]), "cpu"), {
        // What stands before the observed points is padding.
        onLayer: (x) => outputs.push((x.toArray() as Float32Array).slice(-window.length * width)),
      })
    )
  );
  return outputs;
}

const meanOf = (points: Float32Array) =>
  Float32Array.from({ length: width }, (_, j) => {
    let sum = 0;
    for (let i = j; i < points.length; i += width) sum += points[i];
    return sum * width / points.length;
  });
const maximumOf = (points: Float32Array) =>
  Float32Array.from(
    { length: width },
    (_, j) => Math.max(...points.filter((_, i) => i % width === j)),
  );

for (const dtype of ["float32", "bfloat16"] as const) {
  // A product may add up in another order when rows are added.
  const tolerance = dtype === "float32" ? 1e-5 : 0.03;
  Deno.test(`pooled vectors are those of the observed points alone, whatever the padding (${dtype})`, () => {
    using network = scramble(new AstromerNetwork(tiny({ blocks: 3, encoding: "periods" }), { dtype }));
    const before = liveTensors();
    for (const paddedTo of [undefined, 31]) {
      const batch = fill(windows, paddedTo);
      const pooled = {
        mean: embedBatch(network, batch, "mean"),
        max: embedBatch(network, batch, "max"),
        layers: embedBatch(network, batch, "layers"),
        points: embedBatch(network, batch, "points"),
      };
      for (const [i, window] of windows.entries()) {
        const layers = layersOf(network, window), last = layers[3];
        assertEquals(pooled.layers[i].length, 4 * width);
        const means = layers.map(meanOf);
        for (const [k, mean] of means.entries()) {
          const found = pooled.layers[i].subarray(k * width, (k + 1) * width);
          assertTrue(largestDifference(found, mean) < tolerance, `layer ${k}`);
        }
        assertTrue(largestDifference(pooled.mean[i], means[3]) < tolerance);
        assertTrue(largestDifference(pooled.max[i], maximumOf(last)) < tolerance);
        assertTrue(largestDifference(pooled.points[i], last) < tolerance);
      }
    }
    assertEquals(liveTensors(), before);
  });
}

Deno.test("a network that sees padding is given a full window of it, and none of it is pooled", () => {
  const architecture = tiny({ attention_mask: "both", attention_mask_value: 1, masked_magnitudes: "kept" });
  using network = scramble(new AstromerNetwork(architecture));
  assertTrue(network.seesPadding);
  const [alone] = embedBatch(network, fill([windows[1]]), "mean");
  const [padded] = embedBatch(network, fill([windows[1]], 24), "mean");
  assertTrue(largestDifference(alone, padded) > 1e-3, "padding is a part of its input");
  const together = embedBatch(network, fill(windows, 24), "mean");
  assertTrue(largestDifference(together[1], padded) < 1e-6, "but its neighbours are not");
  const points = embedBatch(network, fill(windows, 24), "points");
  assertEquals(points.map(({ length }) => length / width), [13, 5, 20]);
});
