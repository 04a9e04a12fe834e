/** A dataset folder, opened: metadata in memory, observations mapped from disk. */
import { createHash } from "node:crypto";
import { MappedFile } from "../../ffi/mapped.ts";
import { fromFile } from "../../ffi/ops.ts";
import { unscoped } from "../../ffi/tensor.ts";
import { Failure, InputError, messageOf } from "../common/errors.ts";
import { checkedVersion, type FormatVersions } from "../files/format_version.ts";
import type { ColumnType, Row } from "../files/parquet.ts";
import { readSafetensorsHeader, typedArray } from "../files/safetensors.ts";
import { shortestLightCurve, type Window } from "./windows.ts";

/** Parts of a dataset; `none` belongs to no part. */
export type Subset = "train" | "validation" | "test" | "none";

/** What `dataset.json` says that is used here. */
export interface DatasetInfo {
  format: string;
  version: number;
  light_curves: number;
  observations: number;
  fingerprint: string;
  /** SHA-256 of the files, by name. */
  checksums?: Record<string, string>;
  /** Settings of the preprocessing. */
  settings?: Record<string, unknown>;
  /** Columns of the metadata that came along from the survey, and what they hold. */
  kept?: Record<string, ColumnType>;
  /** Whether the metadata say which ids are one star. */
  stars?: boolean;
  /** What the times are: a guess from their numbers, and what the files and their survey say. */
  time_system?: string;
  time_format?: string | null;
  time_scale?: string | null;
}

/** Every dataset folder says its version. */
export const datasetVersions: FormatVersions = { what: "dataset", oldest: 1, newest: 1 };

/** A column of the survey that came along (`preprocess --keep`). */
export interface KeptColumn {
  type: ColumnType;
  /** One a light curve. */
  values: Row[string][];
}

/** An opened dataset folder. */
export interface Dataset extends Disposable {
  /** Its path. */
  folder: string;
  /** SHA-256 over the checksums of its files. */
  fingerprint: string;
  /** How its light curves were filtered: settings of `preprocess`; empty for arrays. */
  preprocessing: Record<string, unknown>;
  /** What the times are, as `dataset.json` says it; not there for arrays. */
  times?: Record<"system" | "format" | "scale", string | null>;
  /** Number of light curves. */
  size: number;
  /** Ids of the objects; one object may have light curves in several bands. */
  ids: string[];
  /** The light curves' bands, where known. */
  bands: (string | null)[];
  /** The objects' classes, where known. */
  classes: (string | null)[];
  /** The part that each light curve belongs to. */
  subsets: Subset[];
  /** The star of each light curve, where several ids are one; the ids, if absent. */
  stars?: string[];
  /** Columns of the survey that came along, by name; none if absent. */
  kept?: Readonly<Record<string, KeptColumn>>;
  /** First observation of each light curve. */
  offsets: Float64Array;
  /** Observations of each light curve. */
  lengths: Int32Array;
  /**
   * Times of all observations, days, as the survey gave them (MJD as a rule). The three arrays are the mapped file
   * itself: they throw after dispose, and what was taken from them before must not be used then. They throw a Failure
   * when
   * the file has been changed since, so take them anew for each batch.
   */
  readonly mjd: Float64Array;
  /** Magnitudes. */
  readonly mag: Float32Array;
  /** Uncertainties of the magnitudes. */
  readonly err: Float32Array;
  /**
   * Begins to read the observations of windows that are needed soon, so that a dataset which is larger than memory is
   * read
   * while something else is computed. Not there where all is in memory.
   */
  readonly willNeed?: (windows: readonly Window[]) => void;
}

/**
 * Opens a dataset folder. Observations are mapped, not read: start-up does not depend on their number, and processes on
 * one machine share the pages.
 * @throws {InputError} when the folder is not a dataset, or its files do not fit together
 */
