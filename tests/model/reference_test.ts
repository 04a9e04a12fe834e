/** The model against the TensorFlow reference's recorded numbers, within the tolerances that go with them. */
import { backward, gradientOf } from "../../ffi/autograd.ts";
import { noGrad } from "../../ffi/autograd.ts";
import { scope, Tensor } from "../../ffi/tensor.ts";
import { angularFrequencies, PositionalEncoding } from "../../src/model/positional_encoding.ts";
import { type Architecture, architecture } from "../../src/model/architecture.ts";
import { AstromerNetwork } from "../../src/model/network.ts";
import { reconstructionLoss } from "../../src/model/loss.ts";
import { Adam } from "../../src/train/adam.ts";
import { assertAlmostEquals, assertEquals, assertTrue } from "../../src/common/std.ts";
import { Fixture, largestDifference, sharedTest } from "../shared.ts";
import {
  coefficientsOf,
  encoderInput,
  loadReference,
  recorded,
  referenceFrequencies,
  referenceName,
  releasedAstromer1,
} from "./reference.ts";

/** Asserts that a tensor is within a tolerance of recorded values. */
function assertClose(actual: Tensor, expected: ArrayLike<number>, tolerance: number, what: string) {
  const difference = largestDifference(actual.toArray() as Float32Array, expected);
  assertTrue(difference <= tolerance, `${what}: differs by ${difference}, tolerance ${tolerance}`);
}

/** Every 20th position of (B, L, d), as recorded. */
function thinned(tensor: Tensor, step: number): Float32Array {
  const [batch, length, width] = tensor.shape, values = tensor.toArray() as Float32Array;
  const rows: number[] = [];
  for (let b = 0; b < batch; b++) {
    for (let l = 0; l < length; l += step) {
      rows.push(...values.subarray((b * length + l) * width, (b * length + l + 1) * width));
    }
  }
  return Float32Array.from(rows);
}

sharedTest("positional encoding: the reference's, with its rates and with ours", async () => {
  const fixture = await Fixture.read("pos_encoding.safetensors");
  scope(() => {
    const times = Tensor.from(fixture.floats("times"), fixture.shape("times"));
    using exact = new PositionalEncoding(fixture.floats("angle_rates"));
    assertClose(exact.forward({ times }), fixture.floats("pe"), 2e-7, "stored rates");
    const rates = angularFrequencies(architecture("astromer2"));
    assertTrue(largestDifference(rates, fixture.floats("angle_rates")) < 1e-7);
    using own = new PositionalEncoding(rates);
    assertClose(own.forward({ times }), fixture.floats("pe"), 7e-4, "own rates");
    using small = new PositionalEncoding(fixture.floats("angle_rates_d16"));
    assertClose(small.forward({ times }), fixture.floats("pe_d16"), 2e-7, "d = 16");
  });
});

sharedTest("Astromer 1 with its real weights: blocks, attention, reconstruction, scores", async () => {
  const fixture = await Fixture.read("astromer1_macho.safetensors");
  const frequencies = await referenceFrequencies();
  using model = loadReference(new AstromerNetwork(releasedAstromer1, { frequencies }), fixture, "weights.");
  assertEquals(model.parameters.size, 661_505);
  noGrad(() =>
    scope(() => {
      const layers: Tensor[] = [], attention: Tensor[] = [];
      const input = encoderInput(fixture);
      const y = model.reconstruct(input, {
        onLayer: (layer) => layers.push(layer),
        onWeights: (weights) => attention.push(weights),
      });
      assertTrue(largestDifference(thinned(layers[0], 20), fixture.floats("out.input_embedding_s20")) < 1e-5);
      assertClose(layers[1], fixture.floats("out.block0"), 1e-4, "block 0");
      assertClose(layers[2], fixture.floats("out.block1"), 1e-3, "block 1");
      assertClose(y, fixture.floats("out.reconstruction"), 1e-4, "reconstruction");
      const window4 = attention[1].toArray().subarray(4 * 4 * 200 * 200, 5 * 4 * 200 * 200) as Float32Array;
      assertTrue(largestDifference(window4, fixture.floats("out.attention_block1_w4")) < 1e-4);
      const visible = model.reconstruct(encoderInput(fixture, "in_visible.", "in.times"));
      assertClose(visible, fixture.floats("out_visible.reconstruction"), 1e-4, "visible");
      for (
        const [name, changes] of [
          ["QK_m1e9", { attention_mask: "both", attention_mask_value: -1e9 }],
          ["Q_m1e9", { attention_mask: "keys", attention_mask_value: -1e9 }], // Astromer 1's "Q" means keys
          ["nomask", { attention_mask_value: 0 }],
        ] as [string, Partial<Architecture>][]
      ) {
        using other = loadReference(
          new AstromerNetwork({ ...releasedAstromer1, ...changes }, { frequencies }),
          fixture,
          "weights.",
        );
        assertClose(other.reconstruct(input), fixture.floats(`diag.reconstruction_${name}`), 2e-4, name);
      }
    })
  );
});

