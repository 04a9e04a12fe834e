/** The same stars with fewer observations, or with times that say nothing. */
import type { Dataset } from "../data/dataset.ts";
import { seeded } from "../common/random.ts";

/** What is done to light curves before vectors are made. */
export interface Variant {
  /** Observations drawn at random of each light curve (of shorter ones all); undefined = all. */
  observations?: number;
  /** Magnitudes and errors stand at each other's times. */
  shuffled?: boolean;
}

/** Of folders and tables: all, 25, shuffled. */
export function variantName({ observations, shuffled }: Variant): string {
  return shuffled ? "shuffled" : observations === undefined ? "all" : String(observations);
}

/**
 * Some light curves of a dataset, changed, in memory. Fewer observations of a star are part of its more ones, and the same
 * whatever other stars there are.
 */
export function changed(
  dataset: Dataset,
  lightCurves: readonly number[],
  { observations = Infinity, shuffled = false }: Variant,
  seed: number,
): Dataset {
  const lengths = Int32Array.from(lightCurves, (i) => Math.min(observations, dataset.lengths[i]));
  const offsets = new Float64Array(lengths.length);
  for (let k = 1; k < lengths.length; k++) offsets[k] = offsets[k - 1] + lengths[k - 1];
  const total = lengths.reduce((sum, length) => sum + length, 0);
  const mjd = new Float64Array(total), mag = new Float32Array(total), err = new Float32Array(total);
  for (const [k, i] of lightCurves.entries()) {
    const n = dataset.lengths[i], from = dataset.offsets[i], random = seeded(seed, 0xc07, i);
    const order = random.shuffle(Int32Array.from({ length: n }, (_, j) => j));
    const times = order.slice(0, lengths[k]).sort();
    for (let j = 0; j < lengths[k]; j++) {
      const value = shuffled ? order[j] : times[j];
      mjd[offsets[k] + j] = dataset.mjd[from + times[j]];
      mag[offsets[k] + j] = dataset.mag[from + value];
      err[offsets[k] + j] = dataset.err[from + value];
    }
  }
  return {
    folder: dataset.folder,
    fingerprint: dataset.fingerprint,
    preprocessing: dataset.preprocessing,
    size: lightCurves.length,
    ids: lightCurves.map((i) => dataset.ids[i]),
    bands: lightCurves.map((i) => dataset.bands[i]),
    classes: lightCurves.map((i) => dataset.classes[i]),
    subsets: lightCurves.map((i) => dataset.subsets[i]),
    offsets,
    lengths,
    mjd,
    mag,
    err,
    [Symbol.dispose]() {},
  };
}
