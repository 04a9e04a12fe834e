/** Tables beside the photometry: classes, splits, pairs of duplicates. */
import { InputError } from "../common/errors.ts";
import { readCell } from "../files/csv.ts";
import { readText } from "../files/text.ts";
import { parseToml } from "../common/std.ts";
import { findColumn, needColumn } from "./columns.ts";
import { folderRole } from "./mapping.ts";
import { type Asked, placeOf } from "./carried.ts";
import { type Database, text } from "./duckdb.ts";
import { fileAt } from "./files.ts";
import type { Unusable } from "./read.ts";
import { readable, refuseFloatIds, roundedIds, type Source, sourceOf } from "./source.ts";
import { type Subset, subsetOf } from "./split.ts";

/** A table of classes. */
export interface LabelSettings {
  labels?: string;
  labels_id?: string;
  labels_class?: string;
}

/** A small table in memory, and its rows that cannot be used. */
interface SideTable {
  rows: Record<string, string | null>[];
  unusable: Unusable[];
}

/** The rows of a table beside the photometry, as texts by role; rows with too few or too many fields are set aside. */
async function sideTable(
  db: Database,
  source: Source,
  cells: Record<string, string | undefined>,
  setting: string,
): Promise<SideTable> {
  const broken = source.broken.map(({ condition, reason }) => `WHEN ${condition} THEN ${text(reason)}`).join(
    " ",
  );
  const from = await source.from(source.files);
  const all = await readable(
    source.files,
    db.rows<Record<string, string | null> & { reason: string | null; place: number | null }>(
      `SELECT ${
        Object.entries(cells).map(([role, cell]) => `${cell ?? "NULL::VARCHAR"} AS "${role}"`).join(", ")
      },
        ${broken ? `CASE ${broken} END` : "NULL"} AS reason, ${source.place} AS place FROM ${from}`,
    ),
  );
  const unusable = new Map<string, Unusable>();
  const rows = all.filter(({ reason, place, id }) => {
    if (reason === null) return true;
    const entry = unusable.get(reason) ??
      {
        reason: `--${setting}: ${reason}`,
        rows: 0,
        example: `${source.path}: line ${place} (id ${JSON.stringify(id)})`,
      };
    entry.rows++;
    unusable.set(reason, entry);
    return false;
  });
  // What this program has written, such as labels.csv of explore, has an apostrophe before a text like +J12.
  if (source.layout) {
    for (const row of rows) {
      for (const role of Object.keys(cells)) if (row[role] !== null) row[role] = readCell(row[role]);
    }
  }
  return { rows, unusable: [...unusable.values()] };
}

/**
 * Whole numbers that a detour through floating point gave a decimal point (20010.0): without it, where all are such.
 * @throws {InputError} when digits of an id are lost
 */
function wholeAgain(rows: Record<string, string | null>[], role: string, path: string): void {
  const cells = rows.map((row) => row[role]).filter((cell) => cell !== null);
  const whole = cells.length > 0 && cells.every((cell) => /^[+-]?\d+\.0+$/.test(cell));
  if (role !== "class") {
    const rounded = cells.find((cell) =>
      /^[+-]?\d(\.\d+)?e\+?(1[5-9]|[2-9]\d)$/i.test(cell) || whole && Math.abs(Number(cell)) >= 2 ** 53
    );
    if (rounded !== undefined) throw roundedIds(path, rounded);
  }
  if (whole) { for (const row of rows) row[role] = row[role]?.replace(/\.0+$/, "") ?? null; }
}

/**
 * Fills the table `labels` (id, class, band VARCHAR; one row an id; band null unless the file gives just one; `carried_0` … VARCHAR).
 * @param asked columns that go along
 * @returns rows that cannot be used, and how the file spells each of the asked columns, where it has it
 * @throws {InputError} when a column is missing or an object has two classes
 */
