/** Scenarios that a table names, object by object, in place of drawing them. */
import { type Dataset, lightCurvesOf, type Subset } from "../data/dataset.ts";
import { InputError } from "../common/errors.ts";
import { findColumn, listed, needColumn } from "../survey/columns.ts";
import type { Database } from "../survey/duckdb.ts";
import { fileAt } from "../survey/files.ts";
import { readable, type Source, sourceOf } from "../survey/source.ts";
import { subsetOf } from "../survey/split.ts";
import { grouped } from "../common/table.ts";
import type { ChosenClass } from "./classes.ts";
import type { Drawing, DrawnObject, DrawnRun } from "./draw.ts";
import { labelledObjects } from "./labelled_objects.ts";

/** A table of scenarios and its columns. */
export interface GivenSplitSettings {
  split_file: string;
  split_id?: string;
  split_subset?: string;
  split_scenario?: string;
  split_fold?: string;
}

/** What the table says of one object. */
export interface GivenObject {
  id: string;
  subset: Exclude<Subset, "none">;
  /** Null in test rows that serve every scenario. */
  samplesPerClass: number | null;
  fold: number | null;
  /** How often it is taken. */
  count: number;
}

/**
 * Reads a table of scenarios. Its columns: id, subset, samples per class (named scenario, samples_per_class or spc),
 * fold,
 * and if wanted count and band. An object that stands in several rows of one fold is taken as often (in several
 * bands: as
 * often as in any of them); so `scenarios.parquet` of an older draw can be given, too.
 * @throws {InputError} when a column is missing or a cell is not what it should be
 */
export async function readGivenSplit(db: Database, settings: GivenSplitSettings): Promise<GivenObject[]> {
  const path = settings.split_file, source = await sourceOf(db, fileAt(path, "split-file"));
  const id = needColumn(source, "id", settings.split_id, "split-id");
  const subset = needColumn(source, "subset", settings.split_subset, "split-subset");
  const scenario = columnNamed(
    source,
    ["scenario", "samplesperclass", "spc"],
    settings.split_scenario,
    "split-scenario",
  );
  const fold = columnNamed(source, ["fold"], settings.split_fold, "split-fold");
  const band = findColumn(source, "band", undefined, "band");
  const count = source.columns.findIndex((column) => column.toLowerCase() === "count");
  const rows = await readable(
    source.files,
    db.rows<Record<"id" | "subset" | "scenario" | "fold", string | null> & { count: number }>(
      `SELECT id, subset, scenario, fold, max(count) AS count
        FROM (
          SELECT ${source.textCell(id)} AS id, ${band === undefined ? "''" : source.textCell(band)} AS band,
            ${source.textCell(subset)} AS subset, ${source.textCell(scenario)} AS scenario,
            ${source.textCell(fold)} AS fold, sum(${count < 0 ? "1" : source.numberCell(count)}) AS count
          FROM ${await source.from(source.files)} GROUP BY ALL)
        GROUP BY ALL ORDER BY ALL`,
    ),
  );
  return rows.flatMap((row) => {
    if (row.id === null) throw new InputError(`${path}: a row has no id`);
    const where = `${path}, object "${row.id}"`, subset = subsetOf(row.subset);
    if (subset === undefined) {
      throw new InputError(
        `${where}: "${row.subset}" is no subset; right are train, validation, val and test`,
      );
    }
    if (subset === "none") return [];
    if (!(Number.isInteger(row.count) && row.count > 0)) {
      throw new InputError(
        `${where}: it is taken ${row.count} times, but a whole number from 1 on is needed`,
      );
    }
    const whole = (cell: string | null, least: number, name: string): number => {
      if (cell !== null && /^\d+$/.test(cell) && Number(cell) >= least) return Number(cell);
      throw new InputError(
        `${where} in ${subset}: ${name} is ${cell ?? "empty"}, a whole number from ${least} on is needed`,
      );
    };
    const shared = subset === "test" && (row.scenario === null || Number(row.scenario) === 0);
    return [{
      id: row.id,
      subset,
      samplesPerClass: shared ? null : whole(row.scenario, 1, "the samples per class"),
      fold: shared ? null : whole(row.fold, 0, "the fold"),
      count: row.count,
    }];
  });
}

function columnNamed(
  source: Source,
  usual: readonly string[],
  given: string | undefined,
  flag: string,
): number {
  const name = given ??
    source.columns.find((column) => usual.includes(column.toLowerCase().replace(/[^a-z0-9]/g, "")));
  if (name === undefined) {
    throw new InputError(
      `${source.path}: which column is the ${flag.replace("split-", "")}? Give --${flag}; ${listed(source)}`,
    );
  }
  return findColumn(source, "subset", name, flag)!;
}

/**
 * The classes of a dataset's objects that a table names, sorted.
 * @throws {InputError} when it names none with a class
 */
export function classesNamed(path: string, given: readonly GivenObject[], dataset: Dataset): string[] {
  const ids = new Set(given.map(({ id }) => id));
  const found = new Set(dataset.classes.filter((name, i) => name !== null && ids.has(dataset.ids[i])));
  if (found.size === 0) {
    throw new InputError(
      `${path}: none of its objects (e.g. "${given[0]?.id}") has a class in ${dataset.folder} ` +
        `(where objects are named like "${dataset.ids[0]}"); --split-id chooses the column`,
    );
  }
  return [...found as Set<string>].sort();
}

/**
 * The scenarios of a table, as far as the dataset has its objects.
 * @param groups ids that are one object, from `groupsOf`
 * @returns the scenarios, and sentences about objects that the dataset lacks
 * @throws {InputError} when an object is on two sides of a fold, a class is missing on one, or folds differ in their
 * test
 */
