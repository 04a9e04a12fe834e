/** The command benchmark on a simulated survey: every number, one table, one figure, nothing done twice. */
import { Astromer } from "../../src/library/astromer.ts";
import type { Score } from "../../src/benchmark/results.ts";
import { assertEquals, assertStringIncludes, assertTrue } from "../../src/common/std.ts";
import { testIn } from "../shared.ts";
import { run, succeed } from "./support.ts";

testIn("models, features and both are judged on a suite, and gone on with", async (folder) => {
  const survey = `${folder}/survey`, data = `${folder}/data`, scenarios = `${folder}/scenarios`;
  await succeed("simulate", "--light-curves", "200", "--mean-length", "60", "--output", survey);
  await succeed("preprocess", "--preset", "reference", "--input", survey, "--output", data);
  await succeed(
    ...["scenarios", "--data", data, "--samples-per-class", "10", "--folds", "2", "--test-per-class", "10"],
    ...["--output", scenarios],
  );
  {
    using model = Astromer.untrained({ preset: "small", seed: 3 });
    await model.save(`${folder}/model`);
  }
  const suite = `${folder}/simulated.toml`;
  await Deno.writeTextFile(suite, 'data = "data"\nscenarios = "scenarios"\nperiods = "periods.csv"\n');
  const periods = Array.from({ length: 200 }, (_, i) => `${i},${i % 7 === 0 ? "" : 0.5 + i % 13}`);
  await Deno.writeTextFile(`${folder}/periods.csv`, ["id,period", ...periods].join("\n"));
  const wanted = [
    "benchmark",
    ...["--models", `${folder}/model@mean,classical,${folder}/model@mean+classical`, "--suites", suite],
    ...["--probes", "knn,logistic", "--observations", "25", "--fewer", "2", "--draws", "2"],
    ...["--output", `${folder}/out`],
  ];
  const first = await succeed(...wanted);
  const models = ["model@mean", "classical", "model@mean+classical", "untrained-model@mean"];
  const [head] = first.stdout.split("\n").filter((line) => line.startsWith("simulated "));
  const table = first.stdout.slice(first.stdout.indexOf("\nsimulated  "));
  for (const model of models) assertStringIncludes(table, model);
  assertTrue(head !== undefined);
  for (
    const row of [
      "macro F1, knn, 2 a class",
      "macro F1, logistic, 10 a class, 25 observations",
      "macro F1, logistic, 10 a class, shuffled times",
      "clusters: NMI",
      "novelty: AUROC",
    ]
  ) assertStringIncludes(table, row);

  const lines = (await Deno.readTextFile(`${folder}/out/scores.jsonl`)).trim().split("\n");
  const scores: Score[] = lines.map((line) => JSON.parse(line));
  assertTrue(scores.every(({ value }) => Number.isFinite(value) && value <= 1));
  const best = scores.filter((s) =>
    s.measure === "macro_f1" && s.model === "classical" && s.observations === "all" &&
    s.samples_per_class === 10
  );
  assertEquals(best.length, 2 * 2, "two probes, two folds");
  assertTrue(best.every(({ value }) => value > 0.4), JSON.stringify(best.map(({ value }) => value)));
  assertStringIncludes(await Deno.readTextFile(`${folder}/out/benchmark.svg`), "samples per class");
  assertStringIncludes(await Deno.readTextFile(`${folder}/out/summary.csv`), "difference_from_classical");

  const units = `${folder}/out/units/simulated`;
  const kept = await Deno.readTextFile(`${units}/classical/25.json`);
  await Deno.remove(`${units}/classical/all.json`);
  const second = await succeed(...wanted);
  assertEquals(second.stdout.match(/vectors of/g)?.length, 1, "one unit is made again");
  assertEquals(await Deno.readTextFile(`${units}/classical/25.json`), kept);
  assertEquals(
    second.stdout.slice(second.stdout.indexOf("\nsimulated  ")),
    table,
    "and the table is the same",
  );
});

testIn("wrong use is a sentence", async (folder) => {
  const suite = `${folder}/s.toml`;
  const judged = (models: string) =>
    run("benchmark", "--models", models, "--suites", suite, "--output", `${folder}/out`);
  assertStringIncludes((await judged("nothing")).stderr, "--models nothing is neither a model folder");
  assertStringIncludes((await judged("classical,classical")).stderr, "two are called classical");
  assertStringIncludes((await judged("astromer2-asas@sum")).stderr, "sum is no pooling; right are mean");
  assertStringIncludes((await judged("classical")).stderr, `--suites ${suite} cannot be read`);
  await Deno.writeTextFile(suite, 'data = "nowhere"\n');
  const { code, stderr } = await judged("classical");
  assertEquals(code, 2);
  assertStringIncludes(stderr, `${suite}: scenarios`);
});
