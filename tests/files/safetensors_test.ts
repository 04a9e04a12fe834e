import { InputError } from "../../src/common/errors.ts";
import {
  layOut,
  parseSafetensors,
  readSafetensors,
  readSafetensorsHeader,
  typedArray,
  writeSafetensors,
} from "../../src/files/safetensors.ts";
import {
  assertEquals,
  assertRejects,
  assertStringIncludes,
  assertThrows,
  assertTrue,
} from "../../src/common/std.ts";
import { testIn } from "../shared.ts";
import { namesIn } from "../survey/support.ts";
import { everyDtype as tensors, fileOf } from "./support.ts";

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

const f32 = (...data_offsets: unknown[]) => ({ dtype: "F32", shape: [1], data_offsets });
const good = { a: f32(0, 4), b: f32(4, 8) };
const shaped = (shape: unknown) => fileOf({ a: { ...f32(0, 4), shape } });
const named = (name: string) => fileOf({ [name]: f32(0, 4) }, 4);
const deep = (depth: number) => "[".repeat(depth) + "]".repeat(depth);
const megabytes = (part: string, count: number) => part.repeat(Math.ceil(count * 2 ** 20 / part.length));

testIn("hostile headers are refused with a sentence that names the file", async (folder) => {
  const path = `${folder}/a.safetensors`;
  const rows: [string, Uint8Array<ArrayBuffer>, string][] = [
    ["empty", new Uint8Array(), "it has only 0 bytes"],
    ["shorter than a header's size", new Uint8Array(7), "it has only 7 bytes"],
    ["header longer than the file", fileOf(good, 8, 10_000), "claims 10000 of"],
    ["header of 2^64 - 1 bytes", fileOf(good, 8, 2n ** 64n - 1n), "claims 18446744073709552000 of"],
    ["no header", fileOf("", 8, 0), "claims 0 of"],
    [
      "a header beyond any need",
      fileOf(megabytes(" ", 17), 0),
      "has a header of 17825792 bytes, more than the",
    ],
    ["text", new TextEncoder().encode("time,magnitude\n1,2\n"), "its header claims"],
    ["not JSON", fileOf("{a: 1}"), "its header is not JSON"],
    ["a text without an end", fileOf('{"a'), "its header is not JSON"],
    ["a text that ends in a backslash", fileOf('{"a\\'), "its header is not JSON"],
    ["a key that is no text", fileOf('{"\\x":1}'), "its header is not JSON"],
    ["brackets that do not match", fileOf("{}}}]:"), "its header is not JSON"],
    ["not UTF-8", fileOf(Uint8Array.of(0x22, 0xff, 0x22)), "its header is not UTF-8"],
    ["a byte order mark", fileOf("\ufeff" + JSON.stringify(good)), "its header is not JSON"],
    ["a list", fileOf([]), "not a JSON object"],
    ["null", fileOf("null"), "not a JSON object"],
    ["a number", fileOf("12"), "not a JSON object"],
    ["deep nesting", fileOf(`{"a":${deep(2_000_000)}}`), "its header is nested too deeply"],
    ["nesting without an end", fileOf(`{"a":${"[".repeat(2_000_000)}`), "its header is nested too deeply"],
    ["four levels", fileOf({ a: { ...f32(0, 4), shape: [[1]] } }), "its header is nested too deeply"],
    ["too many tensors", fileOf(`{"a":[${megabytes("{},", 1)}{}]}`), "more than the 100000 tensors"],
    ["a tensor twice", fileOf('{"a":0,"b":{"a":0,"a":1}}'), 'its header has the key "a" twice'],
    ["a tensor twice, spelled otherwise", fileOf('{"ab":0,"\\u0061b" : 0}'), 'has the key "ab" twice'],
    ["two tables of metadata", fileOf('{"__metadata__":{},"__metadata__":{}}'), '"__metadata__" twice'],
    ["no tensor", fileOf({ a: null }), 'tensor "a" has dtype undefined'],
    ["a text for a tensor", fileOf({ a: "F32" }), 'tensor "a" has dtype undefined'],
    ["unknown dtype", fileOf({ a: { ...f32(0, 4), dtype: "F8_E4M3" } }), 'dtype "F8_E4M3", which is not'],
    ["inherited dtype", fileOf({ a: { ...f32(0, 4), dtype: "toString" } }), 'dtype "toString", which is not'],
    [
      "a dtype beyond a line",
      fileOf({ a: { ...f32(0, 4), dtype: megabytes("F", 1) } }),
      "FFF…, which is not",
    ],
    ["negative size", shaped([-1]), "shape [-1], which is not"],
    ["negative zero", fileOf('{"a":{"dtype":"F32","shape":[-0],"data_offsets":[0,0]}}', 0), "which is not"],
    ["fractional size", shaped([0.5, 2]), "shape [0.5,2], which is not"],
    ["size as text", shaped(["1"]), 'shape ["1"], which is not'],
    ["no shape", shaped(undefined), "shape undefined, which is not"],
    ["65 sizes", shaped(Array(65).fill(1)), "…, which is not a list of at most 64 sizes"],
    ["sizes that overflow", shaped(Array(30).fill(2 ** 50)), "needs Infinity"],
    ["sizes that are rounded", shaped([2 ** 32 + 1, 2 ** 32 - 1]), "needs 73786976294838210000 bytes"],
    ["negative offset", fileOf({ a: f32(-4, 0) }), "data_offsets [-4,0]"],
    ["fractional offset", fileOf({ a: f32(0.5, 4.5) }), "data_offsets [0.5,4.5]"],
    ["offsets reversed", fileOf({ a: f32(4, 0) }), "data_offsets [4,0]"],
    ["three offsets", fileOf({ a: f32(0, 4, 8) }), "data_offsets [0,4,8]"],
    [
      "a text for offsets",
      fileOf({ a: { dtype: "F32", shape: [1], data_offsets: "04" } }),
      'data_offsets "04"',
    ],
    ["no offsets", fileOf({ a: { dtype: "F32", shape: [1] } }), "data_offsets undefined"],
    ["too few bytes", fileOf({ a: f32(0, 3) }), "needs 4 bytes but has 3"],
    ["overlap", fileOf({ a: f32(0, 4), b: f32(2, 6) }), 'tensor "b" starts at byte'],
    ["the same bytes twice", fileOf({ a: f32(0, 4), b: f32(0, 4) }), 'but tensor "a" ends at'],
    ["a gap", fileOf({ a: f32(0, 4), b: f32(8, 12) }, 12), 'tensor "b" starts at byte'],
    ["a gap at the start", fileOf({ a: f32(4, 8) }), "but the header ends at"],
    ["bytes left over", fileOf(good, 9), 'tensor "b" ends at byte'],
    ["nothing but bytes", fileOf({}, 1), "the header ends at byte 10, but the file at 11"],
    ["cut short", fileOf(good, 7), 'tensor "b" ends beyond the end of the file (is it cut short?)'],
    ["beyond the file", fileOf({ a: f32(0, 4), b: f32(2 ** 40, 2 ** 40 + 4) }), "ends beyond the end"],
    ["a name that steers a terminal", named("\u001b[31m"), '"\\u001b[31m" cannot be a tensor\'s name'],
    ["a name with a control character beyond ASCII", named("\x9b"), '"\\u009b" cannot be'],
    ["a name of half a letter", named("\ud800"), '"\\ud800" cannot be a tensor\'s name'],
    ["a name beyond a line", named("a".repeat(1001)), "aaa… cannot be a tensor's name"],
    ["metadata of numbers", fileOf({ __metadata__: { a: 1 }, ...good }), "__metadata__ is not a table of"],
    ["metadata as text", fileOf({ __metadata__: "a", ...good }), "__metadata__ is not a table of"],
    ["metadata as a list", fileOf({ __metadata__: ["a"], ...good }), "__metadata__ is not a table of"],
  ];
  for (const [what, bytes, sentence] of rows) {
    await Deno.writeFile(path, bytes);
    const error = await assertRejects(() => readSafetensorsHeader(path), InputError);
    assertStringIncludes(error.message, sentence, what);
    assertTrue(error.message.startsWith(path) && error.message.length < path.length + 300, what);
    await assertRejects(() => readSafetensors(path), InputError, error.message);
    assertThrows(() => parseSafetensors(path, bytes), InputError, error.message);
  }
  await Deno.writeFile(path, fileOf(good));
  assertEquals((await readSafetensors(path)).tensors.size, 2);
});

