/** Reading: survey files into one table of observations, and every row that is unusable, with its place. */
import { fewOf, InputError } from "../common/errors.ts";
import { type Database, name, text } from "./duckdb.ts";
import { nameFiles, refuseSameNames } from "./file_names.ts";
import type { SurveyFile } from "./files.ts";
import {
  type Cell,
  type Channel,
  type ColumnSettings,
  describeMapping,
  mapColumns,
  type Mapping,
} from "./mapping.ts";
import {
  type Asked,
  type Carried,
  carriedAggregates,
  carriedCell,
  carriedColumns,
  differences,
} from "./carried.ts";
import { type Preset, presets } from "./presets.ts";
import {
  keepsRejects,
  readable,
  reading,
  refuseFloatIds,
  roundedIds,
  type Skip,
  type Source,
  sourcesOf,
} from "./source.ts";
import { plainName } from "./columns.ts";
import { refuseOtherUnits } from "./stars.ts";
import { askedOfHeader } from "./formats/table.ts";
import { type Times, timesOf } from "./times.ts";
import { likeness } from "./formats/light_curve_columns.ts";
import { linesOf } from "./text_file.ts";
import { fieldsOf, isPassedOver, rowName } from "./text_layout.ts";

export type { ColumnSettings };

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
  /** Whole rows that are no measurements, or that were asked to go: limits, gaps, flags. */
  filtered: Unusable[];
  /** The columns as they were mapped, one entry a layout of files. */
  columns: { files: number; first: string; columns: Record<string, string> }[];
  /** Whether files are light curves, named after the file. */
  idFromFile: boolean;
  /** What is worth a word. */
  notes: string[];
  /** Columns that go along. */
  carried: Carried[];
  /** What was read as what: one entry a layout of files. */
  layouts: { source: Source; mapping: Mapping; times: Times }[];
}

/** What no value is beyond: 27,000 years, and what surveys write for "no value" (1e30, 9.97e36). */
const largest = { time: 1e7, magnitude: 1e10, error: 1e10 };

/** What the reasons of rows begin with that are whole, but go. */
const filtered = "~ ";

/** Files read by one statement: MACHO is a million files, and a statement should not be 100 MB long. */
const filesAtOnce = 2000;

/**
 * Makes `raw` (id, band, class VARCHAR; time DOUBLE in days; mag, err FLOAT in magnitudes; reason VARCHAR, null when the row is
 * usable), and from it `found`: a row for each reason, id and band. `band` is '' where there is none. Of Parquet, which is read faster
 * than a copy of it, `raw` is a view, in which whole numbers as ids stay numbers; text is taken apart once, into a table.
 * @param inRange a condition on an observation's time, mag and err, counted in `n_sound`
 * @param asked columns that go along, as `carried_0` … of both tables
 * @param labelled how the table of labels spells each of them, where it has it
 * @throws {InputError} when a needed column is not there, or a file cannot be read
 */
