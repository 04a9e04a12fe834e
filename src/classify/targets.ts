/** What regression learns: a number for each light curve, of the dataset's own metadata or of a table beside it. */
import { type Dataset, lightCurvesOf } from "../data/dataset.ts";
import { fewOf, InputError, messageOf } from "../common/errors.ts";
import { readCell } from "../files/csv.ts";
import { columnCalled, listed, needColumn } from "../survey/columns.ts";
import { Database } from "../survey/duckdb.ts";
import { fileAt } from "../survey/files.ts";
import { readable, refuseFloatIds, sourceOf } from "../survey/source.ts";
import { grouped } from "../common/table.ts";
import type { DrawnSample } from "./drawn_samples.ts";
import type { LabelledObject } from "./labelled_objects.ts";
import { subsetMostSeen } from "./labelled_objects.ts";
import type { OpenedScenarios, ScenarioRun, ScenarioSample } from "./scenarios.ts";

/** Where the values of a target stand. */
export interface TargetSettings {
  /** The column. */
  target: string;
  /** A table; undefined: the dataset's own metadata. */
  targets?: string;
  /** The table's column of ids. */
  targets_id?: string;
}

/**
 * The value of each light curve; NaN where none is known.
 * @throws {InputError} when there is no such column, no number in it, or an object has two values
 */
export async function readTarget(dataset: Dataset, settings: TargetSettings): Promise<Float64Array> {
  const { target, targets } = settings;
  const values = targets === undefined
    ? await metadataColumn(dataset, target)
    : await tableColumn(dataset, settings);
  if (values.some(Number.isFinite)) return values.map((value) => Number.isFinite(value) ? value : NaN);
  throw new InputError(
    `${targets ?? dataset.folder}: no light curve of ${dataset.folder} has a number in ${target}`,
  );
}

async function metadataColumn({ folder }: Dataset, target: string): Promise<Float64Array> {
  const { asyncBufferFromFile, parquetMetadataAsync, parquetReadObjects } = await import(
    "npm:hyparquet@1.31.5"
  );
  const path = `${folder}/metadata.parquet`;
  let columns: string[], rows: Record<string, unknown>[] = [];
  try {
    const file = await asyncBufferFromFile(path);
    columns = (await parquetMetadataAsync(file)).schema.slice(1).map(({ name }) => name);
    if (columns.includes(target)) rows = await parquetReadObjects({ file, columns: [target] });
  } catch (error) {
    throw new InputError(`${path} cannot be read: ${messageOf(error)}`);
  }
  if (!columns.includes(target)) {
    throw new InputError(
      `${path} has no column "${target}"; its columns are ${
        fewOf(columns, 40)
      }. preprocess --keep ${target} ` +
        "carries it along, or --targets names a table",
    );
  }
  return Float64Array.from(
    rows,
    ({ [target]: value }) =>
      typeof value === "string"
        ? Number(value.trim() || NaN)
        : value === null || value === undefined
        ? NaN
        : Number(value),
  );
}

async function tableColumn(
  { ids }: Dataset,
  { target, targets: path, targets_id }: TargetSettings,
): Promise<Float64Array> {
  using db = await Database.open(undefined, { memory_limit: "1GB" });
  const source = await sourceOf(db, fileAt(path!, "targets"));
  const id = needColumn(source, "id", targets_id, "targets-id"), column = columnCalled(source, target);
  if (column === undefined) {
    throw new InputError(`${path} has no column "${target}" (--target); ${listed(source)}`);
  }
  await refuseFloatIds(db, source, id);
  const rows = await readable(
    source.files,
    db.rows<{ id: string; value: number; other: number }>(
      `SELECT ${source.textCell(id)} AS id, min(${source.numberCell(column)}) AS value,
        max(${source.numberCell(column)}) AS other
        FROM ${await source.from(source.files)} WHERE isfinite(${source.numberCell(column)}) GROUP BY ALL`,
    ),
  );
  const two = rows.find(({ value, other }) => value !== other);
  if (two) {
    throw new InputError(
      `${path}: object "${two.id}" has two values of ${target}, ${two.value} and ${two.other}`,
    );
  }
  const values = new Map(rows.map(({ id, value }) => [source.layout ? readCell(id) : id, value]));
  if (values.size && !ids.some((id) => values.has(id))) {
    throw new InputError(
      `${path}: none of its ids (e.g. "${rows[0].id}") is an id of the dataset (e.g. "${ids[0]}"); ` +
        "--targets-id chooses the column",
    );
  }
  return Float64Array.from(ids, (id) => values.get(id) ?? NaN);
}

