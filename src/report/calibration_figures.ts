/** Whether probabilities are what they say, how heads learned, and how well each class is told. */
import type { LossCurve } from "../classify/loss_curve.ts";
import type { Result } from "../classify/results.ts";
import { meanAndDeviation } from "../evaluate/classification.ts";
import type { Cell } from "../files/csv.ts";
import type { Candidate } from "./classification_figures.ts";
import type { Figure, FigureSpec } from "./figure.ts";
import { foldsSentence } from "./finetuning_figure.ts";
import { lineLegend, look, palette, shapes, sized, widths } from "./style.ts";
import type { ReportTable } from "./table.ts";

const distinct = <T>(values: readonly T[]) => [...new Set(values)];
const nameOf = ({ model, head }: Candidate) => `${model}, ${head}`;

/** The results of some candidates in the largest scenario that they have, candidate by candidate. */
function largest(results: readonly Result[], candidates: readonly Candidate[]): Result[][] {
  const most = Math.max(...results.map((result) => result.samples_per_class));
  return candidates.map(({ model, head }) =>
    results.filter((one) => one.samples_per_class === most && one.model === model && one.head === head)
  ).filter((folds) => folds.length);
}

/** A point of a reliability diagram. */
export interface ReliabilityPoint {
  candidate: string;
  /** Mean probability of the likeliest class of the light curves in a bin. */
  confidence: number;
  /** Share of them whose likeliest class is right. */
  accuracy: number;
  /** Light curves, over all folds. */
  count: number;
}

/** Bins of all folds together, in order of confidence. */
export function reliabilityPoints(folds: readonly Result[]): ReliabilityPoint[] {
  // Bins are tenths: which one a mean probability lies in says which bin it is of.
  const bins = Map.groupBy(
    folds.flatMap(({ calibration }) => calibration?.bins ?? []),
    ({ confidence }) => Math.min(9, Math.floor(10 * confidence + 1e-9)),
  );
  return [...bins].sort(([a], [b]) => a - b).map(([, some]) => {
    const count = some.reduce((sum, bin) => sum + bin.count, 0);
    const mean = (name: "confidence" | "accuracy") =>
      some.reduce((sum, bin) => sum + bin.count * bin[name], 0) / count;
    return { candidate: nameOf(folds[0]), confidence: mean("confidence"), accuracy: mean("accuracy"), count };
  });
}

/** Lines in more colors than this cannot be told apart. */
const mostLines = 6;

/** Reliability diagram of candidates in the largest scenario; null where no result has a calibration. */
export function reliabilityFigure(
  results: readonly Result[],
  candidates: readonly Candidate[],
): Figure | null {
  const shown = largest(results, candidates).filter((folds) => folds.some(({ calibration }) => calibration))
    .slice(0, mostLines);
  const points = shown.flatMap(reliabilityPoints), names = shown.map(([first]) => nameOf(first));
  if (points.length === 0) return null;
  const errors = shown.map((folds) => {
    const { mean } = meanAndDeviation(folds.flatMap(({ calibration }) => calibration?.ece ?? []));
    return `${nameOf(folds[0])}: ${mean.toFixed(3)}`;
  });
  const axis = (title: string) => ({
    type: "quantitative",
    title,
    scale: { domain: [0, 1] },
    axis: { tickCount: 5, format: ".1f" },
  });
  const x = { field: "confidence", ...axis("probability of the likeliest class") };
  const y = { field: "accuracy", ...axis("share that is right") };
  const candidate = {
    field: "candidate",
    type: "nominal",
    title: null,
    legend: { orient: "top", columns: 1, symbolType: "circle", symbolStrokeWidth: 0 },
  };
  const color = { ...candidate, scale: { domain: names, range: names.map((_, i) => look(palette, i)) } };
  const most = Math.max(...points.map(({ count }) => count));
  return {
    name: "reliability",
    caption:
      `Reliability of the probabilities on the test set, ${
        shown[0][0].samples_per_class
      } samples per class, all folds: light curves ` +
      "by the probability of their likeliest class, and the share of them for which it is the true one; the larger a point, " +
      `the more light curves (at most ${
        most.toLocaleString("en-US")
      }). Below the dashed line, probabilities are too large. ` +
      `Expected calibration error, mean over folds: ${errors.join("; ")}.`,
    width: "column",
    spec: {
      data: { values: points },
      width: 250,
      height: 250,
      layer: [
        {
          data: { values: [{ at: 0 }, { at: 1 }] },
          mark: { type: "line", strokeDash: [4, 3], strokeWidth: 1, color: "#888" },
          encoding: { x: { ...x, field: "at" }, y: { ...y, field: "at" } },
        },
        { mark: { type: "line", strokeWidth: 1 }, encoding: { x, y, color } },
        {
          mark: { type: "point", filled: true, opacity: 1 },
          encoding: {
            x,
            y,
            color,
            size: {
              field: "count",
              type: "quantitative",
              scale: { domain: [0, most], range: [8, 110] },
              legend: null,
            },
          },
        },
      ],
    },
  };
}

