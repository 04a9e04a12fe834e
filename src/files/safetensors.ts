/**
 * The safetensors format: 8 bytes of header size, a JSON header, the tensors' bytes end to end (little-endian,
 * row-major). Written so that every tensor starts at a multiple of 8 bytes, hence a mapped file can be read in place.
 */
import { crc32 } from "node:zlib";
import { InputError, messageOf, shown } from "../common/errors.ts";
import { writeAll, writeAtomically } from "./atomic.ts";
import { mistakenFor } from "./mistaken.ts";

/** Bytes of one element of each dtype that is read and written here. */
const elementSize = {
  F64: 8,
  F32: 4,
  F16: 2,
  BF16: 2,
  I64: 8,
  I32: 4,
  I16: 2,
  I8: 1,
  U8: 1,
  BOOL: 1,
} as const;
export type SafetensorsDtype = keyof typeof elementSize;

/** One tensor of a file: dtype, shape, and where its bytes lie in the file. */
export interface TensorEntry {
  dtype: SafetensorsDtype;
  shape: readonly number[];
  /** First byte, counted from the start of the file. */
  start: number;
  byteLength: number;
}

/** A file's header: its tensors by name, its free text metadata, its length in bytes. */
export interface SafetensorsHeader {
  tensors: Map<string, TensorEntry>;
  metadata: Record<string, string>;
  fileLength: number;
}

/**
 * Bounds of what is read. JSON can take thirty times its size in memory, so a stranger's file could exhaust
 * it; a large model's header has a few megabytes.
 */
const largest = {
  /** Bytes; the format's reference implementation takes six times as many. */
  header: 1 << 24,
  tensors: 100_000,
  /** Letters of a name. */
  name: 1000,
  /** Sizes of a shape; NumPy's bound. */
  rank: 64,
  /** The header's table, a tensor's table, its shape. */
  depth: 3,
  /** Bytes of a file that is read into memory: it may claim terabytes and take no space on disk. */
  file: 2 ** 32,
};

/**
 * Reads and checks a header. Tensors must fit their dtype and shape, and lie end to end from the header's end
 * to the file's.
 * @throws {InputError} naming the file and, as far as there is one, the tensor, when anything does not hold
 */
export async function readSafetensorsHeader(path: string): Promise<SafetensorsHeader> {
  const { isFile } = await readable(path, Deno.stat(path)); // not of the open file: a pipe waits for a writer
  if (!isFile) throw new InputError(`${path} is not a file`);
  using file = await readable(path, Deno.open(path));
  const { size: fileLength } = await readable(path, file.stat());
  const size = headerSize(path, await readExactly(path, file, Math.min(8, fileLength)), fileLength);
  return parseHeader(path, await readExactly(path, file, size), fileLength);
}

/** What the operating system will not do with a path is the user's mistake. */
function readable<T>(path: string, read: Promise<T>): Promise<T> {
  return read.catch((error) => {
    throw new InputError(`${path} cannot be read: ${messageOf(error)}`);
  });
}

async function readExactly(
  path: string,
  file: Deno.FsFile,
  length: number,
): Promise<Uint8Array<ArrayBuffer>> {
  const bytes = new Uint8Array(length);
  for (let done = 0; done < length;) {
    const count = await readable(path, file.read(bytes.subarray(done)));
    if (count === null) throw new InputError(`${path} became shorter while it was read`);
    done += count;
  }
  return bytes;
}

/** The size of the header, from a file's first bytes. */
function headerSize(path: string, start: Uint8Array, fileLength: number): number {
  if (fileLength < 8) {
    throw new InputError(`${path} is not a safetensors file: it has only ${fileLength} bytes`);
  }
  const size = Number(new DataView(start.buffer, start.byteOffset).getBigUint64(0, true));
  const instead = size < 2 || size > fileLength - 8 || size > largest.header ? mistakenFor(path) : undefined;
  if (instead !== undefined) throw new InputError(`${path} is not a safetensors file but ${instead}`);
  if (size < 2 || size > fileLength - 8) {
    throw new InputError(
      `${path} is not a safetensors file: its header claims ${size} of ${fileLength} bytes`,
    );
  }
  if (size <= largest.header) return size;
  throw new InputError(
    `${path} has a header of ${size} bytes, more than the ${largest.header} that are read`,
  );
}

