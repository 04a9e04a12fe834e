/** SNANA's pair of FITS files: HEAD has a row an object, PHOT the observations of all of them, one object after the other. */
import { InputError } from "../../common/errors.ts";
import { readFits, tablesOf } from "./fits.ts";
import type { TableColumn, TablePiece, Values } from "./table.ts";

/** What HEAD says of an object and an observation should carry. */
const carried = ["SNID", "RA", "DEC", "DECL", "SNTYPE"];

/** The light curves of a FITS file, and of SNANA's pairs those of the photometry with the ids of the other file. */
export async function* readFitsLightCurves(path: string): AsyncGenerator<TablePiece> {
  const found = await tablesOf(path);
  const pieces = readFits(path, found);
  yield* found.tables.some(({ fields }) => isSnanaPhotometry(fields)) ? withHead(path, pieces) : pieces;
}

/** Whether columns are those of a PHOT file. */
function isSnanaPhotometry(fields: readonly { name: string }[]): boolean {
  return fields[0]?.name === "MJD" && fields.some(({ name }) => name === "FLUXCAL") &&
    !fields.some(({ name }) => name === "SNID");
}

/**
 * The observations of a PHOT file with the ids of its HEAD file, without the rows that only part the objects.
 * @throws {InputError} when there is no HEAD file beside it, or it belongs to another
 */
async function* withHead(
  path: string,
  pieces: AsyncGenerator<TablePiece>,
): AsyncGenerator<TablePiece> {
  const head = await headOf(path);
  const first = head.number("PTROBS_MIN"), last = head.number("PTROBS_MAX");
  const objects = Array.from(first, (_, k) => k).sort((a, b) => first[a] - first[b]);
  let row = 0, k = 0;
  for await (const piece of pieces) {
    const kept: number[] = [], owners: number[] = [];
    for (let i = 0; i < piece.rows; i++) {
      const pointer = ++row; // PTROBS counts from 1
      while (k < objects.length && last[objects[k]] < pointer) k++;
      if (k < objects.length && first[objects[k]] <= pointer) {
        kept.push(i);
        owners.push(objects[k]);
      }
    }
    const columns = piece.columns.map((column) => picked(column, kept));
    for (const column of head.columns) {
      if (carried.includes(column.name)) columns.push(picked(column, owners));
    }
    yield { ...piece, columns, rows: kept.length };
  }
  const most = last.reduce((a, b) => Math.max(a, b), 0);
  if (most > row) {
    throw new InputError(
      `${path} has ${row} rows, but ${head.path} points to row ${most}: they do not belong together`,
    );
  }
}

async function headOf(path: string) {
  const name = /^(.*)_PHOT(\.FITS(?:\.gz)?)$/i.exec(path);
  const tried = name ? ["", ".gz"].map((end) => `${name[1]}_HEAD${name[2].replace(/\.gz$/i, "")}${end}`) : [];
  const found = tried.find((file) => {
    try {
      return Deno.statSync(file).isFile;
    } catch {
      return false;
    }
  });
  if (!found) {
    throw new InputError(
      `${path} is the photometry of an SNANA pair, and the file that says whose it is, ` +
        `${tried[0] ?? "…_HEAD.FITS"}, is not there`,
    );
  }
  const pieces = await Array.fromAsync(readFits(found));
  const columns = pieces[0].columns.map((column, c): TableColumn => ({
    ...column,
    values: pieces.flatMap((piece) => Array.from<unknown>(piece.columns[c].values)) as (string | null)[],
    missing: undefined,
  }));
  return {
    path: found,
    columns,
    number(name: string): number[] {
      const column = columns.find((column) => column.name === name);
      if (!column) throw new InputError(`${found} has no column ${name}, which the HEAD file of SNANA has`);
      return Array.from(column.values, Number);
    },
  };
}

function picked(column: TableColumn, rows: readonly number[]): TableColumn {
  const { type, values, missing } = column;
  const from = values as unknown[];
  const made: unknown[] = rows.map((r) => from[r]);
  const typed: Values = type === "VARCHAR"
    ? made as string[]
    : type === "BIGINT"
    ? BigInt64Array.from(made as bigint[])
    : type === "DOUBLE"
    ? Float64Array.from(made as number[])
    : type === "FLOAT"
    ? Float32Array.from(made as number[])
    : type === "INTEGER"
    ? Int32Array.from(made as number[])
    : Uint8Array.from(made as number[]);
  return {
    ...column,
    values: typed,
    ...missing ? { missing: Uint8Array.from(rows, (r) => missing[r]) } : {},
  };
}
