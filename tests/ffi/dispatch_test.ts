import { op, operatorCalls } from "../../ffi/dispatch.ts";
import { libtorch } from "../../ffi/library.ts";
import { TorchError } from "../../ffi/native.ts";
import * as ops from "../../ffi/ops.ts";
import { liveTensors, scope, Tensor } from "../../ffi/tensor.ts";
import { assertAlmostEquals, assertEquals, assertStrictEquals, assertThrows } from "../../src/common/std.ts";
import { numbers, ownWords, scopedTest } from "./support.ts";

const square = () => Tensor.from([1, 2, 3, 4], [2, 2]);
const einsum = op("aten::einsum(str equation, Tensor[] tensors, *, int[]? path=None) -> Tensor");
const max = op("aten::max.dim(Tensor self, int dim, bool keepdim=False) -> (Tensor values, Tensor indices)");

type SymbolName = keyof ReturnType<typeof libtorch>["torch"];

/** Runs a function while some of libtorch's functions are others, or absent. */
function replaced(others: { [name in SymbolName]?: unknown }, run: () => void): void {
  const { torch } = libtorch(), own = { ...torch };
  Object.assign(torch, others);
  try {
    run();
  } finally {
    Object.assign(torch, own);
  }
}

/** Runs a function and says how often it called some of libtorch's functions. */
function callsTo(names: readonly SymbolName[], run: () => void): number {
  let calls = 0;
  const counting = names.map((name) => {
    const symbol = libtorch().torch[name] as (...args: unknown[]) => unknown;
    return [name, (...args: unknown[]) => (calls++, symbol(...args))];
  });
  replaced(Object.fromEntries(counting), run);
  return calls;
}

scopedTest("dispatch: Tensor? given and None", () => {
  const x = square(), bias = Tensor.from([10, 20]);
  assertEquals(numbers(ops.linear(x, x)), [5, 11, 11, 25]);
  assertEquals(numbers(ops.linear(x, x, null)), [5, 11, 11, 25]);
  assertEquals(numbers(ops.linear(x, x, bias)), [15, 31, 21, 45]);
});

scopedTest("dispatch: Tensor[], Tensor?[] and an empty list", () => {
  const x = square(), index = op("aten::index.Tensor(Tensor self, Tensor?[] indices) -> Tensor");
  assertEquals(numbers(ops.cat([x, x], 1)), [1, 2, 1, 2, 3, 4, 3, 4]);
  assertEquals(numbers(index(x, [null, Tensor.from(BigInt64Array.of(1n))])), [2, 4]);
  assertThrows(() => ops.cat([]), TorchError, ownWords("non-empty list of Tensors"));
});

scopedTest("dispatch: int, negative int, int[] and int[1]?", () => {
  const x = square();
  assertEquals(ops.view(x, [4, -1]).shape, [4, 1]);
  assertEquals(numbers(ops.transpose(x, -1, 0)), [1, 3, 2, 4]);
  assertEquals(numbers(ops.sum(x, [0])), [4, 6]);
  assertEquals(numbers(ops.sum(x, null)), [10]);
  assertEquals(ops.sum(x, [0, 1], true).shape, [1, 1]);
});

scopedTest("dispatch: float, and a named float? given and None", () => {
  // One query that meets the first of two keys: the weights are softmax(scale, 0).
  const shape = (rows: number) => [1, 1, rows, 2];
  const query = Tensor.from([1, 0], shape(1)), keys = Tensor.from([1, 0, 0, 1], shape(2));
  const attend = (named?: { scale: number | null }) =>
    ops.scaledDotProductAttention(query, keys, keys, null, 0, false, named).toArray()[0] as number;
  const expected = (scale: number) => 1 / (1 + Math.exp(-scale));
  assertAlmostEquals(attend(), expected(Math.SQRT1_2), 1e-6);
  assertAlmostEquals(attend({ scale: null }), expected(Math.SQRT1_2), 1e-6);
  assertAlmostEquals(attend({ scale: 2 }), expected(2), 1e-6);
  assertEquals(numbers(ops.dropout(square(), 1, true)), [0, 0, 0, 0]);
});

