/** What a run left behind, read again for a report. */
import { type RegressionResult, regressionResultSchema } from "../classify/regression_results.ts";
import { type Result, resultSchema } from "../classify/results.ts";
import { z } from "../common/setting.ts";
import { InputError, messageOf } from "../common/errors.ts";
import { exists } from "../files/atomic.ts";
import { jsonNumber, parseJson, readJson } from "../files/json.ts";
import { energySchema } from "../train/energy.ts";
import type { MetricsLine } from "../train/pretrain_types.ts";
import type { Finetuned } from "./finetuning_figure.ts";
import type { TestMetrics } from "./learning_curves.ts";

/** Settings or an environment: names and whatever they stand for. */
export type Values = Record<string, unknown>;

/** What is read of a model's `config.json`. */
export type TrainedModel = z.output<typeof modelSchema>;

/** A run of pretraining or finetuning, one folder. */
export interface Training {
  folder: string;
  settings: Values;
  environment: Values;
  metrics: MetricsLine[];
  /** The best model and the last, as far as they are there. */
  best?: TrainedModel;
  last?: TrainedModel;
  /** What `evaluate --json` wrote into `evaluation.json` of the run. */
  test?: TestMetrics;
}

/** A run folder. */
export type RunFolder =
  & { folder: string }
  & (
    | { kind: "pretrain"; training: Training }
    | { kind: "finetune"; trainings: Training[]; finetuned: Finetuned[] }
    | { kind: "classify"; settings: Values; results: Result[] }
    | { kind: "regression"; settings: Values; results: RegressionResult[] }
  );

/** A run of classify, of classes or of numbers. */
export function isGrid(run: RunFolder): run is Extract<RunFolder, { kind: "classify" | "regression" }> {
  return run.kind === "classify" || run.kind === "regression";
}

/** The trainings of a run; none of classify. */
export function trainingsOf(run: RunFolder): Training[] {
  return run.kind === "pretrain" ? [run.training] : run.kind === "finetune" ? run.trainings : [];
}

const values = z.record(z.string(), z.unknown());
const count = z.int().min(0);

const modelSchema = z.looseObject({
  parameters: count,
  window_size: count,
  architecture: z.looseObject({
    blocks: count,
    heads: count,
    head_size: count,
    masked_magnitudes: z.string(),
  }),
  metrics: z.record(z.string(), jsonNumber).optional(),
  energy: energySchema.optional(),
  license: z.string().optional(),
  origin: z.string().optional(),
  notes: z.array(z.string()).optional(),
});

const metricsSchema = z.looseObject({
  kind: z.enum(["step", "epoch"]),
  epoch: z.number(),
  step: z.number(),
  seconds: z.number(),
});

/** What finetune writes of a model as `finetuned.json`. */
export const finetunedSchema: z.ZodType<Finetuned> = z.object({
  name: z.string(),
  light_curves: count,
  before: jsonNumber,
  after: jsonNumber,
  minutes: z.number(),
  epochs: count,
});

const evaluationSchema = z.looseObject({
  subset: z.string(),
  probed: z.looseObject({ all: z.looseObject({ rmse: jsonNumber, r2: jsonNumber }) }),
});

/**
 * Reads a run folder of pretrain, finetune or classify, whichever it is.
 * @throws {InputError} when it is none of them, or one of its files is not what it should be
 */
export async function readRun(path: string): Promise<RunFolder> {
  const folder = path.replace(/(?<=.)\/+$/, "");
  if (await exists(`${folder}/results.json`)) {
    const settings = await readValues(`${folder}/config.json`), path = `${folder}/results.json`;
    return settings.task === "regression"
      ? {
        folder,
        kind: "regression",
        settings,
        results: await readJson(path, z.array(regressionResultSchema).min(1)),
      }
      : { folder, kind: "classify", settings, results: await readJson(path, z.array(resultSchema).min(1)) };
  }
  if (await exists(`${folder}/metrics.jsonl`)) {
    const training = await readTraining(folder);
    if (training.settings.model === undefined) return { folder, kind: "pretrain", training };
    return { folder, kind: "finetune", trainings: [training], finetuned: await finetunedIn(folder) };
  }
  const scenarios: Training[] = [], finetuned: Finetuned[] = [];
  for (const name of await foldersIn(folder)) {
    const inner = `${folder}/${name}`;
    if (!await exists(`${inner}/metrics.jsonl`)) continue;
    scenarios.push(await readTraining(inner));
    finetuned.push(...await finetunedIn(inner));
  }
  if (scenarios.length) return { folder, kind: "finetune", trainings: scenarios, finetuned };
  throw new InputError(
    `${folder} is not a run: it has no metrics.jsonl (pretrain, finetune), no folders of scenarios with such files ` +
      "(finetune) and no results.json (classify, once it is done)",
  );
}

async function finetunedIn(folder: string): Promise<Finetuned[]> {
  const path = `${folder}/finetuned.json`;
  return await exists(path) ? [await readJson(path, finetunedSchema)] : [];
}

async function readTraining(folder: string): Promise<Training> {
  const model = async (name: string) =>
    await exists(`${folder}/${name}/config.json`)
      ? await readJson(`${folder}/${name}/config.json`, modelSchema)
      : undefined;
  const evaluation = `${folder}/evaluation.json`;
  return {
    folder,
    settings: await readValues(`${folder}/config.json`),
    environment: await readValues(`${folder}/environment.json`),
    metrics: await readMetrics(`${folder}/metrics.jsonl`),
    best: await model("best"),
    last: await model("last"),
    test: await exists(evaluation) ? testOf(await readJson(evaluation, evaluationSchema)) : undefined,
  };
}

function testOf({ subset, probed: { all: { rmse, r2 } } }: z.output<typeof evaluationSchema>): TestMetrics {
  return { name: subset, rmse, r2 };
}

/** The lines of `metrics.jsonl`; the last may be cut short, by a crash or while it is being written. */
async function readMetrics(path: string): Promise<MetricsLine[]> {
  const lines = (await Deno.readTextFile(path)).split("\n");
  return lines.slice(0, -1).map((line, i) =>
    parseJson(`${path}, line ${i + 1}`, line, metricsSchema) as MetricsLine
  );
}

async function readValues(path: string): Promise<Values> {
  return await exists(path) ? await readJson(path, values) : {};
}

async function foldersIn(folder: string): Promise<string[]> {
  try {
    const entries = await Array.fromAsync(Deno.readDir(folder));
    return entries.filter(({ isDirectory }) => isDirectory).map(({ name }) => name)
      .sort(new Intl.Collator("en", { numeric: true }).compare);
  } catch (error) {
    throw new InputError(`the run ${folder} cannot be read: ${messageOf(error)}`);
  }
}
