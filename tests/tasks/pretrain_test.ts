/** The real commands end to end: survey files, dataset, model, numbers. */
import { assertEquals, assertStringIncludes, assertTrue } from "../../src/common/std.ts";
import { sharedTest, testIn } from "../shared.ts";
import { preprocessed, run, succeed, timelessMetrics } from "./support.ts";

sharedTest("asas-tiny to a pretrained model: learns, repeats bit for bit, evaluates", async () => {
  const folder = await Deno.makeTempDir();
  const data = await preprocessed(folder);
  const settings = [
    "--data",
    data,
    "--preset",
    "small",
    "--epochs",
    "3",
    "--log-steps",
    "4",
    "--learning-rate",
    "2e-3",
  ];
  for (const name of ["one", "two"]) {
    const { code, stderr, stdout } = await run("pretrain", ...settings, "--output", `${folder}/${name}`);
    assertEquals(code, 0, stderr);
    assertStringIncludes(stdout, "all epochs done: 3 epochs");
  }
  const metrics = await timelessMetrics(`${folder}/one`);
  assertEquals(metrics, await timelessMetrics(`${folder}/two`), "the same seed gives the same metrics");
  const weights = (name: string) => Deno.readFile(`${folder}/${name}/last/model.safetensors`);
  assertEquals(await weights("one"), await weights("two"), "and the same weights");
  const epochs = metrics.filter((line) => line.kind === "epoch");
  assertEquals(epochs.length, 3);
  assertTrue(epochs[2].validation_rmse < epochs[0].validation_rmse, "validation RMSE goes down");
  assertTrue(
    metrics.some((line) => line.kind === "step" && line.gradient_norm > 0 && line.learning_rate > 0),
  );

  // The saved settings are a config file for another run.
  const config = JSON.parse(await Deno.readTextFile(`${folder}/one/config.json`));
  assertEquals([config.preset, config.blocks, config.epochs], ["small", 2, 3]);
  const again = ["pretrain", "--config", `${folder}/one/config.json`, "--output", `${folder}/three`];
  assertEquals((await run(...again)).code, 0);
  assertEquals(await timelessMetrics(`${folder}/three`), metrics);

  const { code, stdout } = await run(
    ...["evaluate", "--model", `${folder}/one/best`, "--data", data, "--without", "Mira", "--json"],
    ...["--figure", `${folder}/figure.svg`],
  );
  assertEquals(code, 0);
  const result = JSON.parse(stdout);
  assertTrue(
    result.probed.all.rmse > result.probed["without Mira"].rmse,
    "Miras have the largest amplitudes",
  );
  assertTrue(result.probed.all.windows === result.all_points_without_masking.all.windows);
  assertTrue(result.probed["masked points"].windows === result.windows);
  assertStringIncludes(await Deno.readTextFile(`${folder}/figure.svg`), "<svg");

  const refused = await run("pretrain", ...settings, "--output", `${folder}/one`);
  assertEquals(refused.code, 2);
  assertStringIncludes(refused.stderr, "already holds a run: continue it with --resume");
  await Deno.remove(folder, { recursive: true });
});

sharedTest("wrong input is refused with a sentence and code 2", async () => {
  const folder = await Deno.makeTempDir();
  const data = await preprocessed(folder);
  const output = `${folder}/run`;
  const rows: [string[], string][] = [
    [["pretrain", "--data", `${folder}/none`, "--output", output], "is not a dataset folder"],
    [["pretrain", "--output", output], "--data is missing"],
    [["pretrain", "--data", data, "--output", output, "--bloks", "3"], "did you mean --blocks?"],
    [["pretrain", "--data", data, "--output", output, "--blocks", "none"], '--blocks cannot be "none"'],
    [
      ["pretrain", "--data", data, "--output", output, "--masked-fraction", "0.7"],
      "their sum cannot be larger",
    ],
    [
      ["pretrain", "--data", data, "--output", output, "--device", "cuda:99"],
      "--device cuda:99: there is no cuda:99",
    ],
    [["evaluate", "--model", data, "--data", data], "is not a model folder"],
    [["pretrian"], 'did you mean "pretrain"?'],
  ];
  for (const [args, sentence] of rows) {
    const { code, stderr } = await run(...args);
    assertEquals(code, 2, `${args.join(" ")}: ${stderr}`);
    assertStringIncludes(stderr, sentence);
    assertTrue(!stderr.includes("    at "), `a stack trace for ${args.join(" ")}`);
  }
  assertTrue(!await Deno.stat(output).catch(() => null), "nothing was left behind");
  await Deno.remove(folder, { recursive: true });
});

testIn("two surveys as one, and the epoch with the best vectors, after a stop as well", async (folder) => {
  for (const [seed, light_curves] of [[1, "120"], [2, "60"]] as const) {
    const [survey, data] = [`${folder}/survey-${seed}`, `${folder}/data-${seed}`];
    await succeed(
      ...[
        "simulate",
        "--output",
        survey,
        "--light-curves",
        light_curves,
        "--mean-length",
        "40",
        "--seed",
        `${seed}`,
      ],
    );
    await succeed(
      ...["preprocess", "--preset", "reference", "--input", survey, "--output", data],
      ...["--validation-fraction", "0.5"],
    );
  }
  const settings = [
    ...["pretrain", "--data", `${folder}/data-1,${folder}/data-2`, "--preset", "small"],
    ...["--data-weights", "0.5,2", "--select", "probe"],
  ];
  const { stdout } = await succeed(...settings, "--epochs", "3", "--output", `${folder}/whole`);
  assertStringIncludes(stdout, "probe's macro F1");
  const lines = await timelessMetrics(`${folder}/whole`);
  const epochs = lines.filter(({ kind }) => kind === "epoch");
  const probes = epochs.map(({ validation_probe }) => validation_probe as number);
  assertTrue(probes.every((f1) => f1 > 0 && f1 <= 1), probes.join());
  let highest = 0;
  for (const { best, validation_probe } of epochs) {
    assertEquals(best, validation_probe > highest ? 1 : 0);
    highest = Math.max(highest, validation_probe);
  }
  const { metrics } = JSON.parse(await Deno.readTextFile(`${folder}/whole/best/config.json`));
  assertEquals(metrics.validation_probe, highest);

  await succeed(...settings, "--epochs", "2", "--schedule", "constant", "--output", `${folder}/parts`);
  await succeed(
    ...[...settings, "--epochs", "3", "--schedule", "constant", "--output", `${folder}/parts`],
    ...["--resume", "--override", "epochs"],
  );
  await succeed(...settings, "--epochs", "3", "--schedule", "constant", "--output", `${folder}/constant`);
  assertEquals(await timelessMetrics(`${folder}/parts`), await timelessMetrics(`${folder}/constant`));

  const refused = await run(...settings, "--data-weights", "1", "--epochs", "1", "--output", `${folder}/no`);
  assertEquals(refused.code, 2);
  assertStringIncludes(refused.stderr, "--data-weights");
});