export function scenariosGiven(
  path: string,
  given: readonly GivenObject[],
  dataset: Dataset,
  classes: readonly ChosenClass[],
  groups: ReadonlyMap<string, string> = new Map(),
): { drawing: Drawing; warnings: string[] } {
  const { objects, contradictory } = labelledObjects(dataset, classes);
  const byId = new Map(objects.map((object) => [object.id, object]));
  const warnings = missing(path, given, dataset, contradictory);
  const test = sharedTest(path, given);
  refuseLeaks(path, given, test, groups);

  const runs = new Map<string, DrawnRun>();
  for (const { id, subset, samplesPerClass, fold, count } of given) {
    if (subset === "test") continue;
    const key = nameOf({ samplesPerClass, fold });
    if (!runs.has(key)) {
      runs.set(key, { samplesPerClass: samplesPerClass!, fold: fold!, train: [], validation: [] });
    }
    const object = byId.get(id);
    if (object) runs.get(key)![subset].push({ object, count });
  }
  const drawing: Drawing = {
    test: [...test].flatMap((id) => byId.get(id) ?? []),
    runs: [...runs.values()].sort((a, b) => a.samplesPerClass - b.samplesPerClass || a.fold - b.fold),
  };
  refuseEmpty(path, drawing, classes);
  return { drawing, warnings };
}

const nameOf = ({ samplesPerClass, fold }: Pick<GivenObject, "samplesPerClass" | "fold">) =>
  samplesPerClass === null ? "all scenarios" : `${samplesPerClass} samples per class, fold ${fold}`;

/** The ids of the one test set. */
function sharedTest(path: string, given: readonly GivenObject[]): Set<string> {
  const sets = new Map<string, Set<string>>();
  for (const row of given.filter(({ subset }) => subset === "test")) {
    const key = nameOf(row);
    if (row.count > 1) {
      throw new InputError(`${path}: object "${row.id}" is ${row.count} times in test (${key})`);
    }
    if (!sets.has(key)) sets.set(key, new Set());
    sets.get(key)!.add(row.id);
  }
  const [[first, test] = ["", new Set<string>()], ...others] = sets;
  for (const [key, ids] of others) {
    const odd = [...ids.symmetricDifference(test)][0];
    if (odd === undefined) continue;
    throw new InputError(
      `${path}: object "${odd}" is in the test set of ${test.has(odd) ? first : key} but not of ${
        test.has(odd) ? key : first
      }; one test set that all share is needed`,
    );
  }
  return test;
}

/** No object, nor a duplicate of it, is on two sides of a fold. */
function refuseLeaks(
  path: string,
  given: readonly GivenObject[],
  test: ReadonlySet<string>,
  groups: ReadonlyMap<string, string>,
): void {
  const groupOf = (id: string) => groups.get(id) ?? id;
  const sides = new Map([...test].map((id) => [`test\n${groupOf(id)}`, { id, subset: "test" }]));
  for (const row of given.filter(({ subset }) => subset !== "test")) {
    const key = `${nameOf(row)}\n${groupOf(row.id)}`;
    const other = sides.get(`test\n${groupOf(row.id)}`) ?? sides.get(key);
    if (other !== undefined && other.subset !== row.subset) {
      throw new InputError(
        `${path}, ${nameOf(row)}: ` +
          (other.id === row.id
            ? `object "${row.id}" is in ${other.subset} and in ${row.subset}`
            : `"${other.id}" is in ${other.subset} and "${row.id}" in ${row.subset}, but they are one object (--duplicates, or stars of the dataset)`),
      );
    }
    sides.set(key, row);
  }
}

function refuseEmpty(path: string, { test, runs }: Drawing, classes: readonly ChosenClass[]): void {
  if (runs.length === 0) throw new InputError(`${path} names no object to train on`);
  const refuse = (labels: Iterable<number>, where: string) => {
    const found = new Set(labels), empty = classes.find((_, label) => !found.has(label));
    if (empty) {
      throw new InputError(`${path}: class "${empty.name}" has no object of the dataset in ${where}`);
    }
  };
  const labelsOf = (drawn: readonly DrawnObject[]) => drawn.map(({ object }) => object.label);
  refuse(test.map(({ label }) => label), "test");
  for (const run of runs) {
    refuse(labelsOf(run.train), `train of ${nameOf(run)}`);
    refuse(labelsOf(run.validation), `validation of ${nameOf(run)}`);
  }
}

/** Sentences about objects that the table names and that cannot be used. */
function missing(
  path: string,
  given: readonly GivenObject[],
  dataset: Dataset,
  contradictory: readonly string[],
): string[] {
  const named = [...new Set(given.map(({ id }) => id))];
  const usable = lightCurvesOf(dataset, "all");
  const here = new Set(usable.map((i) => dataset.ids[i]));
  const labelled = new Set(usable.filter((i) => dataset.classes[i] !== null).map((i) => dataset.ids[i]));
  const absent = named.filter((id) => !here.has(id));
  const twice = new Set(contradictory);
  const sentence = (ids: string[], what: string) =>
    ids.length
      ? [
        `${grouped(ids.length)} of the ${grouped(named.length)} objects of ${path} ${what}, e.g. "${ids[0]}"`,
      ]
      : [];
  return [
    ...sentence(absent, "are not in the dataset (filtered out, too short, or of another survey)"),
    ...sentence(named.filter((id) => here.has(id) && !labelled.has(id)), "have no class in the dataset"),
    ...sentence(named.filter((id) => twice.has(id)), "have two classes in the dataset"),
  ];
}
