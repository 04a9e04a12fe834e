/** Sections about trainings: learning curves, what finetuning gained, settings. */
import { fileNameFor } from "./column.ts";
import { type Finetuned, finetuningFigure } from "./finetuning_figure.ts";
import { html } from "./html.ts";
import { learningCurves } from "./learning_curves.ts";
import type { RunFolder, Training } from "./run_folder.ts";
import { type Collapsed, type Part, type Section, valuesTable } from "./section.ts";
import type { Cell } from "../files/csv.ts";
import type { ReportTable } from "./table.ts";

/** A run of pretraining. */
export function pretrainingSection({ folder, training }: Extract<RunFolder, { kind: "pretrain" }>): Section {
  return {
    title: `Pretraining: ${folder}`,
    folder,
    parts: [...trainingParts(training), ...settingsParts(training)],
  };
}

/** Finetunings: of a whole survey, or of scenarios. */
export function finetuningSection(
  { folder, trainings, finetuned }: Extract<RunFolder, { kind: "finetune" }>,
): Section {
  // One learning curve a scenario is enough: the first fold's.
  const scenarios = Map.groupBy(trainings, ({ folder }) => /([^/]*)-\d+$/.exec(folder)?.[1] ?? folder);
  return {
    title: `Finetuning: ${folder}`,
    folder,
    parts: [
      ...finetuned.length ? [finetuningFigure(finetuned), finetuningTable(finetuned)] : [],
      ...trainings.length === 1 ? trainingParts(trainings[0]) : [{
        summary: "Learning curves, first fold of each scenario",
        collapsed: [...scenarios.values()].flatMap(([training]) =>
          trainingParts(training, training.folder.slice(folder.length + 1))
        ),
      }],
      ...settingsParts(trainings[0]),
    ],
  };
}

/** @param name of one of several trainings */
function trainingParts(
  { metrics, test, best, last }: Training,
  name?: string,
): Part[] {
  const curves = learningCurves(metrics, test);
  if (!curves) return [html`<p>There are no metrics yet.</p>`];
  if (name !== undefined) {
    return [{
      ...curves,
      name: fileNameFor("learning-curves", name, null),
      caption: `${name}: ${curves.caption}`,
    }];
  }
  const rows = ([["best", best], ["last", last]] as const).flatMap(([which, model]): Cell[][] =>
    model?.metrics
      ? [[
        which,
        ...[
          "epoch",
          "step",
          "train_loss",
          "train_rmse",
          "train_r2",
          "validation_loss",
          "validation_rmse",
          "validation_r2",
        ]
          .map((metric) => model.metrics![metric] ?? null),
      ]]
      : []
  );
  return [
    curves,
    ...rows.length
      ? [{
        caption: "The best and the last model. RMSE in mag, on the probed observations",
        columns: [
          ...["model", "epoch", "step", "training loss", "training RMSE", "training R²"],
          ...["validation loss", "validation RMSE", "validation R²"],
        ],
        rows,
      }]
      : [],
  ];
}

function settingsParts({ settings, environment, best, last }: Training): Collapsed[] {
  const model = best ?? last;
  return [
    {
      summary: "Settings",
      collapsed: [
        valuesTable("Settings", settings),
        ...model
          ? [valuesTable("Architecture", { parameters: model.parameters, ...model.architecture })]
          : [],
      ],
    },
    { summary: "Environment", collapsed: [valuesTable("Environment", environment)] },
  ];
}

function finetuningTable(finetuned: readonly Finetuned[]): ReportTable {
  return {
    caption: "Finetunings. RMSE of all observations without masking, mag",
    columns: ["scenario and fold", "light curves", "RMSE before", "RMSE after", "minutes", "epochs"],
    rows: finetuned.map(({ name, light_curves, before, after, minutes, epochs }) => [
      name || "the survey",
      light_curves,
      before,
      after,
      minutes,
      epochs,
    ]),
  };
}
