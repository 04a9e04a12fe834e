/**
 * Trains and scores classifiers and regressors on few-shot scenarios: every model with every head, scenario and fold.
 */
import { ClassificationGrid } from "../src/classify/classification_grid.ts";
import { encodersOf, modelFolderOf } from "../src/classify/encoder.ts";
import { hasGradients } from "../src/classify/fitted.ts";
import { gridSchema, type GridSettings, refuseOtherSettings } from "../src/classify/grid_settings.ts";
import { RegressionGrid } from "../src/classify/regression_grid.ts";
import {
  regressionCsv,
  regressionRows,
  regressionSummaries,
  scaleOf,
  scenarioTitle,
} from "../src/classify/regression_results.ts";
import { resultsCsv, summariesOf, tableRows } from "../src/classify/results.ts";
import { chosenRuns, type OpenedScenarios, openScenarios } from "../src/classify/scenarios.ts";
import { readTarget, withValues } from "../src/classify/targets.ts";
import { command, type Given } from "../src/command/command.ts";
import { type Dataset, openDataset } from "../src/data/dataset.ts";
import { InputError } from "../src/common/errors.ts";
import { removeLeftovers, writeJson, writeText } from "../src/files/atomic.ts";
import { lockFolder } from "../src/files/lock.ts";
import { reportAfterRun } from "../src/report/after_run.ts";
import { prepareRun } from "../src/machine/runtime.ts";
import { listenForStop, sayStopping } from "../src/machine/signals.ts";
import { plainTable } from "../src/common/table.ts";

export default command({
  name: "classify",
  summary:
    "Trains classifiers on few-shot scenarios with frozen encoders and scores them on the shared test set: every model with every head, scenario and fold, in one table. With --task regression it predicts numbers instead of classes.",
  settings: gridSchema,
  examples: [
    "deno task classify --models runs/asas/best,classical --data data/asas --scenarios data/asas-scenarios --output runs/classify",
    "deno task classify --models models/astromer1-macho,runs/finetuned,classical --heads gamma,mean,knn --data data/asas --scenarios data/asas-scenarios --output runs/classify",
    "deno task classify --task regression --target period --target-log --targets periods.csv --models astromer2-asas,star --heads mean-max,forest --data data/asas --scenarios data/asas-periods --output runs/periods",
  ],
  async run(settings, given) {
    checkTogether(settings, given);
    using dataset = await openDataset(settings.data);
    const scenarios = await openScenarios(settings.scenarios, dataset);
    if (settings.task === "classification" && scenarios.target !== undefined) {
      throw new InputError(
        `${settings.scenarios} was drawn for regression: --task regression --target ${scenarios.target} takes it`,
      );
    }
    const runs = chosenRuns(settings, scenarios);
    const valued = settings.task === "regression"
      ? await valuedScenarios(settings, scenarios, runs, dataset)
      : null;
    const encoders = await encodersOf(settings.models);
    const hybrid = encoders.find(({ features }) => features);
    if (settings.train_encoder && hybrid) {
      throw new InputError(
        `--train-encoder trains networks without features: take ${hybrid.name} out of --models`,
      );
    }
    for (const encoder of encoders.filter(({ kind }) => kind === "finetuned")) {
      for (const run of runs) await modelFolderOf(encoder, run);
    }
    const runtime = prepareRun(settings), output = settings.output.replace(/\/+$/, "");
    await refuseOtherSettings(output, settings, dataset, scenarios.classes, valued?.all ?? scenarios);
    using _lock = await lockFolder(output, console.error);
    for (const part of ["cache", "classifiers", "predictions", "results"]) {
      await removeLeftovers(`${output}/${part}`, { below: true });
    }
    using stop = listenForStop(() => sayStopping("classifier or epoch"));
    const isTerminal = Deno.stdout.isTerminal() && !Deno.noColor;
    const bold = (text: string) => isTerminal ? `\x1b[1m${text}\x1b[0m` : `${text} *`;
    let table: string[][], scale = "";
    if (valued) {
      const { target } = valued, drawn = { test: valued.all.test, runs: valued.chosen };
      const grid = new RegressionGrid(settings, dataset, drawn, runtime, output, stop, target);
      await grid.refuseOtherModels(encoders, drawn.runs);
      for (const encoder of encoders) await grid.run(encoder, drawn.runs);
      const results = await grid.results(encoders, drawn.runs);
      await writeJson(`${output}/results.json`, results);
      await writeText(`${output}/results.csv`, regressionCsv(results));
      table = regressionRows(regressionSummaries(results), scenarioTitle(scenarios.target), bold);
      scale = `errors in ${scaleOf(target)}; `;
    } else {
      const grid = new ClassificationGrid(settings, dataset, scenarios, runtime, output, stop);
      await grid.refuseOtherModels(encoders, runs);
      for (const encoder of encoders) await grid.run(encoder, runs);
      const results = await grid.results(encoders, runs);
      await writeJson(`${output}/results.json`, results);
      await writeText(`${output}/results.csv`, resultsCsv(results));
      table = tableRows(summariesOf(results), bold);
    }
    console.log("\n" + plainTable(table));
    console.log(
      `\n${
        isTerminal ? "bold" : "*"
      } = best of its scenario; ${scale}mean ± standard deviation over folds; ${output}/results.csv`,
    );
    await reportAfterRun(output);
  },
});

/** Refuses settings that would have no effect, or contradict each other. */
function checkTogether(settings: GridSettings, given: Given): void {
  const { task, heads, train_encoder, balance, target } = settings;
  if (task === "regression") {
    if (target === undefined) {
      throw new InputError("--task regression predicts a number: --target names its column");
    }
    if (train_encoder) {
      throw new InputError("--train-encoder is for classification: regression uses frozen encoders");
    }
    if (balance !== "none") {
      throw new InputError("--balance is for classification, not for --task regression");
    }
  } else {
    const idle = ["target", "targets", "targets_id", "target_log"].find((name) => given.all.has(name));
    if (idle !== undefined) {
      throw new InputError(`--${idle.replaceAll("_", "-")} needs --task regression, which is not given`);
    }
  }
  if (train_encoder && !heads.some(hasGradients)) {
    throw new InputError(
      `--train-encoder needs a head that has gradients, --heads names ${heads.join(" and ")} alone`,
    );
  }
}

/** Scenarios with the values of the target: all, and the folds that are chosen. */
async function valuedScenarios(
  settings: GridSettings,
  scenarios: OpenedScenarios,
  chosen: OpenedScenarios["runs"],
  dataset: Dataset,
) {
  const target = { name: settings.target!, log: settings.target_log ?? false };
  const values = await readTarget(dataset, { ...settings, target: target.name });
  const { remark, ...all } = withValues(scenarios, values, dataset, { target: target.name, log: target.log });
  if (remark !== undefined) console.log(remark);
  return { target, all, chosen: all.runs.filter((_, i) => chosen.includes(scenarios.runs[i])) };
}
