/** Which files a survey consists of. */
import { InputError } from "../common/errors.ts";
import { type Database, text } from "./duckdb.ts";
import { type Format, passedOver, recognise } from "./formats/container.ts";
import { firstBytes } from "./text_file.ts";

/** A file of photometry, labels or splits. */
export interface SurveyFile {
  path: string;
  bytes: number;
  kind: "parquet" | "text";
  /** What the file is, where it is neither Parquet nor a plain text and that is known already. */
  format?: Format;
  /** Whether it was named itself, and not found in a folder or by a pattern. */
  named: boolean;
}

/** The files found, and what was passed over. */
export interface FoundFiles {
  files: SurveyFile[];
  /** Why files were passed over, and how many. */
  passedOver: { reason: string; files: number; example: string }[];
}

/** Endings that a file's name loses when it names a light curve. */
const endings =
  "parquet parq pq csv tsv dat txt mjd lc asc ascii tbl time fits fit xml vot votable ecsv rdb json avro pysis data phot"
    .split(" ");
const ending = new RegExp(`\\.(${endings.join("|")})$`, "i");
const compression = /\.(gz|bz2|zst|xz)$/i;

/** Files that stand in a HATS catalogue beside its data; the thumbnail repeats a row of each partition. */
const hatsOwn =
  /^(properties|(hats|collection)\.properties|partition(_join)?_info\.csv|data_thumbnail\.parquet|skymap(\.\w+)?\.fits|point_map\.fits)$/;

/** Endings of files that hold no table, whatever is in them. */
const noTables =
  /\.(md|rst|html?|pdf|png|jpe?g|gif|svg|py|r|ipynb|sh|ts|js|toml|ya?ml|log|ini|cfg|tex|bib|c|h|f|for|f90|properties|crc|md5|sha256|ignore|readme|list)$/i;

/**
 * The files that paths, folders and patterns name, each once, in order of their names.
 * @param inputs a file; a folder, meaning all files in it and its folders; or a pattern with * ? [] or **
 * @param setting the flag that gave them, for messages
 * @throws {InputError} when one of them names no file
 */
export async function findFiles(
  db: Database,
  inputs: readonly string[],
  setting: string,
): Promise<FoundFiles> {
  const named = new Set<string>(), found = new Set<string>();
  const formats = new Map<string, Format | undefined>();
  const passed = new Map<string, { reason: string; files: number; example: string }>();
  const passOver = (reason: string, example: string) => {
    const entry = passed.get(reason) ?? { reason, files: 0, example };
    entry.files++;
    passed.set(reason, entry);
  };
  for (const input of inputs) {
    const info = await Deno.stat(input).catch(() => undefined);
    if (info && !info.isDirectory) {
      named.add(input);
      continue;
    }
    const base = info ? input.replace(/\/+$/, "") : "";
    const paths = info ? filesUnder(base, passOver) : await matching(db, input, setting);
    let any = false, last = "";
    for (const path of paths) {
      const reason = passedOverBecause(path, info ? base : input);
      if (reason) passOver(reason, path);
      else {
        const format = await formatOf(path);
        const why = format && await passedOver(path, format);
        if (why) {
          passOver(why, path);
          last = `; ${path} is ${why}`;
          continue;
        }
        formats.set(path, format);
        found.add(path);
        any = true;
      }
    }
    if (!any) {
      throw new InputError(
        `--${setting} ${input}: ` +
          (info ? "the folder has no file of light curves" : "the pattern matches no file of light curves") +
          last,
      );
    }
  }
  const files = [...new Set([...named, ...found])].sort()
    .map((path) => ({ ...fileAt(path, setting), named: named.has(path), format: formats.get(path) }));
  if (files.every((file) => file.bytes === 0)) {
    throw new InputError(
      files.length === 1
        ? `${files[0].path} is empty`
        : `all ${files.length} files of --${setting} are empty`,
    );
  }
  for (const file of files) if (file.bytes === 0) passOver("empty", file.path);
  return { files: files.filter((file) => file.bytes > 0), passedOver: [...passed.values()] };
}

/** What a file is, where it is neither Parquet nor a plain text. */
async function formatOf(path: string): Promise<Format | undefined> {
  const format = await recognise(path);
  return format === "parquet" ? undefined : format;
}

