/** Survey files to a dataset folder. */
import { command, setting, z } from "../src/command/command.ts";
import { preprocess } from "../src/survey/preprocess.ts";
import { consoleProgress } from "../src/survey/progress.ts";
import { reportOf } from "../src/survey/report.ts";
import { columnsShape, filterShape, inputSetting, resourcesShape } from "../src/survey/settings.ts";
import { grouped } from "../src/common/table.ts";

const numbers = z.array(z.coerce.number());

export default command({
  name: "preprocess",
  summary:
    "Reads a survey's photometry, applies the filters that are asked for, splits it, and writes a dataset folder.",
  settings: z.object({
    input: inputSetting,
    output: setting(z.string(), "the dataset folder to write; an older dataset of that name is replaced"),
    config: setting(z.string().optional(), "a TOML or JSON file with any of these settings"),
    ...columnsShape,
    ...filterShape,
    fractions: setting(numbers.default([0.8, 0.1, 0.1]), "shares of objects in train, validation, test"),
    split_file: setting(
      z.string().optional(),
      "table (Parquet or CSV) of id and subset, instead of --fractions; subsets are train or pretrain, validation or val, test, none",
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
      "subset for objects that the split file does not list; by default they are an error",
    ),
    duplicates: setting(
      z.string().optional(),
      "pairs of ids that are the same object, kept in one subset: a table of two columns, or a TOML file with [duplicates] pairs = [[a, b], …]",
    ),
    seed: setting(z.int().default(0), "seed of the random split"),
    ...resourcesShape,
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
