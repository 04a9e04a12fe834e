/** Files of one layout as something SQL can select from. */
import { Failure, InputError, messageOf } from "../common/errors.ts";
import type { Columns } from "./columns.ts";
import { type Database, name, pathTexts, text, texts } from "./duckdb.ts";
import type { SurveyFile } from "./files.ts";
import { type Format, formatNames, type Readable, recognise } from "./formats/container.ts";
import { type ContainerLayout, layoutOfContainer, loadContainers } from "./formats/load.ts";
import { flattened } from "./formats/nested_parquet.ts";
import type { TableColumn } from "./formats/table.ts";
import { firstBytes } from "./text_file.ts";
import { copyRows } from "./text_copy.ts";
import { lookedAt, type TextLayout } from "./text_layout.ts";

/** What a number is read as. */
type NumberType = "DOUBLE" | "FLOAT";

/** Tables of one layout. Each row also carries `__file`, the path of its file. */
export interface Source extends Columns {
  files: readonly SurveyFile[];
  /** How the text is laid out; undefined for Parquet and containers, whose columns have types. */
  layout: TextLayout | undefined;
  /** DuckDB's type of each column; VARCHAR in text. */
  types: readonly string[];
  /** The cells of the first rows, as text; '' where one is empty. */
  sample: readonly (readonly string[])[];
  /** The unit of each column, as the files write it, where they do. */
  units: readonly (string | undefined)[];
  /** What the files say about each column: a comment, a UCD. */
  descriptions: readonly (string | undefined)[];
  /** What the first file says about itself: TIMESYS, BJDREFI, OBJECT, … */
  metadata: Readonly<Record<string, string>>;
  /** What the files are, in a word: "Parquet", "FITS", "text". */
  format: string;
  /** What is worth a word about how the files are read. */
  notes: readonly string[];
  /** The columns that are read; all if not set. Arrays in cells are taken apart for these alone. */
  wanted?: ReadonlySet<string>;
  /** Where light curves are nested: the columns of the object, of which one is its id. */
  outer?: ReadonlySet<string>;
  /** Keys that folders of the files' paths give a value, as in band=g/, which no column of the files has. */
  folderKeys: readonly string[];
  /** The FROM clause that reads some of the files; what DuckDB would take otherwise than we do is copied first. */
  from(files: readonly SurveyFile[], copy?: boolean): Promise<string>;
  /** The row's number in its file from 1 (Parquet) or its line (copied text), as SQL; null where it is not known. */
  place: string;
  /** Conditions on rows that have more, fewer fields than columns, or a quote that is not closed. */
  broken: { condition: string; reason: string }[];
  /** The cell of a column as trimmed text, null when it is empty. */
  textCell(column: number): string;
  /** The same, but of a column of whole numbers as such: as text they take ten times as long to group. */
  idCell(column: number): string;
  /** Whether the cell of a column of numbers is empty, or a word for that. */
  isEmpty(column: number): string;
  /** The cell of a column as a number of a type (default: DOUBLE), null when it is none. */
  numberCell(column: number, type?: NumberType): string;
}

/** Is told of a file that cannot be read, and is passed over. */
export type Skip = (path: string, reason: string) => void;

/**
 * Groups files by layout, so that columns are mapped once a layout and files of one layout are read together.
 * @param skip files that cannot be read are passed over, and told to it; not given, they are an error
 * @param facts plain names of what headers of files say that is wanted as columns
 * @throws {InputError} when a file cannot be read, or none of them can
 */
