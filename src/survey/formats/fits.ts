/** Light curves in FITS: binary tables and ASCII tables, one light curve a file, many rows a file, or a row an object with arrays in its cells. */
import { InputError } from "../../common/errors.ts";
import { ByteSource } from "./bytes.ts";
import { asciiRows } from "./fits_ascii.ts";
import { binaryColumns, decode, type FitsColumn, type Places } from "./fits_columns.ts";
import { dataBytes, type FitsHeader, padded, readHeader, wholeOf } from "./fits_header.ts";
import { isTime, likeness } from "./light_curve_columns.ts";
import { distinctNames, emptyValues, pieceRows, type TableColumn, type TablePiece } from "./table.ts";

/** Bytes of rows that are taken at once. */
const pieceBytes = 1 << 23;
/** Arrays of up to so many elements that are no time series become columns of their own: psfMag_1 to psfMag_5. */
const fewElements = 16;
/** Heaps of varying arrays are held in memory as a whole. */
const mostHeap = 2 ** 31 - 1;

/** One table of a file. */
export interface FitsTable {
  header: FitsHeader;
  name: string;
  kind: "BINTABLE" | "TABLE";
  /** Its position among the file's headers and data. */
  index: number;
  fields: { name: string; unit?: string }[];
}

/**
 * The light curves of a FITS file, piece by piece. Of several tables those are read that have a time and a brightness; several such
 * tables with the same columns are read one after the other, with their names in a column `EXTNAME`.
 * @throws {InputError} when the file is cut or broken, or holds no table
 */
export async function* readFits(path: string, found?: FitsTables): AsyncGenerator<TablePiece> {
  const { tables, primary } = found ?? await tablesOf(path);
  const chosen = chooseTables(path, tables);
  await using source = new ByteSource(path);
  for (let index = 0;; index++) {
    const header = await readHeader(source, index === 0);
    if (!header) return;
    const bytes = dataBytes(header, path);
    const table = chosen.find((table) => table.index === index);
    if (!table) {
      if (index >= chosen.at(-1)!.index) return;
      if (await source.skip(padded(bytes)) < bytes) throw cut(path);
      continue;
    }
    const metadata = metadataOf(primary, header);
    const several = chosen.length > 1 && !table.fields.some(({ name }) => name.toUpperCase() === "EXTNAME");
    const before = source.position;
    const pieces = table.kind === "TABLE"
      ? asciiRows(source, header, table.name, metadata)
      : binaryRows(source, header, bytes, table.name, metadata);
    for await (const piece of pieces) {
      if (several) {
        piece.columns.push({ name: "EXTNAME", type: "VARCHAR", values: Array(piece.rows).fill(table.name) });
      }
      yield piece;
    }
    if (index === chosen.at(-1)!.index) return;
    await source.skip(before + padded(bytes) - source.position);
  }
}

/**
 * What a FITS file holds when it holds no light curve: "a sky map", "pictures".
 * @returns undefined when it holds a table that may be one
 * @throws {InputError} when the file is cut or broken
 */
export async function otherFits(path: string): Promise<string | undefined> {
  const { tables, primary } = await tablesOf(path);
  if (tables.length === 0) {
    return primary.values.get("NAXIS") === "0" ? "no table in it" : "pictures, no table";
  }
  if (tables.every(({ header }) => header.values.get("PIXTYPE") === "HEALPIX")) {
    return "a map of the sky (HEALPix)";
  }
  if (tables.some(({ fields }) => isSnanaHead(fields))) {
    return "the header of an SNANA file, read with its photometry";
  }
  return undefined;
}

/** Whether a table is the list of objects of an SNANA pair. */
export function isSnanaHead(fields: readonly { name: string }[]): boolean {
  return ["SNID", "PTROBS_MIN", "PTROBS_MAX"].every((name) => fields.some((field) => field.name === name));
}

/** The tables of a file, and its first header. */
export interface FitsTables {
  tables: FitsTable[];
  primary: FitsHeader;
}

/**
 * Finds the tables of a file by their headers; no row is read.
 * @throws {InputError} when the file is cut or broken
 */
export async function tablesOf(path: string): Promise<FitsTables> {
  await using source = new ByteSource(path);
  const tables: FitsTable[] = [];
  let primary: FitsHeader | undefined;
  for (let index = 0;; index++) {
    const header = await readHeader(source, index === 0);
    if (!header) break;
    primary ??= header;
    const kind = header.values.get("XTENSION")?.trim().toUpperCase();
    const name = header.values.get("EXTNAME") ?? "";
    if (header.values.get("ZTABLE") === "T") {
      throw new InputError(`${path} is a table compressed by fpack, which is not read: run funpack ${path}`);
    }
    if (
      (kind === "BINTABLE" || kind === "A3DTABLE" || kind === "TABLE") && header.values.get("ZIMAGE") !== "T"
    ) {
      const count = wholeOf(header, "TFIELDS", path);
      if (count > 999) {
        throw new InputError(`${path}: its FITS header says TFIELDS = ${count}; 999 is the most`);
      }
      tables.push({
        header,
        name,
        kind: kind === "TABLE" ? kind : "BINTABLE",
        index,
        fields: Array.from({ length: count }, (_, i) => ({
          name: header.values.get(`TTYPE${i + 1}`) ?? "",
          unit: header.values.get(`TUNIT${i + 1}`),
        })),
      });
    }
    const bytes = dataBytes(header, path);
    if (await source.skip(padded(bytes)) < bytes) {
      if (tables.at(-1)?.index === index) throw cut(path);
      break;
    }
  }
  return { tables, primary: primary ?? { values: new Map(), comments: new Map() } };
}

