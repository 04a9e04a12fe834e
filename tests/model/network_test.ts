/** The model as a whole: every size, its gradient, dropout, arithmetic, masks of the attention. */
import { backward, noGrad } from "../../ffi/autograd.ts";
import { manualSeed } from "../../ffi/random.ts";
import { liveTensors, scope, Tensor } from "../../ffi/tensor.ts";
import { fillBatch, toTensors } from "../../src/data/batch.ts";
import { paperMasking } from "../../src/data/masking.ts";
import { type Architecture, architecture, presets, widthOf } from "../../src/model/architecture.ts";
import { AstromerNetwork, parameterSpecs } from "../../src/model/network.ts";
import { reconstructionLoss } from "../../src/model/loss.ts";
import { seeded } from "../../src/common/random.ts";
import { Adam } from "../../src/train/adam.ts";
import { trainingStep } from "../../src/train/step.ts";
import { assertAlmostEquals, assertEquals, assertThrows, assertTrue } from "../../src/common/std.ts";
import { sinusoidDataset, wholeWindows } from "../data/support.ts";
import { largestDifference } from "../shared.ts";
import {
  assertDiffer,
  assertSame,
  inputOf,
  randomWindows,
  reconstructed,
  scramble,
  tiny,
} from "./support.ts";

/** Trainable numbers, without making the model. */
function parametersOf(of: Architecture): number {
  return parameterSpecs(of, "reference").reduce(
    (sum, { shape }) => sum + shape.reduce((a, b) => a * b, 1),
    0,
  );
}

Deno.test("presets have the parameters of the papers", () => {
  assertThrows(
    () => architecture("unknown" as "small"),
    RangeError,
    "preset must be one of astromer2, astromer1, small, not unknown",
  );
  assertEquals(parametersOf(architecture("astromer2")), 3_953_410);
  assertEquals(parametersOf(architecture("astromer1")), 661_505);
  assertEquals(parametersOf(architecture("astromer2", { masked_magnitudes: "zero" })), 3_953_409);
  const { blocks, heads, head_size, dropout, masked_magnitudes, attention_mask, encoding_base } =
    architecture();
  assertEquals([blocks, heads, head_size, dropout], [6, 4, 64, 0]);
  assertEquals([masked_magnitudes, attention_mask, encoding_base], ["token", "keys", 10_000]);
  assertEquals(Object.keys(presets), ["astromer2", "astromer1", "small"]);
  assertThrows(() => architecture("small", { blocks: 0 }));
  assertThrows(() => architecture("small", { dropout: 1 }));
});

const sizes: Partial<Architecture>[] = [
  { blocks: 1 },
  { blocks: 3, heads: 1, head_size: 6, feed_forward_size: 5 },
  { heads: 3, head_size: 2, feed_forward_size: 1 },
  { heads: 1, head_size: 2 },
  { blocks: 2, skip: "none" },
  { skip: "none", masked_magnitudes: "zero" },
  { masked_magnitudes: "kept", attention_mask: "both", attention_mask_value: 1 },
  { attention_mask: "queries" },
  { encoding: "periods", shortest_period: 1, longest_period: 50 },
  { encoding: "folded", head_size: 16, shortest_period: 1, longest_period: 50 },
  { dropout: 0.5 },
];
for (const changes of sizes) {
  Deno.test(`${JSON.stringify(changes)} runs forward and backward`, () => {
    const of = tiny(changes), width = widthOf(of);
    using model = scramble(new AstromerNetwork(of));
    const square = width * width + width, hidden = of.feed_forward_size;
    // Query, key, value, output, two skips; up and down; two norms.
    const block = (of.skip === "linear" ? 6 : 4) * square + 2 * width * hidden + hidden + width + 4 * width;
    const expected = 2 * width + of.blocks * block + 2 * width + width + 1 +
      (of.masked_magnitudes === "token" ? 1 : 0);
    assertEquals(model.parameters.size, expected);
    const dataset = sinusoidDataset([14, 9, 14]);
    const batch = fillBatch(dataset, wholeWindows(dataset), {
      masking: paperMasking,
      weights: "none",
      key: [1],
    });
    scope(() => {
      const tensors = toTensors(batch, "cpu");
      const shapes: (readonly number[])[] = [];
      const y = model.reconstruct(tensors, {
        training: true,
        onLayer: (layer) => shapes.push(layer.shape),
      });
      const read = batch.length - batch.queriesFrom;
      assertEquals(y.shape, [3, read, 1]);
      assertEquals(y.dtype, "float32");
      assertEquals(shapes.length, of.blocks + 1);
      assertEquals(shapes.at(-1), [3, read, width]);
      assertTrue(shapes.slice(0, -1).every((shape) => shape.join() === [3, batch.length, width].join()));
      model.parameters.zeroGradient();
      backward(reconstructionLoss(y, tensors.targets, tensors.coefficients));
      const gradient = model.parameters.gradient.toArray() as Float32Array;
      assertTrue(gradient.every(Number.isFinite));
      for (const { name, shape, offset } of model.parameters.layout) {
        const part = gradient.subarray(offset, offset + shape.reduce((a, b) => a * b, 1));
        // A key's bias adds the same to every logit of a query, which softmax does not see.
        if (!name.endsWith("key.bias")) assertTrue(part.some((g) => g !== 0), `${name} has no gradient`);
      }
    });
  });
}

