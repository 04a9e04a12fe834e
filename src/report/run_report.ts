/** The report of runs: what was trained, on what, and what came of it, with the paper's figures. */
import { summariesOf } from "../classify/results.ts";
import type { Result } from "../classify/results.ts";
import { type Dataset, openDataset } from "../data/dataset.ts";
import { InputError } from "../errors.ts";
import { meanAndDeviation } from "../evaluate/classification.ts";
import { exists, writeText } from "../files/atomic.ts";
import { duration } from "../progress.ts";
import { grouped } from "../table.ts";
import { version } from "../version.ts";
import { bestCandidates, confusionFigure, gammaFigure, scoreFigure } from "./classification_figures.ts";
import { cadenceFigure, magnitudeFigure, partsOf } from "./dataset_figures.ts";
import type { Figure } from "./figure.ts";
import { writeFigureFiles } from "./figure_files.ts";
import { finetuningFigure } from "./finetuning_figure.ts";
import { type Content, Html, html } from "./html.ts";
import { learningCurves } from "./learning_curves.ts";
import { pageOf } from "./page.ts";
import { readRun, type RunFolder, type Training, type Values } from "./run_folder.ts";
import { type Cell, type ReportTable, tableHtml } from "./table.ts";

/** A part of the report. */
interface Section {
  title: string;
  /** The run whose folder its figures go to. */
  folder: string;
  parts: (Html | Figure | ReportTable | Collapsed)[];
}

/** What is opened on demand. */
interface Collapsed {
  summary: string;
  collapsed: (Html | Figure | ReportTable)[];
}

/** What else is told. */
export interface ReportOptions {
  /** Figures of a model, in a section of their own. */
  model?: { folder: string; figures: readonly Figure[] };
}

/**
 * Writes one HTML file about runs of pretrain, finetune and classify that needs nothing but itself, and its figures as
 * SVG and PNG at a journal's size into `figures/` of each run.
 * @param folders run folders
 * @param output where the HTML goes; default: `report.html` in the first folder
 * @returns the paths that were written, the HTML first
 * @throws {InputError} when a folder is not a run
 */
export async function writeReport(
  folders: readonly string[],
  output = `${folders[0]}/report.html`,
  { model }: ReportOptions = {},
): Promise<string[]> {
  const runs: RunFolder[] = [];
  for (const folder of folders) runs.push(await readRun(folder));
  const sections = [
    ...await datasetSections(runs),
    ...runs.map(sectionOf),
    ...model ? [{ title: `Model: ${model.folder}`, folder: runs[0].folder, parts: [...model.figures] }] : [],
    ...energySection(runs),
  ];
  const written: string[] = [];
  const figures = new Map<Figure, Html>();
  for (const { folder, parts } of sections) {
    for (const part of parts.flatMap((part) => "collapsed" in part ? part.collapsed : [part])) {
      if (!isFigure(part)) continue;
      const { svg, paths } = await writeFigureFiles(part, `${folder}/figures`, written);
      written.push(...paths);
      figures.set(part, figureHtml(part, svg, figures.size + 1, paths));
    }
  }
  const shown = (part: Html | Figure | ReportTable): Content =>
    part instanceof Html ? part : isFigure(part) ? figures.get(part) : tableHtml(part);
  const body = [
    html`
      <header>
        <h1>Astromer report</h1>
        <p class="soft">${folders.join(", ")} · ${new Date().toISOString().slice(0, 16).replace(
          "T",
          " ",
        )} UTC · Astromer for Deno ${version}</p>
        <ul>${runs.map((run) => html`<li>${summaryOf(run)}</li>`)}</ul>
        <nav>
          <ul>${[...sections.map(({ title }) => title), citationTitle].map((title, i) =>
            html`<li><a href="#s${i}">${title}</a></li>`
          )}</ul>
        </nav>
      </header>
      <main>
    `,
    sections.map(({ title, parts }, i) =>
      html`<section><h2 id="s${i}">${title}</h2>
${
        parts.map((part) =>
          "collapsed" in part
            ? html`<details><summary>${part.summary}</summary>${part.collapsed.map(shown)}</details>`
            : shown(part)
        )
      }</section>`
    ),
    html`
      <section><h2 id="s${sections.length}">${citationTitle}</h2>${licences(runs)}</section>
      </main>
    `,
  ];
  await writeText(output, await pageOf(`Astromer report: ${folders.join(", ")}`, body));
  return [output, ...written];
}

const citationTitle = "Licence and citation";

function isFigure(part: object): part is Figure {
  return "spec" in part;
}

