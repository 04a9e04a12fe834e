/** Tables beside the photometry: classes, splits, pairs of duplicates. */
import { InputError } from "../errors.ts";
import { parseToml } from "../std.ts";
import { findColumn, needColumn } from "./columns.ts";
import type { Database } from "./duckdb.ts";
import { fileAt } from "./files.ts";
import { readable, sourceOf } from "./source.ts";
import { type Subset, subsetOf } from "./split.ts";

/** A table of classes. */
export interface LabelSettings {
  labels?: string;
  labels_id?: string;
  labels_class?: string;
}

/**
 * Fills the table `labels` (id, class, band VARCHAR; one row an id; band null unless the file gives just one).
 * @throws {InputError} when a column is missing or an object has two classes
 */
export async function readLabels(db: Database, settings: LabelSettings): Promise<void> {
  await db.run(`CREATE TABLE labels (id VARCHAR, class VARCHAR, other VARCHAR, band VARCHAR)`);
  if (settings.labels === undefined) return;
  const source = await sourceOf(db, fileAt(settings.labels, "labels"));
  const id = needColumn(source, "id", settings.labels_id, "labels-id");
  const label = needColumn(source, "class", settings.labels_class, "labels-class");
  const band = findColumn(source, "band", undefined, "labels-band");
  await readable(
    source.files,
    db.run(
      `INSERT INTO labels
        SELECT id, min(class), max(class), CASE WHEN min(band) = max(band) THEN min(band) END
        FROM (SELECT ${source.textCell(id)} AS id, ${source.textCell(label)} AS class,
            ${band === undefined ? "NULL::VARCHAR" : source.textCell(band)} AS band
          FROM ${source.from(source.files)})
        WHERE id IS NOT NULL GROUP BY id`,
    ),
  );
  const [two] = await db.rows<{ id: string; class: string; other: string }>(
    `SELECT id, class, other FROM labels WHERE class <> other ORDER BY id LIMIT 1`,
  );
  if (two) {
    throw new InputError(
      `${settings.labels}: object "${two.id}" has two classes, "${two.class}" and "${two.other}"`,
    );
  }
}

/** A table that says which object belongs to which subset. */
export interface SplitFileSettings {
  split_file: string;
  split_id?: string;
  split_subset?: string;
  /** A column of true and false: true, and not in test, means in no subset. */
  split_holdout_column?: string;
}

/**
 * What a split file says of each object.
 * @throws {InputError} when a column is missing, a word is not a subset, or an object is listed on two sides
 */
export async function readSplitFile(db: Database, settings: SplitFileSettings): Promise<Map<string, Subset>> {
  const path = settings.split_file;
  const source = await sourceOf(db, fileAt(path, "split-file"));
  const id = needColumn(source, "id", settings.split_id, "split-id");
  const subset = needColumn(source, "subset", settings.split_subset, "split-subset");
  // A holdout column has no usual name, so a role that guesses is only borrowed when the flag is given.
  const holdout = settings.split_holdout_column === undefined
    ? undefined
    : needColumn(source, "subset", settings.split_holdout_column, "split-holdout-column");
  const rows = await readable(
    source.files,
    db.rows<{ id: string | null; subset: string | null; holdout: string | null }>(
      `SELECT ${source.textCell(id)} AS id, ${source.textCell(subset)} AS subset,
        ${holdout === undefined ? "NULL::VARCHAR" : source.textCell(holdout)} AS holdout
        FROM ${source.from(source.files)}`,
    ),
  );
  const listed = new Map<string, Subset>();
  for (const [i, row] of rows.entries()) {
    const where = `${path}, row ${i + 1}`;
    if (row.id === null) throw new InputError(`${where}: the id is empty`);
    const said = subsetOf(row.subset);
    if (said === undefined) {
      throw new InputError(
        `${where}: "${row.subset}" is no subset; right are train, pretrain, validation, val, test and none`,
      );
    }
    const held = said !== "test" && truth(row.holdout, `${where}, column ${settings.split_holdout_column}`);
    const subset = held ? "none" : said;
    const before = listed.get(row.id);
    if (before !== undefined && before !== subset) {
      throw new InputError(`${where}: object "${row.id}" is listed as ${before} and as ${subset}`);
    }
    listed.set(row.id, subset);
  }
  return listed;
}

function truth(word: string | null, where: string): boolean {
  if (word === null || /^(false|f|no|0)$/i.test(word)) return false;
  if (/^(true|t|yes|1)$/i.test(word)) return true;
  throw new InputError(`${where}: "${word}" is neither true nor false`);
}

/**
 * Pairs of ids that are one object: the first two columns of a table, or `[duplicates] pairs = [[a, b], …]` of a TOML file.
 * @throws {InputError} when the file holds no such thing
 */
export async function readDuplicates(db: Database, path: string): Promise<[string, string][]> {
  if (path.toLowerCase().endsWith(".toml")) {
    let content: { duplicates?: { pairs?: unknown } };
    try {
      content = parseToml(await Deno.readTextFile(fileAt(path, "duplicates").path));
    } catch (error) {
      if (error instanceof InputError) throw error;
      throw new InputError(`${path} is not valid TOML: ${(error as Error).message}`);
    }
    const pairs = content.duplicates?.pairs;
    if (!Array.isArray(pairs) || !pairs.every((pair) => Array.isArray(pair) && pair.length === 2)) {
      throw new InputError(`${path} has no [duplicates] pairs = [[a, b], …]`);
    }
    return pairs.map(([a, b]) => [String(a), String(b)]);
  }
  const source = await sourceOf(db, fileAt(path, "duplicates"));
  if (source.columns.length < 2) throw new InputError(`${path} has one column; pairs of ids need two`);
  const rows = await readable(
    source.files,
    db.rows<{ a: string | null; b: string | null }>(
      `SELECT ${source.textCell(0)} AS a, ${source.textCell(1)} AS b FROM ${source.from(source.files)}`,
    ),
  );
  return rows.map(({ a, b }, i) => {
    if (a === null || b === null) throw new InputError(`${path}, row ${i + 1}: an id is empty`);
    return [a, b];
  });
}
