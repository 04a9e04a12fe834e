/** A copy of text tables in plain CSV, for DuckDB: what its reader would take otherwise than we do is settled here. */
import { InputError, messageOf } from "../common/errors.ts";
import { linesOf } from "./text_file.ts";
import { fieldsOf, isPassedOver, quotedFieldsOf, type TextLayout } from "./text_layout.ts";

/** A quoted field may go on over this many lines; a quote that is not closed by then stands for itself. */
const longestField = 50;

/**
 * Writes the rows of some tables of one layout into one file of CSV, without a header. Its columns: number of the file, line,
 * number of fields (-1 where a quote is not closed), then the fields, as many as the layout has columns.
 * @throws {InputError} when a file cannot be read
 */
export async function copyRows(paths: readonly string[], layout: TextLayout, copy: string): Promise<void> {
  using file = Deno.openSync(copy, { create: true, truncate: true, write: true });
  const encoder = new TextEncoder();
  let text = "";
  const flush = () => {
    const bytes = encoder.encode(text);
    for (let done = 0; done < bytes.length;) done += file.writeSync(bytes.subarray(done));
    text = "";
  };
  for (const [k, path] of paths.entries()) {
    for await (const { number, fields, closed } of rowsOf(path, layout)) {
      text += rowOf(k, number, fields, closed, layout.columns.length);
      if (text.length > 1 << 20) flush();
    }
  }
  try {
    flush();
  } catch (error) {
    throw new InputError(`${copy} cannot be written: ${messageOf(error)}`);
  }
}

interface Row {
  number: number;
  fields: string[];
  closed: boolean;
}

/** The rows of a table: no comment, no header, a quoted field over several lines as one. */
async function* rowsOf(path: string, { delimiter, header }: TextLayout): AsyncGenerator<Row> {
  const headText = header?.join("\0");
  // Lines that a quote is open over, the first of them numbered.
  let held: string[] = [], heldAt = 0;
  function* taken(line: string, number: number): Generator<Row> {
    if (held.length > 0) {
      held.push(line);
      const { fields, open } = quotedFieldsOf(held.join(" "), delimiter!);
      if (open && held.length <= longestField) return;
      const lines = held;
      held = [];
      return yield* open ? released(lines, heldAt) : [{ number: heldAt, fields, closed: true }];
    }
    if (isPassedOver(line)) return;
    if (delimiter === null) {
      const fields = fieldsOf(line, null);
      if (fields.join("\0") !== headText) yield { number, fields, closed: true };
      return;
    }
    const { fields, open } = quotedFieldsOf(line, delimiter);
    if (open) {
      held = [line];
      heldAt = number;
    } else if (fields.join("\0") !== headText) yield { number, fields, closed: true };
  }
  /** The line with the quote is set aside; the others are lines of their own. */
  function* released([first, ...others]: string[], at: number): Generator<Row> {
    const fields = first.split(delimiter!).map((field) => field.trim());
    yield { number: at, fields, closed: false };
    for (const [i, line] of others.entries()) yield* taken(line, at + 1 + i);
  }
  for await (const lines of linesOf(path)) {
    for (const { line, number } of lines) yield* taken(line, number);
  }
  while (held.length > 0) {
    const lines = held;
    held = [];
    yield* released(lines, heldAt);
  }
}

function rowOf(file: number, line: number, fields: string[], closed: boolean, width: number): string {
  let count = fields.length;
  while (count > width && fields[count - 1] === "") count--; // commas at the end hold nothing
  let row = `${file},${line},${closed ? count : -1}`;
  for (let i = 0; i < width; i++) {
    const field = fields[i] ?? "";
    row += "," + (/[",\r\n]/.test(field) ? `"${field.replaceAll('"', '""')}"` : field);
  }
  return row + "\n";
}
