/** Writes TensorFlow checkpoints as TensorFlow does, or not quite. */
import { InputError } from "../../src/common/errors.ts";
import type { FileSource } from "../../src/files/folder_or_zip.ts";
import {
  type CheckpointTensor,
  maskedCrc32c,
  readCheckpoint,
} from "../../src/weights/tensorflow_checkpoint.ts";
import { sharedPath } from "../shared.ts";

type Bytes = Uint8Array<ArrayBuffer>;

/** Bytes, texts and byte arrays end to end. */
export function bytesOf(...parts: (number | string | Uint8Array)[]): Bytes {
  return Uint8Array.from(
    parts.flatMap((part) =>
      typeof part === "number"
        ? [part]
        : typeof part === "string"
        ? [...new TextEncoder().encode(part)]
        : [...part]
    ),
  );
}

export function varint(value: number): Bytes {
  const bytes = [];
  for (; value >= 128; value = Math.floor(value / 128)) bytes.push(value % 128 + 128);
  return Uint8Array.from([...bytes, value]);
}

export function fixed32(value: number): Bytes {
  return new Uint8Array(Uint32Array.of(value).buffer);
}

/** A field of protobuf: a varint, or a message. */
export function field(number: number, value: number | Uint8Array): Bytes {
  if (typeof value === "number") return bytesOf(varint(number * 8), varint(value));
  return bytesOf(varint(number * 8 + 2), varint(value.length), value);
}

const codes: Record<string, number> = { float32: 1, float64: 2, int32: 3, string: 7, int64: 9, float16: 19 };

/** The entry of a tensor, with some fields other than they should be. */
export function entryOf(
  { dtype, shape, bytes }: CheckpointTensor,
  {
    shard = 0,
    offset = 0,
    size = bytes.length,
    checksum = maskedCrc32c(bytes),
    code = codes[dtype],
    more = bytesOf(),
  } = {},
): Bytes {
  return bytesOf(
    field(1, code),
    field(2, bytesOf(...shape.map((n) => field(2, field(1, n))))),
    shard ? field(3, shard) : bytesOf(),
    offset ? field(4, offset) : bytesOf(),
    field(5, size),
    bytesOf(0x35, fixed32(checksum)),
    more,
  );
}

/** One entry of a table, spelled out. */
export function tableEntry(shared: number, key: string, value: Uint8Array): Bytes {
  return bytesOf(varint(shared), varint(key.length), varint(value.length), key, value);
}

/** A block of a table: entries, a restart for every 16th, the compression byte and the checksum. */
export function blockOf(entries: Uint8Array, restarts: number[] = [0], compression = 0): Bytes {
  const contents = bytesOf(entries, ...restarts.map(fixed32), fixed32(restarts.length), compression);
  return bytesOf(contents, fixed32(maskedCrc32c(contents)));
}

/** Keys written as what they add to the one before. */
function compressed(pairs: [string, Uint8Array][]): Bytes {
  const entries: Uint8Array[] = [], restarts: number[] = [];
  let length = 0;
  for (const [i, [key, value]] of pairs.entries()) {
    let shared = 0;
    if (i % 16) { while (shared < key.length && key[shared] === pairs[i - 1][0][shared]) shared++; }
    else restarts.push(length);
    entries.push(tableEntry(shared, key.slice(shared), value));
    length += entries.at(-1)!.length;
  }
  return blockOf(bytesOf(...entries), restarts);
}

/** An index of blocks that are given whole; one that is given twice is named twice, and there once. */
export function indexOfBlocks(...blocks: Bytes[]): Bytes {
  const all = [...new Set(blocks)], offsetOf = new Map<Bytes, number>();
  let offset = 0;
  for (const block of all) {
    offsetOf.set(block, offset);
    offset += block.length;
  }
  const handles = blocks.map((block, i): [string, Bytes] => [
    String.fromCharCode(0x30 + i),
    bytesOf(varint(offsetOf.get(block)!), varint(block.length - 5)),
  ]);
  const metaindex = blockOf(bytesOf()), index = compressed(handles);
  const footer = new Uint8Array(48);
  footer.set(bytesOf(varint(offset), varint(metaindex.length - 5)));
  const start = [...varint(offset), ...varint(metaindex.length - 5)].length;
  footer.set(bytesOf(varint(offset + metaindex.length), varint(index.length - 5)), start);
  footer.set([0x57, 0xfb, 0x80, 0x8b, 0x24, 0x75, 0x47, 0xdb], 40);
  return bytesOf(...all, metaindex, index, footer);
}

/** An index: header, then entries by name. */
export function indexOf(
  entries: [string, Uint8Array][],
  { header = bytesOf(field(1, 1), field(3, field(1, 1))), perBlock = 40 } = {},
): Bytes {
  const all: [string, Uint8Array][] = [["", header], ...entries];
  const blocks = Array.from(
    { length: Math.ceil(all.length / perBlock) },
    (_, i) => compressed(all.slice(i * perBlock, (i + 1) * perBlock)),
  );
  return indexOfBlocks(...blocks);
}

/** The files of a checkpoint, its tensors dealt out to `shards` data files. */
export function checkpointFiles(
  tensors: ReadonlyMap<string, CheckpointTensor>,
  { prefix = "weights", shards = 1, perBlock = 40 } = {},
): Record<string, Bytes> {
  const data = Array.from({ length: shards }, () => bytesOf());
  const entries = [...tensors].sort(([a], [b]) => a < b ? -1 : 1).map(
    ([name, tensor], i): [string, Uint8Array] => {
      const shard = i % shards, offset = data[shard].length;
      data[shard] = bytesOf(data[shard], tensor.bytes);
      return [name, entryOf(tensor, { shard, offset })];
    },
  );
  const five = (n: number) => String(n).padStart(5, "0");
  return {
    [`${prefix}.index`]: indexOf(entries, { header: field(1, shards), perBlock }),
    ...Object.fromEntries(data.map((bytes, i) => [`${prefix}.data-${five(i)}-of-${five(shards)}`, bytes])),
  };
}

/** Files in memory. */
export function memory(files: Readonly<Record<string, Uint8Array | string>>): FileSource {
  return {
    path: "memory",
    names: Object.keys(files),
    read(name, limit) {
      const bytes = bytesOf(files[name]);
      return bytes.length > limit
        ? Promise.reject(new InputError(`${name} is too large`))
        : Promise.resolve(bytes);
    },
  };
}

/** A float32 tensor. */
export function floats(shape: number[], values: ArrayLike<number>): CheckpointTensor {
  return { dtype: "float32", shape, bytes: new Uint8Array(Float32Array.from(values).buffer) };
}

/** The files of a recorded checkpoint. */
export async function recordedFiles(folder: string): Promise<Record<string, Bytes>> {
  const read = (name: string) => Deno.readFile(sharedPath(`fixtures/${folder}/${name}`));
  const names = ["weights.index", "weights.data-00000-of-00001"];
  return Object.fromEntries(await Promise.all(names.map(async (name) => [name, await read(name)])));
}

/** The weights of a recorded checkpoint, to be written again with a change. */
export async function recordedWeights(folder: string): Promise<Map<string, CheckpointTensor>> {
  const all = await readCheckpoint(memory(await recordedFiles(folder)), "weights");
  return new Map([...all].filter(([, { dtype }]) => dtype !== "string"));
}
