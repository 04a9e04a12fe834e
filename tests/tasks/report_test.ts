/** A report of a real run, from survey files to HTML. */
import { main } from "../../cli.ts";
import { readSettings } from "../../src/command/read_settings.ts";
import { InputError } from "../../src/common/errors.ts";
import { readRun } from "../../src/report/run_folder.ts";
import { assertEquals, assertRejects, assertStringIncludes, assertTrue } from "../../src/common/std.ts";
import report from "../../tasks/report.ts";
import { selfContained } from "../report/page.ts";
import { sharedTest } from "../shared.ts";
import { preprocessed, succeed } from "./support.ts";

/** Runs the command in this process. */
async function run(...args: string[]): Promise<void> {
  const { settings, given } = await readSettings(report, args);
  await report.run(settings, given, main);
}

sharedTest(
  "a report of pretraining on asas-tiny, with the test line and the model's own figures",
  async () => {
    const folder = await Deno.makeTempDir();
    const data = await preprocessed(folder), training = `${folder}/run`;
    await succeed(
      ...["pretrain", "--data", data, "--preset", "small", "--epochs", "2", "--log-steps", "4"],
      ...["--output", training],
    );
    const { stdout } = await succeed("evaluate", "--model", `${training}/best`, "--data", data, "--json");
    await Deno.writeTextFile(`${training}/evaluation.json`, stdout);

    const started = performance.now();
    await run("--run", training);
    assertTrue(performance.now() - started < 20_000, "a report takes seconds");
    const page = await Deno.readTextFile(`${training}/report.html`);
    selfContained(page);
    const found = await readRun(training);
    assertTrue(found.kind === "pretrain");
    const { best, test } = found.training;
    assertEquals(test!.rmse, JSON.parse(stdout).probed.all.rmse);
    assertStringIncludes(page, `RMSE ${best!.metrics!.validation_rmse.toFixed(4)} mag`);
    assertStringIncludes(page, "Dotted: the best model on the test set.");
    assertStringIncludes(page, "over 2 epochs");
    assertStringIncludes(page, "Light curves: train 192, validation 24, test 24.");
    assertStringIncludes(page, "replaced by the trainable MSK token");
    assertStringIncludes(page, "Energy and carbon footprint of the trainings");
    assertStringIncludes(page, String(best!.parameters.toLocaleString("en-US")));
    assertEquals(page.match(/<figure/g)!.length, 3);

    const output = `${folder}/both.html`, model = ["--model", `${training}/best`, "--data", data];
    await assertRejects(
      () => run("--run", training, ...model, "--output", output, "--light-curves", "60"),
      InputError,
      "needs more than 90 light curves",
    );
    await run("--run", training, "--output", output, "--attention", "0");
    assertTrue((await Deno.stat(output)).size > 10_000);

    // The dataset of a run may have been made anew since.
    await Deno.writeTextFile(
      `${data}/dataset.json`,
      (await Deno.readTextFile(`${data}/dataset.json`)).replace(/"fingerprint": "\w/, '"fingerprint": "x'),
    );
    await run("--run", training);
    assertStringIncludes(
      await Deno.readTextFile(`${training}/report.html`),
      "is not the dataset of the run any more",
    );
    await Deno.remove(folder, { recursive: true });
  },
);

Deno.test("wrong settings are refused before any work", async () => {
  await assertRejects(() => run("--run", "none", "--output", "report.pdf"), InputError, "must end in .html");
  await assertRejects(() => run("--run", "none", "--model", "m"), InputError, "both --model and --data");
  await assertRejects(() => run(), InputError, "--run is missing");
  await assertRejects(() => run("--run", "/nowhere/run"), InputError, "/nowhere/run cannot be read");
});
