/** Drawing scenarios: what holds for every draw, over many seeds; reading them from tables; their folder. */
import { type ChosenClass, classesIn, readClasses, writeClasses } from "../../src/classify/classes.ts";
import { type DrawnObject, drawScenarios, type DrawSettings, overlapsOf } from "../../src/classify/draw.ts";
import {
  classesNamed,
  type GivenObject,
  readGivenSplit,
  scenariosGiven,
} from "../../src/classify/given_split.ts";
import { labelledObjects } from "../../src/classify/labelled_objects.ts";
import { openScenarios, type ScenarioSample, writeScenarios } from "../../src/classify/scenarios.ts";
import type { Dataset, Subset } from "../../src/data/dataset.ts";
import { InputError } from "../../src/common/errors.ts";
import { seeded } from "../../src/common/random.ts";
import {
  assertEquals,
  assertRejects,
  assertStringIncludes,
  assertThrows,
  assertTrue,
} from "../../src/common/std.ts";
import { Database, text } from "../../src/survey/duckdb.ts";
import { readDuplicates } from "../../src/survey/labels.ts";
import { groupsOf } from "../../src/survey/split.ts";
import { datasetOf } from "../data/support.ts";
import { sharedPath, sharedTest, testIn } from "../shared.ts";
import { namesIn, readParquet } from "../survey/support.ts";

/** A light curve as far as drawing looks at it. */
interface Star {
  id: string;
  class: string | null;
  subset?: Subset;
  band?: string;
  length?: number;
}

function surveyOf(stars: readonly Star[]): Dataset {
  const curves = stars.map(({ length = 5 }) => {
    const values = Array.from({ length }, (_, i) => i);
    return { mjd: values, mag: values, err: values };
  });
  return {
    ...datasetOf(curves, stars.map(({ subset = "train" }) => subset)),
    ids: stars.map(({ id }) => id),
    bands: stars.map(({ band = null }) => band),
    classes: stars.map((star) => star.class),
  };
}

/** So many stars of a class, some in each subset. */
function stars(name: string, count: number, subsets: readonly Subset[] = ["train"]): Star[] {
  return Array.from({ length: count }, (_, i) => ({
    id: `${name}-${i}`,
    class: name,
    subset: subsets[i % subsets.length],
  }));
}

const own = (names: readonly string[]): ChosenClass[] => names.map((name) => ({ name, of: [name] }));
const usual: DrawSettings = {
  samplesPerClass: [5, 10, 40],
  folds: 3,
  testPerClass: 6,
  validationFraction: 0.2,
  seed: 0,
};
const idsOf = (drawn: readonly DrawnObject[]) => drawn.map(({ object }) => object.id);
const samplesIn = (drawn: readonly DrawnObject[]) => drawn.reduce((sum, { count }) => sum + count, 0);

/** A survey with everything that a draw must mind: unlabelled, short and multi-band light curves, duplicates. */
function randomSurvey(seed: number) {
  const random = seeded(seed, 0x5ce0), names = ["A", "B", "C"].slice(0, 2 + random.integer(2));
  const subsets: Subset[] = ["train", "train", "train", "validation", "test", "none"];
  const all: Star[] = [];
  for (const [label, name] of names.entries()) {
    for (let i = 0, n = label === 0 ? 8 + random.integer(5) : 30 + random.integer(60); i < n; i++) {
      const star: Star = { id: `${name}${i}`, class: name, subset: subsets[random.integer(6)] };
      all.push(star);
      if (random.next() < 0.3) all.push({ ...star, band: "r", length: random.next() < 0.5 ? 3 : 6 });
    }
  }
  for (let i = 0; i < 5; i++) {
    all.push({ id: `unknown${i}`, class: null }, { id: `short${i}`, class: "A", length: 4 });
  }
  const pairs = Array.from({ length: 6 }, () => {
    const [a, b] = [0, 0].map(() => all[random.integer(all.length)].id);
    return [a, b] as [string, string];
  });
  return { all: random.shuffle(all), names, pairs };
}

