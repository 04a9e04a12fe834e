/** Tables of containers as tables in DuckDB. */
import { InputError } from "../../common/errors.ts";
import { type Appender, type Database, name, text, texts } from "../duckdb.ts";
import { type Format, readTables } from "./container.ts";
import { type ColumnHead, type TablePiece, withFacts } from "./table.ts";

/** The columns of one file, and what it says about itself. */
export interface ContainerLayout {
  /** Files with equal keys have the same columns and can be read together. */
  key: string;
  columns: ColumnHead[];
  metadata: Record<string, string>;
  /** The first rows. */
  sample: TablePiece;
}

/**
 * Looks at the first piece of a container.
 * @param facts plain names of what its header says that is wanted as columns
 * @throws {InputError} when the file is refused, broken, or holds no table
 */
export async function layoutOfContainer(
  path: string,
  format: Format,
  facts?: ReadonlySet<string>,
): Promise<ContainerLayout> {
  for await (const piece of readTables(path, format)) {
    const sample = withFacts(piece, facts);
    const columns = sample.columns.map(({ name, type, unit, description }) => ({
      name,
      type,
      unit,
      description,
    }));
    return { key: keyOf(sample), columns, metadata: piece.metadata, sample };
  }
  throw new InputError(`${path} holds no table`);
}

function keyOf(piece: TablePiece): string {
  return JSON.stringify(piece.columns.map(({ name, type, unit }) => [name, type, unit]));
}

/** How containers are loaded. */
export interface LoadOptions {
  /** Is told of files that are broken, which are left out as a whole; not given, they are an error. */
  skip?: (path: string, reason: string) => void;
  /** The columns that are loaded; all if not given. */
  wanted?: ReadonlySet<string>;
  /** Plain names of what headers say that is wanted as columns. */
  facts?: ReadonlySet<string>;
}

/**
 * Makes a table of the rows of some files of one layout: the typed columns (no value is NULL, and NaN stays NaN in floats), then
 * `__number` (of the file, from 0) and `file_row_number` (from 0, in its own file).
 * @returns the relation that has `__file`, the path, in the number's place
 * @throws {InputError} when a file is broken or has other columns than the first
 */
export async function loadContainers(
  db: Database,
  paths: readonly string[],
  format: Format,
  table: string,
  { skip, wanted, facts }: LoadOptions = {},
): Promise<string> {
  let open: { rows: Appender; key: string } | undefined, failed: InputError | undefined;
  const broken: number[] = [];
  try {
    for (const [number, path] of paths.entries()) {
      try {
        await load(path, number);
      } catch (error) {
        if (!skip || !(error instanceof InputError)) throw error;
        failed ??= error;
        broken.push(number);
        skip(path, error.message);
      }
    }
  } finally {
    open?.rows.close();
  }
  if (!open) throw failed ?? new InputError(`${paths[0]} holds no table`);
  // What was read of them before the damage is no whole light curve.
  if (broken.length > 0) {
    await db.run(`DELETE FROM ${name(table)} WHERE __number IN (${broken.join(", ")})`);
  }
  // A path in each row would take most of the time.
  return `(SELECT * EXCLUDE (__number), (${texts(paths)})[__number + 1] AS __file FROM ${name(table)})`;

  async function load(path: string, number: number): Promise<void> {
    let row = 0;
    for await (const piece of readTables(path, format)) {
      const full = withFacts(piece, facts);
      const key = keyOf(full);
      const columns = full.columns.filter((column) => !wanted || wanted.has(column.name));
      open ??= { rows: await newTable(db, table, columns), key };
      if (key !== open.key) {
        throw new InputError(`${path} has other columns than ${paths[0]}: read them apart`);
      }
      const rows = Int32Array.from({ length: full.rows }, (_, i) => row + i);
      open.rows.append(
        [...columns, { values: new Int32Array(full.rows).fill(number) }, { values: rows }],
        full.rows,
      );
      row += full.rows;
    }
  }
}

async function newTable(db: Database, table: string, columns: readonly ColumnHead[]) {
  const all = [
    ...columns,
    { name: "__number", type: "INTEGER" as const },
    { name: "file_row_number", type: "INTEGER" as const },
  ];
  await db.run(
    `CREATE OR REPLACE TABLE ${name(table)} (${all.map((c) => `${name(c.name)} ${c.type}`).join(", ")})`,
  );
  for (const { name: column, unit, description } of columns) {
    const comment = [description, unit].filter(Boolean).join("; ");
    if (comment) {
      await db.run(`COMMENT ON COLUMN ${name(table)}.${name(column)} IS ${text(comment)}`);
    }
  }
  return await db.appender(table, all.map(({ type }) => type));
}
