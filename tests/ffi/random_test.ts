/** Recorded from PyTorch 2.13.0 on a CPU, after `torch.manual_seed(7)`: the same numbers, bit for bit. */
import { dropout, rand, randn, randperm } from "../../ffi/ops.ts";
import { manualSeed } from "../../ffi/random.ts";
import { Tensor } from "../../ffi/tensor.ts";
import { assertAlmostEquals, assertEquals, assertNotEquals, assertThrows } from "../../src/common/std.ts";
import { numbers, scopedTest } from "./support.ts";

function seeded(make: () => Tensor): number[] {
  manualSeed(7);
  return numbers(make());
}

scopedTest("random: rand is PyTorch's", () => {
  const recorded = [0.5349225401878357, 0.19880318641662598, 0.6592116951942444, 0.6568902730941772];
  assertEquals(seeded(() => rand([2, 2])), recorded);
});

scopedTest("random: randn is PyTorch's", () => {
  const recorded = [-0.1467950940132141, 0.7861412763595581, 0.9468216300010681, -1.1143440008163452];
  assertEquals(seeded(() => randn([4])), recorded);
});

// From 16 elements on, randn takes another path, whose last bits are the vector unit's.
Deno.test({
  name: "random: randn is PyTorch's where it is vectorised",
  ignore: Deno.build.arch !== "x86_64",
  fn() {
    const recorded = [
      [
        -0.8201345205307007,
        0.39563116431236267,
        0.8989084959030151,
        -1.3884038925170898,
        0.19844505190849304,
      ],
      [0.7820726633071899, 1.0391076803207397, -0.7245107293128967, -0.8489086031913757, -1.2169294357299805],
      [
        -0.08102158457040787,
        1.3614851236343384,
        -2.0614778995513916,
        0.6741006970405579,
        -1.3233457803726196,
      ],
      [
        -1.3597689867019653,
        -0.866701602935791,
        -0.5640066862106323,
        -2.056462526321411,
        -0.35672253370285034,
      ],
    ];
    // One bit less or more on processors with narrower vectors.
    for (const [i, value] of seeded(() => randn([20])).entries()) {
      assertAlmostEquals(value, recorded.flat()[i], 1e-6);
    }
  },
});

scopedTest("random: randperm is PyTorch's", () => {
  assertEquals(seeded(() => randperm(6)), [3, 0, 1, 5, 2, 4]);
});

scopedTest("random: dropout's mask is PyTorch's", () => {
  const ones = Tensor.from(new Float32Array(20).fill(1));
  const mask = (p: number) => seeded(() => dropout(ones, p, true)).map((value) => value && 1).join("");
  assertEquals(mask(0.5), "11000010001111101010");
  assertEquals(mask(0.25), "11010011001111101010");
});

scopedTest(
  "random: the same seed gives the same numbers, the generator moves on, another seed differs",
  () => {
    const seven = seeded(() => rand([3]));
    assertNotEquals(numbers(rand([3])), seven);
    assertEquals(seeded(() => rand([3])), seven);
    manualSeed(2n ** 63n); // a seed may have all of 64 bits
    assertNotEquals(numbers(rand([3])), seven);
  },
);

Deno.test("random: a seed is a whole number that fits", () => {
  for (const seed of [0.5, NaN, -1, -1n, 2 ** 53, 2n ** 64n]) {
    assertThrows(() => manualSeed(seed), RangeError, `a seed must be a whole number`);
  }
});
