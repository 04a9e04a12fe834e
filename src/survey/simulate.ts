/** A simulated survey of variable stars, in the reference's layout of files. */
import { InputError } from "../errors.ts";
import { flush, refuseForeignFolder, writeFolderAtomically } from "../files/atomic.ts";
import { duration } from "../progress.ts";
import { seeded } from "../random.ts";
import { Database, type Resources, text } from "./duckdb.ts";
import { clearNights, meanMagnitude, measure, visitTimes } from "./observing.ts";
import { type Progress, silent } from "./progress.ts";
import { variableTypes } from "./variable_stars.ts";

/** A simulated light curve. */
export interface SimulatedLightCurve {
  /** Index into {@link variableTypes}. */
  label: number;
  /** True period in days. */
  period: number;
  /** MJD, ascending. */
  mjd: Float64Array;
  /** Magnitudes and their stated errors. */
  mag: Float32Array;
  err: Float32Array;
}

/**
 * Draws light curve number `index` of the survey named by `seed`. Each has random numbers of its own: it is the same in a
 * survey of ten and of a million.
 * @param clear the survey's nights, from `clearNights(seed)`
 * @param visits visits on average; stars differ by about a factor of 1.5, and the faint ones lose some
 */
export function simulateLightCurve(
  seed: number,
  index: number,
  clear: Uint8Array,
  visits: number,
): SimulatedLightCurve {
  const random = seeded(seed, 1, index);
  const label = random.integer(variableTypes.length);
  const star = variableTypes[label].draw(random), mean = meanMagnitude(random);
  const spread = 0.4, own = visits * Math.exp(spread * random.normal() - spread ** 2 / 2);
  const times = visitTimes(random, clear, own);
  const mjd = new Float64Array(times.length),
    mag = new Float32Array(times.length),
    err = new Float32Array(times.length);
  let n = 0;
  for (const time of times) {
    const measured = measure(random, mean + star.change(time));
    if (measured === null) continue;
    mjd[n] = time;
    mag[n] = measured.mag;
    err[n++] = measured.err;
  }
  return {
    label,
    period: star.period,
    mjd: mjd.subarray(0, n),
    mag: mag.subarray(0, n),
    err: err.subarray(0, n),
  };
}

/** What a simulation can be told. */
export interface SimulateSettings extends Resources {
  output: string;
  /** How many light curves, or … */
  light_curves?: number;
  /** … about how many observations in all. */
  observations?: number;
  /** Observations of a light curve, on average. */
  mean_length: number;
  seed: number;
  format: "parquet" | "csv";
  /** Observations of one file, about. */
  shard_observations: number;
}

/** How large a simulated survey came out. */
export interface Simulated {
  light_curves: number;
  observations: number;
  shards: number;
}

/**
 * Writes a survey as `observations/000.parquet`, … (newID, mjd, mag, errmag) and `metadata.parquet` (newID, ID, Class, Band, Label,
 * shard, n_obs, period), one shard in memory at a time. The folder appears when it is complete.
 * @throws {InputError} when neither or both of light_curves and observations are given
 */
export async function simulate(settings: SimulateSettings, progress: Progress = silent): Promise<Simulated> {
  const { output, observations, mean_length, seed, format } = settings;
  if ((settings.light_curves === undefined) === (observations === undefined)) {
    throw new InputError("give either --light-curves or --observations: how large shall the survey be?");
  }
  const total = settings.light_curves ?? Math.max(1, Math.round(observations! / mean_length));
  await refuseForeignFolder(output, `metadata.${format}`, `a simulated survey in ${format}`);
  using db = await Database.open(undefined, settings);
  await db.run(
    `CREATE TABLE metadata ("newID" INTEGER, "ID" VARCHAR, "Class" VARCHAR, "Band" VARCHAR, "Label" INTEGER,
      shard VARCHAR, n_obs INTEGER, period DOUBLE)`,
  );
  const clear = clearNights(seed), start = performance.now();
  let done = 0, written = 0, shards = 0;
  await progress.stage(
    `simulating ${total} light curves`,
    () =>
      writeFolderAtomically(output, async (folder) => {
        await Deno.mkdir(`${folder}/observations`);
        while (done < total) {
          const shard = `${String(shards++).padStart(3, "0")}.${format}`;
          const curves: SimulatedLightCurve[] = [];
          let rows = 0;
          const first = done;
          while (done < total && rows < settings.shard_observations) {
            const curve = simulateLightCurve(seed, done++, clear, mean_length);
            curves.push(curve);
            rows += curve.mjd.length;
            progress.at(() => paceOf(done, total, written + rows, performance.now() - start));
          }
          await writeShard(db, `${folder}/observations/${shard}`, format, first, curves, rows);
          await appendMetadata(db, shard, first, curves);
          written += rows;
        }
        await flush(`${folder}/observations`);
        await copyTo(db, `SELECT * FROM metadata`, `${folder}/metadata.${format}`, format);
      }),
  );
  return { light_curves: total, observations: written, shards };
}

async function writeShard(
  db: Database,
  path: string,
  format: SimulateSettings["format"],
  first: number,
  curves: SimulatedLightCurve[],
  rows: number,
): Promise<void> {
  const id = new Int32Array(rows),
    mjd = new Float64Array(rows),
    mag = new Float32Array(rows),
    err = new Float32Array(rows);
  let at = 0;
  for (const [i, curve] of curves.entries()) {
    id.fill(first + i, at, at + curve.mjd.length);
    mjd.set(curve.mjd, at);
    mag.set(curve.mag, at);
    err.set(curve.err, at);
    at += curve.mjd.length;
  }
  await db.run(`CREATE OR REPLACE TABLE shard ("newID" INTEGER, mjd DOUBLE, mag FLOAT, errmag FLOAT)`);
  await db.append("shard", [id, mjd, mag, err]);
  await copyTo(db, `SELECT * FROM shard`, path, format);
  await flush(path);
}

function appendMetadata(
  db: Database,
  shard: string,
  first: number,
  curves: SimulatedLightCurve[],
): Promise<void> {
  return db.append("metadata", [
    Int32Array.from(curves, (_, i) => first + i),
    curves.map((_, i) => `SIM${String(first + i).padStart(8, "0")}`),
    curves.map(({ label }) => variableTypes[label].name),
    curves.map(() => "V"),
    Int32Array.from(curves, ({ label }) => label),
    curves.map(() => shard),
    Int32Array.from(curves, ({ mjd }) => mjd.length),
    Float64Array.from(curves, ({ period }) => period),
  ]);
}

function copyTo(
  db: Database,
  query: string,
  path: string,
  format: SimulateSettings["format"],
): Promise<void> {
  const options = format === "parquet" ? "FORMAT parquet, COMPRESSION snappy" : "FORMAT csv, HEADER";
  return db.run(`COPY (${query}) TO ${text(path)} (${options})`);
}

function paceOf(done: number, total: number, observations: number, milliseconds: number): string {
  const seconds = milliseconds / 1000, rate = (observations / seconds / 1e6).toFixed(2);
  return `${done} light curves, ${rate} M observations/s, ${duration(seconds * (total / done - 1))} left`;
}
