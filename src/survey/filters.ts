/**
 * Which observations and light curves stay (Astromer 2, section 4.1): observations with impossible errors go, then the
 * tails of each light curve's magnitudes, then light curves that look like noise, then those that are too short.
 */
import type { Bucket, Observations } from "./buckets.ts";
import type { Database } from "./duckdb.ts";

/** The thresholds. Observation filters always work; `trim` and `noise_filter` can be off. */
export interface FilterSettings {
  /** Errors under or over these go, in magnitudes. */
  min_error: number;
  max_error: number;
  /** Magnitudes outside of these two go, where given. */
  magnitude_range?: readonly number[];
  trim: boolean;
  /** Two percentiles: magnitudes under the first or over the second of their light curve go. */
  trim_percentiles: readonly number[];
  noise_filter: boolean;
  /** A light curve whose |excess kurtosis| (0 for a Gaussian), |skewness| or std is over these is a signal … */
  noise_kurtosis: number;
  noise_skewness: number;
  noise_std: number;
  /** … when any, or all three, are. */
  noise_criteria: "any" | "all";
  min_observations: number;
}

/** What the filters leave of a light curve, and what is known of it then. */
export interface Filtered extends Observations {
  /** Observations left after each filter: impossible errors and values, exact repeats, trimming, noise, length. */
  left: readonly [range: number, unique: number, trim: number, noise: number, final: number];
  /** Whether it looks like a signal by the noise filter's criteria, whether or not that filter works. */
  signal: boolean;
  /** Moments of what is left after trimming, not a number where there is none. */
  moments: Moments;
}

/**
 * Moments of the sample itself, without small-sample corrections: std = m2^(1/2), skewness = m3 / m2^(3/2), kurtosis = m4 / m2^2 - 3
 * (Fisher's excess; the paper does not say which, and with a threshold of 10 the difference of 3 hardly matters). A constant
 * light curve has neither skewness nor kurtosis (not a number).
 */
export interface Moments {
  mean: number;
  std: number;
  skewness: number;
  kurtosis: number;
  meanError: number;
}

/** The part of the filters that looks at one observation alone, as a condition in SQL on time, mag and err. */
export function inRange({ min_error, max_error, magnitude_range }: FilterSettings): string {
  // Compared as FLOAT: 0.1 read as float32 is a little over the double 0.1.
  const magnitudes = magnitude_range &&
    `mag BETWEEN ${magnitude_range[0]}::FLOAT AND ${magnitude_range[1]}::FLOAT`;
  return [
    `isfinite(time) AND isfinite(mag)`,
    // An error that is unknown is none that is out of range.
    `(err IS NULL OR err BETWEEN ${min_error}::FLOAT AND ${max_error}::FLOAT)`,
    ...(magnitudes ? [magnitudes] : []),
  ].join(" AND ");
}

/** The light curves of a bucket, filtered. */
export interface FilteredBucket extends Observations {
  /** Observations of each light curve that stay. */
  lengths: Int32Array;
  /** A row of the table `summary` for each light curve, by columns. */
  summary: readonly (Int32Array | Float64Array)[];
}

/**
 * Makes the table `summary`: how many observations of a light curve each filter leaves, whether it looks like noise (0 or 1), two
 * hashes of what is left, by which copies are found, and the moments after trimming.
 */
export async function createSummary(db: Database): Promise<void> {
  const counts = ["lc", "n_range", "n_unique", "n_trim", "n_noise", "n_final", "noise", "hash", "other_hash"];
  const numbers = [
    "mean_magnitude",
    "std_magnitude",
    "skewness",
    "kurtosis",
    "mean_error",
    "first_mjd",
    "last_mjd",
  ];
  const columns = [...counts.map((name) => `${name} INTEGER`), ...numbers.map((name) => `${name} DOUBLE`)];
  await db.run(`CREATE TABLE summary (${columns.join(", ")})`);
}

/** Filters the light curves of a bucket, in place. */
export function filterBucket(bucket: Bucket, settings: FilterSettings): FilteredBucket {
  const { first, starts } = bucket, size = starts.length - 1;
  const lightCurves = Int32Array.from({ length: size }, (_, i) => first + i);
  const counts = Array.from({ length: 8 }, () => new Int32Array(size));
  const numbers = Array.from({ length: 7 }, () => new Float64Array(size));
  let end = 0;
  for (let i = 0; i < size; i++) {
    const { left, signal, moments, time, mag, err } = filterLightCurve(
      part(bucket, starts[i], starts[i + 1]),
      settings,
    );
    left.forEach((n, k) => counts[k][i] = n);
    counts[5][i] = signal ? 0 : 1;
    [counts[6][i], counts[7][i]] = hashesOf(time, mag);
    const { mean, std, skewness, kurtosis, meanError } = moments;
    const row = [mean, std, skewness, kurtosis, meanError, time[0] ?? NaN, time.at(-1) ?? NaN];
    row.forEach((value, k) => numbers[k][i] = value);
    bucket.time.set(time, end);
    bucket.mag.set(mag, end);
    bucket.err.set(err, end);
    end += time.length;
  }
  return { ...part(bucket, 0, end), lengths: counts[4], summary: [lightCurves, ...counts, ...numbers] };
}