export async function sourcesOf(
  db: Database,
  files: readonly SurveyFile[],
  skip?: Skip,
  facts?: ReadonlySet<string>,
): Promise<Source[]> {
  let failed: InputError | undefined;
  /** Looks at a file; undefined when it is passed over. */
  const looked = async <T>(file: SurveyFile, look: () => T | Promise<T>): Promise<T | undefined> => {
    try {
      return await look();
    } catch (error) {
      if (!skip || !(error instanceof InputError)) throw error;
      failed ??= error;
      skip(file.path, error.message);
    }
  };
  const sources: Source[] = [];
  const parquet: SurveyFile[] = [];
  for (const file of files.filter((file) => file.kind === "parquet")) {
    if (await looked(file, () => (refuseCut(file.path), true))) parquet.push(file);
  }
  if (parquet.length > 0) sources.push(...await parquetSources(db, parquet));
  const containers = new Map<string, { format: Format; layout: ContainerLayout; files: SurveyFile[] }>();
  const groups = new Map<string, { layout: TextLayout; sample: string[][]; files: SurveyFile[] }>();
  for (const file of files.filter((file) => file.kind === "text")) {
    const format = file.format ?? await recognise(file.path);
    if (format !== undefined) {
      const layout = await looked(file, () => layoutOfContainer(file.path, format, facts));
      if (!layout) continue;
      const key = `${format} ${layout.key}`;
      if (!containers.has(key)) containers.set(key, { format, layout, files: [] });
      containers.get(key)!.files.push(file);
      continue;
    }
    if (/\.(parquet|parq|pq)$/i.test(file.path)) {
      throw new InputError(`${file.path} is no Parquet file, whatever its name: ${looksLike(file.path)}`);
    }
    const seen = await looked(file, () => lookedAt(file.path));
    if (!seen) continue;
    const { layout, sample } = seen;
    const key = JSON.stringify(layout);
    if (!groups.has(key)) groups.set(key, { layout, sample, files: [] });
    groups.get(key)!.files.push(file);
  }
  for (const { format, layout, files } of containers.values()) {
    sources.push(containerSource(db, format, layout, files, { skip, facts }));
  }
  for (const { layout, sample, files } of groups.values()) {
    sources.push(textSource(db, layout, sample, files));
  }
  if (sources.length === 0 && failed) throw failed;
  return sources;
}

/** The one source of one file: a small table beside the photometry, of which text is always read by way of a copy. */
export async function sourceOf(db: Database, file: SurveyFile): Promise<Source> {
  const [source] = await sourcesOf(db, [file]);
  return source.layout ? textSource(db, { ...source.layout, odd: true }, source.sample, [file]) : source;
}

function looksLike(path: string): string {
  const head = new TextDecoder().decode(firstBytes(path, 200));
  if (/[\0\ufffd]/.test(head)) return "it does not begin with PAR1";
  const line = head.split(/\r?\n/)[0];
  return `it looks like ${line.includes(",") ? "CSV" : "text"} (it begins with ${
    JSON.stringify(line.slice(0, 60))
  })`;
}

/** A text as a number, null when it is none. */
function numberIn(cell: string, type: NumberType): string {
  const number = numberOf(cell);
  return type === "DOUBLE" ? number : `TRY_CAST(${number} AS FLOAT)`;
}

/** Parquet files in groups of one schema: a type that differs between parts (ids as floats in one) is not to spoil the others. */
async function parquetSources(db: Database, files: SurveyFile[]): Promise<Source[]> {
  const byPath = new Map(files.map((file) => [file.path, file]));
  const groups = new Map<string, SurveyFile[]>();
  for (let start = 0; start < files.length; start += 2000) {
    const some = files.slice(start, start + 2000), list = pathTexts(some.map((file) => file.path));
    const schemas = await readable(
      some,
      db.rows<{ file: string; signature: string; rows: number }>(
        `SELECT file_name AS file, any_value(num_rows) AS rows,
          string_agg(concat_ws(' ', name, type, type_length, converted_type, logical_type, scale, precision, num_children), '; ' ORDER BY column_id)
            AS signature
          FROM parquet_schema(${list}) JOIN parquet_file_metadata(${list}) USING (file_name) GROUP BY file_name ORDER BY file_name`,
      ),
    );
    for (const { file, signature, rows } of schemas) {
      // Partitioned catalogues hold files without rows, whose columns may have no type.
      if (rows === 0 && files.length > 1) continue;
      if (!groups.has(signature)) groups.set(signature, []);
      groups.get(signature)!.push(byPath.get(file)!);
    }
  }
  if (groups.size === 0) throw new InputError(`all ${files.length} Parquet files are without rows`);
  return await Promise.all([...groups.values()].map((some) => parquetSource(db, some)));
}

