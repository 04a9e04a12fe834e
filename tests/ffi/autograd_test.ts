import { backward, gradientOf, noGrad, requiresGrad, setGradient } from "../../ffi/autograd.ts";
import { TorchError } from "../../ffi/native.ts";
import * as ops from "../../ffi/ops.ts";
import { manualSeed } from "../../ffi/random.ts";
import { liveTensors, scope, Tensor } from "../../ffi/tensor.ts";
import {
  assertAlmostEquals,
  assertEquals,
  assertStrictEquals,
  assertThrows,
  assertTrue,
} from "../../src/common/std.ts";
import { numbers, ownWords, scopedTest } from "./support.ts";

type OperatorName = keyof typeof ops;

/** One check: the operator, the shapes of the leaves, and what to compute of them. */
type Case = [OperatorName, number[][], (...leaves: Tensor[]) => Tensor | Tensor[]];

const condition = () => Tensor.from(Uint8Array.of(1, 0, 1), [3], { dtype: "bool" });
const heads = [1, 2, 3, 4]; // batch, heads, length, width
const attend = ops.scaledDotProductAttention;

const table: Case[] = [
  ["mul", [[2, 3], [3]], (a, b) => ops.mul(a, b)],
  ["div", [[2, 3], [2, 1]], (a, b) => ops.div(a, b)],
  ["add", [[2, 3], [3]], (a, b) => ops.add(a, b)],
  ["add", [[2, 3], [3]], (a, b) => ops.add(a, b, 0.5)],
  ["sub", [[2, 3], [3]], (a, b) => ops.sub(a, b)],
  ["sub", [[2, 3], [3]], (a, b) => ops.sub(a, b, 2)],
  ["sqrt", [[4]], (a) => ops.sqrt(a)],
  ["square", [[4]], (a) => ops.square(a)],
  ["exp", [[4]], (a) => ops.exp(a)],
  ["log", [[4]], (a) => ops.log(a)],
  ["sin", [[4]], (a) => ops.sin(a)],
  ["cos", [[4]], (a) => ops.cos(a)],
  ["tanh", [[4]], (a) => ops.tanh(a)],
  ["where", [[2, 3], [3]], (a, b) => ops.where(condition(), a, b)],
  ["minimum", [[2, 3], [3]], (a, b) => ops.minimum(a, b)],
  ["maximum", [[2, 3], [3]], (a, b) => ops.maximum(a, b)],
  ["relu", [[2, 3]], (a) => ops.relu(ops.sub(a, Tensor.from(Float64Array.of(1))))],
  ["frac", [[4]], (a) => ops.frac(a)],

  ["linear", [[2, 3], [4, 3]], (x, w) => ops.linear(x, w)],
  ["linear", [[2, 3], [4, 3], [4]], (x, w, b) => ops.linear(x, w, b)],
  ["matmul", [[2, 2, 3], [3, 4]], (a, b) => ops.matmul(a, b)],
  ["softmax", [[2, 3]], (a) => ops.softmax(a, -1)],
  ["softmax", [[2, 3]], (a) => ops.softmax(a, 0)],
  ["scaledDotProductAttention", [heads, heads, heads], (q, k, v) => attend(q, k, v)],
  [
    "scaledDotProductAttention",
    [heads, heads, heads],
    (q, k, v) => attend(q, k, v, null, 0, true, { scale: 0.3 }),
  ],
  ["scaledDotProductAttention", [heads, heads, heads, [3, 3]], (q, k, v, mask) => attend(q, k, v, mask)],
  // Of a symmetric matrix, the eigenvalues alone: eigenvectors may change their sign.
  ["linalgEigh", [[2, 3]], (a) => ops.linalgEigh(ops.matmul(a, ops.transpose(a, 0, 1)))[0]],
  ["layerNorm", [[2, 4]], (x) => ops.layerNorm(x, [4])],
  ["layerNorm", [[2, 4], [4], [4]], (x, w, b) => ops.layerNorm(x, [4], w, b, 1e-3)],
  ["dropout", [[8]], (x) => {
    manualSeed(1); // the same mask each time
    return ops.dropout(x, 0.5, true);
  }],

  ["sum", [[2, 3]], (a) => ops.sum(a, null)],
  ["sum", [[2, 3]], (a) => ops.sum(a, [1], true)],
  ["mean", [[2, 3]], (a) => ops.mean(a)],
  ["dot", [[4], [4]], (a, b) => ops.dot(a, b)],
  ["amax", [[2, 3]], (a) => ops.amax(a, [1])],
  ["amin", [[2, 3]], (a) => ops.amin(a, [1])],
  ["viewAsComplex", [[3, 2]], (a) => ops.viewAsReal(ops.viewAsComplex(a))],
  [
    "viewAsReal",
    [[3, 2], [3, 2]],
    (a, b) => ops.viewAsReal(ops.mul(ops.viewAsComplex(a), ops.viewAsComplex(b))),
  ],
  ["fftC2c", [[3, 2]], (a) => ops.viewAsReal(ops.fftC2c(ops.viewAsComplex(a), [0], 0, false))],
  ["topk", [[2, 3]], (a) => ops.topk(a, 2)[0]],
  ["crossEntropyLoss", [[2, 3]], (a) => ops.crossEntropyLoss(a, Tensor.from(BigInt64Array.of(2n, 0n)))],

  ["view", [[2, 3]], (a) => ops.view(a, [3, 2])],
  ["flip", [[2, 3]], (a) => ops.flip(a, [1])],
  ["reshape", [[2, 3]], (a) => ops.reshape(ops.transpose(a, 0, 1), [6])],
  ["transpose", [[2, 3]], (a) => ops.transpose(a, 0, 1)],
  ["unbind", [[2, 3]], (a) => ops.unbind(a, 1)[1]],
  ["narrow", [[2, 4]], (a) => ops.narrow(a, 1, 1, 2)],
  ["cat", [[2, 3], [1, 3]], (a, b) => ops.cat([a, b])],
  ["stack", [[2, 3], [2, 3]], (a, b) => ops.stack([a, b], 1)],
  ["gather", [[2, 3]], (a) => ops.gather(a, 1, Tensor.from(BigInt64Array.of(2n, 0n, 0n, 1n), [2, 2]))],
  ["expand", [[2, 1]], (a) => ops.expand(a, [2, 3])],
  ["indexSelect", [[3, 2]], (a) => ops.indexSelect(a, 0, Tensor.from(BigInt64Array.of(2n, 0n, 2n)))],
  ["split", [[2, 4]], (a) => ops.split(a, [1, 3], 1)],
  ["to", [[4]], (a) => ops.to(a, "float64", false, true)],

  // In place on what is not a leaf
  ["copy_", [[3], [3]], (a, b) => ops.copy_(ops.square(a), b)],
  ["zero_", [[3]], (a) => ops.add(ops.zero_(ops.square(a)), a)],
  ["mul_", [[3], [3]], (a, b) => ops.mul_(ops.square(a), b)],
];

