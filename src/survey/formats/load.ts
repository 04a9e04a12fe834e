/** Tables of containers as tables in DuckDB. */
import { InputError } from "../../errors.ts";
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
 * @throws {InputError} when the file is refused, broken, or holds no table
 */
export async function layoutOfContainer(path: string, format: Format): Promise<ContainerLayout> {
  for await (const piece of readTables(path, format)) {
    const sample = withFacts(piece);
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

/**
 * Makes a table of the rows of some files of one layout: the typed columns (no value is NULL, and NaN stays NaN in floats), then
 * `__file` (the path) and `file_row_number` (from 0, in its own file).
 * @param skip files that are broken are left out as a whole, and told to it; not given, they are an error
 * @throws {InputError} when a file is broken or has other columns than the first
 */
export async function loadContainers(
  db: Database,
  paths: readonly string[],
  format: Format,
  table: string,
  skip?: (path: string, reason: string) => void,
): Promise<void> {
  let open: { rows: Appender; key: string } | undefined, failed: InputError | undefined;
  const broken: string[] = [];
  try {
    for (const path of paths) {
      try {
        await load(path);
      } catch (error) {
        if (!skip || !(error instanceof InputError)) throw error;
        failed ??= error;
        broken.push(path);
        skip(path, error.message);
      }
    }
  } finally {
    open?.rows.close();
  }
  if (!open) throw failed ?? new InputError(`${paths[0]} holds no table`);
  // What was read of them before the damage is no whole light curve.
  if (broken.length > 0) {
    await db.run(`DELETE FROM ${name(table)} WHERE list_contains(${texts(broken)}, __file)`);
  }

  async function load(path: string): Promise<void> {
    let row = 0;
    for await (const piece of readTables(path, format)) {
      const full = withFacts(piece);
      const key = keyOf(full);
      open ??= { rows: await newTable(db, table, full), key };
      if (key !== open.key) {
        throw new InputError(`${path} has other columns than ${paths[0]}: read them apart`);
      }
      const numbers = new BigInt64Array(full.rows);
      for (let i = 0; i < full.rows; i++) numbers[i] = BigInt(row + i);
      open.rows.append(
        [...full.columns, { values: new Array<string>(full.rows).fill(path) }, { values: numbers }],
        full.rows,
      );
      row += full.rows;
    }
  }
}

async function newTable(db: Database, table: string, { columns }: TablePiece) {
  const all = [
    ...columns,
    { name: "__file", type: "VARCHAR" as const },
    { name: "file_row_number", type: "BIGINT" as const },
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
