/** Files of one layout as something SQL can select from. */
import { Failure, InputError, messageOf } from "../errors.ts";
import type { Columns } from "./columns.ts";
import { type Database, name, text, texts } from "./duckdb.ts";
import type { SurveyFile } from "./files.ts";
import { layoutOf, type TextLayout } from "./text_layout.ts";

/** What a number is read as. */
type NumberType = "DOUBLE" | "FLOAT";

/** Tables of one layout. Each row also carries `__file`, and `file_row_number` (from 0) where the files are Parquet. */
export interface Source extends Columns {
  files: readonly SurveyFile[];
  /** How the text is laid out; undefined for Parquet. */
  layout: TextLayout | undefined;
  /** The FROM clause that reads some of the files. */
  from(files: readonly SurveyFile[]): string;
  /** The cell of a column as trimmed text, null when it is empty. */
  textCell(column: number): string;
  /** The same, but of a column of whole numbers as such: as text they take ten times as long to group. */
  idCell(column: number): string;
  /** Whether the cell of a column is empty. */
  isEmpty(column: number): string;
  /** The cell of a column as a number of a type (DOUBLE, if not given), null when it is none. */
  numberCell(column: number, type?: NumberType): string;
}

/** Groups files by layout, so that columns are mapped once a layout and files of one layout are read together. */
export async function sourcesOf(db: Database, files: readonly SurveyFile[]): Promise<Source[]> {
  const sources: Source[] = [];
  const parquet = files.filter((file) => file.kind === "parquet");
  if (parquet.length > 0) sources.push(await parquetSource(db, parquet));
  const groups = new Map<string, { layout: TextLayout; files: SurveyFile[] }>();
  for (const file of files.filter((file) => file.kind === "text")) {
    const layout = await layoutOf(file.path);
    const key = JSON.stringify(layout);
    if (!groups.has(key)) groups.set(key, { layout, files: [] });
    groups.get(key)!.files.push(file);
  }
  for (const { layout, files } of groups.values()) sources.push(textSource(layout, files));
  return sources;
}

/** The one source of one file. */
export async function sourceOf(db: Database, file: SurveyFile): Promise<Source> {
  return (await sourcesOf(db, [file]))[0];
}

/** A text as a number, null when it is none. */
function numberIn(cell: string, type: NumberType): string {
  const number = numberOf(cell);
  return type === "DOUBLE" ? number : `TRY_CAST(${number} AS FLOAT)`;
}

async function parquetSource(db: Database, files: SurveyFile[]): Promise<Source> {
  const from = (some: readonly SurveyFile[]) =>
    `read_parquet(${texts(some.map((file) => file.path))}, union_by_name = true, filename = '__file', ` +
    `file_row_number = true)`;
  const described = await readable(
    files,
    db.rows<{ column_name: string; column_type: string }>(`DESCRIBE SELECT * FROM ${from(files)}`),
  );
  const found = described.filter(({ column_name: c }) => c !== "__file" && c !== "file_row_number");
  const types = found.map((column) => column.column_type);
  const columns = found.map((column) => column.column_name);
  const isNumber = (i: number) =>
    /^(U?(TINY|SMALL|BIG|HUGE)?INT(EGER)?|FLOAT|DOUBLE|DECIMAL.*)$/.test(types[i]);
  const textCell = (i: number) => {
    const cell = name(columns[i]);
    // An integer id that pandas stored as a float ("12.0") must still match the integer 12 of another table.
    const written = /^(FLOAT|DOUBLE)$/.test(types[i])
      ? `CASE WHEN ${cell} = trunc(${cell}) THEN TRY_CAST(${cell} AS BIGINT)::VARCHAR ELSE ${cell}::VARCHAR END`
      : `${cell}::VARCHAR`;
    return `nullif(trim(${written}), '')`;
  };
  return {
    path: files[0].path,
    columns,
    named: true,
    files,
    layout: undefined,
    from,
    textCell,
    idCell: (i) => /^U?(TINY|SMALL|BIG)?INT(EGER)?$/.test(types[i]) ? name(columns[i]) : textCell(i),
    // A number is not written as text only to see whether it is there.
    isEmpty: (i) => isNumber(i) ? `${name(columns[i])} IS NULL` : `${textCell(i)} IS NULL`,
    numberCell: (i, type = "DOUBLE") =>
      types[i] === type
        ? name(columns[i])
        : isNumber(i)
        ? `TRY_CAST(${name(columns[i])} AS ${type})`
        : numberIn(textCell(i), type),
  };
}

