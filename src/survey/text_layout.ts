/** How a text table is laid out: what separates its fields, where its rows begin, what its columns are called. */
import { InputError } from "../common/errors.ts";
import { codingOf, textOf } from "./text_file.ts";

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
  /** Whether numbers are written with a decimal comma. */
  decimalComma: boolean;
  /** Whether DuckDB's own reader would take the file otherwise than we do; then a copy in plain CSV is read. */
  odd: boolean;
}

/** What a column of R's row names is called, which has no name in the file. */
export const rowName = "row name";

/** This much of a file is looked at, and this many of its rows. */
const sampleBytes = 1 << 16, sampleLines = 50;

/**
 * Looks at the head of a text table. Lines starting with # are comments; the last comment before the rows is the header if it
 * has a word for every column, and so is a first line without a number. A header that lacks one name stands over R's row names
 * where the rows begin like them.
 * @throws {InputError} when the file cannot be read, is no text, has no row, or has a header that does not fit
 */
export async function layoutOf(path: string): Promise<TextLayout> {
  return (await lookedAt(path)).layout;
}

/** As {@link layoutOf}, with the fields of the first rows. */
export async function lookedAt(path: string): Promise<{ layout: TextLayout; sample: string[][] }> {
  const { gzip, encoding } = await codingOf(path);
  const head = await headOf(path);
  if (/^version https:\/\/git-lfs\.github\.com/.test(head)) {
    throw new InputError(
      `${path} is a Git LFS pointer, not the data: fetch the file with "git lfs pull" in its repository`,
    );
  }
  const lines = head.split(/\r\n|\n|\r/);
  const data = lines.filter((line) => !isPassedOver(line));
  if (data.length === 0) throw new InputError(`${path} has no row`);
  if (data[0].includes("\0")) {
    throw new InputError(
      `${path} is not a text table (it holds zero bytes): binary data, or UTF-16 without a mark?`,
    );
  }
  if (data[0].includes("\ufffd")) {
    throw new InputError(
      `${path} is not a table in UTF-8 (its first line says so): Latin-1 or Windows-1252?`,
    );
  }
  const comment =
    lines.slice(0, lines.indexOf(data[0])).findLast(isComment)?.trim().replace(/^#+/, "").trim() ?? "";

  const said = /^sep=(.)$/i.exec(lines[0].trim())?.[1] as "," | ";" | "|" | undefined;
  const delimiter = said ?? delimiterOf(data[0], data.slice(1, sampleLines));
  const first = fieldsOf(data[0], delimiter);
  const rows = data.slice(0, sampleLines).map((line) => fieldsOf(line, delimiter));
  const decimalComma = delimiter !== "," && delimiter !== null && usesDecimalCommas(rows.flat());
  const isNumber = (field: string) => isNumeric(decimalComma ? field.replace(",", ".") : field);
  const headed = !first.some((field) => isNumber(field) || isDate(field));
  const body = headed ? rows.slice(1) : rows;
  // A row may be broken, or end with a delimiter that the header lacks: what most rows have is right.
  const common = mostCommon(body.map((fields) => fields.length));
  const width = Math.max(headed ? first.length : 0, common);
  const words = wordsOf(comment, delimiter);
  // Commas between the names alone are no part of them.
  const plain = delimiter === null && first.filter((word) => word.endsWith(",")).length > first.length / 2
    ? first.map((word) => word.replace(/,$/, ""))
    : first;
  let names = headed ? plain : words.length === width && !words.some(isNumber) ? words : undefined;
  if (headed && common === first.length + 1 && body.some((fields) => fields.at(-1) !== "")) {
    const full = data.slice(1, sampleLines).filter((_, i) => body[i].length === common);
    if (!beginsWithRowNames(full, full.map((line) => fieldsOf(line, delimiter)[0]))) {
      throw new InputError(
        `${path}: its header has ${first.length} names and its rows have ${common} fields: which name is missing? ` +
          `Give every column a name`,
      );
    }
    names = [rowName, ...plain];
  }
  const layout: TextLayout = {
    delimiter,
    header: headed ? first : null,
    columns: Array.from({ length: width }, (_, i) => names?.[i] || String(i + 1)),
    named: names !== undefined,
    decimalComma,
    odd: encoding !== "utf-8" || gzip !== /\.gz$/i.test(path) || said !== undefined || decimalComma ||
      headed && first.length !== width ||
      delimiter !== null &&
        (lines.some((line) => line.trim() !== "" && isPassedOver(line)) || /\r(?!\n)/.test(head) ||
          /\r\n/.test(head) && /[^\r]\n/.test(head)),
  };
  return { layout, sample: body };
}

/** Whether a line is a comment: # is one only where the line begins with it. */
export function isComment(line: string): boolean {
  return line.trimStart().startsWith("#");
}

/** Whether a line is no row: blank, a comment, a ruler under a header, or what Excel says of its delimiter. */
export function isPassedOver(line: string): boolean {
  return line.trim() === "" || isComment(line) || /^[-=+|\s]*[-=]{3}[-=+|\s]*$/.test(line) ||
    /^sep=.\s*$/i.test(line);
}

/** R writes the names of rows without a name over them: quoted, or numbers from 1. */
function beginsWithRowNames(lines: string[], firsts: string[]): boolean {
  return lines.length > 0 &&
    (lines.every((line) => line.trimStart().startsWith('"')) ||
      firsts.every((field, i) => Number(field) === Number(firsts[0]) + i));
}

function usesDecimalCommas(fields: string[]): boolean {
  const commas = fields.filter((field) => /^[+-]?\d+,\d+$/.test(field)).length;
  return commas > 0 && !fields.some((field) => /^[+-]?\d+\.\d+$/.test(field));
}

function delimiterOf(line: string, others: readonly string[] = []): TextLayout["delimiter"] {
  const counts = ([",", ";", "|", "\t"] as const).map((sign) => ({
    sign,
    fields: fieldsOf(line, sign).length,
  }));
  const best = counts.reduce((a, b) => (b.fields > a.fields ? b : a));
  if (best.fields === 1) return null;
  if (best.sign === "\t") {
    // Tabs that blanks are mixed with are blanks; blanks within fields that tabs part are not.
    const tabs = others.filter((other) => fieldsOf(other, "\t").length === best.fields).length;
    return !/ {2}|\t | \t/.test(line) || tabs === others.length && tabs > 0 ? "\t" : null;
  }
  // Decimal commas between tabs or semicolons, or a header with commas over rows without.
  const without = others.filter((other) => !other.includes(best.sign)).length;
  if (others.length > 0 && 2 * without > others.length) {
    return delimiterOf(others.find((o) => !o.includes(best.sign))!);
  }
  if (best.sign === ",") {
    for (const sign of [";", "\t"] as const) {
      const fields = fieldsOf(line, sign), rows = others.map((other) => fieldsOf(other, sign));
      if (
        fields.length > 1 && rows.length > 0 && rows.every((row) => row.length === fields.length) &&
        usesDecimalCommas(rows.flat())
      ) return sign;
    }
  }
  return best.sign;
}

/** The words of a comment that may be a header: commas may stand where the rows have blanks. */
function wordsOf(comment: string, delimiter: TextLayout["delimiter"]): string[] {
  if (delimiter === null && comment.includes(",")) return fieldsOf(comment, ",");
  return fieldsOf(comment, delimiterOf(comment) === null ? null : delimiter ?? delimiterOf(comment));
}

/** The fields of one line; a field that begins with a quote ends with one, and a doubled quote stands for one. */
export function fieldsOf(line: string, delimiter: TextLayout["delimiter"]): string[] {
  if (delimiter === null) {
    const text = line.trim();
    if (!text.includes('"')) return text.split(/\s+/);
    return Array.from(text.matchAll(/"([^"]*)"(?!\S)|\S+/g), ([all, inner]) => inner ?? all);
  }
  return quotedFieldsOf(line, delimiter).fields;
}

/** The fields of a line, and whether its last field is a quote that is not closed. */
export function quotedFieldsOf(line: string, delimiter: string): { fields: string[]; open: boolean } {
  if (!line.includes('"')) return { fields: line.split(delimiter).map((field) => field.trim()), open: false };
  const fields: string[] = [];
  for (let at = 0;;) {
    const start = at + /^[ \t]*/.exec(line.slice(at, at + 200))![0].length;
    if (line[start] === '"') {
      let end = start + 1, value = "";
      for (;;) {
        const quote = line.indexOf('"', end);
        if (quote < 0) return { fields: [...fields, line.slice(start).trim()], open: true };
        value += line.slice(end, quote);
        if (line[quote + 1] !== '"') {
          end = quote + 1;
          break;
        }
        value += '"';
        end = quote + 2;
      }
      const next = line.indexOf(delimiter, end), rest = line.slice(end, next < 0 ? undefined : next);
      // What goes on after its quote was not quoted: 5" refractor.
      if (rest.trim() === "") {
        fields.push(value.trim());
        if (next < 0) return { fields, open: false };
        at = next + 1;
        continue;
      }
    }
    const next = line.indexOf(delimiter, at);
    fields.push(line.slice(at, next < 0 ? undefined : next).trim());
    if (next < 0) return { fields, open: false };
    at = next + 1;
  }
}

function mostCommon(numbers: readonly number[]): number {
  const counts = new Map<number, number>();
  for (const n of numbers) counts.set(n, (counts.get(n) ?? 0) + 1);
  return [...counts].reduce((best, next) => (next[1] > best[1] ? next : best), [0, 0])[0];
}

function isNumeric(field: string): boolean {
  return field !== "" && Number.isFinite(Number(field));
}

function isDate(field: string): boolean {
  return /^\d{4}-\d\d-\d\d([T ]|$)/.test(field);
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