export async function readLabels(
  db: Database,
  settings: LabelSettings,
  asked: readonly Asked[] = [],
): Promise<{ unusable: Unusable[]; labelled: (string | undefined)[] }> {
  await db.run(
    `CREATE TABLE labels (id VARCHAR, class VARCHAR, band VARCHAR${
      asked.map((_, i) => `, carried_${i} VARCHAR`).join("")
    })`,
  );
  if (settings.labels === undefined) return { unusable: [], labelled: asked.map(() => undefined) };
  const path = settings.labels, source = await sourceOf(db, fileAt(path, "labels"));
  const id = needColumn(source, "id", settings.labels_id, "labels-id");
  const folder = settings.labels_class === undefined ? folderRole(source, "class") : undefined;
  const label = findColumn(source, "class", settings.labels_class, "labels-class") ??
    (folder
      ? undefined
      : findColumn(source, "class", source.columns.find((c) => /^target$/i.test(c)), "labels-class") ??
        needColumn(source, "class", settings.labels_class, "labels-class"));
  const band = findColumn(source, "band", undefined, "labels-band");
  await refuseFloatIds(db, source, id);
  const places = asked.map((one) => placeOf(source, one));
  const cells = {
    id: source.textCell(id),
    class: label === undefined ? folder!.text : source.textCell(label),
    band: band === undefined ? undefined : source.textCell(band),
    ...Object.fromEntries(
      places.map((at, i) => [`carried_${i}`, at === undefined ? undefined : source.textCell(at)]),
    ),
  };
  const { rows, unusable } = await sideTable(db, source, cells, "labels");
  for (const role of ["id", "class"]) wholeAgain(rows, role, path);
  const labels = new Map<
    string,
    { class: string | null; bands: Set<string | null>; carried: (string | null)[] }
  >();
  let nameless = 0;
  for (const row of rows) {
    if (row.id === null) {
      nameless++;
      continue;
    }
    const entry = labels.get(row.id);
    if (entry && row.class !== null && entry.class !== null && entry.class !== row.class) {
      const [a, b] = [entry.class, row.class].sort();
      throw new InputError(`${path}: object "${row.id}" has two classes, "${a}" and "${b}"`);
    }
    labels.set(row.id, {
      class: entry?.class ?? row.class,
      bands: (entry?.bands ?? new Set()).add(row.band),
      carried: asked.map((_, i) => entry?.carried[i] ?? row[`carried_${i}`]),
    });
  }
  const entries = [...labels];
  await db.append("labels", [
    entries.map(([id]) => id),
    entries.map(([, label]) => label.class),
    entries.map(([, { bands }]) => bands.size === 1 ? [...bands][0] : null),
    ...asked.map((_, i) => entries.map(([, { carried }]) => carried[i])),
  ]);
  if (nameless > 0) unusable.push({ reason: "--labels: no id", rows: nameless, example: path });
  return {
    unusable,
    labelled: places.map((at) => at === undefined ? undefined : source.columns[at]),
  };
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
export async function readSplitFile(
  db: Database,
  settings: SplitFileSettings,
): Promise<{ listed: Map<string, Subset>; unusable: Unusable[] }> {
  const path = settings.split_file;
  const source = await sourceOf(db, fileAt(path, "split-file"));
  const id = needColumn(source, "id", settings.split_id, "split-id");
  const subset = needColumn(source, "subset", settings.split_subset, "split-subset");
  // A holdout column has no usual name, so a role that guesses is only borrowed when the flag is given.
  const holdout = settings.split_holdout_column === undefined
    ? undefined
    : needColumn(source, "subset", settings.split_holdout_column, "split-holdout-column");
  await refuseFloatIds(db, source, id);
  const cells = {
    id: source.textCell(id),
    subset: source.textCell(subset),
    holdout: holdout === undefined ? undefined : source.textCell(holdout),
  };
  const { rows, unusable } = await sideTable(db, source, cells, "split-file");
  wholeAgain(rows, "id", path);
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
  return { listed, unusable };
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
  return (await readPairs(db, path)).pairs;
}

/** As {@link readDuplicates}, with the rows that cannot be used. */
export async function readPairs(
  db: Database,
  path: string,
): Promise<{ pairs: [string, string][]; unusable: Unusable[] }> {
  if (path.toLowerCase().endsWith(".toml")) {
    let content: { duplicates?: { pairs?: unknown } };
    try {
      const text = await readText(fileAt(path, "duplicates").path);
      // Numbers of 16 digits and more would be rounded: they are read as text.
      content = parseToml(text.replace(/(?<=[\[,]\s*)[+-]?\d{16,}(?=\s*[,\]])/g, '"$&"'));
    } catch (error) {
      if (error instanceof InputError) throw error;
      throw new InputError(`${path} is not valid TOML: ${(error as Error).message}`);
    }
    const pairs = content.duplicates?.pairs;
    if (!Array.isArray(pairs) || !pairs.every((pair) => Array.isArray(pair) && pair.length === 2)) {
      throw new InputError(`${path} has no [duplicates] pairs = [[a, b], …]`);
    }
    return { pairs: pairs.map(([a, b]) => [String(a), String(b)]), unusable: [] };
  }
  const source = await sourceOf(db, fileAt(path, "duplicates"));
  if (source.columns.length < 2) throw new InputError(`${path} has one column; pairs of ids need two`);
  for (const column of [0, 1]) await refuseFloatIds(db, source, column);
  const { rows, unusable } = await sideTable(
    db,
    source,
    { id: source.textCell(0), other: source.textCell(1) },
    "duplicates",
  );
  for (const role of ["id", "other"]) wholeAgain(rows, role, path);
  const pairs = rows.map(({ id, other }, i): [string, string] => {
    if (id === null || other === null) throw new InputError(`${path}, row ${i + 1}: an id is empty`);
    return [id, other];
  });
  return { pairs, unusable };
}
