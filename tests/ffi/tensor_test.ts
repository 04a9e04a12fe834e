import { libtorch } from "../../ffi/library.ts";
import { transpose } from "../../ffi/ops.ts";
import {
  type Dtype,
  elementSize,
  liveTensors,
  scope,
  Tensor,
  type TypedArray,
  unscoped,
} from "../../ffi/tensor.ts";
import { assertEquals, assertStrictEquals, assertThrows, assertTrue } from "../../src/common/std.ts";
import { numbers, scopedTest } from "./support.ts";

const samples: Record<Dtype, TypedArray> = {
  float32: Float32Array.of(1.5, -2, 0, 3e38),
  float64: Float64Array.of(0.1, -2, 1e-300, 1e300),
  bfloat16: Uint16Array.of(0x3f80, 0xc000, 0, 0x4049), // 1, -2, 0, 3.140625
  float16: Float16Array.of(1.5, -2, 0, 65504),
  int64: BigInt64Array.of(1n, -2n, 0n, 2n ** 62n),
  int32: Int32Array.of(1, -2, 0, 2 ** 31 - 1),
  uint8: Uint8Array.of(1, 2, 0, 255),
  bool: Uint8Array.of(1, 0, 0, 1),
};

for (const [name, sample] of Object.entries(samples)) {
  const dtype = name as Dtype;
  scopedTest(`tensor: ${dtype} from and to its typed array`, () => {
    const tensor = Tensor.from(sample, [2, 2], { dtype });
    assertEquals([tensor.dtype, tensor.shape, tensor.strides], [dtype, [2, 2], [2, 1]]);
    assertEquals([tensor.device, tensor.contiguous, tensor.defined, tensor.elements], ["cpu", true, true, 4]);
    assertEquals(tensor.memory(), sample);
    assertEquals(tensor.bytes().length, 4 * elementSize(dtype));
    const half = dtype === "bfloat16" ? [1, -2, 0, 3.140625] : dtype === "float16" ? sample : undefined;
    const copied = tensor.toArray();
    assertEquals(copied, half ? Float32Array.from(half as ArrayLike<number>) : sample);
    assertEquals(tensor.toRead(), copied);
    assertEquals(numbers(Tensor.zeros([3], { dtype })), [0, 0, 0]);
  });
}

scopedTest("tensor: the dtype comes from the array; plain numbers are float32", () => {
  const dtypeOf = (data: TypedArray | number[]) => Tensor.from(data).dtype;
  assertEquals(dtypeOf([1]), "float32");
  assertEquals(dtypeOf(Float64Array.of(1)), "float64");
  assertEquals(dtypeOf(BigInt64Array.of(1n)), "int64");
  assertEquals(dtypeOf(Uint8Array.of(1)), "uint8");
  assertThrows(
    () => Tensor.from(Int8Array.of(1) as never),
    TypeError,
    "Int8Array holds no dtype that is bound",
  );
  assertThrows(() => Tensor.from(Uint16Array.of(1)), TypeError, "Uint16Array holds no dtype");
  assertThrows(
    () => Tensor.empty([1], { dtype: "float99" as never }),
    TypeError,
    `no dtype is called "float99"`,
  );
});

scopedTest("tensor: plain numbers reach a wide dtype unrounded", () => {
  assertEquals(Tensor.scalar(0.1, { dtype: "float64" }).item(), 0.1);
  assertEquals(Tensor.from([2 ** 40 + 1], [1], { dtype: "int64" }).item(), 2 ** 40 + 1);
  assertEquals(Tensor.from([2 ** 24 + 1], [1], { dtype: "int32" }).item(), 2 ** 24 + 1);
  assertEquals(Tensor.scalar(0.1).item(), Math.fround(0.1));
});

scopedTest("tensor: any number but zero is true", () => {
  assertEquals(Tensor.from(Uint8Array.of(0, 2), [2], { dtype: "bool" }).memory(), Uint8Array.of(0, 1));
});

scopedTest("tensor: bfloat16 is rounded to the nearest, ties to even, as PyTorch does", () => {
  const rounded = Tensor.from([3.14159265, -2.5e-3, 65504, 1e30, 1.00390625, 1.01171875], undefined, {
    dtype: "bfloat16",
  });
  assertEquals(rounded.memory(), Uint16Array.of(16457, 47908, 18304, 29002, 16256, 16258));
  assertEquals(numbers(rounded), [3.140625, -0.00250244140625, 65536, 1.0002555517425873e30, 1, 1.015625]);
});

scopedTest("tensor: data is copied in and out, memory() is shared", () => {
  const data = Float32Array.of(1, 2), tensor = Tensor.from(data);
  data[0] = 9;
  tensor.toArray()[1] = 9;
  assertEquals(numbers(tensor), [1, 2]);
  tensor.memory()[0] = 5;
  tensor.bytes().fill(0, 4);
  assertEquals(numbers(tensor), [5, 0]);
});

