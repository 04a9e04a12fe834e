/** The command scenarios: from survey files through a dataset folder to the light curves of each fold. */
import { main } from "../../cli.ts";
import { openScenarios, type ScenarioSample, type ScenariosInfo } from "../../src/classify/scenarios.ts";
import { readSettings } from "../../src/command/read_settings.ts";
import { type Dataset, openDataset } from "../../src/data/dataset.ts";
import { InputError } from "../../src/common/errors.ts";
import { assertEquals, assertRejects, assertStringIncludes, assertTrue } from "../../src/common/std.ts";
import task from "../../tasks/scenarios.ts";
import { testIn } from "../shared.ts";
import { namesIn, run as preprocess, testTiny, tiny } from "../survey/support.ts";

/** Runs the command and hands back what it prints. */
async function scenarios(...args: string[]): Promise<string[]> {
  const { settings, given } = await readSettings(task, args);
  const printed: string[] = [], log = console.log;
  console.log = (text: string) => void printed.push(...text.split("\n"));
  try {
    await task.run(settings, given, main);
  } finally {
    console.log = log;
  }
  return printed;
}

/** A labelled survey of stars in two bands, as a dataset folder; all of it is in train. */
async function survey(folder: string, classes: Record<string, number>, labelled = true): Promise<string> {
  const rows = ["id,band,mjd,mag,err"], labels = ["id,class"];
  for (const [name, count] of Object.entries(classes)) {
    for (let star = 0; star < count; star++) {
      labels.push(`${name}${star},${name}`);
      for (const band of ["g", "r"]) {
        for (let i = 0; i < 9; i++) rows.push(`${name}${star},${band},${50_000 + i},${12 + i % 3},0.01`);
      }
    }
  }
  await Deno.writeTextFile(`${folder}/survey.csv`, rows.join("\n"));
  await Deno.writeTextFile(`${folder}/labels.csv`, labels.join("\n"));
  const output = `${folder}/data`;
  await preprocess({
    input: [`${folder}/survey.csv`],
    fractions: [1, 0, 0],
    noise_filter: false,
    trim: false,
    output,
    ...labelled ? { labels: `${folder}/labels.csv` } : {},
  });
  return output;
}

const info = async (folder: string): Promise<ScenariosInfo> =>
  JSON.parse(await Deno.readTextFile(`${folder}/scenarios.json`));
const objectsOf = ({ ids }: Dataset, samples: readonly ScenarioSample[]) =>
  new Set(samples.map(({ lightCurve }) => ids[lightCurve]));

