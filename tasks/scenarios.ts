/** Draws few-shot scenarios of a labelled dataset (paper, section 5.1), or takes them from a table. */
import { classesIn, readClasses } from "../src/classify/classes.ts";
import { drawScenarios, type DrawSettings } from "../src/classify/draw.ts";
import {
  classesNamed,
  type GivenObject,
  type GivenSplitSettings,
  readGivenSplit,
  scenariosGiven,
} from "../src/classify/given_split.ts";
import { labelledObjects } from "../src/classify/labelled_objects.ts";
import { type ScenariosInfo, writeScenarios } from "../src/classify/scenarios.ts";
import { readTarget, valuedObjects } from "../src/classify/targets.ts";
import { command, type Given, setting, z } from "../src/command/command.ts";
import { type Dataset, type DatasetInfo, openDataset } from "../src/data/dataset.ts";
import { InputError, printable } from "../src/common/errors.ts";
import { refuseForeignFolder } from "../src/files/atomic.ts";
import { Database } from "../src/survey/duckdb.ts";
import { readDuplicates } from "../src/survey/labels.ts";
import { groupsOf } from "../src/survey/split.ts";
import { grouped, plainTable } from "../src/common/table.ts";

/** Settings of drawing, which a table of scenarios leaves nothing to. */
const drawShape = {
  samples_per_class: setting(
    z.array(z.coerce.number().int().min(2)).min(1).default([20, 100, 500]),
    "labelled objects per class, including those that validate: one scenario for each number",
    "objects",
  ),
  folds: setting(z.int().min(1).default(3), "independent draws of each scenario"),
  test_per_class: setting(
    z.int().min(1).default(100),
    "objects per class in the test set, which all scenarios and folds share",
    "objects",
  ),
  validation_fraction: setting(
    z.number().gt(0).lt(1).default(0.2),
    "share of each draw that validates instead of training",
  ),
  seed: setting(z.int().default(0), "number that names the draw"),
  target: setting(
    z.string().optional(),
    "for regression: draw from all objects with a number in this column, whatever their class; --samples-per-class and --test-per-class then count objects",
  ),
  targets: setting(
    z.string().optional(),
    "table of ids and numbers with that column (default: the dataset's metadata)",
  ),
  targets_id: setting(z.string().optional(), "its column of ids"),
} as const;

/** Settings of reading a table of scenarios. */
const splitShape = {
  split_id: setting(z.string().optional(), "its column of ids"),
  split_subset: setting(z.string().optional(), "its column of subsets"),
  split_scenario: setting(z.string().optional(), "its column of samples per class"),
  split_fold: setting(z.string().optional(), "its column of folds"),
} as const;

const settings = z.object({
  data: setting(z.string(), "dataset folder"),
  output: setting(
    z.string(),
    "the folder of scenarios to write; older scenarios of that name are replaced",
  ),
  config: setting(z.string().optional(), "a TOML or JSON file with any of these settings"),
  ...drawShape,
  classes: setting(
    z.string().optional(),
    "the classes to tell apart (default: all): RRab,RRc,EC=ECL+EA+EB keeps two, makes one of three, leaves out the rest",
  ),
  duplicates: setting(
    z.string().optional(),
    "pairs of ids that are the same object and count once: a table of two columns, or a TOML file with [duplicates] pairs = [[a, b], …]",
  ),
  split_file: setting(
    z.string().optional(),
    "table (Parquet or CSV) of id, subset, samples per class and fold, to use instead of a random draw",
  ),
  ...splitShape,
});
type Settings = z.output<typeof settings>;

