/** Settings of reading and filtering a survey, for every command that takes survey files. */
import { setting, z } from "../common/setting.ts";
import { type TimeFormat, timeOrigins } from "./mapping.ts";
import { presetNames } from "./presets.ts";
import { timeScales } from "./times.ts";

const numbers = z.array(z.coerce.number());

/** Which of the files' columns are what. */
export const columnsShape = {
  preset: setting(
    z.enum(presetNames).optional(),
    "survey whose columns, units and quality flags are known; flagged measurements are dropped. Most surveys are recognised without it, and preprocess says which",
  ),
  id: setting(
    z.string().optional(),
    'column of the object\'s id, or "filename" where every file is one light curve, or "folder"; columns are guessed by their usual names, and without names given by position from 1',
  ),
  time: setting(z.string().optional(), "column of the time in days: MJD, HJD, JD, or days since some start"),
  magnitude: setting(z.string().optional(), "column of the magnitude"),
  error: setting(z.string().optional(), 'column of the magnitude\'s error, or "none"'),
  band: setting(
    z.string().optional(),
    'column of the band, or "folder" or "filename"; each band of an object is a light curve of its own',
  ),
  class: setting(z.string().optional(), "column of the class, if the observations have one"),
  file_name: setting(
    z.string().optional(),
    "regular expression with groups (?<id>…), (?<band>…), (?<class>…) to match against a file's name (or its whole path, if the expression has a /)",
  ),
  flux: setting(
    z.string().optional(),
    "column of the flux, instead of --magnitude: magnitude = zero point - 2.5 log10(flux)",
  ),
  flux_error: setting(z.string().optional(), "column of the flux's error"),
  zero_point: setting(
    z.union([z.number(), z.string()]).transform(String).optional(),
    "magnitude of a flux of 1: a number, a unit (nJy, uJy, mJy, Jy, nmgy, SNANA), or a column",
  ),
  min_snr: setting(z.number().min(0).optional(), "drop observations with a smaller signal-to-noise ratio"),
  where: setting(
    z.string().optional(),
    "keep only observations that meet this SQL condition on the files' columns: 'catflags < 32768'",
  ),
  flag: setting(
    z.array(z.string()).optional(),
    "flag columns, each with an optional bit mask (catflags:32768): observations with a flag set are dropped",
  ),
  sentinels: setting(numbers.optional(), "magnitudes that mean there is no value (--sentinels=99.999,-99)"),
  time_format: setting(
    z.enum(Object.keys(timeOrigins) as [TimeFormat, ...TimeFormat[]]).optional(),
    "format of the times, which are converted to MJD (rjd: JD - 2400000). By default numbers stay as they are, and dates become MJD",
  ),
  time_scale: setting(
    z.enum(timeScales).optional(),
    "time scale, recorded in the dataset (default: what the files or their survey say)",
  ),
  labels: setting(
    z.string().optional(),
    "table of classes (Parquet or CSV), joined by object id, compared as text",
  ),
  labels_id: setting(z.string().optional(), "its column of ids"),
  labels_class: setting(z.string().optional(), "its column of classes"),
  keep: setting(
    z.array(z.string()).optional(),
    "columns to carry along to the dataset, embeddings and predictions, from the files, their headers or --labels (--keep ra,dec,period): one value per light curve",
  ),
  object_radius: setting(
    z.number().gt(0).max(60).optional(),
    "ids closer than this are one star: its light curves stay separate, but on one side of a split (ZTF gives a star one id per field, CCD and band)",
    "arcsec",
  ),
  ra: setting(
    z.string().optional(),
    "column of the right ascension in degrees, for --object-radius (guessed by its usual names)",
  ),
  dec: setting(z.string().optional(), "column of the declination in degrees"),
  skip_unreadable: setting(
    z.boolean().default(false),
    "skip files that look like light curves but cannot be read, instead of stopping; each is listed",
  ),
  strict: setting(z.boolean().default(false), "stop at unusable rows instead of dropping them"),
} as const;

/** Which observations and light curves stay. */
export const filterShape = {
  min_error: setting(z.number().default(0), "drop observations with a smaller error", "mag"),
  max_error: setting(z.number().default(1), "drop observations with a larger error", "mag"),
  magnitude_range: setting(
    numbers.optional(),
    "drop observations outside these two magnitudes (--magnitude-range=-5,40); by default strange ones are only reported",
  ),
  recipe: setting(
    z.enum(["paper"]).optional(),
    "paper: filter as the paper does before pretraining (--trim --noise-filter)",
  ),
  trim: setting(
    z.boolean().optional(),
    "drop each light curve's magnitudes outside --trim-percentiles (off by default, since it removes eclipses)",
  ),
  trim_percentiles: setting(
    numbers.default([1, 99]),
    "drop magnitudes below the first percentile or above the second",
  ),
  noise_filter: setting(
    z.boolean().optional(),
    "drop light curves that look like noise, by --noise-criteria (by default they are only counted)",
  ),
  noise_kurtosis: setting(
    z.number().min(0).default(10),
    "a light curve is a signal if its |excess kurtosis| is above this (0 for a Gaussian)",
  ),
  noise_skewness: setting(z.number().min(0).default(1), "or its |skewness| is above this"),
  noise_std: setting(z.number().min(0).default(0.1), "or its standard deviation is above this", "mag"),
  noise_criteria: setting(
    z.enum(["any", "all"]).default("any"),
    "how many of the three criteria a signal must meet",
  ),
  min_observations: setting(
    z.int().min(1).default(5),
    "drop light curves with fewer observations, after all other filters",
  ),
} as const;

/** How much of the machine reading may take. */
export const resourcesShape = {
  memory_limit: setting(
    z.string().regex(/^\d+(\.\d+)?\s*[KMGT]i?B$/i, "a size such as 4GB is needed").default("4GB"),
    "memory limit; larger surveys are sorted on disk, beside the output",
  ),
  threads: setting(z.int().min(1).optional(), "threads (default: all)"),
} as const;

/** Paths and patterns of survey files. */
export const inputSetting = setting(
  z.array(z.string()).min(1),
  "files, folders or quoted patterns: Parquet (flat, nested, HATS), CSV, TSV and space-separated tables (also .gz), FITS, VOTable, ECSV, IPAC, CDS machine-readable tables, AAVSO reports, SNANA, Avro alerts; the format is recognised by content",
);
