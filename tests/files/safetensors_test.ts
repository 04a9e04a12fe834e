import { InputError } from "../../src/errors.ts";
import {
  layOut,
  readSafetensors,
  readSafetensorsHeader,
  type SafetensorsDtype,
  type TensorData,
  writeSafetensors,
} from "../../src/files/safetensors.ts";
import { seeded } from "../../src/random.ts";
import {
  assertEquals,
  assertRejects,
  assertStringIncludes,
  assertThrows,
  assertTrue,
} from "../../src/std.ts";
import { namesIn } from "../survey/support.ts";
import { testIn } from "../shared.ts";

/** One tensor of every dtype, the narrow ones first, with odd lengths. */
const tensors: Record<string, TensorData> = {
  flags: { dtype: "BOOL", shape: [3], data: Uint8Array.of(1, 0, 1) },
  bytes: { dtype: "U8", shape: [5], data: Uint8Array.of(0, 1, 127, 128, 255) },
  signed: { dtype: "I8", shape: [1], data: Int8Array.of(-128) },
  short: { dtype: "I16", shape: [3], data: Int16Array.of(-1, 2, 32767) },
  half: { dtype: "F16", shape: [1], data: Uint16Array.of(0x3c00) },
  brain: { dtype: "BF16", shape: [3, 1], data: Uint16Array.of(0x3f80, 1, 0xffff) },
  whole: { dtype: "I32", shape: [1, 1, 1], data: Int32Array.of(-(2 ** 31)) },
  single: { dtype: "F32", shape: [2, 3], data: Float32Array.of(0, -0, 1.5, Infinity, NaN, 1e-45) },
  long: { dtype: "I64", shape: [2], data: BigInt64Array.of(-1n, 2n ** 62n) },
  double: { dtype: "F64", shape: [], data: Float64Array.of(Math.PI) },
  nothing: { dtype: "F32", shape: [0, 4], data: new Float32Array() },
};

testIn("every dtype, shape and metadata come back as they were written", async (folder) => {
  const path = `${folder}/a.safetensors`, metadata = { format: "pt", "größe": 'a "quoted" text' };
  await writeSafetensors(path, tensors, metadata);
  const found = await readSafetensors(path);
  assertEquals(found.metadata, metadata);
  assertEquals(new Set(found.tensors.keys()), new Set(Object.keys(tensors)));
  for (const [name, tensor] of Object.entries(tensors)) assertEquals(found.tensors.get(name), tensor, name);
  await writeSafetensors(path, {});
  assertEquals(await readSafetensors(path), { tensors: new Map(), metadata: {} });
});

testIn("a part of a larger array is written as that part", async (folder) => {
  const data = Float32Array.of(0, 1, 2, 3).subarray(1, 3);
  await writeSafetensors(`${folder}/a`, { x: { dtype: "F32", shape: [2], data } });
  assertEquals((await readSafetensors(`${folder}/a`)).tensors.get("x")!.data, Float32Array.of(1, 2));
});

testIn("every tensor is aligned to its elements, the first to 8 bytes", async (folder) => {
  const size = { F64: 8, I64: 8, F32: 4, I32: 4, F16: 2, BF16: 2, I16: 2, I8: 1, U8: 1, BOOL: 1 };
  for (let extra = 0; extra < 9; extra++) {
    const { head, tensors: entries, fileLength } = layOut(tensors, { text: "x".repeat(extra) });
    assertEquals(head.length % 8, 0);
    for (const [name, { dtype, start }] of entries) assertEquals(start % size[dtype], 0, name);
    const file = new Uint8Array(fileLength);
    file.set(head);
    await Deno.writeFile(`${folder}/a`, file);
    const header = await readSafetensorsHeader(`${folder}/a`);
    assertEquals(header.tensors, entries, "layOut says where the tensors are");
    assertEquals(header.fileLength, fileLength);
    await writeSafetensors(`${folder}/a`, tensors, { text: "x".repeat(extra) });
    for (const [name, { dtype, start }] of (await readSafetensorsHeader(`${folder}/a`)).tensors) {
      assertEquals(start % size[dtype], 0, name);
    }
  }
});