scopedTest("tensor: toRead() copies only what does not lie there as it is wanted", () => {
  const rows = Tensor.from([1, 2, 3, 4], [2, 2]), columns = transpose(rows, 0, 1);
  const [inPlace, turned] = [rows.toRead(), columns.toRead()];
  rows.memory()[1] = 9;
  assertEquals([...inPlace], [1, 9, 3, 4]);
  assertEquals([...turned], [1, 3, 2, 4]);
});

scopedTest("tensor: viewAt shares the memory, and keeps it alive", () => {
  const flat = Tensor.from([0, 1, 2, 3, 4, 5]);
  const view = flat.viewAt([2, 2], 2), inner = view.viewAt([1], 3), end = flat.viewAt([0], 6);
  assertEquals([view.shape, numbers(view), numbers(inner), numbers(end)], [[2, 2], [2, 3, 4, 5], [5], []]);
  view.memory()[3] = 7;
  assertEquals([flat.memory()[5], inner.item()], [7, 7]);
  flat.dispose();
  view.dispose();
  assertEquals(inner.item(), 7);
});

scopedTest("tensor: viewAt stays inside the tensor", () => {
  const flat = Tensor.from([0, 1, 2, 3, 4, 5], [3, 2]);
  for (const [shape, offset] of [[[7], 0], [[2, 2], 3], [[1], 6], [[1], -1], [[1], 0.5]] as const) {
    assertThrows(() => flat.viewAt(shape, offset), RangeError, "do not lie in");
  }
  assertThrows(() => transpose(flat, 0, 1).viewAt([1], 0), RangeError, "do not lie in a contiguous tensor");
});

scopedTest("tensor: a transposed one is read row by row, not in place", () => {
  const transposed = transpose(Tensor.from([1, 2, 3, 4, 5, 6], [2, 3]), 0, 1);
  assertEquals([transposed.shape, transposed.strides, transposed.contiguous], [[3, 2], [1, 3], false]);
  assertEquals(numbers(transposed), [1, 4, 2, 5, 3, 6]);
  assertThrows(
    () => transposed.memory(),
    TypeError,
    "only a contiguous tensor on the CPU can be read in place",
  );
});

scopedTest("tensor: copyFrom converts the dtype", () => {
  const target = Tensor.empty([2], { dtype: "int32" });
  target.copyFrom(Tensor.from([1.9, -1.9]));
  assertEquals(numbers(target), [1, -1]);
});

scopedTest("tensor: 0 dimensions, 0 elements, one element", () => {
  const scalar = Tensor.scalar(2.5);
  assertEquals([scalar.shape, scalar.strides, scalar.elements, scalar.item()], [[], [], 1, 2.5]);
  const none = Tensor.zeros([2, 0]);
  assertEquals([none.shape, none.elements, numbers(none), none.bytes().length], [[2, 0], 0, [], 0]);
  assertEquals(Tensor.from([4], [1, 1]).item(), 4);
  assertThrows(() => Tensor.from([1, 2]).item(), RangeError, "a tensor of shape [2] has not one element");
});

scopedTest("tensor: wrong shapes are refused", () => {
  assertThrows(
    () => Tensor.from([1, 2, 3], [2, 2]),
    RangeError,
    "shape [2,2] holds 4 elements, but there are 3",
  );
  for (const shape of [[-1], [2, 1.5], [NaN]]) {
    assertThrows(() => Tensor.empty(shape), RangeError, `[${shape}] is not a shape`);
    assertThrows(() => Tensor.zeros([9]).viewAt(shape, 2), RangeError);
  }
});

Deno.test("tensor: dispose counts once; using one afterwards throws", () => {
  const before = liveTensors();
  const tensor = Tensor.from([1]);
  assertEquals([liveTensors(), tensor.disposed], [before + 1, false]);
  tensor.dispose();
  tensor.dispose();
  assertEquals([liveTensors(), tensor.disposed], [before, true]);
  for (
    const use of [
      () => tensor.handle,
      () => tensor.toArray(),
      () => tensor.item(),
      () => tensor.viewAt([1], 0),
    ]
  ) {
    assertThrows(use, TypeError, "this tensor has been disposed");
  }
  assertEquals(liveTensors(), before);
});

Deno.test("tensor: using disposes at the end of its block", () => {
  const before = liveTensors();
  {
    using _ = Tensor.from([1]);
    assertEquals(liveTensors(), before + 1);
  }
  assertEquals(liveTensors(), before);
});

