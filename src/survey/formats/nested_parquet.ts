/**
 * Parquet whose light curves lie in a row an object: list<struct>, struct<list>, or parallel lists, as HATS catalogues (ZTF DR24,
 * Rubin) and data frames grouped by object have them. All of it stays SQL, so that DuckDB streams it partition by partition.
 */
import { fewOf, InputError } from "../../common/errors.ts";
import { type Database, name, pathTexts } from "../duckdb.ts";
import { type DuckdbType, parseType } from "./duckdb_type.ts";
import { isTime, likeness } from "./light_curve_columns.ts";

/** A relation of one row an observation. */
export interface Flattened {
  /**
   * The FROM clause that reads some of the files: the columns, `__file` and `file_row_number` (of the object, from 0).
   * @param wanted the columns that are read; all if not given
   */
  from(paths: readonly string[], wanted?: readonly string[]): string;
  columns: { name: string; type: string }[];
  /** The column of the file that holds the light curves, or its parallel lists. */
  nested: string;
  /** Nested columns that are not read, as a sentence would name them. */
  passedOver: string[];
}

/** Lists that make up light curves together. */
interface Series {
  /** What it is called: the column, with its struct. */
  label: string;
  /** Whether it is one list of structs. */
  ofStructs: boolean;
  /** The list of structs, or nothing. */
  list: string;
  fields: { name: string; type: string; cell: string }[];
}

/** This many rows are looked at to see which lists run in parallel. */
const lookedAt = 2000;

/**
 * How Parquet files with light curves in nested columns are read as a row an observation.
 * @param nested the column that holds them, where there are several; guessed by its fields if not given
 * @returns undefined when no nested column has times in it
 * @throws {InputError} when the named column is none that holds light curves
 */
export async function flattened(
  db: Database,
  paths: readonly string[],
  { nested }: { nested?: string } = {},
): Promise<Flattened | undefined> {
  const read = (some: readonly string[]) =>
    `read_parquet(${
      pathTexts(some)
    }, hive_partitioning = false, filename = '__file', file_row_number = true)`;
  const described = await db.rows<{ column_name: string; column_type: string }>(
    `DESCRIBE SELECT * FROM ${read([paths[0]])}`,
  );
  const columns = described.filter(({ column_name: c }) => c !== "__file" && c !== "file_row_number").map(
    ({ column_name, column_type }) => ({ name: column_name, type: parseType(column_type) }),
  );
  const outer: { name: string; type: string; cell: string }[] = [];
  const series: Series[] = [];
  const parallel: Series = { label: "", ofStructs: false, list: "", fields: [] };
  for (const column of columns) collect(column.name, name(column.name), column.type, outer, series, parallel);
  if (parallel.fields.length > 0) {
    parallel.label = parallel.fields.map((field) => field.name).join(", ");
    series.push(parallel);
  }
  if (series.length === 0) {
    if (nested) throw new InputError(`${paths[0]} has no nested column, so none called ${nested}`);
    return undefined;
  }
  const named = nested &&
    series.find((s) => s.label === nested || s.fields.some((field) => field.name === nested));
  if (nested && !named) {
    throw new InputError(
      `${paths[0]} has no nested column ${nested}; its nested columns are ${
        fewOf(series.map((s) => s.label), 10)
      }`,
    );
  }
  const likely = (wanted: number) => series.find((s) => likeness(s.fields) === wanted);
  const chosen = named || likely(2) || likely(1);
  if (!chosen) return undefined;
  const passedOver = series.filter((s) => s !== chosen).map((s) => s.label);
  if (chosen === parallel) passedOver.push(...await dropOthers(db, read([paths[0]]), parallel));

  const taken = new Set(outer.map((column) => column.name.toLowerCase()));
  const inner = chosen.fields.map((field) => ({
    ...field,
    name: taken.has(field.name.toLowerCase()) && chosen !== parallel
      ? `${chosen.label}.${field.name}`
      : field.name,
  }));
  const all = [...outer, ...inner];
  return {
    columns: all.map(({ name, type }) => ({ name, type })),
    nested: chosen.label,
    passedOver,
    from(some, wanted) {
      const has = (column: { name: string }) => !wanted || wanted.includes(column.name);
      const rows = [...outer.filter(has), { name: "__file", cell: "__file" }, {
        name: "file_row_number",
        cell: "file_row_number",
      }].map(as);
      const elements = inner.filter(has);
      if (elements.length === 0) elements.push(inner[0]);
      if (!chosen.ofStructs) {
        const cells = elements.map(({ name: n, cell }) => `UNNEST(${cell}) AS ${name(n)}`);
        return `(SELECT ${[...rows, ...cells].join(", ")} FROM ${read(some)})`;
      }
      const own = elements.map(({ name: n, cell }) => `__element.${cell} AS ${name(n)}`);
      return `(SELECT * EXCLUDE (__element), ${own.join(", ")} FROM (SELECT ${
        [...rows, `UNNEST(${chosen.list}) AS __element`].join(", ")
      } FROM ${read(some)}))`;
    },
  };
}