export async function readObservations(
  db: Database,
  files: readonly SurveyFile[],
  settings: ColumnSettings & { magnitude_range?: unknown },
  inRange: string,
  asked: readonly Asked[] = [],
  labelled: readonly (string | undefined)[] = [],
): Promise<Reading> {
  const skipped: string[] = [];
  const skip = settings.skip_unreadable
    ? (_: string, reason: string) => void skipped.push(reason)
    : undefined;
  const { sources, mapped, others } = mapSources(
    await sourcesOf(db, files, skip, new Set(asked.flatMap(({ names }) => names.map(plainName)))),
    settings,
    files.length,
    skip,
  );
  const { carried, notes: lacking } = carriedColumns(sources, asked, labelled);
  refuseOtherUnits(sources, carried);
  for (const [k, source] of sources.entries()) source.wanted = usedColumns(source, k, mapped[k], carried);
  const notes = [...others, ...sources.flatMap((source) => source.notes), ...lacking];
  notes.push(...refuseSameNames(sources, mapped, settings.file_name));
  const viewed = sources.length === 1 && sources[0].layout === undefined && files.length <= filesAtOnce;
  if (!viewed) {
    await db.run(
      `CREATE TABLE raw (id VARCHAR, band VARCHAR, class VARCHAR, time DOUBLE, mag FLOAT, err FLOAT, reason VARCHAR,
        file VARCHAR, row BIGINT, cells VARCHAR[], doubtful BOOLEAN${
        carried.map(({ type }, i) => `, carried_${i} ${type}`).join("")
      })`,
    );
  }
  for (const [k, source] of sources.entries()) {
    for (let start = 0; start < source.files.length; start += filesAtOnce) {
      const some = source.files.slice(start, start + filesAtOnce);
      if (mapped[k].byName) await nameFiles(db, some, mapped[k].pattern);
      await reading(db, source, some, async (plain) => {
        const from = named(source, mapped[k], plain);
        const along = carried.map((column) => carriedCell(source, k, column));
        const rows = mapped[k].channels.map((channel) =>
          selection(source, mapped[k], channel, from, viewed, along)
        );
        await db.run(`${viewed ? "CREATE VIEW raw AS" : "INSERT INTO raw"} ${rows.join(" UNION ALL ")}`);
      });
    }
  }
  await readable(
    files,
    db.run(
      `CREATE TEMP TABLE found AS
        SELECT reason, id AS key, band, count(*) AS n_read, min(class) AS class, max(class) AS other, min(file) AS file,
          count(*) FILTER (${inRange}) AS n_sound, count(*) FILTER (isfinite(mag) AND mag NOT BETWEEN -5 AND 40) AS n_odd,
          max(err) FILTER (isfinite(err)) AS largest_error, count(*) FILTER (doubtful) AS n_doubtful,
          count(*) FILTER (mag BETWEEN -90 AND -3) AS n_negative, count(*) FILTER (mag BETWEEN 3 AND 90) AS n_positive,
          count(*) FILTER (time = 0) AS n_zero, min(time) FILTER (isfinite(time) AND time <> 0) AS first_time, max(time) FILTER (isfinite(time)) AS last_time${
        carriedAggregates(carried.length)
      }
        FROM raw GROUP BY reason, id, band`,
    ),
  );
  notes.push(...skippedNotes(skipped));
  await refuseImpossible(db, sources, mapped, settings);
  notes.push(...await mixtures(db, settings), ...presetNotes(mapped), ...await doubtfulNotes(db, mapped));
  notes.push(...preciseTimes(sources, mapped), ...folderNotes(mapped), ...rowNameNotes(sources));
  notes.push(...await differences(db, carried));
  const left = await unusableRows(db, sources, mapped, viewed);
  return {
    unusable: [...left.filter(({ reason }) => !reason.startsWith(filtered)), ...await rejectedRows(db)],
    filtered: left.filter(({ reason }) => reason.startsWith(filtered))
      .map(({ reason, ...rest }) => ({ reason: reason.slice(filtered.length), ...rest })),
    columns: sources.map((source, k) => ({
      files: source.files.length,
      first: source.files[0].path,
      columns: describeMapping(mapped[k]),
    })),
    idFromFile: mapped.some((roles) => roles.id === undefined),
    notes,
    carried,
    layouts: sources.map((source, k) => ({
      source,
      mapping: mapped[k],
      times: timesOf(source, mapped[k], settings),
    })),
  };
}

/**
 * Says what the columns of each source mean. Tables without times that lie beside light curves (labels, statistics) are passed over.
 * @throws {InputError} when a table that looks like light curves cannot be mapped and is not to be skipped, or none can
 */