Deno.test("whatever is drawn: one test set, nothing on two sides, exact counts, repetition where there is too little", () => {
  let repeated = 0, beyondTest = 0, beyondTrain = 0;
  for (let seed = 0; seed < 150; seed++) {
    const { all, names, pairs } = randomSurvey(seed), groups = groupsOf(pairs), classes = own(names);
    const { objects } = labelledObjects(surveyOf(all), classes, groups);
    const settings = { ...usual, seed, testPerClass: 1 + seed % 6 };
    const ofClass = (label: number) => objects.filter((object) => object.label === label);
    if (names.some((_, label) => ofClass(label).length < settings.testPerClass + 2)) continue;
    const { test, runs } = drawScenarios(objects, classes, settings);
    const groupOf = (id: string) => groups.get(id) ?? id;

    const tested = new Set(test.map(({ id }) => groupOf(id)));
    assertEquals(tested.size, test.length, "a test object, or its duplicate, is never taken twice");
    assertEquals(runs.map(({ samplesPerClass, fold }) => [samplesPerClass, fold].join()), [
      ...["5,0", "5,1", "5,2", "10,0", "10,1", "10,2", "40,0", "40,1", "40,2"],
    ]);
    for (const label of classes.keys()) {
      const testOf = test.filter((object) => object.label === label);
      assertEquals(testOf.length, settings.testPerClass);
      const left = ofClass(label).filter(({ id }) => !tested.has(groupOf(id)));
      if (testOf.some(({ subset }) => subset !== "test")) {
        assertEquals(
          left.filter(({ subset }) => subset === "test"),
          [],
          "the dataset's own test comes first",
        );
        beyondTest++;
      }
      if (testOf.some(({ subset }) => subset === "train")) {
        assertTrue(left.every(({ subset }) => subset === "train"), "train comes last");
      }
      for (const { samplesPerClass, train, validation } of runs) {
        const parts = [train, validation].map((part) => part.filter(({ object }) => object.label === label));
        const validating = Math.round(0.2 * samplesPerClass);
        assertEquals(parts.map(samplesIn), [samplesPerClass - validating, validating]);
        const drawn = parts.flat().map(({ object }) => object);
        assertEquals(new Set(drawn.map(({ id }) => groupOf(id))).size, drawn.length, "in no part twice");
        assertTrue(drawn.every(({ id }) => !tested.has(groupOf(id))), "no test object, nor its duplicate");

        const usual = left.filter(({ subset }) => subset === "train" || subset === "validation");
        const pool = usual.length >= samplesPerClass ? usual : left;
        assertTrue(drawn.every((object) => pool.includes(object)));
        if (pool !== usual && pool.length > usual.length) beyondTrain++;
        const repeats = parts.some((part) => part.some(({ count }) => count > 1));
        assertEquals(repeats, pool.length < samplesPerClass, "repeated if, and only if, there are too few");
        if (!repeats) continue;
        repeated++;
        assertEquals(drawn.length, pool.length, "every label is used");
        for (const part of parts) {
          const counts = part.map(({ count }) => count);
          assertTrue(Math.max(...counts) - Math.min(...counts) <= 1, "one as often as another");
        }
      }
    }
  }
  assertTrue(repeated > 100 && beyondTest > 20 && beyondTrain > 20, "all of this did occur");
});

