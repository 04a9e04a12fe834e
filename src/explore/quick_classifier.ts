/** A classifier that is fitted while one waits: multinomial logistic regression on a few labelled embeddings. */
import { add, linear, softmax } from "../../ffi/ops.ts";
import { scope, Tensor } from "../../ffi/tensor.ts";
import type { VectorSet } from "../discover/vectors.ts";

/** Weights of a fitted classifier. */
export interface QuickClassifier {
  classes: string[];
  width: number;
  /** (classes, width), row by row. */
  weights: Float32Array<ArrayBuffer>;
  /** (classes,) */
  biases: Float32Array<ArrayBuffer>;
}

/**
 * Fits logits W x + b with a penalty of |W|^2 / 2, by gradient descent with Nesterov's momentum. Classes count alike.
 * @param vectors (n, width), row by row, standardized
 * @param labels (n,) places in `classes`
 */
export function fitQuickly(
  vectors: Float32Array,
  labels: readonly number[],
  classes: string[],
  { penalty = 0.01, steps = 300 } = {},
): QuickClassifier {
  const count = labels.length, width = vectors.length / count, C = classes.length, size = C * width + C;
  const members = classes.map((_, of) => labels.filter((label) => label === of).length);
  const parameters = new Float64Array(size),
    velocity = new Float64Array(size),
    ahead = new Float64Array(size);
  let squares = 0;
  for (const value of vectors) squares += value * value;
  // The loss curves no more than the mean square of a vector, over two.
  const rate = 1 / (penalty + 0.5 * (squares / count + 1));
  const gradient = new Float64Array(size), logits = new Float64Array(C);
  for (let step = 0; step < steps; step++) {
    const momentum = step / (step + 3);
    for (let i = 0; i < size; i++) ahead[i] = parameters[i] + momentum * velocity[i];
    for (let i = 0; i < size; i++) gradient[i] = i < C * width ? penalty * ahead[i] : 0;
    for (let n = 0; n < count; n++) {
      const share = 1 / (C * members[labels[n]]);
      let largest = -Infinity, sum = 0;
      for (let c = 0; c < C; c++) {
        let value = ahead[C * width + c];
        for (let e = 0; e < width; e++) value += ahead[c * width + e] * vectors[n * width + e];
        logits[c] = value;
        largest = Math.max(largest, value);
      }
      for (let c = 0; c < C; c++) sum += logits[c] = Math.exp(logits[c] - largest);
      for (let c = 0; c < C; c++) {
        const error = share * (logits[c] / sum - (labels[n] === c ? 1 : 0));
        for (let e = 0; e < width; e++) gradient[c * width + e] += error * vectors[n * width + e];
        gradient[C * width + c] += error;
      }
    }
    for (let i = 0; i < size; i++) {
      const next = ahead[i] - rate * gradient[i];
      velocity[i] = next - parameters[i];
      parameters[i] = next;
    }
  }
  return {
    classes,
    width,
    weights: Float32Array.from(parameters.subarray(0, C * width)),
    biases: Float32Array.from(parameters.subarray(C * width)),
  };
}

/** What a classifier says of every row. */
export interface QuickPredictions {
  /** (N,) places in its classes. */
  predicted: Uint8Array<ArrayBuffer>;
  /** (N,) one less the lead of the likeliest class over the next: 0 is sure, 1 cannot tell. */
  doubt: Float32Array<ArrayBuffer>;
}

/** Predicts all rows. */
export function predictQuickly(
  { classes, width, weights, biases }: QuickClassifier,
  set: VectorSet,
): QuickPredictions {
  const C = classes.length, predicted = new Uint8Array(set.rows), doubt = new Float32Array(set.rows);
  let row = 0;
  for (const piece of set.pieces) {
    const probabilities = scope(() =>
      softmax(
        add(linear(piece, Tensor.from(weights, [C, width])), Tensor.from(biases, [1, C])),
        -1,
      ).toArray()
    ) as Float32Array;
    for (let i = 0; i < probabilities.length; i += C, row++) {
      let first = 0, second = -1;
      for (let c = 1; c < C; c++) {
        if (probabilities[i + c] > probabilities[i + first]) [first, second] = [c, first];
        else if (second < 0 || probabilities[i + c] > probabilities[i + second]) second = c;
      }
      predicted[row] = first;
      doubt[row] = second < 0 ? 0 : 1 - (probabilities[i + first] - probabilities[i + second]);
    }
  }
  return { predicted, doubt };
}

/**
 * What to label next: rows that are doubtful, and unlike each other (the farthest from those already chosen, in turn).
 * @param candidates the vectors of doubtful rows, (n, width), the most doubtful first
 */
export function unlikeEachOther(candidates: Float32Array, width: number, count: number): number[] {
  const n = candidates.length / width, nearest = new Float64Array(n).fill(Infinity), chosen: number[] = [];
  let next = 0;
  while (chosen.length < Math.min(count, n)) {
    chosen.push(next);
    nearest[next] = -1;
    for (let i = 0; i < n; i++) {
      if (nearest[i] < 0) continue;
      let squared = 0;
      for (let e = 0; e < width; e++) {
        squared += (candidates[i * width + e] - candidates[next * width + e]) ** 2;
      }
      nearest[i] = Math.min(nearest[i], squared);
    }
    next = nearest.reduce((best, distance, i) => distance > nearest[best] ? i : best, 0);
  }
  return chosen;
}
