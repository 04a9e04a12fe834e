/**
 * The numbers of `star` for readers that add them up: linear heads, neighbors, search. Each becomes a normal score among
 * stars of seven surveys, so that none has outliers; squares let a linear reader see what is unusual on both sides; and
 * in place of one period stands what the light curve says of all that were tried, which matters most where observations
 * are few. No labels are needed.
 */
import type { Device } from "../../ffi/device.ts";
import type { Dataset } from "../data/dataset.ts";
import type { ClassicalFeatures } from "./classical_features.ts";
import { describeStars, type ExplainedPeriod, starNames } from "./star_features.ts";
import scale from "./star_scores.json" with { type: "json" };

/** Normal scores of the quantiles in star_scores.json, evenly spaced; beyond the last ones a score does not go. */
const outermost = 2.5;
/** Centers of the bins of log10 period in days, and how wide they are: from 1.3 hours to 1000 days. */
const bins = Array.from({ length: 18 }, (_, i) => -1.25 + 0.25 * i), binWidth = 0.25;
/** Odds count by their cube root: light curves are less regular than the series that are fitted. */
const temper = 3;

/** A period as it stands in a column's name. */
const days = (logPeriod: number) => String(Number((10 ** logPeriod).toPrecision(2)));

/**
 * Names of the numbers, in their order: `score_NAME` and `squared_score_NAME` of each number of `star`, and
 * `period_near_DAYS`: how probable such a period is, 1 at most.
 */
export const starScoreNames: readonly string[] = [
  ...starNames.map((name) => `score_${name}`),
  ...starNames.map((name) => `squared_score_${name}`),
  ...bins.map((center) => `period_near_${days(center)}`),
];

/**
 * What {@link starScoreNames} name, of each light curve.
 * @param onProgress is told how many light curves are done, when signals have been let in
 * @param options the device that searches for periods; default: the CPU
 * @returns all finite
 */
export async function starScores(
  dataset: Pick<Dataset, "mjd" | "mag" | "err" | "offsets" | "lengths">,
  lightCurves: readonly number[],
  onProgress?: (done: number) => void,
  { device }: { device?: Device } = {},
): Promise<ClassicalFeatures> {
  const { values, periods } = await describeStars(dataset, lightCurves, onProgress, device);
  const n = starNames.length, width = starScoreNames.length;
  const scores = new Float32Array(lightCurves.length * width);
  for (const [row, tried] of periods.entries()) {
    const at = row * width;
    for (let k = 0; k < n; k++) {
      const score = normalScore(values[row * n + k], scale.quantiles[k]);
      scores[at + k] = score;
      scores[at + n + k] = score * score;
    }
    scores.set(periodBins(tried), at + 2 * n);
  }
  return { names: [...starScoreNames], values: scores };
}

/**
 * The normal score of a value: the standard deviations by which a normal distribution's quantile of the same rank lies
 * from its mean. Where many stars have this very value, the middle of their scores.
 * @param quantiles ascending, at evenly spaced scores from -2.5 to 2.5
 */
export function normalScore(value: number, quantiles: readonly number[]): number {
  const last = quantiles.length - 1, step = 2 * outermost / last;
  if (value < quantiles[0]) return -outermost;
  if (value > quantiles[last]) return outermost;
  const from = quantiles.findIndex((quantile) => quantile >= value);
  if (quantiles[from] === value) {
    return (from + quantiles.findLastIndex((quantile) => quantile <= value)) / 2 * step - outermost;
  }
  const [below, above] = [quantiles[from - 1], quantiles[from]];
  return (from - 1 + (value - below) / (above - below)) * step - outermost;
}

/** How probable periods near the bins' centers are, given the periods that were tried. */
export function periodBins(tried: readonly ExplainedPeriod[]): number[] {
  const most = Math.max(...tried.map(({ odds }) => odds));
  const weights = tried.map(({ odds }) => Math.exp((odds - most) / temper));
  const total = weights.reduce((sum, weight) => sum + weight, 0);
  return bins.map((center) =>
    tried.reduce(
      (sum, { logPeriod }, i) =>
        sum + weights[i] / total * Math.exp(-(((logPeriod - center) / binWidth) ** 2) / 2),
      0,
    )
  );
}
