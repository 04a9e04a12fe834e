/** The settings of `classify`, and which of them a run folder holds fast. */
import { createHash } from "node:crypto";
import { InputError } from "../common/errors.ts";
import { setting, z } from "../common/setting.ts";
import type { Dataset } from "../data/dataset.ts";
import { exists, writeJson } from "../files/atomic.ts";
import { inferenceBatch, requeueSetting, runShape } from "../machine/settings.ts";
import type { DrawnSample, DrawnScenarios } from "./drawn_samples.ts";
import { classifierKinds } from "./fitted.ts";

const numbers = z.array(z.coerce.number().int().min(0)).min(1);

/** Settings of `classify`. */
export const gridSchema = z.object({
  task: setting(
    z.enum(["classification", "regression"]).default("classification"),
    "predict classes, or a number (--target)",
  ),
  models: setting(
    z.array(z.string()).min(1),
    "model folders, names of models that ship, hf:ORG/NAME[@REVISION], folders that finetune made from scenarios, or the words classical (features of the literature), star (these, and how the star repeats) and star-scores (star for linear heads and few observations). Add +classical, +star or +star-scores to a model to append these features to its vectors",
  ),
  data: setting(z.string(), "dataset folder"),
  target: setting(
    z.string().optional(),
    "regression: the column of the number, such as period or feh",
  ),
  targets: setting(
    z.string().optional(),
    "regression: table of ids and numbers with that column (default: the dataset's metadata)",
  ),
  targets_id: setting(z.string().optional(), "regression: its column of ids"),
  target_log: setting(
    z.boolean().optional(),
    "regression: learn and score the base-10 logarithm (errors in dex), for instance of periods",
  ),
  scenarios: setting(z.string(), "folder of scenarios, as the command scenarios writes it"),
  output: setting(z.string(), "run folder; results that are there already are kept and not computed again"),
  heads: setting(
    z.array(z.enum(classifierKinds)).min(1).default(["gamma"]),
    `any of ${
      classifierKinds.join(", ")
    }: layers weighted by trainable gammas; the last block's mean, its maximum, or both; all ` +
      "layers end to end; no hidden layer; nearest neighbors; a random forest of 500 trees, which also trains on the validation light curves",
  ),
  samples_per_class: setting(numbers.optional(), "which scenarios (default: all)"),
  folds: setting(numbers.optional(), "which folds (default: all)"),
  config: setting(z.string().optional(), "a TOML or JSON file with any of these settings"),
  windows: setting(
    z.int().min(1).optional(),
    "random windows per light curve to train on (default: enough for 2,000 in all, from 4 to 16)",
  ),
  learning_rate: setting(z.number().gt(0).default(1e-3), "learning rate of the head"),
  batch_size: setting(z.int().min(1).default(512), "light curves per step"),
  epochs: setting(z.int().min(1).default(500), "epochs at most", "epochs"),
  patience: setting(
    z.int().min(1).default(40),
    "epochs without a better validation loss before training ends",
    "epochs",
  ),
  balance: setting(
    z.enum(["none", "batches", "loss"]).default("none"),
    "classes of unequal size: left as they are, equally frequent in the batches of an epoch, or of equal weight in the loss. The validation loss that ends the training is balanced, too; the reported one is not",
  ),
  train_encoder: setting(
    z.boolean().default(false),
    "train the encoder, too, end to end (heads with gradients only, no features); a step has --encoder-batch-size windows (default: 16)",
  ),
  encoder_learning_rate: setting(
    z.number().gt(0).default(1e-5),
    "learning rate of the encoder, if it is trained",
  ),
  encoder_batch_size: inferenceBatch,
  seed: setting(z.int().min(0).default(0), "seed of windows, initial values and order"),
  requeue: requeueSetting,
  ...runShape,
});
export type GridSettings = z.output<typeof gridSchema>;

/** Windows of a step of the encoder, where it is trained and nothing else is asked. */
export const windowsOfAStep = 16;

/** Results of other settings must not stand in one table with these. */
export async function refuseOtherSettings(
  output: string,
  {
    models: _,
    heads: __,
    samples_per_class: ___,
    folds: ____,
    config: _____,
    output: ______,
    threads: _______,
    requeue: ________,
    encoder_batch_size,
    // Where they lie may change: the fingerprint and the draw say whether they are the same.
    data,
    scenarios,
    task,
    targets,
    ...rest
  }: GridSettings,
  dataset: Dataset,
  classes: readonly string[],
  { runs, test }: DrawnScenarios<DrawnSample>,
): Promise<void> {
  const draw = createHash("sha256").update(JSON.stringify([runs, test])).digest("hex");
  // A vector does not depend on its batch, but a step of the encoder does.
  const steps = rest.train_encoder ? { encoder_batch_size: encoder_batch_size ?? windowsOfAStep } : {};
  // Folders of versions that had no regression do not name the task.
  const named = task === "regression" ? { task } : {}, path = `${output}/config.json`;
  const mine = { ...named, ...rest, ...steps, classes, fingerprint: dataset.fingerprint, draw };
  const write = () =>
    writeJson(path, { data, scenarios, ...targets === undefined ? {} : { targets }, ...mine });
  if (!await exists(path)) return await write();
  const before = JSON.parse(await Deno.readTextFile(path));
  if ((before.task ?? "classification") !== task) {
    throw new InputError(
      `${output} was started with --task ${before.task ?? "classification"}: choose another --output`,
    );
  }
  const other = Object.keys(mine).find((name) =>
    JSON.stringify(before[name]) !== JSON.stringify(mine[name as keyof typeof mine])
  );
  if (other) {
    throw new InputError(
      `${output} was started with ${other} = ${JSON.stringify(before[other])}, now it is ` +
        `${JSON.stringify(mine[other as keyof typeof mine])}: choose another --output`,
    );
  }
  if (before.data !== data || before.scenarios !== scenarios) await write();
}