Deno.test("a model without hidden points needs no mask: null is all visible", () => {
  using model = scramble(new AstromerNetwork(tiny()));
  const windows = randomWindows(2, 11, 0);
  const without = reconstructed(model, () => ({ ...inputOf(windows), hidden: null }));
  assertTrue(largestDifference(without, reconstructed(model, () => inputOf(windows))) < 1e-5);
});

/** Loss on a batch, with parameters moved along a direction. */
function lossAlong(model: AstromerNetwork, seed: number) {
  const dataset = sinusoidDataset([20, 13, 20, 7], { seed });
  const batch = fillBatch(dataset, wholeWindows(dataset), {
    masking: paperMasking,
    weights: "errors",
    key: [seed],
  });
  const loss = () => {
    const tensors = toTensors(batch, "cpu");
    return reconstructionLoss(model.reconstruct(tensors), tensors.targets, tensors.coefficients);
  };
  model.parameters.zeroGradient();
  scope(() => backward(loss()));
  const gradient = model.parameters.gradient.toArray() as Float32Array;
  const start = model.parameters.master.toArray() as Float32Array<ArrayBuffer>;
  const at = (direction: ArrayLike<number>, step: number) => {
    using moved = Tensor.from(start.map((value, i) => value + step * direction[i]));
    model.parameters.master.copyFrom(moved);
    return noGrad(() => scope(() => loss().item()));
  };
  return {
    gradient,
    /** The derivative along a direction by central differences of fourth order. */
    slope(direction: ArrayLike<number>, step: number) {
      const [a, b, c, d] = [-2, -1, 1, 2].map((k) => at(direction, k * step));
      at(direction, 0);
      return (a - 8 * b + 8 * c - d) / (12 * step);
    },
  };
}

for (const changes of [{}, { skip: "none", encoding: "periods" }] as Partial<Architecture>[]) {
  Deno.test(`gradient against finite differences, ${JSON.stringify(changes)}`, () => {
    using model = scramble(new AstromerNetwork(tiny({ encoding: "periods", ...changes })));
    const { gradient, slope } = lossAlong(model, 4);
    const random = seeded(9);
    for (const { name, shape, offset } of model.parameters.layout) {
      const end = offset + shape.reduce((a, b) => a * b, 1);
      const direction = new Float32Array(gradient.length);
      let squares = 0;
      for (let i = offset; i < end; i++) squares += (direction[i] = random.normal()) ** 2;
      for (let i = offset; i < end; i++) direction[i] /= Math.sqrt(squares);
      const expected = gradient.reduce((sum, g, i) => sum + g * direction[i], 0);
      const found = slope(direction, 0.02);
      assertAlmostEquals(found, expected, 1e-4 + 0.01 * Math.abs(expected), name);
    }
    const norm = Math.hypot(...gradient);
    assertTrue(norm > 0.1, `norm ${norm}`);
    assertAlmostEquals(slope(gradient.map((g) => g / norm), 0.01), norm, 0.01 * norm);
  });
}

