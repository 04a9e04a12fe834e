/** Columns of FITS binary tables, and their cells (FITS Standard 4.0, section 7.3). */
import { Buffer } from "node:buffer";
import { InputError } from "../../common/errors.ts";
import type { FitsHeader } from "./fits_header.ts";
import { type ColumnHead, type ColumnType, distinctNames, emptyValues, type TableColumn } from "./table.ts";

/** One column as the header describes it. */
export interface FitsColumn extends ColumnHead {
  /** L X B I J K A E D C M: what an element is. */
  kind: string;
  /** Where its bytes begin in a row. */
  offset: number;
  /** Bytes of an element; of texts, of the whole text. */
  size: number;
  /** Elements in a cell; for arrays of varying length, undefined. */
  count: number | undefined;
  /** Bytes of each of the two numbers that point to a varying array: 4 (P) or 8 (Q). */
  pointer: number;
  scale: number;
  zero: number;
  /** Added to integers as such: unsigned integers are written as signed ones less 2^15, 2^31 or 2^63. */
  unsigned: boolean;
  null: bigint | undefined;
}

const sizes: Record<string, number> = { L: 1, X: 1, B: 1, I: 2, J: 4, K: 8, A: 1, E: 4, D: 8, C: 8, M: 16 };

/**
 * The columns of a binary table.
 * @throws {InputError} when the header contradicts itself
 */
