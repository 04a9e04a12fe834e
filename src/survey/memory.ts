/** How the memory that a survey may take is shared out. */

/** Bytes of a size such as 4GB or 512MiB. */
export function bytesOf(size: string): number {
  const [, number, prefix, binary] = /^([\d.]+)\s*([KMGT])(i?)B$/i.exec(size)!;
  return Number(number) * (binary ? 1024 : 1000) ** (1 + "KMGT".indexOf(prefix.toUpperCase()));
}

/** What the program takes whatever the survey's size: code, DuckDB beside what it counts, buffers. */
const fixed = 400e6;

/** Bytes for DuckDB, and for observations that are not yet in order; half of a small limit is left to the program. */
export function sharesOf(limit: string): { database: number; buckets: number } {
  const total = bytesOf(limit), left = total - Math.min(fixed, total / 2);
  return { database: Math.floor(0.6 * left), buckets: Math.floor(0.4 * left) };
}
