/**
 * TensorFlow checkpoints ("tensor bundles") without TensorFlow. NAME.index is a sorted string table as in leveldb: from a
 * tensor's name to a protobuf of dtype, shape, place and checksum; NAME.data-00000-of-00001 holds the bytes, end to end.
 *
 * Sources: `table_format.txt`, `crc32c.h` and `tensor_bundle.proto` of TensorFlow. The files are taken as hostile: every
 * offset, size and checksum is checked before it is used.
 */
import { InputError } from "../common/errors.ts";
import type { FileSource } from "../files/folder_or_zip.ts";

/** Bytes of one element, by the number that TensorFlow gives a dtype; a string's are not known. */
const dtypes: Record<number, { name: string; bytes: number | null }> = {
  1: { name: "float32", bytes: 4 },
  2: { name: "float64", bytes: 8 },
  3: { name: "int32", bytes: 4 },
  4: { name: "uint8", bytes: 1 },
  5: { name: "int16", bytes: 2 },
  6: { name: "int8", bytes: 1 },
  7: { name: "string", bytes: null },
  9: { name: "int64", bytes: 8 },
  10: { name: "bool", bytes: 1 },
  14: { name: "bfloat16", bytes: 2 },
  17: { name: "uint16", bytes: 2 },
  19: { name: "float16", bytes: 2 },
  22: { name: "uint32", bytes: 4 },
  23: { name: "uint64", bytes: 8 },
};

/** A tensor as it lies in the file: row-major, little-endian. */
export interface CheckpointTensor {
  dtype: string;
  shape: readonly number[];
  /** Not aligned to the element: copy before viewing it as another type. */
  bytes: Uint8Array<ArrayBuffer>;
}

interface Entry {
  dtype: string;
  shape: readonly number[];
  shard: number;
  offset: number;
  size: number;
  checksum: number;
}

// Far above what any Astromer needs: its index has some kilobytes, its data with Adam's moments 48 MB.
const largestIndex = 2 ** 20, largestData = 2 ** 30, longestName = 1024, highestRank = 8;

const footerLength = 48, magic = 0xdb4775248b80fb57n;

/** Checkpoints among files: NAME of every NAME.index. */
export function checkpointPrefixes(names: readonly string[]): string[] {
  const added = /(^|\/)(\._|__MACOSX\/)/; // by macOS, to zips
  return names.filter((name) => name.endsWith(".index") && !added.test(name)).map((name) =>
    name.slice(0, -6)
  );
}

/**
 * Reads a checkpoint, with all its shards.
 * @param prefix the NAME of its files, with their folder in a zip
 * @returns tensors by name; of strings (the object graph) the checksum is not checked
 * @throws {InputError} naming file and tensor, when anything does not hold
 */
export async function readCheckpoint(
  source: FileSource,
  prefix: string,
): Promise<Map<string, CheckpointTensor>> {
  const path = `${source.path}/${prefix}.index`;
  const { shards, entries } = parseIndex(path, await source.read(`${prefix}.index`, largestIndex));
  const padded = (n: number) => String(n).padStart(5, "0");
  const tensors = new Map<string, CheckpointTensor>();
  let left = largestData;
  for (const shard of new Set([...entries.values()].map((entry) => entry.shard))) {
    const name = `${prefix}.data-${padded(shard)}-of-${padded(shards)}`;
    if (!source.names.includes(name)) {
      throw new InputError(`${source.path} has no ${name}, which ${path} names`);
    }
    const data = await source.read(name, left);
    left -= data.length;
    readShard(
      `${source.path}/${name}`,
      data,
      [...entries].filter(([, entry]) => entry.shard === shard),
      tensors,
    );
  }
  return tensors;
}

/** Cuts a data file into its tensors, which fill it without gap or overlap, and checks their checksums. */
function readShard(
  path: string,
  data: Uint8Array<ArrayBuffer>,
  entries: [string, Entry][],
  tensors: Map<string, CheckpointTensor>,
): void {
  let end = 0;
  entries.sort(([, a], [, b]) => a.offset - b.offset || a.size - b.size);
  for (const [name, { dtype, shape, offset, size, checksum }] of entries) {
    if (offset !== end) {
      throw new InputError(
        `${path}: tensor "${name}" starts at byte ${offset}, but the one before it ends at ${end}`,
      );
    }
    end = offset + size;
    if (end > data.length) {
      throw new InputError(
        `${path}: tensor "${name}" ends at byte ${end} of ${data.length} (is the file cut short?)`,
      );
    }
    const bytes = data.subarray(offset, end);
    if (dtype !== "string" && maskedCrc32c(bytes) !== checksum) {
      throw new InputError(`${path}: tensor "${name}" is damaged: its checksum does not fit`);
    }
    tensors.set(name, { dtype, shape, bytes });
  }
  if (end !== data.length) {
    throw new InputError(`${path}: the tensors end at byte ${end}, the file at ${data.length}`);
  }
}

