/**
 * Columns of the files that go along with each light curve: what --keep names, and the positions that --object-radius
 * needs.
 */
import { InputError } from "../common/errors.ts";
import { keptName } from "../data/kept.ts";
import type { ColumnType } from "../files/parquet.ts";
import { columnCalled, type Columns, listed, plainName } from "./columns.ts";
import type { Database } from "./duckdb.ts";
import type { Source } from "./source.ts";

/** Which columns go along. */
export interface CarriedSettings {
  /** Names of columns. */
  keep?: readonly string[];
  /** Ids nearer to each other than so many seconds of arc are one star. */
  object_radius?: number;
  /** Columns of positions; guessed by their usual names if not given. */
  ra?: string;
  dec?: string;
}

/** What is asked for, before it is known where it is. */
export interface Asked {
  /** Names of which the first that is there is taken. */
  names: readonly string[];
  setting: "keep" | "ra" | "dec";
}

/** A column that goes along: `carried_0`, `carried_1`, … of the tables `raw`, `found`, `light_curves` and `labels`. */
export interface Carried extends Asked {
  /** As its file spells it. */
  name: string;
  /** VARCHAR of texts, until all values are known. */
  type: CarriedType;
  /** Its place in each source, from 0, where that has it. */
  columns: readonly (number | undefined)[];
  /** Whether the table of labels says what files do not. */
  fromLabels: boolean;
}

type CarriedType = "BOOLEAN" | "INTEGER" | "BIGINT" | "FLOAT" | "DOUBLE" | "VARCHAR";

/** What the columns of a dataset are called in `dataset.json`. */
export const columnTypes: Record<CarriedType, ColumnType> = {
  BOOLEAN: "boolean",
  INTEGER: "int32",
  BIGINT: "int64",
  FLOAT: "float32",
  DOUBLE: "float64",
  VARCHAR: "text",
};

/** Usual names of positions in degrees, the surer first. */
const positions = {
  ra: "ra raj2000 radeg raicrs rightascension ramean meanra objectra objra raobj alphaj2000 alpha".split(" "),
  dec:
    "dec dej2000 decj2000 decdeg dedeg deicrs decicrs declination decl decmean meandec objectdec objdec decobj deltaj2000 delta"
      .split(" "),
};

/** What the settings ask for, in the order of `carried_0`, `carried_1`, … */
export function askedColumns({ keep = [], object_radius, ra, dec }: CarriedSettings): Asked[] {
  if (object_radius === undefined && (ra ?? dec) !== undefined) {
    throw new InputError("--ra and --dec need --object-radius, which is not given");
  }
  return [
    ...[...new Set(keep)].map((name): Asked => ({ names: [name], setting: "keep" })),
    ...object_radius === undefined ? [] : [
      { names: ra === undefined ? positions.ra : [ra], setting: "ra" },
      { names: dec === undefined ? positions.dec : [dec], setting: "dec" },
    ] satisfies Asked[],
  ];
}

/** The place of an asked column in a table. */
export function placeOf(table: Columns, { names, setting }: Asked): number | undefined {
  const given = names.length === 1;
  const plain = given ? [] : table.columns.map(plainName);
  for (const name of names) {
    const at = given ? columnCalled(table, name) : plain.indexOf(name);
    if (at !== undefined && at >= 0 && (table.named || setting === "keep" || given)) return at;
  }
  return undefined;
}

/**
 * Finds the asked columns in the sources, or else in the table of labels.
 * @param labelled how the table of labels spells each of them, where it has it
 * @throws {InputError} when a column is nowhere
 */
export function carriedColumns(
  sources: readonly Source[],
  asked: readonly Asked[],
  labelled: readonly (string | undefined)[],
): { carried: Carried[]; notes: string[] } {
  const notes: string[] = [];
  const carried = asked.map((one, i): Carried => {
    const columns = sources.map((source) => placeOf(source, one));
    const first = columns.findIndex((column) => column !== undefined);
    if (first < 0 && labelled[i] === undefined) throw missing(sources[0], one);
    const lacking = sources.filter((_, k) => columns[k] === undefined);
    const fromLabels = lacking.length > 0 && labelled[i] !== undefined;
    if (lacking.length > 0 && !fromLabels) {
      const files = lacking.reduce((sum, source) => sum + source.files.length, 0);
      notes.push(
        `${files} files such as ${lacking[0].path} have no column "${
          sources[first].columns[columns[first]!]
        }" ` + `(--${one.setting}): it is empty for their light curves`,
      );
    }
    const types = sources.flatMap((source, k) =>
      columns[k] === undefined ? [] : [typeOf(source, columns[k])]
    );
    return {
      ...one,
      columns,
      fromLabels,
      name: first < 0 ? labelled[i]! : sources[first].columns[columns[first]!],
      type: fromLabels ? "VARCHAR" : types.reduce(widened),
    };
  });
  return { carried, notes };
}

function missing(source: Source, { names, setting }: Asked): InputError {
  if (setting === "keep") {
    return new InputError(`${source.path} has no column "${names[0]}" (--keep); ${listed(source)}`);
  }
  const what = setting === "ra" ? "right ascension" : "declination";
  return names.length === 1
    ? new InputError(`${source.path} has no column "${names[0]}" (--${setting}); ${listed(source)}`)
    : new InputError(
      `${source.path}: which column is the ${what}, in degrees? --object-radius needs it: give --${setting}; ${
        listed(source)
      }`,
    );
}

