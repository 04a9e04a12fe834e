/** Regression end to end on a simulated survey: values of the table of labels, scenarios, regressors, predictions. */
import { Astromer } from "../../src/library/astromer.ts";
import { Classifier } from "../../src/library/classifier.ts";
import { InputError } from "../../src/common/errors.ts";
import { Regressor } from "../../src/library/regressor.ts";
import type { RegressionResult } from "../../src/classify/regression_results.ts";
import { assertEquals, assertRejects, assertStringIncludes, assertTrue } from "../../src/common/std.ts";
import { testIn } from "../shared.ts";
import { readParquet } from "../survey/support.ts";
import { run, succeed } from "./support.ts";

testIn("periods: kept by preprocess or of a table, learned, predicted with intervals", async (folder) => {
  const survey = `${folder}/survey`, data = `${folder}/data`, table = `${folder}/amplitudes.csv`;
  await succeed("simulate", "--light-curves", "130", "--mean-length", "40", "--output", survey);
  const labels = await readParquet(`${survey}/metadata.parquet`);
  const csv = ["star,kind,amplitude,remark"];
  for (const [i, row] of labels.entries()) {
    csv.push(`${row.newID ?? row.id},${i % 2 ? "a" : "b"},${i < 10 ? "" : 0.1 + (i % 7) / 10},x`);
  }
  await Deno.writeTextFile(table, csv.join("\n") + "\n");
  const preprocess = [
    "preprocess",
    "--input",
    `${survey}/observations`,
    "--preset",
    "reference",
    "--output",
    data,
  ];
  const given = [...preprocess, "--labels", table, "--labels-id", "star", "--labels-class", "kind"];
  await succeed(...given, "--keep", "amplitude");
  const kept = await readParquet(`${data}/metadata.parquet`);
  assertEquals(kept.filter(({ amplitude }) => amplitude === null).length, 10);
  assertTrue(kept.every(({ class: name }) => name === "a" || name === "b"));

  // What the features see: the standard deviation that every dataset knows.
  const scenarios = `${folder}/scenarios`,
    drawn = ["--samples-per-class", "70", "--folds", "2", "--test-per-class", "40"];
  await succeed("scenarios", "--data", data, "--target", "std_magnitude", ...drawn, "--output", scenarios);
  const grid = [
    "classify",
    "--data",
    data,
    "--scenarios",
    scenarios,
    "--models",
    "classical",
    "--output",
    `${folder}/run`,
  ];
  const wrong: [string[], string][] = [
    [[], "was drawn for regression: --task regression --target std_magnitude takes it"],
    [["--task", "regression"], "--task regression predicts a number: --target names its column"],
    [["--target", "feh"], "--target needs --task regression, which is not given"],
    [["--task", "regression", "--target", "feh"], 'metadata.parquet has no column "feh"'],
    [["--task", "regression", "--target", "skewness", "--target-log"], "--target-log needs positive values"],
    [
      ["--task", "regression", "--target", "amplitude", "--balance", "loss"],
      "--balance is for classification",
    ],
  ];
  for (const [settings, sentence] of wrong) {
    const { code, stderr } = await run(...grid, ...settings);
    assertEquals(code, 2, stderr);
    assertStringIncludes(stderr, sentence);
  }
  const regression = [
    "--task",
    "regression",
    "--target",
    "std_magnitude",
    "--target-log",
    "--heads",
    "linear,forest,knn",
  ];
  const { stdout } = await succeed(...grid, ...regression, "--epochs", "40", "--learning-rate", "0.02");
  assertStringIncludes(stdout, "errors in log10 std_magnitude");
  const results: RegressionResult[] = JSON.parse(await Deno.readTextFile(`${folder}/run/results.json`));
  assertEquals(results.length, 6);
  for (const { head, scores, light_curves, coverages, curve } of results) {
    assertTrue(scores.r2 > 0.5 && scores.rmse < 0.5 && scores.median_absolute_error <= scores.rmse, head);
    assertEquals(light_curves, { train: 56, validation: 14, test: 40 });
    assertTrue(
      coverages.length > 0 && coverages.every(({ found, asked }) => Math.abs(found - asked) < 0.25),
      head,
    );
    assertEquals(curve !== undefined, head === "linear");
  }
  const report = await Deno.readTextFile(`${folder}/run/report.html`);
  for (
    const text of ["Regression of std_magnitude", "RMSE", "residuals", "Conformal intervals", "half width"]
  ) {
    assertStringIncludes(report, text);
  }
  const [first] = await readParquet(`${folder}/run/predictions/classical/forest/70-0.parquet`);
  assertEquals(Object.keys(first), ["id", "band", "value", "predicted", "novelty"]);

  const predict = [
    "predict",
    "--classifier",
    `${folder}/run/classifiers/classical/forest/70-0`,
    "--data",
    data,
  ];
  await succeed(...predict, "--coverage", "0.9", "--output", `${folder}/p.parquet`);
  const rows = await readParquet(`${folder}/p.parquet`);
  assertEquals(rows.length, 130);
  let within = 0;
  for (const [i, row] of rows.entries()) {
    const [low, value, high] = ["_low", "", "_high"].map((end) =>
      row[`predicted_std_magnitude${end}`] as number
    );
    assertTrue(0 < low && low < value && value < high);
    const truth = kept[i].std_magnitude as number;
    if (low <= truth && truth <= high) within++;
  }
  assertTrue(within > 105, `${within} of 130 within intervals of 0.9`);
  const much = await run(...predict, "--coverage", "0.999", "--output", `${folder}/q.csv`);
  assertEquals(
    [much.code, much.stderr.includes("--coverage 0.999 needs 999 light curves")],
    [2, true],
    much.stderr,
  );

  // A table beside the dataset, scenarios of classes: light curves without a value are left out.
  await succeed(
    "scenarios",
    "--data",
    data,
    ...drawn.with(1, "30").with(5, "10"),
    "--output",
    `${folder}/classes`,
  );
  const table2 = [
    ...grid.with(4, `${folder}/classes`).with(8, `${folder}/run2`),
    "--task",
    "regression",
    "--heads",
    "knn",
  ];
  const other = await succeed(...table2, "--target", "amplitude", "--targets", table, "--targets-id", "star");
  assertStringIncludes(
    other.stdout,
    "light curves of the scenarios have no value of amplitude: they are left out",
  );
  assertStringIncludes(other.stdout, "samples per class");
});

