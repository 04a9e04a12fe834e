import { InputError } from "../../src/common/errors.ts";
import { openFolderOrZip } from "../../src/files/folder_or_zip.ts";
import { seeded } from "../../src/common/random.ts";
import { assertEquals, assertRejects, assertStringIncludes, assertTrue } from "../../src/common/std.ts";
import { importReference } from "../../src/weights/reference_import.ts";
import {
  checkpointPrefixes,
  type CheckpointTensor,
  maskedCrc32c,
  readCheckpoint,
} from "../../src/weights/tensorflow_checkpoint.ts";
import { sharedPath, sharedTest } from "../shared.ts";
import {
  blockOf,
  bytesOf,
  checkpointFiles,
  entryOf,
  field,
  fixed32,
  floats,
  indexOf,
  indexOfBlocks,
  memory,
  recordedFiles,
  tableEntry,
  varint,
} from "./checkpoint_support.ts";

Deno.test("checksums: the test values of RFC 3720, masked as TensorFlow does", () => {
  const unmasked = (bytes: Uint8Array) => {
    const rotated = (maskedCrc32c(bytes) - 0xa282ead8) >>> 0;
    return (rotated >>> 17 | rotated << 15) >>> 0;
  };
  assertEquals(unmasked(new Uint8Array(32)), 0x8a9136aa);
  assertEquals(unmasked(new Uint8Array(32).fill(0xff)), 0x62a8ab43);
  assertEquals(unmasked(Uint8Array.from({ length: 32 }, (_, i) => i)), 0x46dd794e);
  assertEquals(unmasked(new TextEncoder().encode("123456789")), 0xe3069283);
});

sharedTest("the released Astromer 1: every tensor's name, dtype, shape and place", async () => {
  const zip = await openFolderOrZip(sharedPath("weights/macho_a0.zip"));
  assertEquals(checkpointPrefixes(zip.names), ["macho/weights"]);
  const tensors = await readCheckpoint(zip, "macho/weights");
  const graph = tensors.get("_CHECKPOINTABLE_OBJECT_GRAPH")!;
  assertEquals([graph.dtype, graph.shape, graph.bytes.length, graph.bytes.byteOffset], [
    "string",
    [],
    6601,
    2646020,
  ]);
  const { dtype, shape, bytes } = tensors.get(
    "layer_with_weights-0/enc_layers/0/ffn/layer_with_weights-0/bias/.ATTRIBUTES/VARIABLE_VALUE",
  )!;
  assertEquals([dtype, shape, bytes.length, bytes.byteOffset], ["float32", [128], 512, 1197060]);
  const numbers = [...tensors.values()].filter((tensor) => tensor.dtype === "float32");
  assertEquals(numbers.length, 38);
  assertEquals(numbers.reduce((sum, tensor) => sum + tensor.bytes.length / 4, 0), 661_505);
});

const three = new Map<string, CheckpointTensor>([
  ["a/x", floats([2, 3], [1, 2, 3, 4, 5, 6])],
  ["a/y", floats([], [7])],
  ["b", { dtype: "int64", shape: [1], bytes: new Uint8Array(8) }],
  ["c", floats([0, 4], [])],
]);

Deno.test("several data files and several blocks", async () => {
  for (const shards of [1, 2, 3]) {
    for (const perBlock of [1, 2, 40]) {
      const files = checkpointFiles(three, { prefix: "run/model", shards, perBlock });
      const read = await readCheckpoint(memory(files), "run/model");
      assertEquals([...read].sort(), [...three].sort(), `${shards} data files, ${perBlock} entries a block`);
    }
  }
});

Deno.test("unknown fields are passed over, as protobuf does", async () => {
  const tensor = floats([2], [1, 2]);
  const more = bytesOf(
    field(20, 5),
    field(21, bytesOf("later")),
    0xb1,
    0x01,
    new Uint8Array(8),
    0xb5,
    0x01,
    fixed32(9),
  );
  const files = {
    "w.index": indexOf([["t", entryOf(tensor, { more })]]),
    "w.data-00000-of-00001": tensor.bytes,
  };
  assertEquals([...await readCheckpoint(memory(files), "w")], [["t", tensor]]);
});