export async function openDataset(folder: string): Promise<Dataset> {
  const info = await readInfo(folder);
  const header = await readSafetensorsHeader(`${folder}/observations.safetensors`);
  const wanted = { mjd: "F64", mag: "F32", err: "F32" } as const;
  for (const [name, dtype] of Object.entries(wanted)) {
    const entry = header.tensors.get(name);
    const aligned = entry && entry.start % (dtype === "F64" ? 8 : 4) === 0; // it is read in place
    if (!aligned || entry.dtype !== dtype || entry.shape.join() !== String(info.observations)) {
      throw new InputError(
        `${folder}/observations.safetensors has no tensor "${name}" of dtype ${dtype} and shape [${info.observations}]: ` +
          "was it made by another version? Run preprocess again",
      );
    }
  }
  const metadata = await readMetadata(folder, info);
  const path = `${folder}/observations.safetensors`;
  for (const [name, checksum] of Object.entries(info.checksums ?? {})) {
    const file = `${folder}/${name}`;
    if ((await Deno.stat(file)).size <= checkedBytes && checksumOf(file) !== checksum) {
      throw new InputError(
        `${file} has been altered: its checksum is not the one in dataset.json; run preprocess again`,
      );
    }
  }
  const file = unscoped(() => fromFile(path, false, header.fileLength, { dtype: "uint8" }));
  const { buffer } = file.memory();
  const mapped = (name: keyof typeof wanted) => {
    const { dtype, start, byteLength } = header.tensors.get(name)!;
    return typedArray(dtype, buffer, start, byteLength);
  };
  const [mjd, mag, err] = [
    mapped("mjd") as Float64Array,
    mapped("mag") as Float32Array,
    mapped("err") as Float32Array,
  ];
  const large = header.fileLength > checkedBytes, advice = new MappedFile(file);
  if (large) advice.readAtRandom();
  const unchanged = watched(path, header.fileLength, info.checksums?.["observations.safetensors"]);
  const whileOpen = <A>(array: A): A => {
    if (file.disposed) throw new TypeError(`the dataset ${folder} has been closed`);
    unchanged();
    return array;
  };
  const willNeed = (windows: readonly Window[]) => {
    for (const { lightCurve, start, length } of windows) {
      const from = metadata.offsets[lightCurve] + start;
      for (const { BYTES_PER_ELEMENT: size, byteOffset } of [mjd, mag, err]) {
        advice.willNeed(byteOffset + size * from, size * length);
      }
    }
  };
  return {
    folder,
    fingerprint: info.fingerprint,
    preprocessing: preprocessingOf(info),
    ...info.time_system === undefined ? {} : {
      times: {
        system: info.time_system,
        format: info.time_format ?? null,
        scale: info.time_scale ?? null,
      },
    },
    ...metadata,
    get mjd() {
      return whileOpen(mjd);
    },
    get mag() {
      return whileOpen(mag);
    },
    get err() {
      return whileOpen(err);
    },
    ...large ? { willNeed } : {},
    [Symbol.dispose]: () => file.dispose(),
  };
}

/** Files up to this are compared with their checksums when they are opened; larger ones are mapped unread. */
const checkedBytes = 2 ** 28;

/**
 * Watches a mapped file. What lies behind the end of one that is cut short cannot be read: the operating system ends
 * the
 * process (SIGBUS). What was written over it are other numbers.
 * @param checksum what it must have when it was touched or replaced; undefined: it must not be
 * @returns a function that throws a Failure when the file is another one
 */
function watched(path: string, length: number, checksum: string | undefined): () => void {
  const look = () => {
    try {
      const { dev, ino, size, mtime } = Deno.statSync(path);
      return { size, state: [dev, ino, size, mtime?.getTime()].join() };
    } catch {
      return { size: -1, state: "gone" };
    }
  };
  let { state: known } = look();
  return () => {
    const { size, state } = look();
    if (state !== known) {
      const what = size < 0
        ? "removed"
        : size !== length
        ? `changed (${size} bytes, not ${length})`
        : "changed";
      if (size !== length || checksumOf(path) !== checksum) {
        throw new Failure(
          `${path} was ${what} while it was in use: start again, and leave the dataset as it is`,
        );
      }
      known = state;
    }
  };
}

/** SHA-256 of a file, in hexadecimal, piece by piece. */
function checksumOf(path: string): string {
  const hash = createHash("sha256"), buffer = new Uint8Array(1 << 20);
  using file = Deno.openSync(path);
  for (let n; (n = file.readSync(buffer)) !== null;) hash.update(buffer.subarray(0, n));
  return hash.digest("hex");
}

