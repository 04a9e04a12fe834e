/** What each operator computes, against plain arithmetic; its gradient is autograd_test's, random numbers random_test's. */
import * as ops from "../../ffi/ops.ts";
import { Tensor } from "../../ffi/tensor.ts";
import { assertAlmostEquals, assertEquals } from "../../src/common/std.ts";
import { numbers, scopedTest } from "./support.ts";

type Name = Exclude<keyof typeof ops, "rand" | "randn" | "randperm">;

const a = [1, 2, 3, 4], b = [4, 0.5, -2, 8]; // both of shape (2, 2)
const each = (f: (a: number, b: number) => number) => a.map((value, i) => f(value, b[i]));
const fraction = (part: number, other: number) => 1 / (1 + Math.exp(other - part)); // softmax of two

const settings = {
  lr: 0.1,
  beta1: 0.9,
  beta2: 0.99,
  weight_decay: 0,
  eps: 0,
  amsgrad: false,
  maximize: false,
};

/** The results of an operator on a and b, and the numbers that they must be; the compiler wants every operator here. */
const table: Record<Name, (x: Tensor, y: Tensor) => [Tensor | Tensor[], number[]]> = {
  mul: (x, y) => [ops.mul(x, y), each((a, b) => a * b)],
  div: (x, y) => [ops.div(x, y), each((a, b) => a / b)],
  add: (
    x,
    y,
  ) => [[ops.add(x, y), ops.add(x, y, 0.5)], [...each((a, b) => a + b), ...each((a, b) => a + b / 2)]],
  sub: (
    x,
    y,
  ) => [[ops.sub(x, y), ops.sub(x, y, 2)], [...each((a, b) => a - b), ...each((a, b) => a - 2 * b)]],
  sqrt: (x) => [ops.sqrt(x), a.map(Math.sqrt)],
  square: (x) => [ops.square(x), [1, 4, 9, 16]],
  exp: (x) => [ops.exp(x), a.map(Math.exp)],
  log: (x) => [ops.log(x), a.map(Math.log)],
  sin: (x) => [ops.sin(x), a.map(Math.sin)],
  cos: (x) => [ops.cos(x), a.map(Math.cos)],
  frac: (_, y) => [ops.frac(y), [0, 0.5, 0, 0]],
  tanh: (x) => [ops.tanh(x), a.map(Math.tanh)],
  where: (
    x,
    y,
  ) => [ops.where(Tensor.from(Uint8Array.of(1, 0), [2], { dtype: "bool" }), x, y), [1, 0.5, 3, 8]],
  gt: (x, y) => [ops.gt(x, y), [0, 1, 1, 0]],
  isfinite: (x) => [ops.isfinite(ops.div(x, Tensor.from([0, 1, 1, 1], [2, 2]))), [0, 1, 1, 1]],
  minimum: (x, y) => [ops.minimum(x, y), each(Math.min)],
  maximum: (x, y) => [ops.maximum(x, y), each(Math.max)],

  linear: (
    x,
    y,
  ) => [ops.linear(x, y, Tensor.from([1, 10])), [4 + 1 + 1, -2 + 16 + 10, 12 + 2 + 1, -6 + 32 + 10]],
  matmul: (x, y) => [ops.matmul(x, y), [4 - 4, 0.5 + 16, 12 - 8, 1.5 + 32]],
  softmax: (x) => [ops.softmax(x, 0), [fraction(1, 3), fraction(2, 4), fraction(3, 1), fraction(4, 2)]],
  scaledDotProductAttention: (x, y) => {
    const [q, k] = [x, y].map((tensor) => ops.view(tensor, [1, 1, 2, 2]));
    const identity = Tensor.from([1, 0, 0, 1], [1, 1, 2, 2]); // as values: the weights come out
    const attend = (causal: boolean) =>
      ops.scaledDotProductAttention(q, k, identity, null, 0, causal, { scale: 0.1 });
    const first = fraction(0.5, 1.4), second = fraction(1.4, 2.6); // q · k / 10
    return [[attend(false), attend(true)], [first, 1 - first, second, 1 - second, 1, 0, second, 1 - second]];
  },
  layerNorm: (x) => [ops.layerNorm(x, [2], Tensor.from([1, 2]), Tensor.from([0, 10]), 0), [-1, 12, -1, 12]],
  dropout: (x) => [[ops.dropout(x, 1, true), ops.dropout(x, 1, false)], [0, 0, 0, 0, ...a]],

  sum: (x) => [[ops.sum(x, [0]), ops.sum(x, null)], [4, 6, 10]],
  mean: (x) => [ops.mean(x), [2.5]],
  relu: (_, y) => [ops.relu(y), [4, 0.5, 0, 8]],
  linalgEigh: (x) => [
    ops.linalgEigh(ops.matmul(x, ops.transpose(x, 0, 1)))[0],
    [15 - Math.sqrt(221), 15 + Math.sqrt(221)],
  ],
  viewAsComplex: (x) => [ops.viewAsReal(ops.viewAsComplex(x)), a], // 1 + 2i, 3 + 4i
  viewAsReal: (x, y) => [ops.viewAsReal(ops.mul(ops.viewAsComplex(x), ops.viewAsComplex(y))), [
    ...[1 * 4 - 2 * 0.5, 1 * 0.5 + 2 * 4],
    ...[3 * -2 - 4 * 8, 3 * 8 + 4 * -2],
  ]],
  fftC2c: (x) => [ops.viewAsReal(ops.fftC2c(ops.viewAsComplex(x), [0], 0, true)), [4, 6, -2, -2]],
  topk: (x) => [ops.topk(x, 1, 0), [3, 4, 1, 1]],
  gather: (x) => [ops.gather(x, 1, Tensor.from(BigInt64Array.of(1n, 0n), [2, 1])), [2, 3]],
  expand: (x) => [ops.expand(ops.narrow(x, 1, 1, 1), [-1, 3]), [2, 2, 2, 4, 4, 4]],
  indexSelect: (x) => [ops.indexSelect(x, 0, Tensor.from(BigInt64Array.of(1n, 0n, 1n))), [3, 4, 1, 2, 3, 4]],
  crossEntropyLoss: (x, y) => [
    // Of the classes 1 and 0: mean, then weighted by class.
    [
      ops.crossEntropyLoss(y, Tensor.from(BigInt64Array.of(1n, 0n))),
      ops.crossEntropyLoss(x, Tensor.from(BigInt64Array.of(1n, 0n)), Tensor.from([3, 1])),
    ],
    [
      -(Math.log(fraction(0.5, 4)) + Math.log(fraction(-2, 8))) / 2,
      -(Math.log(fraction(2, 1)) + 3 * Math.log(fraction(3, 4))) / 4,
    ],
  ],
  amax: (x) => [[ops.amax(x, [0]), ops.amax(x, [1], true)], [3, 4, 2, 4]],
  amin: (x) => [[ops.amin(x, [0]), ops.amin(x, [1], true)], [1, 2, 1, 3]],
  dot: (x, y) => [ops.dot(ops.view(x, [4]), ops.view(y, [4])), [4 + 1 - 6 + 32]],

  flip: (x) => [ops.flip(x, [1]), [2, 1, 4, 3]],
  viewAs: (x) => [ops.viewAs(x, "int32"), [...new Int32Array(Float32Array.from(a).buffer)]],
  view: (x) => [ops.view(x, [4, 1]), a],
  reshape: (x) => [ops.reshape(ops.transpose(x, 0, 1), [4]), [1, 3, 2, 4]],
  transpose: (x) => [ops.transpose(x, 0, 1), [1, 3, 2, 4]],
  narrow: (x) => [ops.narrow(x, 1, 1, 1), [2, 4]],
  cat: (x, y) => [ops.cat([x, y], 1), [1, 2, 4, 0.5, 3, 4, -2, 8]],
  stack: (x, y) => [ops.stack([x, y], -1), [1, 4, 2, 0.5, 3, -2, 4, 8]],
  split: (x) => [ops.split(x, [1, 1], 1), [1, 3, 2, 4]],
  unbind: (x) => [ops.unbind(x, 1), [1, 3, 2, 4]],
  to: (_, y) => [ops.to(y, "int64"), [4, 0, -2, 8]],

  copy_: (x, y) => [[ops.copy_(x, y), x], [...b, ...b]],
  zero_: (x) => [[ops.zero_(x), x], [0, 0, 0, 0, 0, 0, 0, 0]],
  mul_: (x, y) => [[ops.mul_(x, y), x], [...each((a, b) => a * b), ...each((a, b) => a * b)]],
  fusedAdam_: (x, y) => {
    const [mean, square] = [Tensor.zeros([2, 2]), Tensor.zeros([2, 2])];
    ops.fusedAdam_([x], [y], [mean], [square], [], [Tensor.scalar(1)], settings);
    // The first step is as long as the learning rate, against the sign of the gradient.
    return [[x, mean, square], [
      ...each((a, b) => a - 0.1 * Math.sign(b)),
      ...b.map((b) => 0.1 * b),
      ...b.map((b) => 0.01 * b * b),
    ]];
  },
  fusedAdamByTensor_: (x, y) => {
    const [mean, square] = [Tensor.zeros([2, 2]), Tensor.zeros([2, 2])], { lr, ...rest } = settings;
    ops.fusedAdamByTensor_([x], [y], [mean], [square], [], [Tensor.scalar(1)], {
      ...rest,
      lr: Tensor.scalar(lr),
    });
    return [x, each((a, b) => a - 0.1 * Math.sign(b))];
  },
  fromFile: () => {
    const path = Deno.makeTempFileSync();
    try {
      Deno.writeFileSync(path, new Uint8Array(Float64Array.from(b).buffer));
      return [ops.fromFile(path, false, 4, { dtype: "float64" }), b];
    } finally {
      Deno.removeSync(path); // the map outlives the name
    }
  },
};

for (const [name, run] of Object.entries(table)) {
  scopedTest(`operator: ${name}`, () => {
    const [results, expected] = run(Tensor.from(a, [2, 2]), Tensor.from(b, [2, 2]));
    const actual = [results].flat().flatMap(numbers);
    assertEquals(actual.length, expected.length);
    actual.forEach((value, i) => assertAlmostEquals(value, expected[i], 1e-5, `element ${i}`));
  });
}