/**
 * The objects with a value, in the order of the dataset: what scenarios of regression are drawn of.
 * @param values of each light curve
 * @param groups ids that are one object, from `groupsOf`
 */
export function valuedObjects(
  dataset: Dataset,
  values: Float64Array,
  groups: ReadonlyMap<string, string> = new Map(),
): LabelledObject[] {
  const usable = lightCurvesOf(dataset, "all").filter((i) => Number.isFinite(values[i]));
  const members = Map.groupBy(usable, (i) => groups.get(dataset.ids[i]) ?? dataset.ids[i]);
  return [...members.values()].map((lightCurves): LabelledObject => ({
    id: dataset.ids[lightCurves[0]],
    label: 0,
    subset: subsetMostSeen(lightCurves.map((i) => dataset.subsets[i])),
    lightCurves: lightCurves.filter((i) => dataset.ids[i] === dataset.ids[lightCurves[0]]),
  }));
}

/** A light curve of a scenario with its value. */
export interface ValuedSample extends DrawnSample {
  value: number;
}

/** A fold of a scenario whose light curves have values. */
export interface ValuedRun extends Omit<ScenarioRun, "train" | "validation"> {
  train: ValuedSample[];
  validation: ValuedSample[];
}

/**
 * Scenarios with values in place of classes; light curves without one are left out.
 * @returns the folds, the test set, and a sentence on what is left out, if anything is
 * @throws {InputError} when a part has too few light curves left, or a value is not positive whose logarithm is asked for
 */
export function withValues(
  { test, runs }: Pick<OpenedScenarios, "test" | "runs">,
  values: Float64Array,
  dataset: Pick<Dataset, "ids">,
  { target, log }: { target: string; log: boolean },
): { test: ValuedSample[]; runs: ValuedRun[]; remark?: string } {
  const without = new Set<number>(), all = new Set<number>();
  const valued = (samples: readonly ScenarioSample[], fewest: number, part: string): ValuedSample[] => {
    const found = samples.flatMap(({ lightCurve, count }): ValuedSample[] => {
      const value = values[lightCurve];
      all.add(lightCurve);
      if (!Number.isFinite(value)) without.add(lightCurve);
      else if (log && value <= 0) {
        throw new InputError(
          `${target} of object "${dataset.ids[lightCurve]}" is ${value}: --target-log needs positive values`,
        );
      } else return [{ lightCurve, value, count }];
      return [];
    });
    if (found.length >= fewest) return found;
    throw new InputError(
      `${found.length} of the ${samples.length} light curves ${part} have a value of ${target}, at least ${fewest} ` +
        `must: draw scenarios of such light curves alone, with scenarios --target ${target}`,
    );
  };
  const result = {
    test: valued(test, 2, "of the test set"),
    runs: runs.map(({ train, validation, ...run }): ValuedRun => {
      const name = `${run.samplesPerClass}-${run.fold}`;
      return {
        ...run,
        train: valued(train, 2, `that train in scenario ${name}`),
        validation: valued(validation, 1, `that validate in scenario ${name}`),
      };
    }),
  };
  if (without.size === 0) return result;
  return {
    ...result,
    remark:
      `${grouped(without.size)} of the ${
        grouped(all.size)
      } light curves of the scenarios have no value of ${target}: ` +
      "they are left out",
  };
}