testIn("objects in two bands: drawn, printed, opened, and drawn alike a second time", async (folder) => {
  const data = await survey(folder, { EB: 30, RRab: 12 });
  await Deno.writeTextFile(`${folder}/pairs.csv`, "a,b\nEB0,EB1\nEB2,RRab2\n");
  const draw = (output: string, ...more: string[]) =>
    scenarios("--data", data, "--output", `${folder}/${output}`, "--test-per-class", "4", ...more);
  const wanted = ["--samples-per-class", "5,20", "--folds", "2", "--duplicates", `${folder}/pairs.csv`];
  assertEquals(await draw("first", ...wanted), [
    "class  objects  test  5 drawn  repeated  20 drawn  repeated",
    "EB          28     4        5         0        20         0",
    "RRab        11     4        5         0        20        13",
    "",
    `${folder}/first: 2 classes, 2 scenarios in 4 draws; test objects by the dataset's subsets: 8 of train`,
    'warning: objects with two classes (by bands or duplicates) are left out: 1, e.g. "EB2"',
    "warning: 8 of the 8 test objects are in the dataset's subsets train and validation: " +
    "a model pretrained on it has seen their light curves, though not their classes",
  ]);
  const { settings, warnings } = await info(`${folder}/first`);
  assertEquals([settings.samples_per_class, settings.seed, warnings.length], [[5, 20], 0, 2]);

  using dataset = await openDataset(data);
  const { classes, test, runs } = await openScenarios(`${folder}/first`, dataset);
  assertEquals([classes, runs.length, test.length], [["EB", "RRab"], 4, 16]);
  const tested = objectsOf(dataset, test);
  assertEquals(tested.size, 8);
  for (const { samplesPerClass, train, validation } of runs) {
    const [trained, validated] = [train, validation].map((samples) => objectsOf(dataset, samples));
    assertTrue(trained.isDisjointFrom(validated) && tested.isDisjointFrom(trained.union(validated)));
    for (const samples of [train, validation]) {
      for (const { lightCurve, label, count } of samples) {
        assertEquals(classes[label], dataset.classes[lightCurve]);
        const bands = samples.filter((other) => dataset.ids[other.lightCurve] === dataset.ids[lightCurve]);
        assertEquals(bands.map((other) => [dataset.bands[other.lightCurve], other.count]), [
          ["g", count],
          ["r", count],
        ]);
      }
    }
    const curves = [...train, ...validation].reduce((sum, { count }) => sum + count, 0);
    assertEquals(curves, 2 * 2 * samplesPerClass, "two bands of two classes");
  }

  await draw("second", ...wanted);
  const bytes = (name: string) => Deno.readFile(`${folder}/${name}/scenarios.parquet`);
  assertEquals(await bytes("second"), await bytes("first"));
  await draw("second", ...wanted, "--seed", "1");
  assertTrue(String(await bytes("second")) !== String(await bytes("first")));

  // The same stars, preprocessed otherwise.
  const otherwise = { magnitude_range: [11.5, 13.5], duplicates: `${folder}/pairs.csv` };
  await preprocess({ ...(await settingsOf(data)), ...otherwise, output: `${folder}/cut` });
  // The dataset says itself which ids are one star; one of an older version does not.
  const itself = await scenarios(
    ...["--data", `${folder}/cut`, "--output", `${folder}/itself`],
    ...["--split-file", `${folder}/first/scenarios.parquet`],
  );
  assertEquals(itself[2], "RRab        11     4        5         0        20        13");
  assertEquals(itself.some((line) => line.includes("the scenarios are without")), false);
  const description = JSON.parse(await Deno.readTextFile(`${folder}/cut/dataset.json`));
  assertEquals(description.stars, true);
  await Deno.writeTextFile(
    `${folder}/cut/dataset.json`,
    JSON.stringify({ ...description, stars: undefined }),
  );
  using cut = await openDataset(`${folder}/cut`);
  const { message } = await assertRejects(() => openScenarios(`${folder}/first`, cut), InputError);
  assertStringIncludes(message, `was drawn from another dataset (${data}, fingerprint`);
  const printed = await scenarios(
    ...["--data", `${folder}/cut`, "--output", `${folder}/third`],
    ...["--split-file", `${folder}/first/scenarios.parquet`],
  );
  assertEquals(printed[2], "RRab        12     4        5         0        20        13");
  assertStringIncludes(
    printed[5],
    `the dataset was split with --duplicates ${folder}/pairs.csv, the scenarios are`,
  );
  const again = await openScenarios(`${folder}/third`, cut);
  assertEquals(objectsOf(cut, again.test), tested);
  assertEquals(again.runs, runs);
});

/** The settings that a dataset was made with. */
async function settingsOf(data: string) {
  return JSON.parse(await Deno.readTextFile(`${data}/dataset.json`)).settings;
}

