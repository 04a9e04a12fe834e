/** Reading: survey files into one table of observations, and every row that is unusable, with its place. */
import { InputError } from "../errors.ts";
import { findColumn, listed, needColumn, type Role } from "./columns.ts";
import { type Database, text } from "./duckdb.ts";
import { stemOf, type SurveyFile } from "./files.ts";
import { readable, type Source, sourcesOf } from "./source.ts";
import { fieldsOf, textOf } from "./text_layout.ts";

/** Which columns hold what; an absent one is guessed. */
export interface ColumnSettings {
  /** A column, or "filename": every file is one light curve, named after the file. */
  id?: string;
  time?: string;
  magnitude?: string;
  error?: string;
  band?: string;
  class?: string;
  /** A regular expression with the groups `id` and `band` that takes a file's name apart. */
  file_name?: string;
}

/** Rows of one kind that cannot be used. */
export interface Unusable {
  reason: string;
  rows: number;
  /** One of them: file, line (text) or row (Parquet), and what stands there. */
  example: string;
}

/** What reading found. */
export interface Reading {
  unusable: Unusable[];
  /** The columns as they were mapped, one entry a layout of files. */
  columns: { files: number; first: string; columns: Partial<Record<Role, string>> }[];
  /** Whether files are light curves, named after the file. */
  idFromFile: boolean;
}

/** What no value is beyond: 27,000 years, and what surveys write for "no value" (1e30, 9.97e36). */
const largest = { time: 1e7, magnitude: 1e10, error: 1e10 };

/** Files read by one statement: MACHO is a million files, and a statement should not be 100 MB long. */
const filesAtOnce = 2000;

/**
 * Makes `raw` (id, band, class VARCHAR; time DOUBLE in days; mag, err FLOAT in magnitudes; reason VARCHAR, null when the row is
 * usable), and from it `found`: a row for each reason, id and band. `band` is '' where there is none. Of Parquet, which is read faster
 * than a copy of it, `raw` is a view, in which whole numbers as ids stay numbers; text is taken apart once, into a table.
 * @param inRange a condition on an observation's time, mag and err, counted in `n_sound`
 * @throws {InputError} when a needed column is not there, or a file cannot be read
 */
export async function readObservations(
  db: Database,
  files: readonly SurveyFile[],
  settings: ColumnSettings,
  inRange: string,
): Promise<Reading> {
  const sources = await sourcesOf(db, files);
  const mapped = sources.map((source) => mapColumns(source, settings, files.length));
  const viewed = sources.length === 1 && sources[0].layout === undefined && files.length <= filesAtOnce;
  if (!viewed) {
    await db.run(
      `CREATE TABLE raw (id VARCHAR, band VARCHAR, class VARCHAR, time DOUBLE, mag FLOAT, err FLOAT, reason VARCHAR,
        file VARCHAR, row BIGINT, cells VARCHAR[])`,
    );
  }
  for (const [k, source] of sources.entries()) {
    for (let start = 0; start < source.files.length; start += filesAtOnce) {
      const some = source.files.slice(start, start + filesAtOnce);
      if (mapped[k].id === undefined || settings.file_name) await nameFiles(db, some, settings.file_name);
      const id = mapped[k].id !== undefined && viewed ? source.idCell(mapped[k].id) : undefined;
      const rows = selection(source, mapped[k], some, settings, id);
      await readable(some, db.run(`${viewed ? "CREATE VIEW raw AS" : "INSERT INTO raw"} ${rows}`));
    }
  }
  await readable(
    files,
    db.run(
      `CREATE TEMP TABLE found AS
        SELECT reason, id AS key, band, count(*) AS n_read, min(class) AS class, max(class) AS other, min(file) AS file,
          count(*) FILTER (${inRange}) AS n_sound, count(*) FILTER (isfinite(mag) AND mag NOT BETWEEN -5 AND 40) AS n_odd
        FROM raw GROUP BY reason, id, band`,
    ),
  );
  return {
    unusable: [...await unusableRows(db, sources, mapped), ...await rejectedRows(db)],
    columns: sources.map((source, k) => ({
      files: source.files.length,
      first: source.files[0].path,
      columns: Object.fromEntries(
        Object.entries(mapped[k]).filter(([, i]) => i !== undefined).map((
          [role, i],
        ) => [role, source.columns[i!]]),
      ),
    })),
    idFromFile: mapped.some((roles) => roles.id === undefined),
  };
}

