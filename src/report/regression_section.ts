/** The section about regressors: errors, residuals, intervals. */
import {
  type RegressionResult,
  regressionScoreNames,
  regressionSummaries,
  scaleOf,
  scenarioTitle,
} from "../classify/regression_results.ts";
import { predictionsPath, readTestPredictions } from "../classify/test_predictions.ts";
import { meanAndDeviation } from "../evaluate/classification.ts";
import { exists } from "../files/atomic.ts";
import type { Cell } from "../files/csv.ts";
import { lossFigure } from "./calibration_figures.ts";
import { errorFigure } from "./classification_figures.ts";
import { type Judged, residualsFigure } from "./regression_figures.ts";
import type { RunFolder } from "./run_folder.ts";
import { type Section, valuesTable } from "./section.ts";
import type { ReportTable } from "./table.ts";

/** A run of classify --task regression. */
export async function regressionSection(
  { folder, results, settings }: Extract<RunFolder, { kind: "regression" }>,
): Promise<Section> {
  // Classes in the settings are those of the scenarios: of a drawing for regression the one that its target names.
  const { classes } = settings as { classes?: unknown[] };
  const scenario = scenarioTitle(classes?.length === 1 ? "regression" : undefined),
    best = bestRegressor(results);
  const judged = await judgedBy(folder, best), losses = lossFigure(results, "mean squared residual");
  return {
    title: `Regression of ${best.target.name}: ${folder}`,
    folder,
    parts: [
      errorFigure(results, scenario),
      errorsTable(results, scenario),
      ...judged ? [residualsFigure(judged, best, scenario)] : [],
      ...results.some(({ coverages }) => coverages.length) ? [coverageTable(results, scenario)] : [],
      ...losses ? [{ summary: "Learning curves of the heads", collapsed: [losses] }] : [],
      { summary: "Settings", collapsed: [valuesTable("Settings", settings)] },
    ],
  };
}

/** The first fold of the model and head with the least error in the largest scenario. */
export function bestRegressor(results: readonly RegressionResult[]): RegressionResult {
  const summaries = regressionSummaries(results), most = summaries.at(-1)!.samples_per_class;
  const [{ model, head }] = summaries.filter((summary) => summary.samples_per_class === most)
    .sort((a, b) => a.scores.rmse.mean - b.scores.rmse.mean);
  return results.find((one) => one.samples_per_class === most && one.model === model && one.head === head)!;
}

/** What it said of the test set, in the scale that is learned; undefined where that was removed. */
async function judgedBy(folder: string, result: RegressionResult): Promise<Judged[] | undefined> {
  const path = predictionsPath(folder, result);
  if (!await exists(path)) return undefined;
  const learned = (value: unknown) => result.target.log ? Math.log10(Number(value)) : Number(value);
  return (await readTestPredictions(path)).map(({ value, predicted }) => ({
    truth: learned(value),
    predicted: learned(predicted),
  }));
}

function errorsTable(results: readonly RegressionResult[], scenario: string): ReportTable {
  return {
    caption:
      `Errors on the test set, in ${scaleOf(results[0].target)}: means over folds, each followed by its ` +
      "standard deviation",
    columns: [scenario, "model", "head", "folds", "RMSE", "±", "R²", "±", "median absolute error", "±"],
    rows: regressionSummaries(results).map(({ samples_per_class, model, head, folds, scores }) => [
      samples_per_class,
      model,
      head,
      folds,
      ...regressionScoreNames.flatMap((name): Cell[] => [
        scores[name].mean,
        folds > 1 ? scores[name].deviation : null,
      ]),
    ]),
  };
}

function coverageTable(results: readonly RegressionResult[], scenario: string): ReportTable {
  const groups = Map.groupBy(
    results.flatMap((result) => result.coverages.map((coverage) => ({ ...result, ...coverage }))),
    ({ samples_per_class, model, head, asked }) => JSON.stringify([samples_per_class, model, head, asked]),
  );
  return {
    caption:
      "Conformal intervals (predict --coverage): share of the test set whose value lies within, and half their " +
      `width in ${scaleOf(results[0].target)}; means over folds`,
    columns: [scenario, "model", "head", "asked for", "found", "half width", "calibrated with"],
    rows: [...groups.values()].map((folds): Cell[] => {
      const [{ samples_per_class, model, head, asked, calibrated_with }] = folds;
      const mean = (name: "found" | "size") => meanAndDeviation(folds.map((fold) => fold[name])).mean;
      return [samples_per_class, model, head, asked, mean("found"), mean("size"), calibrated_with];
    }),
  };
}
