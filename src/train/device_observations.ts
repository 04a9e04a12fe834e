/**
 * A dataset's observations in a GPU's memory. Of a batch just the places of its points are uploaded: windows and masks are
 * drawn as they always are, and the values are gathered there, the same to the bit as {@link fillBatch}'s.
 */
import { gpuMemory } from "../../ffi/cuda.ts";
import type { Device } from "../../ffi/device.ts";
import {
  add,
  amax,
  amin,
  div,
  gt,
  indexSelect,
  maximum,
  narrow,
  reshape,
  sub,
  to,
  where,
} from "../../ffi/ops.ts";
import { TorchError } from "../../ffi/native.ts";
import { scope, Tensor, unscoped } from "../../ffi/tensor.ts";
import { type BatchLayout, type LossWeights, meansOf, probedOf } from "../data/batch.ts";
import type { Dataset } from "../data/dataset.ts";
import { InputError } from "../common/errors.ts";
import type { Part } from "../model/deferred.ts";

/** Bytes of an observation: its time in float64, magnitude and error in float32. */
const observationBytes = 16;

/** Of a GPU's free memory so much may hold observations; the rest is for the steps. */
const shareForObservations = 0.5;

/** Observations that are copied at a time. */
const chunk = 1 << 22;

/** Whether observations lie on the device: on a GPU if they fit, always, or never. */
export type DataOnDevice = "auto" | "true" | "false";

/**
 * Whether the observations of light curves are to lie on the device.
 * @throws {InputError} when they are, but do not fit
 */
export function belongOnDevice(
  { lengths }: Pick<Dataset, "lengths">,
  lightCurves: Iterable<number>,
  device: Device,
  wish: DataOnDevice,
  free = device === "cpu" ? Infinity : freeMemory(device),
): boolean {
  if (wish === "false" || (wish === "auto" && device === "cpu")) return false;
  let observations = 0;
  for (const i of new Set(lightCurves)) observations += lengths[i];
  const needed = observations * observationBytes, room = shareForObservations * free;
  if (needed <= room) return true;
  if (wish === "auto") return false;
  const gigabytes = (bytes: number) => `${(bytes / 1e9).toFixed(1)} GB`;
  throw new InputError(
    `--data-on-device true: the observations take ${gigabytes(needed)}, and of the ${
      gigabytes(free)
    } that are free on ` +
      `${device} half is left to them; with auto they stay in main memory`,
  );
}

/** 0 where the CUDA runtime cannot be asked. */
function freeMemory(device: Device): number {
  try {
    const { used, total } = gpuMemory(device);
    return total - used;
  } catch (error) {
    if (!(error instanceof TorchError)) throw error;
    return 0;
  }
}

/** What is uploaded of a batch. */
type Uploaded = keyof ReturnType<DeviceObservations["partsOf"]>;

/** Observations on a device. */
export class DeviceObservations implements Disposable {
  readonly #dataset: Pick<Dataset, "offsets" | "mjd" | "mag">;
  /** First observation of each light curve there. */
  readonly #offsets: Float64Array;
  readonly #weights: LossWeights;
  readonly #mjd: Tensor;
  readonly #mag: Tensor;
  readonly #err: Tensor;
  readonly #constants: Record<"zero" | "one" | "infinity" | "least", Tensor>;

  /**
   * Copies those of some light curves there.
   * @param weights how points weigh in the loss
   * @throws {TorchError} when the device's memory is not enough
   */
  constructor(
    dataset: Pick<Dataset, "offsets" | "lengths" | "mjd" | "mag" | "err">,
    lightCurves: Iterable<number>,
    device: Device,
    { weights }: { weights: LossWeights },
  ) {
    this.#dataset = dataset;
    this.#weights = weights;
    const { offsets, lengths, mjd, mag, err } = dataset;
    this.#offsets = new Float64Array(offsets.length).fill(NaN);
    const ranges: Range[] = [];
    let count = 0;
    for (const i of [...new Set(lightCurves)].sort((a, b) => a - b)) {
      this.#offsets[i] = count;
      count += lengths[i];
      ranges.push({ from: offsets[i], to: offsets[i] + lengths[i] });
    }
    this.#mjd = copied(mjd, ranges, count, "float64", device);
    this.#mag = copied(mag, ranges, count, "float32", device);
    this.#err = copied(err, ranges, count, "float32", device);
    const scalar = (value: number) => unscoped(() => Tensor.scalar(value, { dtype: "float64", device }));
    this.#constants = { zero: scalar(0), one: scalar(1), infinity: scalar(Infinity), least: scalar(1e-3) };
  }

