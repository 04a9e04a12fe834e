/** Scores of a classifier: confusion matrix, and what is read from it. */

/** Counts of (true class, predicted class), and the scores of section 5 of the paper. */
export class ClassificationMetrics {
  /** (C, C) counts: row = true class, column = predicted class. */
  readonly confusion: Int32Array;

  /** @param classes names of the C classes */
  constructor(readonly classes: readonly string[]) {
    this.confusion = new Int32Array(classes.length ** 2);
  }

  /** Adds one object. */
  add(truth: number, predicted: number): void {
    this.confusion[truth * this.classes.length + predicted]++;
  }

  /** Objects of a class. */
  support(of: number): number {
    return this.#sum((k) => this.#at(of, k));
  }

  /** Of the objects that are said to be of a class, the share that is; 0 if there are none. */
  precision(of: number): number {
    return ratio(this.#at(of, of), this.#sum((k) => this.#at(k, of)));
  }

  /** Of the objects of a class, the share that is found; 0 if there are none. */
  recall(of: number): number {
    return ratio(this.#at(of, of), this.support(of));
  }

  /** Harmonic mean of precision and recall; 0 where both are. */
  f1(of: number): number {
    const [precision, recall] = [this.precision(of), this.recall(of)];
    return ratio(2 * precision * recall, precision + recall);
  }

  /** Means over the classes, all alike; accuracy over the objects. Balanced accuracy is the macro recall. */
  get scores(): Scores {
    const mean = (score: (of: number) => number) => this.#sum(score) / this.classes.length;
    return {
      f1: mean((of) => this.f1(of)),
      precision: mean((of) => this.precision(of)),
      recall: mean((of) => this.recall(of)),
      accuracy: ratio(this.#sum((of) => this.#at(of, of)), this.#sum((of) => this.support(of))),
      balanced_accuracy: mean((of) => this.recall(of)),
    };
  }

  #at(truth: number, predicted: number): number {
    return this.confusion[truth * this.classes.length + predicted];
  }

  #sum(score: (of: number) => number): number {
    return this.classes.reduce((sum, _, of) => sum + score(of), 0);
  }
}

/** Scores of a run: macro F1, precision and recall; accuracy; balanced accuracy. */
export interface Scores {
  f1: number;
  precision: number;
  recall: number;
  accuracy: number;
  balanced_accuracy: number;
}

function ratio(part: number, whole: number): number {
  return whole === 0 ? 0 : part / whole;
}

/** Mean and standard deviation over folds (with N, as NumPy and the reference have it). */
export function meanAndDeviation(values: readonly number[]): { mean: number; deviation: number } {
  const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
  const square = values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / values.length;
  return { mean, deviation: Math.sqrt(square) };
}