function chooseTables(path: string, tables: readonly FitsTable[]): FitsTable[] {
  if (tables.length === 0) throw new InputError(`${path} is FITS, but holds no table: pictures are not read`);
  if (tables.length === 1) return [...tables];
  const scores = tables.map(({ fields }) => likeness(fields));
  const best = Math.max(...scores);
  const first = tables[scores.indexOf(best as 0)];
  const keyOf = (table: FitsTable) =>
    JSON.stringify([table.fields, table.fields.map((_, i) => table.header.values.get(`TFORM${i + 1}`))]);
  const alike = tables.filter((table) => keyOf(table) === keyOf(first));
  if (best === 0) {
    throw new InputError(
      `${path}: none of its ${tables.length} tables (${
        tables.map(({ name }) => name || "unnamed").join(", ")
      }) has a column of times`,
    );
  }
  // The first is the light curve in the files of Kepler, TESS, CDIPS, HATNet, …
  return alike;
}

/** What headers say, without what only lays the bytes out; a table's own header comes first. */
function metadataOf(...headers: FitsHeader[]): Record<string, string> {
  const metadata: Record<string, string> = {};
  const layout =
    /^(SIMPLE|XTENSION|BITPIX|NAXIS\d*|PCOUNT|GCOUNT|TFIELDS|EXTEND|CHECKSUM|DATASUM|THEAP|T(TYPE|FORM|UNIT|DISP|NULL|SCAL|ZERO|DIM|UCD|COMM|BCOL)\d+)$/;
  for (const { values } of headers) {
    for (const [key, value] of values) if (!layout.test(key) && value !== "") metadata[key] = value;
  }
  return metadata;
}

function cut(path: string): InputError {
  return new InputError(`${path} is cut: its FITS table is longer than the file; get the file again`);
}

async function* binaryRows(
  source: ByteSource,
  header: FitsHeader,
  bytes: number,
  name: string,
  metadata: Record<string, string>,
): AsyncGenerator<TablePiece> {
  const { path } = source;
  const rowBytes = wholeOf(header, "NAXIS1", path), rows = wholeOf(header, "NAXIS2", path);
  const all = binaryColumns(header, path, rowBytes, wholeOf(header, "TFIELDS", path));
  const { single, arrays } = planOf(all);
  const varying = arrays.some(({ count }) => count === undefined);
  if (rows > 0 && rowBytes === 0) throw new InputError(`${path}: the rows of its FITS table have no bytes`);
  if (!varying) {
    const length = arrays[0]?.count ?? 1;
    if (rowBytes > 2 ** 30) {
      throw new InputError(`${path}: a row of its FITS table has ${rowBytes} bytes (NAXIS1)`);
    }
    const atOnce = Math.max(
      1,
      Math.min(Math.floor(pieceBytes / Math.max(rowBytes, 1)), Math.floor(2 * pieceRows / length)),
    );
    let done = 0;
    do {
      const count = Math.min(atOnce, rows - done);
      const taken = await source.read(count * rowBytes);
      if (taken.length < count * rowBytes) throw cut(path);
      const view = new DataView(taken.buffer, taken.byteOffset, taken.byteLength);
      yield pieceOf(view, count, rowBytes, single, arrays, name, metadata, path);
      done += count;
    } while (done < rows);
    return;
  }
  if (bytes > mostHeap) {
    throw new InputError(
      `${path}: its arrays of varying length take ${bytes} bytes, more than 2 GiB: split the file, or write it as Parquet`,
    );
  }
  const taken = await source.read(bytes);
  if (taken.length < bytes) throw cut(path);
  const view = new DataView(taken.buffer, taken.byteOffset, taken.byteLength);
  const heap = wholeOf(header, "THEAP", path, rowBytes * rows);
  let done = 0;
  do {
    let count = 0, elements = 0;
    const pointed = arrays.find(({ count }) => count === undefined)!;
    while (count < rows - done && (count === 0 || elements < pieceRows)) {
      elements += pointerAt(pointed, view, (done + count) * rowBytes, path).count;
      count++;
    }
    if (elements > bytes) {
      throw new InputError(`${path}: the arrays of its FITS table overlap or lie outside the file`);
    }
    const part = new DataView(view.buffer, view.byteOffset + done * rowBytes, count * rowBytes);
    yield pieceOf(part, count, rowBytes, single, arrays, name, metadata, path, view, heap);
    done += count;
  } while (done < rows);
}

