/** What the columns of a table mean: time, magnitude or flux, its error, the object, the band. */
import { fewOf, InputError } from "../common/errors.ts";
import { columnCalled, findColumn, listed, needColumn, plainName, type Role } from "./columns.ts";
import { text } from "./duckdb.ts";
import {
  type Drop,
  type Preset,
  presetColumn,
  type PresetName,
  presetNames,
  presets,
  recognised,
} from "./presets.ts";
import { namedBy } from "./names.ts";
import { folderValue, type Source } from "./source.ts";

/** Which columns hold what; an absent one is guessed. */
export interface ColumnSettings {
  preset?: PresetName;
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
  /** In place of a magnitude. */
  flux?: string;
  flux_error?: string;
  /** A number, a unit (nJy), or a column. */
  zero_point?: string;
  min_snr?: number;
  where?: string;
  /** Columns of flags, each with a mask after a colon if only some bits count. */
  flag?: readonly string[];
  sentinels?: readonly number[];
  time_format?: TimeFormat;
  /** Of what the times are measured in: UTC, TAI, TT, TDB, TCB. */
  time_scale?: string;
}

/** What numbers of a time are; each is brought to MJD where it is said. */
export const timeOrigins = {
  mjd: 0,
  jd: -2_400_000.5,
  hjd: -2_400_000.5,
  bjd: -2_400_000.5,
  rjd: -0.5,
  btjd: 56_999.5,
  bkjd: 54_832.5,
  gaia: 55_197,
  unix: 40_587,
  iso: 0,
} as const;
export type TimeFormat = keyof typeof timeOrigins;

/** Units of fluxes, as magnitudes of a flux of 1 (AB). */
const zeroPoints: Record<string, number> = {
  njy: 31.4,
  ujy: 23.9,
  mjy: 16.4,
  jy: 8.9,
  snana: 27.5,
  nmgy: 22.5,
};

/** What makes a row go that is whole: a condition in SQL. */
export interface Filter {
  condition: string;
  reason: string;
  /** The column that it looks at. */
  column?: number;
}

/** Something that each row has a value of, in SQL. */
export interface Cell {
  /** What it is called in messages: the column's name. */
  label: string;
  /** The place of its column, from 0, where it is one. */
  column?: number;
  /** Why it was taken, as half a sentence. */
  why?: string;
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
  /** Absent where a flux stands in its place. */
  magnitude?: Cell;
  /** Absent where nothing says how large the errors are. */
  error?: Cell;
  flux?: Cell;
  fluxError?: Cell;
  /** The magnitude of a flux of 1, in SQL. */
  zeroPoint?: string;
  zeroPointColumn?: number;
  /** Whether single observations may lack an error, and what stands behind it. */
  errorsOptional: boolean;
  filters: Filter[];
}

/** What a table's columns mean. */
export interface Mapping {
  preset?: PresetName;
  /** Whether the preset was recognised, not asked for. */
  guessed: boolean;
  /** Absent where the file's name is the id. */
  id?: Cell;
  band?: Cell;
  class?: Cell;
  time: Cell;
  channels: Channel[];
  /** Doubtful measurements that are kept. */
  doubtful: Filter[];
  /** What the user's own condition makes go. */
  where?: string;
  /** How names of files are taken apart. */
  pattern?: string;
  /** Whether the names of files are asked for id, band or class. */
  byName: boolean;
  /** Columns whose cells are lists written as text. */
  lists: number[];
  /** The source's columns. */
  columns: readonly string[];
}

/** A column of a source as a cell. */
function cellOf(source: Source, column: number, why?: string): Cell {
  return {
    label: source.columns[column],
    column,
    why,
    text: source.textCell(column),
    id: source.idCell(column),
    isEmpty: source.isEmpty(column),
    number: (type) => source.numberCell(column, type),
  };
}

/** Why a column was taken: a setting names it, or its name is usual. */
function whyOf({ named }: Source, given: string | undefined, flag: string): string {
  if (given !== undefined) return `--${flag} names it`;
  return named ? "a usual name" : "its place among three columns without names";
}

/** A text that SQL makes, as a cell. */
function textCell(label: string, sql: string): Cell {
  const number = (type = "DOUBLE") => `TRY_CAST(${sql} AS ${type})`;
  return { label, text: sql, id: sql, isEmpty: `${sql} IS NULL`, number };
}

