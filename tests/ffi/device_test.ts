import { backward, gradientOf, requiresGrad } from "../../ffi/autograd.ts";
import {
  allowTf32,
  cudaDeviceCount,
  type Device,
  deviceCode,
  deviceName,
  keepFreedMemory,
  ownMemory,
  returnFreedMemory,
  setThreads,
  stockSmallBlocks,
  synchronize,
  threads,
} from "../../ffi/device.ts";
import { libtorch } from "../../ffi/library.ts";
import { matmul, rand, square, sum } from "../../ffi/ops.ts";
import { manualSeed } from "../../ffi/random.ts";
import { Tensor } from "../../ffi/tensor.ts";
import { assertEquals, assertNotEquals, assertThrows, assertTrue } from "../../src/common/std.ts";
import { gpuTest, numbers, scopedTest } from "./support.ts";

Deno.test("device: threads are set and read, whole numbers from 1", () => {
  const before = threads();
  try {
    for (const count of [1, 3]) {
      setThreads(count);
      assertEquals(threads(), count);
    }
    for (const count of [0, -1, 1.5, NaN]) {
      assertThrows(
        () => setThreads(count),
        RangeError,
        `threads must be a whole number from 1, not ${count}`,
      );
    }
    assertEquals(threads(), 3);
  } finally {
    setThreads(before);
  }
});

scopedTest("device: the CPU is the default, has a code and a name, and needs no waiting", () => {
  assertEquals(Tensor.zeros([1]).device, "cpu");
  assertEquals(deviceName(deviceCode("cpu")), "cpu");
  synchronize("cpu");
});

Deno.test("device: unknown names are refused", () => {
  for (const name of ["tpu", "", "CPU", "cuda:", "cuda:x", "cuda:-1", "cuda:1.5"]) {
    assertThrows(() => deviceCode(name as Device), RangeError, `no device is called "${name}"`);
  }
});

Deno.test("device: a GPU that is not there is refused, with the cause", () => {
  const cause = cudaDeviceCount() > 0
    ? `this machine has cuda:0 to cuda:${cudaDeviceCount() - 1}`
    : libtorch().cuda
    ? "libtorch finds no GPU here"
    : "this libtorch is built without CUDA";
  for (const run of [() => Tensor.zeros([1], { device: "cuda:99" }), () => synchronize("cuda:99")]) {
    assertEquals(assertThrows(run, RangeError).message, `there is no cuda:99: ${cause}`);
  }
});

Deno.test("device: glibc can be told to keep freed memory", () => {
  assertEquals(keepFreedMemory(), Deno.build.os === "linux");
});

Deno.test({
  name: "device: memory that is kept but free can be given back",
  ignore: Deno.build.os !== "linux",
  fn() {
    keepFreedMemory();
    returnFreedMemory(); // what is free already would take the blocks in
    const megabytes = () => ownMemory()! / 1e6, before = megabytes();
    assertTrue(before < Deno.memoryUsage().rss / 1e6, "libtorch's code is a file's");
    const tensors = Array.from({ length: 64 }, () => Tensor.zeros([250_000])); // 1 MB each
    const last = Tensor.zeros([10]); // what lies above the others keeps them from shrinking the heap
    for (const tensor of tensors) tensor.dispose();
    const kept = megabytes();
    assertTrue(kept - before > 32, `${before} MB, then ${kept} MB`);
    returnFreedMemory();
    assertTrue(kept - megabytes() > 32, `${kept} MB, then ${megabytes()} MB`);
    last.dispose();
  },
});

Deno.test({
  name: "device: a stock of small blocks takes a few megabytes, once",
  ignore: Deno.build.os !== "linux",
  fn() {
    const taken = () => {
      const before = ownMemory()!;
      stockSmallBlocks();
      return (ownMemory()! - before) / 1e6;
    };
    const [first, second] = [taken(), taken()];
    assertTrue(first < 12, `${first} MB`); // less than the stock where the heap has holes
    assertTrue(second < 1, `${second} MB more`);
  },
});

gpuTest("CUDA: tensors are placed, copied there and back", () => {
  const there = Tensor.from([1, 2, 3, 4], [2, 2], { device: "cuda" });
  assertEquals([there.device, there.shape, numbers(there)], ["cuda:0", [2, 2], [1, 2, 3, 4]]);
  assertEquals(numbers(Tensor.zeros([3], { device: "cuda:0" })), [0, 0, 0]);
  const back = Tensor.empty([2, 2]);
  back.copyFrom(there);
  assertEquals(numbers(back), [1, 2, 3, 4]);
  assertThrows(() => there.memory(), TypeError, "use toArray()");
});

scopedTest("TF32 can be allowed and forbidden; the CPU's products do not change", () => {
  const third = Tensor.from([1 / 3], [1, 1]), product = () => numbers(matmul(third, third))[0];
  const exact = product();
  assertEquals([allowTf32(true), product(), allowTf32(false), product()], [true, exact, true, exact]);
});

gpuTest("CUDA: float32 products are rounded to TF32 only where that is allowed", () => {
  const matrix = Tensor.from(Array.from({ length: 64 * 64 }, (_, i) => 1 + i * 1e-4), [64, 64]),
    there = Tensor.empty([64, 64], { device: "cuda" });
  there.copyFrom(matrix);
  const expected = numbers(matmul(matrix, matrix));
  const worst = () =>
    Math.max(...numbers(matmul(there, there)).map((value, i) => Math.abs(value / expected[i] - 1)));
  const exact = worst();
  allowTf32(true);
  const rounded = worst();
  allowTf32(false);
  assertTrue(exact < 1e-6 && worst() < 1e-6 && rounded < 5e-3, `${exact} ${rounded}`);
});

gpuTest("CUDA: the seed is the GPU's too", () => {
  const seeded = () => {
    manualSeed(7);
    return numbers(rand([4], { device: "cuda" }));
  };
  const first = seeded();
  assertNotEquals(numbers(rand([4], { device: "cuda" })), first);
  assertEquals(seeded(), first);
});

gpuTest("CUDA: matmul gives what the CPU gives", () => {
  // Small whole numbers: exact in every precision that a GPU may multiply in.
  const product = (device: Device) => {
    const matrix = Tensor.from(Array.from({ length: 64 }, (_, i) => i % 7 - 3), [8, 8], { device });
    return numbers(matmul(matrix, matrix));
  };
  assertEquals(product("cuda"), product("cpu"));
});

gpuTest("CUDA: a backward pass, and waiting for it", () => {
  const leaf = requiresGrad(Tensor.from([1, -2, 3], [3], { device: "cuda" }));
  backward(sum(square(leaf), null));
  synchronize("cuda");
  const gradient = gradientOf(leaf)!;
  assertEquals([gradient.device, numbers(gradient)], ["cuda:0", [2, -4, 6]]);
});
