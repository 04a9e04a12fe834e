/** Tables of a report: as HTML, and as CSV to copy. */
import { type Cell, csvOf } from "../files/csv.ts";
import { type Html, html } from "./html.ts";

/** A number is rounded where it is read, and whole where it is copied. */
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