export default command({
  name: "scenarios",
  summary:
    "Draws few-shot scenarios from a labelled dataset: for each number of samples per class several folds to train on, and one test set for all. The output lists light curves and copies none.",
  settings,
  examples: [
    "deno task scenarios --data data/asas --samples-per-class 20,100,500 --folds 3 --test-per-class 100 --output data/asas-scenarios",
    "deno task scenarios --data data/asas --classes 'Mira,RRab=RR Lyrae, Fundamental Mode,EB=Detached+Semidetached' --output data/three",
    "deno task scenarios --data data/asas --duplicates survey/config.toml --output data/asas-scenarios",
    "deno task scenarios --data data/asas --target period --targets periods.csv --output data/asas-periods",
    "deno task scenarios --data data/asas --split-file splits.parquet --output data/asas-scenarios",
  ],
  async run({ config: _, ...settings }, given) {
    checkTogether(settings, given);
    await refuseForeignFolder(settings.output, "scenarios.json", "a folder of scenarios");
    using dataset = await openDataset(settings.data);
    if (settings.target !== undefined) return await drawValued(settings, settings.target, dataset);
    const known = classesIn(dataset);
    const { split, groups } = await readTables(settings, dataset);
    const named = split ? classesNamed(settings.split_file!, split, dataset) : known;
    const classes = settings.classes === undefined
      ? named.map((name) => ({ name, of: [name] }))
      : readClasses(settings.classes, known);
    if (classes.length === 1) {
      throw new InputError(
        `there is only one class, "${classes[0].name}": a classifier needs two or more to tell apart`,
      );
    }
    const { objects, contradictory } = labelledObjects(dataset, classes, groups);
    const { drawing, warnings } = split
      ? scenariosGiven(settings.split_file!, split, dataset, classes, groups)
      : {
        drawing: drawScenarios(objects, classes, drawingOf(settings)),
        warnings: contradictionsOf(contradictory),
      };
    const info = await writeScenarios(settings.output, dataset, drawing, {
      classes,
      objects: classes.map((_, label) => objects.filter((object) => object.label === label).length),
      settings: savedOf(settings),
      warnings: [...warnings, ...await forgottenDuplicates(settings)],
    });
    console.log(tableOf(info));
    console.log(`\n${settings.output}: ${summaryOf(info)}`);
    for (const warning of info.warnings) console.log(printable(`warning: ${warning}`));
  },
});

/** Scenarios of objects with a value, which are of one class as far as drawing goes. */
async function drawValued(settings: Settings, target: string, dataset: Dataset): Promise<void> {
  const values = await readTarget(dataset, { ...settings, target });
  const { groups } = await readTables(settings, dataset), objects = valuedObjects(dataset, values, groups);
  const classes = [{ name: target, of: [] }];
  const info = await writeScenarios(
    settings.output,
    dataset,
    drawScenarios(objects, classes, drawingOf(settings)),
    {
      classes,
      objects: [objects.length],
      settings: savedOf(settings),
      target,
      warnings: await forgottenDuplicates(settings),
    },
  );
  console.log(tableOf(info));
  console.log(`\n${settings.output}: ${summaryOf(info)}`);
  for (const warning of info.warnings) console.log(printable(`warning: ${warning}`));
}

function drawingOf(settings: Settings): DrawSettings {
  const { samples_per_class, folds, test_per_class, validation_fraction, seed } = settings;
  return {
    samplesPerClass: samples_per_class,
    folds,
    testPerClass: test_per_class,
    validationFraction: validation_fraction,
    seed,
  };
}

/** Refuses settings that would have no effect, or say the same twice. */
function checkTogether(settings: Settings, given: Given): void {
  const { split_file, samples_per_class, target, targets, targets_id, classes } = settings;
  if (target === undefined && (targets ?? targets_id) !== undefined) {
    throw new InputError(
      "--targets and --targets-id need --target, which is not given",
    );
  }
  if (target !== undefined && classes !== undefined) {
    throw new InputError(
      "--target draws objects with a number, --classes draws objects by class: leave one of them out",
    );
  }
  const without = split_file === undefined ? splitShape : drawShape;
  const idle = Object.keys(without).find((name) => given.all.has(name))?.replaceAll("_", "-");
  if (idle !== undefined) {
    throw new InputError(
      split_file === undefined
        ? `--${idle} needs --split-file, which is not given`
        : `--${idle} is for a random draw, but --split-file lists the objects: leave one of them out`,
    );
  }
  const twice = samples_per_class.find((n, i) => samples_per_class.indexOf(n) !== i);
  if (twice !== undefined) throw new InputError(`--samples-per-class names ${twice} twice`);
}

