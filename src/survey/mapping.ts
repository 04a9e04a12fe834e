/** What the columns of a table mean: time, magnitude or flux, its error, the object, the band. */
import { fewOf, InputError } from "../errors.ts";
import { columnCalled, findColumn, listed, needColumn, plainName, type Role } from "./columns.ts";
import { folderValue, type Source } from "./source.ts";

/** Which columns hold what; an absent one is guessed. */
export interface ColumnSettings {
  /** A column; "filename": every file is one light curve, named after the file; "folder": named after the file's folder. */
  id?: string;
  time?: string;
  magnitude?: string;
  /** A column, or "none". */
  error?: string;
  band?: string;
  class?: string;
  /** A regular expression with the groups `id`, `band` and `class` that takes a file's name apart (its path, if it has a /). */
  file_name?: string;
  /** Files that cannot be read, or whose columns cannot be told, are passed over. */
  skip_unreadable?: boolean;
}

/** Something that each row has a value of, in SQL. */
export interface Cell {
  /** What it is called in messages: the column's name. */
  label: string;
  /** The place of its column, from 0, where it is one. */
  column?: number;
  /** As trimmed text, null when it is empty. */
  text: string;
  /** As an id: a number stays one. */
  id: string;
  isEmpty: string;
  number(type?: "DOUBLE" | "FLOAT"): string;
}

/** A magnitude and its error; several stand side by side where each band has columns of its own. */
export interface Channel {
  /** The band that the columns' names give. */
  band?: string;
  time?: Cell;
  magnitude: Cell;
  /** Absent where nothing says how large the errors are. */
  error?: Cell;
}

/** What a table's columns mean. */
export interface Mapping {
  /** Absent where the file's name is the id. */
  id?: Cell;
  band?: Cell;
  class?: Cell;
  time: Cell;
  channels: Channel[];
  /** Whether the names of files are asked for id, band or class. */
  byName: boolean;
}

/** A column of a source as a cell. */
function cellOf(source: Source, column: number): Cell {
  return {
    label: source.columns[column],
    column,
    text: source.textCell(column),
    id: source.idCell(column),
    isEmpty: source.isEmpty(column),
    number: (type) => source.numberCell(column, type),
  };
}

/** A text that SQL makes, as a cell. */
function textCell(label: string, sql: string): Cell {
  const number = (type = "DOUBLE") => `TRY_CAST(${sql} AS ${type})`;
  return { label, text: sql, id: sql, isEmpty: `${sql} IS NULL`, number };
}

const fromName = (part: "id" | "band" | "class") => textCell("the file's name", `__file_${part}`);
/** The folder that a file lies in. */
export const fromFolder = textCell(
  "the file's folder",
  `nullif(regexp_extract(__file, '([^/]+)/[^/]*$', 1), '')`,
);
const fromStem = textCell("the file's name", "__file_stem");

/**
 * What the columns of a source mean.
 * @param files how many files there are in all
 * @throws {InputError} when a needed column is not there
 */
export function mapColumns(source: Source, settings: ColumnSettings, files: number): Mapping {
  const byPattern = settings.file_name !== undefined;
  const id = identity(source, "id", settings.id, byPattern);
  const band = identity(source, "band", settings.band, byPattern);
  const label = identity(source, "class", settings.class, byPattern);
  const wide = settings.magnitude === undefined ? sideBySide(source) : [];
  const time = settings.time === undefined && wide[0]?.time
    ? wide[0].time
    : cellOf(source, timeColumn(source, settings));
  const channels = wide.length > 0 ? wide : [channelOf(source, settings)];
  const mapping: Mapping = {
    id: id === fromStem ? undefined : id,
    band,
    class: label,
    time,
    channels,
    byName: byPattern || id === undefined || [id, band, label].includes(fromStem),
  };
  // One file without an id is one light curve, unless a column that means nothing to us could be the id.
  if (mapping.id === undefined && id === undefined && files === 1) {
    const meant = new Set(
      [band, label, time, ...channels.flatMap(({ time, magnitude, error }) => [time, magnitude, error])]
        .map((cell) => cell?.column),
    );
    const other = source.columns.filter((_, i) => !meant.has(i) && couldBeId(source, i));
    if (other.length > 0) {
      throw new InputError(
        `${source.path}: which column is the object's id? Give --id, or --id filename if the file is one light curve; ` +
          listed(source),
      );
    }
  }
  return mapping;
}

/** Whether a column that means nothing to us could be the id: its values repeat, and they are no measurements. */
function couldBeId(source: Source, column: number): boolean {
  const values = source.sample.map((row) => row[column] ?? "").filter((value) => value !== "");
  if (values.length === 0) return false;
  const plain = plainName(source.columns[column]);
  if (
    /^(index|unnamed\d*|rowname|clrcoeff|clcoeff|catflags|flags?|quality|airmass|fwhm|sky|seeing|chi|sharp|exptime|limit|limmag)$/
      .test(plain)
  ) {
    return false;
  }
  const numbers = values.every((value) => /^[+-]?(\d+\.\d*|\.\d+)(e[+-]?\d+)?$/i.test(value));
  return !numbers;
}