testIn("what is not a file, or cannot be read, is refused by name", async (folder) => {
  const refused = async (path: string, sentence: string) => {
    for (const read of [readSafetensors, readSafetensorsHeader]) {
      await assertRejects(() => read(path), InputError, `${path} ${sentence}`);
    }
  };
  await refused(`${folder}/none`, "cannot be read: ");
  await refused(folder, "is not a file");
  await refused("/dev/zero", "is not a file");
  await new Deno.Command("mkfifo", { args: [`${folder}/pipe`] }).output();
  await refused(`${folder}/pipe`, "is not a file"); // it would wait for a writer
  const length = 2 ** 32; // a file that takes no space
  const head = fileOf({ a: { dtype: "U8", shape: [length], data_offsets: [0, length] } }, 0);
  await Deno.writeFile(`${folder}/hole`, head);
  await Deno.truncate(`${folder}/hole`, head.length + length);
  assertEquals((await readSafetensorsHeader(`${folder}/hole`)).tensors.get("a")!.byteLength, length);
  await assertRejects(
    () => readSafetensors(`${folder}/hole`),
    InputError,
    "more than the 4294967296 that are",
  );
});

Deno.test("what others may write is read: 64 sizes, names of any script, long metadata, other keys", () => {
  const names = ["größe", "重み", 'a"b\\', "", " ", "𝛼", "a".repeat(1000)];
  const header = { __metadata__: { text: megabytes('\\"{[:', 3) } } as Record<string, unknown>;
  for (const [i, name] of names.entries()) {
    header[name] = { ...f32(4 * i, 4 * i + 4), shape: Array(64).fill(1), of: "theirs" };
  }
  const { tensors, metadata } = parseSafetensors("a", fileOf(header, 4 * names.length));
  assertEquals([...tensors.keys()], names);
  assertEquals(metadata, header.__metadata__);
});

