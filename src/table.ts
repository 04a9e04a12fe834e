/** Numbers and tables as plain text. */
import { stripVTControlCharacters } from "node:util";

/** Columns of texts, the first flush left, the others flush right. */
export function plainTable(rows: readonly (readonly string[])[]): string {
  const wide = (cell: string) => stripVTControlCharacters(cell).length; // bold takes no room
  const widths = rows[0].map((_, i) => Math.max(...rows.map((row) => wide(row[i]))));
  return rows.map((row) =>
    row.map((cell, i) => {
      const blanks = " ".repeat(widths[i] - wide(cell));
      return i === 0 ? cell + blanks : blanks + cell;
    }).join("  ").trimEnd()
  ).join("\n");
}

/** A whole number with commas between thousands. */
export function grouped(n: number): string {
  return n.toLocaleString("en-US");
}