function mapSources(
  found: readonly Source[],
  settings: ColumnSettings,
  files: number,
  skip: Skip | undefined,
) {
  const sources: Source[] = [], mapped: Mapping[] = [], others: string[] = [];
  const failed: { source: Source; error: InputError }[] = [];
  for (const source of found) {
    try {
      // What is only carried along has no part in what columns mean.
      const last = source.descriptions.indexOf(askedOfHeader);
      const columns = last < 0 ? source.columns : source.columns.slice(0, last);
      mapped.push(mapColumns({ ...source, columns }, settings, files));
      sources.push(source);
    } catch (error) {
      if (!(error instanceof InputError)) throw error;
      failed.push({ source, error });
    }
  }
  for (const { source, error } of failed) {
    const columns = source.columns.map((name, i) => ({ name, unit: source.units[i] }));
    const named = source.files.some((file) => file.named);
    if (sources.length > 0 && !named && source.named && likeness(columns) === 0) {
      others.push(
        `passed over: ${source.files.length} files without a column of times, e.g. ${source.path} ` +
          `(its columns are ${fewOf(source.columns, 6)})`,
      );
    } else if (sources.length > 0 && !named && skip) {
      for (const { path } of source.files) {
        skip(path, `${path}${error.message.replace(source.path, "")}`);
      }
    } else throw error;
  }
  return { sources, mapped, others };
}

/** What was left out by --skip-unreadable. */
function skippedNotes(skipped: readonly string[]): string[] {
  const shown = skipped.slice(0, 5).map((reason) => `passed over, as --skip-unreadable says: ${reason}`);
  return skipped.length > 5 ? [...shown, `and ${skipped.length - 5} more files`] : shown;
}

/** The columns of a source that its mapping reads. */
function usedColumns(
  source: Source,
  k: number,
  mapping: Mapping,
  carried: readonly Carried[],
): ReadonlySet<string> {
  const { id, band, class: label, time, channels, doubtful, where } = mapping;
  const cells = [
    ...[id, band, label, time].map((cell) => cell?.column),
    ...channels.flatMap((c) => [
      ...[c.time, c.magnitude, c.error, c.flux, c.fluxError].map((cell) => cell?.column),
      c.zeroPointColumn,
      ...c.filters.map((filter) => filter.column),
    ]),
    ...doubtful.map((filter) => filter.column),
    ...carried.map(({ columns }) => columns[k]),
  ];
  const used = cells.flatMap((column) => column === undefined ? [] : [source.columns[column]]);
  return new Set([
    ...used,
    ...where === undefined ? [] : source.columns.filter((column) => mentions(where, column)),
  ]);
}

/** Whether an SQL condition names a column. */
function mentions(sql: string, column: string): boolean {
  const escaped = column.replace(/[.*+?^${}()|[\]\\]/g, "\\$&");
  return new RegExp(`(?<!\\w)${escaped}(?!\\w)`, "i").test(sql);
}

/** A source's rows with the columns that --where names, and lists in cells of text taken apart. */
function named(source: Source, { where, lists, channels }: Mapping, from: string): string {
  if (where !== undefined && source.layout) {
    const columns = source.columns.flatMap((column, i) => {
      if (!mentions(where, column)) return [];
      const isNumber = source.sample.every((row) => row[i] === "" || Number.isFinite(Number(row[i])));
      return [`${isNumber ? source.numberCell(i) : source.textCell(i)} AS ${name(column)}`];
    });
    if (columns.length > 0) from = `(SELECT *, ${columns.join(", ")} FROM ${from})`;
  }
  return lists.length > 0 && channels.length === 1 ? takenApart(lists, from) : from;
}

/** A row an element of lists that cells of text hold. */
function takenApart(lists: readonly number[], from: string): string {
  const cells = lists.map((i) => `unnest(string_split(trim(c${i + 1}, '[] '), ',')) AS c${i + 1}`);
  return `(SELECT * REPLACE (${cells.join(", ")}) FROM ${from})`;
}