function refuseCut(path: string) {
  using file = Deno.openSync(path, { read: true });
  const size = file.statSync().size, end = new Uint8Array(4);
  if (size >= 12) {
    file.seekSync(size - 4, Deno.SeekMode.Start);
    file.readSync(end);
  }
  if (String.fromCharCode(...end) !== "PAR1") {
    throw new InputError(`${path} is cut: it begins as Parquet and does not end so; get the file again`);
  }
}

async function parquetSource(db: Database, files: SurveyFile[]): Promise<Source> {
  const flat = (some: readonly SurveyFile[]) =>
    `read_parquet(${
      pathTexts(some.map((file) => file.path))
    }, hive_partitioning = false, filename = '__file', ` +
    `file_row_number = true)`;
  const described = await readable(
    files,
    db.rows<{ column_name: string; column_type: string }>(`DESCRIBE SELECT * FROM ${flat([files[0]])}`),
  );
  const there = new Set(
    described.filter(({ column_type: t }) => !/\]$|^STRUCT/.test(t)).map((c) => c.column_name),
  );
  let columns = described.filter(({ column_name: c }) => c !== "__file" && c !== "file_row_number")
    .map(({ column_name, column_type }) => ({ name: column_name, type: column_type }));
  const nested = columns.some(({ type }) => /\]$|^STRUCT/.test(type))
    ? await readable(files, flattened(db, files.map((file) => file.path)))
    : undefined;
  const notes: string[] = [];
  if (nested) {
    ({ columns } = nested);
    notes.push(
      `${files[0].path}: its light curves are in the nested column ${nested.nested}` +
        (nested.passedOver.length > 0 ? `; not read are ${nested.passedOver.join(", ")}` : ""),
    );
  }
  const from = (some: readonly SurveyFile[], wanted?: ReadonlySet<string>) =>
    nested ? nested.from(some.map((file) => file.path), wanted && [...wanted]) : flat(some);
  const shown = await readable(
    files,
    db.rows<{ cells: string[] }>(
      `SELECT [${
        columns.map((column) => `coalesce(${name(column.name)}::VARCHAR, '')`).join(", ")
      }] AS cells FROM (
        SELECT * FROM ${from([files[0]])} LIMIT ${sampleRows})`,
    ),
  );
  const source: Source = {
    ...typedColumns(columns),
    path: files[0].path,
    files,
    units: columns.map(() => undefined),
    descriptions: columns.map(() => undefined),
    metadata: {},
    format: nested ? "nested Parquet" : "Parquet",
    outer: nested && there,
    notes,
    sample: shown.map(({ cells }) => (cells as unknown as { items: string[] }).items ?? cells),
    folderKeys: folderKeysOf(files, columns.map((column) => column.name)),
    from: (some) => Promise.resolve(from(some, source.wanted)),
  };
  return source;
}

/** Rows of which the cells are looked at. */
const sampleRows = 50;

/** Files of one container, which become a table first. */
function containerSource(
  db: Database,
  format: Format,
  layout: ContainerLayout,
  files: SurveyFile[],
  options: { skip?: Skip; facts?: ReadonlySet<string> },
): Source {
  const { columns, metadata, sample: first } = layout;
  const table = db.temporaryName();
  let loaded: readonly SurveyFile[] | undefined, loadedColumns: Source["wanted"], relation = "";
  const cell = (column: TableColumn, row: number) => {
    const value = column.values[row];
    return column.missing?.[row] || value === null
      ? ""
      : column.type === "BOOLEAN"
      ? String(value === 1)
      : String(value);
  };
  const source: Source = {
    ...typedColumns(columns),
    path: files[0].path,
    files,
    units: columns.map(({ unit }) => unit),
    descriptions: columns.map(({ description }) => description),
    metadata,
    format: formatNames[format as Readable] ?? format,
    notes: [],
    sample: Array.from(
      { length: Math.min(first.rows, sampleRows) },
      (_, row) => first.columns.map((column) => cell(column, row)),
    ),
    folderKeys: folderKeysOf(files, columns.map((column) => column.name)),
    async from(some) {
      const same = loaded?.length === some.length && loaded.every((file, k) => file === some[k]);
      if (!same || loadedColumns !== source.wanted) {
        loaded = undefined;
        loadedColumns = source.wanted;
        relation = await loadContainers(db, some.map((file) => file.path), format, table, {
          ...options,
          wanted: source.wanted,
        });
        loaded = some;
      }
      return relation;
    },
  };
  return source;
}

