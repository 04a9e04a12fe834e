/**
 * The safetensors format: 8 bytes of header size, a JSON header, the tensors' bytes end to end (little-endian,
 * row-major). Written so that every tensor starts at a multiple of 8 bytes, hence a mapped file can be read in place.
 */
import { crc32 } from "node:zlib";
import { InputError, messageOf } from "../errors.ts";
import { writeAtomically } from "./atomic.ts";

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

/** A header may take at most this many bytes, as in the format's reference implementation. */
const largestHeader = 100_000_000;

/**
 * Reads and checks a header. Every offset must lie in the file, match dtype and shape, and overlap no other.
 * @throws {InputError} naming the file and the tensor, when anything does not hold
 */
export async function readSafetensorsHeader(path: string): Promise<SafetensorsHeader> {
  let file: Deno.FsFile;
  try {
    file = await Deno.open(path, { read: true });
  } catch (error) {
    throw new InputError(`${path} cannot be read: ${messageOf(error)}`);
  }
  using _ = file;
  const { size: fileLength, isFile } = await file.stat();
  if (!isFile) throw new InputError(`${path} is not a file`);
  if (fileLength < 8) throw tooShort(path, fileLength);
  const size = headerSize(path, await readExactly(file, 8), fileLength);
  return parseHeader(path, await readExactly(file, size), fileLength);
}

function tooShort(path: string, fileLength: number): InputError {
  return new InputError(`${path} is not a safetensors file: it has only ${fileLength} bytes`);
}

function headerSize(path: string, { buffer }: Uint8Array<ArrayBuffer>, fileLength: number): number {
  const size = Number(new DataView(buffer).getBigUint64(0, true));
  if (size >= 2 && size <= largestHeader && size <= fileLength - 8) return size;
  throw new InputError(`${path} is not a safetensors file: its header claims ${size} of ${fileLength} bytes`);
}

function parseHeader(path: string, bytes: Uint8Array, fileLength: number): SafetensorsHeader {
  let json: unknown;
  try {
    json = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes));
  } catch (error) {
    throw new InputError(`${path} is not a safetensors file: its header is not JSON (${messageOf(error)})`);
  }
  if (typeof json !== "object" || json === null || Array.isArray(json)) {
    throw new InputError(`${path} is not a safetensors file: its header is not a JSON object`);
  }
  const dataStart = 8 + bytes.byteLength;
  const tensors = new Map<string, TensorEntry>();
  let metadata: Record<string, string> = {};
  for (const [name, value] of Object.entries(json as Record<string, unknown>)) {
    if (name === "__metadata__") {
      if (
        typeof value !== "object" || value === null || Object.values(value).some((v) => typeof v !== "string")
      ) {
        throw new InputError(`${path}: __metadata__ is not a table of texts`);
      }
      metadata = value as Record<string, string>;
    } else tensors.set(name, entryOf(path, name, value, dataStart, fileLength));
  }
  const ordered = [...tensors].sort(([, a], [, b]) => a.start - b.start || a.byteLength - b.byteLength);
  let end = dataStart;
  for (const [name, entry] of ordered) {
    if (entry.start !== end) {
      throw new InputError(
        `${path}: tensor "${name}" starts at byte ${entry.start}, but the one before it ends at ${end}`,
      );
    }
    end = entry.start + entry.byteLength;
  }
  if (end !== fileLength) {
    throw new InputError(`${path}: the tensors end at byte ${end}, the file at ${fileLength}`);
  }
  return { tensors, metadata, fileLength };
}

function entryOf(
  path: string,
  name: string,
  value: unknown,
  dataStart: number,
  fileLength: number,
): TensorEntry {
  const { dtype, shape, data_offsets: offsets } = (value ?? {}) as Record<string, unknown>;
  const whole = (n: unknown): n is number => Number.isSafeInteger(n) && (n as number) >= 0;
  if (typeof dtype !== "string" || !Object.hasOwn(elementSize, dtype)) {
    throw new InputError(
      `${path}: tensor "${name}" has dtype ${JSON.stringify(dtype)}, which is not supported`,
    );
  }
  if (!Array.isArray(shape) || !shape.every(whole)) {
    throw new InputError(
      `${path}: tensor "${name}" has shape ${JSON.stringify(shape)}, which is not a list of sizes`,
    );
  }
  if (!Array.isArray(offsets) || offsets.length !== 2 || !offsets.every(whole) || offsets[0] > offsets[1]) {
    throw new InputError(`${path}: tensor "${name}" has data_offsets ${JSON.stringify(offsets)}`);
  }
  const byteLength = offsets[1] - offsets[0];
  const wanted = shape.reduce((product, size) => product * size, elementSize[dtype as SafetensorsDtype]);
  if (byteLength !== wanted) {
    throw new InputError(
      `${path}: tensor "${name}" (${dtype} [${shape}]) needs ${wanted} bytes but has ${byteLength}`,
    );
  }
  if (dataStart + offsets[1] > fileLength) {
    throw new InputError(`${path}: tensor "${name}" ends beyond the end of the file (is it cut short?)`);
  }
  return { dtype: dtype as SafetensorsDtype, shape, start: dataStart + offsets[0], byteLength };
}

