import { MappedFile } from "../../ffi/mapped.ts";
import { fromFile } from "../../ffi/ops.ts";
import { Tensor } from "../../ffi/tensor.ts";
import { assertEquals, assertTrue } from "../../src/common/std.ts";

const length = 1 << 23, page = 4096;

/** Which pages of a mapped file are in memory, as the C library has it. */
function inMemory(file: Tensor): boolean[] {
  const libc = Deno.dlopen("libc.so.6", {
    mincore: { parameters: ["buffer", "usize", "buffer"], result: "i32" },
    getpagesize: { parameters: [], result: "i32" },
  });
  const size = libc.symbols.getpagesize(), pages = new Uint8Array(Math.ceil(length / size));
  const status = libc.symbols.mincore(file.bytes(), BigInt(length), pages);
  libc.close();
  assertEquals(status, 0);
  return Array.from(pages, (flags) => (flags & 1) === 1);
}

Deno.test({
  name: "mapped: a touched page comes alone, and what is needed soon is read by itself",
  ignore: Deno.build.os !== "linux",
  async fn() {
    const path = await Deno.makeTempFile();
    try {
      const values = Uint8Array.from({ length }, (_, i) => i * 2654435761 >>> 24);
      await Deno.writeFile(path, values);
      // Out of memory with it.
      const args = [`of=${path}`, "oflag=nocache", "conv=notrunc,fdatasync", "count=0", "status=none"];
      await new Deno.Command("dd", { args }).output();
      using file = fromFile(path, false, length, { dtype: "uint8" });
      const bytes = file.bytes(), pages = () => inMemory(file).filter(Boolean).length;
      if (pages() > 0) return; // a file system that is memory itself
      const mapped = new MappedFile(file);
      assertTrue(mapped.readAtRandom());
      assertEquals(bytes[300 * page + 17], values[300 * page + 17]);
      assertTrue(pages() <= 16, `one page was touched, ${pages()} were read`);

      assertTrue(mapped.willNeed(1000 * page + 100, 4 * page));
      for (const until = performance.now() + 10_000; performance.now() < until;) {
        if (inMemory(file).slice(1000, 1005).every(Boolean)) break;
        await Deno.stat(path);
      }
      assertEquals(inMemory(file).slice(1000, 1005), new Array(5).fill(true));
      assertTrue(pages() <= 32, `${pages()} were read`);
      assertEquals(bytes.subarray(1000 * page, 1006 * page), values.subarray(1000 * page, 1006 * page));
    } finally {
      await Deno.remove(path);
    }
  },
});

Deno.test("mapped: advice that makes no sense is not taken, and does no harm", () => {
  using small = Tensor.from(new Uint8Array([1, 2, 3]));
  const mapped = new MappedFile(small);
  assertEquals(mapped.willNeed(2, 2), false);
  assertEquals(mapped.willNeed(2 ** 50, 8), false);
  assertEquals([...small.bytes()], [1, 2, 3]);
});
