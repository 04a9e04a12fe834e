/** Light curves as arrays in memory, checked, as a dataset. */
import { createHash } from "node:crypto";
import { seeded } from "../common/random.ts";
import type { Dataset, Subset } from "./dataset.ts";
import { shortestLightCurve } from "./windows.ts";

/** One light curve: the observations of one object in one band. */
export interface LightCurve {
  /** Times, days, in any order and from any zero point (MJD as a rule). */
  mjd: ArrayLike<number>;
  /** Magnitudes. */
  magnitude: ArrayLike<number>;
  /** Uncertainties of the magnitudes, mag. Used only by a loss that weighs points by their errors. */
  error?: ArrayLike<number>;
  /** The object's name. Default: its place in the list. */
  id?: string;
  /** The band it was observed in. */
  band?: string;
  /** The object's class, if it is known. */
  class?: string;
  /** The number that a regressor learns, such as the object's period, if it is known. */
  value?: number;
}

/** How light curves become a dataset. */
export interface ArraysOptions {
  /** Share of the objects to validate with; the rest is trained on. Bands of one `id` stay together. Default: 0.1. */
  validationFraction?: number;
  /** Of that choice. */
  seed?: number;
}

/** A name for a light curve in a message. */
function nameOf({ id }: LightCurve, i: number): string {
  return id === undefined ? `light curve ${i}` : `light curve ${i} ("${id}")`;
}

/**
 * @throws {TypeError} when something is not an array of numbers
 * @throws {RangeError} when lengths differ, there are fewer than 5 observations, or a value is not finite
 */
function check(curve: LightCurve, i: number): void {
  if (typeof curve !== "object" || curve === null) {
    throw new TypeError(`light curve ${i} must be an object { mjd, magnitude, error }, not ${curve}`);
  }
  const name = nameOf(curve, i), n = curve.mjd?.length;
  const columns = { mjd: curve.mjd, magnitude: curve.magnitude, error: curve.error };
  for (const [column, values] of Object.entries(columns)) {
    if (values === undefined && column === "error") continue;
    if (!(Array.isArray(values) || ArrayBuffer.isView(values) && !(values instanceof DataView))) {
      throw new TypeError(`${name}: ${column} must be an array of numbers, not ${typeof values}`);
    }
    if (values.length !== n) {
      throw new RangeError(`${name}: mjd has ${n} values, but ${column} has ${values.length}`);
    }
    for (let k = 0; k < n; k++) {
      if (typeof values[k] !== "number") {
        throw new TypeError(`${name}: ${column}[${k}] must be a number, not ${typeof values[k]}`);
      }
      // As float32, in which magnitudes are kept.
      if (!Number.isFinite(column === "mjd" ? values[k] : Math.fround(values[k]))) {
        throw new RangeError(`${name}: ${column}[${k}] is ${values[k]}, all values must be finite`);
      }
    }
  }
  if (n < shortestLightCurve) {
    throw new RangeError(`${name} has ${n} observations, at least ${shortestLightCurve} are needed`);
  }
}

/**
 * Light curves as a dataset: copied, each sorted by time.
 * @throws {TypeError | RangeError} naming the light curve, the array and the element that is wrong
 */
export function datasetOf(
  lightCurves: readonly LightCurve[],
  { validationFraction = 0.1, seed = 0 }: ArraysOptions = {},
): Dataset {
  if (!Array.isArray(lightCurves)) {
    throw new TypeError("light curves are given as an array of { mjd, magnitude, error }");
  }
  lightCurves.forEach(check);
  const lengths = Int32Array.from(lightCurves, ({ mjd }) => mjd.length);
  const offsets = new Float64Array(lengths.length);
  for (let i = 1; i < lengths.length; i++) offsets[i] = offsets[i - 1] + lengths[i - 1];
  const total = lengths.reduce((sum, length) => sum + length, 0);
  const mjd = new Float64Array(total), mag = new Float32Array(total), err = new Float32Array(total);
  for (const [i, { mjd: times, magnitude, error }] of lightCurves.entries()) {
    const order = Array.from({ length: lengths[i] }, (_, k) => k).sort((a, b) => times[a] - times[b]);
    for (const [k, from] of order.entries()) {
      const at = offsets[i] + k;
      mjd[at] = times[from];
      mag[at] = magnitude[from];
      err[at] = error?.[from] ?? 0;
    }
  }
  const hash = createHash("sha256");
  for (const values of [lengths, mjd, mag, err]) hash.update(new Uint8Array(values.buffer));
  const ids = lightCurves.map(({ id }, i) => id ?? String(i));
  const objects = seeded(seed, 0xa77a).shuffle([...Map.groupBy(ids.keys(), (i) => ids[i]).values()]);
  const validated = new Set(objects.slice(0, Math.round(validationFraction * objects.length)).flat());
  return {
    folder: "arrays",
    fingerprint: hash.digest("hex"),
    preprocessing: {},
    size: lightCurves.length,
    ids,
    bands: lightCurves.map(({ band }) => band ?? null),
    classes: lightCurves.map((curve) => curve.class ?? null),
    subsets: lightCurves.map((_, i): Subset => validated.has(i) ? "validation" : "train"),
    offsets,
    lengths,
    mjd,
    mag,
    err,
    [Symbol.dispose]() {},
  };
}