/** Calibration and coverage of every model with every head in the largest scenario; null where nothing is known of it. */
export function calibrationTable(results: readonly Result[]): ReportTable | null {
  const candidates = distinct(results.map(({ model, head }) => JSON.stringify([model, head])))
    .map((text): Candidate => {
      const [model, head] = JSON.parse(text);
      return { model, head };
    });
  const known = largest(results, candidates).map((folds) => folds.filter(({ calibration }) => calibration))
    .filter((folds) => folds.length);
  if (known.length === 0) return null;
  const asked = distinct(
    known.flat().flatMap(({ coverages = [] }) => coverages.map((coverage) => coverage.asked)),
  ).sort();
  const mean = (values: readonly number[]) => values.length ? meanAndDeviation(values).mean : null;
  return {
    caption:
      `Calibration on the test set, ${
        known[0][0].samples_per_class
      } samples per class, means over folds: expected ` +
      "calibration error (ECE), Brier score; and of conformal sets of classes (predict --coverage) the share that holds the " +
      "true class and the mean number of classes, calibrated by so many light curves that were not trained on",
    columns: [
      ...["model", "head", "ECE", "±", "Brier score", "calibrated with"],
      ...asked.flatMap((share) => [`in sets of ${share}`, "classes"]),
    ],
    rows: known.map((folds): Cell[] => {
      const ece = meanAndDeviation(folds.map(({ calibration }) => calibration!.ece));
      return [
        folds[0].model,
        folds[0].head,
        ece.mean,
        folds.length > 1 ? ece.deviation : null,
        mean(folds.map(({ calibration }) => calibration!.brier)),
        mean(folds.flatMap(({ calibrated_with }) => calibrated_with ?? [])),
        ...asked.flatMap((share): Cell[] => {
          const found = folds.flatMap(({ coverages = [] }) => coverages.filter((one) => one.asked === share));
          return [mean(found.map(({ found }) => found)), mean(found.map(({ size }) => size))];
        }),
      ];
    }),
    decimals: 3,
  };
}

/** A class of a candidate: mean over folds. */
export interface ClassPoint {
  candidate: string;
  class: string;
  f1: number;
  low: number;
  high: number;
  folds: number;
}

/** F1 of each class: means and standard deviations over folds. */
export function classPoints(folds: readonly Result[]): ClassPoint[] {
  return folds[0].classes.map((name, of) => {
    const { mean: f1, deviation } = meanAndDeviation(folds.map((fold) => fold.f1[of]));
    return {
      candidate: nameOf(folds[0]),
      class: name,
      f1,
      low: f1 - deviation,
      high: f1 + deviation,
      folds: folds.length,
    };
  });
}