/** What a column of a source is carried as. */
function typeOf({ layout, types }: Source, column: number): CarriedType {
  const type = types[column];
  if (layout) return "VARCHAR";
  if (/^U?(TINY|SMALL)INT$|^INTEGER$/.test(type)) return "INTEGER";
  if (/^(UINTEGER|BIGINT)$/.test(type)) return "BIGINT";
  if (/^(DOUBLE|DECIMAL)/.test(type)) return "DOUBLE";
  return type === "FLOAT" || type === "BOOLEAN" ? type : "VARCHAR";
}

/** What holds the values of two types. */
function widened(a: CarriedType, b: CarriedType): CarriedType {
  if (a === b) return a;
  const both = [a, b];
  if (both.includes("VARCHAR") || both.includes("BOOLEAN")) return "VARCHAR";
  return both.includes("DOUBLE") || both.includes("FLOAT") ? "DOUBLE" : "BIGINT";
}

/** The value of a carried column in a source, in SQL. */
export function carriedCell(source: Source, k: number, { columns, type }: Carried): string {
  const column = columns[k];
  if (column === undefined) return `NULL::${type}`;
  switch (type) {
    case "VARCHAR":
      return source.textCell(column);
    case "BOOLEAN":
      return `(${source.textCell(column)})::BOOLEAN`;
    case "FLOAT":
    case "DOUBLE":
      return `nullif(${source.numberCell(column, type)}, 'nan'::${type})`;
    default:
      return `${source.idCell(column)}::${type}`;
  }
}

/** What `found` keeps of each column: the first value in time, the least and the largest. */
export function carriedAggregates(count: number): string {
  return Array.from({ length: count }, (_, i) => {
    const cell = `carried_${i}`;
    return `, arg_min(${cell}, {'t': time, 'v': ${cell}}) AS ${cell}, min(${cell}) AS least_${i}, max(${cell}) AS largest_${i}`;
  }).join("");
}

/** A sentence for each kept column whose values differ within a light curve. */
export async function differences(db: Database, carried: readonly Carried[]): Promise<string[]> {
  const notes: string[] = [];
  for (const [i, { name, setting }] of carried.entries()) {
    if (setting !== "keep") continue;
    const { n, all, example } = await db.row<
      { n: number; all: number; example: Record<string, string> | null }
    >(
      `SELECT count(*) FILTER (least_${i} <> largest_${i}) AS n, count(*) AS "all",
        min({'id': key::VARCHAR, 'least': least_${i}::VARCHAR, 'largest': largest_${i}::VARCHAR})
          FILTER (least_${i} <> largest_${i}) AS example
        FROM found WHERE reason IS NULL`,
    );
    if (n === 0) continue;
    const { id, least, largest } = example!;
    notes.push(
      `--keep ${name}: its values differ within ${n} of ${all} light curves (e.g. "${id}": ${least} to ${largest}); ` +
        `the first in time is kept`,
    );
  }
  return notes;
}

/** Names that the columns of a dataset's metadata have. */
const taken =
  "id band class star offset length subset mean_magnitude std_magnitude skewness kurtosis mean_error first_mjd last_mjd"
    .split(" ");

/** A column of the dataset's metadata. */
export interface KeptColumn {
  name: string;
  type: CarriedType;
  /** Its value in `light_curves`, in SQL. */
  sql: string;
}

/** The kept columns as they stand in the metadata: texts that are all numbers have become numbers. */
export async function keptColumns(db: Database, carried: readonly Carried[]): Promise<KeptColumn[]> {
  const names = [...taken], kept: KeptColumn[] = [];
  for (const [i, { name, type, setting }] of carried.entries()) {
    if (setting !== "keep") continue;
    const own = keptName(name, names), cell = `carried_${i}`;
    names.push(own);
    const real = type === "VARCHAR" ? await numberType(db, cell) : type;
    kept.push({ name: own, type: real, sql: real === type ? cell : `TRY_CAST(${cell} AS ${real})` });
  }
  return kept;
}

/** The type of numbers that all texts of a column are, none with zeros before it (00731 is a name). */
async function numberType(db: Database, cell: string): Promise<CarriedType> {
  const { whole, small, number } = await db.row<
    { whole: boolean | null; small: boolean | null; number: boolean | null }
  >(
    `SELECT bool_and(regexp_full_match(${cell}, '[+-]?(0|[1-9][0-9]{0,17})')) AS whole,
      bool_and(coalesce(TRY_CAST(${cell} AS INTEGER), 2147483647) < 2147483647) AS small,
      bool_and(TRY_CAST(${cell} AS DOUBLE) IS NOT NULL AND NOT regexp_matches(${cell}, '^[+-]?0[0-9]|_|^[+-]?[0-9]{16,}$')) AS number
      FROM light_curves WHERE ${cell} IS NOT NULL`,
  );
  if (whole === null) return "VARCHAR";
  return whole ? small ? "INTEGER" : "BIGINT" : number ? "DOUBLE" : "VARCHAR";
}