type Mapping = Partial<Record<Role, number>>;

function mapColumns(source: Source, settings: ColumnSettings, files: number): Mapping {
  const byFile = settings.id === "filename" || settings.file_name !== undefined && settings.id === undefined;
  const roles: Mapping = {
    id: byFile ? undefined : findColumn(source, "id", settings.id, "id"),
    time: needColumn(source, "time", settings.time, "time"),
    magnitude: needColumn(source, "magnitude", settings.magnitude, "magnitude"),
    error: needColumn(source, "error", settings.error, "error"),
    band: findColumn(source, "band", settings.band, "band"),
    class: findColumn(source, "class", settings.class, "class"),
  };
  // One file without an id is one light curve, unless a column that means nothing to us could be the id.
  const meant = new Set(Object.values(roles));
  if (roles.id === undefined && !byFile && files === 1 && source.columns.some((_, i) => !meant.has(i))) {
    throw new InputError(
      `${source.path}: which column is the object's id? Give --id, or --id filename if the file is one light curve; ` +
        listed(source),
    );
  }
  return roles;
}

/** Fills `file_names` with the id and band that each file's name gives. */
async function nameFiles(db: Database, files: readonly SurveyFile[], pattern: string | undefined) {
  let expression: RegExp | undefined;
  try {
    expression = pattern === undefined ? undefined : new RegExp(pattern);
  } catch {
    throw new InputError(`--file-name ${pattern} is not a regular expression`);
  }
  const names = files.map(({ path }) => {
    if (!expression) return { id: stemOf(path), band: "" };
    const groups = expression.exec(path.slice(path.lastIndexOf("/") + 1))?.groups;
    if (!groups?.id) throw new InputError(`${path}: its name gives no id under --file-name ${pattern}`);
    return { id: groups.id, band: groups.band ?? "" };
  });
  await db.run(
    `CREATE OR REPLACE TABLE file_names (__path VARCHAR, __file_id VARCHAR, __file_band VARCHAR)`,
  );
  await db.append("file_names", [files.map((f) => f.path), names.map((n) => n.id), names.map((n) => n.band)]);
}

/** The rows of `raw` that some files hold. */
function selection(
  source: Source,
  roles: Mapping,
  files: readonly SurveyFile[],
  settings: ColumnSettings,
  id = roles.id === undefined ? "__file_id" : source.textCell(roles.id),
): string {
  const { layout, textCell, numberCell, isEmpty } = source;
  const byFile = roles.id === undefined || settings.file_name !== undefined;
  const optional = (i: number | undefined, otherwise: string) => i === undefined ? otherwise : textCell(i);
  const { time, magnitude, error } = roles as Record<Role, number>;
  const beyond = (role: string) => largest[role as keyof typeof largest];
  const tooLong = layout?.delimiter === null ? `len(fields) > ${source.columns.length}` : "false";
  const usable = [
    "__id IS NOT NULL",
    ...Object.keys(largest).map((role) => `abs(__${role}) <= ${beyond(role)}`),
  ];
  const checks = [
    // Most rows are usable, and then nothing else is looked at.
    `WHEN NOT (${tooLong}) AND ${usable.join(" AND ")} THEN NULL`,
    `WHEN ${tooLong} THEN 'more fields than columns'`,
    `WHEN __id IS NULL THEN 'no id'`,
    ...Object.entries({ time, magnitude, error }).flatMap(([role, i]) => [
      `WHEN ${isEmpty(i)} THEN 'no ${role}'`,
      `WHEN abs(${numberCell(i)}) > ${beyond(role)} AND isfinite(${
        numberCell(i)
      }) THEN 'the ${role} is beyond ${beyond(role)}'`,
      `WHEN __${role} IS NULL THEN 'the ${role} is not a number'`,
    ]),
  ];
  const cells = [roles.id, time, magnitude, error].map((i) => optional(i, "NULL"));
  const ifBad = (value: string) => `CASE WHEN __reason IS NOT NULL THEN ${value} END`;
  return `
    SELECT __id AS id, coalesce(__band, '') AS band, __class::VARCHAR AS class, __time AS time, __magnitude AS mag, __error AS err,
      __reason AS reason, ${ifBad("__file")} AS file, ${
    ifBad(layout ? "NULL" : "file_row_number + 1")
  } AS row,
      ${ifBad(`[${cells.join(", ")}]`)} AS cells
    FROM (SELECT *, CASE ${checks.join(" ")} END AS __reason FROM (
      SELECT *,
        ${id} AS __id,
        ${optional(roles.band, byFile ? "__file_band" : "NULL")} AS __band,
        ${optional(roles.class, "NULL")} AS __class,
        ${numberCell(time, "DOUBLE")} AS __time,
        ${numberCell(magnitude, "FLOAT")} AS __magnitude,
        ${numberCell(error, "FLOAT")} AS __error
      FROM ${source.from(files)}
      ${byFile ? "JOIN file_names ON __file = __path" : ""}))`;
}