function parseHeader(path: string, bytes: Uint8Array, fileLength: number): SafetensorsHeader {
  let text: string;
  try {
    text = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    throw new InputError(`${path} is not a safetensors file: its header is not UTF-8`);
  }
  const { __metadata__: metadata = {}, ...entries } = parseTable(
    `${path} is not a safetensors file: its header`,
    text,
  );
  if (!isTable(metadata) || Object.values(metadata).some((value) => typeof value !== "string")) {
    throw new InputError(`${path}: __metadata__ is not a table of texts`);
  }
  const dataStart = 8 + bytes.length;
  const tensors = new Map(
    Object.entries(entries).map(([name, entry]) => [name, entryOf(path, name, entry, dataStart, fileLength)]),
  );
  const ordered = [...tensors].sort(([, a], [, b]) => a.start - b.start || a.byteLength - b.byteLength);
  let end = dataStart, before = "the header";
  for (const [name, { start, byteLength }] of ordered) {
    if (start !== end) {
      throw new InputError(`${path}: tensor "${name}" starts at byte ${start}, but ${before} ends at ${end}`);
    }
    end = start + byteLength;
    before = `tensor "${name}"`;
  }
  if (end !== fileLength) {
    throw new InputError(`${path}: ${before} ends at byte ${end}, but the file at ${fileLength}`);
  }
  return { tensors, metadata: metadata as Record<string, string>, fileLength };
}

const isTable = (value: unknown): value is Record<string, unknown> =>
  typeof value === "object" && value !== null && !Array.isArray(value);

/** Parses a JSON object in which no key stands twice. */
function parseTable(what: string, text: string): Record<string, unknown> {
  let table: unknown;
  try {
    checkOutline(what, text);
    table = JSON.parse(text);
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
    throw new InputError(`${what} is not JSON`); // without the parser's words, which quote the text as it is
  }
  if (!isTable(table)) throw new InputError(`${what} is not a JSON object`);
  return table;
}

/**
 * Refuses what JSON.parse does not: keys that stand twice in a table (it keeps the last), tables and lists that
 * are nested deeper, or are more, than those of any header.
 * @throws {InputError} on these
 * @throws {SyntaxError} on some of what is not JSON, leaving the rest to JSON.parse
 */
function checkOutline(what: string, text: string): void {
  const keys: Set<string>[] = []; // of each table or list that is open
  let last = "", opened = 0;
  for (let i = 0; i < text.length; i++) {
    switch (text[i]) {
      case '"': {
        const start = i++;
        while (i < text.length && text[i] !== '"') i += text[i] === "\\" ? 2 : 1;
        last = text.slice(start, i + 1);
        break;
      }
      case ":": {
        const key = JSON.parse(last);
        if (keys.at(-1)?.has(key)) throw new InputError(`${what} has the key ${shown(key)} twice`);
        keys.at(-1)?.add(key);
        break;
      }
      case "{":
      case "[":
        if (keys.push(new Set()) > largest.depth) throw new InputError(`${what} is nested too deeply`);
        if (++opened > 2 + 3 * largest.tensors) {
          throw new InputError(`${what} has more than the ${largest.tensors} tensors that are read`);
        }
        break;
      case "}":
      case "]":
        keys.pop();
    }
  }
}