Deno.test("a draw depends on seed, ids and its own settings alone", () => {
  const { all, names } = randomSurvey(3), classes = own(names);
  const draw = (settings: Partial<DrawSettings> = {}, of = all) => {
    const { objects } = labelledObjects(surveyOf(of), classes);
    const { test, runs } = drawScenarios(objects, classes, { ...usual, testPerClass: 3, ...settings });
    const sorted = (ids: string[]) => ids.sort().join();
    return {
      test: sorted(test.map(({ id }) => id)),
      runs: runs.map(({ train, validation }) => [sorted(idsOf(train)), sorted(idsOf(validation))]),
    };
  };
  const first = draw();
  assertEquals(draw(), first);
  assertEquals(draw({}, all.toReversed()), first, "the order of the dataset does not matter");
  assertEquals(draw({ samplesPerClass: [10] }).runs, first.runs.slice(3, 6), "nor do other scenarios");
  assertEquals(draw({ folds: 1 }).runs, [first.runs[0], first.runs[3], first.runs[6]], "nor other folds");
  assertTrue(draw({ seed: 1 }).test !== first.test);
  const trained = first.runs.map(([train]) => new Set(train.split(",")));
  assertEquals(new Set(first.runs.map(([train]) => train)).size, 9, "folds differ");
  assertTrue([0, 1, 2].some((fold) => !trained[fold].isSubsetOf(trained[3 + fold])), "scenarios do, too");
});

Deno.test("duplicates are one object; with two classes they are left out; their subset is the one seen most", () => {
  const survey = surveyOf([
    { id: "a", class: "A", subset: "test" },
    { id: "b", class: "A", subset: "train" },
    { id: "c", class: "A" },
    { id: "d", class: "B" },
    { id: "e", class: null, subset: "validation" },
    { id: "f", class: "C", subset: "none" },
    { id: "g", class: "D" },
    { id: "h", class: "C", band: "g" },
    { id: "h", class: "C", band: "r" },
  ]);
  const groups = groupsOf([["a", "b"], ["c", "d"], ["e", "f"], ["f", "absent"]]);
  const found = (classes: ChosenClass[]) => {
    const { objects, contradictory } = labelledObjects(survey, classes, groups);
    return [
      objects.map(({ id, label, subset, lightCurves }) => [id, label, subset, lightCurves.join()].join(" ")),
      contradictory,
    ];
  };
  assertEquals(found(own(["A", "B", "C"])), [["a 0 train 0", "f 2 validation 5", "h 2 train 7,8"], ["c"]]);
  assertEquals(found(own(["A", "C"])), [["a 0 train 0", "f 1 validation 5", "h 1 train 7,8"], ["c"]]);
  const merged = [{ name: "AB", of: ["A", "B"] }, { name: "C", of: ["D"] }];
  assertEquals(found(merged), [["a 0 train 0", "c 0 train 2", "g 1 train 6"], []]);
});

Deno.test("too few objects of a class: refused, with what would do", () => {
  const survey = surveyOf([...stars("A", 20), ...stars("B", 7), ...stars("C, first", 9), ...stars("D", 1)]);
  const refused = (testPerClass: number, classes = own(["A", "B", "C, first", "D"])) =>
    assertThrows(
      () => drawScenarios(labelledObjects(survey, classes).objects, classes, { ...usual, testPerClass }),
      InputError,
    ).message;
  assertEquals(
    refused(6),
    'too few objects of class "B" (7), "D" (1): 6 for the test set and 2 to train and validate on are ' +
      "needed; lower --test-per-class, or leave out: --classes 'A,C, first'",
  );
  assertEquals(
    refused(8),
    'too few objects of class "B" (7), "C, first" (9), "D" (1): 8 for the test set and 2 to train and validate on ' +
      "are needed; lower --test-per-class",
  );
  const classes = own(["A", "B"]), { objects } = labelledObjects(survey, classes);
  const { runs } = drawScenarios(objects, classes, { ...usual, testPerClass: 5, samplesPerClass: [2, 20] });
  const ofB = (of: readonly DrawnObject[]) => of.filter(({ object }) => object.label === 1);
  assertEquals(runs.map(({ train, validation }) => [samplesIn(ofB(train)), samplesIn(ofB(validation))]), [
    ...[[1, 1], [1, 1], [1, 1], [16, 4], [16, 4], [16, 4]],
  ]);
});