/** What a table with typed columns, and the number of each row in its file, has in common. */
function typedColumns(described: readonly { name: string; type: string }[]) {
  const columns = described.map((column) => column.name), types = described.map((column) => column.type);
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
    columns,
    types,
    named: true,
    layout: undefined,
    place: "file_row_number + 1",
    broken: [],
    textCell,
    idCell: (i: number) => /^U?(TINY|SMALL|BIG)?INT(EGER)?$/.test(types[i]) ? name(columns[i]) : textCell(i),
    // A number is not written as text only to see whether it is there.
    isEmpty: (i: number) =>
      isNumber(i) ? `${name(columns[i])} IS NULL` : `(${textCell(i)} IS NULL OR ${isNothing(textCell(i))})`,
    numberCell: (i: number, type: NumberType = "DOUBLE") =>
      types[i] === type
        ? name(columns[i])
        : isNumber(i)
        ? `TRY_CAST(${name(columns[i])} AS ${type})`
        : numberIn(textCell(i), type),
  };
}

/** Keys with a value in the folders of every file (band=g/), unless a column has their name. */
function folderKeysOf(files: readonly SurveyFile[], columns: readonly string[]): string[] {
  const keysOf = (path: string) =>
    path.split("/").slice(0, -1).flatMap((part) => /^([A-Za-z_]\w*)=/.exec(part)?.[1] ?? []);
  const there = new Set(columns.map((column) => column.toLowerCase()));
  let keys = keysOf(files[0].path).filter((key) => !there.has(key.toLowerCase()));
  for (const { path } of files) {
    if (keys.length === 0) return [];
    const own = new Set(keysOf(path));
    keys = keys.filter((key) => own.has(key));
  }
  return keys;
}

/** The value that a row's file has for a key of its folders, as text. */
export function folderValue(key: string): string {
  return `nullif(url_decode(regexp_extract(__file, ${text(`(?:^|/)${key}=([^/]*)/`)}, 1)), '')`;
}

/** A text as a double, or null. DuckDB would take 50_000 for 50000; in a table of numbers that is a damaged 50.000. */
function numberOf(cell: string): string {
  return `TRY_CAST(replace(${cell}, '_', '?') AS DOUBLE)`;
}

/** Words that mean "no value" where a number should be; an id or a class may be called so. */
const nothing = ["null", "NULL", "None", "NA", "N/A", "n/a", "<NA>", "--"];
const isNothing = (cell: string) => `${cell} IN (${nothing.map(text).join(", ")})`;