  /**
   * What is uploaded of a batch: places (B, L) in windows; and of each window its first observation, its means of time and
   * magnitude (summed here: another order of adding would round otherwise), and B times its probed points.
   */
  partsOf({ windows, length, queriesFrom, positions, shows, hidden, roles, probed }: BatchLayout) {
    const size = windows.length, all = [size, length, 1], { offsets, mjd, mag } = this.#dataset;
    const known = { offsets, mjd, mag }, of = new Float64Array(4 * size);
    for (const [b, window] of windows.entries()) {
      const { time, magnitude } = meansOf(known, window);
      of[b] = this.#offsets[window.lightCurve] + window.start;
      of[size + b] = time;
      of[2 * size + b] = magnitude;
      of[3 * size + b] = size * probed[b];
    }
    return {
      windows: { shape: [4, size, 1, 1], values: of },
      positions: { shape: all, values: positions },
      shows: { shape: all, values: shows },
      hidden: { shape: all, values: hidden },
      probed: { shape: [size, length - queriesFrom, 1], values: probedOf(roles) },
      counts: { shape: [size, 1, 1], values: probed },
    } satisfies Record<string, Part>;
  }

  /** The values of a batch, from what was uploaded of it: see {@link Batch}. Nothing is read back. */
  gather(
    { windows: { length: size }, length, queriesFrom }: Pick<
      BatchLayout,
      "windows" | "length" | "queriesFrom"
    >,
    { windows, positions, shows, probed }: Record<Uploaded, Tensor>,
  ): Record<"magnitudes" | "times" | "targets" | "coefficients", Tensor> {
    const { zero, one, infinity, least } = this.#constants;
    const of = (i: number) => reshape(narrow(windows, 0, i, 1), [size, 1, 1]); // float64
    const [from, time, magnitude, share] = [of(0), of(1), of(2), of(3)];
    const single = (x: Tensor) => to(x, "float32"), none = single(zero);
    /** Places of padding are those of the first point, whose value is then not taken. */
    const taken = (values: Tensor, places: Tensor) => {
      const index = to(add(from, to(maximum(places, none), "float64")), "int64");
      const columns = places.shape[1];
      return to(
        reshape(indexSelect(values, 0, reshape(index, [size * columns])), [size, columns, 1]),
        "float64",
      );
    };
    const read = (x: Tensor) => narrow(x, 1, queriesFrom, length - queriesFrom);
    const observed = gt(positions, single(sub(zero, one))), asked = gt(probed, none);
    const relative = (values: Tensor, mean: Tensor, there: Tensor) =>
      where(there, single(sub(values, mean)), none);
    const weights = this.#weights === "errors"
      ? read(this.#lossWeights(taken(this.#err, positions), observed, { zero, one, infinity, least }))
      : one;
    return {
      magnitudes: relative(taken(this.#mag, shows), magnitude, observed),
      times: relative(taken(this.#mjd, positions), time, observed),
      targets: relative(taken(this.#mag, read(positions)), magnitude, asked),
      coefficients: where(asked, single(div(weights, share)), none),
    };
  }

  /** As `lossWeights`, of (B, L, 1) errors in float64, rounded where it rounds. */
  #lossWeights(
    errors: Tensor,
    observed: Tensor,
    { zero, one, infinity, least }: Record<"zero" | "one" | "infinity" | "least", Tensor>,
  ): Tensor {
    const rounded = (x: Tensor) => to(to(x, "float32"), "float64"),
      lowestOf = (x: Tensor) => amin(x, [1], true);
    const known = where(observed, where(gt(errors, zero), errors, infinity), infinity);
    const smallest = lowestOf(known);
    const inverse = rounded(div(one, where(gt(errors, smallest), errors, smallest)));
    const lowest = lowestOf(where(observed, inverse, infinity));
    const range = sub(amax(where(observed, inverse, sub(zero, infinity)), [1], true), lowest);
    return where(gt(range, zero), rounded(add(div(sub(inverse, lowest), range), least)), one);
  }

  /** Frees the device's memory. */
  [Symbol.dispose](): void {
    for (const tensor of [this.#mjd, this.#mag, this.#err, ...Object.values(this.#constants)]) {
      tensor.dispose();
    }
  }
}

/** Some observations that follow each other: from one to before another. */
interface Range {
  from: number;
  to: number;
}

/** Ranges of an array, end to end, on a device: piece by piece, from memory that a GPU reads by itself. */
function copied(
  values: Float64Array | Float32Array,
  ranges: readonly Range[],
  count: number,
  dtype: "float64" | "float32",
  device: Device,
): Tensor {
  const there = unscoped(() => Tensor.empty([count], { dtype, device }));
  scope(() => {
    const pinned = Tensor.pinned([Math.min(chunk, count)], device, dtype),
      memory = pinned.memory() as Float64Array;
    let done = 0, held = 0;
    const flush = () => {
      there.viewAt([held], done).copyFrom(pinned.viewAt([held], 0));
      done += held;
      held = 0;
    };
    for (const { from, to } of ranges) {
      for (let at = from; at < to;) {
        const end = Math.min(to, at + memory.length - held);
        memory.set(values.subarray(at, end), held);
        held += end - at;
        at = end;
        if (held === memory.length) flush();
      }
    }
    if (held > 0) flush();
  });
  return there;
}