sharedTest(
  "Astromer 2: every block, attention, reconstruction, loss and every parameter's gradient",
  async () => {
    const fixture = await Fixture.read("astromer2_io.safetensors");
    const weights = await Fixture.read("astromer2_random.safetensors");
    using model = loadReference(
      new AstromerNetwork(architecture("astromer2"), { frequencies: await referenceFrequencies() }),
      weights,
    );
    assertEquals(model.parameters.size, 3_953_410);
    scope(() => {
      const layers: Tensor[] = [], attention: Tensor[] = [];
      const input = encoderInput(fixture);
      const y = model.reconstruct(input, {
        onLayer: (layer) => layers.push(layer),
        onWeights: (w) => attention.push(w),
      });
      const close = (values: Float32Array, name: string) => {
        const difference = largestDifference(values, fixture.floats(name));
        assertTrue(difference <= 2e-5, `${name}: differs by ${difference}`);
      };
      close(thinned(layers[0], 20), "token.embedding_s20");
      for (let i = 0; i < 6; i++) close(thinned(layers[i + 1], 20), `token.block${i}_s20`);
      for (const i of [0, 2, 5]) {
        close((layers[i + 1].toArray() as Float32Array).subarray(5 * 200 * 256), `token.block${i}_full_w5`);
      }
      for (const i of [0, 5]) {
        const all = attention[i].toArray() as Float32Array, rows: number[] = [];
        for (let head = 0; head < 4; head++) {
          for (let q = 0; q < 200; q += 25) {
            const start = ((4 * 4 + head) * 200 + q) * 200;
            rows.push(...all.subarray(start, start + 200));
          }
        }
        close(Float32Array.from(rows), `token.attention_block${i}_w4_s25`);
      }
      close(y.toArray() as Float32Array, "token.reconstruction");

      const target = Tensor.from(fixture.floats("in.target"), fixture.shape("in.target"));
      const unweighted = reconstructionLoss(y, target, coefficientsOf(fixture, "in.", false));
      assertAlmostEquals(unweighted.item() / fixture.floats("token.score.rmse")[0], 1, 1e-6);
      const loss = reconstructionLoss(y, target, coefficientsOf(fixture));
      assertAlmostEquals(loss.item() / fixture.floats("token.loss")[0], 1, 1e-6);
      model.parameters.zeroGradient();
      backward(loss);
      const gradient = model.parameters.gradient.toArray() as Float32Array;
      for (const { name, shape, offset } of model.parameters.layout) {
        const expected = recorded(fixture, `token.grad.${referenceName(name)}`, shape);
        const actual = gradient.subarray(offset, offset + expected.length);
        const largest = expected.reduce((a, b) => Math.max(a, Math.abs(b)), 0);
        // The true gradient of a key bias is 0: what is computed is rounding noise.
        const tolerance = name.endsWith("key.bias") ? 1e-8 : 1.2e-5 * largest;
        const difference = largestDifference(actual, expected);
        assertTrue(
          difference <= tolerance,
          `gradient of ${name}: differs by ${difference}, largest entry ${largest}`,
        );
      }
      assertEquals(gradientOf(model.parameters.leaf("head.linear.bias"))?.shape, [1]);
    });
  },
);

sharedTest("Astromer 2: twenty Adam steps follow the reference's losses", async () => {
  const fixture = await Fixture.read("astromer2_training.safetensors");
  const weights = await Fixture.read("astromer2_random.safetensors");
  using model = loadReference(
    new AstromerNetwork(architecture("astromer2"), { frequencies: await referenceFrequencies() }),
    weights,
  );
  using adam = new Adam(model.parameters);
  const expected = fixture.floats("token.loss");
  for (let step = 0; step < 20; step++) {
    scope(() => {
      const prefix = `batch${step % 5}.`;
      const target = Tensor.from(fixture.floats(`${prefix}target`), fixture.shape(`${prefix}target`));
      const loss = reconstructionLoss(
        model.reconstruct(encoderInput(fixture, prefix)),
        target,
        coefficientsOf(fixture, prefix),
      );
      const difference = Math.abs(loss.item() / expected[step] - 1);
      assertTrue(difference < 3e-6, `step ${step}: loss ${loss.item()}, reference ${expected[step]}`);
      model.parameters.zeroGradient();
      backward(loss);
      adam.update(1e-4);
    });
  }
  scope(() => {
    const y = noGrad(() => model.reconstruct(encoderInput(fixture, "batch0.")));
    assertClose(y, fixture.floats("token.final_reconstruction_batch0"), 2e-5, "after 20 steps");
  });
});