/**
 * Filters one light curve, in place.
 * @param curve its observations that are {@link inRange}, in any order; they are changed
 * @returns those that stay, ordered by time, magnitude and error (none, when the light curve goes), as a part of the same arrays
 */
export function filterLightCurve(curve: Observations, settings: FilterSettings): Filtered {
  const inOrder = sortedDistinct(curve);
  const trimmed = settings.trim ? trim(inOrder, settings.trim_percentiles) : inOrder;
  const n = trimmed.time.length, moments = momentsOf(trimmed);
  const signal = isSignal(moments, settings), noise = settings.noise_filter && !signal ? 0 : n;
  const final = noise >= settings.min_observations ? noise : 0;
  const left = [curve.time.length, inOrder.time.length, n, noise, final] as const;
  return { ...part(trimmed, 0, final), left, signal, moments };
}

/** Two hashes of the bits of times and magnitudes (the multiplicative step of FNV-1a, from two starts): light curves with both alike are copies. */
function hashesOf(time: Float64Array, mag: Float32Array): [number, number] {
  let one = 0x811c9dc5 | 0, other = 0x01000193 | 0;
  const words = [
    new Uint32Array(time.buffer, time.byteOffset, 2 * time.length),
    new Uint32Array(mag.buffer, mag.byteOffset, mag.length),
  ];
  for (const bits of words) {
    for (let i = 0; i < bits.length; i++) {
      one = Math.imul(one ^ bits[i], 0x01000193);
      one ^= one >>> 15;
      other = Math.imul(other ^ bits[i], 0x85ebca6b);
      other ^= other >>> 13;
    }
  }
  return [one, other];
}

function part({ time, mag, err }: Observations, start: number, end: number): Observations {
  return { time: time.subarray(start, end), mag: mag.subarray(start, end), err: err.subarray(start, end) };
}

/** Orders observations by time, magnitude and error, and drops exact repeats. */
function sortedDistinct(curve: Observations): Observations {
  const { time, mag, err } = curve, n = time.length;
  const compare = (a: number, b: number) => time[a] - time[b] || mag[a] - mag[b] || err[a] - err[b];
  let ascending = 1;
  while (ascending < n && compare(ascending - 1, ascending) < 0) ascending++;
  if (ascending >= n) return curve;
  const order = mergeSorted(n, compare);
  const times = time.slice(), mags = mag.slice(), errs = err.slice();
  let distinct = 0;
  for (let i = 0; i < n; i++) {
    const row = order[i];
    time[distinct] = times[row];
    mag[distinct] = mags[row];
    err[distinct] = errs[row];
    if (distinct === 0 || compare(distinct - 1, distinct) !== 0) distinct++;
  }
  return part(curve, 0, distinct);
}

/** The numbers 0 to n in order, by merging runs of 1, 2, 4, …: faster than a typed array's own sort by a comparison. */
function mergeSorted(n: number, compare: (a: number, b: number) => number): Uint32Array {
  let order = new Uint32Array(n), merged = new Uint32Array(n);
  for (let i = 0; i < n; i++) order[i] = i;
  for (let run = 1; run < n; run *= 2) {
    for (let start = 0; start < n; start += 2 * run) {
      const middle = Math.min(start + run, n), end = Math.min(start + 2 * run, n);
      for (let left = start, right = middle, at = start; at < end; at++) {
        const takesLeft = right === end || left < middle && compare(order[left], order[right]) <= 0;
        merged[at] = order[takesLeft ? left++ : right++];
      }
    }
    [order, merged] = [merged, order];
  }
  return order;
}

/** Drops what is under the first or over the second percentile of the magnitudes. */
function trim(curve: Observations, percentiles: readonly number[]): Observations {
  const { time, mag, err } = curve, scratch = mag.slice();
  const [low, high] = percentiles.map((percent) => quantile(scratch, percent / 100));
  let kept = 0;
  for (let i = 0; i < mag.length; i++) {
    if (mag[i] < low || mag[i] > high) continue;
    time[kept] = time[i];
    mag[kept] = mag[i];
    err[kept++] = err[i];
  }
  return part(curve, 0, kept);
}