Deno.test("what is wrong with a checkpoint is said, with file and tensor", async () => {
  const t = floats([2, 2], [1, 2, 3, 4]), data = bytesOf(t.bytes, t.bytes);
  const index = indexOf([["t", entryOf(t)]]);
  const changed = (at: number, value: number) => {
    const copy = index.slice();
    copy[at < 0 ? copy.length + at : at] = value;
    return copy;
  };
  const of = (changes: Parameters<typeof entryOf>[1], tensor = t) =>
    indexOf([["t", entryOf(tensor, changes)]]);
  const header = tableEntry(0, "", field(1, 1)), empty = blockOf(bytesOf());
  const restarts = bytesOf(fixed32(1000), 0);
  const huge = bytesOf(new Uint8Array(9).fill(0xff), 0x7f);
  const rows: [string, Uint8Array, string][] = [
    ["nothing", bytesOf(), "w.index is not the index of a TensorFlow checkpoint"],
    ["another file", bytesOf("hello ".repeat(20)), "w.index is not the index of a TensorFlow checkpoint"],
    ["cut short", index.slice(0, -1), "w.index is not the index of a TensorFlow checkpoint"],
    ["its front is gone", index.slice(8), "w.index"],
    ["a flipped bit", changed(8, 0xff), "the checksum of the block at byte 0 does not fit"],
    [
      "a handle beyond the end",
      bytesOf(empty, 0, 8, varint(5000), 9, new Uint8Array(35), index.slice(-8)),
      "a block should end at byte 5009 of 61",
    ],
    ["a compressed block", indexOfBlocks(blockOf(header, [0], 1)), "is compressed"],
    [
      "more restarts than block",
      indexOfBlocks(bytesOf(restarts, fixed32(maskedCrc32c(restarts)))),
      "a block of 4 bytes is too small for its restarts",
    ],
    [
      "the same block again and again", // each time would cost a checksum
      indexOfBlocks(empty, empty),
      "the block at byte 0 overlaps another",
    ],
    ["no header", indexOfBlocks(blockOf(tableEntry(0, "t", entryOf(t)))), "does not begin with a header"],
    ["no entry at all", indexOfBlocks(), "w.index is empty"],
    ["no data file", indexOf([], { header: field(1, 0) }), "w.index names 0 data files"],
    ["big-endian", indexOf([], { header: bytesOf(field(1, 1), field(2, 1)) }), "big-endian"],
    [
      "a name that shares too much",
      indexOfBlocks(blockOf(bytesOf(header, tableEntry(1, "t", entryOf(t))))),
      "shares 1 characters",
    ],
    [
      "a name without end",
      indexOfBlocks(blockOf(bytesOf(header, varint(0), varint(2 ** 40), varint(9)))),
      `adds ${2 ** 40}`,
    ],
    ["a number without end", indexOfBlocks(blockOf(bytesOf(header, huge))), "a number is too large"],
    [
      "a value beyond its block",
      indexOfBlocks(blockOf(bytesOf(header, 0, 1, 99, "t"))),
      "99 bytes are wanted where 0 are left",
    ],
    [
      "a name that moves the cursor",
      indexOf([["a\x1b[2J", entryOf(t)]]),
      'the name after "" is not printable',
    ],
    [
      "a name twice",
      indexOf([["t", entryOf(t)], ["t", entryOf(t, { offset: 16 })]]),
      'tensor "t" follows "t"',
    ],
    [
      "names out of order",
      indexOf([["t", entryOf(t)], ["s", entryOf(t, { offset: 16 })]]),
      'tensor "s" follows "t"',
    ],
    ["an unknown dtype", of({ code: 8 }), 'tensor "t" has dtype 8'],
    ["a dtype of another name", of({ code: 2 }), 'tensor "t" (float64 [2,2]) needs 32 bytes but has 16'],
    ["slices", of({ more: field(7, bytesOf()) }), 'tensor "t" is cut into slices'],
    ["another size", of({ size: 12 }), 'tensor "t" (float32 [2,2]) needs 16 bytes but has 12'],
    ["a huge shape", of({}, { ...t, shape: [2 ** 40, 2 ** 40] }), "bytes but has 16"],
    [
      "many dimensions",
      of({}, { ...t, shape: Array(9).fill(1), bytes: new Uint8Array(4) }),
      "has 9 dimensions",
    ],
    [
      "a negative size",
      of({ more: bytesOf(0x28, new Uint8Array(9).fill(0xff), 1) }),
      "a number is too large",
    ],
    ["a group", of({ more: bytesOf(0x43) }), "a field is of type 3"],
    ["beyond the data", of({ offset: 17 }), 'tensor "t" starts at byte 17, but the one before it ends at 0'],
    ["far beyond the data", of({ offset: 2 ** 52 }), 'tensor "t" starts at byte 4503599627370496'],
    ["another checksum", of({ checksum: 1 }), 'tensor "t" is damaged'],
    [
      "an overlap",
      indexOf([["s", entryOf(t)], ["t", entryOf(t, { offset: 8 })]]),
      'tensor "t" starts at byte 8, but the one before it ends at 16',
    ],
    [
      "more than the data",
      indexOf(["s", "t", "u"].map((name, i) => [name, entryOf(t, { offset: 16 * i })])),
      'tensor "u" ends at byte 48 of 32',
    ],
    ["less than the data", index, "the tensors end at byte 16, the file at 32"],
    ["another data file", of({ shard: 1 }), 'tensor "t" lies in data file 1 of 1'],
    [
      "a data file that is not there",
      indexOf([["t", entryOf(t, { shard: 1 })]], { header: field(1, 2) }),
      "memory has no w.data-00001-of-00002",
    ],
    ["a large index", new Uint8Array(2 ** 20 + 1), "w.index is too large"],
  ];
  for (const [what, bytes, sentence] of rows) {
    const files = memory({ "w.index": bytes, "w.data-00000-of-00001": data });
    const error = await assertRejects(() => readCheckpoint(files, "w"), InputError);
    assertStringIncludes(error.message, sentence, what);
    assertStringIncludes(error.message, "w.", what);
  }
});