/** What was recognised, and what is unknown, in a line each. */
function presetNotes(mapped: readonly Mapping[]): string[] {
  const found = mapped.flatMap(({ preset, guessed }) => {
    if (preset === undefined || !guessed) return [];
    const { about, notes } = presets[preset] as Preset;
    return [
      `read as ${preset}, ${about}${notes ? `: ${notes}` : ""}; --preset and flags of columns say otherwise`,
    ];
  });
  const without = mapped.some(({ channels }) =>
    channels.some(({ error, fluxError }) => !error && !fluxError)
  );
  return [
    ...new Set(found),
    ...without ? ["there is no column of errors: errors are unknown, and what needs them does without"] : [],
  ];
}

async function doubtfulNotes(db: Database, mapped: readonly Mapping[]): Promise<string[]> {
  const doubts = mapped.find(({ doubtful }) => doubtful.length > 0);
  if (!doubts) return [];
  const { n } = await db.row<{ n: number }>(
    `SELECT coalesce(sum(n_doubtful), 0) AS n FROM found WHERE reason IS NULL`,
  );
  if (n === 0) return [];
  const reasons = [...new Set(mapped.flatMap(({ doubtful }) => doubtful.map(({ reason }) => reason)))];
  return [
    `${n} observations are doubtful (${
      reasons.join("; ")
    }); they are kept: --preset ${doubts.preset} drops them`,
  ];
}

/**
 * Light curves that mix what does not belong together.
 * @throws {InputError} with the evidence: fluxes among magnitudes, times of two origins
 */
async function mixtures(
  db: Database,
  settings: ColumnSettings & { magnitude_range?: unknown },
): Promise<string[]> {
  // Full Julian dates beside others, or days since a start beside MJD.
  const spans = await db.rows<{ id: string; first: number; last: number }>(
    `SELECT key::VARCHAR AS id, first_time AS first, last_time AS last FROM found WHERE reason IS NULL AND
      (last_time BETWEEN 2380000 AND 2600000 AND first_time < 2300000
        OR last_time BETWEEN 45000 AND 100000 AND first_time BETWEEN 0 AND 12000)
      ORDER BY id LIMIT 20`,
  );
  for (const times of spans) {
    const before = times.last > 2_300_000 ? 2_300_000 : 12_000;
    const [{ early, late }] = await db.rows<{ early: number; late: number }>(
      `SELECT count(*) FILTER (time < ${before})::DOUBLE AS early, count(*) FILTER (time >= ${before})::DOUBLE AS late
        FROM raw WHERE reason IS NULL AND time <> 0 AND id::VARCHAR = ${text(times.id)}`,
    );
    // One odd time is a damaged row, not another origin.
    if (Math.min(early, late) < 2) continue;
    throw new InputError(
      `times of "${times.id}" go from ${times.first} to ${times.last}, over ${
        Math.round((times.last - times.first) / 365.25)
      } years: different zero points (JD, MJD, days since a start)? Read the files apart, each with its --time-format`,
    );
  }
  const { zeros } = await db.row<{ zeros: number }>(
    `SELECT coalesce(sum(n_zero), 0) AS zeros FROM found WHERE reason IS NULL AND last_time > 10000`,
  );
  const notes = zeros === 0 ? [] : [
    `${zeros} observations are at time 0, far from the others of their light curves: marks for no value? --where leaves them out`,
  ];
  const { share, id } = await db.row<{ share: number | null; id: string | null }>(
    `SELECT sum(CASE WHEN n_negative > 0 AND n_positive > 0 THEN n_negative ELSE 0 END) / sum(n_read) AS share,
      min(key::VARCHAR) FILTER (n_negative > 0 AND n_positive > 0) AS id FROM found WHERE reason IS NULL`,
  );
  if (id === null || settings.magnitude_range !== undefined) return notes;
  const what = `magnitudes of both signs stand in one light curve (e.g. of "${id}")`;
  if (share! <= 0.01) return [...notes, `${what}: marks for no value, or fluxes below 0?`];
  throw new InputError(
    `${what}: they look like fluxes, or a negative magnitude stands for a negative flux. --flux, --flux-error and --zero-point convert ` +
      `fluxes; --where leaves rows out; where the magnitudes are right, --magnitude-range says so`,
  );
}

