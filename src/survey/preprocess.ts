/** From survey files to a dataset folder, the whole way. */
import { createHash } from "node:crypto";
import { Failure, InputError } from "../common/errors.ts";
import { datasetVersions } from "../data/dataset.ts";
import {
  exists,
  landingOf,
  makeFolder,
  refuseForeignFolder,
  writeFolderAtomically,
  writeJson,
} from "../files/atomic.ts";
import type { ColumnType } from "../files/parquet.ts";
import { Buckets } from "./buckets.ts";
import {
  askedColumns,
  type Carried,
  type CarriedSettings,
  columnTypes,
  type KeptColumn,
  keptColumns,
} from "./carried.ts";
import { checksum, ObservationFiles, writeMetadata } from "./dataset_files.ts";
import { Database, type Resources } from "./duckdb.ts";
import { findFiles, type FoundFiles, type SurveyFile } from "./files.ts";
import {
  type Count,
  countStages,
  createSummary,
  filterBucket,
  type FilterSettings,
  inRange,
  type Stage,
} from "./filters.ts";
import type { Span } from "./histogram.ts";
import {
  type LabelSettings,
  readLabels,
  readPairs,
  readSplitFile,
  type SplitFileSettings,
} from "./labels.ts";
import { sharesOf } from "./memory.ts";
import { duration } from "../common/progress.ts";
import { joinStars } from "./stars.ts";
import { type Progress, silent } from "./progress.ts";
import { type ColumnSettings, type Reading, readObservations, refuse, type Unusable } from "./read.ts";
import { commonTimes } from "./times.ts";
import { assignSubsets, groupsOf, type Split, type Subset, subsets } from "./split.ts";

/** Everything that preprocessing can be told; see the command's help for each. */
export interface PreprocessSettings
  extends
    ColumnSettings,
    LabelSettings,
    CarriedSettings,
    Omit<FilterSettings, "trim" | "noise_filter">,
    Partial<SplitFileSettings>,
    Resources {
  input: readonly string[];
  output: string;
  /** Filters that are not asked for one by one. */
  recipe?: "paper";
  trim?: boolean;
  noise_filter?: boolean;
  strict: boolean;
  fractions: readonly number[];
  validation_fraction: number;
  unlisted?: Split["unlisted"];
  duplicates?: string;
  seed: number;
}

/** What `dataset.json` holds. */
export interface DatasetDescription {
  format: "astromer-dataset";
  version: number;
  inputs: { files: number; bytes: number; first: readonly { path: string; bytes: number }[] };
  settings: PreprocessSettings;
  columns: Reading["columns"];
  /** Columns of `metadata.parquet` that --keep carried along, and what they hold. */
  kept?: Record<string, ColumnType>;
  /** Whether `metadata.parquet` says by its column `star` which ids are one star (--object-radius, --duplicates). */
  stars?: boolean;
  light_curves: number;
  observations: number;
  stages: Stage[];
  subsets: Partial<Record<Subset, Count>>;
  classes: Record<string, Count>;
  unusable: Unusable[];
  /** Whole rows that are no measurements (limits, gaps), or that flags and --where made go. */
  filtered: Unusable[];
  warnings: string[];
  /** A guess from the numbers: "JD" (full Julian dates), "MJD", or "relative". */
  time_system: string;
  /**
   * What the times are by what files and surveys say ("mjd", "bjd - 2457000"), and the scale of their clock; null
   * where nothing does.
   */
  time_format: string | null;
  time_scale: string | null;
  magnitudes: Span;
  /** Days between neighbouring observations of a light curve; null when all have one observation. */
  time_steps: Span | null;
  checksums: Record<string, string>;
  /** SHA-256 over the checksums, in the order of the files' names. */
  fingerprint: string;
}

/** Of this many input files at most the dataset keeps the names. */
const namedInputs = 1000;

/**
 * Makes a dataset folder: `metadata.parquet`, `observations.safetensors`, `dataset.json`. The folder appears when it
 * is complete.
 * @returns what `dataset.json` holds
 * @throws {InputError} when a file, a column, a row (if strict) or a setting is wrong, or nothing is left
 */
