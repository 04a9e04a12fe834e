/**
 * Conformal prediction (Vovk et al. 2005; Angelopoulos and Bates 2023, Foundations and Trends in Machine Learning 16,
 * 494):
 * sets of classes and intervals of values that hold the truth as often as is asked for, whatever the classifier is
 * worth.
 *
 * Light curves that were not trained on say how wrong it is; what is at most as wrong as that share of them goes into
 * the set.
 * The promise is one about light curves that are drawn as those were: of a survey with other classes it is not kept.
 */
import { InputError } from "../common/errors.ts";

/** Coverages that are measured on the test set wherever enough light curves calibrate. */
export const measuredCoverages = [0.8, 0.9, 0.95] as const;

/** Light curves that must calibrate for a coverage. */
export function neededFor(coverage: number): number {
  return Math.ceil(coverage / (1 - coverage) - 1e-9);
}

/**
 * The score that a light curve may have at most: of n calibration scores the ceil((n + 1) coverage)-th smallest.
 * @param scores of light curves that were not trained on, the larger the more wrong
 * @returns undefined where there are too few of them
 */
export function conformalThreshold(scores: ArrayLike<number>, coverage: number): number | undefined {
  const rank = Math.ceil((scores.length + 1) * coverage - 1e-9);
  return rank > scores.length ? undefined : Float64Array.from(scores).sort()[rank - 1];
}

/**
 * The same, where it must be there.
 * @param scores null of a folder that keeps none
 * @throws {InputError} when there are none or too few
 */
export function thresholdFor(
  scores: ArrayLike<number> | null,
  coverage: number,
  folder: string,
): number {
  if (scores === null) {
    throw new InputError(
      `${folder} has no light curves to calibrate with, because an older version wrote it: ` +
        "fit it again with classify for --coverage",
    );
  }
  const threshold = conformalThreshold(scores, coverage);
  if (threshold !== undefined) return threshold;
  const most = Math.floor(1000 * scores.length / (scores.length + 1)) / 1000;
  throw new InputError(
    `--coverage ${coverage} needs ${
      neededFor(coverage)
    } light curves to calibrate with, ${folder} has ${scores.length}: ` +
      `at most ${most} can be promised`,
  );
}

/**
 * The same for the library.
 * @throws {RangeError} when the coverage is not between 0 and 1, or there are too few scores
 */
export function thresholdOf(scores: ArrayLike<number> | null, coverage: number): number {
  if (!(coverage > 0 && coverage < 1)) {
    throw new RangeError(`coverage must lie between 0 and 1, not ${coverage}`);
  }
  const threshold = scores === null ? undefined : conformalThreshold(scores, coverage);
  if (threshold !== undefined) return threshold;
  throw new RangeError(
    `a coverage of ${coverage} needs ${neededFor(coverage)} light curves that were set apart, there are ${
      scores?.length ?? "none, as an older version wrote this"
    }`,
  );
}

/**
 * How wrong a classifier is of light curves: one less the probability of their class (Sadinle et al. 2019).
 * @param probabilities (n, C) row after row
 */
export function classScores(
  probabilities: Float32Array,
  labels: ArrayLike<number>,
  classes: number,
): Float32Array<ArrayBuffer> {
  return Float32Array.from(labels, (label, i) => 1 - probabilities[i * classes + label]);
}

/**
 * The classes of a set, likeliest first: all whose score is within the threshold, and the likeliest in any case.
 * @param probabilities (C,)
 */
export function classSet(probabilities: Float32Array, threshold: number): number[] {
  const order = [...probabilities.keys()].sort((a, b) => probabilities[b] - probabilities[a] || a - b);
  return order.filter((of, rank) => rank === 0 || Math.fround(1 - probabilities[of]) <= threshold);
}

/** What came of a coverage on light curves whose truth is known. */
export interface Coverage {
  /** What was asked for. */
  asked: number;
  /** Share of the light curves whose truth is in their set or interval. */
  found: number;
  /** Mean number of classes in a set; mean half width of an interval, in the scale that is learned. */
  size: number;
}

/** The coverage of sets of classes, for each that enough light curves calibrate. */
export function coveragesOfSets(
  scores: ArrayLike<number>,
  probabilities: Float32Array,
  labels: ArrayLike<number>,
  classes: number,
): Coverage[] {
  const n = labels.length;
  return measuredCoverages.flatMap((asked): Coverage[] => {
    const threshold = conformalThreshold(scores, asked);
    if (threshold === undefined) return [];
    let found = 0, size = 0;
    for (let i = 0; i < n; i++) {
      const set = classSet(probabilities.subarray(i * classes, (i + 1) * classes), threshold);
      if (set.includes(labels[i])) found += 1 / n;
      size += set.length / n;
    }
    return [{ asked, found, size }];
  });
}

/** The coverage of intervals, by how far predictions are from the truth. */
export function coveragesOfIntervals(scores: ArrayLike<number>, residuals: ArrayLike<number>): Coverage[] {
  return measuredCoverages.flatMap((asked): Coverage[] => {
    const size = conformalThreshold(scores, asked);
    if (size === undefined) return [];
    const within = Array.from(residuals).filter((residual) => Math.abs(residual) <= size).length;
    return [{ asked, found: within / residuals.length, size }];
  });
}
