/** What each kernel computes, against plain arithmetic. */
import * as kernels from "../../ffi/kernels.ts";
import { Tensor } from "../../ffi/tensor.ts";
import { assertAlmostEquals, assertTrue } from "../../src/common/std.ts";
import { numbers, scopedTest } from "./support.ts";

const a = [1, 2, 3, 4], b = [4, 0.5, -2, 8]; // both of shape (2, 2)
const product = [4 - 4, 0.5 + 16, 12 - 8, 1.5 + 32]; // a b
const linear = [4 + 1, -2 + 16, 12 + 2, -6 + 32]; // a b^T
const normalised = [-1, 1, -1, 1]; // rows of a less their mean 1.5 and 3.5, over their deviation 0.5

/** The results of a kernel on a and b, and the numbers that they must be; the compiler wants every kernel here. */
const table: Record<keyof typeof kernels, (x: Tensor, y: Tensor) => [Tensor | Tensor[], number[]]> = {
  linearPointwise: (x, y) => [
    [
      kernels.linearPointwise(x, y, Tensor.from([1, 10]), "none"),
      kernels.linearPointwise(x, y, null, "tanh"),
    ],
    [...linear.map((value, i) => value + [1, 10][i % 2]), ...linear.map(Math.tanh)],
  ],
  linearPointwiseBinary: (x, y) => [
    kernels.linearPointwiseBinary(x, y, y, Tensor.from([1, 10])),
    linear.map((value, i) => value + [1, 10][i % 2] + b[i]),
  ],
  bmm: (x, y) => [kernels.bmm(x.viewAt([1, 2, 2], 0), y.viewAt([1, 2, 2], 0)), product],
  mmOut: (x, y) => [kernels.mmOut(x, y, { out: Tensor.empty([2, 2]) }), product],
  mulOut: (x, y) => [kernels.mulOut(x, y, { out: Tensor.empty([2, 2]) }), a.map((value, i) => value * b[i])],
  sumOut: (x) => [kernels.sumOut(x, [0], false, { out: Tensor.empty([2]) }), [4, 6]],
  nativeLayerNorm: (x) => [
    kernels.nativeLayerNorm(x, [2], Tensor.from([1, 2]), Tensor.from([0, 10]), 0),
    [...normalised.map((value, i) => [value, 2 * value + 10][i % 2]), 1.5, 3.5, 2, 2],
  ],
  // Of two elements: whatever they are, they are normalised to -1 and 1, so their gradient is 0.
  nativeLayerNormBackward: (x, y) => [
    kernels.nativeLayerNormBackward(
      y,
      x,
      [2],
      Tensor.from([1.5, 3.5], [2, 1]),
      Tensor.from([2, 2], [2, 1]),
      Tensor.from([1, 2]),
      Tensor.from([0, 10]),
      [true, true, true],
    ),
    [0, 0, 0, 0, -b[0] - b[2], b[1] + b[3], b[0] + b[2], b[1] + b[3]],
  ],
  // Rows (p, q) of results and (g, h) of their gradients: p (g - (p g + q h)), q (h - (p g + q h))
  softmaxBackward: (x, y) => [
    kernels.softmaxBackward(y, x, -1, "float32"),
    [1 * (4 - 5), 2 * (0.5 - 5), 3 * (-2 - 26), 4 * (8 - 26)],
  ],
  tanhBackward: (x, y) => [kernels.tanhBackward(y, x), b.map((value, i) => value * (1 - a[i] ** 2))],
};

for (const [name, run] of Object.entries(table)) {
  scopedTest(`kernel ${name}`, () => {
    const [result, expected] = run(Tensor.from(a, [2, 2]), Tensor.from(b, [2, 2]));
    const found = [result].flat().flatMap((tensor) => numbers(tensor));
    if (found.length !== expected.length) throw new Error(`${found.length} numbers, not ${expected.length}`);
    for (const [i, value] of found.entries()) assertAlmostEquals(value, expected[i], 1e-4);
  });
}

/** Bytes in use of the C library's heap; undefined where it does not say. */
function heapInUse(): number | undefined {
  if (Deno.build.os !== "linux") return undefined;
  const size = { struct: Array<"usize">(10).fill("usize") };
  const libc = Deno.dlopen("libc.so.6", { mallinfo2: { parameters: [], result: size } });
  const found = new BigUint64Array(libc.symbols.mallinfo2().buffer)[7];
  libc.close();
  return Number(found);
}

Deno.test({
  name: "linear maps leave no memory behind, however often",
  ignore: heapInUse() === undefined,
  fn() {
    using x = Tensor.from(a, [2, 2]);
    using bias = Tensor.from([1, 10]);
    const often = (times: number) => {
      for (let i = 0; i < times; i++) {
        using one = kernels.linearPointwise(x, x, bias, "tanh");
        kernels.linearPointwiseBinary(x, one, x, null).dispose();
      }
      return heapInUse()!;
    };
    const before = often(1000), after = often(20_000);
    assertTrue(after - before < 20_000 * 10, `${after - before} bytes`);
  },
});
