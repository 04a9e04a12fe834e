/** Finetunes a model with the pretraining task: on the light curves of few-shot scenarios, or on a whole survey. */
import { command, setting, z } from "../src/command/command.ts";
import { severalDatasets } from "../src/data/joined_datasets.ts";
import { checkLoop, loopShape } from "../src/run/settings.ts";
import { chosenRuns, openScenarios, type ScenarioSample } from "../src/classify/scenarios.ts";
import { type Dataset, lightCurvesOf } from "../src/data/dataset.ts";
import {
  type JoinedDatasets,
  openDatasets,
  type TrainPart,
  trainParts,
  validationPart,
} from "../src/data/joined_datasets.ts";
import { noMasking } from "../src/data/masking.ts";
import { sequentialWindows } from "../src/data/windows.ts";
import { InputError } from "../src/common/errors.ts";
import { reconstructionMetrics } from "../src/evaluate/reconstruction.ts";
import { exists, writeJson } from "../src/files/atomic.ts";
import { readJson } from "../src/files/json.ts";
import { lockFolder } from "../src/files/lock.ts";
import { reportAfterRun } from "../src/report/after_run.ts";
import type { Finetuned } from "../src/report/finetuning_figure.ts";
import { finetunedSchema } from "../src/report/run_folder.ts";
import {
  isOverridden,
  refuseExistingRun,
  refuseOtherRun,
  resumeShape,
  savedOf,
  settingsIn,
  settingsToTrain,
} from "../src/run/resume.ts";
import { prepareRun } from "../src/machine/runtime.ts";
import { interrupted, listenForStop, sayStopping, type Stop } from "../src/machine/signals.ts";
import { plainTable } from "../src/common/table.ts";
import { trainIntoFolder } from "../src/run/training_run.ts";
import { summaryOf } from "../src/run/trained_run.ts";
import { fingerprintOfNetwork, modelFingerprintIn, refuseOtherModel } from "../src/run/fingerprints.ts";
import { allOnce } from "../src/train/epoch.ts";
import { type LoadedModel, loadModel, modelHelp } from "../src/weights/model_folder.ts";

const numbers = z.array(z.coerce.number().int().min(0)).min(1);

const schema = z.object({
  model: setting(z.string(), `${modelHelp}, to start from`),
  data: setting(z.string(), severalDatasets),
  output: setting(
    z.string(),
    "run folder to make; with scenarios it holds a run for each scenario and fold, such as 20-0/",
  ),
  scenarios: setting(
    z.string().optional(),
    "folder of scenarios (default: the dataset's own train and validation subsets)",
  ),
  samples_per_class: setting(numbers.optional(), "which scenarios (default: all)"),
  folds: setting(numbers.optional(), "which folds (default: all)"),
  config: setting(z.string().optional(), "a TOML or JSON file with any of these settings"),
  ...loopShape,
  learning_rate: setting(z.number().gt(0).default(1e-5), "peak learning rate"),
  schedule: setting(
    z.enum(["constant", "cosine"]).default("constant"),
    "learning rate after the warm-up: constant, or half a cosine down to the end of epochs or minutes",
  ),
  warmup_steps: setting(z.int().min(0).default(0), "steps of warm-up", "steps"),
  ...resumeShape,
});
type Settings = z.output<typeof schema>;

/** Light curves of one finetuning. */
interface Part {
  /** Folder within the output; empty for the output itself. */
  name: string;
  train: TrainPart[];
  validation: number[];
  test: number[];
}

