/**
 * A folder of few-shot scenarios: which light curves of a dataset train, validate and test. It holds no light curve.
 */
import type { Dataset, Subset } from "../data/dataset.ts";
import { InputError, messageOf } from "../common/errors.ts";
import { writeFolderAtomically, writeJson } from "../files/atomic.ts";
import { checkedVersion, type FormatVersions } from "../files/format_version.ts";
import { openParquet, type Row } from "../files/parquet.ts";
import { subsets } from "../survey/split.ts";
import { version } from "../common/version.ts";
import type { ChosenClass } from "./classes.ts";
import { type Drawing, type DrawnObject, overlapsOf } from "./draw.ts";

/** Objects of a class in one part of a scenario, and samples with repetitions. */
export interface PartCount {
  objects: number;
  samples: number;
}

/** Every folder of scenarios says its version. */
const scenariosVersions: FormatVersions = { what: "folder of scenarios", oldest: 1, newest: 1 };

/** What `scenarios.json` holds. */
export interface ScenariosInfo {
  format: "astromer-scenarios";
  version: number;
  created_by: string;
  dataset: { folder: string; fingerprint: string };
  settings: Record<string, unknown>;
  /** Of regression alone, which has one class, of its name: the number that its objects have. */
  target?: string;
  /** In the order of labels; `of` are the dataset's own names, `objects` all that it has, `test` the test set's. */
  classes: (ChosenClass & { objects: number; test: number })[];
  /** Subsets of the dataset that test objects belong to, with their number. */
  test_subsets: Partial<Record<Subset, number>>;
  /** Each fold of each scenario, its classes in the order of labels. */
  runs: { samples_per_class: number; fold: number; train: PartCount[]; validation: PartCount[] }[];
  warnings: string[];
}

/** What is known of a drawing beside its objects. */
export interface DrawingDetails {
  classes: readonly ChosenClass[];
  /** Objects of each class in the dataset. */
  objects: readonly number[];
  settings: Record<string, unknown>;
  /** Of regression alone: what its objects have a value of. */
  target?: string;
  warnings: readonly string[];
}

/**
 * Writes a folder of scenarios: `scenarios.json` ({@link ScenariosInfo}) and `scenarios.parquet`, whose rows are light
 * curves: id, band, class (as chosen), scenario (samples per class), fold, subset (train, validation, test), count.
 *
 * An object that is taken repeatedly has one row with a count, not several rows: so a table without the count is still
 * right about who is where. The test set stands once, with null as scenario and fold, since all share it.
 * @returns what `scenarios.json` holds
 */
export async function writeScenarios(
  folder: string,
  dataset: Dataset,
  drawing: Drawing,
  { classes, objects, settings, target, warnings }: DrawingDetails,
): Promise<ScenariosInfo> {
  const rowsOf = (drawn: readonly DrawnObject[], place: Row): Row[] =>
    drawn.flatMap(({ object, count }) =>
      object.lightCurves.map((i) => ({
        id: dataset.ids[i],
        band: dataset.bands[i],
        class: classes[object.label].name,
        ...place,
        count,
      }))
    );
  const test = drawing.test.map((object) => ({ object, count: 1 }));
  const rows = [
    ...rowsOf(inOrder(test), { scenario: null, fold: null, subset: "test" }),
    ...drawing.runs.flatMap(({ samplesPerClass: scenario, fold, train, validation }) => [
      ...rowsOf(inOrder(train), { scenario, fold, subset: "train" }),
      ...rowsOf(inOrder(validation), { scenario, fold, subset: "validation" }),
    ]),
  ];
  const countsOf = (drawn: readonly DrawnObject[]): PartCount[] => {
    const counts = classes.map(() => ({ objects: 0, samples: 0 }));
    for (const { object: { label }, count } of drawn) {
      counts[label].objects++;
      counts[label].samples += count;
    }
    return counts;
  };
  const tested = countsOf(test);
  const info: ScenariosInfo = {
    format: "astromer-scenarios",
    version: scenariosVersions.newest,
    created_by: version,
    dataset: { folder: dataset.folder, fingerprint: dataset.fingerprint },
    settings,
    ...target === undefined ? {} : { target },
    classes: classes.map((chosen, label) => ({
      ...chosen,
      objects: objects[label],
      test: tested[label].objects,
    })),
    test_subsets: Object.fromEntries(
      subsets.map((subset) => [subset, drawing.test.filter((object) => object.subset === subset).length])
        .filter(([, objects]) => objects),
    ),
    runs: drawing.runs.map(({ samplesPerClass, fold, train, validation }) => ({
      samples_per_class: samplesPerClass,
      fold,
      train: countsOf(train),
      validation: countsOf(validation),
    })),
    warnings: [...warnings, ...overlapsOf(drawing)],
  };
  await writeFolderAtomically(folder, async (temporary) => {
    using table = await openParquet(`${temporary}/scenarios.parquet`, {
      id: "text",
      band: "text",
      class: "text",
      scenario: "int32",
      fold: "int32",
      subset: "text",
      count: "int32",
    });
    table.write(rows);
    table.finish();
    await writeJson(`${temporary}/scenarios.json`, info);
  });
  return info;
}

/** By class, then as in the dataset. */
function inOrder(drawn: readonly DrawnObject[]): DrawnObject[] {
  return drawn.toSorted(({ object: a }, { object: b }) =>
    a.label - b.label || a.lightCurves[0] - b.lightCurves[0]
  );
}

/** A light curve of a scenario. */
export interface ScenarioSample {
  /** Its index in the dataset. */
  lightCurve: number;
  /** Its class, an index of `classes`. */
  label: number;
  /** How often it is taken. */
  count: number;
}