/** A text as a double, or null. DuckDB would take 50_000 for 50000; in a table of numbers that is a damaged 50.000. */
function numberOf(cell: string): string {
  return `TRY_CAST(replace(${cell}, '_', '?') AS DOUBLE)`;
}

/** Texts that mean "no value". */
const nothing = ["", "null", "NULL", "None", "NA", "N/A"];

function textSource(layout: TextLayout, files: SurveyFile[]): Source {
  const { delimiter, header, columns, named, comments } = layout;
  const options = [
    `auto_detect = false`,
    `header = false`,
    `filename = '__file'`,
    // Rows with too many fields, or bytes that are not UTF-8, are set aside by DuckDB and counted by the caller.
    `store_rejects = true`,
    `rejects_limit = 0`,
  ];
  const paths = (some: readonly SurveyFile[]) => texts(some.map((file) => file.path));
  const base = { path: files[0].path, columns, named, files, layout };
  if (delimiter === null) {
    // A run of blanks is no delimiter that DuckDB's reader knows: it reads lines, and they are split here.
    const lines = [
      ...options,
      `delim = '\x01'`,
      `quote = ''`,
      `escape = ''`,
      `strict_mode = false`,
      `columns = {'line': 'VARCHAR'}`,
    ];
    const split = `regexp_split_to_array(trim(line, ' \t\r'), '\\s+')`;
    const textCell = (i: number) => `fields[${i + 1}]`;
    return {
      ...base,
      from: (some) =>
        `(SELECT ${split} AS fields, __file ` +
        `FROM read_csv(${paths(some)}, ${lines.join(", ")}) ` +
        `WHERE trim(line, ' \t\r') <> '' AND NOT starts_with(ltrim(line, ' \t'), '#')` +
        (header ? ` AND ${split} <> ${texts(header)}` : "") + ")",
      textCell,
      idCell: textCell,
      isEmpty: (i) => `${textCell(i)} IS NULL`,
      numberCell: (i, type = "DOUBLE") => numberIn(textCell(i), type),
    };
  }
  const types = columns.map((_, i) => `'c${i + 1}': 'VARCHAR'`).join(", ");
  const delimited = [
    ...options,
    `delim = ${text(delimiter)}`,
    `quote = '"'`,
    `escape = '"'`,
    `columns = {${types}}`,
    `nullstr = ${texts(nothing)}`,
    `null_padding = true`,
    ...(comments ? [`comment = '#'`] : []),
  ];
  const textCell = (i: number) => `nullif(trim(c${i + 1}), '')`;
  const notHeader =
    header?.map((word, i) => `${textCell(i)} IS DISTINCT FROM ${word ? text(word) : "NULL"}`).join(" OR ") ??
      "true";
  return {
    ...base,
    // The header is left out by what it says: DuckDB's "skip" counts comments in some files and not in others.
    from: (some) => `(FROM read_csv(${paths(some)}, ${delimited.join(", ")}) WHERE ${notHeader})`,
    textCell,
    idCell: textCell,
    isEmpty: (i) => `${textCell(i)} IS NULL`,
    numberCell: (i, type = "DOUBLE") => numberIn(textCell(i), type),
  };
}

/** Turns DuckDB's complaint about a file's content into wrong input. */
export async function readable<T>(files: readonly SurveyFile[], work: Promise<T>): Promise<T> {
  try {
    return await work;
  } catch (error) {
    if (!(error instanceof Failure) || /memory limit|No space left|disk/i.test(error.message)) throw error;
    const named = files.find((file) => error.message.includes(file.path)) ?? files[0];
    throw new InputError(`${named.path} cannot be read: ${messageOf(error).replace(/^DuckDB: /, "")}`);
  }
}