export default command({
  name: "finetune",
  summary:
    "Continues a model's pretraining on the light curves of few-shot scenarios, or on a new survey without labels. Reports RMSE on all observations without masking before and after, and the minutes.",
  settings: schema,
  examples: [
    "deno task finetune --model runs/macho/best --data data/asas --scenarios data/asas-scenarios --output runs/finetuned",
    "deno task finetune --model runs/macho/best --data data/asas --scenarios data/asas-scenarios --samples-per-class 20 --folds 0 --output runs/one",
    "deno task finetune --model models/astromer1-macho --data data/asas --output runs/asas-from-macho --max-minutes 30",
  ],
  async run(chosen, given) {
    checkLoop(chosen);
    const joined = await openDatasets(chosen.data);
    using dataset = joined.dataset;
    const parts = await partsOf(chosen, joined);
    const output = chosen.output.replace(/\/+$/, "");
    const folderOf = ({ name }: Part) => name ? `${output}/${name}` : output;
    const survey = parts.find(({ name }) => name === "");
    if (survey && !chosen.resume) await refuseExistingRun(folderOf(survey));
    const settings = await settingsToTrain(schema, chosen, given, parts.map(folderOf));
    using stop = listenForStop(() => sayStopping("step"));
    const runtime = prepareRun(settings);
    using _lock = await lockFolder(output, console.error);
    const { requeue, resume } = settings;
    const interruption = () =>
      interrupted(stop, `the same command with --resume goes on in ${output}`, requeue);
    const rmse = async (of: LoadedModel, part: Part) => {
      const found = await rmseOf(of, dataset, part.test, settings.batch_size, stop);
      if (stop.requested()) throw interruption();
      return found;
    };
    // What is compared is computed in float32, whatever trains.
    const measuring = {
      device: runtime.device,
      dtype: settings.precision === "bfloat16" ? "bfloat16" : "float32",
    } as const;
    const start = await loadModel(settings.model, measuring);
    using _start = start.model;
    const fingerprint = fingerprintOfNetwork(start.model);
    const found: Finetuned[] = [];
    let before: number | undefined; // the test light curves are the same for all
    for (const part of parts) {
      const folder = folderOf(part), finetuned = `${folder}/finetuned.json`;
      const saved = await settingsIn(folder);
      if (await exists(finetuned)) {
        if (!resume && saved) refuseOtherRun(settings, saved, folder);
        if (saved) {
          refuseOtherModel(
            folder,
            fingerprint,
            settings.model,
            await modelFingerprintIn(folder),
            saved.model,
          );
        }
        if (!(resume && saved && isOverridden(settings, saved))) {
          found.push(await readJson(finetuned, finetunedSchema));
          console.log(`${folder} is there already`);
          continue;
        }
        await Deno.remove(finetuned);
      }
      if (saved && !resume) {
        console.log(`${folder} was not finished: it starts again (--resume would continue it)`);
        await Deno.remove(folder, { recursive: true });
      }
      const { model: network, config } = await loadModel(settings.model, runtime);
      using _model = network;
      before ??= await rmse(start, part);
      const { window_size, origin, notes, license } = config;
      console.log(
        `${part.name || "the survey"}: ${numberIn(part)} light curves to train on, RMSE ${before.toFixed(4)}`,
      );
      const { train, validation } = part;
      const run = await trainIntoFolder({
        ...{ network, dataset, train, validation, settings, saved: savedOf(settings), runtime, resume, stop },
        details: { window_size, origin, notes, license },
        model: fingerprint,
        output: folder,
      });
      console.log(summaryOf(run));
      if (run.reason === "stopped by a signal") throw interruption();
      const best = await loadModel(run.best ?? `${folder}/last`, measuring);
      using _best = best.model;
      const result: Finetuned = {
        name: part.name,
        light_curves: numberIn(part),
        before,
        after: await rmse(best, part),
        minutes: run.seconds / 60,
        epochs: run.epochs,
      };
      await writeJson(finetuned, result);
      found.push(result);
    }
    console.log("\n" + tableOf(found));
    await reportAfterRun(output);
  },
});

/** Light curves that are trained on; one that stands there more than once counts as often. */
const numberIn = ({ train }: Part) => train.reduce((sum, { lightCurves }) => sum + lightCurves.length, 0);

async function partsOf(
  { scenarios, samples_per_class, folds, data_weights }: Settings,
  joined: JoinedDatasets,
): Promise<Part[]> {
  const { dataset } = joined;
  if (scenarios === undefined) {
    if (samples_per_class ?? folds) {
      throw new InputError("--samples-per-class and --folds need --scenarios, which is not given");
    }
    const test = dataset.subsets.includes("test") ? "test" : "validation";
    return [{
      name: "",
      train: trainParts(joined, lightCurvesOf(dataset, "train"), data_weights),
      validation: validationPart(joined, lightCurvesOf(dataset, "validation"), data_weights),
      test: lightCurvesOf(dataset, test),
    }];
  }
  if (data_weights) {
    throw new InputError("--data-weights is for whole surveys, not for --scenarios");
  }
  const opened = await openScenarios(scenarios, dataset);
  const repeated = (samples: readonly ScenarioSample[]) =>
    samples.flatMap(({ lightCurve, count }) => Array<number>(count).fill(lightCurve));
  return chosenRuns({ scenarios, samples_per_class, folds }, opened).map((run) => ({
    name: `${run.samplesPerClass}-${run.fold}`,
    train: allOnce(repeated(run.train)),
    validation: run.validation.map(({ lightCurve }) => lightCurve),
    test: opened.test.map(({ lightCurve }) => lightCurve),
  }));
}

/** RMSE over all observations of sequential windows, nothing masked, mag. */
async function rmseOf(
  { model, config }: LoadedModel,
  dataset: Dataset,
  lightCurves: readonly number[],
  batchSize: number,
  stop: Stop,
): Promise<number> {
  const windows = lightCurves.flatMap((i) => sequentialWindows(i, dataset.lengths[i], config.window_size));
  const paddedTo = model.seesPadding ? config.window_size : undefined;
  const onBatch = () => !stop.requested();
  const options = { masking: noMasking, weights: "none", batchSize, seed: 0, paddedTo, onBatch } as const;
  return (await reconstructionMetrics(model, dataset, windows, options)).rmse;
}

function tableOf(found: readonly Finetuned[]): string {
  return plainTable([
    ["finetuned on", "light curves", "RMSE before", "RMSE after", "minutes", "epochs"],
    ...found.map(({ name, light_curves, before, after, minutes, epochs }) => [
      name || "the survey",
      String(light_curves),
      before.toFixed(4),
      after.toFixed(4),
      minutes.toFixed(1),
      String(epochs),
    ]),
  ]);
}
