/** Embedding end to end: dataset folders and survey files to Parquet. */
import { Astromer } from "../../src/library/astromer.ts";
import { openDataset } from "../../src/data/dataset.ts";
import { assertAlmostEquals, assertEquals, assertStringIncludes, assertTrue } from "../../src/common/std.ts";
import { sinusoids } from "../data/support.ts";
import { hasShared, largestDifference, sharedPath, testIn } from "../shared.ts";
import { namesIn, readParquet } from "../survey/support.ts";
import { preprocessed, run, succeed } from "./support.ts";

type Row = { id: string; band: string; class: string; windows: number; points: number; embedding: number[] };

testIn("asas-tiny: from the folder, from its files, per window, per observation", async (folder) => {
  const data = await preprocessed(folder);
  const model = `${folder}/model`, output = `${folder}/out.parquet`;
  {
    using untrained = Astromer.untrained({ preset: "small" });
    await untrained.save(model);
  }
  const common = ["--model", model, "--precision", "float32", "--output", output];
  const embed = async (...settings: string[]) => {
    const { stdout } = await succeed("embed", ...common, ...settings);
    return { rows: await readParquet(output) as unknown as Row[], stdout };
  };
  using dataset = await openDataset(data);
  const { rows, stdout } = await embed("--data", data);
  assertEquals(rows.map(({ id }) => id), dataset.ids);
  assertEquals(Object.keys(rows[0]), ["id", "band", "class", "windows", "points", "embedding"]);
  assertEquals(rows.map(({ points }) => points), [...dataset.lengths]);
  assertTrue(rows.every(({ embedding }) => embedding.length === 64 && embedding.every(Number.isFinite)));
  assertStringIncludes(stdout, "240 rows of 240 light curves");

  // The library agrees with the command.
  using loaded = await Astromer.load(model);
  const i = dataset.lengths.findIndex((n) => n > 450),
    from = dataset.offsets[i],
    to = from + dataset.lengths[i];
  const [own] = loaded.embed([{ mjd: dataset.mjd.slice(from, to), magnitude: dataset.mag.slice(from, to) }]);
  assertTrue(largestDifference(own, rows[i].embedding) < 1e-5);

  const files = await embed("--input", sharedPath("data/asas-tiny"), "--preset", "reference");
  assertEquals(files.rows.map(({ id }) => id).sort(), rows.map(({ id }) => id).sort());
  const byId = new Map(files.rows.map((row) => [row.id, row.embedding]));
  assertTrue(rows.every(({ id, embedding }) => largestDifference(byId.get(id)!, embedding) < 1e-5));

  const windows = (await embed("--data", data, "--per-window", "--batch-size", "5", "--subset", "test")).rows;
  const tested = dataset.ids.filter((_, k) => dataset.subsets[k] === "test");
  assertEquals([...new Set(windows.map(({ id }) => id))], tested);
  const layers = (await embed("--data", data, "--pooling", "layers", "--subset", "test")).rows;
  assertEquals(Object.keys(layers[0]).slice(5), ["embedding_0", "embedding_1", "embedding_2"]);
  const points = (await embed("--data", data, "--pooling", "points", "--subset", "validation")).rows;
  const validated = [...dataset.lengths].filter((_, k) => dataset.subsets[k] === "validation");
  assertEquals(points.length, validated.reduce((sum, n) => sum + n, 0), "every observation once");
  assertEquals(await namesIn(folder), ["data", "model", "out.parquet"]);
}, !hasShared);

testIn("two bands of an object become one row", async (folder) => {
  const lines = ["id,band,mjd,mag,err"];
  for (const [k, { mjd, mag, err }] of sinusoids([20, 20, 20]).entries()) {
    const [id, band] = [["a", "r"], ["a", "g"], ["b", "r"]][k];
    for (let i = 0; i < 20; i++) lines.push([id, band, mjd[i], mag[i], err[i]].join());
  }
  await Deno.writeTextFile(`${folder}/survey.csv`, lines.join("\n"));
  {
    using untrained = Astromer.untrained({ preset: "small" });
    await untrained.save(`${folder}/model`);
  }
  const embed = async (...settings: string[]) => {
    const { stdout } = await succeed(
      ...["embed", "--model", `${folder}/model`, "--input", `${folder}/survey.csv`],
      ...["--output", `${folder}/out.parquet`, ...settings],
    );
    return {
      stdout,
      rows: await readParquet(`${folder}/out.parquet`) as unknown as (Row & { bands: string })[],
    };
  };
  const single = (await embed()).rows;
  assertEquals(single.map(({ id, band }) => [id, band]), [["a", "g"], ["a", "r"], ["b", "r"]]);
  const { rows, stdout } = await embed("--bands", "r,g");
  assertEquals(rows.map(({ id, bands, points }) => [id, bands, points]), [["a", "r,g", 40]]);
  assertEquals(rows[0].embedding, [...single[1].embedding, ...single[0].embedding]);
  assertStringIncludes(stdout, "1 objects lack one of the bands r, g and are left out");
  const mean = (await embed("--bands", "g,r", "--join", "mean")).rows;
  assertEquals(mean.map(({ id, bands }) => [id, bands]), [["a", "g,r"], ["b", "r"]]);
  assertAlmostEquals(mean[0].embedding[3], (single[0].embedding[3] + single[1].embedding[3]) / 2, 1e-6);
});

testIn("wrong use is a sentence, exit code 2, and nothing is written", async (folder) => {
  {
    using untrained = Astromer.untrained({ preset: "small" });
    await untrained.save(`${folder}/model`);
  }
  const model = ["--model", `${folder}/model`];
  const output = ["--output", `${folder}/out.parquet`];
  const rows: [string[], string][] = [
    [[...model, ...output], "either --data (a dataset folder) or --input (survey files)"],
    [[...model, ...output, "--data", "a", "--input", "b"], "either --data"],
    [[...model, "--output", "x.csv", "--data", "a"], "--output x.csv: embeddings are written as .parquet"],
    [[...model, ...output, "--data", `${folder}/no`], `${folder}/no is not a dataset folder`],
    [[...model, ...output, "--data", "a", "--time", "t"], "--time says how to read --input"],
    [[...model, ...output, "--input", `${folder}/no.csv`], "no.csv"],
    [["--model", folder, ...output, "--data", "a"], `${folder} is not a model folder`],
    [
      [...model, ...output, "--data", "a", "--bands", "g", "--per-window"],
      "leave out --per-window",
    ],
  ];
  for (const [args, sentence] of rows) {
    const { code, stderr } = await run("embed", ...args);
    assertEquals(code, 2, stderr);
    assertStringIncludes(stderr, sentence);
  }
  assertEquals(await namesIn(folder), ["model"]);
});