/** All files under a folder, links followed; hidden folders and datasets that preprocess wrote are not entered. */
function* filesUnder(
  folder: string,
  passOver: (reason: string, example: string) => void,
  depth = 0,
): Generator<string> {
  const entries = Array.from(Deno.readDirSync(folder));
  if (depth > 0 && entries.some(({ name }) => name === "dataset.json")) return;
  const product = depth > 0 ? hatsProduct(folder, entries) : undefined;
  if (product && product !== "object" && product !== "source" && product !== "nested") {
    return passOver(`HATS catalogues beside the light curves (${product})`, folder);
  }
  for (const entry of entries) {
    const path = `${folder}/${entry.name}`;
    let isFolder = entry.isDirectory;
    if (entry.isSymlink) {
      try {
        isFolder = Deno.statSync(path).isDirectory;
      } catch {
        continue; // a link to nothing
      }
    }
    if (!isFolder) yield path;
    else if (!/^\.|\.\d+(\.work|\.dataset)?\.tmp$/.test(entry.name) && depth < 20) {
      yield* filesUnder(path, passOver, depth + 1);
    }
  }
}

/** What a HATS catalogue holds: "object", "source", or "margin", which repeats the neighbours of each partition. */
function hatsProduct(folder: string, entries: readonly Deno.DirEntry[]): string | undefined {
  const file = ["hats.properties", "properties"].find((name) => entries.some((entry) => entry.name === name));
  if (!file) return undefined;
  const text = new TextDecoder().decode(firstBytes(`${folder}/${file}`, 1 << 14));
  return /^dataproduct_type\s*=\s*(\w+)/m.exec(text)?.[1];
}

async function matching(db: Database, pattern: string, setting: string): Promise<string[]> {
  if (!/[*?[]/.test(pattern)) {
    throw new InputError(`--${setting} ${pattern}: there is no such file or folder`);
  }
  const found = await db.rows<{ file: string }>(`SELECT file FROM glob(${text(pattern)})`);
  if (found.length === 0) throw new InputError(`--${setting} ${pattern}: the pattern matches no file`);
  return found.map(({ file }) => file);
}

/** Why a file that a folder or a pattern found is no table of light curves, if that can be told by its name. */
function passedOverBecause(path: string, input: string): string | undefined {
  // The shell's * leaves out hidden files, too, unless the pattern itself begins with a dot.
  const parts = path.split("/"), asked = new Set(input.split("/").filter((part) => part.startsWith(".")));
  const hidden = parts.some((part, i) =>
    part.startsWith(".") && part !== "." && part !== ".." &&
    !(asked.has(part) || i === parts.length - 1 && [...asked].some((ask) => /[*?[]/.test(ask)))
  );
  if (hidden) return "hidden files (names that begin with a dot)";
  const name = parts.at(-1)!;
  if (/^_(metadata|common_metadata|SUCCESS|started|committed)/.test(name)) {
    return "a writer's own files (_metadata)";
  }
  if (hatsOwn.test(name)) return "files of a HATS catalogue beside its data";
  if (/^(\d*read_?me|license|copying|citation|changelog|makefile)(\.|$)/i.test(name)) {
    return "documents (README)";
  }
  if (noTables.test(name.replace(compression, ""))) return "files that hold no table";
  return undefined;
}

/** One file, by its path; Parquet is known by its content. */
export function fileAt(path: string, setting: string): SurveyFile {
  let info: Deno.FileInfo;
  try {
    info = Deno.statSync(path);
  } catch {
    throw new InputError(`--${setting} ${path}: there is no such file`);
  }
  if (info.isDirectory) throw new InputError(`--${setting} ${path}: that is a folder, not a file`);
  const parquet = info.size > 0 && String.fromCharCode(...firstBytes(path, 4)) === "PAR1";
  return { path, bytes: info.size, kind: parquet ? "parquet" : "text", named: true };
}

/** A file's name without folder and without known endings. */
export function stemOf(path: string): string {
  return path.slice(path.lastIndexOf("/") + 1).replace(compression, "").replace(ending, "").trim();
}