export async function preprocess(
  given: PreprocessSettings,
  progress: Progress = silent,
): Promise<DatasetDescription> {
  const settings = await resolved(given);
  await refuseForeignFolder(settings.output, "dataset.json", "a dataset folder");
  return await withWorkFolder(settings.output, async (folder) => {
    const memory = sharesOf(settings.memory_limit);
    using db = await Database.open(folder, { ...settings, memory_limit: `${memory.database}B` });
    using observations = new ObservationFiles(folder);
    const found = await findFiles(db, settings.input, "input");
    const { files, reading, stages, warnings, pairs, listed } = await readSurvey(
      { db, folder, observations, buckets: memory.buckets, progress },
      settings,
      found,
    );
    refuseNothing(stages);

    let joined = false;
    await progress.stage("splitting", async () => {
      const rows = await db.rows<{ id: string }>(
        `SELECT DISTINCT id FROM summary JOIN light_curves USING (lc) WHERE n_final > 0 ORDER BY id`,
      );
      const ids = rows.map(({ id }) => id);
      if (settings.object_radius !== undefined) {
        const stars = await joinStars(db, ids, reading.carried, settings.object_radius);
        pairs.push(...stars.pairs);
        warnings.push(...stars.notes);
      }
      const groups = groupsOf(pairs);
      const subset = assignSubsets(ids, {
        seed: settings.seed,
        fractions: settings.fractions,
        listed,
        unlisted: settings.unlisted,
        validationFraction: settings.validation_fraction,
        groups,
      });
      await db.run(`CREATE TABLE subsets (id VARCHAR, subset VARCHAR)`);
      await db.append("subsets", [[...subset.keys()], [...subset.values()]]);
      joined = await writeStars(db, ids, groups);
      warnings.push(...await copiesAcross(db));
    });

    let description: DatasetDescription;
    await writeFolderAtomically(settings.output, async (temporary) => {
      const written = await progress.stage(
        "writing observations",
        () => observations.writeTo(`${temporary}/observations.safetensors`),
      );
      description = await progress.stage("writing metadata", async () => {
        const kept = await keptColumns(db, reading.carried);
        await writeMetadata(db, `${temporary}/metadata.parquet`, { kept, joined });
        const checksums = {
          "metadata.parquet": await checksum(`${temporary}/metadata.parquet`),
          "observations.safetensors": written,
        };
        return describe(db, {
          settings,
          files,
          reading,
          kept,
          joined,
          stages,
          warnings,
          checksums,
          ...observations.spans,
        });
      });
      await writeJson(`${temporary}/dataset.json`, description);
    });
    return description!;
  });
}

/** What a survey is read with. */
export interface Reader {
  db: Database;
  /** A folder for what does not fit into memory. */
  folder: string;
  observations: ObservationFiles;
  /** Memory for observations that wait for their light curve, in bytes. */
  buckets: number;
  progress: Progress;
}

/** A survey that was read, its observations filtered, before it is split and written. */
export interface ReadSurvey {
  files: readonly SurveyFile[];
  reading: Reading;
  stages: Stage[];
  warnings: string[];
  pairs: [string, string][];
  listed?: Map<string, Subset>;
}

/**
 * Reads a survey and filters it: of the tables, `raw`, `found`, `labels`, `light_curves` and `summary` are there then.
 * @param found the files, and what was passed over
 * @throws {InputError} when a file, a column, a row (if strict) or a setting is wrong
 */
