/** Avro: alert packets of ZTF and Rubin (a detection, and the earlier ones of its object), and plain records. */
import { Buffer } from "node:buffer";
import { inflateRaw } from "node:zlib";
import type { Type, types as AvroTypes } from "npm:avsc@5.7.9";
import { fewOf, InputError, messageOf } from "../../common/errors.ts";
import { bytesOf } from "./bytes.ts";
import { likeness } from "./light_curve_columns.ts";
import { type Cell, type CellHead, type ColumnType, distinctNames, type TablePiece } from "./table.ts";
import { Pieces } from "./text_pieces.ts";

/** A record as it is decoded: longs as bigint. */
type AvroRecord = Record<string, unknown>;

/** Which parts of a record are observations. */
interface Plan {
  /** The record that is the newest detection: "candidate", "diaSource"; undefined where there is none. */
  newest: string | undefined;
  /** The list of the earlier ones, or of all: "prv_candidates". */
  earlier: string | undefined;
  /** Fields of the whole record, then those of an observation. */
  outer: Field[];
  inner: Field[];
}

interface Field extends CellHead {
  field: string;
}

/**
 * The observations of an Avro file. An alert gives its detection and the earlier ones it lists, with the object's id; the same
 * detection in several alerts comes several times.
 * @throws {InputError} when the file is cut or damaged, or holds no observations
 */
export async function* readAvro(path: string): AsyncGenerator<TablePiece> {
  const { default: avro } = await import("npm:avsc@5.7.9");
  // Ids are longs beyond 2^53.
  const long = avro.types.LongType.__with(
    {
      fromBuffer: (buffer: { readBigInt64LE(): bigint }) => buffer.readBigInt64LE(),
      toBuffer: (value: bigint) => Buffer.from(new BigInt64Array([value]).buffer),
      fromJSON: BigInt,
      toJSON: Number,
      isValid: (value: unknown) => typeof value === "bigint",
      compare: (a: bigint, b: bigint) => a === b ? 0 : a < b ? -1 : 1,
    } as unknown as Parameters<typeof avro.types.LongType.__with>[0],
  );
  let plan: Plan | undefined, pieces: Pieces | undefined, failed: unknown;
  const decoder = new avro.streams.BlockDecoder(
    {
      parseHook: (schema: unknown) =>
        avro.Type.forSchema(schema as Parameters<typeof avro.Type.forSchema>[0], {
          typeHook: (part: unknown) =>
            part === "long" || (part as { type?: unknown }).type === "long" ? long : undefined,
        }),
      codecs: {
        null: (data: Uint8Array, done: (e: null, d: Uint8Array) => void) => done(null, data),
        deflate: inflateRaw,
        ...refusedCodecs,
      },
    } as unknown as ConstructorParameters<typeof avro.streams.BlockDecoder>[0],
  );
  let sync: Uint8Array | undefined, tail = new Uint8Array(0);
  decoder.on("metadata", (type: Type, _codec: string, header: { sync: Uint8Array }) => {
    sync = header.sync;
    try {
      plan = planOf(path, type);
      pieces = new Pieces(path, [...plan.outer, ...plan.inner], "", {});
    } catch (error) {
      failed ??= error;
    }
  });
  decoder.on("error", (error: unknown) => failed ??= error);
  decoder.on("data", (record: AvroRecord) => {
    if (failed) return;
    try {
      for (const row of rowsOf(record, plan!)) pieces!.add(row);
    } catch (error) {
      failed = error;
    }
  });
  const ended = new Promise<void>((done) =>
    decoder.on("end", done).on("error", () => done()).on("close", () => done())
  );
  const check = () => {
    if (failed === undefined) return;
    throw failed instanceof InputError ? failed : new InputError(reasonOf(path, failed));
  };
  for await (const bytes of bytesOf(path)) {
    await new Promise<void>((done) => decoder.write(bytes, () => done()));
    const ends = Buffer.concat([tail, bytes.subarray(-16)]);
    tail = new Uint8Array(ends.subarray(-16));
    check();
    if (pieces) yield* (pieces as Pieces).ready();
  }
  decoder.end();
  await ended;
  check();
  if (!pieces) throw new InputError(`${path} is cut: its Avro header is not whole`);
  // Each block ends in the same 16 bytes, and so does a whole file; the decoder leaves a cut block out without a word.
  if (Buffer.compare(tail, sync!) !== 0) throw new InputError(`${path} is cut: its last block is not whole`);
  yield* (pieces as Pieces).end();
}

/** How Avro may be compressed, and is not read. */
const refusedCodecs = {
  snappy: (_: Uint8Array, done: (error: Error) => void) => done(new Error("snappy")),
  zstandard: (_: Uint8Array, done: (error: Error) => void) => done(new Error("zstandard")),
  bzip2: (_: Uint8Array, done: (error: Error) => void) => done(new Error("bzip2")),
  xz: (_: Uint8Array, done: (error: Error) => void) => done(new Error("xz")),
};

