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
    "survey whose columns, units and flags are known: its doubtful measurements go, too; most are recognised without it, and preprocess says as what",
  ),
  id: setting(
    z.string().optional(),
    'column of the object\'s id, or "filename" where every file is one light curve, or "folder"; columns are guessed by their usual names, and without names given by position from 1',
  ),
  time: setting(z.string().optional(), "column of the time, in days: MJD, HJD, JD or since any start"),
  magnitude: setting(z.string().optional(), "column of the magnitude"),
  error: setting(z.string().optional(), 'column of the magnitude\'s error, or "none"'),
  band: setting(
    z.string().optional(),
    'column of the band, or "folder" or "filename"; each band of an object is a light curve of its own',
  ),
  class: setting(z.string().optional(), "column of the class, if the observations have one"),
  file_name: setting(
    z.string().optional(),
    "regular expression with groups (?<id>…), (?<band>…), (?<class>…) that takes a file's name apart (its whole path, if there is a / in it)",
  ),
  flux: setting(
    z.string().optional(),
    "column of a flux in place of --magnitude: zero point - 2.5 log10 flux",
  ),
  flux_error: setting(z.string().optional(), "column of the flux's error"),
  zero_point: setting(
    z.union([z.number(), z.string()]).transform(String).optional(),
    "magnitude of a flux of 1: a number, a unit (nJy, uJy, mJy, Jy, nmgy, SNANA), or a column",
  ),
  min_snr: setting(z.number().min(0).optional(), "observations with a smaller ratio of signal to noise go"),
  where: setting(
    z.string().optional(),
    "condition on the files' columns, in SQL, that observations meet: 'catflags < 32768'",
  ),
  flag: setting(
    z.array(z.string()).optional(),
    "columns of flags, each with a mask if wanted (catflags:32768): observations with a flag set go",
  ),
  sentinels: setting(numbers.optional(), "magnitudes that stand for no value (--sentinels=99.999,-99)"),
  time_format: setting(
    z.enum(Object.keys(timeOrigins) as [TimeFormat, ...TimeFormat[]]).optional(),
    "what the times are: they become MJD (rjd: JD - 2400000); not set, numbers stay as they are, and dates become MJD",
  ),
  time_scale: setting(
    z.enum(timeScales).optional(),
    "scale of the times, kept beside them (not set, what the files or their survey say)",
  ),
  labels: setting(z.string().optional(), "table of classes by object (Parquet, CSV), joined by id as text"),
  labels_id: setting(z.string().optional(), "its column of ids"),
  labels_class: setting(z.string().optional(), "its column of classes"),
  keep: setting(
    z.array(z.string()).optional(),
    "columns that are carried along, of the files, their headers or --labels (--keep ra,dec,period): one value a light curve, in the dataset, embeddings and predictions",
  ),
  object_radius: setting(
    z.number().gt(0).max(60).optional(),
    "ids nearer than this are one star and go to one side of a split, their light curves apart (ZTF gives a star an id a field, CCD and band)",
    "arcsec",
  ),
  ra: setting(
    z.string().optional(),
    "column of the right ascension in degrees, for --object-radius (guessed by its usual names)",
  ),
  dec: setting(z.string().optional(), "column of the declination in degrees"),
  skip_unreadable: setting(
    z.boolean().default(false),
    "pass over files of a folder or pattern that look like light curves and cannot be read, instead of stopping; each is listed",
  ),
  strict: setting(z.boolean().default(false), "refuse unusable rows instead of leaving them out"),
} as const;

/** Which observations and light curves stay. */
export const filterShape = {
  min_error: setting(z.number().default(0), "observations with a smaller error go", "mag"),
  max_error: setting(z.number().default(1), "observations with a larger error go", "mag"),
  magnitude_range: setting(
    numbers.optional(),
    "observations outside of these two magnitudes go (--magnitude-range=-5,40); not set, odd ones are only reported",
  ),
  recipe: setting(
    z.enum(["paper"]).optional(),
    "paper: trim and drop noise as the paper did before pretraining (--trim --noise-filter)",
  ),
  trim: setting(
    z.boolean().optional(),
    "cut each light curve's magnitudes at --trim-percentiles (it would cut eclipses; not set, nothing is cut)",
  ),
  trim_percentiles: setting(numbers.default([1, 99]), "magnitudes under the first or over the second go"),
  noise_filter: setting(
    z.boolean().optional(),
    "drop light curves that look like noise: those that do not meet --noise-criteria (not set, they are only counted)",
  ),
  noise_kurtosis: setting(
    z.number().min(0).default(10),
    "a signal has |excess kurtosis| over this (0 for a Gaussian)",
  ),
  noise_skewness: setting(z.number().min(0).default(1), "or |skewness| over this"),
  noise_std: setting(z.number().min(0).default(0.1), "or a standard deviation over this", "mag"),
  noise_criteria: setting(
    z.enum(["any", "all"]).default("any"),
    "how many of the three a signal must meet",
  ),
  min_observations: setting(z.int().min(1).default(5), "shorter light curves go, after all other filters"),
} as const;

/** How much of the machine reading may take. */
export const resourcesShape = {
  memory_limit: setting(
    z.string().regex(/^\d+(\.\d+)?\s*[KMGT]i?B$/i, "a size such as 4GB is needed").default("4GB"),
    "memory; larger surveys go through the disk beside the output",
  ),
  threads: setting(z.int().min(1).optional(), "threads (all, if not given)"),
} as const;

/** Paths and patterns of survey files. */
export const inputSetting = setting(
  z.array(z.string()).min(1),
  "files, folders or quoted patterns: Parquet, flat or nested (HATS folders); CSV, TSV and tables of blanks (.gz too); FITS, VOTable, ECSV, IPAC, " +
    "machine-readable tables (CDS), AAVSO reports, SNANA, Avro alerts; each is told by its content",
);