/** One fold of a scenario. */
export interface ScenarioRun {
  samplesPerClass: number;
  /** Counted from 0. */
  fold: number;
  train: ScenarioSample[];
  /** No object of it is in train. */
  validation: ScenarioSample[];
}

/** Scenarios as light curves of an opened dataset. */
export interface OpenedScenarios {
  /** What they were drawn for, where that is regression. */
  target?: string;
  /** Names of the classes, in the order of labels. */
  classes: string[];
  /** The scenarios that there are, ascending. */
  samplesPerClass: number[];
  folds: number[];
  /** The test set that all scenarios and folds share; no object of it is in any other part. */
  test: ScenarioSample[];
  runs: ScenarioRun[];
}

/**
 * Opens a folder of scenarios for the dataset that it was drawn from.
 * @throws {InputError} when the folder is none, or was drawn from another dataset
 */
export async function openScenarios(folder: string, dataset: Dataset): Promise<OpenedScenarios> {
  const info = await readInfo(folder);
  if (info.dataset.fingerprint !== dataset.fingerprint) {
    throw new InputError(
      `${folder} was drawn from another dataset (${info.dataset.folder}, fingerprint ` +
        `${info.dataset.fingerprint.slice(0, 12)}) than ${dataset.folder} (${
          dataset.fingerprint.slice(0, 12)
        }): ` +
        `use that one, or draw the same objects of this one with scenarios --split-file ${folder}/scenarios.parquet`,
    );
  }
  const rows = await readRows(`${folder}/scenarios.parquet`);
  const labels = new Map(info.classes.map(({ name }, label) => [name, label]));
  const keyOf = (id: string, band: string | null) => `${band ?? ""}\n${id}`;
  const indices = new Map(dataset.ids.map((id, i) => [keyOf(id, dataset.bands[i]), i]));

  const test: ScenarioSample[] = [], runs = new Map<string, ScenarioRun>();
  for (const [i, { id, band, class: name, scenario, fold, subset, count }] of rows.entries()) {
    const lightCurve = indices.get(keyOf(id, band)), label = labels.get(name);
    if (lightCurve === undefined || label === undefined) {
      throw new InputError(
        `${folder}/scenarios.parquet, row ${i + 1}: ` +
          (label === undefined
            ? `class "${name}" is not in scenarios.json`
            : `the dataset has no "${id}" in band ${band}`),
      );
    }
    const sample = { lightCurve, label, count };
    if (subset === "test") {
      test.push(sample);
      continue;
    }
    const key = `${scenario}-${fold}`;
    if (!runs.has(key)) runs.set(key, { samplesPerClass: scenario!, fold: fold!, train: [], validation: [] });
    runs.get(key)![subset].push(sample);
  }
  const ascending = (numbers: number[]) => [...new Set(numbers)].sort((a, b) => a - b);
  return {
    target: info.target,
    classes: info.classes.map(({ name }) => name),
    samplesPerClass: ascending(info.runs.map(({ samples_per_class }) => samples_per_class)),
    folds: ascending(info.runs.map(({ fold }) => fold)),
    test,
    runs: [...runs.values()],
  };
}

async function readInfo(folder: string): Promise<ScenariosInfo> {
  let info: ScenariosInfo | null;
  try {
    info = JSON.parse(await Deno.readTextFile(`${folder}/scenarios.json`));
  } catch (error) {
    if (error instanceof SyntaxError) {
      throw new InputError(`${folder}/scenarios.json is not valid JSON: ${error.message}`);
    }
    throw new InputError(
      `${folder} is not a folder of scenarios (make one with scenarios): ${messageOf(error)}`,
    );
  }
  if (info?.format !== "astromer-scenarios") {
    throw new InputError(`${folder}/scenarios.json does not describe scenarios: run scenarios again`);
  }
  checkedVersion(`${folder}/scenarios.json`, info.version, scenariosVersions);
  return info;
}

interface ScenarioRow {
  id: string;
  band: string | null;
  class: string;
  scenario: number | null;
  fold: number | null;
  subset: "train" | "validation" | "test";
  count: number;
}

async function readRows(path: string): Promise<ScenarioRow[]> {
  const { asyncBufferFromFile, parquetReadObjects } = await import("npm:hyparquet@1.31.5");
  try {
    return await parquetReadObjects({ file: await asyncBufferFromFile(path) }) as unknown as ScenarioRow[];
  } catch (error) {
    throw new InputError(`${path} cannot be read: ${messageOf(error)}`);
  }
}

/** Settings that choose among the scenarios of a folder. */
export interface ChosenScenarios {
  scenarios: string;
  samples_per_class?: readonly number[];
  folds?: readonly number[];
}

/**
 * The folds of scenarios that settings choose.
 * @throws {InputError} when there is no such scenario or fold
 */
export function chosenRuns(
  { samples_per_class, folds, scenarios }: ChosenScenarios,
  opened: OpenedScenarios,
): OpenedScenarios["runs"] {
  const absent = samples_per_class?.find((n) => !opened.samplesPerClass.includes(n));
  if (absent !== undefined) {
    throw new InputError(
      `${scenarios} has no scenario of ${absent} samples per class: there are ${
        opened.samplesPerClass.join(", ")
      }`,
    );
  }
  const noFold = folds?.find((n) => !opened.folds.includes(n));
  if (noFold !== undefined) {
    throw new InputError(`${scenarios} has no fold ${noFold}: there are ${opened.folds.join(", ")}`);
  }
  const runs = opened.runs.filter(({ samplesPerClass, fold }) =>
    (samples_per_class ?? [samplesPerClass]).includes(samplesPerClass) && (folds ?? [fold]).includes(fold)
  );
  if (runs.length) return runs;
  throw new InputError(`${scenarios}: the scenarios of --samples-per-class have other folds than --folds`);
}
