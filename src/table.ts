/** Numbers and tables as plain text. */

/** Columns of texts, the first flush left, the others flush right. */
export function plainTable(rows: readonly (readonly string[])[]): string {
  const widths = rows[0].map((_, i) => Math.max(...rows.map((row) => row[i].length)));
  return rows.map((row) =>
    row.map((cell, i) => (i === 0 ? cell.padEnd(widths[i]) : cell.padStart(widths[i]))).join("  ").trimEnd()
  ).join("\n");
}

/** A whole number with commas between thousands. */
export function grouped(n: number): string {
  return n.toLocaleString("en-US");
}
