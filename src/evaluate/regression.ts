/** Scores of a regression. */

/** How far predicted values are from the true ones, in the scale that is learned. */
export interface RegressionScores {
  /** Root of the mean squared residual. */
  rmse: number;
  /** 1 - SS_res / SS_tot; NaN where the true values do not vary. */
  r2: number;
  /** Median of the absolute residuals. */
  median_absolute_error: number;
}

/** Scores of n predictions. */
export function regressionScores(predicted: ArrayLike<number>, truth: ArrayLike<number>): RegressionScores {
  const n = truth.length, residuals = Float64Array.from(predicted, (value, i) => value - truth[i]);
  const mean = Array.from(truth).reduce((sum, value) => sum + value, 0) / n;
  const total = Array.from(truth).reduce((sum, value) => sum + (value - mean) ** 2, 0);
  const squares = residuals.reduce((sum, r) => sum + r * r, 0);
  const sorted = residuals.map(Math.abs).sort(), middle = n >> 1;
  return {
    rmse: Math.sqrt(squares / n),
    r2: total > 0 ? 1 - squares / total : NaN,
    median_absolute_error: n % 2 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2,
  };
}