testIn(
  "the library's regressor: arrays in, values and intervals out, the folder is that of predict",
  async (folder) => {
    const mjd = Array.from({ length: 30 }, (_, i) => 59_000 + i + 0.3 * Math.sin(i));
    const curve = (amplitude: number, phase: number) => ({
      mjd,
      magnitude: mjd.map((t) => 14 + amplitude * Math.sin(t / 2 + phase)),
    });
    const known = Array.from({ length: 60 }, (_, i) => ({ ...curve(0.2 + i / 40, i), value: 0.2 + i / 40 }));
    using model = Astromer.untrained({ preset: "small" });
    await model.save(`${folder}/model`);
    using regressor = await Regressor.fit(model, known, { name: "amplitude", log: true, head: "forest" });
    const test = [0.3, 0.6, 1, 1.4].map((amplitude) => curve(amplitude, 2));
    const found = await regressor.predict(test, { coverage: 0.9 });
    for (const [i, { value, interval, novelty }] of found.entries()) {
      assertTrue(novelty >= 0 && interval![0] < value && value < interval![1]);
      assertTrue(i === 0 || value > found[i - 1].value, "in the order of their amplitudes");
    }
    await regressor.save(`${folder}/regressor`);
    using again = await Regressor.load(`${folder}/regressor`, model);
    assertEquals(await again.predict(test, { coverage: 0.9 }), found);
    assertEquals(again.target, { name: "amplitude", log: true });
    await assertRejects(
      () => Classifier.load(`${folder}/regressor`, model),
      InputError,
      `${folder}/regressor is the folder of a regressor; a classifier is needed`,
    );
    await assertRejects(
      () => Regressor.load(new URL("../formats/classifier-2", import.meta.url).pathname, model),
      InputError,
      "is the folder of a classifier; a regressor is needed",
    );
    await assertRejects(
      () => regressor.predict(test, { coverage: 0.999 }),
      RangeError,
      "needs 999 light curves",
    );
    await assertRejects(() => Regressor.fit(model, test), TypeError, "light curve 0 has no value");
  },
);