interface BadRow {
  file: string;
  row: number | null;
  cells: string[];
}

async function unusableRows(db: Database, sources: Source[], mapped: Mapping[]): Promise<Unusable[]> {
  const reasons = await db.rows<{ reason: string; rows: number; file: string }>(
    `SELECT reason, sum(n_read) AS rows, min(file) AS file FROM found WHERE reason IS NOT NULL GROUP BY reason
      ORDER BY rows DESC, reason`,
  );
  const found: Unusable[] = [];
  for (const { reason, rows, file } of reasons) {
    const bad = await db.row<BadRow>(
      `SELECT file, row, cells FROM raw WHERE reason = ${text(reason)} AND file = ${
        text(file)
      } ORDER BY row LIMIT 1`,
    );
    const k = sources.findIndex((source) => source.files.some(({ path }) => path === file));
    const { id, time, magnitude, error } = mapped[k];
    const positions = [id, time, magnitude, error];
    const what = positions.flatMap((i, c) =>
      i === undefined ? [] : [`${sources[k].columns[i]} ${shown(bad.cells[c])}`]
    );
    const where = bad.row === null ? await lineOf(sources[k], bad, positions) : `row ${bad.row}`;
    found.push({ reason, rows, example: `${file}: ${where} (${what.join(", ")})` });
  }
  return found;
}

function shown(cell: string | null): string {
  return cell === null ? "empty" : JSON.stringify(cell);
}

/** DuckDB does not number the lines of a text: the bad row is looked up by its cells. */
async function lineOf({ layout }: Source, bad: BadRow, positions: (number | undefined)[]): Promise<string> {
  let number = 0, rest = "";
  const matches = (line: string) => {
    number++;
    if (line.trim() === "" || line.trimStart().startsWith("#")) return false;
    const fields = fieldsOf(line, layout!.delimiter);
    return positions.every((at, c) =>
      at === undefined || (fields[at] ?? "") === (bad.cells[c] ?? fields[at] ?? "")
    );
  };
  for await (const piece of textOf(bad.file)) {
    const lines = (rest + piece).split("\n");
    rest = lines.pop()!;
    for (const line of lines) if (matches(line.replace(/\r$/, ""))) return `line ${number}`;
  }
  return matches(rest) ? `line ${number}` : "a line";
}

/** Rows that DuckDB's text reader could not take apart. */
async function rejectedRows(db: Database): Promise<Unusable[]> {
  const { there } = await db.row<{ there: number }>(
    `SELECT count(*) AS there FROM duckdb_tables() WHERE table_name = 'reject_errors'`,
  );
  if (there === 0) return [];
  const kinds = await db.rows<{ kind: string; rows: number; file: string; line: number; said: string }>(
    `SELECT error_type::VARCHAR AS kind, count(*) AS rows, min_by(file_path, (file_path, line)) AS file,
        min_by(line, (file_path, line)) AS line, min_by(error_message, (file_path, line)) AS said
      FROM reject_errors JOIN reject_scans USING (scan_id, file_id) GROUP BY kind ORDER BY rows DESC, kind`,
  );
  return kinds.map(({ kind, rows, file, line, said }) => ({
    reason: kind === "TOO MANY COLUMNS" ? "more fields than columns" : kind.toLowerCase(),
    rows,
    example: `${file}: line ${line} (${said})`,
  }));
}

/**
 * Refuses unusable rows.
 * @throws {InputError} naming the place of one row of each kind, if there is any
 */
export function refuse(unusable: readonly Unusable[]): void {
  if (unusable.length === 0) return;
  throw new InputError(
    unusable.map(({ reason, rows, example }) => `${reason}: ${rows} rows, e.g. ${example}`).join("\n"),
  );
}
