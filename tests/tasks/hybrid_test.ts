/** A model's vectors and features together, and features alone: columns of embed, heads of classify, predict. */
import { Astromer } from "../../src/library/astromer.ts";
import { classicalNames } from "../../src/features/classical_features.ts";
import { featureSets } from "../../src/features/feature_sets.ts";
import type { Result } from "../../src/classify/results.ts";
import { assertEquals, assertStringIncludes, assertTrue } from "../../src/common/std.ts";
import { testIn } from "../shared.ts";
import { readParquet } from "../survey/support.ts";
import { run, succeed } from "./support.ts";

testIn(
  "features are columns beside embeddings, and stand behind the vectors of heads",
  async (folder) => {
    const survey = `${folder}/survey`, data = `${folder}/data`, model = `${folder}/model`;
    await succeed("simulate", "--light-curves", "120", "--mean-length", "50", "--output", survey);
    await succeed("preprocess", "--preset", "reference", "--input", survey, "--output", data);
    {
      using untrained = Astromer.untrained({ preset: "small" });
      await untrained.save(model);
    }
    const table = async (name: string, ...settings: string[]) => {
      const path = `${folder}/${name}.parquet`;
      await succeed("embed", ...settings, "--data", data, "--output", path);
      return await readParquet(path);
    };
    const alone = await table("alone", "--model", "classical");
    const both = await table("both", "--model", `${model}+classical`);
    const embeddings = await table("embeddings", "--model", model);
    assertEquals(Object.keys(alone[0]).slice(-classicalNames.length), [...classicalNames]);
    assertEquals(both.map(({ id }) => id), alone.map(({ id }) => id));
    for (const [i, row] of both.entries()) {
      assertEquals(row.embedding, embeddings[i].embedding);
      for (const name of classicalNames) assertEquals(row[name], alone[i][name], name);
    }
    const star = await table("star", "--model", "star");
    assertEquals(Object.keys(star[0]).slice(-featureSets.star.names.length), [...featureSets.star.names]);
    for (const name of classicalNames) assertEquals(star[7][name], alone[7][name], name);
    assertTrue(new Set(star.map((row) => row.repeats_log_period)).size > 60);
    assertTrue(new Set(alone.map((row) => row.log_period)).size > 60);
    const wrong = await run(
      ...["embed", "--model", "classical", "--per-window", "--data", data, "--output", `${folder}/x.parquet`],
    );
    assertEquals(wrong.code, 2);
    assertStringIncludes(wrong.stderr, "features describe whole light curves");

    const drawn = ["--samples-per-class", "10", "--folds", "1", "--test-per-class", "4"];
    await succeed("scenarios", "--data", data, ...drawn, "--output", `${folder}/scenarios`);
    const grid = [
      ...[
        "classify",
        "--models",
        `${model},${model}+classical,star,${model}+star`,
        "--heads",
        "linear,forest",
        "--epochs",
        "30",
      ],
      ...[
        "--learning-rate",
        "0.01",
        "--data",
        data,
        "--scenarios",
        `${folder}/scenarios`,
        "--output",
        `${folder}/grid`,
      ],
    ];
    await succeed(...grid);
    const results: Result[] = JSON.parse(await Deno.readTextFile(`${folder}/grid/results.json`));
    const f1 = (name: string, head: string) =>
      results.find((result) => result.model === name && result.head === head)!.scores.f1;
    assertTrue(
      f1("model+classical", "forest") > f1("model", "forest"),
      "features tell an untrained network more",
    );
    const both2 = await run(...grid, "--train-encoder");
    assertStringIncludes(both2.stderr, "take model+classical out of --models");

    for (
      const [name, head] of [["model+classical", "linear"], ["model+star", "forest"], ["star", "forest"]]
    ) {
      const predicted = `${folder}/${name}.parquet`;
      await succeed(
        ...[
          "predict",
          "--classifier",
          `${folder}/grid/classifiers/${name}/${head}/10-0`,
          "--data",
          data,
        ],
        ...["--output", predicted],
      );
      const rows = await readParquet(predicted);
      assertEquals(rows.length, 120);
      const right = rows.filter((row) => row.class === row.known_class).length;
      assertTrue(right > 60, `${name}: ${right} of 120, many of which it was trained on`);
    }
  },
);