/** Operators that give no gradient. */
const withoutGradient: OperatorName[] = [
  "rand",
  "randn",
  "randperm",
  "fusedAdam_",
  "fusedAdamByTensor_",
  "isfinite",
  "gt",
  "viewAs",
  "fromFile",
];

/** A weighted sum of all results, with another weight for each element: no two gradients are alike. */
function weighted(results: Tensor | Tensor[]): Tensor {
  const parts = [results].flat().map((result) => ops.reshape(result, [result.elements]));
  const all = ops.cat(parts);
  const weights = Float64Array.from({ length: all.elements }, (_, i) => Math.cos(1 + i));
  return ops.dot(all, Tensor.from(weights));
}

/** Leaves as views of one flat buffer, whose gradients accumulate in one flat buffer. */
function leavesOf(shapes: number[][], values: (i: number) => number) {
  const sizes = shapes.map((shape) => shape.reduce((a, b) => a * b, 1));
  const length = sizes.reduce((a, b) => a + b, 0);
  const flat = Tensor.from(Float64Array.from({ length }, (_, i) => values(i)));
  const gradients = Tensor.zeros([length], { dtype: "float64" });
  let offset = 0;
  const leaves = shapes.map((shape, i) => {
    const leaf = requiresGrad(flat.viewAt(shape, offset));
    setGradient(leaf, gradients.viewAt(shape, offset));
    offset += sizes[i];
    return leaf;
  });
  return { flat, gradients, leaves };
}

for (const [name, shapes, run] of table) {
  scopedTest(`gradient: ${name} of ${shapes.map((shape) => `[${shape}]`).join(" ")}`, () => {
    // Between 0.2 and 1.8: sqrt and div are smooth there; no two are alike, as minimum needs.
    const { flat, gradients, leaves } = leavesOf(shapes, (i) => 1 + 0.8 * Math.sin(1 + 2.3 * i));
    backward(weighted(run(...leaves)));
    const values = flat.memory(), step = 1e-5;
    const loss = () => noGrad(() => scope(() => weighted(run(...leaves)).item()));
    numbers(gradients).forEach((gradient, i) => {
      const own = values[i] as number;
      const [above, below] = [own + step, own - step].map((value) => {
        values[i] = value;
        return loss();
      });
      values[i] = own;
      assertAlmostEquals(gradient, (above - below) / (2 * step), 1e-8, `element ${i}`);
    });
    assertTrue(numbers(gradients).some((gradient) => Math.abs(gradient) > 1e-3), "no gradient arrived");
  });
}