function reasonOf(path: string, error: unknown): string {
  const message = messageOf(error);
  const codec = Object.keys(refusedCodecs).find((name) => message === name);
  if (codec) {
    return `${path} is Avro compressed by ${codec}, which is not read (deflate and no compression are): write it anew, ` +
      `e.g. fastavro.writer(…, codec="deflate")`;
  }
  return `${path} is cut or damaged Avro: ${message}`;
}

function planOf(path: string, type: Type): Plan {
  const record = recordOf(type);
  if (!record) throw new InputError(`${path} is Avro, but not of records`);
  const parts = record.fields.map((field) => ({
    name: field.name,
    one: recordOf(field.type),
    many: recordOf(itemsOf(field.type)),
  }));
  const fieldsOf = (type: AvroTypes.RecordType | undefined) => type ? scalarsOf(type) : [];
  const newest = parts.find(({ one }) => likeness(fieldsOf(one)) === 2);
  // The history of an alert has the fields of its detection, or most of them; forced photometry has others.
  const alike = (many: AvroTypes.RecordType) => {
    const own = new Set(fieldsOf(newest?.one).map(({ name }) => name)), fields = fieldsOf(many);
    return !newest || fields.filter(({ name }) => own.has(name)).length > 0.6 * fields.length;
  };
  const earlier = parts.find(({ many }) => many && likeness(fieldsOf(many)) === 2 && alike(many));
  const scalars = scalarsOf(record);
  const inner = newest ? fieldsOf(newest.one) : earlier ? fieldsOf(earlier.many) : scalars;
  if (inner === scalars && likeness(scalars) === 0) {
    throw new InputError(
      `${path} is Avro, but its records (${fewOf(record.fields.map(({ name }) => name), 10)}) have no times`,
    );
  }
  const own = new Set(inner.map(({ name }) => name));
  const outer = inner === scalars ? [] : scalars.filter(({ name }) => !own.has(name));
  const names = distinctNames([...outer, ...inner].map(({ name }) => name));
  const named = (fields: Field[], from: number) =>
    fields.map((field, k) => ({ ...field, name: names[from + k] }));
  return {
    newest: newest?.name,
    earlier: earlier?.name,
    outer: named(outer, 0),
    inner: named(inner, outer.length),
  };
}

/** The types that a field may have: those of a union, or its own. */
function branches(type: Type): Type[] {
  const union = type as unknown as { types?: Type[]; typeName: string };
  return /^union/.test(union.typeName) ? union.types ?? [] : [type];
}

function recordOf(type: Type | undefined): AvroTypes.RecordType | undefined {
  if (!type) return undefined;
  return branches(type).find(({ typeName }) => typeName === "record") as AvroTypes.RecordType | undefined;
}

function itemsOf(type: Type): Type | undefined {
  const array = branches(type).find(({ typeName }) => typeName === "array") as
    | AvroTypes.ArrayType
    | undefined;
  return array?.itemsType;
}

const types: Record<string, ColumnType> = {
  boolean: "BOOLEAN",
  int: "INTEGER",
  long: "BIGINT",
  "abstract:long": "BIGINT",
  float: "FLOAT",
  double: "DOUBLE",
  string: "VARCHAR",
  enum: "VARCHAR",
};

function scalarsOf(record: AvroTypes.RecordType): Field[] {
  return record.fields.flatMap((field): Field[] => {
    const kinds = branches(field.type).filter(({ typeName }) => typeName !== "null");
    const type = kinds.length === 1 ? types[kinds[0].typeName] : undefined;
    if (!type) return [];
    const { doc } = field as unknown as { doc?: string };
    return [{ field: field.name, name: field.name, type, ...doc ? { description: doc } : {} }];
  });
}

function* rowsOf(record: AvroRecord, { newest, earlier, outer, inner }: Plan): Generator<Cell[]> {
  const before = outer.map(({ field }) => cellOf(record[field]));
  const row = (part: AvroRecord) => [...before, ...inner.map(({ field }) => cellOf(part[field]))];
  if (newest === undefined && earlier === undefined) return yield row(record);
  const unwrapped = (value: unknown) => value as AvroRecord | null | undefined;
  const first = newest === undefined ? undefined : unwrapped(record[newest]);
  if (first) yield row(first);
  for (const part of (earlier === undefined ? undefined : record[earlier] as AvroRecord[] | null) ?? []) {
    yield row(part);
  }
}

function cellOf(value: unknown): Cell {
  if (value === null || value === undefined) return null;
  if (typeof value === "boolean") return value ? 1 : 0;
  if (typeof value === "number" || typeof value === "bigint" || typeof value === "string") return value;
  // A union of kinds that are hard to tell apart comes as { long: 5n }.
  const [own] = Object.values(value as Record<string, unknown>);
  return own === value ? null : cellOf(own);
}
