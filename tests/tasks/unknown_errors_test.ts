/** Surveys without errors: whatever looks at light curves does without, and writes no NaN. */
import { Astromer } from "../../src/library/astromer.ts";
import { classicalNames } from "../../src/features/classical_features.ts";
import { assertEquals, assertStringIncludes, assertTrue, parseCsv } from "../../src/common/std.ts";
import { seeded } from "../../src/common/random.ts";
import { testIn } from "../shared.ts";
import { readParquet } from "../survey/support.ts";
import { succeed } from "./support.ts";

/** Ten noisy sinusoids as CSV, with an error or without. */
function survey(error: string): string {
  const random = seeded(3, 0xe44), lines = [`id,mjd,mag,class${error && ",magerr"}`];
  for (let star = 0; star < 10; star++) {
    for (let k = 0; k < 40; k++) {
      const time = 58000 + 30 * random.next();
      const magnitude = 15 + 0.4 * Math.sin(2 * Math.PI * time / (3 + star)) + 0.01 * random.normal();
      lines.push([`s${star}`, time, magnitude, star % 2 ? "A" : "B", ...error ? [error] : []].join());
    }
  }
  return lines.join("\n");
}

testIn("evaluate, reconstruct, attention, features and points of a survey without errors", async (folder) => {
  const model = `${folder}/model`;
  {
    using small = Astromer.untrained({ blocks: 1, heads: 2, head_size: 8, feed_forward_size: 8 });
    await small.save(model);
  }
  const evaluations: Record<string, { probed: { all: { loss: number } }; baselines: unknown }> = {};
  for (const [name, error] of [["with", "0.02"], ["without", ""]]) {
    await Deno.writeTextFile(`${folder}/${name}.csv`, survey(error));
    await succeed("preprocess", "--input", `${folder}/${name}.csv`, "--output", `${folder}/${name}`);
    const { stdout } = await succeed(
      ...[
        "evaluate",
        "--model",
        model,
        "--data",
        `${folder}/${name}`,
        "--subset",
        "all",
        "--baselines",
        "--json",
      ],
      ...["--figure", `${folder}/${name}.svg`],
    );
    evaluations[name] = JSON.parse(stdout);
  }
  const { with: known, without: unknown } = evaluations;
  assertTrue(unknown.baselines !== undefined && Number.isFinite(unknown.probed.all.loss));
  assertEquals(unknown.baselines, known.baselines, "no baseline reads errors");
  const data = ["--data", `${folder}/without`];
  const of = ["--model", model, ...data, "--id", "s3"];
  await succeed(
    "reconstruct",
    ...of,
    "--output",
    `${folder}/reconstruct.svg`,
    "--csv",
    `${folder}/reconstruct.csv`,
  );
  await succeed(
    "attention",
    ...of,
    "--output",
    `${folder}/attention.svg`,
    "--csv",
    `${folder}/attention.csv`,
  );
  for (const name of ["reconstruct", "attention"]) {
    const rows = parseCsv(await Deno.readTextFile(`${folder}/${name}.csv`), { skipFirstRow: true });
    assertEquals([rows.length, rows[5].error], [40, ""]);
    assertTrue(Number(rows[5].magnitude) > 14);
  }
  for (const name of ["without", "reconstruct", "attention"]) {
    const svg = await Deno.readTextFile(`${folder}/${name}.svg`);
    assertStringIncludes(svg, "<svg");
    assertEquals(/NaN|undefined|Infinity/.test(svg), false, name);
  }
  await succeed("embed", "--model", "star", ...data, "--output", `${folder}/features.parquet`);
  const features = await readParquet(`${folder}/features.parquet`);
  for (const row of features) {
    for (const name of classicalNames) assertTrue(Number.isFinite(row[name]), name);
  }
  await succeed(
    "embed",
    "--model",
    model,
    "--pooling",
    "points",
    ...data,
    "--output",
    `${folder}/points.parquet`,
  );
  const points = await readParquet(`${folder}/points.parquet`);
  assertEquals([points.length, points[7].error], [400, null]);
});
