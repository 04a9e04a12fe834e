/** ASCII tables of FITS (FITS Standard 4.0, section 7.2). */
import { Buffer } from "node:buffer";
import { InputError } from "../../common/errors.ts";
import type { ByteSource } from "./bytes.ts";
import { type FitsHeader, wholeOf } from "./fits_header.ts";
import { type CellHead, CellTable, distinctNames, type TablePiece } from "./table.ts";

/** The rows of an ASCII table. */
export async function* asciiRows(
  source: ByteSource,
  header: FitsHeader,
  name: string,
  metadata: Record<string, string>,
): AsyncGenerator<TablePiece> {
  const { path } = source, { values, comments } = header;
  const rowBytes = wholeOf(header, "NAXIS1", path), rows = wholeOf(header, "NAXIS2", path);
  if (rowBytes > 1 << 20) {
    throw new InputError(`${path}: a row of its FITS table has ${rowBytes} bytes (NAXIS1)`);
  }
  const fields = wholeOf(header, "TFIELDS", path);
  const names = distinctNames(Array.from({ length: fields }, (_, i) => values.get(`TTYPE${i + 1}`) ?? ""));
  const places: [number, number, number][] = [];
  const heads = names.map((name, i): CellHead => {
    const form = (values.get(`TFORM${i + 1}`) ?? "").trim().toUpperCase();
    const parts = /^([AIFED])(\d+)(?:\.(\d+))?$/.exec(form);
    const start = wholeOf(header, `TBCOL${i + 1}`, path);
    if (!parts || start < 1 || start - 1 + Number(parts[2]) > rowBytes) {
      throw new InputError(
        `${path}: column ${i + 1} of its FITS table has the format TFORM${i + 1} = "${form}"`,
      );
    }
    const scaled = values.has(`TSCAL${i + 1}`) || values.has(`TZERO${i + 1}`);
    // "12345" under F8.2 is 123.45: the point may be left out.
    places.push([
      start - 1,
      Number(parts[2]),
      parts[1] === "A" || parts[1] === "I" ? 0 : Number(parts[3] ?? 0),
    ]);
    return {
      name,
      type: parts[1] === "A"
        ? "VARCHAR"
        : parts[1] !== "I" || scaled
        ? "DOUBLE"
        : Number(parts[2]) <= 9
        ? "INTEGER"
        : "BIGINT",
      unit: values.get(`TUNIT${i + 1}`) || undefined,
      description: comments.get(`TTYPE${i + 1}`),
      nulls: values.has(`TNULL${i + 1}`) ? [values.get(`TNULL${i + 1}`)!.trim()] : undefined,
    };
  });
  const scales = names.map((
    _,
    i,
  ) => [Number(values.get(`TSCAL${i + 1}`) ?? 1), Number(values.get(`TZERO${i + 1}`) ?? 0)]);
  const table = new CellTable(path, heads);
  const piece = () => {
    const made = table.take(name, metadata);
    for (const [c, [scale, zero]] of scales.entries()) {
      if (scale === 1 && zero === 0 || heads[c].type !== "DOUBLE") continue;
      const numbers = made.columns[c].values as Float64Array;
      for (let i = 0; i < numbers.length; i++) numbers[i] = numbers[i] * scale + zero;
    }
    return made;
  };
  for (let row = 0; row < rows; row++) {
    const bytes = await source.read(rowBytes);
    if (bytes.length < rowBytes) {
      throw new InputError(`${path} is cut: its FITS table is longer than the file; get the file again`);
    }
    const text = Buffer.from(bytes.buffer, bytes.byteOffset, rowBytes).toString("latin1");
    table.add(places.map(([start, width, decimals]) => {
      const cell = text.slice(start, start + width).trim();
      return decimals > 0 && /^[+-]?\d+$/.test(cell) ? `${cell}e-${decimals}` : cell;
    }));
    if (table.full) yield piece();
  }
  if (table.rows > 0 || rows === 0) yield piece();
}