testIn("data that does not fit its shape is refused before anything is written", async (folder) => {
  const wrong = { x: { dtype: "F32" as const, shape: [3], data: new Float32Array(2) } };
  assertThrows(
    () => writeSafetensors(`${folder}/a`, wrong),
    RangeError,
    '"x" has 8 bytes, its shape says 12',
  );
  assertEquals(await namesIn(folder), []);
});

/** A file with a header as text (or bytes) and so many bytes of data. */
function fileOf(header: unknown, data = 8, claimed?: number | bigint): Uint8Array<ArrayBuffer> {
  const json = header instanceof Uint8Array
    ? header
    : new TextEncoder().encode(typeof header === "string" ? header : JSON.stringify(header));
  const bytes = new Uint8Array(8 + json.length + data);
  new DataView(bytes.buffer).setBigUint64(0, BigInt(claimed ?? json.length), true);
  bytes.set(json, 8);
  return bytes;
}
const f32 = (...data_offsets: unknown[]) => ({ dtype: "F32", shape: [1], data_offsets });
const good = { a: f32(0, 4), b: f32(4, 8) };

testIn("hostile headers are refused with a sentence that names the file", async (folder) => {
  const path = `${folder}/a.safetensors`;
  const rows: [string, Uint8Array<ArrayBuffer>, string][] = [
    ["empty", new Uint8Array(), "it has only 0 bytes"],
    ["shorter than a header's size", new Uint8Array(7), "it has only 7 bytes"],
    ["header longer than the file", fileOf(good, 8, 10_000), "claims 10000 of"],
    ["header of 2^64 - 1 bytes", fileOf(good, 8, 2n ** 64n - 1n), "claims 18446744073709552000 of"],
    ["no header", fileOf("", 8, 0), "claims 0 of"],
    ["text", new TextEncoder().encode("time,magnitude\n1,2\n"), "its header claims"],
    ["not JSON", fileOf("{a: 1}"), "its header is not JSON"],
    ["not UTF-8", fileOf(Uint8Array.of(0x22, 0xff, 0x22)), "its header is not JSON"],
    ["a list", fileOf([]), "not a JSON object"],
    ["null", fileOf("null"), "not a JSON object"],
    ["a number", fileOf("12"), "not a JSON object"],
    ["no tensor", fileOf({ a: null }), 'tensor "a" has dtype undefined'],
    ["a text for a tensor", fileOf({ a: "F32" }), 'tensor "a" has dtype undefined'],
    ["unknown dtype", fileOf({ a: { ...f32(0, 4), dtype: "F8_E4M3" } }), 'dtype "F8_E4M3", which is not'],
    ["inherited dtype", fileOf({ a: { ...f32(0, 4), dtype: "toString" } }), 'dtype "toString", which is not'],
    ["negative size", fileOf({ a: { ...f32(0, 4), shape: [-1] } }), "shape [-1], which is not"],
    ["fractional size", fileOf({ a: { ...f32(0, 4), shape: [0.5, 2] } }), "shape [0.5,2], which is not"],
    ["size as text", fileOf({ a: { ...f32(0, 4), shape: ["1"] } }), 'shape ["1"], which is not'],
    ["no shape", fileOf({ a: { dtype: "F32", data_offsets: [0, 4] } }), "shape undefined, which is not"],
    [
      "sizes that overflow",
      fileOf({ a: { ...f32(0, 4), shape: Array(30).fill(2 ** 50) } }),
      "needs Infinity",
    ],
    ["negative offset", fileOf({ a: f32(-4, 0) }), "data_offsets [-4,0]"],
    ["offsets reversed", fileOf({ a: f32(4, 0) }), "data_offsets [4,0]"],
    ["three offsets", fileOf({ a: f32(0, 4, 8) }), "data_offsets [0,4,8]"],
    ["no offsets", fileOf({ a: { dtype: "F32", shape: [1] } }), "data_offsets undefined"],
    ["too few bytes", fileOf({ a: f32(0, 3) }), "needs 4 bytes but has 3"],
    ["overlap", fileOf({ a: f32(0, 4), b: f32(2, 6) }), 'tensor "b" starts at byte'],
    ["the same bytes twice", fileOf({ a: f32(0, 4), b: f32(0, 4) }), "but the one before it ends at"],
    ["a gap", fileOf({ a: f32(0, 4), b: f32(8, 12) }, 12), 'tensor "b" starts at byte'],
    ["a gap at the start", fileOf({ a: f32(4, 8) }), 'tensor "a" starts at byte'],
    ["bytes left over", fileOf(good, 9), "the tensors end at byte"],
    ["cut short", fileOf(good, 7), 'tensor "b" ends beyond the end of the file (is it cut short?)'],
    ["beyond the file", fileOf({ a: f32(0, 4), b: f32(2 ** 40, 2 ** 40 + 4) }), "ends beyond the end"],
    ["metadata of numbers", fileOf({ __metadata__: { a: 1 }, ...good }), "__metadata__ is not a table of"],
    ["metadata as text", fileOf({ __metadata__: "a", ...good }), "__metadata__ is not a table of"],
  ];
  for (const [what, bytes, sentence] of rows) {
    await Deno.writeFile(path, bytes);
    const error = await assertRejects(() => readSafetensorsHeader(path), InputError);
    assertStringIncludes(error.message, sentence, what);
    assertTrue(error.message.startsWith(path), what);
    await assertRejects(() => readSafetensors(path), InputError);
  }
  await assertRejects(() => readSafetensors(`${folder}/none`), InputError, `${folder}/none cannot be read`);
  await assertRejects(() => readSafetensors(folder), InputError, folder);
  await Deno.writeFile(path, fileOf(good));
  assertEquals((await readSafetensors(path)).tensors.size, 2);
});

