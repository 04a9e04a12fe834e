/** Learning curves, as figure 6 of the paper shows them. */
import type { MetricsLine } from "../train/pretrain_types.ts";
import type { Figure, FigureSpec } from "./figure.ts";
import { lineLegend } from "./style.ts";

/** RMSE and R2 of another set, drawn as a line. */
export interface TestMetrics {
  /** What it is, in the legend. */
  name: string;
  rmse: number;
  r2: number;
}

/** A point of a learning curve. */
export interface LearningPoint {
  set: string;
  /** Since the start, in epochs or steps; of a running mean over some steps its middle. */
  place: number;
  /** mag */
  rmse: number;
  /** Null where it is not defined: no magnitude varies. */
  r2: number | null;
}

const running = "training, running";
const looks: Record<string, { color: string; dash: number[] }> = {
  [running]: { color: "#bbbbbb", dash: [1, 0] },
  training: { color: "#D55E00", dash: [1, 0] },
  validation: { color: "#0072B2", dash: [6, 3] },
};
const testLook = { color: "black", dash: [1.5, 2.5] };

/**
 * The points of the curves. What a step's line says was measured since the line before, with the weights of the moment;
 * training's epoch is the mean over an epoch's steps, validation its state at the end.
 */
export function learningPoints(lines: readonly MetricsLine[]): LearningPoint[] {
  const epochs = lines.filter(({ kind }) => kind === "epoch"),
    steps = lines.filter(({ kind }) => kind === "step");
  const perPlace = countsEpochs(lines) ? epochs[0].step : 1;
  const metric = (value: unknown) => typeof value === "number" ? value : NaN;
  const defined = (value: unknown) => Number.isFinite(value) ? value as number : null;
  const points: LearningPoint[] = steps.map(({ step, rmse, r2 }, i) => ({
    set: running,
    place: (step + (steps[i - 1]?.step ?? 0)) / 2 / perPlace,
    rmse: metric(rmse),
    r2: defined(r2),
  }));
  for (const line of epochs) {
    for (const [set, name] of [["training", "train"], ["validation", "validation"]]) {
      const [rmse, r2] = [line[`${name}_rmse`], line[`${name}_r2`]];
      points.push({ set, place: line.step / perPlace, rmse: metric(rmse), r2: defined(r2) });
    }
  }
  return points.filter(({ rmse }) => Number.isFinite(rmse));
}

/** Whether there is a whole epoch: the last, which may be the only one, can be cut short by the clock. */
function countsEpochs(lines: readonly MetricsLine[]): boolean {
  return lines.filter(({ kind }) => kind === "epoch").length > 1;
}

/** RMSE and R2 against epochs, or steps where there is no whole epoch; null while there are no metrics. */
export function learningCurves(lines: readonly MetricsLine[], test?: TestMetrics): Figure | null {
  const points = learningPoints(lines);
  if (points.length === 0) return null;
  const sets = Object.keys(looks).filter((name) => points.some(({ set }) => set === name));
  const domain = test ? [...sets, test.name] : sets;
  const lookOf = (name: string) => looks[name] ?? testLook;
  const set = { field: "set", type: "nominal", title: null } as const;
  const legend = { columns: 2, ...lineLegend };
  const color = { ...set, scale: { domain, range: domain.map((name) => lookOf(name).color) }, legend };
  const strokeDash = { ...set, scale: { domain, range: domain.map((name) => lookOf(name).dash) }, legend };
  const panel = (name: "rmse" | "r2", title: string, last: boolean): FigureSpec => {
    const y = {
      field: name,
      type: "quantitative",
      title,
      scale: { zero: false },
      axis: { tickCount: 5, minExtent: 30 },
    };
    const x = {
      field: "place",
      type: "quantitative",
      title: last ? (countsEpochs(lines) ? "epochs" : "steps") : null,
      scale: { nice: false, domainMin: 0 },
      axis: { tickMinStep: 1, tickCount: 6, labels: last },
    };
    const curve = { x, y, color, strokeDash };
    return {
      width: 270,
      height: 120,
      layer: [
        { mark: { type: "line", strokeWidth: 1.5 }, encoding: curve },
        {
          transform: [{ filter: `datum.set !== '${running}'` }],
          mark: { type: "point", filled: true, size: 14, opacity: 1 },
          encoding: { x, y, color },
        },
        ...test
          ? [{
            data: { values: Number.isFinite(test[name]) ? [{ ...test, set: test.name }] : [] },
            mark: { type: "rule", strokeWidth: 1.5 },
            encoding: { y, color, strokeDash },
          }]
          : [],
      ],
    };
  };
  return {
    name: "learning-curves",
    caption: captionOf(lines, points, test),
    width: "column",
    spec: {
      data: { values: points },
      spacing: 8,
      vconcat: [panel("rmse", "RMSE (mag)", false), panel("r2", "R²", true)],
    },
  };
}

function captionOf(
  lines: readonly MetricsLine[],
  points: readonly LearningPoint[],
  test?: TestMetrics,
): string {
  const epochs = lines.filter(({ kind }) => kind === "epoch");
  const best = epochs.findLast((line) => line.best === 1);
  const steps = Math.max(...lines.map(({ step }) => step));
  return "Learning curves: root mean square error (top) and coefficient of determination (bottom) on the probed " +
    `observations, over ${epochs.length || "less than one"} ${epochs.length > 1 ? "epochs" : "epoch"} (${
      steps.toLocaleString("en-US")
    } steps). ` +
    "Training is the mean over an epoch's steps, while the weights change; validation is taken at its end, under masks that " +
    "stay the same." +
    (points.some(({ set }) => set === running)
      ? " Gray: training, means over the steps since the last entry in the log."
      : "") +
    (best ? ` The best model is that of epoch ${best.epoch}.` : "") +
    (test ? ` Dotted: the best model on the ${test.name} set.` : "");
}
