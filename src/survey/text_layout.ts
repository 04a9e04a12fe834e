/** How a text table is laid out: what separates its fields, where its rows begin, what its columns are called. */
import { InputError, messageOf } from "../errors.ts";

/** The layout of one text table. */
export interface TextLayout {
  /** What stands between fields; null for any run of spaces or tabs. */
  delimiter: "," | ";" | "|" | "\t" | null;
  /** Lines before the first row: comments, the header. */
  skip: number;
  /** The columns' names; without a header, their positions from 1. */
  columns: string[];
  /** Whether the names stand in the file. */
  named: boolean;
  /** Whether lines starting with # were seen. */
  comments: boolean;
}

/** This much of a file is looked at. */
const sampleBytes = 1 << 16;

/**
 * Looks at the head of a text table (gzipped when its name ends in .gz). Lines starting with # are comments; the last
 * comment before the rows is the header if it has a word for every column, and so is a first line without a number.
 * @throws {InputError} when the file cannot be read or has no row
 */
export async function layoutOf(path: string): Promise<TextLayout> {
  const lines = (await headOf(path)).split(/\r\n|\n|\r/);
  let skip = 0, comment = "", comments = false;
  for (; skip < lines.length; skip++) {
    const line = lines[skip].trim();
    if (line.startsWith("#")) {
      comment = line.replace(/^#+/, "").trim();
      comments = true;
    } else if (line !== "") break;
  }
  const data = lines.slice(skip).map((line) => line.trim()).filter((line) => line && !line.startsWith("#"));
  if (data.length === 0) throw new InputError(`${path} has no row`);
  comments ||= lines.slice(skip).some((line) => line.trimStart().startsWith("#"));

  const delimiter = delimiterOf(data[0]);
  const first = fieldsOf(data[0], delimiter);
  const headed = !first.some(isNumber);
  const width = Math.max(...data.slice(0, 50).map((line) => fieldsOf(line, delimiter).length));
  const words = fieldsOf(comment, delimiterOf(comment));
  const names = headed ? first : words.length === width && !words.some(isNumber) ? words : undefined;
  return {
    delimiter,
    skip: skip + (headed ? 1 : 0),
    columns: Array.from({ length: width }, (_, i) => names?.[i] || String(i + 1)),
    named: names !== undefined,
    comments,
  };
}

function delimiterOf(line: string): TextLayout["delimiter"] {
  const counts = ([",", ";", "|", "\t"] as const).map((sign) => ({
    sign,
    fields: fieldsOf(line, sign).length,
  }));
  const best = counts.reduce((a, b) => (b.fields > a.fields ? b : a));
  return best.fields > 1 && best.sign !== "\t"
    ? best.sign
    : best.fields > 1 && !/ {2}|\t /.test(line)
    ? "\t"
    : null;
}

/** The fields of one line; a delimited field may be quoted, then a doubled quote stands for one. */
export function fieldsOf(line: string, delimiter: TextLayout["delimiter"]): string[] {
  if (delimiter === null) return line.trim().split(/\s+/);
  const fields: string[] = [];
  let field = "", quoted = false;
  for (const sign of line) {
    if (sign === '"') quoted = !quoted;
    else if (sign === delimiter && !quoted) {
      fields.push(field.trim());
      field = "";
    } else field += sign;
  }
  return [...fields, field.trim()];
}

function isNumber(field: string): boolean {
  return field !== "" && Number.isFinite(Number(field));
}

/** The text of a file from its start, as a stream of pieces. */
export async function* textOf(path: string): AsyncGenerator<string> {
  let bytes: ReadableStream<Uint8Array<ArrayBuffer>>;
  try {
    bytes = (await Deno.open(path, { read: true })).readable;
  } catch (error) {
    throw new InputError(`${path} cannot be read: ${messageOf(error)}`);
  }
  if (path.toLowerCase().endsWith(".gz")) bytes = bytes.pipeThrough(new DecompressionStream("gzip"));
  const decoder = new TextDecoder();
  try {
    for await (const piece of bytes) yield decoder.decode(piece, { stream: true });
  } catch (error) {
    throw new InputError(`${path} cannot be read: ${messageOf(error)}`);
  }
}

async function headOf(path: string): Promise<string> {
  let head = "";
  for await (const piece of textOf(path)) {
    head += piece;
    // A cut last line could look like a row with too few fields.
    if (head.length >= sampleBytes) return head.slice(0, Math.max(head.lastIndexOf("\n"), 0) || head.length);
  }
  return head;
}
