/** Trains and scores classifiers on few-shot scenarios: every model with every head, scenario and fold. */
import { encodersOf, modelFolderOf } from "../src/classify/encoder.ts";
import { hasGradients } from "../src/classify/fitted_classifier.ts";
import { Grid, gridSchema, refuseOtherSettings } from "../src/classify/grid.ts";
import { resultsCsv, summariesOf, tableRows } from "../src/classify/results.ts";
import { chosenRuns, openScenarios } from "../src/classify/scenarios.ts";
import { command } from "../src/command.ts";
import { openDataset } from "../src/data/dataset.ts";
import { InputError } from "../src/errors.ts";
import { removeLeftovers, writeJson, writeText } from "../src/files/atomic.ts";
import { lockFolder } from "../src/files/lock.ts";
import { reportAfterRun } from "../src/report/after_run.ts";
import { listenForStop, prepareRun, sayStopping } from "../src/run.ts";
import { plainTable } from "../src/table.ts";

export default command({
  name: "classify",
  summary:
    "Trains classifiers on few-shot scenarios with frozen encoders, whose vectors are computed once, and scores them on the shared " +
    "test set: every model with every head, scenario and fold, in one table.",
  settings: gridSchema,
  examples: [
    "deno task classify --models runs/asas/best,classical --data data/asas --scenarios data/asas-scenarios --output runs/classify",
    "deno task classify --models models/astromer1-macho,runs/finetuned,classical --heads gamma,mean,knn --data data/asas --scenarios data/asas-scenarios --output runs/classify",
  ],
  async run(settings) {
    if (settings.train_encoder && !settings.heads.some(hasGradients)) {
      throw new InputError(
        `--train-encoder needs a head that has gradients, --heads names ${
          settings.heads.join(" and ")
        } alone`,
      );
    }
    using dataset = await openDataset(settings.data);
    const scenarios = await openScenarios(settings.scenarios, dataset);
    const runs = chosenRuns(settings, scenarios);
    const encoders = await encodersOf(settings.models);
    const hybrid = encoders.find(({ features }) => features);
    if (settings.train_encoder && hybrid) {
      throw new InputError(
        `--train-encoder trains networks alone: it does not go with ${hybrid.name} in --models`,
      );
    }
    for (const encoder of encoders.filter(({ kind }) => kind === "finetuned")) {
      for (const run of runs) await modelFolderOf(encoder, run);
    }
    const runtime = prepareRun(settings), output = settings.output.replace(/\/+$/, "");
    await refuseOtherSettings(output, settings, dataset, scenarios);
    using _lock = await lockFolder(output, console.error);
    for (const part of ["cache", "classifiers", "results"]) {
      await removeLeftovers(`${output}/${part}`, { below: true });
    }
    using stop = listenForStop(() => sayStopping("classifier or epoch"));
    const grid = new Grid(settings, dataset, scenarios, runtime, output, stop);
    await grid.refuseOtherModels(encoders, runs);
    for (const encoder of encoders) await grid.run(encoder, runs);

    const results = await grid.results(encoders, runs);
    await writeJson(`${output}/results.json`, results);
    await writeText(`${output}/results.csv`, resultsCsv(results));
    const bold = Deno.stdout.isTerminal() && !Deno.noColor;
    console.log(
      "\n" +
        plainTable(tableRows(summariesOf(results), (text) => bold ? `\x1b[1m${text}\x1b[0m` : `${text} *`)),
    );
    console.log(
      `\n${
        bold ? "bold" : "*"
      } = best of its scenario; mean ± standard deviation over folds; ${output}/results.csv`,
    );
    await reportAfterRun(output);
  },
});