const fromName = (part: "id" | "band" | "class") => textCell("the file's name", `nullif(__file_${part}, '')`);
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
export function mapColumns(source: Source, given: ColumnSettings, files: number): Mapping {
  const asked = [given.time, given.magnitude, given.flux].some((setting) => setting !== undefined);
  const name = given.preset ?? (asked ? undefined : recognised(source));
  const preset: Preset | undefined = name && presets[name];
  const settings = { ...given };
  if (preset?.file_name && given.file_name === undefined && given.id === undefined) {
    const pattern = new RegExp(preset.file_name);
    const all = source.files.every(({ path }) =>
      pattern.exec(path.slice(path.lastIndexOf("/") + 1))?.groups?.id
    );
    if (all || given.preset !== undefined) settings.file_name = preset.file_name;
  }
  const presetCell = (names: string | undefined) => {
    const at = presetColumn(source, names);
    return at === undefined ? undefined : cellOf(source, at, `known of ${name}`);
  };
  const byPattern = settings.file_name !== undefined;
  const presetId = given.id === undefined && !byPattern ? presetCell(preset?.id) : undefined;
  const id = presetId ??
    (given.id === undefined && preset?.id === "filename" && !byPattern
      ? fromStem
      : identity(source, "id", settings.id, settings.file_name)) ??
    unnamedId(source);
  const band = (given.band === undefined && !byPattern ? presetCell(preset?.band) : undefined) ??
    identity(source, "band", settings.band, settings.file_name) ??
    (preset?.band_name ? textCell("the preset", text(preset.band_name)) : undefined) ??
    ((id ?? fromStem) === fromStem && source.files.some(({ path }) => namedBy(path).band !== "")
      ? fromName("band")
      : undefined);
  const label = identity(source, "class", settings.class, settings.file_name);
  // What is missed first is the time: a table without one is no light curve.
  if (!preset && !sideBySide(source, settings)[0]?.time) timeColumn(source, settings);
  const channels = channelsOf(source, settings, preset);
  const ownTime = given.time === undefined ? presetCell(preset?.time) : undefined;
  const time = given.time === undefined && channels[0].time ? channels[0].time : timeCell(
    source,
    ownTime?.column ?? timeColumn(source, settings),
    given.time_format,
    ownTime?.why ?? whyOf(source, given.time, "time"),
  );
  const drops = (list: readonly Drop[] | undefined) => filtersOf(source, list ?? []);
  const always = [
    ...drops(preset?.drops),
    ...drops((given.flag ?? []).map(flagOf)),
    ...(given.preset ? drops(preset?.doubtful) : []),
  ];
  for (const flag of given.flag ?? []) {
    if (columnCalled(source, flagOf(flag).column) === undefined) {
      throw new InputError(
        `${source.path} has no column "${flagOf(flag).column}" (--flag); ${listed(source)}`,
      );
    }
  }
  for (const channel of channels) {
    channel.filters.push(
      ...always,
      ...valueFilters(source, channel, settings.sentinels ?? preset?.sentinels, given.min_snr),
    );
  }
  const mapping: Mapping = {
    preset: name,
    guessed: given.preset === undefined,
    id: id === fromStem ? undefined : id,
    band,
    class: label,
    time,
    channels,
    doubtful: given.preset ? [] : drops(preset?.doubtful),
    where: given.where,
    pattern: settings.file_name,
    byName: byPattern || id === undefined || [id, band, label].includes(fromStem),
    lists: listColumns(source),
    columns: source.columns,
  };
  // One file without an id is one light curve, unless a column that means nothing to us could be the id.
  if (mapping.id === undefined && id === undefined && files === 1 && name === undefined) {
    const meant = new Set(
      [band, label, time, ...channels.flatMap((c) => [c.time, c.magnitude, c.error, c.flux, c.fluxError])]
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

/** Columns whose cells are lists as Python writes them: [1.5, 2.5]. */
function listColumns(source: Source): number[] {
  if (!source.layout) return [];
  return source.columns.flatMap((_, i) =>
    source.sample.length > 0 && source.sample.every((row) => /^\[[^\]]*\]$/.test(row[i] ?? "")) ? [i] : []
  );
}

/** Beside lists, a first column without a name is the index of a data frame of objects. */
function unnamedId(source: Source): Cell | undefined {
  return listColumns(source).length > 0 && source.layout?.header?.[0] === ""
    ? cellOf(source, 0, "a first column without a name, beside lists")
    : undefined;
}

function flagOf(flag: string): Drop {
  const [, column, mask] = /^(.*?)(?::(\d+|0x[0-9a-f]+))?$/is.exec(flag)!;
  return { column, mask: mask === undefined ? undefined : Number(mask), reason: `flagged (${flag})` };
}

/** The conditions of those drops whose columns are there. */
function filtersOf(source: Source, drops: readonly Drop[]): Filter[] {
  return drops.flatMap(({ column, when, mask, reason }) => {
    const at = columnCalled(source, column) ?? presetColumn(source, column);
    if (at === undefined) return [];
    const number = source.numberCell(at), cell = source.textCell(at);
    const condition = when !== undefined
      ? `coalesce(${when.includes("'") ? cell : number} ${when}, false)`
      : mask !== undefined
      ? `coalesce(TRY_CAST(${number} AS BIGINT) & ${mask}, 0) <> 0`
      : `(coalesce(lower(${cell}) IN ('true', 't', 'yes'), false) OR coalesce(${number} <> 0, false))`;
    return [{ condition, reason, column: at }];
  });
}

/** What no measurement's value is: limits, marks for no value, fluxes that are not above 0. */
function valueFilters(
  source: Source,
  { magnitude, error, flux, fluxError }: Channel,
  sentinels: readonly number[] | undefined,
  minSnr: number | undefined,
): Filter[] {
  const filters: Filter[] = [];
  if (magnitude?.column !== undefined && source.types[magnitude.column] === "VARCHAR") {
    filters.push({
      condition: `coalesce(regexp_matches(${magnitude.text}, '^[<>]'), false)`,
      reason: "a limit (such as <13.4), not detected",
    });
  }
  for (const mark of sentinels ?? []) {
    const number = magnitude?.number() ?? flux!.number();
    filters.push({
      condition: `coalesce(abs(${number} - ${mark}) < 1e-3, false)`,
      reason: `${mark}, a mark for no value`,
    });
  }
  if (flux && !magnitude) {
    filters.push(
      {
        condition: `(${flux.isEmpty} OR coalesce(NOT isfinite(${flux.number()}), false))`,
        reason: "no flux (a gap)",
      },
      {
        condition: `coalesce(${flux.number()} <= 0, false)`,
        reason: "the flux is not above 0, not detected",
      },
    );
  }
  if (minSnr !== undefined) {
    const ratio = flux && fluxError
      ? `${flux.number()} / ${fluxError.number()}`
      : error
      ? `1.0857362 / ${error.number()}`
      : undefined;
    if (ratio) {
      filters.push({
        condition: `coalesce(${ratio} < ${minSnr}, false)`,
        reason: `below --min-snr ${minSnr}`,
      });
    }
  }
  return filters;
}

/** A time as a number of days: dates come as MJD, and so does what --time-format names. */
function timeCell(source: Source, column: number, format: TimeFormat | undefined, why?: string): Cell {
  const cell = cellOf(source, column, why), type = source.types[column];
  const filled = source.sample.map((row) => row[column] ?? "").filter((value) => value !== "");
  const dates = filled.length > 0 && filled.every((value) => /^\d{4}-\d\d-\d\d([T ].*)?$/.test(value));
  if (
    /^(TIMESTAMP|DATE)/.test(type) || format === "iso" || format === undefined && dates && type === "VARCHAR"
  ) {
    const date = type === "VARCHAR" ? `TRY_CAST(${cell.text} AS TIMESTAMP)` : `${cell.text}::TIMESTAMP`;
    return {
      ...cell,
      label: `${cell.label} (dates, as MJD)`,
      number: () => `(epoch(${date}) / 86400.0 + 40587)`,
    };
  }
  if (format === undefined || format === "mjd") return cell;
  const scale = format === "unix" ? " / 86400.0" : "";
  return {
    ...cell,
    label: `${cell.label} (${format}, as MJD)`,
    number: () => `(${cell.number()}${scale} + ${timeOrigins[format]})`,
  };
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
  pattern: string | undefined,
): Cell | undefined {
  const byPattern = pattern !== undefined;
  if (given !== undefined) {
    const column = columnCalled(source, given);
    if (column !== undefined && (source.named || /^\d+$/.test(given))) {
      return cellOf(source, column, whyOf(source, given, role));
    }
    if (given === "filename") return role === "id" && byPattern ? fromName("id") : fromStem;
    if (given === "folder") return fromFolder;
    const key = source.folderKeys.find((key) => key.toLowerCase() === given.toLowerCase());
    if (key !== undefined) return textCell(`the folder ${key}=`, folderValue(key));
    findColumn(source, role, given, role); // which throws
  }
  // A pattern that names the role was given, and a column was not.
  if (byPattern && role === "id") return fromName("id");
  // What has an id of its own within a light curve is an observation, not the object.
  const outer = role === "id" && source.outer
    ? source.columns.map((column) => source.outer!.has(column) ? column : "")
    : source.columns;
  const column = findColumn({ ...source, columns: outer }, role, undefined, role);
  if (column !== undefined) return cellOf(source, column, whyOf(source, undefined, role));
  return folderRole(source, role) ?? (pattern?.includes(`(?<${role}>`) ? fromName(role) : undefined);
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

function channelsOf(source: Source, settings: ColumnSettings, preset: Preset | undefined): Channel[] {
  if (settings.magnitude === undefined && settings.flux === undefined) {
    const known = preset ? presetChannels(source, settings, preset) : [];
    if (known.length > 0) return known;
    const wide = sideBySide(source, settings);
    if (wide.length > 0) return wide;
  }
  return [channelOf(source, settings)];
}

/** The channels that a preset knows, as far as their columns are there. */
function presetChannels(source: Source, settings: ColumnSettings, preset: Preset): Channel[] {
  const why = `known of ${presetNames.find((name) => presets[name] === preset)}`;
  const cell = (names: string | undefined) => {
    const at = presetColumn(source, names);
    return at === undefined ? undefined : cellOf(source, at, why);
  };
  return [preset, ...preset.channels ?? []].flatMap((entry): Channel[] => {
    const magnitude = cell(entry.magnitude), flux = cell(entry.flux);
    if (!magnitude && !flux) return [];
    const at = entry === preset ? undefined : presetColumn(source, entry.time);
    const blank = (at: Cell | undefined) =>
      at?.column !== undefined && source.sample.length > 0 &&
      source.sample.every((row) => (row[at.column!] ?? "") === "");
    const error = settings.error === undefined
      ? blank(cell(entry.error)) ? undefined : cell(entry.error)
      : settings.error === "none"
      ? undefined
      : cellOf(source, findColumn(source, "error", settings.error, "error")!, "--error names it");
    const zeroPoint = settings.zero_point ??
      (flux && preset.zero_points?.[plainName(flux.label)]) ?? preset.zero_point;
    return [{
      band: "band" in entry && entry !== preset ? (entry as { band?: string }).band : undefined,
      time: at === undefined ? undefined : timeCell(source, at, settings.time_format, why),
      magnitude,
      error,
      flux,
      fluxError: error || settings.error === "none" ? undefined : cell(entry.flux_error),
      ...(magnitude ? {} : zeroPointOf(source, zeroPoint)),
      errorsOptional: preset.errors_optional ?? false,
      filters: entry === preset ? [] : filtersOf(source, entry.drops ?? []),
    }];
  });
}

/** The magnitude of a flux of 1, in SQL. */
function zeroPointOf(
  source: Source,
  given: string | undefined,
): Pick<Channel, "zeroPoint" | "zeroPointColumn"> {
  if (given === undefined) {
    throw new InputError(
      `${source.path}: what is the magnitude of a flux of 1? Give --zero-point: a number, a unit (${
        Object.keys(zeroPoints).join(", ")
      }) or a column`,
    );
  }
  const unit = zeroPoints[given.toLowerCase().replace("µ", "u")];
  if (unit !== undefined) return { zeroPoint: String(unit) };
  const at = /^[+-]?[\d.]+$/.test(given) ? undefined : columnCalled(source, given);
  if (at !== undefined) return { zeroPoint: source.numberCell(at), zeroPointColumn: at };
  if (Number.isFinite(Number(given)) && given.trim() !== "") return { zeroPoint: given };
  throw new InputError(
    `--zero-point ${given} is neither a number, nor a unit (${
      Object.keys(zeroPoints).join(", ")
    }), nor a column of ${source.path}`,
  );
}

/** The one column whose name begins with "mag", if it is one and no error: mag_inst_R. */
function onlyMagnitude({ columns, named }: Source): number | undefined {
  if (!named) return undefined;
  const places = columns.flatMap((column, i) =>
    /^mag/i.test(column) && !/err|unc|sig|std|ref|lim|zp|zero|flag|corr|num|type|sys/i.test(column) ? [i] : []
  );
  return places.length === 1 ? places[0] : undefined;
}

function channelOf(source: Source, settings: ColumnSettings): Channel {
  const { path } = source;
  if (settings.flux !== undefined) {
    const error = settings.flux_error === undefined ? undefined : cellOf(
      source,
      findColumn(source, "error", settings.flux_error, "flux-error")!,
      "--flux-error names it",
    );
    return {
      flux: cellOf(source, findColumn(source, "magnitude", settings.flux, "flux")!, "--flux names it"),
      fluxError: error,
      ...zeroPointOf(source, settings.zero_point),
      errorsOptional: false,
      filters: [],
    };
  }
  const usual = filledOf(source, "magnitude", settings.magnitude, "magnitude");
  const magnitude = usual ?? onlyMagnitude(source);
  if (magnitude === undefined) {
    const fluxes = source.columns.filter((column) => /flux|fcal|ujy|njy/i.test(column));
    const hint = fluxes.length > 0
      ? `; ${
        fewOf(fluxes, 6)
      } look like fluxes, which are no magnitudes: --flux, --flux-error and --zero-point convert them`
      : "";
    throw new InputError(
      `${path}: which column is the magnitude? Give --magnitude; ${listed(source)}${hint}`,
    );
  }
  const error = settings.error === "none" ? undefined : filledOf(source, "error", settings.error, "error");
  const empty = error !== undefined && settings.error === undefined
    ? source.sample.filter((row) => /^(|null|none|na|nan|--)$/i.test((row[error] ?? "").trim())).length
    : 0;
  const unknown = error === undefined || source.sample.length > 0 && empty === source.sample.length;
  return {
    magnitude: cellOf(
      source,
      magnitude,
      usual === undefined
        ? "the only column whose name begins with mag"
        : whyOf(source, settings.magnitude, "magnitude"),
    ),
    error: unknown ? undefined : cellOf(source, error, whyOf(source, settings.error, "error")),
    errorsOptional: 2 * empty > source.sample.length,
    filters: [],
  };
}

/** Magnitudes of several bands in columns side by side: mag_A and magerr_A, MagR and ErMagR, light_points_b and error_points_b. */
function sideBySide(source: Source, settings: ColumnSettings): Channel[] {
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
      time: time < 0 ? undefined : timeCell(source, time, settings.time_format),
      magnitude: cellOf(source, i, "a band's magnitude beside its error"),
      error: cellOf(source, partner, "the error of that band"),
      errorsOptional: false,
      filters: [],
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
    preset: mapping.preset,
    id: id?.label,
    time: channels.every((channel) => !channel.time) ? time.label : labels((channel) => channel.time),
    magnitude: labels((channel) => channel.magnitude),
    error: labels((channel) => channel.error),
    flux: labels((channel) => channel.magnitude && !channel.fluxError ? undefined : channel.flux),
    "flux error": labels((channel) => channel.fluxError),
    "zero point": channels[0].zeroPointColumn === undefined
      ? channels[0].zeroPoint
      : `column ${mapping.columns[channels[0].zeroPointColumn]}`,
    band: band?.label ??
      (channels.length > 1 ? channels.map((channel) => channel.band).join(", ") : undefined),
    class: mapping.class?.label,
  };
  return Object.fromEntries(
    Object.entries(all).filter((entry): entry is [string, string] => entry[1] !== undefined),
  );
}
