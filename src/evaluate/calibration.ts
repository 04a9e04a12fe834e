/** Whether probabilities are what they say: of light curves that are sure to 0.8, eight of ten should be right. */

/** Light curves whose likeliest class has a probability in one of ten parts of 0 to 1. */
export interface ReliabilityBin {
  /** Light curves. */
  count: number;
  /** Mean probability of the likeliest class. */
  confidence: number;
  /** Share whose likeliest class is right. */
  accuracy: number;
}

/** How well probabilities are calibrated. */
export interface Calibration {
  /** Expected calibration error (Guo et al. 2017): the mean of |accuracy - confidence| over all light curves, by bin. */
  ece: number;
  /** Mean squared difference of the probabilities from 1 for the true class and 0 for others, summed over classes (Brier 1950). */
  brier: number;
  /** Ten bins of equal width; those without light curves are left out. */
  bins: ReliabilityBin[];
}

const parts = 10;

/**
 * Calibration of predictions.
 * @param probabilities (n, C) row after row
 * @param labels (n,) true classes
 */
export function calibrationOf(
  probabilities: Float32Array,
  labels: ArrayLike<number>,
  classes: number,
): Calibration {
  const sums = Array.from({ length: parts }, () => ({ count: 0, confidence: 0, right: 0 }));
  let brier = 0;
  for (let i = 0; i < labels.length; i++) {
    const row = probabilities.subarray(i * classes, (i + 1) * classes);
    const best = row.reduce((best, p, c) => p > row[best] ? c : best, 0);
    const bin = sums[Math.min(parts - 1, Math.floor(parts * row[best]))];
    bin.count++;
    bin.confidence += row[best];
    if (best === labels[i]) bin.right++;
    for (const [c, p] of row.entries()) brier += (p - (c === labels[i] ? 1 : 0)) ** 2 / labels.length;
  }
  const bins = sums.filter(({ count }) => count).map(({ count, confidence, right }): ReliabilityBin => ({
    count,
    confidence: confidence / count,
    accuracy: right / count,
  }));
  const ece = bins.reduce(
    (sum, { count, confidence, accuracy }) => sum + count / labels.length * Math.abs(accuracy - confidence),
    0,
  );
  return { ece, brier, bins };
}
