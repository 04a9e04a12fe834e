/** Numbers and tables as plain text. */
import { stripVTControlCharacters } from "node:util";
import { printable } from "./errors.ts";

/** Columns of texts, printable but for bold, the first flush left, the others flush right. */
export function plainTable(texts: readonly (readonly string[])[]): string {
  const clean = (cell: string) => printable(cell).replace(/\\u001b(\[[01]m)/g, (_, bold) => `\x1b${bold}`); // bold is meant
  const rows = texts.map((row) => row.map(clean));
  const wide = (cell: string) => stripVTControlCharacters(cell).length; // bold takes no room
  const widths = rows[0].map((_, i) => Math.max(...rows.map((row) => wide(row[i]))));
  return rows.map((row) =>
    row.map((cell, i) => {
      const blanks = " ".repeat(widths[i] - wide(cell));
      return i === 0 ? cell + blanks : blanks + cell;
    }).join("  ").trimEnd()
  ).join("\n");
}

/** A number with so many decimals. */
export function fixed(value: number, decimals: number): string {
  return Number.isNaN(value) ? "not defined" : value.toFixed(decimals);
}

/** A whole number with commas between thousands. */
export function grouped(n: number): string {
  return n.toLocaleString("en-US");
}