/** The settings that decide which observations and light curves stay. */
function preprocessingOf({ settings = {} }: DatasetInfo): Record<string, unknown> {
  const filters = [
    "min_error",
    "max_error",
    "magnitude_range",
    "trim",
    "trim_percentiles",
    "min_observations",
  ];
  const noise = ["noise_filter", "noise_kurtosis", "noise_skewness", "noise_std", "noise_criteria"];
  return Object.fromEntries(
    [...filters, ...noise].filter((name) => settings[name] !== undefined).map((
      name,
    ) => [name, settings[name]]),
  );
}

async function readInfo(folder: string): Promise<DatasetInfo> {
  let info: DatasetInfo | null;
  try {
    info = JSON.parse(await Deno.readTextFile(`${folder}/dataset.json`));
  } catch (error) {
    if (!(error instanceof SyntaxError)) {
      throw new InputError(
        `${folder} is not a dataset folder (make one with preprocess): ${messageOf(error)}`,
      );
    }
    throw new InputError(`${folder}/dataset.json is not valid JSON: ${messageOf(error)}`);
  }
  if (info?.format !== "astromer-dataset") {
    throw new InputError(
      `${folder}/dataset.json does not describe an Astromer dataset: run preprocess again`,
    );
  }
  checkedVersion(`${folder}/dataset.json`, info.version, datasetVersions);
  return info;
}

async function readMetadata(folder: string, info: DatasetInfo) {
  const { asyncBufferFromFile, parquetReadObjects } = await import("npm:hyparquet@1.31.5");
  const kept = Object.entries(info.kept ?? {});
  const columns = [
    "id",
    "band",
    "class",
    "offset",
    "length",
    "subset",
    ...info.stars ? ["star"] : [],
    ...kept.map(([name]) => name),
  ];
  const path = `${folder}/metadata.parquet`;
  let rows: Record<string, unknown>[];
  try {
    rows = await parquetReadObjects({ file: await asyncBufferFromFile(path), columns });
  } catch (error) {
    throw new InputError(`${path} cannot be read: ${messageOf(error)}`);
  }
  if (rows.length !== info.light_curves) {
    throw new InputError(
      `${path} has ${rows.length} rows, dataset.json counts ${info.light_curves} light curves`,
    );
  }
  const keptOf = (name: string, type: ColumnType): KeptColumn => ({
    type,
    values: rows.map((row) => row[name] as Row[string] ?? null),
  });
  const text = (value: unknown) => value === null || value === undefined ? null : String(value);
  const offsets = Float64Array.from(rows, (row) => Number(row.offset));
  const lengths = Int32Array.from(rows, (row) => Number(row.length));
  let end = 0;
  for (const [i, offset] of offsets.entries()) {
    if (offset !== end) throw new InputError(`${path}, row ${i + 1}: offset ${offset} where ${end} is due`);
    end += lengths[i];
  }
  if (end !== info.observations) {
    throw new InputError(`${path} describes ${end} observations, dataset.json counts ${info.observations}`);
  }
  return {
    size: rows.length,
    ids: rows.map((row) => String(row.id)),
    bands: rows.map((row) => text(row.band)),
    classes: rows.map((row) => text(row.class)),
    subsets: rows.map((row) => String(row.subset) as Subset),
    ...info.stars ? { stars: rows.map((row) => String(row.star)) } : {},
    ...kept.length > 0
      ? { kept: Object.fromEntries(kept.map(([name, type]) => [name, keptOf(name, type)])) }
      : {},
    offsets,
    lengths,
  };
}

/**
 * The light curves of a subset that are long enough to be used, in the order of the dataset.
 * @throws {InputError} when there is none
 */
export function lightCurvesOf(
  dataset: Dataset,
  subset: Subset | "all",
  shortest = shortestLightCurve,
): number[] {
  const chosen: number[] = [];
  let tooShort = 0;
  for (let i = 0; i < dataset.size; i++) {
    if (subset !== "all" && dataset.subsets[i] !== subset) continue;
    if (dataset.lengths[i] >= shortest) chosen.push(i);
    else tooShort++;
  }
  if (chosen.length === 0) {
    throw new InputError(
      `${dataset.folder} has no light curve of ${shortest} or more observations in the subset ${subset}` +
        (tooShort ? ` (${tooShort} shorter ones)` : ""),
    );
  }
  return chosen;
}