export async function readSurvey(
  { db, folder, observations, buckets, progress }: Reader,
  settings: PreprocessSettings,
  { files, passedOver }: FoundFiles,
): Promise<ReadSurvey> {
  const split = settings.split_file === undefined
    ? undefined
    : await readSplitFile(db, settings as SplitFileSettings);
  const listed = split?.listed;
  const { pairs, unusable: oddPairs } = settings.duplicates === undefined
    ? { pairs: [], unusable: [] }
    : await readPairs(db, settings.duplicates);
  const asked = askedColumns(settings);
  const { unusable: oddLabels, labelled } = await readLabels(db, settings, asked);

  const reading = await progress.stage(
    `reading ${files.length} files`,
    () => readObservations(db, files, settings, inRange(settings as FilterSettings), asked, labelled),
  );
  reading.unusable.push(...oddLabels, ...split?.unusable ?? [], ...oddPairs);
  if (settings.strict) refuse(reading.unusable);
  const dropsUnlisted = settings.unlisted === "drop";
  const warnings = await progress.stage("counting light curves", async () => {
    await gatherLightCurves(db, files, reading);
    if (dropsUnlisted) await keepListed(db, [...listed!.keys()]);
    return [
      ...reading.notes,
      ...passedOver.map(({ reason, files, example }) => `passed over: ${files} ${reason}, e.g. ${example}`),
      ...await checkLabels(db, settings),
      ...await checkPairs(db, settings, pairs),
      ...await checkMagnitudes(db, settings),
    ];
  });
  if (reading.idFromFile) warnings.push("every file is one light curve, its id taken from the file's name");

  // Filters that nobody asked for do not work: trimming would cut eclipses, and the noise filter chooses what a model
  // sees.
  settings.trim ??= settings.recipe === "paper";
  settings.noise_filter ??= settings.recipe === "paper";
  const filters = settings as PreprocessSettings & FilterSettings;
  await progress.stage(
    "sorting and filtering",
    () => sortAndFilter(db, folder, filters, observations, buckets, progress),
  );
  const stages = await countStages(db, filters, dropsUnlisted);
  warnings.push(...await noiseKept(db, filters));
  return { files, reading, stages, warnings, pairs, listed };
}

/** Settings with the preset filled in, checked against each other. */
export async function resolved(given: PreprocessSettings): Promise<PreprocessSettings> {
  const present = Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined));
  const settings = { ...present } as unknown as PreprocessSettings;
  if (given.preset === "reference" && settings.input.length === 1) {
    const folder = settings.input[0].replace(/\/+$/, "");
    if (await exists(`${folder}/observations`)) {
      settings.input = [`${folder}/observations`];
      for (const name of ["metadata.parquet", "metadata.csv"]) {
        if (await exists(`${folder}/${name}`)) settings.labels ??= `${folder}/${name}`;
      }
    }
  }
  const sum = settings.fractions.reduce((a, b) => a + b, 0);
  if (settings.fractions.length !== 3 || Math.abs(sum - 1) > 1e-6 || settings.fractions.some((f) => f < 0)) {
    throw new InputError(
      `--fractions ${
        settings.fractions.join(",")
      }: three shares (train, validation, test) that add up to 1 are needed`,
    );
  }
  const [low, high] = settings.trim_percentiles;
  if (settings.trim_percentiles.length !== 2 || !(low >= 0 && low < high && high <= 100)) {
    throw new InputError(
      `--trim-percentiles ${
        settings.trim_percentiles.join(",")
      }: two percentiles are needed, 0 to 100, the lower first`,
    );
  }
  const range = settings.magnitude_range;
  if (range !== undefined && !(range.length === 2 && range[0] < range[1])) {
    throw new InputError(`--magnitude-range ${range.join(",")}: two magnitudes are needed, the lower first`);
  }
  if (settings.min_error > settings.max_error) {
    throw new InputError(`--min-error ${settings.min_error} is over --max-error ${settings.max_error}`);
  }
  if (settings.split_file === undefined) {
    for (const name of ["split_id", "split_subset", "split_holdout_column", "unlisted"] as const) {
      if (settings[name] !== undefined) {
        throw new InputError(
          `--${name.replaceAll("_", "-")} needs --split-file, which is not given`,
        );
      }
    }
  }
  if (settings.labels === undefined && (given.labels_id ?? given.labels_class) !== undefined) {
    throw new InputError("--labels-id and --labels-class need --labels, which is not given");
  }
  return settings;
}

