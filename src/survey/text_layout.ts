/** How a text table is laid out: what separates its fields, where its rows begin, what its columns are called. */
import { InputError, messageOf } from "../errors.ts";

/** The layout of one text table. */
export interface TextLayout {
  /** What stands between fields; null for any run of spaces or tabs. */
  delimiter: "," | ";" | "|" | "\t" | null;
  /** The fields of the header line, which is no row wherever it stands; null without one. */
  header: string[] | null;
  /** The columns' names; without a header, their positions from 1. */
  columns: string[];
  /** Whether the names stand in the file. */
  named: boolean;
  /** Whether lines starting with # were seen. */
  comments: boolean;
}

/** This much of a file is looked at, and this many of its rows. */
const sampleBytes = 1 << 16, sampleLines = 50;

/**
 * Looks at the head of a text table (gzipped when its name ends in .gz). Lines starting with # are comments; the last
 * comment before the rows is the header if it has a word for every column, and so is a first line without a number.
 * @throws {InputError} when the file cannot be read, is not UTF-8 from the start, or has no row
 */
export async function layoutOf(path: string): Promise<TextLayout> {
  const lines = (await headOf(path)).split(/\r\n|\n|\r/);
  const isComment = (line: string) => line.trimStart().startsWith("#");
  const data = lines.filter((line) => line.trim() !== "" && !isComment(line));
  if (data.length === 0) throw new InputError(`${path} has no row`);
  if (/[\0\ufffd]/.test(data[0])) {
    throw new InputError(`${path} is not a table in UTF-8 (its first line says so)`);
  }
  const comment =
    lines.slice(0, lines.indexOf(data[0])).findLast(isComment)?.trim().replace(/^#+/, "").trim() ?? "";

  const delimiter = delimiterOf(data[0]);
  const first = fieldsOf(data[0], delimiter);
  const headed = !first.some(isNumber);
  const widths = data.slice(headed ? 1 : 0, sampleLines).map((line) => fieldsOf(line, delimiter).length);
  // A row may be broken, or end with a delimiter that the header lacks: what most rows have is right.
  const width = Math.max(headed ? first.length : 0, mostCommon(widths));
  const words = fieldsOf(comment, delimiterOf(comment));
  const names = headed ? first : words.length === width && !words.some(isNumber) ? words : undefined;
  return {
    delimiter,
    header: headed ? first : null,
    columns: Array.from({ length: width }, (_, i) => names?.[i] || String(i + 1)),
    named: names !== undefined,
    comments: lines.some(isComment),
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

function mostCommon(numbers: readonly number[]): number {
  const counts = new Map<number, number>();
  for (const n of numbers) counts.set(n, (counts.get(n) ?? 0) + 1);
  return [...counts].reduce((best, next) => (next[1] > best[1] ? next : best), [0, 0])[0];
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