Deno.test("a typed array is of whole, aligned elements, or not at all", () => {
  const buffer = new ArrayBuffer(16);
  assertEquals(typedArray("F32", buffer, 4, 8), new Float32Array(2));
  for (const [start, length] of [[2, 4], [0, 5], [4, 6]]) {
    assertThrows(
      () => typedArray("F32", buffer, start, length),
      RangeError,
      `${length} bytes from byte ${start}`,
    );
  }
});

const withChecksums = (checksums: string) => fileOf({ __metadata__: { crc32: checksums }, x: f32(0, 4) }, 4);

Deno.test("checksums are of dtype, shape and data, and are not handed out", () => {
  // From Python: zlib.crc32(b"F32 [1]" + bytes(4))
  const { tensors, metadata } = parseSafetensors("a", withChecksums('{"x":"0178b346"}'));
  assertEquals([[...tensors.keys()], metadata], [["x"], {}]);
});

Deno.test("checksums that do not fit are refused", () => {
  const rows = [
    [
      '{"x":"0178b347"}',
      'tensor "x" has been altered: its checksum is "0178b346", the file\'s header says "0178b347"',
    ],
    ['{"x":"0178B346"}', 'tensor "x" has been altered'],
    ['{"x":{"toString":1,"valueOf":1}}', 'tensor "x" has been altered'],
    ["{}", 'tensor "x" has no checksum, though the file\'s header lists them'],
    ['{"x":"0178b346","y\\n":""}', 'tensor "y\\n" has a checksum but is not there'],
    ['{"x":"0178b347","x":"0178b346"}', 'crc32 of __metadata__ has the key "x" twice'],
    ["null", "crc32 of __metadata__ is not a JSON object"],
    ["{", "crc32 of __metadata__ is not JSON"],
    ["", "crc32 of __metadata__ is not JSON"],
    [`{"x":${deep(100_000)}}`, "crc32 of __metadata__ is nested too deeply"],
  ];
  for (const [checksums, sentence] of rows) {
    const { message } = assertThrows(() => parseSafetensors("a", withChecksums(checksums)), InputError);
    assertStringIncludes(message, `a: ${sentence}`);
  }
  const inherited = fileOf({ __metadata__: { crc32: "{}" }, toString: f32(0, 4) }, 4);
  assertThrows(() => parseSafetensors("a", inherited), InputError, 'tensor "toString" has no checksum');
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
