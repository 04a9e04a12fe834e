/** Results of regressors by model, head, scenario and fold; their means as a table. */
import { z } from "../common/setting.ts";
import { meanAndDeviation } from "../evaluate/classification.ts";
import type { RegressionScores } from "../evaluate/regression.ts";
import { jsonNumber } from "../files/json.ts";
import type { Coverage } from "./conformal.ts";
import type { Target } from "./fitted_regressor.ts";
import type { LossCurve } from "./loss_curve.ts";
import { coveragesSchema, curveSchema, scoresCsv } from "./results.ts";

/** One regressor on the test set. */
export interface RegressionResult {
  model: string;
  /** As that of a classifier's result. */
  fingerprint?: string;
  head: string;
  target: Target;
  /** Of scenarios that are drawn of all objects with a value: samples in all. */
  samples_per_class: number;
  fold: number;
  /** In the scale that is learned. */
  scores: RegressionScores;
  /** Intervals on the test set, where enough light curves calibrate them; size is half their width. */
  coverages: Coverage[];
  /** Light curves that calibrate. */
  calibrated_with: number;
  /** Mean squared residuals by epoch, of values with standard deviation 1, of heads that have gradients. */
  curve?: LossCurve;
  validation_rmse: number;
  epochs: number;
  seconds: number;
  light_curves: { train: number; validation: number; test: number };
}

const score = jsonNumber, count = z.int().min(0);

/** A result as a file holds it. */
export const regressionResultSchema: z.ZodType<RegressionResult> = z.object({
  model: z.string(),
  fingerprint: z.string().optional(),
  head: z.string(),
  target: z.object({ name: z.string(), log: z.boolean() }),
  samples_per_class: count,
  fold: count,
  scores: z.object({ rmse: score, r2: score, median_absolute_error: score }),
  coverages: coveragesSchema,
  calibrated_with: count,
  curve: curveSchema.optional(),
  validation_rmse: score,
  epochs: count,
  seconds: score,
  light_curves: z.object({ train: count, validation: count, test: count }),
});

/** Scores in the order of tables; of R2 the largest is best. */
export const regressionScoreNames = ["rmse", "r2", "median_absolute_error"] as const;
type ScoreName = typeof regressionScoreNames[number];

/** Means over folds of one model, head and scenario. */
export interface RegressionSummary {
  model: string;
  head: string;
  samples_per_class: number;
  folds: number;
  scores: Record<ScoreName, { mean: number; deviation: number }>;
}

/** Means and standard deviations over folds; scenarios ascending, models and heads as they come. */
export function regressionSummaries(results: readonly RegressionResult[]): RegressionSummary[] {
  const groups = Map.groupBy(
    results,
    ({ model, head, samples_per_class }) => JSON.stringify([samples_per_class, model, head]),
  );
  return [...groups.values()].map((folds): RegressionSummary => ({
    model: folds[0].model,
    head: folds[0].head,
    samples_per_class: folds[0].samples_per_class,
    folds: folds.length,
    scores: Object.fromEntries(
      regressionScoreNames.map((name) => [name, meanAndDeviation(folds.map(({ scores }) => scores[name]))]),
    ) as RegressionSummary["scores"],
  })).sort((a, b) => a.samples_per_class - b.samples_per_class);
}

/** What the scale of a target is called: its name, or its logarithm's. */
export function scaleOf({ name, log }: Target): string {
  return log ? `log10 ${name}` : name;
}

/** What the number of a scenario counts: samples, or samples per class where they were drawn by class. */
export function scenarioTitle(drawnFor: string | undefined): string {
  return drawnFor === undefined ? "samples per class" : "samples";
}

/** Cells of the table of means; `best` is asked for the text of the best in its scenario. */
export function regressionRows(
  summaries: readonly RegressionSummary[],
  scenario: string,
  best: (text: string) => string,
): string[][] {
  return [
    [scenario, "model", "head", "RMSE", "R2", "median absolute error", "folds"],
    ...summaries.map(({ model, head, samples_per_class, folds, scores }) => [
      String(samples_per_class),
      model,
      head,
      ...regressionScoreNames.map((name) => {
        const { mean, deviation } = scores[name], sign = name === "r2" ? -1 : 1;
        const shown = (value: number) => name === "r2" ? value.toFixed(3) : value.toPrecision(3);
        const rivals = summaries.filter((other) => other.samples_per_class === samples_per_class);
        const text = shown(mean) + (folds > 1 ? ` ± ${shown(deviation)}` : ""); // one fold has none
        return rivals.every((other) => sign * other.scores[name].mean >= sign * mean) ? best(text) : text;
      }),
      String(folds),
    ]),
  ];
}

/** Every single result, for other tools. */
export function regressionCsv(results: readonly RegressionResult[]): string {
  return scoresCsv(results, [...regressionScoreNames, "validation_rmse"]);
}
