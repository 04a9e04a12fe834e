/** Scores of rankings, and whether two classifiers differ by more than chance. */
import { seeded } from "../common/random.ts";

/** Area under the receiver operating characteristic: the chance that a positive has the higher score; ties count half. */
export function areaUnderRoc(scores: ArrayLike<number>, positive: ArrayLike<boolean>): number {
  const order = Array.from({ length: scores.length }, (_, i) => i).sort((i, j) => scores[i] - scores[j]);
  let positives = 0, sum = 0;
  for (let from = 0; from < order.length;) {
    let until = from;
    while (until < order.length && scores[order[until]] === scores[order[from]]) until++;
    for (let k = from; k < until; k++) {
      if (!positive[order[k]]) continue;
      positives++;
      sum += (from + until + 1) / 2; // the mean rank of those alike
    }
    from = until;
  }
  const negatives = order.length - positives;
  return (sum - positives * (positives + 1) / 2) / (positives * negatives);
}

/** Macro F1 of predicted classes; a class that is neither there nor predicted counts 0. */
export function macroF1(truth: ArrayLike<number>, predicted: ArrayLike<number>, classes: number): number {
  const right = new Float64Array(classes), total = new Float64Array(classes);
  for (let i = 0; i < truth.length; i++) {
    total[truth[i]]++;
    total[predicted[i]]++;
    if (truth[i] === predicted[i]) right[truth[i]]++;
  }
  return right.reduce((sum, r, c) => sum + (total[c] ? 2 * r / total[c] : 0), 0) / classes;
}

/** What a paired test says. */
export interface Difference {
  /** Macro F1 of the first less that of the second, mean over folds. */
  difference: number;
  /** 95 % interval over resampled test stars. */
  low: number;
  high: number;
  /** Two-sided. */
  p: number;
}

/** Resampled test sets. */
const resamples = 1000;

/**
 * Paired bootstrap over test stars (Efron and Tibshirani 1993): both classifiers, and all folds, are judged on the same
 * resampled stars of each class, so what differs is the classifier.
 * @param first predicted classes of the test stars, by fold
 * @param second those of the other classifier, in the same order of folds
 */
export function pairedDifference(
  truth: Int32Array,
  first: readonly ArrayLike<number>[],
  second: readonly ArrayLike<number>[],
  classes: number,
): Difference {
  const folds = first.length, n = truth.length;
  const byClass = Array.from({ length: classes }, (_, c) => [...truth.keys()].filter((i) => truth[i] === c));
  const right = new Float64Array(classes), total = new Float64Array(classes);
  const f1 = (predicted: ArrayLike<number>, chosen: Int32Array) => {
    right.fill(0);
    total.fill(0);
    for (let k = 0; k < n; k++) {
      const i = chosen[k], t = truth[i], p = predicted[i];
      total[t]++;
      total[p]++;
      if (t === p) right[t]++;
    }
    let sum = 0;
    for (let c = 0; c < classes; c++) if (total[c]) sum += 2 * right[c] / total[c];
    return sum / classes;
  };
  const differenceOn = (chosen: Int32Array) =>
    first.reduce((sum, mine, fold) => sum + f1(mine, chosen) - f1(second[fold], chosen), 0) / folds;
  const random = seeded(0xb007), chosen = new Int32Array(n);
  const found = Float64Array.from({ length: resamples }, () => {
    let end = 0;
    for (const members of byClass) {
      for (let k = 0; k < members.length; k++) chosen[end++] = members[random.integer(members.length)];
    }
    return differenceOn(chosen);
  }).sort();
  const share = (holds: (d: number) => boolean) => (found.filter(holds).length + 1) / (resamples + 1);
  return {
    difference: differenceOn(Int32Array.from(truth.keys())),
    low: found[Math.floor(0.025 * resamples)],
    high: found[Math.ceil(0.975 * resamples) - 1],
    p: Math.min(1, 2 * Math.min(share((d) => d <= 0), share((d) => d >= 0))),
  };
}