Deno.test("overlaps with the dataset's own subsets are told, and only these", () => {
  const told = (a: Subset[]) => {
    const classes = own(["A", "B"]);
    const survey = surveyOf([...stars("A", 30, a), ...stars("B", 60, ["train", "test"])]);
    const { objects } = labelledObjects(survey, classes);
    return overlapsOf(drawScenarios(objects, classes, { ...usual, samplesPerClass: [10, 20], folds: 2 }));
  };
  assertEquals(told(["train", "train", "train", "test"]), []);
  assertEquals(told(["train", "train", "train", "none"]), []);
  const [seen, ...others] = told(["train", "validation"]);
  assertStringIncludes(seen, "6 of the 12 test objects are in the dataset's subsets train and validation");
  assertEquals(others, []);
  const [spent, ...none] = told(["test"]);
  assertStringIncludes(spent, "that train and validate are in the dataset's test subset");
  assertEquals(none, []);
});

Deno.test("--classes renames, merges and leaves out, whatever stands in the names", () => {
  const known = ["A", "A+B", "B", "EB", "EC", "RR Lyrae", "RR Lyrae, First Overtone", "x=y"];
  const read = (text: string) => readClasses(text, known).map(({ name, of }) => `${name}: ${of.join(" | ")}`);
  assertEquals(read("A, EB"), ["A: A", "EB: EB"]);
  assertEquals(read("EB=EB+EC,RRc=RR Lyrae, First Overtone,RR Lyrae"), [
    ...["EB: EB | EC", "RRc: RR Lyrae, First Overtone", "RR Lyrae: RR Lyrae"],
  ]);
  assertEquals(read("A+B,A,all of it = x=y + B,"), ["A+B: A+B", "A: A", "all of it: x=y | B"]);
  assertEquals(read("x=y,B+A"), ["x=y: x=y", "B+A: B | A"]);
  for (const text of ["A,EB", "E=EB+EC,RRc=RR Lyrae, First Overtone"]) {
    assertEquals(writeClasses(readClasses(text, known)), text);
  }
  for (
    const [text, sentence] of [
      ["A,ED", 'there is no class "ED"; did you mean "EB"? There are: "A", "A+B"'],
      ["E=EB+RRab", 'there is no class "RRab"'],
      ["A,,B", 'a name is missing before ",B"'],
      ["E=", "a name is missing"],
      ["A,E=A+B+A", '"A" is used twice'],
      ["E=EB,E=EC", 'two classes are named "E"'],
      [" ", "--classes is empty"],
    ]
  ) assertStringIncludes(assertThrows(() => read(text), InputError).message, sentence);
  assertEquals(classesIn(surveyOf([...stars("B", 2), ...stars("A", 2), { id: "x", class: null }])), [
    "A",
    "B",
  ]);
  const unlabelled = surveyOf([{ id: "x", class: null }]);
  assertStringIncludes(assertThrows(() => classesIn(unlabelled), InputError).message, "(--labels)");
});

/** What a test compares of opened scenarios. */
const named = (dataset: Dataset, samples: readonly ScenarioSample[]) =>
  samples.map(({ lightCurve: i, label, count }) => `${dataset.ids[i]} ${dataset.bands[i]} ${label} ${count}`)
    .sort();