scopedTest("dispatch: bool, ScalarType? and Device?", () => {
  const x = square();
  assertEquals(max(x, 1, true)[0].shape, [2, 1]);
  assertEquals(max(x, 1, false)[0].shape, [2]);
  assertEquals(ops.softmax(x, 1).dtype, "float32");
  assertEquals(ops.softmax(x, 1, "float64").dtype, "float64");
  const random = ops.rand([3], { device: "cpu", dtype: "float64" });
  assertEquals([random.shape, random.device, random.dtype], [[3], "cpu", "float64"]);
  assertEquals(ops.randperm(3).dtype, "int64"); // the default, "long"
});

scopedTest("dispatch: str, with more than ASCII in it", () => {
  const x = square();
  assertEquals(numbers(einsum("ij,jk->ik", [x, x])), [7, 10, 15, 22]);
  assertThrows(() => ops.fromFile("no such füle", null, 1), TorchError, ownWords("no such füle"));
});

scopedTest("dispatch: several results", () => {
  const [values, indices] = max(square(), 1);
  assertEquals([numbers(values), numbers(indices), indices.dtype], [[2, 4], [1, 1], "int64"]);
  const normalise = op(
    "aten::native_layer_norm(Tensor input, SymInt[] normalized_shape, Tensor? weight, Tensor? bias, float eps) -> (Tensor, Tensor, Tensor)",
  );
  const [normal, mean, deviation] = normalise(square(), [2], null, null, 0);
  assertEquals([numbers(normal), numbers(mean), numbers(deviation)], [[-1, 1, -1, 1], [1.5, 3.5], [2, 2]]);
});

scopedTest("dispatch: a list as the result", () => {
  const before = liveTensors();
  const deleted = callsTo(["torch_delete_list"], () => {
    const parts = ops.split(Tensor.from([1, 2, 3, 4, 5]), [1, 4]);
    assertEquals(parts.map(numbers), [[1], [2, 3, 4, 5]]);
  });
  assertEquals([liveTensors(), deleted], [before + 3, 1]);
});

scopedTest("dispatch: bool and int as the result", () => {
  const isNonzero = op("aten::is_nonzero(Tensor self) -> bool");
  assertEquals([isNonzero(Tensor.scalar(2)), isNonzero(Tensor.scalar(0))], [true, false]);
  assertEquals(op("aten::size.int(Tensor self, int dim) -> int")(Tensor.zeros([2, 3]), -1), 3);
});

scopedTest("dispatch: a float and a negative int as the result", () => {
  // No operator of every libtorch gives one of a tensor that is bound: the answers are given here.
  const answer = (_name: unknown, _overload: unknown, slots: BigUint64Array) => {
    new Float64Array(slots.buffer)[0] = -0.1;
    new BigInt64Array(slots.buffer)[1] = -1n;
    return 0;
  };
  const answered = op("aten::f(int x, int y) -> (float, int)");
  replaced({ torch_call_dispatcher: answer }, () => assertEquals(answered(2, 3), [-0.1, -1]));
});

scopedTest("dispatch: an in-place operator returns its very argument", () => {
  const x = square(), before = liveTensors();
  assertStrictEquals(ops.zero_(x), x);
  assertEquals([numbers(x), liveTensors()], [[0, 0, 0, 0], before]);
});

scopedTest("dispatch: an out operator returns the tensor that it was given", () => {
  const x = square(), out = Tensor.zeros([2, 2]), before = liveTensors();
  const multiplyInto = op("aten::mul.out(Tensor self, Tensor other, *, Tensor(a!) out) -> Tensor(a!)");
  assertStrictEquals(multiplyInto(x, x, { out }), out);
  assertEquals([numbers(out), liveTensors()], [[1, 4, 9, 16], before]);
});

scopedTest("dispatch: default values are those of the schema", () => {
  const x = square();
  assertAlmostEquals(ops.layerNorm(x, [2]).toArray()[1] as number, 0.5 / Math.sqrt(0.25 + 1e-5), 1e-6);
  assertEquals(ops.cat([x, x]).shape, [4, 2]);
  const roll = op("aten::roll(Tensor self, SymInt[1] shifts, int[1] dims=[0]) -> Tensor");
  assertEquals(numbers(roll(x, [1])), [3, 4, 1, 2]);
  const pool = op(
    "aten::max_pool2d(Tensor self, int[2] kernel_size, int[2] stride=[], int[2] padding=0, int[2] dilation=1, bool ceil_mode=False) -> Tensor",
  );
  assertEquals(numbers(pool(ops.view(x, [1, 2, 2]), [2, 1])), [3, 4]); // one number stands for a list
});