/** F1 of each class in the largest scenario, every model with its best head. */
export function classFigure(results: readonly Result[], candidates: readonly Candidate[]): Figure {
  const shown = largest(results, candidates).slice(0, mostLines), points = shown.flatMap(classPoints);
  const names = shown.map(([first]) => nameOf(first)), { classes } = shown[0][0];
  const x = {
    type: "quantitative",
    title: "F1",
    scale: { zero: false, nice: true },
    axis: { tickCount: 6, grid: true, gridColor: "#eee" },
  };
  const place = {
    y: {
      field: "class",
      type: "nominal",
      title: null,
      sort: classes,
      axis: { labelLimit: 150, ticks: false },
    },
    yOffset: { field: "candidate", sort: names, scale: { paddingOuter: 0.6 } },
  };
  const named = (looks: readonly unknown[]) => ({
    field: "candidate",
    type: "nominal",
    title: null,
    scale: { domain: names, range: names.map((_, i) => look(looks, i)) },
    legend: { orient: "top", columns: 3, symbolStrokeWidth: 0 },
  });
  return {
    name: "f1-classes",
    caption:
      `F1 of each class on the test set, ${
        shown[0][0].samples_per_class
      } samples per class, of every model with its ` +
      `best head. ${foldsSentence(points.map(({ folds }) => folds), "Points")}`,
    width: "page",
    spec: {
      data: { values: points },
      ...sized("page", Math.max(120, 60 + classes.length * (12 + 9 * names.length))),
      layer: [
        {
          mark: { type: "rule", strokeWidth: 1.2 },
          encoding: { ...place, x: { ...x, field: "low" }, x2: { field: "high" }, color: named(palette) },
        },
        {
          mark: { type: "point", filled: true, size: 40, opacity: 1 },
          encoding: { ...place, x: { ...x, field: "f1" }, color: named(palette), shape: named(shapes) },
        },
      ],
    },
  };
}

/** A fit whose losses by epoch are known. */
interface Learned extends Candidate {
  samples_per_class: number;
  fold: number;
  curve?: LossCurve;
}

/**
 * Losses by epoch, one panel a model and head, of the first fold of the largest scenario; null where no head has gradients.
 * @param loss what is drawn
 */
export function lossFigure(results: readonly Learned[], loss: string): Figure | null {
  const most = Math.max(...results.map((result) => result.samples_per_class));
  const shown = results.filter(({ samples_per_class, curve }) => samples_per_class === most && curve);
  const first = [...Map.groupBy(shown, nameOf).values()].map(([fold]) => fold).slice(0, 9);
  if (first.length === 0) return null;
  const values = first.flatMap(({ curve, ...one }) =>
    curve!.epoch.flatMap((epoch, i) => [
      { candidate: nameOf(one), epoch, part: "training", loss: curve!.train[i] },
      { candidate: nameOf(one), epoch, part: "validation", loss: curve!.validation[i] },
    ])
  );
  const columns = Math.min(3, first.length);
  const spec: FigureSpec = {
    width: columns === 1 ? 265 : widths.page / columns - 62,
    height: 120,
    mark: { type: "line", strokeWidth: 1.3 },
    encoding: {
      x: {
        field: "epoch",
        type: "quantitative",
        scale: { nice: false, zero: false },
        axis: { tickCount: 5, format: "d" },
      },
      y: {
        field: "loss",
        type: "quantitative",
        title: loss,
        scale: { zero: false },
        axis: { tickCount: 5, minExtent: 28 },
      },
      color: {
        field: "part",
        type: "nominal",
        title: null,
        scale: { domain: ["training", "validation"], range: palette.slice(0, 2) },
        legend: lineLegend,
      },
      strokeDash: {
        field: "part",
        type: "nominal",
        title: null,
        scale: { domain: ["training", "validation"], range: [[1, 0], [6, 3]] },
        legend: lineLegend,
      },
    },
  };
  return {
    name: "head-learning-curves",
    caption:
      `Learning curves of the heads that have gradients, ${most} samples${
        loss.includes("nat") ? " per class" : ""
      }, first fold: ${loss} by epoch. ` +
      "Of each training the head with the least validation loss is kept.",
    width: columns === 1 ? "column" : "page",
    spec: first.length === 1 ? { data: { values }, ...spec } : {
      data: { values },
      facet: { field: "candidate", type: "nominal", title: null, sort: first.map(nameOf) },
      columns,
      resolve: { scale: { x: "independent", y: "independent" } },
      bounds: "flush",
      spacing: { column: 58, row: 62 },
      spec,
    },
  };
}