export function binaryColumns(
  header: FitsHeader,
  path: string,
  rowBytes: number,
  fields: number,
): FitsColumn[] {
  const { values, comments } = header;
  const columns: FitsColumn[] = [];
  let offset = 0;
  const names = distinctNames(Array.from({ length: fields }, (_, i) => values.get(`TTYPE${i + 1}`) ?? ""));
  for (let k = 1; k <= fields; k++) {
    const form = values.get(`TFORM${k}`) ?? "";
    const parts = /^\s*(\d*)([LXBIJKAEDCMPQ])([LXBIJKAEDCM])?/.exec(form.toUpperCase());
    if (!parts || /[PQ]/.test(parts[2]) !== /[PQ]/.test(parts[2]) || /[PQ]/.test(parts[2]) && !parts[3]) {
      throw new InputError(
        `${path}: column ${k} of its FITS table has the unknown format TFORM${k} = "${form}"`,
      );
    }
    const repeat = parts[1] === "" ? 1 : Number(parts[1]);
    const varying = parts[2] === "P" || parts[2] === "Q";
    const kind = varying ? parts[3] : parts[2];
    const number = (keyword: string, otherwise: number) => {
      const given = Number((values.get(`${keyword}${k}`) ?? "").replace(/d/i, "e") || otherwise);
      return Number.isFinite(given) ? given : otherwise;
    };
    const scale = number("TSCAL", 1), zero = number("TZERO", 0);
    const whole = "BIJK".includes(kind);
    const unsigned = whole && scale === 1 &&
      zero === ({ B: -128, I: 32768, J: 2147483648, K: 9223372036854775808 } as Record<string, number>)[kind];
    const scaled = (scale !== 1 || zero !== 0) && !unsigned;
    const nulled = /^\s*[+-]?\d+\s*$/.exec(values.get(`TNULL${k}`) ?? "")?.[0].trim();
    const comment = [comments.get(`TTYPE${k}`), values.get(`TUCD${k}`), values.get(`TCOMM${k}`)].filter((
      text,
    ) => text && !/^(label|name) for|^(field|column) +\d*|^title of/i.test(text)).join("; ");
    let size = sizes[kind], count: number | undefined = repeat, bytes = repeat * size;
    if (kind === "A") {
      // 60A with TDIM (6,10), or 60A6, is ten texts of six signs.
      const width = Number(
        /^\(\s*(\d+)\s*,/.exec(values.get(`TDIM${k}`) ?? "")?.[1] ?? /A(\d+)/.exec(form)?.[1] ?? repeat,
      );
      size = varying ? 1 : width;
      count = repeat === 0 || width === 0 ? 0 : varying ? undefined : Math.max(1, Math.floor(repeat / width));
      if (count === 1) size = repeat;
    }
    if (kind === "X") {
      bytes = Math.ceil(repeat / 8);
      size = repeat;
      count = repeat === 0 ? 0 : 1;
    }
    if (varying) {
      count = undefined;
      bytes = repeat * (parts[2] === "P" ? 8 : 16);
    }
    columns.push({
      name: names[k - 1],
      type: scaled && kind !== "E" && kind !== "D" ? "DOUBLE" : typeOf(kind, unsigned),
      unit: values.get(`TUNIT${k}`) || undefined,
      description: comment || undefined,
      kind,
      offset,
      size,
      count: varying && repeat === 0 ? 0 : count,
      pointer: varying ? (parts[2] === "P" ? 4 : 8) : 0,
      scale,
      zero,
      unsigned,
      null: nulled === undefined || !whole ? undefined : BigInt(nulled),
    });
    offset += bytes;
  }
  if (offset > rowBytes) {
    throw new InputError(
      `${path}: the columns of its FITS table take ${offset} bytes, but its rows have ${rowBytes} (NAXIS1)`,
    );
  }
  return columns;
}

function typeOf(kind: string, unsigned: boolean): ColumnType {
  switch (kind) {
    case "L":
      return "BOOLEAN";
    case "B":
    case "I":
      return "INTEGER";
    case "J":
      return unsigned ? "BIGINT" : "INTEGER";
    case "K":
      // What may lie beyond 2^63 is kept as text.
      return unsigned ? "VARCHAR" : "BIGINT";
    case "E":
      return "FLOAT";
    case "D":
      return "DOUBLE";
    default:
      return "VARCHAR";
  }
}

/** Where the elements of each row lie, and how many there are. */
export interface Places {
  starts: Int32Array;
  counts: Int32Array;
  /** The sum of counts. */
  total: number;
}

/** The elements of a column as one array, one after the other, each row's repeated or not as `places` say. */
export function decode(column: FitsColumn, view: DataView, { starts, counts, total }: Places): TableColumn {
  const { name, type, unit, description, kind, size, scale, zero, unsigned } = column;
  const values = emptyValues(type, total);
  let missing: Uint8Array | undefined;
  const gap = (i: number) => (missing ??= new Uint8Array(total))[i] = 1;
  const rows = counts.length;
  let i = 0;
  // A loop for each kind: one loop that calls a function for each element takes three times as long.
  if (kind === "D") {
    const numbers = values as Float64Array;
    for (let r = 0; r < rows; r++) {
      for (let k = counts[r], at = starts[r]; k > 0; k--, at += 8) numbers[i++] = view.getFloat64(at);
    }
  } else if (kind === "E") {
    const numbers = values as Float32Array;
    for (let r = 0; r < rows; r++) {
      for (let k = counts[r], at = starts[r]; k > 0; k--, at += 4) numbers[i++] = view.getFloat32(at);
    }
  } else if (kind === "J" && type === "INTEGER") {
    const numbers = values as Int32Array;
    for (let r = 0; r < rows; r++) {
      for (let k = counts[r], at = starts[r]; k > 0; k--, at += 4) numbers[i++] = view.getInt32(at);
    }
  } else if (kind === "I" && type === "INTEGER") {
    const numbers = values as Int32Array, added = unsigned ? zero : 0;
    for (let r = 0; r < rows; r++) {
      for (let k = counts[r], at = starts[r]; k > 0; k--, at += 2) numbers[i++] = view.getInt16(at) + added;
    }
  } else if (kind === "B" && type === "INTEGER") {
    const numbers = values as Int32Array, added = unsigned ? zero : 0;
    for (let r = 0; r < rows; r++) {
      for (let k = counts[r], at = starts[r]; k > 0; k--, at++) numbers[i++] = view.getUint8(at) + added;
    }
  } else if (kind === "K" && type === "BIGINT") {
    // In halves: a BigInt for each would be made only to be taken apart again.
    const halves = new Int32Array((values as BigInt64Array).buffer);
    for (let r = 0; r < rows; r++) {
      for (let k = counts[r], at = starts[r]; k > 0; k--, at += 8) {
        halves[i++] = view.getInt32(at + 4);
        halves[i++] = view.getInt32(at);
      }
    }
  } else if (kind === "L") {
    for (let r = 0; r < rows; r++) {
      for (let k = counts[r], at = starts[r]; k > 0; k--, at++, i++) {
        const sign = view.getUint8(at);
        if (sign === 0) gap(i);
        values[i] = sign === 0x54 || sign === 0x74 ? 1 : 0;
      }
    }
  } else if (kind === "A") {
    const texts = new Texts(view, size);
    for (let r = 0; r < rows; r++) {
      for (let k = counts[r], at = starts[r]; k > 0; k--, at += size) values[i++] = texts.at(at);
    }
  } else if (kind === "X") {
    for (let r = 0; r < rows; r++) {
      let bits = "";
      for (let b = 0; b < size; b++) bits += (view.getUint8(starts[r] + (b >> 3)) >> (7 - (b & 7))) & 1;
      values[i++] = bits;
    }
  } else {
    for (let r = 0; r < rows; r++) {
      for (let k = counts[r], at = starts[r]; k > 0; k--, at += size) {
        const number = wholeAt(view, at, kind);
        if (number === column.null && type === "DOUBLE") values[i++] = NaN;
        else if (type === "DOUBLE") values[i++] = Number(number) * scale + zero;
        else if (type === "BIGINT") values[i++] = number + BigInt(zero);
        else values[i++] = String(number + (1n << 63n));
      }
    }
  }
  if ((kind === "D" || kind === "E") && (scale !== 1 || zero !== 0)) {
    const numbers = values as Float64Array;
    for (let n = 0; n < total; n++) numbers[n] = numbers[n] * scale + zero;
  }
  if (column.null !== undefined && (type === "INTEGER" || type === "BIGINT")) {
    const none = type === "BIGINT"
      ? column.null + BigInt(unsigned ? zero : 0)
      : Number(column.null) + (unsigned ? zero : 0);
    for (let n = 0; n < total; n++) if (values[n] === none) gap(n);
  }
  return { name, type, unit, description, values, ...missing ? { missing } : {} };
}

function wholeAt(view: DataView, at: number, kind: string): bigint {
  if (kind === "K") return view.getBigInt64(at);
  return BigInt(kind === "B" ? view.getUint8(at) : kind === "I" ? view.getInt16(at) : view.getInt32(at));
}

/** Texts of one width; bands and names repeat, and are made once. */
class Texts {
  private readonly bytes: Buffer;
  private readonly made = new Map<number | string, string | null>();

  constructor(private readonly view: DataView, private readonly size: number) {
    this.bytes = Buffer.from(view.buffer, view.byteOffset, view.byteLength);
  }

  at(at: number): string | null {
    const { bytes, size, made } = this;
    let key: number | string = 0;
    if (size <= 6) { for (let k = 0; k < size; k++) key = key * 256 + bytes[at + k]; }
    else key = bytes.toString("latin1", at, at + size);
    let text = made.get(key);
    if (text === undefined) {
      if (made.size > 4096) made.clear();
      text = textAt(bytes, at, size) || null;
      made.set(key, text);
    }
    return text;
  }
}

/** A text of a table: it ends at the first zero byte, and blanks at its end do not count. */
function textAt(bytes: Buffer, at: number, size: number): string {
  const zero = bytes.subarray(at, at + size).indexOf(0);
  return bytes.toString("utf8", at, at + (zero < 0 ? size : zero)).trimEnd();
}