Deno.test("dropout: off in evaluation, on in training, a function of the seed", () => {
  const windows = randomWindows(2, 12, 0.3);
  using without = scramble(new AstromerNetwork(tiny()));
  using model = scramble(new AstromerNetwork(tiny({ dropout: 0.3 })));
  const evaluated = reconstructed(model, () => inputOf(windows));
  assertSame(evaluated, reconstructed(without, () => inputOf(windows)));
  const trained = (seed: number) => {
    manualSeed(seed);
    return reconstructed(model, () => inputOf(windows), { training: true });
  };
  assertDiffer(trained(1), evaluated);
  assertSame(trained(1), trained(1));
  assertDiffer(trained(1), trained(2));
  const atRateZero = reconstructed(without, () => inputOf(windows), { training: true });
  assertTrue(largestDifference(atRateZero, evaluated) < 1e-5, "rate 0");
});

Deno.test("dropout takes its share of the input embedding", () => {
  using model = scramble(new AstromerNetwork(tiny({ dropout: 0.99, blocks: 1 })));
  const windows = randomWindows(1, 400, 0);
  manualSeed(3);
  let embedding = new Float32Array();
  reconstructed(model, () => inputOf(windows), {
    training: true,
    onLayer: (layer, i) => i === 0 && (embedding = layer.toArray() as Float32Array<ArrayBuffer>),
  });
  const kept = embedding.filter((x) => x !== 0).length / embedding.length;
  assertTrue(kept > 0.003 && kept < 0.02, `kept ${kept}`);
});

/** The commonest row of a training pass's output and its share; maps of the names given are set to zero before. */
function commonRow(model: AstromerNetwork, ...zeroed: string[]) {
  const state = model.parameters.stateDict();
  for (const [name, { data }] of state) if (zeroed.some((part) => name.includes(part))) data.fill(0);
  model.parameters.loadStateDict(state);
  const counts = new Map<string, number>();
  manualSeed(4);
  reconstructed(model, () => inputOf(randomWindows(1, 300, 0)), {
    training: true,
    onLayer(layer, i) {
      const values = layer.toArray() as Float32Array;
      for (let at = 0; i === 1 && at < values.length; at += 8) {
        const row = values.subarray(at, at + 8).join();
        counts.set(row, (counts.get(row) ?? 0) + 1);
      }
    },
  });
  const [row, count] = [...counts].reduce((most, next) => next[1] > most[1] ? next : most);
  return { row, share: count / 300, state };
}

Deno.test("dropout takes its share of what attention and feed-forward add", () => {
  // At rate 0.99 all 8 numbers of a row are dropped in 92 of 100 rows, and a norm makes its bias of a row of zeros.
  using without = scramble(new AstromerNetwork(tiny({ blocks: 1, skip: "none", dropout: 0.99 })));
  const { row, share, state } = commonRow(without);
  assertTrue(share > 0.85, `feed-forward: ${share}`);
  assertEquals(row, state.get("encoder.blocks.0.feed_forward_norm.bias")!.data.join());
  // Nothing beside the attention: its norm's bias is left, of which the feed-forward's skip makes the common row.
  using skipping = scramble(new AstromerNetwork(tiny({ blocks: 1, dropout: 0.99 })));
  const beside = commonRow(skipping, "attention_skip");
  assertTrue(beside.share > 0.7, `attention: ${beside.share}`);
  const of = (name: string) => beside.state.get(`encoder.blocks.0.${name}`)!.data;
  const skipped = Array.from(
    of("feed_forward_skip.bias"),
    (bias, i) =>
      of("attention_norm.bias").reduce(
        (sum, x, j) => sum + x * of("feed_forward_skip.weight")[8 * i + j],
        bias,
      ),
  );
  const mean = skipped.reduce((x, y) => x + y) / 8;
  const deviation = Math.sqrt(skipped.reduce((sum, x) => sum + (x - mean) ** 2, 0) / 8);
  const normed = skipped.map((x, i) =>
    (x - mean) / deviation * of("feed_forward_norm.weight")[i] + of("feed_forward_norm.bias")[i]
  );
  assertTrue(largestDifference(beside.row.split(",").map(Number), normed) < 1e-4);
});

