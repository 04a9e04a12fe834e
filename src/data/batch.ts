/**
 * Windows as a batch. Attention does not look at the order of points (their times are in the encoding), so points are
 * placed by their role, the same columns in every window:
 *
 *     | padding, unprobed, probed but visible | masked, padding |
 *     |<----------- keys ------------------->|
 *                       |<------ what the loss reads ---------->|
 *
 * Hidden points are then no keys by being left out, and the last block computes just the columns that the loss reads.
 */
import type { Device } from "../../ffi/device.ts";
import { Tensor } from "../../ffi/tensor.ts";
import { seeded } from "../random.ts";
import type { Dataset } from "./dataset.ts";
import { type MaskedWindow, type Masking, maskWindow, roleCounts } from "./masking.ts";
import type { Window } from "./windows.ts";

/** A filled batch of B windows, L columns, of which the last P are read by the loss. */
export interface Batch {
  windows: readonly Window[];
  length: number;
  keys: number;
  /** No column before `keys` is padding in any window. */
  keysAreVisible: boolean;
  queriesFrom: number;
  /** (B, L), mag, zero-mean over the window; masked points keep theirs (the model hides it), padding has 0. */
  magnitudes: Float32Array<ArrayBuffer>;
  /** (B, L), days, zero-mean over the window; padding has 0. */
  times: Float32Array<ArrayBuffer>;
  /** (B, L), 1 = masked or padding. */
  hidden: Uint8Array<ArrayBuffer>;
  /** (B, P), true magnitudes, mag, zero-mean over the window. */
  targets: Float32Array<ArrayBuffer>;
  /** (B, P), w p / (B sum p): see `reconstructionLoss`. */
  coefficients: Float32Array<ArrayBuffer>;
  /** (B, P), what a point is. */
  roles: Uint8Array<ArrayBuffer>;
  /** (B, L), the point's place in its window, or -1 for padding. */
  positions: Int32Array<ArrayBuffer>;
}

/** What a column of a batch holds. */
export const role = { none: 0, left: 1, replaced: 2, masked: 3 } as const;

/** How points weigh in the loss: by their errors (Astromer 2), or all alike (Astromer 1). */
export type LossWeights = "errors" | "none";

/** Batches have the columns of windows whose length is a multiple of this. */
const lengthStep = 10;

/** How a batch is filled. */
export interface BatchOptions {
  /** Fractions to draw the roles of points by, or a function that gives them. */
  masking: Masking | ((window: Window) => MaskedWindow);
  weights: LossWeights;
  /** Key of the random stream of each window, beside its light curve and start. */
  key: readonly number[];
  /** Columns at least. Default: as many as windows of the next multiple of ten points need. For networks that see padding: see `AstromerNetwork.seesPadding`. */
  paddedTo?: number;
}

/**
 * w_l of the loss: 1 / e_l scaled to 0 … 1 within the window, plus 0.001. Where all errors are equal, all weigh 1 (the
 * reference's 0.001 would switch such windows off). An error of 0 or not a number, which stands for an unknown one, counts as
 * the smallest that is known; where none is known, all weigh 1.
 */
export function lossWeights(errors: ArrayLike<number>): number[] {
  let smallest = Infinity, lowest = Infinity, highest = -Infinity;
  for (let i = 0; i < errors.length; i++) if (errors[i] > 0) smallest = Math.min(smallest, errors[i]);
  const inverse = Array.from(errors, (e) => Math.fround(1 / (e > smallest ? e : smallest)));
  for (const value of inverse) {
    lowest = Math.min(lowest, value);
    highest = Math.max(highest, value);
  }
  const range = highest - lowest;
  return inverse.map((value) => range > 0 ? Math.fround((value - lowest) / range + 1e-3) : 1);
}

