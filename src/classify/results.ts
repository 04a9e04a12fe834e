/** Results of classifiers by model, head, scenario and fold; their means as a table. */
import { z } from "../common/setting.ts";
import type { Calibration } from "../evaluate/calibration.ts";
import type { Scores } from "../evaluate/classification.ts";
import { meanAndDeviation } from "../evaluate/classification.ts";
import { csvOf } from "../files/csv.ts";
import { jsonNumber } from "../files/json.ts";
import type { Coverage } from "./conformal.ts";
import type { LossCurve } from "./loss_curve.ts";

/** One classifier on the test set. */
export interface Result {
  model: string;
  /** SHA-256 of the model folder as it was given (see `fingerprintOf`); none of classical features. */
  fingerprint?: string;
  head: string;
  samples_per_class: number;
  fold: number;
  classes: string[];
  scores: Scores;
  /** By class. */
  f1: number[];
  /** (C, C) row after row: true class, predicted class. */
  confusion: number[];
  /** Of the layers, for the head gamma. */
  gammas?: number[];
  /** Of the probabilities on the test set; none in what older versions wrote, as the next three. */
  calibration?: Calibration;
  /** Sets of classes on the test set, where enough light curves calibrate them. */
  coverages?: Coverage[];
  /** Light curves that calibrate. */
  calibrated_with?: number;
  /** Losses by epoch, nat, of heads that have gradients. */
  curve?: LossCurve;
  validation_loss: number;
  epochs: number;
  /** Seconds of fitting and testing; of the encoder only where it is trained, too. */
  seconds: number;
  light_curves: { train: number; validation: number; test: number };
}

const score = jsonNumber, count = z.int().min(0);

/** Coverages as a file holds them. */
export const coveragesSchema = z.array(z.object({ asked: score, found: score, size: score }));
/** Losses as a file holds them. */
export const curveSchema = z.object({
  epoch: z.array(count),
  train: z.array(score),
  validation: z.array(score),
});

const calibrationSchema = z.object({
  ece: score,
  brier: score,
  bins: z.array(z.object({ count, confidence: score, accuracy: score })),
});

/** A result as a file holds it. */
export const resultSchema: z.ZodType<Result> = z.object({
  model: z.string(),
  fingerprint: z.string().optional(),
  head: z.string(),
  samples_per_class: count,
  fold: count,
  classes: z.array(z.string()).min(1),
  scores: z.object({ f1: score, precision: score, recall: score, accuracy: score, balanced_accuracy: score }),
  f1: z.array(score),
  confusion: z.array(count),
  gammas: z.array(score).optional(),
  calibration: calibrationSchema.optional(),
  coverages: coveragesSchema.optional(),
  calibrated_with: count.optional(),
  curve: curveSchema.optional(),
  validation_loss: score,
  epochs: count,
  seconds: score,
  light_curves: z.object({ train: count, validation: count, test: count }),
}).refine(
  ({ classes, confusion }) => confusion.length === classes.length ** 2,
  "the confusion matrix does not fit the classes",
);

const scoreNames = ["f1", "precision", "recall", "accuracy", "balanced_accuracy"] as const;

/** Means over folds of one model, head and scenario. */
export interface Summary {
  model: string;
  head: string;
  samples_per_class: number;
  folds: number;
  scores: Record<keyof Scores, { mean: number; deviation: number }>;
}

/** Means and standard deviations over folds; scenarios ascending, models and heads as they come. */
export function summariesOf(results: readonly Result[]): Summary[] {
  const groups = Map.groupBy(
    results,
    ({ model, head, samples_per_class }) => JSON.stringify([samples_per_class, model, head]),
  );
  return [...groups.values()].map(([first, ...rest]): Summary => ({
    model: first.model,
    head: first.head,
    samples_per_class: first.samples_per_class,
    folds: 1 + rest.length,
    scores: Object.fromEntries(
      scoreNames.map((name) => [name, meanAndDeviation([first, ...rest].map(({ scores }) => scores[name]))]),
    ) as Summary["scores"],
  })).sort((a, b) => a.samples_per_class - b.samples_per_class);
}

/** Cells of the table of means; `best` is asked for the text of the best in its scenario. */
export function tableRows(summaries: readonly Summary[], best: (text: string) => string): string[][] {
  const head = [
    "samples per class",
    "model",
    "head",
    "macro F1",
    "precision",
    "recall",
    "accuracy",
    "balanced accuracy",
    "folds",
  ];
  return [
    head,
    ...summaries.map(({ model, head, samples_per_class, folds, scores }) => [
      String(samples_per_class),
      model,
      head,
      ...scoreNames.map((name) => {
        const { mean, deviation } = scores[name];
        const rivals = summaries.filter((other) => other.samples_per_class === samples_per_class);
        const text = mean.toFixed(3) + (folds > 1 ? ` ± ${deviation.toFixed(3)}` : ""); // one fold has none
        return rivals.every((other) => other.scores[name].mean <= mean) ? best(text) : text;
      }),
      String(folds),
    ]),
  ];
}

/** Every single result, for other tools. */
export function resultsCsv(results: readonly Result[]): string {
  return scoresCsv(results, [...scoreNames, "validation_loss"]);
}

/**
 * Results as a table: what was fitted, on what, how well, how long.
 * @param scored names of scores, and of what the validation gave
 */
export function scoresCsv<R extends { scores: object }>(
  results: readonly R[],
  scored: readonly string[],
): string {
  const columns = ["model", "head", "samples_per_class", "fold", ...scored, "epochs", "seconds"];
  const rows = results.map(({ scores, ...result }) => {
    const cells = { ...result, ...scores } as Record<string, string | number>;
    return columns.map((name) => cells[name]);
  });
  return csvOf({ columns, rows });
}
