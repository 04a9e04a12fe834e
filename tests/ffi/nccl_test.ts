import { cudaDeviceCount } from "../../ffi/device.ts";
import { Nccl } from "../../ffi/nccl.ts";
import { Tensor } from "../../ffi/tensor.ts";
import { assertEquals, assertThrows } from "../../src/common/std.ts";

const gpu = cudaDeviceCount() > 0;

Deno.test({
  name: gpu ? "a GPU alone sums to itself, on the current stream" : "sums over GPUs (skipped: no GPU here)",
  ignore: !gpu,
  fn() {
    let shared = 0;
    using nccl = new Nccl("cuda", { rank: 0, size: 1, shareId: (id) => void (shared = id.length) });
    assertEquals(shared, 128);
    using values = Tensor.from([1, 2, 3], [3], { device: "cuda" });
    nccl.sum(values);
    assertEquals([...values.toArray()], [1, 2, 3]);
    nccl.sumBeside(values);
    nccl.joinBeside();
    assertEquals([...values.toArray()], [1, 2, 3]);
    using halves = Tensor.from([1], [1], { device: "cuda", dtype: "bfloat16" });
    assertThrows(() => nccl.sum(halves), TypeError, "contiguous float32");
  },
});