async function readTables(
  settings: Settings,
  { ids, stars = [] }: Dataset,
): Promise<{ split?: GivenObject[]; groups: Map<string, string> }> {
  const { split_file, duplicates } = settings;
  const pairs = stars.flatMap((star, i): [string, string][] => star === ids[i] ? [] : [[star, ids[i]]]);
  if (split_file === undefined && duplicates === undefined) return { groups: groupsOf(pairs) };
  using db = await Database.open(undefined, { memory_limit: "1GB" });
  return {
    split: split_file === undefined ? undefined : await readGivenSplit(db, settings as GivenSplitSettings),
    groups: groupsOf([...pairs, ...duplicates === undefined ? [] : await readDuplicates(db, duplicates)]),
  };
}

/** The settings that had a part in it. */
function savedOf(settings: Settings): Record<string, unknown> {
  const idle = settings.split_file === undefined ? splitShape : drawShape;
  return Object.fromEntries(Object.entries(settings).filter(([name]) => !(name in idle)));
}

function contradictionsOf(ids: readonly string[]): string[] {
  return ids.length === 0
    ? []
    : [`objects with two classes (by bands or duplicates) are left out: ${ids.length}, e.g. "${ids[0]}"`];
}

/**
 * A dataset whose split minded duplicates, and which does not say itself which they are, has some; scenarios should
 * mind them, too.
 */
async function forgottenDuplicates({ data, duplicates }: Settings): Promise<string[]> {
  const { settings, stars } = JSON.parse(await Deno.readTextFile(`${data}/dataset.json`)) as DatasetInfo;
  if (duplicates !== undefined || stars || typeof settings?.duplicates !== "string") return [];
  return [
    `the dataset was split with --duplicates ${settings.duplicates}, the scenarios are without: ` +
    "one object may train under one id and be tested under another",
  ];
}

/** Class by class: objects in the dataset, in the test set, samples of a draw and how many of them repeat an object. */
function tableOf({ classes, runs }: ScenariosInfo): string {
  const scenarios = [...new Set(runs.map(({ samples_per_class }) => samples_per_class))];
  /** One number, or from the least to the most of the folds. */
  const range = (numbers: number[]) => {
    const [least, most] = [Math.min(...numbers), Math.max(...numbers)];
    return least === most ? grouped(least) : `${grouped(least)}-${grouped(most)}`;
  };
  return plainTable([
    [
      classes.length === 1 ? "value" : "class",
      "objects",
      "test",
      ...scenarios.flatMap((n) => [`${n} drawn`, "repeated"]),
    ],
    ...classes.map(({ name, objects, test }, label) => [
      name,
      grouped(objects),
      grouped(test),
      ...scenarios.flatMap((n) => {
        const folds = runs.filter(({ samples_per_class }) => samples_per_class === n)
          .map(({ train, validation }) => [train[label], validation[label]]);
        const samples = folds.map((parts) => parts.reduce((sum, part) => sum + part.samples, 0));
        const repeated = folds.map((parts) =>
          parts.reduce((sum, part) => sum + part.samples - part.objects, 0)
        );
        return [range(samples), range(repeated)];
      }),
    ]),
  ]);
}

function summaryOf({ classes, runs, test_subsets }: ScenariosInfo): string {
  const scenarios = new Set(runs.map(({ samples_per_class }) => samples_per_class)).size;
  const subsets = Object.entries(test_subsets).map(([subset, n]) => `${grouped(n)} of ${subset}`);
  const what = classes.length === 1 ? `objects with ${classes[0].name}` : `${classes.length} classes`;
  return `${what}, ${scenarios} scenarios in ${runs.length} draws; test objects by the dataset's ` +
    `subsets: ${subsets.join(", ")}`;
}
