/** Survey files to a dataset folder. */
import { command, setting, z } from "../src/command.ts";
import { preprocess } from "../src/survey/preprocess.ts";
import { consoleProgress } from "../src/survey/progress.ts";
import { reportOf } from "../src/survey/report.ts";
import { grouped } from "../src/table.ts";

const numbers = z.array(z.coerce.number());

export default command({
  name: "preprocess",
  summary: "Reads a survey's photometry, filters it as the paper does, splits it, writes a dataset folder.",
  settings: z.object({
    input: setting(
      z.array(z.string()).min(1),
      "files, folders or quoted patterns: Parquet; CSV or TSV (.gz too); tables of blanks (.dat .txt .mjd .lc .asc .tbl, # comments)",
    ),
    output: setting(z.string(), "the dataset folder to write; an older dataset of that name is replaced"),
    config: setting(z.string().optional(), "a TOML or JSON file with any of these settings"),
    preset: setting(
      z.enum(["reference", "macho"]).optional(),
      "reference: columns newID, mjd, mag, errmag, labels newID, Class, Band (--input may be the folder that holds observations/ and metadata.parquet); " +
        "macho: tables of mjd, mag, err, one a light curve, named like lc_1.3444.614.B.mjd (id 1.3444.614, band B)",
    ),
    id: setting(
      z.string().optional(),
      'column of the object\'s id, or "filename" where every file is one light curve; columns are guessed by their usual names, and without names given by position from 1',
    ),
    time: setting(z.string().optional(), "column of the time, in days: MJD, HJD, JD or since any start"),
    magnitude: setting(z.string().optional(), "column of the magnitude"),
    error: setting(z.string().optional(), "column of the magnitude's error"),
    band: setting(
      z.string().optional(),
      "column of the band; each band of an object is a light curve of its own",
    ),
    class: setting(z.string().optional(), "column of the class, if the observations have one"),
    file_name: setting(
      z.string().optional(),
      "regular expression with groups (?<id>…) and (?<band>…) that takes a file's name apart",
    ),
    labels: setting(z.string().optional(), "table of classes by object (Parquet, CSV), joined by id as text"),
    labels_id: setting(z.string().optional(), "its column of ids"),
    labels_class: setting(z.string().optional(), "its column of classes"),
    min_error: setting(z.number().default(0), "observations with a smaller error go", "mag"),
    max_error: setting(z.number().default(1), "observations with a larger error go", "mag"),
    magnitude_range: setting(
      numbers.optional(),
      "observations outside of these two magnitudes go (--magnitude-range=-5,40); not set, odd ones are only reported",
    ),
    trim: setting(
      z.boolean().optional(),
      "cut each light curve's magnitudes at --trim-percentiles (on where nothing has a class: it would cut eclipses)",
    ),
    trim_percentiles: setting(numbers.default([1, 99]), "magnitudes under the first or over the second go"),
    noise_filter: setting(
      z.boolean().optional(),
      "drop light curves that look like noise: those that do not meet --noise-criteria (on where nothing has a class)",
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
    strict: setting(z.boolean().default(false), "refuse unusable rows instead of leaving them out"),
    fractions: setting(numbers.default([0.8, 0.1, 0.1]), "shares of objects in train, validation, test"),
    split_file: setting(
      z.string().optional(),
      "table (Parquet, CSV) of id and subset in place of --fractions: train or pretrain, validation or val, test, none",
    ),
    split_id: setting(z.string().optional(), "its column of ids"),
    split_subset: setting(z.string().optional(), "its column of subsets"),
    split_holdout_column: setting(
      z.string().optional(),
      "its column of true and false: objects with true that are not in test are in no subset",
    ),
    validation_fraction: setting(
      z.number().min(0).max(1).default(0.1),
      "share of the split file's train that becomes validation, if the file names none",
    ),
    unlisted: setting(
      z.enum(["train", "validation", "test", "drop"]).optional(),
      "where objects go that the split file does not list; not set, they are refused",
    ),
    duplicates: setting(
      z.string().optional(),
      "pairs of ids that are one object, kept on one side: a table of two columns, or a TOML file with [duplicates] pairs = [[a, b], …]",
    ),
    seed: setting(z.int().default(0), "number that names the random split"),
    memory_limit: setting(
      z.string().regex(/^\d+(\.\d+)?\s*[KMGT]i?B$/i, "a size such as 4GB is needed").default("4GB"),
      "memory; larger surveys go through the disk beside the output",
    ),
    threads: setting(z.int().min(1).optional(), "threads (all, if not given)"),
  }),
  examples: [
    "deno task preprocess --preset reference --input survey --output data/survey",
    "deno task preprocess --input 'survey/*.csv.gz' --labels classes.csv --output data/survey",
    "deno task preprocess --preset macho --input 'F_1/*.mjd' --fractions 0.9,0.1,0 --output data/macho",
    "deno task preprocess --input 'lc/*.dat' --id filename --time 1 --magnitude 2 --error 3 --output data/mine",
  ],
  async run({ config: _, ...settings }) {
    const dataset = await preprocess(settings, consoleProgress());
    console.log(reportOf(dataset));
    console.log(
      `\n${settings.output}: ${grouped(dataset.light_curves)} light curves, ` +
        `${grouped(dataset.observations)} observations, fingerprint ${dataset.fingerprint.slice(0, 12)}`,
    );
  },
});
