/** Which files a survey consists of. */
import { InputError } from "../errors.ts";
import { type Database, text } from "./duckdb.ts";

/** A file of photometry, labels or splits. */
export interface SurveyFile {
  path: string;
  bytes: number;
  kind: "parquet" | "text";
}

const endings = {
  parquet: ["parquet", "parq", "pq"],
  text: ["csv", "tsv", "dat", "txt", "mjd", "lc", "asc", "ascii", "tbl"],
} as const;
const known = [...endings.parquet, ...endings.text].map((ending) => `.${ending}`).join(" ");
const ending = new RegExp(`\\.(${[...endings.parquet, ...endings.text].join("|")})(\\.gz)?$`, "i");

/**
 * The files that paths, folders and patterns name, each once, in order of their names.
 * @param inputs a file; a folder, meaning all files in it whose kind is known; or a pattern with * ? [] or **
 * @param setting the flag that gave them, for messages
 * @throws {InputError} when one of them names no file
 */
export async function findFiles(
  db: Database,
  inputs: readonly string[],
  setting: string,
): Promise<SurveyFile[]> {
  const paths = new Set<string>();
  for (const input of inputs) {
    for (const path of await expand(db, input, setting)) paths.add(path);
  }
  const files = [...paths].sort().map((path) => fileAt(path, setting));
  if (files.every((file) => file.bytes === 0)) {
    throw new InputError(
      files.length === 1
        ? `${files[0].path} is empty`
        : `all ${files.length} files of --${setting} are empty`,
    );
  }
  return files.filter((file) => file.bytes > 0);
}

async function expand(db: Database, input: string, setting: string): Promise<string[]> {
  const info = await Deno.stat(input).catch(() => undefined);
  if (info?.isDirectory) {
    const folder = input.replace(/\/+$/, "");
    const paths = (await Array.fromAsync(Deno.readDir(input)))
      .filter((entry) => !entry.isDirectory && ending.test(entry.name)).map((entry) =>
        `${folder}/${entry.name}`
      );
    if (paths.length === 0) {
      throw new InputError(`--${setting} ${input}: the folder has no file ending in ${known}`);
    }
    return paths;
  }
  if (info) return [input];
  if (!/[*?[]/.test(input)) throw new InputError(`--${setting} ${input}: there is no such file or folder`);
  const found = await db.rows<{ file: string }>(`SELECT file FROM glob(${text(input)})`);
  if (found.length === 0) throw new InputError(`--${setting} ${input}: the pattern matches no file`);
  return found.map(({ file }) => file);
}

/** One file, by its path. */
export function fileAt(path: string, setting: string): SurveyFile {
  let info: Deno.FileInfo;
  try {
    info = Deno.statSync(path);
  } catch {
    throw new InputError(`--${setting} ${path}: there is no such file`);
  }
  if (!info.isFile) throw new InputError(`--${setting} ${path}: that is a folder, not a file`);
  const word = ending.exec(path)?.[1].toLowerCase() ?? "txt";
  const kind = (endings.parquet as readonly string[]).includes(word) ? "parquet" : "text";
  return { path, bytes: info.size, kind };
}

/** A file's name without folder and without known endings. */
export function stemOf(path: string): string {
  return path.slice(path.lastIndexOf("/") + 1).replace(/\.gz$/i, "").replace(ending, "");
}