function as({ name: n, cell }: { name: string; cell: string }): string {
  return `${cell} AS ${name(n)}`;
}

/** Puts a column where it belongs: to those of the object, to the parallel lists, or among the series. */
function collect(
  label: string,
  cell: string,
  type: DuckdbType,
  outer: { name: string; type: string; cell: string }[],
  series: Series[],
  parallel: Series,
): void {
  if (type.kind === "scalar") {
    outer.push({ name: label, type: type.type, cell });
  } else if (type.kind === "struct") {
    const lists = type.fields.flatMap(({ name: field, type: t }) =>
      t.kind === "list" && t.of.kind === "scalar"
        ? [{ name: field, type: t.of.type, cell: `${cell}.${name(field)}` }]
        : []
    );
    if (lists.length > 0) series.push({ label, ofStructs: false, list: "", fields: lists });
    for (const { name: field, type: t } of type.fields) {
      if (t.kind === "list" && t.of.kind === "scalar") continue;
      collect(`${label}.${field}`, `${cell}.${name(field)}`, t, outer, series, parallel);
    }
  } else if (type.of.kind === "scalar") {
    parallel.fields.push({ name: label, type: type.of.type, cell });
  } else if (type.of.kind === "struct") {
    const fields = type.of.fields.flatMap((field) => scalars(field.name, name(field.name), field.type));
    if (fields.length > 0) series.push({ label, ofStructs: true, list: cell, fields });
  } else {
    // A list of lists of structs, as crossmatches have it: the lists one after the other.
    collect(label, `flatten(${cell})`, type.of, outer, series, parallel);
  }
}

/** The numbers and texts in a field, structs within structs included. */
function scalars(
  label: string,
  cell: string,
  type: DuckdbType,
): { name: string; type: string; cell: string }[] {
  if (type.kind === "scalar") return [{ name: label, type: type.type, cell }];
  return type.kind === "struct"
    ? type.fields.flatMap((field) =>
      scalars(`${label}.${field.name}`, `${cell}.${name(field.name)}`, field.type)
    )
    : [];
}

/** Leaves the lists that are not as long as that of the times out of the parallel ones. Returns their names. */
async function dropOthers(db: Database, from: string, parallel: Series): Promise<string[]> {
  const time = parallel.fields.find(isTime)!;
  const same = parallel.fields.map((field, i) =>
    `coalesce(bool_and(${field.cell} IS NULL OR ${time.cell} IS NULL OR len(${field.cell}) = len(${time.cell})), true) AS same_${i}`
  );
  const found = await db.row<Record<string, boolean>>(
    `SELECT ${same.join(", ")} FROM (SELECT * FROM ${from} LIMIT ${lookedAt})`,
  );
  const others = parallel.fields.filter((_, i) => !found[`same_${i}`]);
  parallel.fields = parallel.fields.filter((_, i) => found[`same_${i}`]);
  return others.map((field) => field.name);
}