/** Changes some bytes of a file: flipped bits, foreign bytes, a range copied, numbers without end, an end cut off. */
function mutated(bytes: Uint8Array<ArrayBuffer>, seed: number): Uint8Array<ArrayBuffer> {
  const random = seeded(seed, 0xf022), copy = bytes.slice();
  const at = () => random.integer(bytes.length);
  const start = at(), end = start + 1 + random.integer(Math.min(30, bytes.length - start));
  switch (seed % 6) {
    case 0:
      copy[start] ^= 1 << random.integer(8);
      break;
    case 1:
      for (let i = random.integer(8); i >= 0; i--) copy[at()] = random.integer(256);
      break;
    case 2:
      copy.copyWithin(at(), start, end);
      break;
    case 3:
      copy.fill(0xff, start, end);
      break;
    case 4:
      copy.fill(0x80, start, end);
      break;
    default:
      return copy.slice(0, start);
  }
  return copy;
}

/** Where the checksums of an index stand, behind each block. */
function checksumsOf(index: Uint8Array<ArrayBuffer>): { start: number; end: number }[] {
  const found: { start: number; end: number }[] = [], view = new DataView(index.buffer);
  for (let start = 0, end = 5; end + 4 <= index.length - 48; end++) {
    if (index[end - 1] !== 0 || maskedCrc32c(index.subarray(start, end)) !== view.getUint32(end, true)) {
      continue;
    }
    found.push({ start, end });
    start = end + 4;
  }
  return found;
}

sharedTest("a thousandfold damaged checkpoints are refused, or read as if they were whole", async () => {
  const options = { preset: "astromer2", heads: 2, window_size: 16 } as const;
  const imported = async (files: Record<string, Uint8Array>) => {
    const { network, ...rest } = await importReference(memory(files), options);
    using _ = network;
    return { ...rest, architecture: network.architecture, state: network.parameters.stateDict() };
  };
  for (const folder of ["as_built", "with_token_and_optimizer"]) {
    const files = await recordedFiles(`astromer2_tiny/${folder}`), whole = await imported(files);
    const [indexName, dataName] = Object.keys(files), index = files[indexName];
    const checksums = checksumsOf(index);
    assertEquals(checksums.length, 3, "data block, metaindex, index block");
    const outcomes = { refused: 0, whole: 0 };
    const attempt = async (changes: Record<string, Uint8Array>, what: string) => {
      try {
        assertEquals(await imported({ ...files, ...changes }), whole, what);
        outcomes.whole++;
      } catch (error) {
        if (!(error instanceof InputError)) throw new Error(`${what}: ${error}`, { cause: error });
        assertTrue(error.message.startsWith("memory/weights."), error.message);
        outcomes.refused++;
      }
    };
    for (let seed = 0; seed < 1500; seed++) {
      await attempt({ [indexName]: mutated(index, seed) }, `index, seed ${seed}`);
      // Once more with the checksums made right, so that what they protect is put to the test.
      const mended = mutated(index, seed);
      if (mended.length < index.length) continue;
      for (const { start, end } of checksums) {
        mended[end - 1] = 0;
        mended.set(fixed32(maskedCrc32c(mended.subarray(start, end))), end);
      }
      await attempt({ [indexName]: mended }, `index, seed ${seed}, checksums made right`);
    }
    for (let seed = 0; seed < 300; seed++) {
      await attempt({ [dataName]: mutated(files[dataName], seed) }, `data, seed ${seed}`);
    }
    assertTrue(outcomes.refused > 2500 && outcomes.whole > 100, JSON.stringify(outcomes));
  }
});