/** Where id, band or class come from. */
function identity(
  source: Source,
  role: "id" | "band" | "class",
  given: string | undefined,
  byPattern: boolean,
): Cell | undefined {
  if (given !== undefined) {
    const column = columnCalled(source, given);
    if (column !== undefined && (source.named || /^\d+$/.test(given))) return cellOf(source, column);
    if (given === "filename") return role === "id" && byPattern ? fromName("id") : fromStem;
    if (given === "folder") return fromFolder;
    const key = source.folderKeys.find((key) => key.toLowerCase() === given.toLowerCase());
    if (key !== undefined) return textCell(`the folder ${key}=`, folderValue(key));
    findColumn(source, role, given, role); // which throws
  }
  // A pattern that names the role was given, and a column was not.
  if (byPattern && role === "id") return fromName("id");
  const column = findColumn(source, role, undefined, role);
  if (column !== undefined) return cellOf(source, column);
  return folderRole(source, role) ?? (byPattern ? fromName(role) : undefined);
}

/** The value of a key of the files' folders whose name is usual for a role (band=g/): it serves where no column does. */
export function folderRole(source: Source, role: Role): Cell | undefined {
  const at = findColumn(
    { path: source.path, columns: source.folderKeys, named: true },
    role,
    undefined,
    role,
  );
  if (at === undefined) return undefined;
  const key = source.folderKeys[at];
  return textCell(`the folder ${key}=`, folderValue(key));
}

/** The first usual name whose cells are filled. */
function timeColumn(source: Source, settings: ColumnSettings): number {
  const usual = filledOf(source, "time", settings.time, "time");
  return usual ?? needColumn(source, "time", settings.time, "time");
}

function filledOf(source: Source, role: Role, given: string | undefined, flag: string): number | undefined {
  if (given !== undefined) return findColumn(source, role, given, flag);
  const found = findColumn(source, role, undefined, flag);
  if (found === undefined || source.sample.length === 0 || !source.named) return found;
  const empty = (i: number) => source.sample.every((row) => /^(|null|none|na|nan)$/i.test(row[i] ?? ""));
  // All errors 0 are no errors: of ATLAS, err is a flag.
  const zero = (i: number) => role === "error" && source.sample.every((row) => Number(row[i]) === 0);
  if (!empty(found) && !zero(found)) return found;
  const columns = source.columns.map((column, i) => empty(i) || zero(i) ? "" : column);
  return findColumn({ ...source, columns }, role, undefined, flag) ?? found;
}

function channelOf(source: Source, settings: ColumnSettings): Channel {
  const { path } = source;
  const magnitude = filledOf(source, "magnitude", settings.magnitude, "magnitude");
  if (magnitude === undefined) {
    const fluxes = source.columns.filter((column) => /flux|ujy|njy/i.test(column));
    const hint = fluxes.length > 0 ? `; ${fewOf(fluxes, 6)} look like fluxes, which are no magnitudes` : "";
    throw new InputError(
      `${path}: which column is the magnitude? Give --magnitude; ${listed(source)}${hint}`,
    );
  }
  if (settings.error === "none") return { magnitude: cellOf(source, magnitude) };
  const error = filledOf(source, "error", settings.error, "error") ??
    needColumn(source, "error", settings.error, "error");
  return { magnitude: cellOf(source, magnitude), error: cellOf(source, error) };
}

/** Magnitudes of several bands in columns side by side: mag_A and magerr_A, MagR and ErMagR, light_points_b and error_points_b. */
function sideBySide(source: Source): Channel[] {
  if (!source.named) return [];
  const plain = source.columns.map((column) => column.toLowerCase().replace(/[^a-z0-9_]/g, ""));
  const bare = plain.map((column) => column.replaceAll("_", ""));
  if (bare.includes("mag") || bare.includes("magnitude")) return [];
  const channels: Channel[] = [];
  for (const [i, column] of bare.entries()) {
    const suffix = /^(?:mag|magnitude|lightpoints)([a-z]\w{0,3}|\d)$/.exec(column)?.[1];
    if (suffix === undefined) continue;
    const partner = [
      "magerr",
      "ermag",
      "errmag",
      "emag",
      "magerror",
      "magnitudeerr",
      "errorpoints",
      "err",
      "e",
    ]
      .map((start) => bare.indexOf(start + suffix)).find((at) => at >= 0);
    if (partner === undefined || partner === i) continue;
    const time = bare.indexOf(`timepoints${suffix}`);
    channels.push({
      band: source.columns[i].replace(/[^A-Za-z0-9]/g, "").slice(-suffix.length),
      time: time < 0 ? undefined : cellOf(source, time),
      magnitude: cellOf(source, i),
      error: cellOf(source, partner),
    });
  }
  return channels.length > 1 ? channels : [];
}

/** What a mapping is, for people: which column was taken for what. */
export function describeMapping(mapping: Mapping): Record<string, string> {
  const { id, band, time, channels } = mapping;
  const labels = (of: (channel: Channel) => Cell | undefined) =>
    channels.map((channel) => of(channel)?.label).filter((label) => label !== undefined).join(", ") ||
    undefined;
  const all = {
    id: id?.label,
    time: channels.every((channel) => !channel.time) ? time.label : labels((channel) => channel.time),
    magnitude: labels((channel) => channel.magnitude),
    error: labels((channel) => channel.error),
    band: band?.label,
    class: mapping.class?.label,
  };
  return Object.fromEntries(
    Object.entries(all).filter((entry): entry is [string, string] => entry[1] !== undefined),
  );
}
