/** A table as every container hands it over: pieces of named columns in typed arrays. */
import { InputError } from "../../common/errors.ts";
import { plainName } from "../columns.ts";

/** What a column holds, as DuckDB calls it. */
export type ColumnType = "BOOLEAN" | "INTEGER" | "BIGINT" | "FLOAT" | "DOUBLE" | "VARCHAR";

/** What a column is, before any of its cells. */
export interface ColumnHead {
  name: string;
  type: ColumnType;
  /** As the file writes it: "d", "mag", "e-/s". */
  unit?: string;
  /** What the file says about the column, its UCD included: "BJD - 2400000 [time.epoch]". */
  description?: string;
}

/** The cells of a column, by its type. */
export type Values =
  | Uint8Array<ArrayBuffer>
  | Int32Array<ArrayBuffer>
  | BigInt64Array<ArrayBuffer>
  | Float32Array<ArrayBuffer>
  | Float64Array<ArrayBuffer>
  | (string | null)[];

/** A piece of a column. No value is NaN among floats, null among texts, and a 1 in `missing` among integers and booleans. */
export interface TableColumn extends ColumnHead {
  /** BOOLEAN: Uint8Array; INTEGER: Int32Array; BIGINT: BigInt64Array; FLOAT: Float32Array; DOUBLE: Float64Array; VARCHAR: texts. */
  values: Values;
  /** One byte a row; absent when every value is there. */
  missing?: Uint8Array;
}

/** Some rows of a table; all pieces of a file have the same columns. A table without rows comes as one piece of 0 rows. */
export interface TablePiece {
  /** The table's name in its file, where it has one. */
  name: string;
  /** What the file says about itself, by key: TIMESYS, BJDREFI, OBJECT, … */
  metadata: Record<string, string>;
  columns: TableColumn[];
  rows: number;
}

/** Rows of a piece: enough that the cost of a piece does not matter, and a few MB at most. */
export const pieceRows = 1 << 15;

/** Header facts that say which object or band all rows of a file belong to, in columns of their own. */
const facts = "OBJECT KEPLERID KIC EPICID TICID TIC SNID IAUC NAME SOURCE_ID SOURCEID FILTER BAND".split(" ");

/** What is said of columns that stand in the header, and of those that are there because they are asked for. */
export const fromHeader = "stands in the file's header", askedOfHeader = "asked of the file's header";

/** The facts in a file's metadata that no column of the table tells. */
function factsOf({ metadata, columns }: TablePiece, asked: ReadonlySet<string>): [string, string, string][] {
  const there = new Set(columns.map(({ name }) => name.toUpperCase()));
  const given = new Map(Object.entries(metadata).map(([key, value]) => [key.toUpperCase(), value.trim()]));
  const others = Object.entries(metadata).filter(([key]) =>
    asked.has(plainName(key)) && !facts.includes(key.toUpperCase()) && !there.has(key.toUpperCase())
  );
  return [
    ...facts.filter((fact) => given.get(fact) && !there.has(fact)).map((
      fact,
    ): [string, string, string] => [fact, given.get(fact)!, fromHeader]),
    ...others.filter(([, value]) => value.trim() !== "").map((
      [key, value],
    ): [string, string, string] => [key, value.trim(), askedOfHeader]),
  ];
}

/**
 * A piece with the facts of its metadata as columns.
 * @param asked plain names of more facts that are wanted as columns
 */
export function withFacts(piece: TablePiece, asked: ReadonlySet<string> = new Set()): TablePiece {
  const constant = factsOf(piece, asked).map(([name, value, description]): TableColumn => ({
    name,
    type: "VARCHAR",
    description,
    values: new Array<string>(piece.rows).fill(value),
  }));
  return constant.length === 0 ? piece : { ...piece, columns: [...piece.columns, ...constant] };
}

/** Names made different from each other: a second `mag` becomes `mag_2`. Case does not count, as in SQL. */
export function distinctNames(names: readonly string[]): string[] {
  const taken = new Set<string>();
  return names.map((name, i) => {
    const base = name.trim() || `column_${i + 1}`;
    let own = base;
    for (let k = 2; taken.has(own.toLowerCase()); k++) own = `${base}_${k}`;
    taken.add(own.toLowerCase());
    return own;
  });
}

/** A cell: text to be read as its column says, or a number. */
export type Cell = string | number | bigint | null | undefined;

/** A column of a table whose cells are written as text. */
export interface CellHead extends ColumnHead {
  /** Texts that stand for no value, beside the empty one. */
  nulls?: readonly string[];
}

/** Collects cells that are written as text into typed columns, piece by piece. */
export class CellTable {
  private readonly arrays: Values[];
  private readonly gaps: (Uint8Array | undefined)[];
  private readonly nullNumbers: number[][];
  /** Rows since the last piece. */
  rows = 0;
  /** Rows of all pieces before. */
  private before = 0;

  /**
   * @param path for messages
   * @param heads the columns, with names that differ
   */
  constructor(private readonly path: string, readonly heads: readonly CellHead[]) {
    this.arrays = heads.map(({ type }) => emptyValues(type, pieceRows));
    this.gaps = heads.map(() => undefined);
    this.nullNumbers = heads.map(({ nulls }) => (nulls ?? []).filter((text) => text !== "").map(Number));
  }