/** Lends a folder beside the output that is gone afterwards, also after Ctrl-C. */
export async function withWorkFolder<T>(output: string, work: (folder: string) => Promise<T>): Promise<T> {
  const clean = await landingOf(output);
  const folder = `${clean}.${Deno.pid}.work.tmp`;
  const stop = () => {
    for (const path of [folder, `${clean}.${Deno.pid}.tmp`]) {
      try {
        Deno.removeSync(path, { recursive: true });
      } catch { /* it was not there */ }
    }
    Deno.exit(130);
  };
  await makeFolder(folder);
  for (const signal of ["SIGINT", "SIGTERM"] as const) Deno.addSignalListener(signal, stop);
  try {
    return await work(folder);
  } finally {
    for (const signal of ["SIGINT", "SIGTERM"] as const) Deno.removeSignalListener(signal, stop);
    await Deno.remove(folder, { recursive: true });
  }
}

/**
 * Makes `light_curves` (lc, id, band, class, n_read, n_sound, n_odd, listed; key, read_band as in `raw`) of what was
 * found: lc counts from 0, by id (as numbers if all are), then band.
 */
async function gatherLightCurves(
  db: Database,
  files: readonly SurveyFile[],
  { unusable, carried }: Reading,
): Promise<void> {
  const { n, numbers, decimal } = await db.row<{ n: number; numbers: boolean; decimal: boolean }>(
    `SELECT count(*) AS n, bool_and(regexp_full_match(key::VARCHAR, '-?[0-9]{1,18}([.]0+)?')) AS numbers,
      bool_and(regexp_full_match(key::VARCHAR, '-?[0-9]+[.]0+')) AS decimal FROM found WHERE reason IS NULL`,
  );
  if (n === 0) {
    const why = unusable.map(({ reason, rows, example }) => `; ${reason}: ${rows} rows, e.g. ${example}`)
      .join("");
    throw new InputError(
      `there is no usable observation in ${
        files.length === 1 ? files[0].path : `${files.length} files`
      }${why}`,
    );
  }
  const [two] = await db.rows<{ id: string; class: string; other: string }>(
    `SELECT key::VARCHAR AS id, class, other FROM found WHERE reason IS NULL AND class <> other ORDER BY id LIMIT 1`,
  );
  if (two) throw new InputError(`object "${two.id}" has two classes, "${two.class}" and "${two.other}"`);
  await db.run(
    `CREATE TABLE light_curves AS
      SELECT (row_number() OVER (ORDER BY ${
      numbers ? "id::BIGINT" : "id"
    }, id, found.band) - 1)::INTEGER AS lc,
        id, key, found.band AS read_band, coalesce(nullif(found.band, ''), labels.band, '') AS band,
        coalesce(labels.class, found.class) AS class, n_read, n_sound, n_odd, true AS listed${
      carried.map(carriedAlong).join("")
    }
      FROM (SELECT *, ${
      wholeKey(decimal)
    } AS id FROM found WHERE reason IS NULL) AS found LEFT JOIN labels USING (id) ORDER BY lc`,
  );
}

/** The value of a column that goes along, of the observations or else of the labels. */
function carriedAlong({ fromLabels }: Carried, i: number): string {
  const cell = `carried_${i}`, own = `found.${cell}`;
  return `, ${fromLabels ? `coalesce(${own}, labels.${cell})` : own} AS ${cell}`;
}

/**
 * Whole numbers that floating point gave a decimal point (20010.0) lose it, where all ids are such: labels may have
 * them as 20010.
 */
const wholeKey = (all: boolean) => all ? `regexp_replace(key::VARCHAR, '[.]0+$', '')` : "key::VARCHAR";

async function keepListed(db: Database, ids: string[]): Promise<void> {
  await db.run(`CREATE TEMP TABLE listed_ids (id VARCHAR)`);
  await db.append("listed_ids", [ids]);
  await db.run(`UPDATE light_curves SET listed = id IN (SELECT id FROM listed_ids)`);
}

