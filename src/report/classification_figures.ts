/** Classifiers side by side, the weights of their layers, their confusions: figures 11 to 13, 16 and 17 of the paper. */
import { type RegressionResult, regressionSummaries, scaleOf } from "../classify/regression_results.ts";
import type { Result } from "../classify/results.ts";
import { summariesOf } from "../classify/results.ts";
import { meanAndDeviation } from "../evaluate/classification.ts";
import { fileNameFor } from "./column.ts";
import type { Figure, FigureSpec } from "./figure.ts";
import { foldsSentence } from "./finetuning_figure.ts";
import { dashes, look, palette, shapes, sized, textWidth, widths } from "./style.ts";

/** A model with a head on it. */
export interface Candidate {
  model: string;
  head: string;
}

/** A point of the figure of scores. */
export interface ScorePoint extends Candidate {
  samples_per_class: number;
  /** Where it is drawn: samples per class, moved aside a little so that error bars can be told apart. */
  place: number;
  f1: number;
  deviation: number;
  low: number;
  high: number;
  folds: number;
}

const distinct = <T>(values: readonly T[]) => [...new Set(values)];
const keyOf = ({ model, head }: Candidate) => JSON.stringify([model, head]);

/** With more models and heads than this, every head has a panel of its own. */
const onePanel = 8;

/** A summary of one model, head and scenario, as classifiers and regressors have it. */
interface CandidateSummary extends Candidate {
  samples_per_class: number;
  folds: number;
}

/** Where the points of a figure of scores stand: those of a scenario beside each other. */
function placesOf(summaries: readonly CandidateSummary[]): number[] {
  const candidates = distinct(summaries.map(keyOf));
  const names = candidates.length > onePanel ? distinct(summaries.map(({ model }) => model)) : candidates;
  // All of a scenario stand within a factor of 1.5: scenarios are further from each other.
  const step = Math.min(names === candidates ? 1.06 : 1.1, 1.5 ** (1 / Math.max(1, names.length - 1)));
  return summaries.map((summary) => {
    const aside = names.indexOf(names === candidates ? keyOf(summary) : summary.model) -
      (names.length - 1) / 2;
    return summary.samples_per_class * step ** aside;
  });
}

/** Macro F1 by scenario, model and head: means and deviations over folds. */
export function scorePoints(results: readonly Result[]): ScorePoint[] {
  const summaries = summariesOf(results), places = placesOf(summaries);
  return summaries.map((summary, i) => {
    const { model, head, samples_per_class, folds, scores: { f1: { mean: f1, deviation } } } = summary;
    const place = places[i], low = f1 - deviation, high = f1 + deviation;
    return { model, head, samples_per_class, place, f1, deviation, low, high, folds };
  });
}

/** Macro F1 against samples per class, every model with every head. */
export function scoreFigure(results: readonly Result[]): Figure {
  const points = scorePoints(results);
  return candidatesFigure(points, {
    name: "f1",
    field: "f1",
    title: "macro F1",
    scenario: "samples per class",
    what: `Macro F1 on the test set (${lightCurvesIn(results)}, ${results[0].classes.length} classes)`,
  });
}

/** The error of regressors against samples, every model with every head. */
export function errorFigure(results: readonly RegressionResult[], scenario: string): Figure {
  const summaries = regressionSummaries(results), places = placesOf(summaries), [{ target }] = results;
  const points = summaries.map(({ scores: { rmse: { mean: rmse, deviation } }, ...summary }, i) => ({
    ...summary,
    place: places[i],
    rmse,
    low: rmse - deviation,
    high: rmse + deviation,
  }));
  return candidatesFigure(points, {
    name: "rmse",
    field: "rmse",
    title: `RMSE (${scaleOf(target)})`,
    scenario,
    what: `Root of the mean squared residual of ${scaleOf(target)} on the test set (${
      lightCurvesIn(results)
    })`,
  });
}