async function readExactly(file: Deno.FsFile, length: number): Promise<Uint8Array<ArrayBuffer>> {
  const bytes = new Uint8Array(length);
  for (let read = 0; read < length;) {
    const n = await file.read(bytes.subarray(read));
    if (n === null) throw new InputError("the file ends early");
    read += n;
  }
  return bytes;
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

/** The entry of the metadata that holds each tensor's CRC-32, as JSON: {name: eight hexadecimal digits}. */
const checksumsKey = "crc32";

/**
 * Reads a whole file. Tensors are checked against the checksums that {@link writeSafetensors} leaves; files of others have none.
 * @throws {InputError} as {@link readSafetensorsHeader}, and when a tensor is not what was written
 */
export async function readSafetensors(path: string): Promise<Safetensors> {
  await readSafetensorsHeader(path); // a file of any size, so its header first
  return parseSafetensors(path, await Deno.readFile(path));
}

/**
 * As {@link readSafetensors}, of bytes in memory.
 * @param path where they come from, for messages
 */
export function parseSafetensors(path: string, bytes: Uint8Array<ArrayBuffer>): Safetensors {
  if (bytes.length < 8) throw tooShort(path, bytes.length);
  const size = headerSize(path, bytes.slice(0, 8), bytes.length);
  const { tensors, metadata } = parseHeader(path, bytes.subarray(8, 8 + size), bytes.length);
  const { [checksumsKey]: checksums, ...rest } = metadata;
  const read = new Map([...tensors].map(([name, { dtype, shape, start, byteLength }]) => [
    name,
    // Foreign files need not be aligned, so the bytes are copied to where a typed array may start.
    { dtype, shape, data: typedArray(dtype, bytes.slice(start, start + byteLength).buffer) },
  ]));
  if (checksums !== undefined) verify(path, read, checksums);
  return { tensors: read, metadata: rest };
}

/** CRC-32 of the dtype and shape as text ("F32 [2,3]"), then the elements. */
function checksumOf({ dtype, shape, data }: TensorData): string {
  const bytes = new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
  return crc32(bytes, crc32(`${dtype} [${shape}]`)).toString(16).padStart(8, "0");
}

function verify(path: string, tensors: ReadonlyMap<string, TensorData>, checksums: string): void {
  let expected: Record<string, unknown> | null;
  try {
    expected = JSON.parse(checksums);
  } catch (error) {
    throw new InputError(`${path}: the checksums in its metadata are not JSON: ${messageOf(error)}`);
  }
  const names = new Set([...Object.keys(expected ?? {}), ...tensors.keys()]);
  for (const name of names) {
    const tensor = tensors.get(name), said = expected?.[name];
    if (!tensor) throw new InputError(`${path}: tensor "${name}" has a checksum but is not there`);
    const found = checksumOf(tensor);
    if (said === found) continue;
    throw new InputError(
      `${path}: tensor "${name}" has been altered: its checksum is ${found}, its file says ${
        said ?? "nothing"
      }`,
    );
  }
}

/** A typed array over bytes of a dtype; BF16 and F16 as raw 16-bit words, I64 as BigInt64Array. */
export function typedArray(
  dtype: SafetensorsDtype,
  buffer: ArrayBuffer,
  start = 0,
  byteLength = buffer.byteLength,
) {
  const length = byteLength / elementSize[dtype];
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

/** Writes tensors as one file, atomically, with a checksum of each in the metadata. */
export function writeSafetensors(
  path: string,
  tensors: Readonly<Record<string, TensorData>>,
  metadata: Record<string, string> = {},
): Promise<void> {
  const checksums = Object.entries(tensors).map(([name, tensor]) => [name, checksumOf(tensor)]);
  const { head, tensors: entries, fileLength } = layOut(tensors, {
    ...metadata,
    [checksumsKey]: JSON.stringify(Object.fromEntries(checksums)),
  });
  const bytes = new Uint8Array(fileLength);
  bytes.set(head);
  for (const [name, entry] of entries) {
    const { data } = tensors[name];
    if (data.byteLength !== entry.byteLength) {
      throw new RangeError(
        `tensor "${name}" has ${data.byteLength} bytes, its shape says ${entry.byteLength}`,
      );
    }
    bytes.set(new Uint8Array(data.buffer, data.byteOffset, data.byteLength), entry.start);
  }
  return writeAtomically(path, (temporary) => Deno.writeFile(temporary, bytes));
}