async function checkLabels(db: Database, { labels }: PreprocessSettings): Promise<string[]> {
  if (labels === undefined) return [];
  const { all, matched, example } = await db.row<{ all: number; matched: number; example: string | null }>(
    `SELECT count(*) AS "all", count(*) FILTER (id IN (SELECT id FROM labels)) AS matched, min(id) AS example FROM light_curves`,
  );
  if (matched === 0) {
    const { other } = await db.row<{ other: string | null }>(`SELECT min(id) AS other FROM labels`);
    throw new InputError(
      `${labels}: none of its ids (e.g. "${other}") is an id of the observations (e.g. "${example}"); ` +
        `--labels-id and --id choose the columns`,
    );
  }
  const alike = await db.rows<{ names: string }>(
    `SELECT string_agg(DISTINCT '"' || class || '"', ', ' ORDER BY '"' || class || '"') AS names FROM labels WHERE class IS NOT NULL
      GROUP BY lower(class) HAVING count(DISTINCT class) > 1 ORDER BY names LIMIT 5`,
  );
  return [
    ...matched === all
      ? []
      : [`${all - matched} of ${all} light curves are not in ${labels}: they have no class`],
    ...alike.map(({ names }) =>
      `${labels}: the classes ${names} differ by case alone; they are classes of their own`
    ),
  ];
}

/** Pairs of --duplicates that name no object that was read. */
async function checkPairs(
  db: Database,
  { duplicates }: PreprocessSettings,
  pairs: readonly [string, string][],
): Promise<string[]> {
  if (pairs.length === 0) return [];
  await db.run(`CREATE TEMP TABLE pairs (a VARCHAR, b VARCHAR)`);
  await db.append("pairs", [pairs.map(([a]) => a), pairs.map(([, b]) => b)]);
  const { matched, example } = await db.row<{ matched: number; example: string }>(
    `SELECT count(*) FILTER (a IN (SELECT id FROM light_curves) AND b IN (SELECT id FROM light_curves)) AS matched,
      (SELECT min(id) FROM light_curves) AS example FROM pairs`,
  );
  if (matched === pairs.length) return [];
  const [a, b] = pairs[0];
  return [
    `${
      pairs.length - matched
    } of ${pairs.length} pairs of ${duplicates} (e.g. "${a}", "${b}") name an object that is not here ` +
    `(objects are named like "${example}")`,
  ];
}

/**
 * Makes the table `stars` (id, star): of the objects that are one star, the first that is here.
 * @returns whether there are any
 */
async function writeStars(
  db: Database,
  ids: readonly string[],
  groups: ReadonlyMap<string, string>,
): Promise<boolean> {
  const firsts = new Map<string, string>(), of: [string[], string[]] = [[], []];
  for (const id of ids) {
    const group = groups.get(id);
    if (group === undefined) continue;
    const first = firsts.get(group);
    if (first === undefined) firsts.set(group, id);
    else {
      of[0].push(id);
      of[1].push(first);
    }
  }
  await db.run(`CREATE TABLE stars (id VARCHAR, star VARCHAR)`);
  if (of[0].length > 0) await db.append("stars", of);
  return of[0].length > 0;
}

/** How many light curves look like noise by the paper's criteria, where they are kept. */
async function noiseKept(db: Database, settings: FilterSettings): Promise<string[]> {
  if (settings.noise_filter) return [];
  const { noise, all } = await db.row<{ noise: number; all: number }>(
    `SELECT count(*) FILTER (noise = 1) AS noise, count(*) AS "all" FROM summary WHERE n_final > 0`,
  );
  if (noise === 0) return [];
  return [
    `${noise} of ${all} light curves look like noise by the paper's criteria; they are kept: --noise-filter drops them ` +
    `(--recipe paper trims magnitudes first, as the paper did)`,
  ];
}