/** Scores with error bars against the number of samples. */
function candidatesFigure(
  points: readonly (CandidateSummary & { place: number })[],
  { name, field, title, scenario, what }: {
    name: string;
    /** Of the points: the score. */
    field: string;
    title: string;
    /** What the number of a scenario counts. */
    scenario: string;
    what: string;
  },
): Figure {
  const scenarios = distinct(points.map((point) => point.samples_per_class));
  const models = distinct(points.map(({ model }) => model)), heads = distinct(points.map(({ head }) => head));
  const panels = distinct(points.map(keyOf)).length > onePanel;
  const x = {
    field: "place",
    type: "quantitative",
    title: scenario,
    scale: { type: "log", domain: [Math.min(...scenarios) / 1.7, Math.max(...scenarios) * 1.7] },
    axis: { values: scenarios, format: "d" },
  };
  const y = {
    type: "quantitative",
    title,
    scale: { zero: false, nice: false, padding: 9 },
    axis: { tickCount: 6, ...field === "f1" ? { format: ".2f" } : {} },
  };
  const named = (
    field: string,
    names: readonly string[],
    looks: readonly unknown[],
    legend: FigureSpec | null,
  ) => ({
    field,
    type: "nominal",
    scale: { domain: names, range: names.map((_, i) => look(looks, i)) },
    legend,
  });
  const legend = panels ? { orient: "top", columns: 3 } : { orient: "right", labelLimit: 150 };
  // Color says the model, shape and dashes the head; in panels, all say the model.
  const color = named(
    "model",
    models,
    palette,
    panels ? legend : { ...legend, symbolType: "circle", symbolStrokeWidth: 0 },
  );
  const shape = panels ? named("model", models, shapes, legend) : named("head", heads, shapes, legend);
  const strokeDash = panels ? named("model", models, dashes, null) : named("head", heads, dashes, legend);
  const layer = [
    {
      mark: { type: "line", strokeWidth: 1.2 },
      encoding: { x, y: { ...y, field }, color, strokeDash, detail: { field: "head" } },
    },
    {
      mark: { type: "rule", strokeWidth: 1.2 },
      encoding: { x, y: { ...y, field: "low" }, y2: { field: "high" }, color },
    },
    {
      mark: { type: "point", filled: true, size: 42, opacity: 1 },
      encoding: { x, y: { ...y, field }, color, shape },
    },
  ];
  return {
    name,
    caption: `${what} against the number of ${scenario}, for every encoder (color${
      panels ? ", shape and dashes" : ""
    }) and head (${panels ? "panels" : "shape and dashes"}). ${
      foldsSentence(points.map(({ folds }) => folds), "Points")
    } Points are moved aside a little so that error bars can be told apart.`,
    width: "page",
    spec: {
      data: { values: points },
      ...panels
        ? {
          facet: { field: "head", type: "nominal", title: null, sort: heads },
          columns: heads.length === 4 ? 2 : 3,
          spacing: 12,
          // Dashes have no legend; merged with that of shapes, which stands for the same, it would be a contradiction.
          spec: { width: 190, height: 170, layer, resolve: { legend: { strokeDash: "independent" } } },
        }
        : { ...sized("page", 310), layer },
    },
  };
}

/** The weight of a layer in a scenario. */
export interface GammaPoint {
  candidate: string;
  samples_per_class: number;
  /** 0 is the input embedding. */
  layer: number;
  gamma: number;
  deviation: number;
  low: number;
  high: number;
  folds: number;
}

/** Means and deviations over folds of the layers' weights; nothing of heads that have none. */
export function gammaPoints(results: readonly Result[]): GammaPoint[] {
  const weighted = results.filter(({ gammas }) => gammas !== undefined);
  const groups = Map.groupBy(weighted, (result) => JSON.stringify([keyOf(result), result.samples_per_class]));
  return [...groups.values()].flatMap((folds) => {
    const [{ model, samples_per_class, gammas }] = folds;
    return gammas!.map((_, layer): GammaPoint => {
      const { mean: gamma, deviation } = meanAndDeviation(folds.map((fold) => fold.gammas![layer]));
      return {
        candidate: model,
        samples_per_class,
        layer,
        gamma,
        deviation,
        low: gamma - deviation,
        high: gamma + deviation,
        folds: folds.length,
      };
    });
  });
}