function entryOf(
  path: string,
  name: string,
  entry: unknown,
  dataStart: number,
  fileLength: number,
): TensorEntry {
  // Names go into messages here and elsewhere: they must not steer a terminal.
  if (name.length > largest.name || /[\p{Cc}\p{Cs}]/u.test(name)) {
    throw new InputError(
      `${path}: ${shown(name)} cannot be a tensor's name: it is too long or has control characters`,
    );
  }
  const { dtype, shape, data_offsets: offsets } = isTable(entry) ? entry : {};
  const whole = (size: unknown): size is number =>
    Number.isSafeInteger(size) && !Object.is(size, -0) && (size as number) >= 0;
  if (typeof dtype !== "string" || !Object.hasOwn(elementSize, dtype)) {
    throw new InputError(`${path}: tensor "${name}" has dtype ${shown(dtype)}, which is not supported`);
  }
  if (!Array.isArray(shape) || shape.length > largest.rank || !shape.every(whole)) {
    throw new InputError(
      `${path}: tensor "${name}" has shape ${
        shown(shape)
      }, which is not a list of at most ${largest.rank} sizes`,
    );
  }
  if (!Array.isArray(offsets) || offsets.length !== 2 || !offsets.every(whole) || offsets[0] > offsets[1]) {
    throw new InputError(
      `${path}: tensor "${name}" has data_offsets ${shown(offsets)}, which is not a first byte and an end`,
    );
  }
  const byteLength = offsets[1] - offsets[0];
  const wanted = shape.reduce((product, size) => product * size, elementSize[dtype as SafetensorsDtype]);
  if (byteLength !== wanted) {
    throw new InputError(
      `${path}: tensor "${name}" (${dtype} ${shown(shape)}) needs ${wanted} bytes but has ${byteLength}`,
    );
  }
  if (dataStart + offsets[1] > fileLength) {
    throw new InputError(`${path}: tensor "${name}" ends beyond the end of the file (is it cut short?)`);
  }
  return { dtype: dtype as SafetensorsDtype, shape, start: dataStart + offsets[0], byteLength };
}

/** A tensor in memory: the shape, and the elements as a typed array (BF16 and F16 as raw Uint16Array). */
export interface TensorData {
  dtype: SafetensorsDtype;
  shape: readonly number[];
  data: ArrayBufferView<ArrayBuffer>;
}

/** A whole file in memory. */
export interface Safetensors {
  tensors: Map<string, TensorData>;
  metadata: Record<string, string>;
}

/** The entry of the metadata that holds the tensors' checksums, as JSON: {name: eight hexadecimal digits}. */
const checksumsKey = "crc32";

/**
 * Reads a whole file. Its tensors are checked against the checksums that {@link writeSafetensors} leaves in the
 * metadata, which are not handed out; files of others have none.
 * @throws {InputError} as {@link readSafetensorsHeader}, and naming the tensor that is not what was written
 */
export async function readSafetensors(path: string): Promise<Safetensors> {
  const { fileLength } = await readSafetensorsHeader(path); // before anything of the file's size is allocated
  if (fileLength > largest.file) {
    throw new InputError(`${path} has ${fileLength} bytes, more than the ${largest.file} that are read`);
  }
  return parseSafetensors(path, await readable(path, Deno.readFile(path)));
}

/**
 * As {@link readSafetensors}, of bytes in memory.
 * @param path where they come from, for messages
 */
export function parseSafetensors(path: string, bytes: Uint8Array<ArrayBuffer>): Safetensors {
  const size = headerSize(path, bytes, bytes.length);
  const { tensors: entries, metadata } = parseHeader(path, bytes.subarray(8, 8 + size), bytes.length);
  const tensors = new Map([...entries].map(([name, { dtype, shape, start, byteLength }]) => [
    name,
    // Files of others need not be aligned, so the bytes are copied to where a typed array may start.
    { dtype, shape, data: typedArray(dtype, bytes.slice(start, start + byteLength).buffer) },
  ]));
  const { [checksumsKey]: checksums, ...rest } = metadata;
  if (checksums !== undefined) verify(path, tensors, checksums);
  return { tensors, metadata: rest };
}

/** CRC-32 of the dtype and shape as text ("F32 [2,3]") and of the elements' bytes after it. */
function checksumOf({ dtype, shape, data }: TensorData): string {
  const bytes = new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
  return crc32(bytes, crc32(`${dtype} [${shape}]`)).toString(16).padStart(8, "0");
}

function verify(path: string, tensors: ReadonlyMap<string, TensorData>, checksums: string): void {
  const expected = new Map(Object.entries(parseTable(`${path}: ${checksumsKey} of __metadata__`, checksums)));
  for (const [name, tensor] of tensors) {
    const said = expected.get(name), found = checksumOf(tensor);
    if (said === undefined) {
      throw new InputError(`${path}: tensor "${name}" has no checksum, though the file's header lists them`);
    }
    if (said !== found) {
      throw new InputError(
        `${path}: tensor "${name}" has been altered: its checksum is "${found}", the file's header says ${
          shown(said)
        }`,
      );
    }
    expected.delete(name);
  }
  for (const name of expected.keys()) {
    throw new InputError(`${path}: tensor ${shown(name)} has a checksum but is not there`);
  }
}