testIn(
  "a folder of scenarios: written, opened, read as a table, refused for another dataset",
  async (folder) => {
    const { all, names } = randomSurvey(7), dataset = surveyOf(all), classes = own(names);
    const { objects } = labelledObjects(dataset, classes);
    const drawing = drawScenarios(objects, classes, { ...usual, testPerClass: 3 });
    const output = `${folder}/scenarios`;
    const details = { classes, objects: names.map(() => 1), settings: { seed: 0 }, warnings: ["by the way"] };
    const info = await writeScenarios(output, dataset, drawing, details);
    assertEquals(await namesIn(output), ["scenarios.json", "scenarios.parquet"]);
    assertEquals(JSON.parse(await Deno.readTextFile(`${output}/scenarios.json`)), info);
    assertEquals(info.warnings, ["by the way", ...overlapsOf(drawing)]);
    assertEquals(info.runs[0].train.map(({ samples }) => samples), names.map(() => 4));
    assertEquals(Object.values(info.test_subsets).reduce((sum, n) => sum + n), drawing.test.length);

    const rows = await readParquet(`${output}/scenarios.parquet`);
    assertEquals(Object.keys(rows[0]), ["id", "band", "class", "scenario", "fold", "subset", "count"]);
    assertEquals([rows[0].scenario, rows[0].fold, rows[0].subset], [null, null, "test"]);

    const opened = await openScenarios(output, dataset);
    assertEquals([opened.classes, opened.samplesPerClass, opened.folds], [names, [5, 10, 40], [0, 1, 2]]);
    const expected = (drawn: readonly DrawnObject[]) =>
      named(
        dataset,
        drawn.flatMap(({ object: { lightCurves, label }, count }) =>
          lightCurves.map((lightCurve) => ({ lightCurve, label, count }))
        ),
      );
    assertEquals(
      named(dataset, opened.test),
      expected(drawing.test.map((object) => ({ object, count: 1 }))),
    );
    assertTrue(
      opened.test.some(({ lightCurve }) => dataset.bands[lightCurve] === "r"),
      "all bands go together",
    );
    assertTrue(opened.runs.some(({ train }) => train.some(({ count }) => count > 1)));
    for (const [i, { samplesPerClass, fold, train, validation }] of opened.runs.entries()) {
      const run = drawing.runs[i];
      assertEquals([samplesPerClass, fold], [run.samplesPerClass, run.fold]);
      assertEquals(named(dataset, train), expected(run.train));
      assertEquals(named(dataset, validation), expected(run.validation));
    }

    using db = await Database.open(undefined, { memory_limit: "200MB", threads: 1 });
    const split = await readGivenSplit(db, { split_file: `${output}/scenarios.parquet` });
    const again = scenariosGiven("again", split, dataset, classes).drawing;
    await writeScenarios(`${folder}/again`, dataset, again, details);
    assertEquals(
      await Deno.readFile(`${folder}/again/scenarios.parquet`),
      await Deno.readFile(`${output}/scenarios.parquet`),
      "the same objects, as often",
    );

    const other = { ...dataset, folder: "other", fingerprint: "1" };
    const { message } = await assertRejects(() => openScenarios(output, other), InputError);
    assertStringIncludes(message, "was drawn from another dataset (memory, fingerprint 0) than other (1)");
    assertStringIncludes(message, `--split-file ${output}/scenarios.parquet`);
    for (
      const [break_, sentence] of [
        [() => Deno.truncate(`${output}/scenarios.parquet`, 99), "scenarios.parquet cannot be read"],
        [() => Deno.writeTextFile(`${output}/scenarios.json`, "{"), "is not valid JSON"],
        [() => Deno.writeTextFile(`${output}/scenarios.json`, "null"), "does not describe scenarios"],
        [() => Deno.remove(`${output}/scenarios.json`), "is not a folder of scenarios"],
      ] as const
    ) {
      await break_();
      const { message } = await assertRejects(() => openScenarios(output, dataset), InputError);
      assertStringIncludes(message, sentence);
    }
  },
);