/** The weights of the layers, one panel a model; null where no head has any. */
export function gammaFigure(results: readonly Result[]): Figure | null {
  const points = gammaPoints(results);
  if (points.length === 0) return null;
  const candidates = distinct(points.map(({ candidate }) => candidate));
  const scenarios = distinct(points.map((point) => point.samples_per_class)).sort((a, b) => a - b);
  const columns = Math.min(3, candidates.length);
  const x = {
    field: "layer",
    type: "ordinal",
    title: "block (0: input embedding)",
    axis: { labelAngle: 0 },
  };
  const place = { x, xOffset: { field: "samples_per_class", scale: { domain: scenarios, paddingOuter: 1 } } };
  const scenario = { field: "samples_per_class", type: "nominal", title: "samples per class" };
  const legend = { orient: "top", offset: 4 };
  const color = {
    ...scenario,
    scale: { domain: scenarios, range: scenarios.map((_, i) => look(palette, i)) },
    legend,
  };
  const shape = {
    ...scenario,
    scale: { domain: scenarios, range: scenarios.map((_, i) => look(shapes, i)) },
    legend,
  };
  const y = {
    type: "quantitative",
    title: "γ",
    scale: { zero: false, nice: false, padding: 9 },
    axis: { tickCount: 5, minExtent: 26 },
  };
  // Layers share the weight evenly at first; a model with fewer layers has larger shares.
  const even = candidates.map((candidate) => ({
    candidate,
    gamma: 1 /
      new Set(points.filter((point) => point.candidate === candidate).map(({ layer }) => layer)).size,
  }));
  const values = points.map((point) => ({
    ...point,
    even: even.find(({ candidate }) => candidate === point.candidate)!.gamma,
  }));
  const panel: FigureSpec = {
    width: columns === 1 ? 265 : widths.page / columns - 65,
    height: 140,
    layer: [
      {
        mark: { type: "rule", strokeDash: [3, 3], strokeWidth: 0.75, color: "#888" },
        encoding: { y: { ...y, aggregate: "min", field: "even" } },
      },
      {
        mark: { type: "rule", strokeWidth: 1.2 },
        encoding: { ...place, y: { ...y, field: "low" }, y2: { field: "high" }, color },
      },
      {
        mark: { type: "point", filled: true, size: 28, opacity: 1 },
        encoding: { ...place, y: { ...y, field: "gamma" }, color, shape },
      },
    ],
  };
  return {
    name: "gammas",
    caption:
      "Trained weights γ of the input embedding and of each block's output in the classifier's input (softmax, so that they add " +
      `up to one; dashed: all alike, as they start). ${
        foldsSentence(points.map(({ folds }) => folds), "Points")
      } ` +
      "Bars that are not seen are smaller than the symbols.",
    width: columns === 1 ? "column" : "page",
    spec: candidates.length === 1 ? { data: { values }, ...panel } : {
      data: { values },
      facet: { field: "candidate", type: "nominal", title: null, sort: candidates },
      columns,
      resolve: { scale: { x: "independent", xOffset: "independent", y: "independent" } },
      bounds: "flush",
      spacing: { column: 58, row: 70 },
      spec: panel,
    },
  };
}

/** A cell of a confusion matrix. */
export interface ConfusionCell {
  /** Title of its panel. */
  panel: string;
  truth: string;
  predicted: string;
  /** Per cent of the true class, mean over folds. */
  percent: number;
}

/** The cells of one model and head: every fold's rows as per cent, then the mean over folds. */
export function confusionCells(results: readonly Result[], { model, head }: Candidate): ConfusionCell[] {
  const chosen = results.filter((result) => result.model === model && result.head === head);
  const scenarios = [...Map.groupBy(chosen, (result) => result.samples_per_class)].sort(([a], [b]) => a - b);
  return scenarios.flatMap(([samples, folds]) => {
    const { classes } = folds[0], size = classes.length;
    return classes.flatMap((truth, row) =>
      classes.map((predicted, column): ConfusionCell => {
        const shares = folds.map(({ confusion }) => {
          const total = confusion.slice(row * size, (row + 1) * size).reduce((sum, count) => sum + count, 0);
          return total === 0 ? 0 : 100 * confusion[row * size + column] / total;
        });
        return {
          panel: `${samples} samples per class`,
          truth,
          predicted,
          percent: meanAndDeviation(shares).mean,
        };
      })
    );
  });
}

