/** RMSE and R2 of reconstructed magnitudes, as the reference reports them. */
import { fixed, plainTable } from "../common/table.ts";

/** What metrics are computed from: sums over windows. */
export interface ReconstructionSums {
  /** Windows added. */
  windows: number;
  /** Of each window's mean squared residual. */
  meanSquares: number;
  /** Of the same with every point's weight. */
  weighted: number;
  /** Of all squared residuals. */
  residual: number;
  /** Of all squared differences from the window's mean. */
  total: number;
}

/**
 * Sums over windows of squared residuals; add windows, then read. Without a window every number is NaN.
 *
 * @example
 * ```ts
 * import { ReconstructionMetrics } from "../../mod.ts";
 *
 * const metrics = new ReconstructionMetrics();
 * metrics.add([0.1, -0.1], [0, 0]); // predicted and true magnitudes of one window
 * metrics.add([0.5, 0.9], [0.5, 0.9]);
 * if (Math.abs(metrics.rmse - Math.sqrt(0.01 / 2)) > 1e-12) throw new Error("not the root of the mean over windows");
 * ```
 */
export class ReconstructionMetrics {
  /** The sums so far. */
  readonly sums: ReconstructionSums;
  readonly #rmse: number[] = [];

  /**
   * Starts with no window, or from sums.
   * @param sums from earlier; the median is then over the windows added here only
   */
  constructor(sums?: Readonly<ReconstructionSums>) {
    this.sums = { windows: 0, meanSquares: 0, weighted: 0, residual: 0, total: 0, ...sums };
  }

  /**
   * Adds one window; one without probed points is not counted.
   *
   * @example
   * ```ts
   * import { ReconstructionMetrics } from "../../mod.ts";
   *
   * const metrics = new ReconstructionMetrics();
   * metrics.add([1, 3], [2, 2], [1, 0]); // the second point has no weight in the loss
   * if (metrics.rmse !== 1 || metrics.loss !== Math.sqrt(0.5)) throw new Error("only the loss is weighted");
   * ```
   * @param predicted (n,) the probed points' magnitudes, mag
   * @param target (n,) their true magnitudes, mag
   * @param weights (n,) the loss weights w of those points (eq. 5 of the paper); default 1
   */
  add(predicted: ArrayLike<number>, target: ArrayLike<number>, weights?: ArrayLike<number>): void {
    const n = target.length;
    if (n === 0) return;
    // Differences from the first: of a constant magnitude they are exactly zero.
    let squares = 0, weighted = 0, sum = 0, sumOfSquares = 0;
    for (let i = 0; i < n; i++) {
      const squared = (predicted[i] - target[i]) ** 2;
      squares += squared;
      weighted += squared * (weights ? weights[i] : 1);
      const difference = target[i] - target[0];
      sum += difference;
      sumOfSquares += difference ** 2;
    }
    this.sums.windows++;
    this.sums.meanSquares += squares / n;
    this.sums.weighted += weighted / n;
    this.sums.residual += squares;
    this.sums.total += Math.max(0, sumOfSquares - sum * sum / n);
    this.#rmse.push(Math.sqrt(squares / n));
  }

  /**
   * Adds windows that were summed elsewhere; they do not count in the median.
   *
   * @example
   * ```ts
   * import { ReconstructionMetrics } from "../../mod.ts";
   *
   * const [all, part] = [new ReconstructionMetrics(), new ReconstructionMetrics()];
   * part.add([1, 3], [2, 2]);
   * all.addSums(part.sums);
   * if (all.windows !== 1 || all.rmse !== 1) throw new Error("as if added here");
   * ```
   */
  addSums(sums: Readonly<ReconstructionSums>): void {
    for (const name of Object.keys(this.sums) as (keyof ReconstructionSums)[]) this.sums[name] += sums[name];
  }

  /** Windows added. */
  get windows(): number {
    return this.sums.windows;
  }

  /** sqrt( mean over windows( mean over probed points of r^2 ) ), mag: eq. 4 of the paper, as its code computes it. */
  get rmse(): number {
    return Math.sqrt(this.sums.meanSquares / this.sums.windows);
  }

  /** The loss, mag: the same with every point's weight (eq. 5 of the paper). */
  get loss(): number {
    return Math.sqrt(this.sums.weighted / this.sums.windows);
  }

  /** 1 - SS_res / SS_tot over all windows, each with its own probed mean; NaN if no magnitude varies. */
  get r2(): number {
    return this.sums.total > 0 ? 1 - this.sums.residual / this.sums.total : NaN;
  }

  /** The median over windows of a window's own RMSE, mag. */
  get medianRmse(): number {
    const sorted = Float64Array.from(this.#rmse).sort(), middle = sorted.length >> 1;
    return sorted.length % 2 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
  }
}

/** Metrics by name, in order of first use. */
export class MetricsByName {
  readonly #byName = new Map<string, ReconstructionMetrics>();

  /** The metrics of a name; new ones at the first call. */
  get(name: string): ReconstructionMetrics {
    let metrics = this.#byName.get(name);
    if (!metrics) this.#byName.set(name, metrics = new ReconstructionMetrics());
    return metrics;
  }

  /** The names used so far. */
  get names(): string[] {
    return [...this.#byName.keys()];
  }

  /** Numbers by name; JSON has null for those that are not defined. */
  summary(): Record<string, Record<string, number>> {
    return Object.fromEntries([...this.#byName].map(([name, { windows, rmse, medianRmse, r2, loss }]) => [
      name,
      { windows, rmse, median_rmse: medianRmse, r2, loss },
    ]));
  }

  /** The same as plain text, a line a name. */
  table(title: string): string {
    return plainTable([
      [title, "windows", "RMSE", "median", "R2"],
      ...[...this.#byName].map(([name, m]) => [
        name,
        String(m.windows),
        m.rmse.toFixed(4),
        m.medianRmse.toFixed(4),
        fixed(m.r2, 3),
      ]),
    ]);
  }
}

/** One number of several predictors as plain text: a line a name, a column a predictor. */
export function comparisonTable(
  title: string,
  predictors: Readonly<Record<string, MetricsByName>>,
  number: (metrics: ReconstructionMetrics) => number,
): string {
  const sets = Object.values(predictors);
  return plainTable([
    [title, ...Object.keys(predictors)],
    ...sets[0].names.map((name) => [name, ...sets.map((set) => number(set.get(name)).toFixed(4))]),
  ]);
}
