/** Which column of a table is the time, which the magnitude: given by a flag, or guessed from the usual names. */
import { fewOf, InputError } from "../common/errors.ts";

/** What a column can be. */
export type Role = "id" | "time" | "magnitude" | "error" | "band" | "class" | "subset";

/** Column names as surveys spell them, the surer first; compared without case, spaces, "_" and "-". */
const usualNames: Record<Role, readonly string[]> = {
  id:
    ("newid objectid objid oid masterid sourceid diaobjectid starid lcid lightcurveid macho_id asassnid asassnname " +
      "gaiaid dr3sourceid ps1objid ssnamenr ssobjectid snid ticid kepid keplerid sid id name star starname source object")
      .replaceAll("_", "").split(" "),
  time:
    ("mjd hmjd bmjd obsmjd mjdobs mhjd hjd bjd jd bjdtdb timebjd tmidbjd obstime obsjd midpointmjdtai midpointtai " +
      "midpointmjd cjd barytime time t date datetime timestamp timestart dateobs").split(" "),
  magnitude:
    "mag magnitude psfmag magpsf gmag vmag psfmagnitude meanmag cmagpsf relativemagnitude magauto maginst m"
      .split(" "),
  error:
    ("errmag magerr mage emag magerror evmag egmag magnitudeerror magnitudeuncertainty maguncertainty psfmagerr sigmapsf " +
      "csigmapsf sigmag magsigma dmag dm merr errormag magerrauto uncertainty sigma err error e").split(" "),
  band:
    ("band filter filt passband filtercode fid filtername filterid photband photfilter cfid bandname filterval")
      .split(" "),
  class: "class classname label type vartype variabletype classification".split(" "),
  subset: "subset split set partition".split(" "),
};

/** Names that hold a value's role only beside another: ATLAS's F is a filter beside uJy. */
const namesBeside: { role: Role; name: string; beside: string }[] = [
  { role: "band", name: "f", beside: "ujy" },
];

/** A table's columns, and where they were read, for messages. */
export interface Columns {
  path: string;
  columns: readonly string[];
  /** Whether the names stand in the file; otherwise they are positions from 1. */
  named: boolean;
}

/** What a role is called in a sentence. */
const words: Record<Role, string> = {
  id: "the object's id",
  time: "the time",
  magnitude: "the magnitude",
  error: "the magnitude's error",
  band: "the band",
  class: "the class",
  subset: "the subset",
};

/** A column's name as names are compared: without case, spaces and signs. */
export function plainName(column: string): string {
  return column.toLowerCase().replace(/[^a-z0-9]/g, "");
}

/**
 * The position of a role's column.
 * @param given a column's name (any case), or its position from 1; undefined to guess
 * @param flag the setting that gives it
 * @returns the position from 0, or undefined when nothing was given and no name is usual
 * @throws {InputError} when the given column is not there
 */
export function findColumn(
  table: Columns,
  role: Role,
  given: string | undefined,
  flag: string,
): number | undefined {
  const { path, columns, named } = table;
  if (given !== undefined) {
    const found = columnCalled(table, given);
    if (found !== undefined) return found;
    throw new InputError(`${path} has no column "${given}" (--${flag}); ${listed(table)}`);
  }
  // Three columns without names are, in every archive that writes them, time, magnitude and error.
  if (!named) return columns.length === 3 ? { time: 0, magnitude: 1, error: 2 }[role as string] : undefined;
  const plain = columns.map(plainName);
  for (const name of usualNames[role]) {
    const found = plain.indexOf(name);
    if (found >= 0) return found;
  }
  for (const { name, beside } of namesBeside.filter((entry) => entry.role === role)) {
    if (plain.includes(beside) && plain.includes(name)) return plain.indexOf(name);
  }
  return undefined;
}

/** The column of a name (any case, the exact one first) or of a position from 1, if there is one. */
export function columnCalled({ columns }: Columns, name: string): number | undefined {
  for (const same of [(c: string) => c === name, (c: string) => c.toLowerCase() === name.toLowerCase()]) {
    const found = columns.findIndex(same);
    if (found >= 0) return found;
  }
  return /^[1-9]\d*$/.test(name) && Number(name) <= columns.length ? Number(name) - 1 : undefined;
}

/**
 * As {@link findColumn}, for a column that must be there.
 * @throws {InputError} that lists the columns and names the flag
 */
export function needColumn(table: Columns, role: Role, given: string | undefined, flag: string): number {
  const found = findColumn(table, role, given, flag);
  if (found !== undefined) return found;
  throw new InputError(`${table.path}: which column is ${words[role]}? Give --${flag}; ${listed(table)}`);
}

/** A table's columns, as half a sentence. */
export function listed({ columns, named }: Columns): string {
  return named
    ? `its columns are ${fewOf(columns, 40)}`
    : `it has ${columns.length} columns without names, numbered from 1`;
}