/** Which columns are read once a row, and which arrays are read element by element. */
function planOf(columns: readonly FitsColumn[]): { single: FitsColumn[]; arrays: FitsColumn[] } {
  const readable = columns.filter(({ kind, count }) => kind !== "C" && kind !== "M" && count !== 0);
  const arrays = readable.filter(({ count, kind }) => count === undefined && kind !== "A" || count! > 1);
  const times = arrays.find(isTime);
  const lengths = new Set(arrays.map(({ count }) => count));
  const series = times ??
    (lengths.size === 1 && (arrays[0].count ?? Infinity) > fewElements ? arrays[0] : undefined);
  const exploded = series ? arrays.filter(({ count }) => count === series.count) : [];
  const single = readable.filter(({ count }) => count === 1);
  const names = readable.map(({ name }) => name);
  for (const column of arrays) {
    if (exploded.includes(column) || column.count === undefined || column.count > fewElements) continue;
    for (let k = 0; k < column.count; k++) {
      const own = distinctNames([...names, `${column.name}_${k + 1}`]).at(-1)!;
      names.push(own);
      single.push({ ...column, name: own, offset: column.offset + k * column.size, count: 1 });
    }
  }
  return { single: single.sort((a, b) => a.offset - b.offset), arrays: exploded };
}

function pointerAt(
  column: FitsColumn,
  view: DataView,
  row: number,
  path: string,
): { count: number; at: number } {
  const at = row + column.offset;
  const [count, place] = column.pointer === 4
    ? [view.getInt32(at), view.getInt32(at + 4)]
    : [Number(view.getBigInt64(at)), Number(view.getBigInt64(at + 8))];
  const fits = count >= 0 && (count === 0 || place >= 0) && count * column.size <= view.byteLength;
  if (!fits) throw new InputError(`${path}: an array of its column ${column.name} lies outside the file`);
  return { count, at: place };
}

function pieceOf(
  view: DataView,
  rows: number,
  rowBytes: number,
  single: readonly FitsColumn[],
  arrays: readonly FitsColumn[],
  name: string,
  metadata: Record<string, string>,
  path: string,
  heap?: DataView,
  heapAt = 0,
): TablePiece {
  const starts = new Int32Array(rows);
  const counts = new Int32Array(rows).fill(1);
  let total = rows;
  const placed: [FitsColumn, DataView, Places][] = [];
  for (const [k, column] of arrays.entries()) {
    const own = { starts: new Int32Array(rows), counts: new Int32Array(rows), total: 0 };
    for (let r = 0; r < rows; r++) {
      if (column.count !== undefined) {
        own.starts[r] = r * rowBytes + column.offset;
        own.counts[r] = column.count;
      } else {
        const { count, at } = pointerAt(
          column,
          heap!,
          view.byteOffset - heap!.byteOffset + r * rowBytes,
          path,
        );
        own.starts[r] = heapAt + at;
        own.counts[r] = count;
        if (count > 0 && heapAt + at + count * column.size > heap!.byteLength) {
          throw new InputError(`${path}: an array of its column ${column.name} lies outside the file`);
        }
      }
      own.total += own.counts[r];
      if (k > 0 && own.counts[r] !== counts[r]) {
        throw new InputError(
          `${path}: a row's arrays ${arrays[0].name} and ${column.name} have ${counts[r]} and ${
            own.counts[r]
          } elements`,
        );
      }
    }
    if (k === 0) {
      counts.set(own.counts);
      total = own.total;
    }
    placed.push([column, column.count === undefined ? heap! : view, own]);
  }
  const columns: TableColumn[] = single.map((column) => {
    for (let r = 0; r < rows; r++) starts[r] = r * rowBytes + column.offset;
    if (arrays.length === 0) return decode(column, view, { starts, counts, total });
    return repeated(
      decode(column, view, { starts, counts: new Int32Array(rows).fill(1), total: rows }),
      counts,
      total,
    );
  });
  for (const [column, from, places] of placed) columns.push(decode(column, from, places));
  return { name, metadata, columns, rows: total };
}

/** A column with each row's value repeated. */
function repeated(column: TableColumn, counts: Int32Array, total: number): TableColumn {
  const from = new Int32Array(total);
  for (let r = 0, i = 0; r < counts.length; r++) {
    for (let k = 0; k < counts[r]; k++) from[i++] = r;
  }
  const { type, values, missing } = column;
  const spread = emptyValues(type, total);
  for (let i = 0; i < total; i++) spread[i] = values[from[i]];
  return {
    ...column,
    values: spread,
    ...missing ? { missing: Uint8Array.from(from, (r) => missing[r]) } : {},
  };
}
