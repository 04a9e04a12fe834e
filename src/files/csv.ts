/** Tables as CSV (RFC 4180). All CSV that this program writes is written here. */

/** A cell: a number is none of a formula, whatever its sign; NaN, an unknown one, is empty. */
export type Cell = string | number | null;

/** A table as CSV, with a line of column names. */
export function csvOf(
  { columns, rows }: { columns: readonly string[]; rows: readonly (readonly Cell[])[] },
): string {
  return csvLine(columns) + rows.map(csvLine).join("");
}

/** One line of CSV, with its end. */
export function csvLine(cells: readonly Cell[]): string {
  return cells.map(csvCell).join(",") + "\r\n";
}

/**
 * A cell of CSV. A spreadsheet takes a text for a formula that begins with one of = + - @ (or their full-width twins), a
 * tab or a line's end: such a text has an apostrophe before it, as OWASP advises (CSV Injection). A number is none, be it
 * given as a text: an id of -12 stays -12.
 */
export function csvCell(value: Cell): string {
  if (value === null) return "";
  if (typeof value === "number") return Number.isNaN(value) ? "" : String(value);
  const formula = /^[=+\-@\t\r\n＝＋－＠]/.test(value) &&
    !/^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i.test(value);
  const text = formula ? `'${value}` : value;
  return /[",\r\n']/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}

/** A text that this program wrote as a cell: without the apostrophe that stands before what looks like a formula. */
export function readCell(cell: string): string {
  return cell.replace(/^'(?=[=+\-@\t\r\n＝＋－＠])/, "");
}
