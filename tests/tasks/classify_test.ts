/** Few-shot classification end to end on a simulated survey: scenarios, finetune, classify, predict. */
import { Astromer } from "../../src/library/astromer.ts";
import { Classifier } from "../../src/library/classifier.ts";
import type { Result } from "../../src/classify/results.ts";
import { assertEquals, assertStringIncludes, assertTrue } from "../../src/common/std.ts";
import { testIn } from "../shared.ts";
import { namesIn, readParquet } from "../survey/support.ts";
import { run, succeed } from "./support.ts";

testIn(
  "a labelled survey to scenarios, finetuned models, a grid of classifiers, predictions",
  async (folder) => {
    const survey = `${folder}/survey`,
      data = `${folder}/data`,
      model = `${folder}/model`,
      scenarios = `${folder}/scenarios`;
    await succeed(...["simulate", "--light-curves", "240", "--mean-length", "60", "--output", survey]);
    await succeed(...["preprocess", "--preset", "reference", "--input", survey, "--output", data]);
    {
      using untrained = Astromer.untrained({ preset: "small" });
      await untrained.save(model);
    }
    const drawn = ["--samples-per-class", "10,15", "--folds", "2", "--test-per-class", "5"];
    await succeed("scenarios", "--data", data, ...drawn, "--output", scenarios);

    const finetune = [
      "finetune",
      "--model",
      model,
      "--data",
      data,
      "--scenarios",
      scenarios,
      "--output",
      `${folder}/finetuned`,
    ];
    const short = [
      "--epochs",
      "2",
      "--batch-size",
      "32",
      "--learning-rate",
      "1e-3",
      "--samples-per-class",
      "10",
    ];
    const finetuned = await succeed(...finetune, ...short);
    assertStringIncludes(finetuned.stdout, "RMSE before");
    const { before, after, epochs } = JSON.parse(
      await Deno.readTextFile(`${folder}/finetuned/10-1/finetuned.json`),
    );
    assertEquals(epochs, 2);
    assertTrue(after < before, `${after} after, ${before} before`);
    assertStringIncludes((await succeed(...finetune, ...short)).stdout, "10-0 is there already");

    const grid = ["classify", "--data", data, "--scenarios", scenarios, "--epochs", "20", "--windows", "2"];
    const models = [
      "--models",
      `${model},${folder}/finetuned,classical`,
      "--heads",
      "gamma,linear,knn,forest",
      "--samples-per-class",
      "10",
    ];
    const output = ["--output", `${folder}/grid`];
    const first = await succeed(...grid, ...models, ...output);
    const results: Result[] = JSON.parse(await Deno.readTextFile(`${folder}/grid/results.json`));
    assertEquals(results.length, 3 * 4 * 2);
    assertEquals([...new Set(results.map(({ model, head }) => `${model} ${head}`))].sort(), [
      "classical forest",
      "classical knn",
      "classical linear",
      "classical mlp",
      "finetuned forest",
      "finetuned gamma",
      "finetuned knn",
      "finetuned linear",
      "model forest",
      "model gamma",
      "model knn",
      "model linear",
    ]);
    for (const { scores, confusion, light_curves, classes } of results) {
      assertTrue(Object.values(scores).every((score) => score >= 0 && score <= 1));
      assertEquals(confusion.reduce((a, b) => a + b), light_curves.test);
      assertEquals(light_curves.test, 5 * classes.length);
    }
    const chance = 1 / results[0].classes.length;
    const mean = results.reduce((sum, { scores }) => sum + scores.accuracy, 0) / results.length;
    assertTrue(mean > 1.3 * chance, `accuracy ${mean}: better than guessing (${chance})`);
    assertTrue(results.filter(({ head }) => head === "gamma").every(({ gammas }) => gammas!.length === 3));
    assertStringIncludes(first.stdout, "mean ± standard deviation over folds");
    for (const { calibration, head, curve, coverages, calibrated_with } of results) {
      assertEquals(
        calibration!.bins.reduce((sum, { count }) => sum + count, 0),
        results[0].light_curves.test,
      );
      assertEquals(curve !== undefined, !["knn", "forest"].includes(head));
      // A forest calibrates with all that train it, the others with what validates.
      assertEquals([calibrated_with! > 30, coverages!.length > 0], [head === "forest", true]);
    }
    const page = await Deno.readTextFile(`${folder}/grid/report.html`);
    for (const text of ["Reliability of the probabilities", 'class="mistakes"', "in sets of 0.9"]) {
      assertStringIncludes(page, text);
    }

    // Again: nothing is done twice; one result that is gone is made again, the same.
    const kept = results.map(({ seconds: _, ...rest }) => rest);
    const embedded = await namesIn(`${folder}/grid/cache`);
    await Deno.remove(`${folder}/grid/results/model/gamma/10-1.json`);
    const second = await succeed(...grid, ...models, ...output);
    assertEquals(await namesIn(`${folder}/grid/cache`), embedded, "nothing is embedded twice");
    assertEquals(second.stdout.match(/samples per class, fold/g)?.length, 1);
    const again: Result[] = JSON.parse(await Deno.readTextFile(`${folder}/grid/results.json`));
    assertEquals(again.map(({ seconds: _, ...rest }) => rest), kept);
    const other = await run(...grid, ...models, ...output, "--learning-rate", "0.1");
    assertEquals(other.code, 2);
    assertStringIncludes(other.stderr, "was started with learning_rate = 0.001, now it is 0.1");

    // Another model of the same name is no excuse for the results of the first.
    {
      using another = Astromer.untrained({ preset: "small", seed: 1 });
      await another.save(`${folder}/another/model`);
    }
    const namesake = await run(...grid, "--models", `${folder}/another/model`, ...output);
    assertEquals(namesake.code, 2, namesake.stdout);
    assertStringIncludes(namesake.stderr, `${folder}/grid has results of another model that is called model`);
    const absent = await run(...grid, ...models.slice(0, 4), "--samples-per-class", "10,20", ...output);
    assertEquals(absent.code, 2, absent.stdout);
    assertStringIncludes(absent.stderr, "has no scenario of 20 samples per class");

    for (
      const [classifier, file] of [["model/gamma", "a.parquet"], ["model/forest", "c.parquet"], [
        "classical/mean",
        "b.csv",
      ]]
    ) {
      const predicted = `${folder}/${file}`;
      const path = `${folder}/grid/classifiers/${classifier}/10-0`;
      const { stdout } = await succeed(
        "predict",
        "--classifier",
        path,
        "--data",
        data,
        "--output",
        predicted,
        ...classifier === "model/forest" ? ["--coverage", "0.9"] : [],
      );
      assertStringIncludes(stdout, "objects");
      if (file.endsWith("csv")) {
        const lines = (await Deno.readTextFile(predicted)).trim().split("\r\n");
        assertEquals(lines.length, 1 + 240);
        assertStringIncludes(lines[0], "id,known_class,class,probability_");
        continue;
      }
      const rows = await readParquet(predicted);
      assertEquals(rows.length, 240);
      for (const row of rows) {
        const probabilities = Object.entries(row).filter(([name]) => name.startsWith("probability_"));
        const sum = probabilities.reduce((total, [, p]) => total + (p as number), 0);
        assertTrue(Math.abs(sum - 1) < 1e-4 && (row.novelty as number) > 0);
        const [best] = probabilities.sort(([, a], [, b]) => (b as number) - (a as number));
        assertEquals(best[0], `probability_${row.class}`);
        assertEquals("set" in row, classifier === "model/forest");
        if ("set" in row) {
          const set = (row.set as string).split(" | ");
          assertEquals([set[0], set.length], [row.class, row.set_size]);
        }
      }
    }
    // Of versions that kept nothing to calibrate with, nothing is promised.
    const old = new URL("../formats/classifier-1", import.meta.url).pathname;
    const promise = await run(
      "predict",
      "--classifier",
      old,
      "--data",
      data,
      "--output",
      "o.csv",
      "--coverage",
      "0.9",
    );
    assertEquals(promise.code, 2, promise.stderr);
    assertStringIncludes(promise.stderr, "classifier-1 has no light curves to calibrate with");
    // An encoder that is another one is refused.
    const moved = await run(
      ...["predict", "--classifier", `${folder}/grid/classifiers/model/gamma/10-0`, "--data", data],
      ...["--model", `${folder}/finetuned/10-0/best`, "--output", `${folder}/c.csv`],
    );
    assertEquals(moved.code, 2);
    assertStringIncludes(moved.stderr, "is not the encoder that");

    // A classifier on a model that is in no folder names none, but reads vectors of its shape alone.
    {
      using library = Astromer.untrained({ preset: "small" });
      const mjd = Array.from({ length: 40 }, (_, i) => 59_000 + i);
      const labelled = Array.from({ length: 8 }, (_, i) => ({
        mjd,
        magnitude: mjd.map((t) => 15 + Math.sin(t / (i % 2 ? 1 : 5) + i)),
        class: i % 2 ? "fast" : "slow",
      }));
      using classifier = await Classifier.fit(library, labelled, { head: "linear", epochs: 2 });
      await classifier.save(`${folder}/library`);
      using other = Astromer.untrained({ preset: "small", blocks: 1 });
      await other.save(`${folder}/other`);
    }
    const library = ["predict", "--classifier", `${folder}/library`, "--data", data, "--output"];
    await succeed(...library, `${folder}/e.parquet`, "--model", model);
    assertEquals((await readParquet(`${folder}/e.parquet`)).length, 240);
    const misfit = await run(...library, `${folder}/f.parquet`, "--model", `${folder}/other`);
    assertEquals(misfit.code, 2, misfit.stderr);
    assertStringIncludes(
      misfit.stderr,
      `${folder}/library reads 4 vectors of 64 a window, this model makes 3 of 64`,
    );

    const endToEnd = await succeed(
      ...[
        "classify",
        "--data",
        data,
        "--scenarios",
        scenarios,
        "--models",
        `${folder}/finetuned/10-0/best`,
        "--train-encoder",
        "--epochs",
        "2",
      ],
      ...["--samples-per-class", "10", "--folds", "0", "--output", `${folder}/end`],
    );
    assertStringIncludes(endToEnd.stdout, "10-0-best, gamma, 10 samples per class, fold 0");
    assertEquals((await namesIn(`${folder}/end/classifiers/10-0-best/gamma`)).sort(), [
      "10-0",
      "10-0-encoder",
    ]);
    // What was measured of the model that it started from is not said of the new one.
    const { metrics, energy, training } = JSON.parse(
      await Deno.readTextFile(`${folder}/end/classifiers/10-0-best/gamma/10-0-encoder/config.json`),
    );
    assertEquals([metrics, energy], [undefined, undefined]);
    assertEquals(training.end_to_end.encoderLearningRate, 1e-5);
    await succeed(
      ...[
        "predict",
        "--classifier",
        `${folder}/end/classifiers/10-0-best/gamma/10-0`,
        "--input",
        survey,
        "--preset",
        "reference",
      ],
      ...["--output", `${folder}/d.parquet`],
    );
  },
);