/** The number of data files, and every tensor's entry. */
function parseIndex(
  path: string,
  file: Uint8Array<ArrayBuffer>,
): { shards: number; entries: Map<string, Entry> } {
  const view = new DataView(file.buffer, file.byteOffset, file.length);
  if (file.length < footerLength || view.getBigUint64(file.length - 8, true) !== magic) {
    throw new InputError(`${path} is not the index of a TensorFlow checkpoint (or is cut short)`);
  }
  const footer = new Reader(path, file.subarray(file.length - footerLength));
  blockAt(path, file, footer); // the metaindex, which is empty
  const index = blockAt(path, file, footer);

  let shards: number | undefined, last = "", end = 0;
  const entries = new Map<string, Entry>();
  for (const { value: handle } of tableEntries(index)) {
    const block = blockAt(path, file, handle), start = block.bytes.byteOffset - file.byteOffset;
    if (start < end) throw new InputError(`${path} is damaged: the block at byte ${start} overlaps another`);
    end = start + block.bytes.length;
    for (const { key, value } of tableEntries(block)) {
      if (shards === undefined) {
        if (key !== "") throw new InputError(`${path} does not begin with a header`);
        shards = parseHeader(value);
        continue;
      }
      if (key <= last) {
        throw new InputError(`${path}: tensor "${key}" follows "${last}", the names are not ascending`);
      }
      last = key;
      entries.set(key, parseEntry(key, value, shards));
    }
  }
  if (shards === undefined) throw new InputError(`${path} is empty`);
  return { shards, entries };
}

/** A block of the table, by its handle: contents without the compression byte and the checksum behind them. */
function blockAt(path: string, file: Uint8Array<ArrayBuffer>, handle: Reader): Reader {
  const offset = handle.varint(), size = handle.varint();
  const end = offset + size;
  if (end + 5 > file.length - footerLength) {
    throw new InputError(
      `${path}: a block should end at byte ${end} of ${file.length} (is the file cut short?)`,
    );
  }
  if (maskedCrc32c(file.subarray(offset, end + 1)) !== new Reader(path, file.subarray(end + 1)).fixed32()) {
    throw new InputError(`${path} is damaged: the checksum of the block at byte ${offset} does not fit`);
  }
  if (file[end] !== 0) {
    throw new InputError(`${path}: the block at byte ${offset} is compressed, which TensorFlow never does`);
  }
  return new Reader(path, file.subarray(offset, end));
}

/** Keys and values of a block; a key is written as what it adds to the one before. */
function* tableEntries(block: Reader): Generator<{ key: string; value: Reader }> {
  const { path, bytes } = block;
  const restarts = bytes.length < 4 ? Infinity : new Reader(path, bytes.subarray(bytes.length - 4)).fixed32();
  const end = bytes.length - 4 - 4 * restarts;
  if (end < 0) {
    throw new InputError(
      `${path} is damaged: a block of ${bytes.length} bytes is too small for its restarts`,
    );
  }
  const entries = new Reader(path, bytes.subarray(0, end));
  for (let key = ""; !entries.done;) {
    const shared = entries.varint(), added = entries.varint(), length = entries.varint();
    if (shared > key.length || shared + added > longestName) {
      throw new InputError(
        `${path}: the name after "${key}" shares ${shared} characters with it and adds ${added}`,
      );
    }
    const name = key.slice(0, shared) + String.fromCharCode(...entries.take(added));
    if (/[^\x20-\x7e]/.test(name)) throw new InputError(`${path}: the name after "${key}" is not printable`);
    key = name;
    yield { key, value: new Reader(path, entries.take(length)) };
  }
}

// Protobuf tags below: field number times 8, plus 0 for a varint, 2 for bytes, 5 for 32 bits.

/** BundleHeaderProto: the number of data files. */
function parseHeader(message: Reader): number {
  let shards = 0, bigEndian = 0;
  while (!message.done) {
    const tag = message.varint();
    if (tag === 0x08) shards = message.varint();
    else if (tag === 0x10) bigEndian = message.varint();
    else message.skip(tag);
  }
  if (bigEndian) throw new InputError(`${message.path} is of a big-endian machine, which is not supported`);
  if (shards < 1 || shards > 99999) throw new InputError(`${message.path} names ${shards} data files`);
  return shards;
}

