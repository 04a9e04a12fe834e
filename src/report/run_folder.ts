/** What a run left behind, read again for a report. */
import type { Result } from "../classify/results.ts";
import { z } from "../command.ts";
import { InputError, messageOf } from "../errors.ts";
import { exists } from "../files/atomic.ts";
import { energySchema } from "../train/energy.ts";
import type { MetricsLine } from "../train/pretrain.ts";
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
  );

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
  metrics: z.record(z.string(), z.number()).optional(),
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

const finetunedSchema: z.ZodType<Finetuned> = z.object({
  name: z.string(),
  light_curves: count,
  before: z.number(),
  after: z.number(),
  minutes: z.number(),
  epochs: count,
});

const score = z.number();
const resultSchema: z.ZodType<Result> = z.object({
  model: z.string(),
  fingerprint: z.string().optional(),
  head: z.string(),
  samples_per_class: count,
  fold: count,
  classes: z.array(z.string()).min(1),
  scores: z.object({ f1: score, precision: score, recall: score, accuracy: score, balanced_accuracy: score }),
  f1: z.array(score),
  confusion: z.array(count),
  gammas: z.array(z.number()).optional(),
  validation_loss: z.number(),
  epochs: count,
  seconds: z.number(),
  light_curves: z.object({ train: count, validation: count, test: count }),
}).refine(
  ({ classes, confusion }) => confusion.length === classes.length ** 2,
  "the confusion matrix does not fit the classes",
);

const evaluationSchema = z.looseObject({
  subset: z.string(),
  probed: z.looseObject({ all: z.looseObject({ rmse: z.number(), r2: z.number() }) }),
});

/**
 * Reads a run folder of pretrain, finetune or classify, whichever it is.
 * @throws {InputError} when it is none of them, or one of its files is not what it should be
 */
export async function readRun(path: string): Promise<RunFolder> {
  const folder = path.replace(/(?<=.)\/+$/, "");
  if (await exists(`${folder}/results.json`)) {
    const results = await readJson(`${folder}/results.json`, z.array(resultSchema).min(1));
    return { folder, kind: "classify", settings: await readValues(`${folder}/config.json`), results };
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
    parsed(`${path}, line ${i + 1}`, line, metricsSchema) as MetricsLine
  );
}

async function readValues(path: string): Promise<Values> {
  return await exists(path) ? await readJson(path, values) : {};
}

async function readJson<T>(path: string, schema: z.ZodType<T>): Promise<T> {
  try {
    return parsed(path, await Deno.readTextFile(path), schema);
  } catch (error) {
    if (error instanceof InputError) throw error;
    throw new InputError(`${path} cannot be read: ${messageOf(error)}`);
  }
}

function parsed<T>(where: string, text: string, schema: z.ZodType<T>): T {
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch (error) {
    throw new InputError(`${where} is not valid JSON: ${messageOf(error)}`);
  }
  const result = schema.safeParse(json);
  if (result.success) return result.data;
  const [{ path, message }] = result.error.issues;
  throw new InputError(`${where}: ${path.length ? `${path.join(".")}: ` : ""}${message}`);
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