/** A quantile, interpolated linearly between order statistics; reorders the values. */
export function quantile(values: Float32Array, share: number): number {
  const rank = (values.length - 1) * share, below = Math.floor(rank);
  const low = orderStatistic(values, below);
  if (rank === below) return low;
  // What stands behind the order statistic is not less than it.
  let next = Infinity;
  for (let i = below + 1; i < values.length; i++) if (values[i] < next) next = values[i];
  return low + (rank - below) * (next - low);
}

/** The value of a rank from 0, with no smaller one behind it and no larger one before it (Hoare 1961, "Find"). */
function orderStatistic(values: Float32Array, rank: number): number {
  let left = 0, right = values.length - 1;
  while (left < right) {
    const pivot = values[(left + right) >> 1];
    let i = left, j = right;
    while (i <= j) {
      while (values[i] < pivot) i++;
      while (pivot < values[j]) j--;
      if (i > j) break;
      const value = values[i];
      values[i++] = values[j];
      values[j--] = value;
    }
    if (j < rank) left = i;
    if (rank < i) right = j;
  }
  return values[rank];
}

function momentsOf({ mag, err }: Observations): Moments {
  const n = mag.length;
  let sum = 0, errors = 0, m2 = 0, m3 = 0, m4 = 0;
  for (let i = 0; i < n; i++) {
    sum += mag[i];
    errors += err[i];
  }
  const mean = sum / n;
  for (let i = 0; i < n; i++) {
    const d = mag[i] - mean, square = d * d;
    m2 += square;
    m3 += square * d;
    m4 += square * square;
  }
  m2 /= n;
  const std = Math.sqrt(m2);
  return {
    mean,
    std,
    skewness: m2 > 0 ? m3 / n / std ** 3 : NaN,
    kurtosis: m2 > 0 ? m4 / n / m2 ** 2 - 3 : NaN,
    meanError: errors / n,
  };
}

function isSignal({ std, skewness, kurtosis }: Moments, settings: FilterSettings): boolean {
  const met = [
    Math.abs(kurtosis) > settings.noise_kurtosis,
    Math.abs(skewness) > settings.noise_skewness,
    std > settings.noise_std,
  ];
  return settings.noise_criteria === "any" ? met.includes(true) : !met.includes(false);
}

/** How much is left after a filter. */
export interface Count {
  light_curves: number;
  observations: number;
}

/** A filter, and how much is left after it, in total and by class (absent where no light curve has a class). */
export interface Stage extends Count {
  name: string;
  /** Those of a class; light curves without one are under "(none)". */
  classes: Record<string, Count>;
}

/** What is left after each filter, in order. */
export async function countStages(
  db: Database,
  settings: FilterSettings,
  dropsUnlisted: boolean,
): Promise<Stage[]> {
  const { min_error, max_error, magnitude_range, trim_percentiles: [low, high], noise_criteria } = settings;
  const stages = [
    { name: "readable rows", n: "n_read" },
    ...(dropsUnlisted ? [{ name: "in the split file", n: "n_listed" }] : []),
    {
      name: `finite, error ${min_error} to ${max_error}` +
        (magnitude_range ? `, magnitude ${magnitude_range[0]} to ${magnitude_range[1]}` : ""),
      n: "n_range",
    },
    { name: "exact repeats dropped", n: "n_unique" },
    ...(settings.trim ? [{ name: `magnitudes within percentiles ${low} to ${high}`, n: "n_trim" }] : []),
    ...(settings.noise_filter ? [{ name: `not noise (${noise_criteria} criteria)`, n: "n_noise" }] : []),
    { name: `at least ${settings.min_observations} observations`, n: "n_final" },
  ];
  const sums = stages.flatMap(({ n }, i) => [
    `count(*) FILTER (coalesce(${n}, 0) > 0) AS light_curves_${i}`,
    `coalesce(sum(${n}), 0) AS observations_${i}`,
  ]);
  const rows = await db.rows<Record<string, number> & { label: string }>(
    `SELECT coalesce(class, '(none)') AS label, ${sums.join(", ")}
      FROM (SELECT *, CASE WHEN listed THEN n_read ELSE 0 END AS n_listed FROM light_curves LEFT JOIN summary USING (lc))
      GROUP BY class ORDER BY class NULLS LAST`,
  );
  return stages.map(({ name }, i) => {
    const classes = Object.fromEntries(rows.map((row) => [row.label as string, {
      light_curves: row[`light_curves_${i}`],
      observations: row[`observations_${i}`],
    }]));
    const total = (key: keyof Count) => Object.values(classes).reduce((sum, count) => sum + count[key], 0);
    return { name, light_curves: total("light_curves"), observations: total("observations"), classes };
  });
}