Deno.test("gradient: every operator is checked above, or listed as without one", () => {
  const covered = new Set<string>([...table.map(([name]) => name), ...withoutGradient]);
  assertEquals(Object.keys(ops).filter((name) => !covered.has(name)), []);
  assertEquals(table.filter(([name]) => withoutGradient.includes(name)), []);
});

scopedTest("autograd: gradients accumulate in place, in one flat buffer", () => {
  const { gradients, leaves } = leavesOf([[2], [1, 2]], (i) => i + 1);
  const [a, b] = leaves;
  const memory = gradients.memory();
  const pass = () => backward(ops.sum(ops.add(ops.square(a), ops.mul(a, b)), null));
  pass();
  assertEquals(Array.from(memory, Number), [2 * 1 + 3, 2 * 2 + 4, 1, 2]); // 2a + b, a
  pass();
  assertEquals(Array.from(memory, Number), [10, 16, 2, 4]);
  assertEquals(numbers(gradientOf(b)!), [2, 4]);
  ops.zero_(gradients);
  a.memory()[0] = 7; // as an optimizer changes it
  pass();
  assertEquals(Array.from(memory, Number), [2 * 7 + 3, 2 * 2 + 4, 7, 2]);
});

scopedTest("autograd: without a place for it, the gradient is made by the first pass", () => {
  const leaf = requiresGrad(Tensor.from([3]));
  const before = liveTensors();
  assertStrictEquals(gradientOf(leaf), null);
  assertEquals(liveTensors(), before);
  const pass = () => backward(ops.sum(ops.square(leaf), null));
  pass();
  assertEquals(numbers(gradientOf(leaf)!), [6]);
  pass();
  assertEquals(numbers(gradientOf(leaf)!), [12]);
});

scopedTest("autograd: only leaves that want one get a gradient", () => {
  const wanting = requiresGrad(Tensor.from([2])), other = Tensor.from([3]);
  assertStrictEquals(requiresGrad(wanting, true), wanting);
  backward(ops.sum(ops.mul(wanting, other), null));
  assertEquals([numbers(gradientOf(wanting)!), gradientOf(other)], [[3], null]);
  requiresGrad(wanting, false);
  assertThrows(() => backward(ops.sum(wanting, null)), TorchError, ownWords("does not require grad"));
});

scopedTest("autograd: a backward pass starts from one element", () => {
  const leaf = requiresGrad(Tensor.from([1, 2]));
  assertThrows(
    () => backward(ops.square(leaf)),
    TorchError,
    ownWords("grad can be implicitly created only for scalar outputs"),
  );
});

scopedTest("noGrad: records nothing inside, and again afterwards, even after an error", () => {
  const leaf = requiresGrad(Tensor.from([2]));
  const recorded = (loss: Tensor) => {
    try {
      backward(loss);
      return true;
    } catch (error) {
      if (error instanceof TorchError && error.message.includes(ownWords("does not require grad"))) {
        return false;
      }
      throw error;
    }
  };
  assertEquals(recorded(noGrad(() => ops.square(leaf))), false);
  assertEquals(
    recorded(noGrad(() => {
      noGrad(() => ops.square(leaf));
      return ops.square(leaf); // the inner one gives back what it found
    })),
    false,
  );
  assertThrows(() =>
    noGrad(() => {
      throw new Error("inside");
    })
  );
  assertEquals(recorded(ops.square(leaf)), true);
});

scopedTest("autograd: copyFrom is not recorded, and recording goes on", () => {
  const leaf = requiresGrad(Tensor.from([2]));
  leaf.copyFrom(Tensor.from([5])); // recorded, it would be refused: a leaf is not changed in place
  backward(ops.sum(ops.square(leaf), null));
  assertEquals(numbers(gradientOf(leaf)!), [10]);
});

scopedTest("a gradient that does not fit its leaf is refused", () => {
  const leaf = requiresGrad(Tensor.zeros([2, 3]));
  const misfits: [Tensor, string][] = [
    [
      Tensor.zeros([3, 2]),
      "a gradient of float32 of shape [2,3] on cpu is needed, not of float32 of shape [3,2] on cpu",
    ],
    [Tensor.zeros([6]), "not of float32 of shape [6] on cpu"],
    [Tensor.zeros([2, 3], { dtype: "float64" }), "not of float64 of shape [2,3] on cpu"],
  ];
  for (const [misfit, sentence] of misfits) {
    assertThrows(() => setGradient(leaf, misfit), RangeError, sentence);
  }
  assertEquals(gradientOf(leaf), null);
});
