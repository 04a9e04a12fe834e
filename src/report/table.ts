/** Tables of a report: as HTML, and as CSV to copy. */
import { type Html, html } from "./html.ts";

/** A cell: a number is rounded where it is read, and whole where it is copied. */
export type Cell = string | number | null;

export interface ReportTable {
  caption: string;
  columns: readonly string[];
  rows: readonly (readonly Cell[])[];
  /** Digits after the point of numbers that are not whole; four digits in all, if not given. */
  decimals?: number;
}

/** A table with a button that copies it. */
export function tableHtml({ caption, columns, rows, decimals }: ReportTable): Html {
  const cell = (value: Cell) =>
    typeof value === "number"
      ? html`<td class="number">${shownNumber(value, decimals)}</td>`
      : html`<td>${value ?? "–"}</td>`;
  const head = (name: string, i: number) => {
    const numbers = rows.some((row) => typeof row[i] === "number") &&
      rows.every((row) => typeof row[i] !== "string");
    return html`<th scope="col" class="${numbers ? "number" : "text"}">${name}</th>`;
  };
  return html`
    <div class="table" tabindex="0">
      <table>
        <caption>${caption}</caption>
        <thead>
          <tr>${columns.map(head)}</tr>
        </thead>
        <tbody>${rows.map((row) => html`<tr>${row.map(cell)}</tr>\n`)}</tbody>
      </table>
    </div>
    <p><button type="button" data-csv="${csvOf({ columns, rows })}">Copy as CSV</button></p>
  `;
}

/** A number to be read: a whole one with all of its digits, others with so many decimals, or four digits in all. */
export function shownNumber(value: number, decimals?: number): string {
  if (Number.isInteger(value)) return value.toLocaleString("en-US");
  if (decimals !== undefined) return value.toFixed(decimals);
  const size = Math.abs(value);
  return size >= 1e-3 && size < 1e6
    ? value.toLocaleString("en-US", { maximumSignificantDigits: 4 })
    : value.toPrecision(3);
}

/** A table as CSV (RFC 4180). */
export function csvOf({ columns, rows }: Pick<ReportTable, "columns" | "rows">): string {
  return [columns, ...rows].map((row) => row.map(csvCell).join(",")).join("\r\n") + "\r\n";
}

/**
 * A cell of CSV. A spreadsheet takes a text for a formula that begins with one of = + - @, a tab or a line's end: such a
 * text has an apostrophe before it, as OWASP advises (CSV Injection). A number is none.
 */
export function csvCell(value: Cell): string {
  if (value === null) return "";
  if (typeof value === "number") return String(value);
  const text = /^[=+\-@\t\r\n]/.test(value) ? `'${value}` : value;
  return /[",\r\n']/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}
