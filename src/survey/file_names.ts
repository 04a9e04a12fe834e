/** What the names of files say: which object, which band, which class. */
import { InputError } from "../common/errors.ts";
import type { Database } from "./duckdb.ts";
import { stemOf, type SurveyFile } from "./files.ts";
import type { Mapping } from "./mapping.ts";
import { fromFolder } from "./mapping.ts";
import { namedBy } from "./names.ts";
import type { Source } from "./source.ts";

interface Named {
  id: string;
  band: string;
  class: string | null;
}

/** Folders of these names hold light curves of one band each. */
const bands =
  /^([ugrizy]|[UBVRIJHK]|z[gri]|GBP|GRP|G|BP|RP|[oc]|W[1-4]|[ugrizyUBVRIJHK][ _-]?band|band[ _-]?[ugrizyUBVRIJHK])$/;

function namesBy(pattern: string | undefined): (path: string) => Named {
  if (pattern === undefined) return namedBy;
  let expression: RegExp;
  try {
    expression = new RegExp(pattern);
  } catch {
    throw new InputError(`--file-name ${pattern} is not a regular expression`);
  }
  return (path) => {
    const name = pattern.includes("/") ? path : path.slice(path.lastIndexOf("/") + 1);
    const groups = expression.exec(name)?.groups;
    if (!groups?.id) throw new InputError(`${path}: its name gives no id under --file-name ${pattern}`);
    return { id: groups.id, band: groups.band ?? "", class: groups.class ?? null };
  };
}

/** Fills `file_names` with what each file's name gives: id, band and class by the pattern, and the stem. */
export async function nameFiles(
  db: Database,
  files: readonly SurveyFile[],
  pattern: string | undefined,
): Promise<void> {
  const names = files.map(({ path }) => path).map(namesBy(pattern));
  await db.run(
    `CREATE OR REPLACE TABLE file_names
      (__path VARCHAR, __file_id VARCHAR, __file_band VARCHAR, __file_class VARCHAR, __file_stem VARCHAR)`,
  );
  await db.append("file_names", [
    files.map((f) => f.path),
    names.map((n) => n.id),
    names.map((n) => n.band),
    names.map((n) => n.class),
    files.map((f) => stemOf(f.path)),
  ]);
}

/**
 * Looks for files whose names give the same object and band: they would be one light curve. Where their folders are named like
 * bands, the folder becomes the band.
 * @returns notes
 * @throws {InputError} when two files cannot be told apart
 */
export function refuseSameNames(
  sources: readonly Source[],
  mapped: Mapping[],
  pattern: string | undefined,
): string[] {
  const notes: string[] = [];
  let nameOf = namesBy(pattern);
  const collision = () => {
    const seen = new Map<string, string>();
    for (const [k, { files }] of sources.entries()) {
      if (mapped[k].id !== undefined && mapped[k].id!.label !== "the file's name") continue;
      const { band } = mapped[k];
      nameOf = namesBy(pattern ?? mapped[k].pattern);
      for (const { path } of files) {
        const { id, band: named } = nameOf(path);
        const folder = band === fromFolder
          ? folderOf(path)
          : /^the folder (.*=)$/.exec(band?.label ?? "")?.[1];
        const key = `${id}\0${named}\0${
          folder === undefined || band === fromFolder
            ? folder
            : path.split("/").find((part) => part.startsWith(folder))
        }`;
        const other = seen.get(key);
        if (other !== undefined) return [other, path];
        seen.set(key, path);
      }
    }
  };
  const found = collision();
  if (!found) return notes;
  const folders = new Set(sources.flatMap(({ files }) => files.map(({ path }) => folderOf(path))));
  if (
    folders.size > 1 && [...folders].every((folder) => bands.test(folder)) &&
    mapped.every(({ band }) => !band)
  ) {
    for (const mapping of mapped) mapping.band = fromFolder;
    if (!collision()) {
      return [
        `files of one name lie in ${
          [...folders].sort().join(", ")
        }: the folder is taken for the band (--band folder)`,
      ];
    }
    for (const mapping of mapped) mapping.band = undefined;
  }
  const [a, b] = found;
  const sameName = a.slice(a.lastIndexOf("/") + 1) === b.slice(b.lastIndexOf("/") + 1);
  if (pattern !== undefined && (!sameName || pattern.includes("/"))) {
    return [`${a} and ${b} have one id and band under --file-name: such files are one light curve together`];
  }
  throw new InputError(
    `${a} and ${b} would be one light curve "${nameOf(a).id}" by their names: ` +
      (sameName
        ? `--band folder takes the folder for the band, --id folder for the object, and --file-name with a / in its pattern looks at the ` +
          `whole path, e.g. '(?<band>[^/]+)/(?<id>[^/]+)\\.[^/]*$'`
        : `name them apart, leave one out, or say with --file-name which part of the name is the id`),
  );
}

function folderOf(path: string): string {
  return path.split("/").at(-2) ?? "";
}