  /**
   * Adds a row.
   * @param cells one a column; a missing one is no value
   * @throws {InputError} when a cell is not what its column says
   */
  add(cells: readonly Cell[]): void {
    const row = this.rows;
    for (let c = 0; c < this.heads.length; c++) {
      const { type, nulls } = this.heads[c];
      const values = this.arrays[c];
      const given = cells[c];
      if (typeof given === "number" || typeof given === "bigint") {
        if (type === "VARCHAR") (values as (string | null)[])[row] = String(given);
        else if (nulls === undefined || !nulls.includes(String(given))) values[row] = given;
        else this.gap(c);
        continue;
      }
      let cell = given?.trim() ?? "";
      if (nulls !== undefined && (nulls.includes(cell) || type !== "VARCHAR" && this.isNull(c, cell))) {
        cell = "";
      }
      if (type === "VARCHAR") (values as (string | null)[])[row] = cell === "" ? null : cell;
      else if (type === "DOUBLE" || type === "FLOAT") {
        (values as Float64Array)[row] = cell === "" ? NaN : this.number(cell, c);
      } else if (cell === "" || /^(nan|null|none|--)$/i.test(cell)) {
        this.gap(c);
      } else if (type === "BIGINT") (values as BigInt64Array)[row] = this.whole(cell, c);
      else if (type === "INTEGER") {
        // VOTables of IRSA write 0x3.
        const number = /^0x[0-9a-f]+$/i.test(cell) ? Number(cell) : this.number(cell, c);
        if (!Number.isInteger(number) || Math.abs(number) > 0x7fffffff) {
          this.refuse(cell, c, "a whole number");
        }
        (values as Int32Array)[row] = number;
      } else (values as Uint8Array)[row] = this.truth(cell, c);
    }
    this.rows++;
  }

  /** Whether a piece is full, and has to be taken before the next row. */
  get full(): boolean {
    return this.rows === pieceRows;
  }

  /** The rows so far as a piece; the next row begins another. */
  take(name: string, metadata: Record<string, string>): TablePiece {
    const rows = this.rows;
    const columns = this.heads.map(({ name, type, unit, description }, c): TableColumn => ({
      name,
      type,
      unit,
      description,
      values: this.arrays[c].slice(0, rows) as Values,
      ...this.gaps[c] ? { missing: this.gaps[c].slice(0, rows) } : {},
    }));
    this.gaps.fill(undefined);
    this.before += rows;
    this.rows = 0;
    return { name, metadata, columns, rows };
  }

  /** Whether a number stands for no value: 99.9990 does where 99.999 is said to. */
  private isNull(c: number, cell: string): boolean {
    return this.nullNumbers[c].includes(Number(cell));
  }

  /** No value, in the row being added. */
  private gap(c: number): void {
    const { type } = this.heads[c], values = this.arrays[c], row = this.rows;
    values[row] = type === "BIGINT" ? 0n : type === "DOUBLE" || type === "FLOAT" ? NaN : 0;
    if (type !== "DOUBLE" && type !== "FLOAT") (this.gaps[c] ??= new Uint8Array(pieceRows))[row] = 1;
  }

  private number(cell: string, c: number): number {
    const number = Number(cell);
    if (!Number.isNaN(number) && !/^[+-]?0[xob]/i.test(cell)) return number;
    if (/^[+-]?(nan|null|none|masked|--)$/i.test(cell)) return NaN;
    const infinite = /^([+-]?)inf(inity)?$/i.exec(cell);
    if (infinite) return infinite[1] === "-" ? -Infinity : Infinity;
    // FORTRAN writes 1.5D+03.
    if (/^[+-]?[\d.]+d[+-]?\d+$/i.test(cell)) return Number(cell.replace(/d/i, "e"));
    return this.refuse(cell, c, "a number");
  }

  private whole(cell: string, c: number): bigint {
    if (!/^([+-]?\d+(\.0*)?|0x[0-9a-f]+)$/i.test(cell)) return this.refuse(cell, c, "a whole number");
    const number = BigInt(cell.replace(/^\+/, "").replace(/\..*/, ""));
    return BigInt.asIntN(64, number) === number ? number : this.refuse(cell, c, "a whole number of 64 bits");
  }

  private truth(cell: string, c: number): number {
    if (/^(true|t|1|yes|y)$/i.test(cell)) return 1;
    return /^(false|f|0|no|n)$/i.test(cell) ? 0 : this.refuse(cell, c, "true or false");
  }

  private refuse(cell: string, c: number, wanted: string): never {
    throw new InputError(
      `${this.path}: row ${this.before + this.rows + 1}, column ${this.heads[c].name}: ` +
        `${JSON.stringify(cell.slice(0, 60))} is not ${wanted}`,
    );
  }
}

/** Room for cells of a type. */
export function emptyValues(type: ColumnType, rows: number): Values {
  switch (type) {
    case "BOOLEAN":
      return new Uint8Array(rows);
    case "INTEGER":
      return new Int32Array(rows);
    case "BIGINT":
      return new BigInt64Array(rows);
    case "FLOAT":
      return new Float32Array(rows);
    case "DOUBLE":
      return new Float64Array(rows);
    case "VARCHAR":
      return new Array<string | null>(rows).fill(null);
  }
}
