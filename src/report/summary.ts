/** What a run was and what came of it, in a sentence or two. */
import { scaleOf } from "../classify/regression_results.ts";
import { summariesOf } from "../classify/results.ts";
import { meanAndDeviation } from "../evaluate/classification.ts";
import { duration } from "../common/progress.ts";
import { fixed, grouped } from "../common/table.ts";
import { bestCandidates } from "./classification_figures.ts";
import { bestRegressor } from "./regression_section.ts";
import type { RunFolder, Training } from "./run_folder.ts";
import { textOf } from "./section.ts";

/** One paragraph of the report's summary. */
export function summaryOf(run: RunFolder): string {
  if (run.kind === "pretrain") return pretraining(run.training);
  if (run.kind === "finetune") return finetuning(run);
  return run.kind === "classify" ? classification(run) : regression(run);
}

function pretraining({ folder, settings, metrics, best, last, environment }: Training): string {
  const epochs = metrics.filter(({ kind }) => kind === "epoch").length,
    end = metrics.at(-1),
    model = best ?? last;
  const found = (name: string) => best?.metrics?.[name] === undefined ? "?" : fixed(best.metrics[name], 4);
  const sizes = [
    ...model ? [`${grouped(model.parameters)} parameters`] : [],
    `${epochs} ${epochs === 1 ? "epoch" : "epochs"}`,
    ...end ? [`${grouped(end.step)} steps`, `${duration(end.seconds)} on ${textOf(environment.device)}`] : [],
  ];
  return [
    `Pretraining of ${textOf(settings.preset ?? "a model")} on ${textOf(settings.data)} (${folder}): ${
      sizes.join(", ")
    }.`,
    best
      ? `Best epoch ${best.metrics?.epoch ?? "?"}: RMSE ${found("validation_rmse")} mag, R² ${
        found("validation_r2")
      } on ` +
        "the probed observations of the validation set."
      : "Not validated yet.",
    ...model ? [variantOf(model.architecture.masked_magnitudes)] : [],
  ].join(" ");
}

/** Reconstruction errors of models that see what is hidden are not to be compared with those of models that do not. */
function variantOf(masked: string): string {
  if (masked === "token") return "Masked magnitudes are replaced by the trainable MSK token.";
  if (masked === "zero") return "Masked magnitudes are replaced by zero.";
  return "Masked magnitudes are seen by the model as they are, so that its reconstruction is partly a copy.";
}

function finetuning({ trainings, finetuned }: Extract<RunFolder, { kind: "finetune" }>): string {
  const { model, data } = trainings[0].settings;
  const what = `Finetuning of ${textOf(model)} on ${textOf(data)}: ` +
    (trainings.length === 1 ? "one run" : `${trainings.length} runs`);
  if (finetuned.length === 0) return `${what}; not done yet.`;
  const mean = (name: "before" | "after") =>
    meanAndDeviation(finetuned.map((one) => one[name])).mean.toFixed(4);
  const longest = duration(60 * Math.max(...finetuned.map(({ minutes }) => minutes)));
  return `${what}; RMSE of all observations without masking from ${mean("before")} to ${
    mean("after")
  } mag on average, ` +
    `${longest} at most.`;
}

function classification({ results, settings }: Extract<RunFolder, { kind: "classify" }>): string {
  const [{ model, head }] = bestCandidates(results);
  const models = new Set(results.map((result) => result.model)).size;
  const scenarios = [...new Set(results.map((result) => result.samples_per_class))].sort((a, b) => a - b)
    .join(", ");
  const best = summariesOf(results).findLast((summary) => summary.model === model && summary.head === head)!;
  const { mean, deviation } = best.scores.f1;
  return `Classification of ${textOf(settings.data)} into ${results[0].classes.length} classes: ` +
    `${models} ${
      models === 1 ? "model" : "models"
    }, scenarios of ${scenarios} samples per class. Best of the largest: ` +
    `${model} with the head ${head}, macro F1 ${mean.toFixed(3)}` +
    (best.folds > 1
      ? ` ± ${deviation.toFixed(3)} (standard deviation over ${best.folds} folds).`
      : " (one fold).");
}

function regression({ results, settings }: Extract<RunFolder, { kind: "regression" }>): string {
  const { model, head, target, samples_per_class, scores } = bestRegressor(results);
  return `Regression of ${scaleOf(target)} on ${
    textOf(settings.data)
  }. Best of the largest scenario (${samples_per_class}): ` +
    `${model} with the head ${head}, in its first fold RMSE ${scores.rmse.toPrecision(3)}, R² ${
      fixed(scores.r2, 3)
    }.`;
}