/** Light curves that are copies of another, above all on another side of the split. */
async function copiesAcross(db: Database): Promise<string[]> {
  await db.run(
    `CREATE TEMP TABLE copies AS
      SELECT count(*) AS n, count(DISTINCT subset) AS sides, min(id) AS one,
        max_by(id, (subset <> first, id)) AS other, min_by(subset, id) AS one_side, max_by(subset, (subset <> first, id)) AS other_side
      FROM (SELECT *, min_by(subset, id) OVER (PARTITION BY hash, other_hash, n_final) AS first
        FROM summary JOIN light_curves USING (lc) JOIN subsets USING (id) WHERE n_final > 0)
      GROUP BY hash, other_hash, n_final HAVING count(*) > 1`,
  );
  const { n, across, most } = await db.row<{ n: number | null; across: number | null; most: number | null }>(
    `SELECT sum(n) AS n, sum(n) FILTER (sides > 1) AS across, max(n) AS most FROM copies`,
  );
  if (n === null) return [];
  type Copies = { one: string; other: string; one_side: string; other_side: string };
  const [{ one, other, one_side, other_side }] = await db.rows<Copies>(
    `SELECT one, other, one_side, other_side FROM copies ORDER BY sides > 1 DESC, one LIMIT 1`,
  );
  return [
    `${n} light curves are copies of another (up to ${most} of one), e.g. "${one}" and "${other}"` +
    (across === null
      ? ""
      : `; ${across} of them stand on more than one side of the split, e.g. "${one}" in ${one_side} and "${other}" in ${other_side}: ` +
        `what is tested was seen in training. --duplicates keeps them on one side`),
  ];
}

/**
 * What is odd about the magnitudes, as warnings.
 * @throws {InputError} when most are no magnitudes
 */
async function checkMagnitudes(db: Database, { magnitude_range }: PreprocessSettings): Promise<string[]> {
  const { odd } = await db.row<{ odd: number }>(
    `SELECT sum(n_odd) AS odd FROM light_curves WHERE listed`,
  );
  if (odd === 0) return [];
  const { all, large, thousands, example } = await db.row<Record<string, number>>(
    `SELECT count(*) AS "all", count(*) FILTER (abs(mag) > 100) AS large,
      count(*) FILTER (mag BETWEEN 2000 AND 40000) AS thousands, mode(mag) FILTER (mag NOT BETWEEN -5 AND 40) AS example
      FROM ${usableRows} WHERE isfinite(mag)`,
  );
  const often = Number(Math.fround(example).toPrecision(7));
  if (2 * large > all && magnitude_range === undefined) {
    const guess = 2 * thousands > all
      ? "millimagnitudes, to be divided by 1000"
      : "fluxes, or another column";
    throw new InputError(
      `${large} of ${all} magnitudes are beyond 100 (most often ${often}): they look like ${guess}; ` +
        `where they are right, --magnitude-range says so`,
    );
  }
  return [
    `${odd} magnitudes are outside of -5 to 40 (most often ${often}): fluxes, millimagnitudes, or a mark for "no value"? ` +
    `They are kept; --magnitude-range drops them`,
  ];
}

/** The observations that can be used, with the number of their light curve. */
const usableRows = `(SELECT lc, time, mag, err
  FROM raw JOIN light_curves ON raw.id = light_curves.key AND raw.band = light_curves.read_band WHERE reason IS NULL AND listed)`;

/**
 * Brings the observations in order and filters them: those that stay go to `observations`, what became of each light
 * curve to `summary`.
 */
async function sortAndFilter(
  db: Database,
  folder: string,
  settings: FilterSettings,
  observations: ObservationFiles,
  bytes: number,
  progress: Progress,
): Promise<void> {
  const counts = await db.rows<{ n: number }>(
    `SELECT CASE WHEN listed THEN n_sound ELSE 0 END AS n FROM light_curves ORDER BY lc`,
  );
  const total = counts.reduce((sum, { n }) => sum + n, 0), start = performance.now();
  let done = 0;
  await createSummary(db);
  using buckets = new Buckets(`${folder}/buckets`, counts.map(({ n }) => n), bytes);
  const filterComplete = async () => {
    for (const bucket of buckets.complete()) {
      const { lengths, summary, ...kept } = filterBucket(bucket, settings);
      observations.add(kept, lengths);
      await db.append("summary", summary);
    }
  };
  const rows = db.stream(
    `SELECT lc, time, mag, coalesce(err, 'nan'::FLOAT) AS err FROM ${usableRows} WHERE ${inRange(settings)}`,
  );
  for await (const [lcs, times, mags, errs] of rows) {
    buckets.add(lcs as Int32Array, times as Float64Array, mags as Float32Array, errs as Float32Array);
    await filterComplete();
    done += lcs.length;
    progress.at(() => paceOf(done, total, (performance.now() - start) / 1000));
  }
  await filterComplete(); // light curves without rows
  if (!buckets.handedOut) throw new Failure("the files changed while they were read");
}

