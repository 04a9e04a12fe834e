/** Multinomial logistic regression with an L2 penalty, as scikit-learn's LogisticRegression: the linear probe. */
import { noGrad } from "../../ffi/autograd.ts";
import { matmul, transpose } from "../../ffi/ops.ts";
import { scope, Tensor, unscoped } from "../../ffi/tensor.ts";
import { letSignalsIn } from "../machine/signals.ts";

/** A linear classifier: logits are weight x + bias. */
export interface LinearClassifier {
  /** (C, F) row after row. */
  weight: Float64Array;
  /** (C,) */
  bias: Float64Array;
}

/** Where the search ends: the largest element of the mean loss's gradient, and iterations at most. */
const tolerance = 1e-5, iterations = 300;

/**
 * Minimises strength x (sum of the cross-entropies) + (sum of squared weights) / 2 by L-BFGS (Liu and Nocedal 1989).
 * @param points (n, F) row after row; standardize them, since the penalty treats features alike
 * @param labels (n,) from 0 to C - 1
 * @param strength scikit-learn's C: a smaller one keeps weights smaller
 */
export async function fitLogisticRegression(
  points: Float32Array,
  labels: Int32Array,
  classes: number,
  strength: number,
): Promise<LinearClassifier> {
  const n = labels.length, width = points.length / n, size = classes * width;
  using x = unscoped(() => Tensor.from(Float64Array.from(points), [n, width]));
  const scale = 1 / (strength * n);
  /** Loss and gradient at weights, then biases. */
  const at = (parameters: Float64Array): { loss: number; gradient: Float64Array } =>
    noGrad(() =>
      scope(() => {
        const weight = Tensor.from(parameters.slice(0, size), [classes, width]);
        const rest = matmul(x, transpose(weight, 0, 1)).toArray() as Float64Array<ArrayBuffer>; // (n, C) logits, then p - truth
        const gradient = new Float64Array(parameters.length);
        let loss = 0;
        for (let i = 0; i < n; i++) {
          const row = rest.subarray(i * classes, (i + 1) * classes);
          let most = -Infinity, total = 0;
          for (let c = 0; c < classes; c++) most = Math.max(most, row[c] += parameters[size + c]);
          loss -= row[labels[i]] - most;
          for (let c = 0; c < classes; c++) total += row[c] = Math.exp(row[c] - most);
          loss += Math.log(total);
          for (let c = 0; c < classes; c++) {
            row[c] = (row[c] / total - (c === labels[i] ? 1 : 0)) / n;
            gradient[size + c] += row[c];
          }
        }
        const slopes = matmul(transpose(Tensor.from(rest, [n, classes]), 0, 1), x).toArray() as Float64Array;
        loss /= n;
        for (let k = 0; k < size; k++) {
          gradient[k] = slopes[k] + scale * parameters[k];
          loss += 0.5 * scale * parameters[k] ** 2;
        }
        return { loss, gradient };
      })
    );
  const found = await minimise(at, new Float64Array(size + classes));
  return { weight: found.slice(0, size), bias: found.slice(size) };
}

/** Logits of points (n, F): (n, C) row after row. */
export function logitsOf({ weight, bias }: LinearClassifier, points: Float32Array): Float32Array {
  const classes = bias.length, width = weight.length / classes, n = points.length / width;
  const logits = noGrad(() =>
    scope(() =>
      matmul(
        Tensor.from(points.slice(), [n, width]),
        transpose(Tensor.from(Float32Array.from(weight), [classes, width]), 0, 1),
      ).toArray()
    )
  ) as Float32Array;
  return logits.map((value, k) => value + bias[k % classes]);
}

/** Pairs of steps and gradient changes that L-BFGS remembers. */
const memory = 10;

async function minimise(
  at: (parameters: Float64Array) => { loss: number; gradient: Float64Array },
  start: Float64Array,
): Promise<Float64Array> {
  let here = start, { loss, gradient } = at(here);
  const pairs: { step: Float64Array; change: Float64Array; curvature: number }[] = [];
  for (let iteration = 0; iteration < iterations; iteration++) {
    if (gradient.every((g) => Math.abs(g) < tolerance)) break;
    // The two loops of L-BFGS: the direction -H gradient.
    const direction = gradient.slice(), shares: number[] = [];
    for (const { step, change, curvature } of pairs) {
      const share = dot(step, direction) / curvature;
      shares.push(share);
      addTo(direction, change, -share);
    }
    const [latest] = pairs;
    const size = latest ? latest.curvature / dot(latest.change, latest.change) : 1;
    for (let k = 0; k < direction.length; k++) direction[k] *= -size;
    for (const [i, { step, change, curvature }] of [...pairs.entries()].reverse()) {
      addTo(direction, step, -shares[i] - dot(change, direction) / curvature);
    }
    const slope = dot(gradient, direction);
    let length = 1, next = here, found = { loss, gradient };
    for (; length > 1e-10; length /= 2) {
      next = here.slice();
      addTo(next, direction, length);
      found = at(next);
      if (found.loss <= loss + 1e-4 * length * slope) break;
    }
    if (length <= 1e-10) break; // as low as rounding lets it
    const step = next.map((value, k) => value - here[k]);
    const change = found.gradient.map((value, k) => value - gradient[k]), curvature = dot(step, change);
    if (curvature > 0) pairs.unshift({ step, change, curvature });
    if (pairs.length > memory) pairs.pop();
    [here, loss, gradient] = [next, found.loss, found.gradient];
    if (iteration % 16 === 15) await letSignalsIn();
  }
  return here;
}

function dot(a: Float64Array, b: Float64Array): number {
  let sum = 0;
  for (let k = 0; k < a.length; k++) sum += a[k] * b[k];
  return sum;
}

function addTo(target: Float64Array, values: Float64Array, factor: number): void {
  for (let k = 0; k < target.length; k++) target[k] += factor * values[k];
}