testTiny("asas-tiny: merged classes, and the test subset first", async (folder) => {
  const data = `${folder}/data`, output = `${folder}/scenarios`;
  await preprocess({ preset: "reference", input: [tiny], fractions: [0.6, 0.1, 0.3], output: data });
  await Deno.writeTextFile(
    `${folder}/scenarios.toml`,
    `samples_per_class = [10, 50]
test_per_class = 6
classes = "EB=Contact Systems+Detached+Semidetached,Mira,RRab=RR Lyrae, Fundamental Mode"\n`,
  );
  const printed = await scenarios(
    "--data",
    data,
    "--output",
    output,
    "--config",
    `${folder}/scenarios.toml`,
  );
  assertEquals(printed[1], "EB         120     6        10         0        50         0");
  assertStringIncludes(
    printed[5],
    "3 classes, 2 scenarios in 6 draws; test objects by the dataset's subsets: ",
  );
  using dataset = await openDataset(data);
  const { classes, test, runs } = await openScenarios(output, dataset);
  assertEquals(classes, ["EB", "Mira", "RRab"]);
  assertEquals(test.map(({ label }) => label), [0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 1, 1, 2, 2, 2, 2, 2, 2]);
  assertEquals(new Set(test.map(({ lightCurve }) => dataset.subsets[lightCurve])), new Set(["test"]));
  assertEquals(runs.map(({ train, validation }) => [train, validation].map(samplesIn)), [
    ...[[24, 6], [24, 6], [24, 6], [120, 30], [120, 30], [120, 30]],
  ]);
  assertEquals((await info(output)).test_subsets, { test: 18 });
});

const samplesIn = (samples: readonly ScenarioSample[]) => samples.reduce((sum, { count }) => sum + count, 0);

testIn("wrong use is a sentence, and nothing is written", async (folder) => {
  const data = await survey(folder, { EB: 12, RRab: 9 });
  await Deno.mkdir(`${folder}/mine`);
  await Deno.writeTextFile(`${folder}/mine/thesis.txt`, "years of work");
  await Deno.writeTextFile(`${folder}/split.csv`, "id,subset,spc,fold\nEB1,train,20,0\n");
  const split = ["--split-file", `${folder}/split.csv`], small = ["--test-per-class", "5"];
  const before = await namesIn(folder);
  const rows: [string[], string][] = [
    [[], 'too few objects of class "EB" (12), "RRab" (9): 100 for the test set'],
    [["--test-per-class", "8"], 'class "RRab" (9): 8 for the test set and 2 to train'],
    [[...small, "--classes", "EB"], 'there is only one class, "EB"'],
    [[...small, "--classes", "EB,RRba"], 'there is no class "RRba"; did you mean "RRab"?'],
    [[...small, "--data", `${folder}/no`], "is not a dataset folder"],
    [[...small, "--output", `${folder}/mine`], "exists and is not a folder of scenarios"],
    [[...small, "--samples-per-class", "20,5,20"], "--samples-per-class names 20 twice"],
    [[...small, "--samples-per-class", "1"], "--samples-per-class cannot be"],
    [[...small, "--split-fold", "x"], "--split-fold needs --split-file, which is not given"],
    [[...small, ...split], "--test-per-class is for a random draw, but --split-file lists the objects"],
    [split, 'there is only one class, "EB"'],
    [[...split, "--classes", "EB,RRab"], 'class "EB" has no object of the dataset in test'],
    [["--split-file", `${folder}/no.csv`], "--split-file " + folder + "/no.csv: there is no such file"],
    [[...small, "--duplicates", `${folder}/no.csv`], "--duplicates " + folder + "/no.csv: there is no such"],
  ];
  for (const [args, sentence] of rows) {
    const paths = ["--data", data, "--output", `${folder}/out`];
    const all = paths.filter((_, i) => !args.includes(paths[i - i % 2])).concat(args);
    const { message } = await assertRejects(() => scenarios(...all), InputError);
    assertStringIncludes(message, sentence);
    assertEquals(await namesIn(folder), before, "nothing is left behind");
  }
  assertEquals(await namesIn(`${folder}/mine`), ["thesis.txt"]);

  await preprocess({ ...(await settingsOf(data)), labels: undefined, output: `${folder}/unlabelled` });
  const { message } = await assertRejects(
    () => scenarios("--data", `${folder}/unlabelled`, "--output", `${folder}/out`),
    InputError,
  );
  assertStringIncludes(message, "unlabelled has a class: preprocess takes classes from a table");
});
