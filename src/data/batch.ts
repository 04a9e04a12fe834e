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
import { seeded } from "../common/random.ts";
import type { Dataset } from "./dataset.ts";
import { type MaskedWindow, type Masking, maskWindow, roleCounts } from "./masking.ts";
import type { Window } from "./windows.ts";

/** Where the points of B windows stand in L columns, of which the loss reads the last P. */
export interface BatchLayout {
  windows: readonly Window[];
  length: number;
  keys: number;
  /** No column before `keys` is padding in any window. */
  keysAreVisible: boolean;
  queriesFrom: number;
  /** (B, L), 1 = masked or padding. */
  hidden: Uint8Array<ArrayBuffer>;
  /** (B, P), what a point is. */
  roles: Uint8Array<ArrayBuffer>;
  /** (B, L), the point's place in its window, or -1 for padding. */
  positions: Int32Array<ArrayBuffer>;
  /** (B, L), the place of the point whose magnitude it shows: its own, where it is not replaced; -1 for padding. */
  shows: Int32Array<ArrayBuffer>;
  /** (B,) probed points of a window. */
  probed: Int32Array<ArrayBuffer>;
}

/** What B windows show in L columns. */
export interface ShownBatch extends BatchLayout {
  /** (B, L), mag, zero-mean over the window; masked points keep theirs (the model hides it), padding has 0. */
  magnitudes: Float32Array<ArrayBuffer>;
  /** (B, L), days, zero-mean over the window; padding has 0. */
  times: Float32Array<ArrayBuffer>;
  /** (B,) of the windows' magnitudes, mag. */
  means: Float64Array<ArrayBuffer>;
}

/** A filled batch of B windows, L columns, of which the last P are read by the loss. */
export interface Batch extends ShownBatch {
  /** (B, P), true magnitudes, mag, zero-mean over the window. */
  targets: Float32Array<ArrayBuffer>;
  /** (B, P), w p / (B sum p): see `reconstructionLoss`. */
  coefficients: Float32Array<ArrayBuffer>;
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
  // Written out, as all that is done for every point of a training.
  const n = errors.length, weights: number[] = [];
  let smallest = Infinity, lowest = Infinity, highest = -Infinity;
  for (let i = 0; i < n; i++) if (errors[i] > 0 && errors[i] < smallest) smallest = errors[i];
  for (let i = 0; i < n; i++) {
    const inverse = Math.fround(1 / (errors[i] > smallest ? errors[i] : smallest));
    if (inverse < lowest) lowest = inverse;
    if (inverse > highest) highest = inverse;
    weights.push(inverse);
  }
  const range = highest - lowest;
  for (let i = 0; i < n; i++) weights[i] = range > 0 ? Math.fround((weights[i] - lowest) / range + 1e-3) : 1;
  return weights;
}

/** 1 at every probed point, from (B, P) roles. */
export function probedOf(roles: Uint8Array): Uint8Array<ArrayBuffer> {
  const probed = new Uint8Array(roles.length);
  for (let i = 0; i < roles.length; i++) probed[i] = roles[i] === role.none ? 0 : 1;
  return probed;
}