testIn("tables of scenarios: which are read, which are refused", async (folder) => {
  using db = await Database.open(undefined, { memory_limit: "200MB", threads: 1 });
  const survey = surveyOf([...stars("A", 6), ...stars("B", 6), { id: "unlabelled", class: null }]);
  const head = "id,subset,spc,fold\n";
  const good =
    "A-0,test,0,0\nB-0,test,,\nA-1,train,3,0\nB-1,train,3,0\nB-1,train,3,0\nA-2,val,3,0\nB-2,val,3,0\n";
  const read = async (text: string, more: Partial<Parameters<typeof readGivenSplit>[1]> = {}) => {
    await Deno.writeTextFile(`${folder}/split.csv`, text);
    return await readGivenSplit(db, { split_file: `${folder}/split.csv`, ...more });
  };
  const scenarios = (given: GivenObject[], pairs: [string, string][] = []) =>
    scenariosGiven("split.csv", given, survey, own(["A", "B"]), groupsOf(pairs));

  const { drawing: { test, runs }, warnings } = scenarios(await read(head + good));
  assertEquals(test.map(({ id }) => id), ["A-0", "B-0"]);
  assertEquals(
    runs.map((run) => [run.samplesPerClass, run.fold, samplesIn(run.train), ...idsOf(run.train)]),
    [[3, 0, 3, "A-1", "B-1"]],
  );
  assertEquals(runs.map(({ validation }) => idsOf(validation)), [["A-2", "B-2"]]);
  assertEquals(warnings, []);

  const lacking = head + good + "gone,train,3,0\ngone too,test,0,0\nunlabelled,train,3,0\nA-5,none,,\n";
  assertEquals(scenarios(await read(lacking)).warnings, [
    '2 of the 9 objects of split.csv are not in the dataset (filtered out, too short, or of another survey), e.g. "gone"',
    '1 of the 9 objects of split.csv have no class in the dataset, e.g. "unlabelled"',
  ]);
  const counted = await read("star;part;n;draw;count\nA-1;train;20;1;3\nA-1;train;20;1;1\n", {
    split_id: "star",
    split_subset: "part",
    split_scenario: "n",
    split_fold: "draw",
  });
  assertEquals(counted, [{ id: "A-1", subset: "train", samplesPerClass: 20, fold: 1, count: 4 }]);

  const rows: [string, string, [string, string][]?][] = [
    ["id,subset,fold\nA-1,train,0\n", "which column is the scenario? Give --split-scenario; its columns are"],
    ["id,subset,spc\nA-1,train,20\n", "which column is the fold? Give --split-fold"],
    ["subset,spc,fold\ntrain,20,0\n", "Give --split-id"],
    [head + "A-1,trian,3,0\n", '"trian" is no subset; right are train, validation, val and test'],
    [head + "A-1,train,,0\n", 'object "A-1" in train: the samples per class is empty, a whole number from 1'],
    [head + "A-1,train,3,x\n", 'object "A-1" in train: the fold is x, a whole number from 0'],
    [head + ",train,3,0\n", "a row has no id"],
    [
      head + good + "A-1,val,3,0\n",
      '3 samples per class, fold 0: object "A-1" is in train and in validation',
    ],
    [head + good + "A-0,train,3,0\n", 'object "A-0" is in test and in train'],
    [head + good + "A-0,test,0,0\n", 'object "A-0" is 2 times in test (all scenarios)'],
    [head + good + "A-0,test,3,0\n", 'object "B-0" is in the test set of all scenarios but not of 3 samples'],
    [head + good, '"A-1" is in train and "A-2" in validation, but they are one object (--duplicates', [[
      "A-2",
      "A-1",
    ]]],
    [head + good, '"A-0" is in test and "A-1" in train, but they are one object', [["A-0", "A-1"]]],
    [
      head + good + "A-1,train,5,0\n",
      'class "B" has no object of the dataset in train of 5 samples per class',
    ],
    [head + good.replace("B-2,val,3,0", ""), 'class "B" has no object of the dataset in validation of 3'],
    [head + good.replace("B-0,test", "x,test"), 'class "B" has no object of the dataset in test'],
    [head + "A-0,test,0,0\nB-0,test,0,0\n", "names no object to train on"],
  ];
  for (const [text, sentence, pairs] of rows) {
    const { message } = await assertRejects(async () => scenarios(await read(text), pairs), InputError);
    assertStringIncludes(message, sentence);
  }
  const strangers = await read(head + "17,train,3,0\n");
  assertStringIncludes(
    assertThrows(() => classesNamed("split.csv", strangers, survey), InputError).message,
    'none of its objects (e.g. "17") has a class in memory (where objects are named like "A-0")',
  );
});

