/** Light curves in memory, for tests of what reads a dataset. */
import type { Dataset, Subset } from "../../src/data/dataset.ts";
import { seeded } from "../../src/common/random.ts";

/** One light curve: times, magnitudes, uncertainties. */
export interface LightCurve {
  mjd: readonly number[];
  mag: readonly number[];
  err: readonly number[];
}

/** A dataset of light curves that are given. */
export function datasetOf(curves: readonly LightCurve[], subsets: readonly Subset[] = []): Dataset {
  const lengths = Int32Array.from(curves, ({ mjd }) => mjd.length);
  const offsets = new Float64Array(curves.length);
  for (let i = 1; i < curves.length; i++) offsets[i] = offsets[i - 1] + lengths[i - 1];
  return {
    folder: "memory",
    fingerprint: "0",
    preprocessing: {},
    size: curves.length,
    ids: curves.map((_, i) => `star-${i}`),
    bands: curves.map(() => null),
    classes: curves.map(() => null),
    subsets: curves.map((_, i) => subsets[i] ?? "train"),
    offsets,
    lengths,
    mjd: Float64Array.from(curves.flatMap(({ mjd }) => mjd)),
    mag: Float32Array.from(curves.flatMap(({ mag }) => mag)),
    err: Float32Array.from(curves.flatMap(({ err }) => err)),
    [Symbol.dispose]() {},
  };
}

/** Sinusoids of several periods, sampled as a survey does, with noise; all from a seed. */
export function sinusoids(lengths: readonly number[], seed = 0): LightCurve[] {
  return lengths.map((length, i) => {
    const random = seeded(seed, 0x51e5, i);
    const period = 5 + 40 * random.next(), phase = 6 * random.next();
    let time = 50_000 + 1000 * random.next();
    const mjd = Array.from({ length }, () => time += 0.2 + 3 * random.next());
    return {
      mjd,
      mag: mjd.map((t) => 12 + 0.5 * Math.sin(2 * Math.PI * t / period + phase) + 0.02 * random.normal()),
      err: mjd.map(() => 0.01 + 0.05 * random.next()),
    };
  });
}

/** A dataset of {@link sinusoids}. */
export function sinusoidDataset(
  lengths: readonly number[],
  { seed = 0, subsets }: { seed?: number; subsets?: readonly Subset[] } = {},
): Dataset {
  return datasetOf(sinusoids(lengths, seed), subsets);
}

/** All of each light curve as one window. */
export function wholeWindows({ lengths }: Pick<Dataset, "lengths">) {
  return Array.from(lengths, (length, lightCurve) => ({ lightCurve, start: 0, length }));
}