/** Draws the roles of the points of windows, and gives them their columns. */
export function layOut(
  windows: readonly Window[],
  { masking, key, paddedTo }: Pick<BatchOptions, "masking" | "key" | "paddedTo">,
): BatchLayout {
  const masked = windows.map((window) => {
    if (typeof masking === "function") return masking(window);
    return maskWindow(window.length, masking, () => seeded(...key, window.lightCurve, window.start));
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
  const hidden = new Uint8Array(size * length).fill(1), roles = new Uint8Array(size * read);
  const positions = new Int32Array(size * length).fill(-1), shows = new Int32Array(size * length).fill(-1);
  const probed = new Int32Array(size);
  for (const [b, { unprobed, left, replaced, masked: maskedPoints, sources }] of masked.entries()) {
    const count = unprobed.length + left.length + replaced.length;
    const at = b * length + keys - count, column = b * read + keys - count - queriesFrom;
    const leftFrom = unprobed.length,
      replacedFrom = leftFrom + left.length,
      end = count + maskedPoints.length;
    positions.set(unprobed, at);
    positions.set(left, at + leftFrom);
    positions.set(replaced, at + replacedFrom);
    positions.set(maskedPoints, at + count);
    shows.set(positions.subarray(at, at + end), at);
    shows.set(sources, at + replacedFrom);
    hidden.fill(0, at, at + count);
    roles.fill(role.left, column + leftFrom, column + replacedFrom);
    roles.fill(role.replaced, column + replacedFrom, column + count);
    roles.fill(role.masked, column + count, column + end);
    probed[b] = end - leftFrom;
  }
  const keysAreVisible = masked.every((w) => w.unprobed.length + visibleProbed(w) === keys);
  return { windows, length, keys, keysAreVisible, queriesFrom, hidden, roles, positions, shows, probed };
}

/** Means over a window. In float64: a modified Julian date does not fit float32. */
export function meansOf(
  { offsets, mjd, mag }: Pick<Dataset, "offsets" | "mjd" | "mag">,
  { lightCurve, start, length }: Window,
): { from: number; time: number; magnitude: number } {
  // Parts of the arrays: what counts from their beginning is a float64 to JavaScript, and slow to find.
  const from = offsets[lightCurve] + start, own = mjd.subarray(from, from + length), first = own[0];
  const seen = mag.subarray(from, from + length);
  let times = 0, magnitudes = 0;
  for (let i = 0; i < length; i++) {
    times += own[i] - first;
    magnitudes += seen[i];
  }
  return { from, time: first + times / length, magnitude: magnitudes / length };
}

/** Fills a batch with what it shows, from the mapped observations: all that is needed where nothing is compared. */
export function fillShown(
  { offsets, mjd, mag }: Pick<Dataset, "offsets" | "mjd" | "mag">,
  windows: readonly Window[],
  options: Pick<BatchOptions, "masking" | "key" | "paddedTo">,
): ShownBatch {
  const layout = layOut(windows, options), { length, positions, shows } = layout, size = windows.length;
  const known = { offsets, mjd, mag }, means = new Float64Array(size);
  const magnitudes = new Float32Array(size * length), times = new Float32Array(size * length);
  for (let b = 0; b < size; b++) {
    const { from, time, magnitude } = meansOf(known, windows[b]), to = from + windows[b].length;
    const observed = mag.subarray(from, to), at = mjd.subarray(from, to);
    means[b] = magnitude;
    for (let i = b * length; i < (b + 1) * length; i++) {
      if (positions[i] < 0) continue;
      magnitudes[i] = observed[shows[i]] - magnitude;
      times[i] = at[positions[i]] - time;
    }
  }
  return { ...layout, magnitudes, times, means };
}

/** Fills a batch from the mapped observations. */
export function fillBatch(
  { offsets, mjd, mag, err }: Pick<Dataset, "offsets" | "mjd" | "mag" | "err">,
  windows: readonly Window[],
  { weights, ...options }: BatchOptions,
): Batch {
  const shown = fillShown({ offsets, mjd, mag }, windows, options);
  const { length, queriesFrom, positions, roles, probed, means } = shown;
  const read = length - queriesFrom, size = windows.length;
  const targets = new Float32Array(size * read), coefficients = new Float32Array(size * read);
  for (const [b, { lightCurve, start, length: n }] of windows.entries()) {
    const from = offsets[lightCurve] + start,
      observed = mag.subarray(from, from + n),
      share = size * probed[b];
    const weight = weights === "errors" ? lossWeights(err.subarray(from, from + n)) : undefined;
    for (let i = b * read, at = b * length + queriesFrom; i < (b + 1) * read; i++, at++) {
      if (roles[i] === role.none) continue;
      targets[i] = observed[positions[at]] - means[b];
      coefficients[i] = (weight ? weight[positions[at]] : 1) / share;
    }
  }
  return { ...shown, targets, coefficients };
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