/**
 * What no survey can hold: ids that lost their digits, errors that are all 0.
 * @throws {InputError} that names the column
 */
async function refuseImpossible(
  db: Database,
  sources: Source[],
  mapped: Mapping[],
  settings: ColumnSettings,
): Promise<void> {
  for (const [k, { id }] of mapped.entries()) {
    if (id?.column !== undefined) await refuseFloatIds(db, sources[k], id.column);
  }
  const [rounded] = await db.rows<{ id: string }>(
    `SELECT key::VARCHAR AS id FROM found WHERE reason IS NULL
      AND regexp_full_match(key::VARCHAR, '[+-]?[0-9]([.][0-9]+)?[eE][+]?(1[5-9]|[2-9][0-9])') LIMIT 1`,
  );
  if (rounded) throw roundedIds(sources[0].path, rounded.id);
  const { largestError } = await db.row<{ largestError: number | null }>(
    `SELECT max(largest_error) AS "largestError" FROM found WHERE reason IS NULL`,
  );
  if (
    largestError === 0 && settings.error === undefined && mapped.some(({ channels }) => channels[0].error)
  ) {
    const k = mapped.findIndex(({ channels }) => channels[0].error);
    throw new InputError(
      `${sources[k].path}: all errors in column ${
        mapped[k].channels[0].error!.label
      } are 0: it may be a flag. ` +
        `--error names the right column, --error none says that there is none, and --error ${
          mapped[k].channels[0].error!.label
        } takes it as it is; its columns are ${sources[k].columns.join(", ")}`,
    );
  }
}

/** Times of 32 bits: days since 1858 then come in steps of minutes. */
function preciseTimes(sources: Source[], mapped: Mapping[]): string[] {
  return sources.flatMap((source, k) => {
    const { column, label } = mapped[k].time;
    if (column === undefined || source.types[column] !== "FLOAT") return [];
    const typical = Math.abs(Number(source.sample[0]?.[column] ?? 0));
    const step = 2 ** (Math.floor(Math.log2(Math.max(typical, 1))) - 23);
    return step < 1e-4 ? [] : [
      `${source.path}: the times in column ${label} are 32-bit numbers, in steps of ${
        Number((step * 1440).toPrecision(2))
      } minutes: short periods are lost`,
    ];
  });
}

function rowNameNotes(sources: Source[]): string[] {
  return sources.filter(({ columns }) => columns[0] === rowName).map(({ path }) =>
    `${path}: the header has one name fewer than there are columns; the first column is taken for row names, as R writes them`
  );
}

function folderNotes(mapped: Mapping[]): string[] {
  const used = mapped.flatMap(({ id, band, class: label }) =>
    Object.entries({ id, band, class: label }).filter(([, cell]) => cell?.label.startsWith("the folder "))
      .map(([role, cell]) =>
        `the ${role} is taken from ${cell!.label} of the files' paths, as no column has it`
      )
  );
  return [...new Set(used)];
}

