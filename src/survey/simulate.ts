/** A simulated survey of variable stars, in the reference's layout of files. */
import { InputError } from "../common/errors.ts";
import { flush, refuseForeignFolder, writeFolderAtomically } from "../files/atomic.ts";
import { duration } from "../common/progress.ts";
import { Database, type Resources, text } from "./duckdb.ts";
import { type Progress, silent } from "./progress.ts";
import type { Order, SimulatedLightCurves } from "./simulated_light_curves.ts";
import { variableTypes } from "./variable_stars.ts";
import { inWorkers } from "./workers.ts";

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
 * shard, n_obs, period), a few shards in memory at a time: one a thread, and one that is written. The folder appears when it is complete.
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
  const shards = Math.max(1, Math.round(total * mean_length / settings.shard_observations));
  const perShard = Math.ceil(total / shards);
  const orders = Array.from({ length: Math.ceil(total / perShard) }, (_, k): Order => {
    const first = k * perShard;
    return { seed, first, count: Math.min(perShard, total - first), visits: mean_length };
  });
  const threads = settings.threads ?? navigator.hardwareConcurrency, start = performance.now();
  let done = 0, written = 0;
  await progress.stage(
    `simulating ${total} light curves`,
    () =>
      writeFolderAtomically(output, async (folder) => {
        await Deno.mkdir(`${folder}/observations`);
        const parts = inWorkers<Order, SimulatedLightCurves>(
          new URL("./simulate_worker.ts", import.meta.url),
          orders,
          threads,
        );
        for await (const part of parts) {
          const shard = `${String(part.first / perShard).padStart(3, "0")}.${format}`;
          await writeShard(db, `${folder}/observations/${shard}`, format, part);
          await appendMetadata(db, shard, part);
          done += part.lengths.length;
          written += part.mjd.length;
          progress.at(() => paceOf(done, total, written, performance.now() - start));
        }
        await flush(`${folder}/observations`);
        await copyTo(db, `SELECT * FROM metadata`, `${folder}/metadata.${format}`, format);
      }),
  );
  return { light_curves: total, observations: written, shards: orders.length };
}

async function writeShard(
  db: Database,
  path: string,
  format: SimulateSettings["format"],
  { ids, mjd, mag, err }: SimulatedLightCurves,
): Promise<void> {
  await db.run(`CREATE OR REPLACE TABLE shard ("newID" INTEGER, mjd DOUBLE, mag FLOAT, errmag FLOAT)`);
  await db.append("shard", [ids, mjd, mag, err]);
  await copyTo(db, `SELECT * FROM shard`, path, format);
  await flush(path);
}

function appendMetadata(
  db: Database,
  shard: string,
  { first, labels, periods, lengths }: SimulatedLightCurves,
): Promise<void> {
  const ids = labels.map((_, i) => first + i);
  return db.append("metadata", [
    ids,
    Array.from(ids, (id) => `SIM${String(id).padStart(8, "0")}`),
    Array.from(labels, (label) => variableTypes[label].name),
    Array.from(labels, () => "V"),
    labels,
    Array.from(labels, () => shard),
    lengths,
    periods,
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