/** Pixels that a class's name may take. */
const longestLabel = 150;

/** Confusion matrices, one panel a scenario. */
export function confusionFigure(results: readonly Result[], candidate: Candidate): Figure {
  const { model, head } = candidate, cells = confusionCells(results, candidate);
  const classes = distinct(cells.map(({ truth }) => truth)),
    panels = distinct(cells.map(({ panel }) => panel));
  const labels = 20 + Math.min(longestLabel, Math.max(...classes.map((name) => textWidth(name, 9.5))));
  // As many panels side by side as leave room for the numbers in their cells.
  const cellAt = (columns: number) =>
    Math.min(34, (widths.page - labels - 15 * columns) / columns / classes.length);
  const columns = [3, 2, 1].find((columns) => columns <= panels.length && cellAt(columns) >= 17) ?? 1;
  const cell = cellAt(columns);
  const axis = { domain: false, ticks: false, labelLimit: longestLabel };
  const encoding = {
    x: {
      field: "predicted",
      type: "nominal",
      title: "predicted class",
      sort: classes,
      axis: { ...axis, labelAngle: -50 },
    },
    y: { field: "truth", type: "nominal", title: "true class", sort: classes, axis },
  };
  const runs = results.filter((result) => result.model === model && result.head === head);
  return {
    name: fileNameFor("confusion", model, head),
    caption:
      `Confusion matrices of ${model} with the head ${head} on the test set (${
        lightCurvesIn(runs)
      }): per cent of each true ` +
      `class (row), means over ${foldsOf(runs)}.`,
    width: columns === 1 && cell * classes.length < 250 ? "column" : "page",
    spec: {
      data: { values: cells },
      facet: { field: "panel", type: "nominal", title: null, sort: panels },
      columns,
      spacing: 12,
      spec: {
        width: cell * classes.length,
        height: cell * classes.length,
        encoding,
        layer: [
          {
            mark: { type: "rect", stroke: "white", strokeWidth: 0.5 },
            encoding: {
              color: {
                field: "percent",
                type: "quantitative",
                scale: { domain: [0, 100], range: ["white", "#08519c"], interpolate: "rgb" },
                legend: null,
              },
            },
          },
          {
            mark: { type: "text", fontSize: Math.min(9.5, cell * 0.45) },
            encoding: {
              text: { field: "percent", type: "quantitative", format: ".0f" },
              color: { condition: { test: "datum.percent > 55", value: "white" }, value: "black" },
            },
          },
        ],
      },
    },
  };
}

/** Each model of the largest scenario with its best head, the best model first: by macro F1 on the test set there. */
export function bestCandidates(results: readonly Result[]): Candidate[] {
  const summaries = summariesOf(results),
    most = Math.max(...summaries.map((summary) => summary.samples_per_class));
  const ranked = summaries.filter((summary) => summary.samples_per_class === most)
    .sort((a, b) => b.scores.f1.mean - a.scores.f1.mean);
  return distinct(ranked.map(({ model }) => model)).map((name) => {
    const { model, head } = ranked.find(({ model }) => model === name)!;
    return { model, head };
  });
}

function lightCurvesIn(results: readonly Pick<Result, "light_curves">[]): string {
  const sizes = distinct(results.map(({ light_curves }) => light_curves.test)).sort((a, b) => a - b);
  return `${sizes.map((size) => size.toLocaleString("en-US")).join(" or ")} light curves`;
}

function foldsOf(results: readonly Result[]): string {
  const folds = distinct(results.map(({ fold }) => fold)).length;
  return folds === 1 ? "one fold" : `${folds} folds`;
}