/** What packing calls, and could leave behind. */
const packing = [
  "aoti_torch_new_tensor_handle",
  "torch_new_list_reserve_size",
  "torch_new_string_handle",
  "torch_new_stable_ivalue",
  "torch_call_dispatcher",
] as const;

scopedTest("dispatch: wrong arguments throw before anything is packed", () => {
  const x = square(), gone = square();
  gone.dispose();
  const wrong = (value: unknown) => value as never;
  const cases: [() => unknown, typeof TypeError | typeof RangeError, string][] = [
    [() => ops.linear(x, wrong(3)), TypeError, "linear: weight must be a tensor"],
    [() => ops.linear(x, gone), TypeError, "linear: weight must be a tensor that is not disposed"],
    [() => ops.linear(x, x, wrong(3)), TypeError, "linear: bias must be a tensor"],
    [() => ops.linear(x, wrong(undefined)), TypeError, "linear: weight must be given: it has no default"],
    [() => ops.linear(x, wrong(null)), TypeError, "linear: weight must be a tensor"],
    [() => ops.cat(wrong(x)), TypeError, "cat: tensors must be a list"],
    [() => ops.cat([x, wrong(1)]), TypeError, "cat: tensors must be a list, each element a tensor"],
    [() => ops.view(x, [1.5]), TypeError, "view: size must be a list, each element a whole number"],
    [() => ops.cat([x], wrong("1")), TypeError, "cat: dim must be a whole number"],
    [() => ops.cat([x], 2 ** 53), TypeError, "cat: dim must be a whole number"],
    [() => ops.dropout(x, wrong("p"), true), TypeError, "dropout: p must be a number"],
    [() => ops.dropout(x, 0.5, wrong(1)), TypeError, "dropout: train must be true or false"],
    [() => einsum(wrong(1), [x]), TypeError, "einsum: equation must be a text"],
    [() => ops.softmax(x, 0, wrong(6)), TypeError, "softmax: dtype must be a dtype"],
    [() => ops.softmax(x, 0, wrong("float99")), TypeError, `no dtype is called "float99"`],
    [() => ops.rand([2], { device: wrong(0) }), TypeError, "rand: device must be a device"],
    [() => ops.rand([2], { device: wrong("tpu") }), RangeError, `no device is called "tpu"`],
    [
      () => ops.rand([2], { layout: wrong(0) }),
      TypeError,
      "rand: layout must be null: no other value is bound",
    ],
  ];
  const before = liveTensors();
  const packed = callsTo(packing, () => {
    for (const [run, kind, text] of cases) assertThrows<Error>(run, kind, text);
  });
  assertEquals([packed, liveTensors()], [0, before]);
  // The net catches: the same count is not 0 when an argument is packed.
  assertEquals(callsTo(packing, () => ops.linear(x, x)), 3);
});

scopedTest("dispatch: libtorch's own words, and nothing left alive", () => {
  const x = square(), before = liveTensors();
  const words = ownWords("shape '[3]' is invalid for input of size 4");
  const { operator } = assertThrows(() => ops.view(x, [3]), TorchError, `view: ${words}`);
  assertEquals(operator, "view");
  const nosuch = op("aten::nosuch(Tensor self) -> Tensor");
  assertThrows(() => nosuch(x), TorchError, ownWords("nosuch: Could not find schema for aten::nosuch"));
  assertEquals(liveTensors(), before);
  assertEquals(numbers(ops.view(x, [4])), [1, 2, 3, 4]); // and the next call works
});

scopedTest("dispatch: before 2.13 the box of an optional comes from operator new", () => {
  replaced({ torch_new_stable_ivalue: undefined }, () => {
    const x = square(), bias = Tensor.from([10, 20]);
    const boxes = callsTo(["_Znwm"], () => assertEquals(numbers(ops.linear(x, x, bias)), [15, 31, 21, 45]));
    assertEquals(boxes, 1);
    assertEquals(numbers(ops.sum(x, [0])), [4, 6]);
  });
});

Deno.test("dispatch: calls are counted", () => {
  const before = operatorCalls();
  scope(() => ops.sin(ops.cos(square())).dispose());
  assertEquals(operatorCalls(), before + 2);
});
