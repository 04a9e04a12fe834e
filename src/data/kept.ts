/** Columns that came along from the survey, beside those of a table that a command writes. */
import type { ColumnType, Row } from "../files/parquet.ts";
import type { Dataset } from "./dataset.ts";

/** Kept columns as part of a table with a row a light curve. */
export interface KeptPart {
  columns: Record<string, ColumnType>;
  /** Their cells of a light curve. */
  of(lightCurve: number): Row;
}

/**
 * The name that a column which came along has beside others: with `kept_` before it where one is called so already. Case does
 * not count, as in SQL.
 */
export function keptName(name: string, taken: readonly string[]): string {
  const all = new Set(taken.map((other) => other.toLowerCase()));
  let own = name;
  while (all.has(own.toLowerCase())) own = `kept_${own}`;
  return own;
}

/**
 * The kept columns of a dataset.
 * @param taken names of the table's own columns
 */
export function keptPart({ kept = {} }: Pick<Dataset, "kept">, taken: readonly string[]): KeptPart {
  const named: { name: string; type: ColumnType; values: Row[string][] }[] = [];
  for (const [name, { type, values }] of Object.entries(kept)) {
    named.push({ name: keptName(name, [...taken, ...named.map((column) => column.name)]), type, values });
  }
  return {
    columns: Object.fromEntries(named.map(({ name, type }) => [name, type])),
    of: (lightCurve) => Object.fromEntries(named.map(({ name, values }) => [name, values[lightCurve]])),
  };
}