/** Fills a batch from the mapped observations. */
export function fillBatch(
  { offsets, mjd, mag, err }: Pick<Dataset, "offsets" | "mjd" | "mag" | "err">,
  windows: readonly Window[],
  { masking, weights, key, paddedTo }: BatchOptions,
): Batch {
  const masked = windows.map((window) => {
    if (typeof masking === "function") return masking(window);
    return maskWindow(window.length, masking, seeded(...key, window.lightCurve, window.start));
  });
  const most = (count: (window: MaskedWindow) => number) =>
    masked.reduce((m, window) => Math.max(m, count(window)), 0);
  const visibleProbed = (w: MaskedWindow) => w.left.length + w.replaced.length;
  const longest = windows.reduce((n, { length }) => Math.max(n, length), 0);
  // Columns of a window somewhat longer: few shapes of batches, so that few kernels are made and kept for them.
  const whole = typeof masking === "function" || paddedTo !== undefined
    ? { unprobed: 0, left: 0, replaced: 0, masked: 0 }
    : roleCounts(lengthStep * Math.ceil(longest / lengthStep), masking);
  const hiddenColumns = Math.max(most((w) => w.masked.length), whole.masked);
  const keys = Math.max(
    most((w) => w.unprobed.length + visibleProbed(w)),
    whole.unprobed + whole.left + whole.replaced,
    (paddedTo ?? 0) - hiddenColumns,
  );
  const queriesFrom = keys - Math.max(most(visibleProbed), whole.left + whole.replaced);
  const length = keys + hiddenColumns;
  const read = length - queriesFrom, size = windows.length;

  const magnitudes = new Float32Array(size * length), times = new Float32Array(size * length);
  const hidden = new Uint8Array(size * length).fill(1), positions = new Int32Array(size * length).fill(-1);
  const targets = new Float32Array(size * read), coefficients = new Float32Array(size * read);
  const roles = new Uint8Array(size * read);

  for (const [b, { lightCurve, start, length: n }] of windows.entries()) {
    const { unprobed, left, replaced, masked: maskedPoints, sources } = masked[b];
    const from = offsets[lightCurve] + start;
    let timeSum = 0, magnitudeSum = 0;
    for (let i = from; i < from + n; i++) {
      timeSum += mjd[i] - mjd[from];
      magnitudeSum += mag[i];
    }
    // In float64: a modified Julian date does not fit float32.
    const timeMean = mjd[from] + timeSum / n, magnitudeMean = magnitudeSum / n;
    const weight = weights === "errors" ? lossWeights(err.subarray(from, from + n)) : undefined;
    const probed = left.length + replaced.length + maskedPoints.length;

    // Written out: this is done for every point of a training, and a GPU takes tens of thousands of windows a second.
    const count = unprobed.length + left.length + replaced.length;
    let at = b * length + keys - count, column = b * read + keys - count - queriesFrom;
    for (let i = 0; i < count + maskedPoints.length; i++, at++, column++) {
      let point: number, shows: number, as: number;
      if (i < unprobed.length) {
        point = shows = unprobed[i];
        as = role.none;
      } else if (i < unprobed.length + left.length) {
        point = shows = left[i - unprobed.length];
        as = role.left;
      } else if (i < count) {
        const j = i - unprobed.length - left.length;
        point = replaced[j];
        shows = sources[j];
        as = role.replaced;
      } else {
        point = shows = maskedPoints[i - count];
        as = role.masked;
      }
      magnitudes[at] = mag[from + shows] - magnitudeMean;
      times[at] = mjd[from + point] - timeMean;
      positions[at] = point;
      hidden[at] = as === role.masked ? 1 : 0;
      if (as === role.none) continue;
      targets[column] = mag[from + point] - magnitudeMean;
      coefficients[column] = (weight ? weight[point] : 1) / (size * probed);
      roles[column] = as;
    }
  }
  const keysAreVisible = masked.every((w) => w.unprobed.length + visibleProbed(w) === keys);
  return {
    windows,
    length,
    keys,
    keysAreVisible,
    queriesFrom,
    magnitudes,
    times,
    hidden,
    targets,
    coefficients,
    roles,
    positions,
  };
}

/** A batch on a device. */
export interface BatchTensors {
  /** (B, L, 1) */
  magnitudes: Tensor;
  times: Tensor;
  hidden: Tensor;
  keys: number;
  keysAreVisible: boolean;
  queriesFrom: number;
  /** (B, P, 1) */
  targets: Tensor;
  coefficients: Tensor;
}

/** Uploads a batch: one copy a tensor. */
export function toTensors(batch: Batch, device: Device): BatchTensors {
  const size = batch.windows.length;
  const whole = [size, batch.length, 1], read = [size, batch.length - batch.queriesFrom, 1];
  return {
    magnitudes: Tensor.from(batch.magnitudes, whole, { device }),
    times: Tensor.from(batch.times, whole, { device }),
    hidden: Tensor.from(batch.hidden, whole, { dtype: "bool", device }),
    keys: batch.keys,
    keysAreVisible: batch.keysAreVisible,
    queriesFrom: batch.queriesFrom,
    targets: Tensor.from(batch.targets, read, { device }),
    coefficients: Tensor.from(batch.coefficients, read, { device }),
  };
}

/**
 * Windows in batches of a similar length, so that little padding is computed: windows are sorted by length within pools
 * of many batches, the order of batches is shuffled again.
 * @param windows in random order
 * @param size windows of a batch; the last one may have fewer
 */
export function batchesOf(windows: readonly Window[], size: number, key: readonly number[]): Window[][] {
  const batches: Window[][] = [];
  const pool = 64 * size;
  for (let start = 0; start < windows.length; start += pool) {
    const sorted = windows.slice(start, start + pool).sort((a, b) => a.length - b.length);
    const cut: Window[][] = [];
    for (let i = 0; i < sorted.length; i += size) cut.push(sorted.slice(i, i + size));
    batches.push(...cut);
  }
  return seeded(...key).shuffle(batches);
}
