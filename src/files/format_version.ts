/** Files that another version of this software may have written carry the version of their format: a whole number. */
import { InputError, shown } from "../common/errors.ts";

/** Versions of a format that this software reads. */
export interface FormatVersions {
  /** What the file is, such as "model": for messages. */
  what: string;
  /** What older software wrote, which wrote no number into some of its files: then 0. */
  oldest: number;
  /** What this software writes. */
  newest: number;
}

/**
 * The version of a file's format.
 * @param path of the file, for messages
 * @param found what the file says, undefined where it says nothing
 * @returns the version, between the oldest and the newest that are read
 * @throws {InputError} when the file is of a newer version, or an older one than is read, or the version is no number
 */
export function checkedVersion(
  path: string,
  found: unknown,
  { what, oldest, newest }: FormatVersions,
): number {
  const version = found === undefined ? 0 : found;
  if (typeof version !== "number" || !Number.isInteger(version) || version < 0) {
    throw new InputError(
      `${path}: the version of the format must be a whole number, not ${shown(version)}`,
    );
  }
  if (version > newest) {
    throw new InputError(
      `${path}: this ${what} has format version ${version}, and this software reads versions up to ${newest}: ` +
        "it was written by a newer Astromer; use that version or a later one",
    );
  }
  if (version < oldest) {
    throw new InputError(
      `${path}: this ${what} has format version ${version}, and this software reads versions from ${oldest} on`,
    );
  }
  return version;
}

/** What the table in a JSON file says under a name, undefined where it says nothing or is no table. */
export function versionIn(json: unknown, name: string): unknown {
  return (json as Record<string, unknown> | null)?.[name];
}
