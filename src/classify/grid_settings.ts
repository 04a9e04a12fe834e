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
    "tell classes apart, or predict a number (--target)",
  ),
  models: setting(
    z.array(z.string()).min(1),
    "model folders, names of models that ship, hf:ORG/NAME[@REVISION], folders that finetune made of scenarios, or the words classical (features of the literature), star (these, and how the star repeats) and star-scores (star for linear heads and few observations); a model followed by +classical, +star or +star-scores has these behind its vectors",
  ),
  data: setting(z.string(), "dataset folder"),
  target: setting(
    z.string().optional(),
    "regression: the column of the number, such as period or feh",
  ),
  targets: setting(
    z.string().optional(),
    "regression: table of ids and numbers with that column (the dataset's metadata, if not given)",
  ),
  targets_id: setting(z.string().optional(), "regression: its column of ids"),
  target_log: setting(
    z.boolean().optional(),
    "regression: learn and score the logarithm to base 10 (errors in dex), as of periods",
  ),
  scenarios: setting(z.string(), "folder of scenarios, as the command scenarios writes it"),
  output: setting(z.string(), "run folder; what is there already is not done again"),
  heads: setting(
    z.array(z.enum(classifierKinds)).min(1).default(["gamma"]),
    `any of ${
      classifierKinds.join(", ")
    }: layers weighted by trainable gammas; the last block's mean, its maximum, or both; all ` +
      "layers end to end; no hidden layer; nearest neighbors; a random forest of 500 trees, which validation light curves train, too",
  ),
  samples_per_class: setting(numbers.optional(), "which scenarios (all, if not given)"),
  folds: setting(numbers.optional(), "which folds (all, if not given)"),
  config: setting(z.string().optional(), "a TOML or JSON file with any of these settings"),
  windows: setting(
    z.int().min(1).optional(),
    "random windows of a light curve to train on (if not given, as many as make 2,000 in all: 4 to 16)",
  ),
  learning_rate: setting(z.number().gt(0).default(1e-3), "learning rate of the head"),
  batch_size: setting(z.int().min(1).default(512), "light curves of a step"),
  epochs: setting(z.int().min(1).default(500), "epochs at most", "epochs"),
  patience: setting(
    z.int().min(1).default(40),
    "epochs without a better validation loss before training ends",
    "epochs",
  ),
  balance: setting(
    z.enum(["none", "batches", "loss"]).default("none"),
    "classes of unequal size: as they are, each as often in the batches of an epoch, or each with the same weight in the loss; " +
      "with either, so does the validation loss that ends the training (the reported one counts light curves alike)",
  ),
  train_encoder: setting(
    z.boolean().default(false),
    "train the encoder, too, end to end (heads with gradients, not classical or star); steps are of --encoder-batch-size windows, 16 if not given",
  ),
  encoder_learning_rate: setting(
    z.number().gt(0).default(1e-5),
    "learning rate of the encoder, where it is trained",
  ),
  encoder_batch_size: inferenceBatch,
  seed: setting(z.int().min(0).default(0), "names the windows, initial values and order"),
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
      `${output} was begun with --task ${before.task ?? "classification"}: choose another --output`,
    );
  }
  const other = Object.keys(mine).find((name) =>
    JSON.stringify(before[name]) !== JSON.stringify(mine[name as keyof typeof mine])
  );
  if (other) {
    throw new InputError(
      `${output} was begun with ${other} = ${JSON.stringify(before[other])}, now it is ` +
        `${JSON.stringify(mine[other as keyof typeof mine])}: choose another --output`,
    );
  }
  if (before.data !== data || before.scenarios !== scenarios) await write();
}