function textSource(db: Database, layout: TextLayout, sample: Source["sample"], files: SurveyFile[]): Source {
  const { delimiter, header, columns, named } = layout;
  const options = [
    `auto_detect = false`,
    `header = false`,
    `hive_partitioning = false`,
    `filename = '__file'`,
    // Rows with too many or too few fields, or bytes that are not UTF-8, are set aside by DuckDB and counted by the caller.
    `store_rejects = true`,
    `rejects_limit = 0`,
  ];
  const paths = (some: readonly SurveyFile[]) => pathTexts(some.map((file) => file.path));
  const cells = columns.map((_, i) => `c${i + 1}`);
  const typed = cells.map((cell) => `'${cell}': 'VARCHAR'`);
  const textCell = (i: number) => `nullif(trim(c${i + 1}), '')`;
  const notHeader =
    header?.map((word, i) => `${textCell(i)} IS DISTINCT FROM ${word ? text(word) : "NULL"}`).join(" OR ") ??
      "true";
  const whole = "0 AS __line, 0 AS __excess";

  const copied = async (some: readonly SurveyFile[]) => {
    const copy = db.temporaryFile();
    await copyRows(some.map((file) => file.path), layout, copy);
    const fields = ["'__number': 'INTEGER'", "'__line': 'BIGINT'", "'__fields': 'INTEGER'", ...typed];
    const excess = `CASE WHEN __fields < 0 THEN -100000 ELSE __fields - ${columns.length} END AS __excess`;
    // No line is longer than what a quoted field was allowed to grow to.
    return `(SELECT * EXCLUDE (__number, __fields), ${excess}, (${
      texts(some.map((file) => file.path))
    })[__number + 1] AS __file FROM read_csv(${
      text(copy)
    }, auto_detect = false, header = false, delim = ',', quote = '"',
      escape = '"', columns = {${fields.join(", ")}}))`;
  };
  const byLines = (some: readonly SurveyFile[]) => {
    // A run of blanks is no delimiter that DuckDB's reader knows: it reads lines, and they are split here.
    const lines = [
      ...options,
      `delim = '\x01'`,
      `quote = ''`,
      `escape = ''`,
      `strict_mode = false`,
      `columns = {'line': 'VARCHAR'}`,
    ];
    const trimmed = `trim(line, ' \t\r')`;
    const split = `CASE WHEN contains(line, '"')
      THEN list_transform(regexp_extract_all(${trimmed}, '"[^"]*"|\\S+'), lambda f: CASE WHEN f LIKE '"%"' THEN f[2:-2] ELSE f END)
      ELSE regexp_split_to_array(${trimmed}, '\\s+') END`;
    return `(SELECT * EXCLUDE (fields), ${
      cells.map((cell, i) => `fields[${i + 1}] AS ${cell}`).join(", ")
    }, 0 AS __line, len(fields) - ${columns.length} AS __excess FROM (SELECT ${split} AS fields, __file ` +
      `FROM read_csv(${paths(some)}, ${lines.join(", ")}) ` +
      `WHERE ${trimmed} <> '' AND NOT starts_with(ltrim(line, ' \t'), '#') AND NOT regexp_full_match(line, '[-=+|\\s]*[-=]{3}[-=+|\\s]*')` +
      (header ? ` AND ${split} <> ${texts(header)}` : "") + "))";
  };
  const byReader = (some: readonly SurveyFile[]) => {
    const delimited = [
      ...options,
      `delim = ${text(delimiter!)}`,
      `quote = '"'`,
      `escape = '"'`,
      `columns = {${typed.join(", ")}}`,
    ];
    // The header is left out by what it says: it may be repeated.
    return `(SELECT *, ${whole} FROM read_csv(${paths(some)}, ${delimited.join(", ")}) WHERE ${notHeader})`;
  };
  // A decimal comma is one only between digits.
  const numeric = (i: number) =>
    layout.decimalComma
      ? `CASE WHEN regexp_full_match(${textCell(i)}, '[^.,]*,[0-9]+') THEN replace(${
        textCell(i)
      }, ',', '.') ELSE ${textCell(i)} END`
      : textCell(i);
  return {
    path: files[0].path,
    columns,
    types: columns.map(() => "VARCHAR"),
    units: columns.map(() => undefined),
    descriptions: columns.map(() => undefined),
    metadata: {},
    format: "text",
    notes: [],
    named,
    files,
    layout,
    sample,
    folderKeys: folderKeysOf(files, columns),
    from: async (some, copy = layout.odd) =>
      copy ? await copied(some) : delimiter === null ? byLines(some) : byReader(some),
    place: "nullif(__line, 0)",
    broken: [
      { condition: "__excess > 0", reason: "more fields than columns" },
      { condition: "__excess < -99999", reason: "a quote is not closed" },
      { condition: "__excess < 0", reason: "fewer fields than columns" },
    ],
    textCell,
    idCell: textCell,
    isEmpty: (i) => `(${textCell(i)} IS NULL OR ${isNothing(textCell(i))})`,
    numberCell: (i, type = "DOUBLE") => numberIn(numeric(i), type),
  };
}

/** Turns DuckDB's complaint about a file's content into wrong input. */
export async function readable<T>(files: readonly SurveyFile[], work: Promise<T>): Promise<T> {
  try {
    return await work;
  } catch (error) {
    if (!(error instanceof Failure) || isOurLimit(error)) throw error;
    const named = files.find((file) => error.message.includes(file.path)) ?? files[0];
    throw new InputError(`${named.path} cannot be read: ${messageOf(error).replace(/^DuckDB: /, "")}`);
  }
}