Deno.test("scope: disposes all but its result", () => {
  const before = liveTensors();
  let inner: Tensor | undefined;
  const result = scope(() => {
    inner = Tensor.from([1]);
    return Tensor.from([2]);
  });
  assertEquals([inner!.disposed, result.disposed, result.item()], [true, false, 2]);
  result.dispose();
  assertEquals(liveTensors(), before);
});

Deno.test("scope: keeps what stands in arrays and plain objects", () => {
  const before = liveTensors();
  const kept = scope(() => {
    Tensor.from([0]);
    const make = (value: number) => Tensor.from([value]);
    return { one: make(1), list: [make(2), { deep: [make(3)] }] as const, count: 3, nothing: null };
  });
  const tensors = [kept.one, kept.list[0], kept.list[1].deep[0]];
  assertEquals(tensors.map((tensor) => tensor.item()), [1, 2, 3]);
  assertEquals(liveTensors(), before + 3);
  for (const tensor of tensors) tensor.dispose();
});

Deno.test("scope: a result belongs to the scope around it", () => {
  const before = liveTensors();
  const seen: Tensor[] = [];
  const kept = scope(() => {
    seen.push(scope(() => Tensor.from([1]))); // kept by the inner scope, disposed by the outer one
    seen.push(Tensor.from([3])); // the outer scope goes on after the inner one
    assertTrue(!seen[0].disposed);
    return scope(() => Tensor.from([2]));
  });
  assertEquals([...seen.map(({ disposed }) => disposed), kept.item()], [true, true, 2]);
  kept.dispose();
  assertEquals(liveTensors(), before);
});

Deno.test("scope: leaves alone what was made outside, and what was disposed inside", () => {
  using outside = Tensor.from([1]);
  scope(() => {
    Tensor.from([2]).dispose();
    assertStrictEquals(scope(() => outside), outside);
  });
  assertEquals(outside.item(), 1);
});

Deno.test("scope: disposes when the function throws, and hands the error on", () => {
  const before = liveTensors();
  const error = new Error("inside");
  assertStrictEquals(
    assertThrows(() =>
      scope(() => {
        Tensor.from([1]);
        throw error;
      })
    ),
    error,
  );
  assertEquals(liveTensors(), before);
  const after = Tensor.from([1]); // the scope has ended: nobody disposes this one
  assertEquals(liveTensors(), before + 1);
  after.dispose();
});

Deno.test("scope: refuses a promise", () => {
  const before = liveTensors();
  assertThrows(() => scope(() => Promise.resolve(Tensor.from([1]))), TypeError, "cannot wait for a promise");
  assertEquals(liveTensors(), before);
});

Deno.test("unscoped: what it makes outlives the scope", () => {
  const before = liveTensors();
  let lasting: Tensor | undefined, passing: Tensor | undefined;
  scope(() => {
    lasting = unscoped(() => Tensor.from([1]));
    passing = Tensor.from([2]); // the scope goes on
  });
  assertEquals([lasting!.disposed, passing!.disposed], [false, true]);
  lasting!.dispose();
  assertEquals(liveTensors(), before);
});

/** Forgets tensors, collects garbage and says how many native handles were given back. Only a process's flag allows it. */
const forgetful = `
  import { libtorch } from ${JSON.stringify(import.meta.resolve("../../ffi/library.ts"))};
  import { scope, Tensor } from ${JSON.stringify(import.meta.resolve("../../ffi/tensor.ts"))};
  const { torch } = libtorch(), deleteHandle = torch.aoti_torch_delete_tensor_object;
  const given = [];
  torch.aoti_torch_delete_tensor_object = (handle) => {
    given.push(Deno.UnsafePointer.value(handle));
    return deleteHandle(handle);
  };
  const used = Tensor.from([1]);
  (function forget() {
    Tensor.from([2]); // one
    scope(() => scope(() => [Tensor.from([3])])); // two: what a scope hands out may be forgotten too
    Tensor.from([4]).dispose(); // three, and not a second time
    scope(() => Tensor.from([5])).dispose(); // four
  })();
  for (let i = 0; i < 10; i++) {
    gc();
    await new Promise((resolve) => setTimeout(resolve)); // finalizers run between tasks
  }
  console.log(JSON.stringify({ given: given.length, used: used.item() }));
`;

Deno.test("tensor: a forgotten one gives its native handle back when it is collected, and only once", async () => {
  const { code, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["eval", "--no-config", "--no-lock", "--v8-flags=--expose-gc", forgetful],
    env: { LIBTORCH: libtorch().folder, NO_COLOR: "1" },
  }).output();
  const [out, errors] = [stdout, stderr].map((bytes) => new TextDecoder().decode(bytes));
  assertEquals({ code, errors }, { code: 0, errors: "" });
  assertEquals(JSON.parse(out), { given: 4, used: 1 });
});