testIn("wrong use is a sentence and exit code 2", async (folder) => {
  const rows: [string[], string][] = [
    [
      ["classify", "--models", "a", "--data", `${folder}/no`, "--scenarios", "s", "--output", "o"],
      "is not a dataset folder",
    ],
    [[
      "classify",
      "--models",
      "a",
      "--data",
      "d",
      "--scenarios",
      "s",
      "--output",
      "o",
      "--heads",
      "transformer",
    ], "--heads"],
    [
      [
        ...["classify", "--models", "a", "--data", "d", "--scenarios", "s", "--output", "o"],
        ...["--heads", "knn", "--train-encoder"],
      ],
      "--train-encoder needs a head that has gradients",
    ],
    [
      ["predict", "--classifier", folder, "--data", "d", "--output", "o.txt"],
      "--output o.txt: predictions are written as",
    ],
    [["predict", "--classifier", folder, "--data", "d", "--output", "o.csv"], "is not a classifier folder"],
    [["finetune", "--model", "m", "--data", `${folder}/no`, "--output", "o"], "is not a dataset folder"],
  ];
  for (const [args, sentence] of rows) {
    const { code, stderr } = await run(...args);
    assertEquals(code, 2, stderr);
    assertStringIncludes(stderr, sentence);
  }
});
