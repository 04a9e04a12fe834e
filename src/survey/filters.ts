/**
 * Which observations and light curves stay (Astromer 2, section 4.1): observations with impossible errors go, then the
 * tails of each light curve's magnitudes, then light curves that look like noise, then those that are too short.
 */
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

/**
 * Rows of one batch. A batch is whole light curves, so what a filter asks of a light curve is computed within one batch,
 * in bounded memory, however large the survey is.
 */
const batchRows = 8_000_000;

/**
 * From `clustered` (lc, time, mag, err; ordered by lc) makes
 * - `kept`: the observations that stay, ordered by lc, time, mag, err;
 * - `summary`: a row a light curve: how many observations are left after each filter (`n_range`, `n_unique`, `n_trim`, `n_noise`,
 *   `n_final`), and the moments of what is left after trimming.
 *
 * Percentiles interpolate linearly between order statistics. Moments are those of the sample itself, without small-sample corrections:
 * std = m2^(1/2), skewness = m3 / m2^(3/2), kurtosis = m4 / m2^2 - 3 (Fisher's excess; the paper does not say which, and
 * with a threshold of 10 the difference of 3 hardly matters). A constant light curve has neither skewness nor kurtosis (null).
 */
export async function filterObservations(db: Database, settings: FilterSettings): Promise<void> {
  await db.run(`CREATE TABLE kept (lc INTEGER, time DOUBLE, mag FLOAT, err FLOAT)`);
  await db.run(
    `CREATE TABLE summary (lc INTEGER, n_range BIGINT, n_unique BIGINT, n_trim BIGINT, n_noise BIGINT, n_final BIGINT,
      mean_magnitude DOUBLE, std_magnitude DOUBLE, skewness DOUBLE, kurtosis DOUBLE, mean_error DOUBLE,
      first_mjd DOUBLE, last_mjd DOUBLE, low DOUBLE, high DOUBLE)`,
  );
  const batches = await db.rows<{ first: number; last: number }>(
    `SELECT min(lc) AS first, max(lc) AS last
      FROM (SELECT lc, (sum(n_read) OVER (ORDER BY lc) // ${batchRows}) AS part FROM light_curves)
      GROUP BY part ORDER BY first`,
  );
  const { threads } = await db.row<{ threads: number }>(`SELECT current_setting('threads') AS threads`);
  for (const { first, last } of batches) {
    await db.run(
      `CREATE OR REPLACE TEMP TABLE batch AS
        SELECT lc, time, mag, err, count(*) AS copies FROM clustered
        WHERE lc BETWEEN ${first} AND ${last} AND ${inRange(settings)}
        GROUP BY ALL ORDER BY ALL`,
    );
    const [low, high] = settings.trim
      ? settings.trim_percentiles.map((percent) => `quantile_cont(mag::DOUBLE, ${percent / 100})`)
      : ["min(mag)", "max(mag)"];
    await db.run(
      `CREATE OR REPLACE TEMP TABLE bounds AS
        SELECT lc, sum(copies) AS n_range, count(*) AS n_unique, ${low} AS low, ${high} AS high FROM batch GROUP BY lc`,
    );
    // One thread adds in one order: the moments come out the same to the last bit, whatever the machine.
    await db.run(`SET threads = 1`);
    await db.run(summarised(settings));
    await db.run(`SET threads = ${threads}`);
    await db.run(
      `INSERT INTO kept SELECT lc, time, mag, err FROM batch JOIN summary USING (lc)
        WHERE n_final > 0 AND mag BETWEEN low AND high ORDER BY ALL`,
    );
  }
  await db.run(`DROP TABLE IF EXISTS batch`);
}

function inRange({ min_error, max_error, magnitude_range }: FilterSettings): string {
  // Compared as FLOAT: 0.1 read as float32 is a little over the double 0.1.
  const magnitudes = magnitude_range &&
    `mag BETWEEN ${magnitude_range[0]}::FLOAT AND ${magnitude_range[1]}::FLOAT`;
  return [
    `isfinite(time) AND isfinite(mag) AND isfinite(err)`,
    `err BETWEEN ${min_error}::FLOAT AND ${max_error}::FLOAT`,
    ...(magnitudes ? [magnitudes] : []),
  ].join(" AND ");
}

function summarised(settings: FilterSettings): string {
  const { noise_filter, noise_kurtosis, noise_skewness, noise_std, noise_criteria, min_observations } =
    settings;
  const criteria = [
    `abs(kurtosis) > ${noise_kurtosis}`,
    `abs(skewness) > ${noise_skewness}`,
    `std > ${noise_std}`,
  ];
  const signal = criteria.map((c) => `coalesce(${c}, false)`).join(
    noise_criteria === "any" ? " OR " : " AND ",
  );
  return `
    INSERT INTO summary
    WITH trimmed AS (
      SELECT lc, time, mag::DOUBLE AS mag, err::DOUBLE AS err FROM batch JOIN bounds USING (lc) WHERE mag BETWEEN low AND high),
    means AS (
      SELECT lc, count(*) AS n, avg(mag) AS mean, avg(err) AS mean_error, min(time) AS first, max(time) AS last
      FROM trimmed GROUP BY lc),
    central AS (
      SELECT lc, avg(d ** 2) AS m2, avg(d ** 3) AS m3, avg(d ** 4) AS m4
      FROM (SELECT lc, mag - mean AS d FROM trimmed JOIN means USING (lc)) GROUP BY lc),
    moments AS (
      SELECT lc, sqrt(m2) AS std,
        CASE WHEN m2 > 0 THEN m3 / m2 ** 1.5 END AS skewness,
        CASE WHEN m2 > 0 THEN m4 / m2 ** 2 - 3 END AS kurtosis
      FROM central),
    judged AS (
      SELECT lc, CASE WHEN ${noise_filter ? signal : "true"} THEN n ELSE 0 END AS n_noise
      FROM means JOIN moments USING (lc))
    SELECT lc, n_range, n_unique, n, n_noise, CASE WHEN n_noise >= ${min_observations} THEN n_noise ELSE 0 END,
      mean, std, skewness, kurtosis, mean_error, first, last, low, high
    FROM bounds JOIN means USING (lc) JOIN moments USING (lc) JOIN judged USING (lc)`;
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