/**
 * A typed array over bytes of a dtype, not a copy; BF16 and F16 as raw 16-bit words, I64 as BigInt64Array.
 * @throws {RangeError} when the bytes are not aligned to the dtype's elements, or are not whole ones
 */
export function typedArray(
  dtype: SafetensorsDtype,
  buffer: ArrayBuffer,
  start = 0,
  byteLength = buffer.byteLength,
) {
  const size = elementSize[dtype], length = byteLength / size;
  if (start % size !== 0 || byteLength % size !== 0) {
    throw new RangeError(`${byteLength} bytes from byte ${start} on are not aligned to elements of ${dtype}`);
  }
  switch (dtype) {
    case "F64":
      return new Float64Array(buffer, start, length);
    case "F32":
      return new Float32Array(buffer, start, length);
    case "F16":
    case "BF16":
      return new Uint16Array(buffer, start, length);
    case "I64":
      return new BigInt64Array(buffer, start, length);
    case "I32":
      return new Int32Array(buffer, start, length);
    case "I16":
      return new Int16Array(buffer, start, length);
    case "I8":
      return new Int8Array(buffer, start, length);
    case "U8":
    case "BOOL":
      return new Uint8Array(buffer, start, length);
  }
}

/**
 * Lays out a file whose tensors are written one after the other: the bytes of its head, and where each tensor goes.
 * The header is padded with spaces so that the first tensor starts at a multiple of 8 bytes; wider dtypes come first, so
 * every tensor is aligned to its element.
 */
export function layOut(
  specs: Readonly<Record<string, { dtype: SafetensorsDtype; shape: readonly number[] }>>,
  metadata: Record<string, string> = {},
): { head: Uint8Array<ArrayBuffer>; tensors: Map<string, TensorEntry>; fileLength: number } {
  const ordered = Object.entries(specs).sort(([, a], [, b]) => elementSize[b.dtype] - elementSize[a.dtype]);
  const header: Record<string, unknown> = Object.keys(metadata).length ? { __metadata__: metadata } : {};
  const offsets = new Map<string, TensorEntry>();
  let offset = 0;
  for (const [name, { dtype, shape }] of ordered) {
    const byteLength = shape.reduce((product, size) => product * size, elementSize[dtype]);
    header[name] = { dtype, shape, data_offsets: [offset, offset + byteLength] };
    offsets.set(name, { dtype, shape, start: offset, byteLength });
    offset += byteLength;
  }
  const json = new TextEncoder().encode(JSON.stringify(header));
  const padded = Math.ceil(json.length / 8) * 8;
  const head = new Uint8Array(8 + padded).fill(0x20, 8);
  new DataView(head.buffer).setBigUint64(0, BigInt(padded), true);
  head.set(json, 8);
  for (const entry of offsets.values()) entry.start += head.length;
  return { head, tensors: offsets, fileLength: head.length + offset };
}

/**
 * Writes tensors as one file, atomically, with a checksum of each in the metadata. They must stay as they are until it is
 * written: none is copied.
 * @throws {RangeError} when a tensor has not the bytes that its shape says
 */
export function writeSafetensors(
  path: string,
  tensors: Readonly<Record<string, TensorData>>,
  metadata: Record<string, string> = {},
): Promise<void> {
  const checksums = Object.entries(tensors).map(([name, tensor]) => [name, checksumOf(tensor)]);
  const { head, tensors: entries } = layOut(tensors, {
    ...metadata,
    [checksumsKey]: JSON.stringify(Object.fromEntries(checksums)),
  });
  const parts = [...entries].map(([name, { byteLength }]) => {
    const { data } = tensors[name];
    if (data.byteLength !== byteLength) {
      throw new RangeError(`tensor "${name}" has ${data.byteLength} bytes, its shape says ${byteLength}`);
    }
    return new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
  });
  return writeAtomically(path, async (temporary) => {
    using file = await Deno.open(temporary, { create: true, write: true, truncate: true });
    for (const part of [head, ...parts]) await writeAll(file, part);
  });
}
