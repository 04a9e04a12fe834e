/** The section about classifiers: scores, weights of the layers, confusions. */
import type { Result } from "../classify/results.ts";
import { summariesOf } from "../classify/results.ts";
import { meanAndDeviation } from "../evaluate/classification.ts";
import { calibrationTable, classFigure, lossFigure, reliabilityFigure } from "./calibration_figures.ts";
import { bestCandidates, confusionFigure, gammaFigure, scoreFigure } from "./classification_figures.ts";
import { datasetOf, openedDataset } from "./dataset_sections.ts";
import { mistakesHtml } from "./mistakes.ts";
import type { RunFolder } from "./run_folder.ts";
import { type Section, valuesTable } from "./section.ts";
import type { Cell } from "../files/csv.ts";
import type { ReportTable } from "./table.ts";

/** A run of classify. */
export async function classificationSection(
  run: Extract<RunFolder, { kind: "classify" }>,
): Promise<Section> {
  const { folder, results, settings } = run,
    candidates = bestCandidates(results),
    [best, ...others] = candidates;
  const gammas = gammaFigure(results), reliability = reliabilityFigure(results, candidates);
  const calibration = calibrationTable(results), losses = lossFigure(results, "cross-entropy (nat)");
  const { data, fingerprint } = datasetOf(run);
  const opened = data === undefined ? "it is not known" : await openedDataset(data, fingerprint);
  using dataset = typeof opened === "string" ? undefined : opened;
  const mistakes = await mistakesHtml(folder, results, best, dataset);
  return {
    title: `Classification: ${folder}`,
    folder,
    parts: [
      scoreFigure(results),
      scoresTable(results),
      classFigure(results, candidates),
      ...gammas ? [gammas] : [],
      confusionFigure(results, best),
      ...mistakes ? [mistakes] : [],
      ...reliability ? [reliability] : [],
      ...calibration ? [calibration] : [],
      ...others.length
        ? [{
          summary: "Confusion matrices of the other models, each with its best head",
          collapsed: others.map((candidate) => confusionFigure(results, candidate)),
        }]
        : [],
      ...losses ? [{ summary: "Learning curves of the heads", collapsed: [losses] }] : [],
      { summary: "F1 of each class", collapsed: [classTable(results)] },
      { summary: "Settings", collapsed: [valuesTable("Settings", settings)] },
    ],
  };
}

function scoresTable(results: readonly Result[]): ReportTable {
  const names = ["f1", "precision", "recall", "accuracy"] as const;
  const summaries = summariesOf(results);
  return {
    caption:
      "Scores on the test set, macro averages over classes: means over folds, each followed by its standard deviation",
    columns: [
      ...["samples per class", "model", "head", "folds"],
      ...["macro F1", "±", "precision", "±", "recall", "±", "accuracy", "±"],
    ],
    rows: summaries.map(({ samples_per_class, model, head, folds, scores }) => [
      samples_per_class,
      model,
      head,
      folds,
      ...names.flatMap((name): Cell[] => [scores[name].mean, folds > 1 ? scores[name].deviation : null]),
    ]),
    decimals: 3,
  };
}

function classTable(results: readonly Result[]): ReportTable {
  const rows = bestCandidates(results).flatMap(({ model, head }) => {
    const groups = Map.groupBy(
      results.filter((result) => result.model === model && result.head === head),
      (result) => result.samples_per_class,
    );
    return [...groups].sort(([a], [b]) => a - b).flatMap(([samples, folds]) =>
      folds[0].classes.map((name, i): Cell[] => {
        const { mean, deviation } = meanAndDeviation(folds.map(({ f1 }) => f1[i]));
        return [model, head, samples, name, mean, folds.length > 1 ? deviation : null];
      })
    );
  });
  return {
    caption: "F1 of each class for each model with its best head: mean over folds and standard deviation",
    columns: ["model", "head", "samples per class", "class", "F1", "±"],
    rows,
    decimals: 3,
  };
}