/** The rows of `raw` that some files hold. */
function selection(
  source: Source,
  roles: Mapping,
  channel: Channel,
  from: string,
  viewed: boolean,
  carried: readonly string[],
): string {
  const { magnitude, error, flux, fluxError } = channel, time = channel.time ?? roles.time;
  const id = roles.id === undefined ? "__file_id" : viewed ? roles.id.id : roles.id.text;
  const brightness = magnitude ?? flux!, uncertainty = error ?? fluxError;
  const needed: Record<string, Cell> = {
    time,
    [magnitude ? "magnitude" : "flux"]: brightness,
    ...(uncertainty && !channel.errorsOptional ? { [error ? "error" : "flux's error"]: uncertainty } : {}),
  };
  const beyond = (role: string) => role === "time" ? largest.time : largest.magnitude;
  const values: Record<string, string> = {
    time: "__time",
    magnitude: "__magnitude",
    flux: "__magnitude",
    error: "__error",
    "flux's error": "__error",
  };
  const breaks = channel.errorsOptional && !source.named
    ? source.broken.filter(({ reason }) => !reason.startsWith("fewer"))
    : source.broken;
  const broken = breaks.map(({ condition }) => condition).join(" OR ") || "false";
  const filters = [
    ...channel.filters,
    ...roles.where === undefined
      ? []
      : [{ condition: `NOT coalesce((${roles.where}), false)`, reason: `not ${roles.where} (--where)` }],
  ];
  const goes = filters.map(({ condition }) => ` AND NOT ${condition}`).join("");
  const usable = [
    "__id IS NOT NULL",
    ...Object.keys(needed).map((role) => `abs(${values[role]}) <= ${beyond(role)}`),
  ];
  const checks = [
    // Most rows are usable, and then nothing else is looked at.
    `WHEN NOT (${broken}) AND ${usable.join(" AND ")}${goes} THEN NULL`,
    ...breaks.map(({ condition, reason }) => `WHEN ${condition} THEN ${text(reason)}`),
    ...filters.map(({ condition, reason }) => `WHEN ${condition} THEN ${text(filtered + reason)}`),
    `WHEN __id IS NULL THEN 'no id'`,
    ...Object.entries(needed).flatMap(([role, cell]) => [
      `WHEN ${cell.isEmpty} THEN ${text(`no ${role}`)}`,
      `WHEN abs(${cell.number()}) > ${beyond(role)} AND isfinite(${cell.number()}) THEN ${
        text(`the ${role} is beyond ${beyond(role)}`)
      }`,
      `WHEN ${values[role]} IS NULL THEN ${text(`the ${role} is not a number`)}`,
    ]),
  ];
  const cells = [roles.id, time, brightness, uncertainty].map((cell) => cell?.text ?? "NULL");
  const ifBad = (value: string) => `CASE WHEN __reason IS NOT NULL THEN ${value} END`;
  const band = channel.band === undefined ? roles.band?.text ?? "NULL" : text(channel.band);
  const doubtful = roles.doubtful.map(({ condition }) => condition).join(" OR ") || "false";
  // Pogson: a relative error of the flux is 2.5 / ln 10 times as large in magnitudes.
  const asMagnitude = flux && `CASE WHEN ${flux.number()} > 0
    THEN TRY_CAST(${channel.zeroPoint} - 2.5 * log10(${flux.number()}) AS FLOAT) END`;
  const asError = flux && fluxError &&
    `TRY_CAST(1.0857362 * ${fluxError.number()} / nullif(abs(${flux.number()}), 0) AS FLOAT)`;
  const own = channel.time
    ? roles.lists.filter((i) => [time, magnitude, error].some((cell) => cell?.column === i))
    : [];
  const rows = own.length > 0 ? takenApart(own, from) : from;
  return `
    SELECT __id AS id, coalesce(__band, '') AS band, __class::VARCHAR AS class, __time AS time, __magnitude AS mag, __error AS err,
      __reason AS reason, ${ifBad("__file")} AS file, ${ifBad(source.place)} AS row,
      ${ifBad(`[${cells.join(", ")}]`)} AS cells, __doubtful AS doubtful${
    carried.map((_, i) => `, __carried_${i} AS carried_${i}`).join("")
  }
    FROM (SELECT *, CASE ${checks.join(" ")} END AS __reason FROM (
      SELECT *,
        ${id} AS __id,
        ${band} AS __band,
        ${roles.class?.text ?? "NULL"} AS __class,
        ${time.number("DOUBLE")} AS __time,
        ${magnitude?.number("FLOAT") ?? asMagnitude} AS __magnitude,
        ${error?.number("FLOAT") ?? asError ?? "NULL::FLOAT"} AS __error,
        ${doubtful} AS __doubtful${carried.map((cell, i) => `, ${cell} AS __carried_${i}`).join("")}
      FROM ${rows}
      ${roles.byName ? "JOIN file_names ON __file = __path" : ""}))`;
}