/** Whether DuckDB failed for want of memory or disk, and not for what is in a file. */
function isOurLimit(error: Failure): boolean {
  return /memory limit|No space left|disk/i.test(error.message);
}

/**
 * Reads some files: as they lie, and where DuckDB cannot (mixed line ends, quotes within a field), by way of a copy.
 * @param work what is done with the FROM clause; what it changed is undone before it is done again
 * @throws {InputError} when the files cannot be read
 */
export async function reading<T>(
  db: Database,
  source: Source,
  files: readonly SurveyFile[],
  work: (from: string) => Promise<T>,
): Promise<T> {
  if (!source.layout || source.layout.odd) return await readable(files, work(await source.from(files)));
  await db.run("BEGIN");
  let failed: unknown, result: T | undefined;
  const before = await lastScan(db);
  try {
    result = await work(await source.from(files));
  } catch (error) {
    failed = error;
  }
  const odd = failed === undefined && source.layout.delimiter !== null && await hasOddRejects(db, before);
  if (failed === undefined && !odd) {
    await db.run("COMMIT");
    return result!;
  }
  await db.run("ROLLBACK");
  if (failed && (!(failed instanceof Failure) || isOurLimit(failed))) throw failed;
  if (await lastScan(db) > before) {
    for (const table of ["reject_errors", "reject_scans"]) {
      await db.run(`DELETE FROM ${table} WHERE scan_id > ${before}`);
    }
  }
  return await readable(files, work(await source.from(files, true)));
}

/** Whether DuckDB keeps a list of the rows it set aside. */
export async function keepsRejects(db: Database): Promise<boolean> {
  const { there } = await db.row<{ there: number }>(
    `SELECT count(*) AS there FROM duckdb_tables() WHERE table_name = 'reject_errors'`,
  );
  return there > 0;
}

async function lastScan(db: Database): Promise<number> {
  if (!await keepsRejects(db)) return -1;
  return (await db.row<{ last: number | null }>(`SELECT max(scan_id) AS last FROM reject_scans`)).last ?? -1;
}

/** Whether rows were set aside that a copy would have: quotes that do not enclose a field, commas at the end. */
async function hasOddRejects(db: Database, before: number): Promise<boolean> {
  if (!await keepsRejects(db)) return false;
  const { odd } = await db.row<{ odd: boolean | null }>(
    `SELECT bool_or(error_type IN ('UNQUOTED VALUE', 'LINE SIZE OVER MAXIMUM') OR contains(csv_line, '"')
        OR regexp_full_match(csv_line, '.*[,;|\\t][\\s,;|]*') AND error_type = 'TOO MANY COLUMNS') AS odd
      FROM reject_errors WHERE scan_id > ${before}`,
  );
  return odd === true;
}

/**
 * Refuses ids in a column of floating-point numbers that are too long for it: neighbouring ids fall on one number.
 * @throws {InputError} that names the file, the column and one of the ids
 */
export async function refuseFloatIds(db: Database, source: Source, column: number): Promise<void> {
  const type = source.types[column];
  if (!/^(FLOAT|DOUBLE)$/.test(type)) return;
  const number = source.numberCell(column), limit = type === "FLOAT" ? 2 ** 24 : 2 ** 53;
  const [row] = await readable(
    source.files,
    db.rows<{ id: string; file: string }>(
      `SELECT ${source.textCell(column)} AS id, __file AS file FROM ${await source.from(source.files)}
        WHERE abs(${number}) >= ${limit} LIMIT 1`,
    ),
  );
  if (row) throw roundedIds(`${row.file}, column ${source.columns[column]}`, row.id);
}

/** Says that ids lost their last digits on a way through floating point. */
export function roundedIds(where: string, id: string): InputError {
  return new InputError(
    `${where}: the ids are floating-point numbers (e.g. ${id}), which hold no more than 15 digits: different objects may have ` +
      `become one. Write the ids as whole numbers or text (in pandas: astype("Int64") before the merge)`,
  );
}