/** A figure under its number, with its caption. */
function figureHtml({ caption, width }: Figure, svg: Html, number: number, paths: readonly string[]): Html {
  return html`
    <figure class="${width}">
      <div class="card">${svg}</div>
      <figcaption><b>Figure ${number}.</b> ${caption} <small>${paths.map((path) =>
        path.split("/").slice(-2).join("/")
      ).join(", ")}</small></figcaption>
    </figure>
  `;
}

/** What a run was and what came of it, in a sentence or two. */
function summaryOf(run: RunFolder): string {
  if (run.kind === "pretrain") return trainingSentence(run.training);
  if (run.kind === "finetune") {
    const { trainings, finetuned } = run;
    const { settings } = trainings[0], minutes = finetuned.map((one) => one.minutes);
    const change = (name: "before" | "after") =>
      meanAndDeviation(finetuned.map((one) => one[name])).mean.toFixed(4);
    return `Finetuning of ${text(settings.model)} on ${text(settings.data)}: ${
      trainings.length === 1 ? "one run" : `${trainings.length} runs`
    }` +
      (finetuned.length
        ? `; RMSE of all observations without masking from ${change("before")} to ${
          change("after")
        } mag on average, ` +
          `${duration(60 * Math.max(...minutes))} at most.`
        : "; not done yet.");
  }
  const { results, settings } = run, [best] = bestCandidates(results), summaries = summariesOf(results);
  const top = summaries.findLast(({ model, head }) => model === best.model && head === best.head)!;
  const { mean, deviation } = top.scores.f1;
  return `Classification of ${text(settings.data)} into ${results[0].classes.length} classes: ` +
    `${new Set(results.map(({ model }) => model)).size} models, scenarios of ` +
    `${
      [...new Set(results.map((result) => result.samples_per_class))].join(", ")
    } samples per class. Best of the largest ` +
    `scenario: ${best.model} with the head ${best.head}, macro F1 ${mean.toFixed(3)}` +
    (top.folds > 1
      ? ` ± ${deviation.toFixed(3)} (standard deviation over ${top.folds} folds).`
      : " (one fold).");
}

function trainingSentence({ folder, settings, metrics, best, last, environment }: Training): string {
  const epochs = metrics.filter(({ kind }) => kind === "epoch"), end = metrics.at(-1);
  const number = (name: string) => best?.metrics?.[name]?.toFixed(4);
  const model = best ?? last;
  return `Pretraining of ${text(settings.preset ?? "a model")} on ${text(settings.data)} (${folder}): ` +
    (model ? `${grouped(model.parameters)} parameters, ` : "") +
    `${epochs.length} epochs${
      end ? `, ${grouped(end.step)} steps, ${duration(end.seconds)} on ${text(environment.device)}` : ""
    }. ` +
    (number("validation_rmse") === undefined
      ? "Not validated yet. "
      : `Best epoch ${best!.metrics!.epoch}: RMSE ${number("validation_rmse")} mag, R² ${
        number("validation_r2")
      } on the ` +
        "probed observations of the validation set. ") +
    (model ? variantOf(model.architecture.masked_magnitudes) : "");
}

/** Reconstruction errors of models that see what is hidden are not to be compared with those of models that do not. */
function variantOf(masked: string): string {
  if (masked === "token") return "Masked magnitudes are replaced by the trainable MSK token.";
  if (masked === "zero") return "Masked magnitudes are replaced by zero.";
  return "Masked magnitudes are seen by the model as they are, so that its reconstruction is partly a copy.";
}

