/** What regressors predict against what is true. */
import { type RegressionResult, scaleOf } from "../classify/regression_results.ts";
import { fileNameFor } from "./column.ts";
import type { Figure, FigureSpec } from "./figure.ts";
import { palette } from "./style.ts";

/** A light curve of the test set, in the scale that is learned. */
export interface Judged {
  truth: number;
  predicted: number;
}

/** Light curves that are drawn at most; of more, some are left out evenly. */
const mostPoints = 3000;

/** Predicted against true values, and the residuals under them. */
export function residualsFigure(
  judged: readonly Judged[],
  result: RegressionResult,
  scenario: string,
): Figure {
  const { model, head, samples_per_class, target, fold, scores } = result;
  const step = Math.max(1, judged.length / mostPoints),
    digits = (value: number) => Number(value.toPrecision(6));
  const values = Array.from({ length: Math.floor(judged.length / step) }, (_, i) => {
    const { truth, predicted } = judged[Math.floor(i * step)];
    return { truth: digits(truth), predicted: digits(predicted), residual: digits(predicted - truth) };
  });
  const all = judged.flatMap(({ truth, predicted }) => [truth, predicted]);
  const low = all.reduce((a, b) => Math.min(a, b)), high = all.reduce((a, b) => Math.max(a, b));
  const name = scaleOf(target), scale = { zero: false, nice: false, domain: [low, high], padding: 4 };
  const x = { field: "truth", type: "quantitative", title: `true ${name}`, scale };
  const points = { type: "point", filled: true, size: 9, opacity: 0.5, color: palette[0], clip: true };
  const line = { type: "line", strokeWidth: 1, color: "#888", strokeDash: [4, 3] };
  const panel = (
    height: number,
    y: FigureSpec,
    ends: readonly [number, number],
  ): FigureSpec => ({
    width: 262,
    height,
    layer: [
      { mark: points, encoding: { x, y } },
      {
        data: { values: [{ truth: low, y: ends[0] }, { truth: high, y: ends[1] }] },
        mark: line,
        encoding: { x, y: { ...y, field: "y" } },
      },
    ],
  });
  const axis = { minExtent: 30, tickCount: 5 };
  return {
    name: fileNameFor("residuals", model, head),
    caption:
      `Values of ${name} that ${model} with the head ${head} predicts for the ${
        judged.length.toLocaleString("en-US")
      } light curves of the test set, and their residuals, against the true ones; ${samples_per_class} ${scenario}, fold ${fold}. ` +
      `RMSE ${scores.rmse.toPrecision(3)}, R² ${scores.r2.toFixed(3)}, median absolute error ${
        scores.median_absolute_error.toPrecision(3)
      }.`,
    width: "column",
    spec: {
      data: { values },
      spacing: 8,
      vconcat: [
        panel(262, { field: "predicted", type: "quantitative", title: `predicted ${name}`, scale, axis }, [
          low,
          high,
        ]),
        panel(90, {
          field: "residual",
          type: "quantitative",
          title: "residual",
          scale: { zero: true, nice: true },
          axis,
        }, [0, 0]),
      ],
    },
  };
}