/** How far it is, how fast, and how long it still takes. */
function paceOf(done: number, total: number, seconds: number): string {
  return `${(done / 1e6).toFixed(1)} M observations, ${(done / seconds / 1e6).toFixed(2)} M/s, ` +
    `${duration(seconds * (total / done - 1))} left`;
}

/** Thrown when the filters leave no light curve. */
export class NothingLeft extends InputError {}

function refuseNothing(stages: Stage[]): void {
  if (stages.at(-1)!.light_curves > 0) return;
  const lost = stages.map(({ name, light_curves }) => `${name}: ${light_curves}`).join(", ");
  const [, ...filters] = stages, last = filters.find(({ light_curves }) => light_curves === 0)!;
  const hint = last.name.startsWith("finite")
    ? "; are the errors in magnitudes? --min-error and --max-error bound them"
    : "";
  throw new NothingLeft(`no light curve is left; light curves after each filter: ${lost}${hint}`);
}

interface Facts {
  settings: PreprocessSettings;
  files: readonly SurveyFile[];
  reading: Reading;
  kept: KeptColumn[];
  joined: boolean;
  stages: Stage[];
  warnings: string[];
  checksums: Record<string, string>;
  magnitudes: Span | null;
  timeSteps: Span | null;
}

async function describe(db: Database, facts: Facts): Promise<DatasetDescription> {
  const { settings, files, reading, kept, joined, stages, warnings, checksums, magnitudes, timeSteps } =
    facts;
  const { first, last } = await db.row<{ first: number; last: number }>(
    `SELECT min(first_mjd) AS first, max(last_mjd) AS last FROM summary WHERE n_final > 0`,
  );
  const time = timeSystem(first, last), times = commonTimes(reading.layouts.map(({ times }) => times));
  const sides = await db.rows<Count & { subset: Subset }>(
    `SELECT subset, count(*) AS light_curves, sum(n_final) AS observations
      FROM summary JOIN light_curves USING (lc) JOIN subsets USING (id) WHERE n_final > 0 GROUP BY subset`,
  );
  const rank = ({ subset }: { subset: Subset }) => subsets.indexOf(subset);
  const end = stages.at(-1)!;
  return {
    format: "astromer-dataset",
    version: datasetVersions.newest,
    inputs: {
      files: files.length,
      bytes: files.reduce((sum, file) => sum + file.bytes, 0),
      first: files.slice(0, namedInputs).map(({ path, bytes }) => ({ path, bytes })),
    },
    settings,
    columns: reading.columns,
    ...kept.length > 0
      ? { kept: Object.fromEntries(kept.map(({ name, type }) => [name, columnTypes[type]])) }
      : {},
    ...joined ? { stars: true } : {},
    light_curves: end.light_curves,
    observations: end.observations,
    stages,
    subsets: Object.fromEntries(
      sides.sort((a, b) => rank(a) - rank(b)).map(({ subset, ...count }) => [subset, count]),
    ),
    classes: Object.fromEntries(Object.entries(end.classes).filter(([, count]) => count.light_curves > 0)),
    unusable: reading.unusable,
    filtered: reading.filtered,
    warnings: [...warnings, ...time.warnings],
    time_system: time.system,
    time_format: times.format,
    time_scale: times.scale,
    magnitudes: magnitudes!,
    time_steps: timeSteps,
    checksums,
    fingerprint: createHash("sha256").update(Object.values(checksums).join("\n")).digest("hex"),
  };
}

/** What kind of dates these are. Only differences are ever used, so none is wrong; a mixture is. */
function timeSystem(first: number, last: number): { system: string; warnings: string[] } {
  const isJd = (time: number) => time > 2_400_000;
  if (isJd(first) !== isJd(last)) {
    return {
      system: "mixed",
      warnings: [`times run from ${first} to ${last}: Julian and modified Julian dates seem to be mixed`],
    };
  }
  return { system: isJd(first) ? "JD" : first > 15_000 && last < 100_000 ? "MJD" : "relative", warnings: [] };
}