testIn("files of others are read: unaligned, in any order, with names of any kind", async (folder) => {
  const path = `${folder}/a.safetensors`;
  const header = '{ "b":{"shape":[1],"dtype":"F64","data_offsets":[1,9]},"__proto__":' +
    '{"dtype":"U8","shape":[1],"data_offsets":[0,1]} }';
  const bytes = fileOf(header, 9);
  assertTrue((bytes.length - 8) % 8 !== 0, "the wide tensor is not aligned");
  bytes.set(new Uint8Array(Float64Array.of(2.5).buffer), bytes.length - 8);
  bytes[bytes.length - 9] = 7;
  await Deno.writeFile(path, bytes);
  const { tensors } = await readSafetensors(path);
  assertEquals(tensors.get("b")!.data, Float64Array.of(2.5));
  assertEquals(tensors.get("__proto__")!.data, Uint8Array.of(7));
});

testIn(
  "a few hundred damaged files: an InputError or a file that fits, never another error",
  async (folder) => {
    const path = `${folder}/a.safetensors`;
    const small = Object.fromEntries(
      (["F64", "BF16", "U8"] as SafetensorsDtype[]).map((dtype) => [
        dtype,
        { dtype, shape: [2, 2], data: new Uint8Array({ F64: 32, BF16: 8, U8: 4 }[dtype as "F64"]) },
      ]),
    );
    await writeSafetensors(path, small, { format: "pt" });
    const original = await Deno.readFile(path);
    const random = seeded(11);
    const headerEnd = original.length - 44;
    let refused = 0;
    for (let i = 0; i < 400; i++) {
      let bytes = original.slice();
      for (let changes = 1 + random.integer(3); changes > 0; changes--) {
        const at = random.integer(random.next() < 0.9 ? headerEnd : bytes.length);
        // Digits and brackets find more than any byte does.
        bytes[at] = random.next() < 0.5
          ? random.integer(256)
          : '0123456789-[]{},:"'.charCodeAt(random.integer(18));
      }
      if (random.next() < 0.1) bytes = bytes.slice(0, random.integer(bytes.length));
      await Deno.writeFile(path, bytes);
      try {
        const { tensors } = await readSafetensors(path);
        for (const { shape, data } of tensors.values()) {
          const count = shape.reduce((a, b) => a * b, 1);
          assertEquals((data as Uint8Array).length, count, `change ${i}`);
        }
      } catch (error) {
        assertTrue(error instanceof InputError, `change ${i}: ${error}`);
        refused++;
      }
    }
    assertTrue(refused > 250 && refused < 400, `${refused} of 400 were refused`);
  },
);