function sectionOf(run: RunFolder): Section {
  const { folder } = run;
  if (run.kind === "pretrain") {
    const { training } = run;
    return {
      title: `Pretraining: ${folder}`,
      folder,
      parts: [...trainingParts(training), ...settingsParts(training)],
    };
  }
  if (run.kind === "finetune") {
    const { trainings, finetuned } = run;
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
  const { results, settings } = run,
    [best, ...others] = bestCandidates(results),
    gammas = gammaFigure(results);
  return {
    title: `Classification: ${folder}`,
    folder,
    parts: [
      scoreFigure(results),
      scoresTable(results),
      ...gammas ? [gammas] : [],
      confusionFigure(results, best),
      ...others.length
        ? [{
          summary: "Confusion matrices of the other models, each with its best head",
          collapsed: others.map((candidate) => confusionFigure(results, candidate)),
        }]
        : [],
      { summary: "F1 of each class", collapsed: [classTable(results)] },
      { summary: "Settings", collapsed: [valuesTable("Settings", settings)] },
    ],
  };
}

/** @param name of one of several trainings */
function trainingParts(
  { metrics, test, best, last }: Training,
  name?: string,
): Section["parts"] & Collapsed["collapsed"] {
  const curves = learningCurves(metrics, test);
  if (!curves) return [html`<p>There are no metrics yet.</p>`];
  if (name !== undefined) {
    return [{ ...curves, name: `learning-curves-${name}`, caption: `${name}: ${curves.caption}` }];
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

function valuesTable(caption: string, values: Values): ReportTable {
  return {
    caption,
    columns: ["name", "value"],
    rows: Object.entries(values).map((
      [name, value],
    ) => [name, typeof value === "number" ? value : text(value)]),
  };
}

function finetuningTable(finetuned: (RunFolder & { kind: "finetune" })["finetuned"]): ReportTable {
  return {
    caption: "Finetunings. RMSE of all observations of the test set without masking, mag",
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

function scoresTable(results: readonly Result[]): ReportTable {
  const names = ["f1", "precision", "recall", "accuracy"] as const;
  const summaries = summariesOf(results);
  return {
    caption:
      "Scores on the test set, macro averages over classes: means over folds, each followed by its standard deviation",
    columns: [
      ...["samples per class", "model", "head", "folds"],
      ...["macro F1", "±", "precision", "±", "recall", "±", "accuracy", "±"],
    ],
    rows: summaries.map(({ samples_per_class, model, head, folds, scores }) => [
      samples_per_class,
      model,
      head,
      folds,
      ...names.flatMap((name): Cell[] => [scores[name].mean, folds > 1 ? scores[name].deviation : null]),
    ]),
  };
}

function classTable(results: readonly Result[]): ReportTable {
  const rows = bestCandidates(results).flatMap(({ model, head }) => {
    const groups = Map.groupBy(
      results.filter((result) => result.model === model && result.head === head),
      (result) => result.samples_per_class,
    );
    return [...groups].sort(([a], [b]) => a - b).flatMap(([samples, folds]) =>
      folds[0].classes.map((name, i): Cell[] => {
        const { mean, deviation } = meanAndDeviation(folds.map(({ f1 }) => f1[i]));
        return [model, head, samples, name, mean, folds.length > 1 ? deviation : null];
      })
    );
  });
  return {
    caption: "F1 of each class for each model with its best head: mean over folds and standard deviation",
    columns: ["model", "head", "samples per class", "class", "F1", "±"],
    rows,
  };
}

/** The datasets of the runs, each once; those that are gone or have changed are named. */
async function datasetSections(runs: readonly RunFolder[]): Promise<Section[]> {
  const sections: Section[] = [], seen = new Set<string>();
  for (const run of runs) {
    const { data, fingerprint } = datasetOf(run);
    if (data === undefined || seen.has(data)) continue;
    seen.add(data);
    sections.push({
      title: `Dataset: ${data}`,
      folder: run.folder,
      parts: await datasetParts(data, fingerprint),
    });
  }
  return sections;
}

/** Where a run's dataset was, and its fingerprint then. */
function datasetOf(run: RunFolder): { data?: string; fingerprint?: unknown } {
  const settings = run.kind === "classify" ? run.settings : trainingsOf(run)[0].settings;
  const data = typeof settings.data === "string" ? settings.data.replace(/(?<=.)\/+$/, "") : undefined;
  if (run.kind === "classify") return { data, fingerprint: settings.fingerprint };
  const { dataset } = trainingsOf(run)[0].environment as { dataset?: { fingerprint?: unknown } };
  return { data, fingerprint: dataset?.fingerprint };
}

async function datasetParts(data: string, fingerprint: unknown): Promise<Section["parts"]> {
  const without = (reason: string) => [html`<p>The dataset’s figures are left out: ${reason}.</p>`];
  if (!await exists(data)) return without(`the folder ${data} is not there any more`);
  let opened: Dataset;
  try {
    opened = await openDataset(data);
  } catch (error) {
    if (error instanceof InputError) return without(error.message);
    throw error;
  }
  using dataset = opened;
  if (fingerprint !== undefined && dataset.fingerprint !== fingerprint) {
    return without(`${data} is not the dataset of the run any more, its fingerprint is another`);
  }
  const parts = partsOf(dataset), cadences = cadenceFigure(parts);
  return [
    ...parts.length ? [magnitudeFigure(parts)] : [],
    ...cadences ? [cadences] : [],
    subsetTable(dataset),
  ];
}

function subsetTable({ size, subsets, classes, lengths }: Dataset): ReportTable {
  const names = (["train", "validation", "test", "none"] as const).filter((name) => subsets.includes(name));
  const rows = new Map<string | null, number[]>();
  const total = { curves: names.map(() => 0), observations: names.map(() => 0) };
  for (let i = 0; i < size; i++) {
    const place = names.indexOf(subsets[i]), name = classes[i];
    if (!rows.has(name)) rows.set(name, names.map(() => 0));
    rows.get(name)![place]++;
    total.curves[place]++;
    total.observations[place] += lengths[i];
  }
  const classed = [...rows].filter(([name]) => name !== null).length > 0;
  const largestFirst = [...rows].sort(([, a], [, b]) => sum(b) - sum(a));
  return {
    caption: "Light curves by class and subset",
    columns: ["class", ...names.map((name) => name === "none" ? "in no subset" : name), "all"],
    rows: [
      ...classed
        ? largestFirst.map(([name, counts]): Cell[] => [name ?? "not known", ...counts, sum(counts)])
        : [],
      ["all light curves", ...total.curves, sum(total.curves)],
      ["all observations", ...total.observations, sum(total.observations)],
    ],
  };
}

function trainingsOf(run: RunFolder): Training[] {
  return run.kind === "pretrain" ? [run.training] : run.kind === "finetune" ? run.trainings : [];
}

/** Estimates that the runs' last models carry; nothing where there are none. */
function energySection(runs: readonly RunFolder[]): Section[] {
  const found = runs.flatMap(trainingsOf).flatMap(({ folder, last }) =>
    last?.energy ? [{ folder, ...last.energy }] : []
  );
  if (found.length === 0) return [];
  const total = (name: "hours" | "energy" | "co2") => sum(found.map((one) => one[name]));
  return [{
    title: "Energy and carbon footprint",
    folder: runs[0].folder,
    parts: [
      html`<p>Estimated, not measured, after Lannelongue et al. (2021): E = t (cores × P<sub>core</sub> + GPUs ×
P<sub>GPU</sub> + memory × 0.3725 W/GB) × PUE, all taken to be busy all the time, until the last model was saved; CO<sub>2</sub>
equivalent = E × carbon intensity. Power, power usage effectiveness (PUE) and carbon intensity are settings of the run; their
defaults are the world’s averages, and a computing centre can tell its own. Classifiers, which take seconds, are not
counted.</p>`,
      {
        caption: "Energy and carbon footprint of the trainings",
        columns: [
          ...[
            "run",
            "hours",
            "CPU cores",
            "W per core",
            "GPUs",
            "W per GPU",
            "memory (GB)",
            "PUE",
            "g CO₂e per kWh",
          ],
          ...["energy (kWh)", "CO₂e (kg)"],
        ],
        rows: [
          ...found.map((one): Cell[] => [
            one.folder,
            one.hours,
            one.cores,
            one.core_power,
            one.gpus,
            one.gpu_power,
            one.memory,
            one.power_usage_effectiveness,
            one.carbon_intensity,
            one.energy,
            one.co2,
          ]),
          ...found.length > 1
            ? [[
              "all",
              total("hours"),
              null,
              null,
              null,
              null,
              null,
              null,
              null,
              total("energy"),
              total("co2"),
            ]]
            : [],
        ],
      },
    ],
  }];
}

function licences(runs: readonly RunFolder[]): Html {
  const models = runs.flatMap(trainingsOf).flatMap(({ best, last }) =>
    [best ?? last].filter((model) => model !== undefined)
  );
  const named = [...new Set(models.flatMap(({ license }) => license ?? []))];
  return html`
    <p>${named.length
      ? `The weights: ${named.join(", ")}.`
      : "No licence was named for the weights: whoever publishes them decides on one, as the data allow."} The software: MIT.</p>
    <p>If you use this, please cite the model and the software:</p>
    <ul>
      <li>Donoso-Oliva, C., Becker, I., Protopapas, P., Cabrera-Vives, G., Cádiz-Leyton, M., Moreno-Cartagena, D. (2025), Astromer 2.</li>
      <li>Donoso-Oliva, C. et al. (2023), ASTROMER, A&amp;A 670, A54.</li>
      <li>Lannelongue, L., Grealey, J., Inouye, M. (2021), Advanced Science 8, 2100707, for the estimate of energy.</li>
      <li>Astromer for Deno ${version}.</li>
    </ul>
  `;
}

function text(value: unknown): string {
  return typeof value === "string" ? value : JSON.stringify(value) ?? "–";
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}