interface BadRow {
  file: string;
  row: number | null;
  cells: string[];
}

async function unusableRows(
  db: Database,
  sources: Source[],
  mapped: Mapping[],
  viewed: boolean,
): Promise<Unusable[]> {
  const reasons = await db.rows<{ reason: string; rows: number; file: string }>(
    `SELECT reason, sum(n_read) AS rows, min(file) AS file FROM found WHERE reason IS NOT NULL GROUP BY reason
      ORDER BY rows DESC, reason`,
  );
  const found: Unusable[] = [];
  for (const { reason, rows, file } of reasons) {
    const bad = await db.row<BadRow>(
      `SELECT file, row, cells FROM raw WHERE reason = ${text(reason)} AND file = ${text(file)} ORDER BY row${
        viewed ? "" : ", rowid"
      } LIMIT 1`,
    );
    const k = sources.findIndex((source) => source.files.some(({ path }) => path === file));
    const { id, time, channels: [{ magnitude, error, flux, fluxError }] } = mapped[k];
    const columns = [id, time, magnitude ?? flux, error ?? fluxError];
    const what = columns.flatMap((cell, c) => cell ? [`${cell.label} ${shown(bad.cells[c])}`] : []);
    const where = bad.row === null
      ? await lineOf(sources[k], bad, columns.map((cell) => cell?.column))
      : `${sources[k].layout ? "line" : "row"} ${bad.row}`;
    found.push({ reason, rows, example: `${file}: ${where} (${what.join(", ")})` });
  }
  return found;
}

function shown(cell: string | null): string {
  return cell === null ? "empty" : JSON.stringify(cell.length > 60 ? `${cell.slice(0, 60)}…` : cell);
}

/** DuckDB does not number the lines of a text: the bad row is looked up by its cells. */
async function lineOf({ layout }: Source, bad: BadRow, positions: (number | undefined)[]): Promise<string> {
  const matches = (line: string) => {
    if (isPassedOver(line)) return false;
    const fields = fieldsOf(line, layout!.delimiter);
    return positions.every((at, c) =>
      at === undefined || (fields[at] ?? "") === (bad.cells[c] ?? fields[at] ?? "")
    );
  };
  for await (const lines of linesOf(bad.file)) {
    for (const { line, number } of lines) if (matches(line)) return `line ${number}`;
  }
  return "a line";
}

/** Rows that DuckDB's text reader could not take apart. */
async function rejectedRows(db: Database): Promise<Unusable[]> {
  if (!await keepsRejects(db)) return [];
  // A row that lacks several fields is set aside once for each of them.
  const kinds = await db.rows<{ kind: string; rows: number; file: string; line: number; said: string }>(
    `SELECT kind, count(*) AS rows, min_by(file, (file, line)) AS file, min(line) AS line, min_by(said, (file, line)) AS said
      FROM (SELECT min(error_type::VARCHAR) AS kind, file_path AS file, line, max(error_message) AS said
        FROM reject_errors JOIN reject_scans USING (scan_id, file_id) GROUP BY scan_id, file_path, line)
      GROUP BY kind ORDER BY rows DESC, kind`,
  );
  return kinds.map(({ kind, rows, file, line, said }) => ({
    reason: rejects[kind] ?? kind.toLowerCase(),
    rows,
    example: `${file}: line ${line} (${said})`,
  }));
}

/** DuckDB's words for rows that it sets aside. */
const rejects: Record<string, string> = {
  "TOO MANY COLUMNS": "more fields than columns",
  "MISSING COLUMNS": "fewer fields than columns",
  "INVALID ENCODING": "bytes that are not UTF-8 (Latin-1 or Windows-1252?)",
  "UNQUOTED VALUE": "a quote is not closed",
};

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
