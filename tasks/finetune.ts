/** Finetunes a model with the pretraining task: on the light curves of few-shot scenarios, or on a whole survey. */
import { command, setting, z } from "../src/command.ts";
import { checkLoop, loopShape } from "../src/config.ts";
import { openScenarios, type ScenarioSample } from "../src/classify/scenarios.ts";
import { type Dataset, lightCurvesOf, openDataset } from "../src/data/dataset.ts";
import { noMasking } from "../src/data/masking.ts";
import { sequentialWindows } from "../src/data/windows.ts";
import { InputError } from "../src/errors.ts";
import { reconstructionMetrics } from "../src/evaluate/reconstruction.ts";
import { exists, writeJson } from "../src/files/atomic.ts";
import { reportAfterRun } from "../src/report/after_run.ts";
import type { Finetuned } from "../src/report/finetuning_figure.ts";
import { prepareRun } from "../src/run.ts";
import { plainTable } from "../src/table.ts";
import { refuseExistingRun, summaryOf, trainIntoFolder } from "../src/training_run.ts";
import { type LoadedModel, loadModel } from "../src/weights/model_folder.ts";

const numbers = z.array(z.coerce.number().int().min(0)).min(1);

const settings = z.object({
  model: setting(z.string(), "model folder to start from"),
  data: setting(z.string(), "dataset folder"),
  output: setting(
    z.string(),
    "run folder to make; with scenarios one a scenario and fold in it, such as 20-0/",
  ),
  scenarios: setting(
    z.string().optional(),
    "folder of scenarios; without, the dataset's own train and validation subsets",
  ),
  samples_per_class: setting(numbers.optional(), "which scenarios (all, if not given)"),
  folds: setting(numbers.optional(), "which folds (all, if not given)"),
  config: setting(z.string().optional(), "a TOML or JSON file with any of these settings"),
  ...loopShape,
  learning_rate: setting(z.number().gt(0).default(1e-5), "peak learning rate"),
  schedule: setting(
    z.enum(["constant", "cosine"]).default("constant"),
    "learning rate over the run: constant, or half a cosine down to the end of epochs or minutes, both after the warm-up",
  ),
  warmup_steps: setting(z.int().min(0).default(0), "steps of warm-up", "steps"),
});

/** Light curves of one finetuning. */
interface Part {
  /** Folder within the output; empty for the output itself. */
  name: string;
  train: number[];
  validation: number[];
  test: number[];
}

export default command({
  name: "finetune",
  summary:
    "Goes on training a model with the pretraining task on the light curves of few-shot scenarios, or on a new survey without " +
    "labels; reports RMSE on all observations without masking before and after, and the minutes.",
  settings,
  examples: [
    "deno task finetune --model runs/macho/best --data data/asas --scenarios data/asas-scenarios --output runs/finetuned",
    "deno task finetune --model runs/macho/best --data data/asas --scenarios data/asas-scenarios --samples-per-class 20 --folds 0 --output runs/one",
    "deno task finetune --model models/astromer1-macho --data data/asas --output runs/asas-from-macho --max-minutes 30",
  ],
  async run(chosen) {
    const { config: _, ...settings } = chosen;
    checkLoop(settings);
    using dataset = await openDataset(settings.data);
    const parts = await partsOf(settings, dataset);
    const runtime = prepareRun(settings), output = settings.output.replace(/\/+$/, "");
    const found: Finetuned[] = [];
    let before: number | undefined; // the test light curves are the same for all
    for (const part of parts) {
      const folder = part.name ? `${output}/${part.name}` : output;
      if (part.name && await exists(`${folder}/finetuned.json`)) {
        found.push(JSON.parse(await Deno.readTextFile(`${folder}/finetuned.json`)));
        console.log(`${folder} is there already`);
        continue;
      }
      if (part.name && await exists(`${folder}/metrics.jsonl`)) {
        console.log(`${folder} was not finished: it is begun again`);
        await Deno.remove(folder, { recursive: true });
      }
      await refuseExistingRun(folder);
      const { model: network, config } = await loadModel(settings.model, runtime);
      using _model = network;
      const rmse = (of: LoadedModel) => rmseOf(of, dataset, part.test, settings.batch_size);
      before ??= await rmse({ model: network, config });
      const { window_size, origin, notes, license } = config;
      console.log(
        `${part.name || "the survey"}: ${part.train.length} light curves to train on, RMSE ${
          before.toFixed(4)
        }`,
      );
      const run = await trainIntoFolder({
        network,
        dataset,
        train: part.train,
        validation: part.validation,
        settings,
        saved: settings,
        details: { window_size, origin, notes, license },
        runtime,
        output: folder,
      });
      console.log(summaryOf(run));
      if (run.reason === "stopped by a signal") return;
      const best = await loadModel(run.best ?? `${folder}/last`, runtime);
      using _best = best.model;
      const result: Finetuned = {
        name: part.name,
        light_curves: part.train.length,
        before,
        after: await rmse(best),
        minutes: run.seconds / 60,
        epochs: run.epochs,
      };
      await writeJson(`${folder}/finetuned.json`, result);
      found.push(result);
    }
    console.log("\n" + tableOf(found));
    await reportAfterRun(output);
  },
});

async function partsOf(
  { scenarios, samples_per_class, folds, data }: z.output<typeof settings>,
  dataset: Dataset,
): Promise<Part[]> {
  if (scenarios === undefined) {
    if (samples_per_class ?? folds) {
      throw new InputError("--samples-per-class and --folds choose among --scenarios, which is not given");
    }
    const test = dataset.subsets.includes("test") ? "test" : "validation";
    return [{
      name: "",
      train: lightCurvesOf(dataset, "train"),
      validation: lightCurvesOf(dataset, "validation"),
      test: lightCurvesOf(dataset, test),
    }];
  }
  const opened = await openScenarios(scenarios, dataset);
  const repeated = (samples: readonly ScenarioSample[]) =>
    samples.flatMap(({ lightCurve, count }) => Array<number>(count).fill(lightCurve));
  const parts = opened.runs.filter(({ samplesPerClass, fold }) =>
    (samples_per_class ?? [samplesPerClass]).includes(samplesPerClass) && (folds ?? [fold]).includes(fold)
  ).map(({ samplesPerClass, fold, train, validation }) => ({
    name: `${samplesPerClass}-${fold}`,
    train: repeated(train),
    validation: validation.map(({ lightCurve }) => lightCurve),
    test: opened.test.map(({ lightCurve }) => lightCurve),
  }));
  if (parts.length === 0) {
    throw new InputError(
      `${scenarios} has no such scenario: --samples-per-class is one of ${
        opened.samplesPerClass.join(", ")
      }, --folds of ` +
        `${opened.folds.join(", ")} (dataset ${data})`,
    );
  }
  return parts;
}

/** RMSE over all observations of sequential windows, nothing masked, mag. */
async function rmseOf(
  { model, config }: LoadedModel,
  dataset: Dataset,
  lightCurves: readonly number[],
  batchSize: number,
): Promise<number> {
  const windows = lightCurves.flatMap((i) => sequentialWindows(i, dataset.lengths[i], config.window_size));
  const paddedTo = model.seesPadding ? config.window_size : undefined;
  const options = { masking: noMasking, weights: "none", batchSize, seed: 0, paddedTo } as const;
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