/** BundleEntryProto. */
function parseEntry(name: string, message: Reader, shards: number): Entry {
  const problem = (what: string) => new InputError(`${message.path}: tensor "${name}" ${what}`);
  let dtypeCode = 0, shape: number[] = [], shard = 0, offset = 0, size = 0, checksum = 0;
  while (!message.done) {
    const tag = message.varint();
    if (tag === 0x08) dtypeCode = message.varint();
    else if (tag === 0x12) shape = parseShape(message.message());
    else if (tag === 0x18) shard = message.varint();
    else if (tag === 0x20) offset = message.varint();
    else if (tag === 0x28) size = message.varint();
    else if (tag === 0x35) checksum = message.fixed32();
    else if (tag === 0x3a) throw problem("is cut into slices, which is not supported");
    else message.skip(tag);
  }
  const dtype = Object.hasOwn(dtypes, dtypeCode) ? dtypes[dtypeCode] : undefined;
  if (!dtype) throw problem(`has dtype ${dtypeCode}, which is not supported`);
  if (shape.length > highestRank) throw problem(`has ${shape.length} dimensions`);
  if (shard >= shards) throw problem(`lies in data file ${shard} of ${shards}`);
  const wanted = shape.reduce((product, n) => product * n, dtype.bytes ?? 0);
  if (dtype.bytes !== null && size !== wanted) {
    throw problem(`(${dtype.name} [${shape}]) needs ${wanted} bytes but has ${size}`);
  }
  return { dtype: dtype.name, shape, shard, offset, size, checksum };
}

/** TensorShapeProto. */
function parseShape(message: Reader): number[] {
  const shape: number[] = [];
  while (!message.done) {
    const tag = message.varint();
    if (tag !== 0x12) {
      message.skip(tag);
      continue;
    }
    const dimension = message.message();
    let size = 0;
    while (!dimension.done) {
      const tag = dimension.varint();
      if (tag === 0x08) size = dimension.varint();
      else dimension.skip(tag);
    }
    shape.push(size);
  }
  return shape;
}

/** Reads bytes from the front, never beyond their end. */
class Reader {
  #position = 0;

  constructor(readonly path: string, readonly bytes: Uint8Array<ArrayBuffer>) {}

  get done(): boolean {
    return this.#position === this.bytes.length;
  }

  take(length: number): Uint8Array<ArrayBuffer> {
    const end = this.#position + length;
    if (end > this.bytes.length) {
      throw new InputError(
        `${this.path} is damaged: ${length} bytes are wanted where ${
          this.bytes.length - this.#position
        } are left`,
      );
    }
    const bytes = this.bytes.subarray(this.#position, end);
    this.#position = end;
    return bytes;
  }

  /** A whole number in base 128, low digits first, that JavaScript holds exactly. */
  varint(): number {
    let value = 0;
    for (let scale = 1; scale < 2 ** 70; scale *= 128) {
      const [byte] = this.take(1);
      value += (byte & 0x7f) * scale;
      if (byte < 0x80) {
        if (value > Number.MAX_SAFE_INTEGER) break;
        return value;
      }
    }
    throw new InputError(`${this.path} is damaged: a number is too large`);
  }

  fixed32(): number {
    const [a, b, c, d] = this.take(4);
    return (a | b << 8 | c << 16 | d << 24) >>> 0;
  }

  /** A message inside this one. */
  message(): Reader {
    return new Reader(this.path, this.take(this.varint()));
  }

  /** Passes over a protobuf field that is not read here. */
  skip(tag: number): void {
    const type = tag % 8;
    if (type === 0) this.varint();
    else if (type === 1) this.take(8);
    else if (type === 2) this.message();
    else if (type === 5) this.take(4);
    else throw new InputError(`${this.path} is damaged: a field is of type ${type}`);
  }
}

/** Remainders of the Castagnoli polynomial, by byte. */
const remainders = Int32Array.from({ length: 256 }, (_, remainder) => {
  for (let bit = 0; bit < 8; bit++) {
    remainder = remainder & 1 ? remainder >>> 1 ^ 0x82f63b78 : remainder >>> 1;
  }
  return remainder;
});

/** CRC-32C, turned and shifted as leveldb and TensorFlow store it. */
export function maskedCrc32c(bytes: Uint8Array): number {
  let crc = -1;
  for (let i = 0; i < bytes.length; i++) crc = remainders[(crc ^ bytes[i]) & 0xff] ^ crc >>> 8;
  crc = ~crc;
  return ((crc >>> 15 | crc << 17) + 0xa282ead8) >>> 0;
}