Deno.test("a bfloat16 model is close to the float32 one", () => {
  const windows = randomWindows(3, 40, 0.3);
  const [full, half] = (["float32", "bfloat16"] as const).map((dtype) => {
    using model = scramble(new AstromerNetwork(tiny({ encoding: "periods" }), { dtype }), 7, 0.1);
    assertEquals(model.parameters.master.dtype, "float32");
    return reconstructed(model, () => inputOf(windows));
  });
  assertDiffer(half, full);
  assertTrue(largestDifference(half, full) < 0.1, `differs by ${largestDifference(half, full)}`);
});

for (const dtype of ["float32", "bfloat16"] as const) {
  Deno.test(`${dtype}: the loss goes down on one batch`, () => {
    const dataset = sinusoidDataset([40, 40, 25, 40]);
    const batch = fillBatch(dataset, wholeWindows(dataset), {
      masking: paperMasking,
      weights: "none",
      key: [1],
    });
    using model = new AstromerNetwork(tiny({ encoding: "periods" }), { dtype });
    using adam = new Adam(model.parameters, { clipNorm: 1 });
    const losses = Array.from({ length: 60 }, () => trainingStep(model, adam, batch, 1e-2).loss);
    assertTrue(losses[59] < 0.6 * losses[0], `${losses[0]} to ${losses[59]}`);
    assertTrue(losses.every(Number.isFinite));
  });
}

/** The attention weights of the first block, (B, H, Lq, K). */
function weightsOf(changes: Partial<Architecture>, windows: ReturnType<typeof randomWindows>): Float32Array {
  using model = scramble(new AstromerNetwork(tiny({ masked_magnitudes: "kept", ...changes })));
  let found = new Float32Array();
  reconstructed(model, () => inputOf(windows), {
    onWeights: (weights, block) => block === 0 && (found = weights.toArray() as Float32Array<ArrayBuffer>),
  });
  return found;
}

Deno.test("attention_mask: what is added to the logits, for keys, queries and both", () => {
  const windows = randomWindows(2, 10, 0.4), { hidden } = windows, heads = 2, length = 10;
  const plain = weightsOf({ attention_mask_value: 0 }, windows);
  for (const mask of ["keys", "queries", "both"] as const) {
    for (const value of [1, -2.5, -1e9]) {
      const weights = weightsOf({ attention_mask: mask, attention_mask_value: value }, windows);
      for (let row = 0; row < 2 * heads * length; row++) {
        const window = Math.floor(row / (heads * length)) * length, query = hidden[window + row % length];
        const logits = Array.from({ length }, (_, k) => {
          const key = hidden[window + k];
          const masked = mask === "keys" ? key : mask === "queries" ? query : Math.min(1, key + query);
          // In float32 the large value swallows the logit, as in the reference.
          return Math.fround(Math.fround(Math.log(plain[row * length + k])) + masked * value);
        });
        const top = Math.max(...logits), sum = logits.reduce((s, l) => s + Math.exp(l - top), 0);
        for (let k = 0; k < length; k++) {
          const expected = Math.exp(logits[k] - top) / sum;
          assertAlmostEquals(weights[row * length + k], expected, 2e-5, `${mask}, ${value}`);
        }
      }
    }
  }
});

Deno.test("the same seed gives the same model, another seed another", () => {
  const values = (seed: number, initialization: "reference" | "interpolation" = "interpolation") => {
    using model = new AstromerNetwork(tiny(), { seed, initialization });
    return model.parameters.master.toArray() as Float32Array;
  };
  assertSame(values(3), values(3));
  assertDiffer(values(3), values(4));
  assertDiffer(values(3), values(3, "reference"));
});

Deno.test("a disposed model leaves no tensor, nor do its forward and backward passes", () => {
  const before = liveTensors();
  for (const dtype of ["float32", "bfloat16"] as const) {
    const model = new AstromerNetwork(tiny(), { dtype });
    const adam = new Adam(model.parameters);
    const held = liveTensors();
    const dataset = sinusoidDataset([10, 8]);
    const batch = fillBatch(dataset, wholeWindows(dataset), {
      masking: paperMasking,
      weights: "none",
      key: [1],
    });
    for (let i = 0; i < 3; i++) trainingStep(model, adam, batch, 1e-3);
    reconstructed(model, () => toTensors(batch, "cpu"));
    assertEquals(liveTensors(), held);
    adam[Symbol.dispose]();
    model[Symbol.dispose]();
    model[Symbol.dispose]();
    assertEquals(liveTensors(), before);
  }
});