/** ASAS as far as drawing looks at it. */
async function asas() {
  using db = await Database.open(undefined, { memory_limit: "500MB", threads: 1 });
  const rows = await db.rows<{ id: string; class: string; length: number }>(
    `SELECT newID::VARCHAR AS id, Class AS class, n_obs AS length FROM ${
      text(sharedPath("data/asas/metadata.parquet"))
    }`,
  );
  const dataset: Dataset = {
    ...datasetOf([]),
    size: rows.length,
    ids: rows.map(({ id }) => id),
    bands: rows.map(() => "V"),
    classes: rows.map((row) => row.class),
    subsets: rows.map(() => "none"),
    lengths: Int32Array.from(rows, ({ length }) => length),
  };
  const pairs = await readDuplicates(db, sharedPath("data/asas/config.toml"));
  const path = sharedPath("data/asas/splits.parquet");
  return { dataset, groups: groupsOf(pairs), path, split: await readGivenSplit(db, { split_file: path }) };
}

const asas7 = "EC=Contact Systems,ED=Detached,ESD=Semidetached,Mira,RRab=RR Lyrae, Fundamental Mode," +
  "RRc=RR Lyrae, First Overtone,DSCT=Delta Scuti";

sharedTest("the split that the Python baselines were measured on is taken as it is", async () => {
  const { dataset, groups, path, split } = await asas();
  const known = classesIn(dataset), nine = own(classesNamed(path, split, dataset));
  assertEquals(nine.length, 9, "all but Beta Cephei");
  const all = scenariosGiven(path, split, dataset, nine, groups);
  assertEquals(all.warnings, []);
  assertEquals(all.drawing.test.length, 820);
  assertEquals(
    all.drawing.runs.map(({ samplesPerClass, fold, train, validation }) =>
      [samplesPerClass, fold, samplesIn(train), train.length, samplesIn(validation), validation.length].join()
    ),
    [20, 100, 500].flatMap((n) =>
      [0, 1, 2].map((fold) =>
        [n, fold, { 20: "144,144,36,36", 100: "720,689,180,172", 500: "3600,3006,900,751" }[n]].join()
      )
    ),
  );
  for (const [choice, classes] of [[asas7, 7], [`${asas7},EB=Close Binary Eclipsing Systems`, 8]] as const) {
    const { test, runs } = scenariosGiven(path, split, dataset, readClasses(choice, known), groups).drawing;
    assertEquals(test.length, 100 * classes);
    assertTrue(runs.every((run) =>
      samplesIn(run.train) === 0.8 * run.samplesPerClass * classes &&
      samplesIn(run.validation) === 0.2 * run.samplesPerClass * classes
    ));
  }
});

sharedTest("ASAS drawn anew is as large as that split, class by class", async () => {
  const { dataset, groups, path, split } = await asas(), classes = readClasses(asas7, classesIn(dataset));
  const given = scenariosGiven(path, split, dataset, classes, groups).drawing;
  const { objects, contradictory } = labelledObjects(dataset, classes, groups);
  assertEquals(contradictory.length, 7, "pairs with two labels");
  const drawn = drawScenarios(objects, classes, {
    ...usual,
    samplesPerClass: [20, 100, 500],
    testPerClass: 100,
  });
  assertEquals(drawn.test.length, given.test.length);
  for (const [i, run] of drawn.runs.entries()) {
    const counts = (part: readonly DrawnObject[]) =>
      classes.map((_, label) => {
        const of = part.filter(({ object }) => object.label === label);
        return [of.length, samplesIn(of)].join();
      });
    assertEquals(counts(run.train), counts(given.runs[i].train));
    assertEquals(counts(run.validation), counts(given.runs[i].validation));
  }
});
