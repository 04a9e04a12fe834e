/** The report of runs: what was trained, on what, and what came of it, with the paper's figures. */
import { writeText } from "../files/atomic.ts";
import { version } from "../common/version.ts";
import { citations } from "../weights/model_card.ts";
import { classificationSection } from "./classification_section.ts";
import { datasetSections } from "./dataset_sections.ts";
import { energySections } from "./energy_section.ts";
import type { Figure } from "./figure.ts";
import { writeFigureFiles } from "./figure_files.ts";
import { type Content, Html, html } from "./html.ts";
import { pageOf } from "./page.ts";
import { readRun, type RunFolder, trainingsOf } from "./run_folder.ts";
import { regressionSection } from "./regression_section.ts";
import { isFigure, type Part, type Section } from "./section.ts";
import { summaryOf } from "./summary.ts";
import { tableHtml } from "./table.ts";
import { finetuningSection, pretrainingSection } from "./training_sections.ts";

/** What else is told. */
export interface ReportOptions {
  /** Figures of a model, in a section of their own, with which the report opens. */
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
  output?: string,
  { model }: ReportOptions = {},
): Promise<string[]> {
  const runs: RunFolder[] = [];
  for (const folder of folders) runs.push(await readRun(folder));
  const sections = [
    ...model ? [{ title: `Model: ${model.folder}`, folder: runs[0].folder, parts: [...model.figures] }] : [],
    ...await datasetSections(runs),
    ...await Promise.all(runs.map(sectionOf)),
    ...energySections(runs),
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
  const shown = (part: Part): Content =>
    part instanceof Html ? part : isFigure(part) ? figures.get(part) : tableHtml(part);
  const now = new Date().toISOString().slice(0, 16).replace("T", " ");
  const body = [
    html`
      <header>
        <h1>Astromer report</h1>
        <p class="soft">${folders.join(", ")} · ${now} UTC · Astromer for Deno ${version}</p>
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
  const report = output ?? `${runs[0].folder}/report.html`;
  await writeText(report, await pageOf(`Astromer report: ${folders.join(", ")}`, body));
  return [report, ...written];
}

const citationTitle = "Licence and citation";

async function sectionOf(run: RunFolder): Promise<Section> {
  if (run.kind === "pretrain") return pretrainingSection(run);
  if (run.kind === "finetune") return finetuningSection(run);
  return await (run.kind === "classify" ? classificationSection(run) : regressionSection(run));
}

/** A figure under its number, with its caption. */
function figureHtml({ caption, width }: Figure, svg: Html, number: number, paths: readonly string[]): Html {
  const files = paths.map((path) => path.split("/").slice(-2).join("/")).join(", ");
  return html`
    <figure class="${width}">
      <div class="card" tabindex="0">${svg}</div>
      <figcaption><b>Figure ${number}.</b> ${caption} <small>${files}</small></figcaption>
    </figure>
  `;
}

/** Licences of the weights and the software, and what to cite. */
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
      ${citations.map((citation) => html`<li>${citation}.</li>`)}
      <li>Lannelongue, L., Grealey, J., Inouye, M. (2021), Advanced Science 8, 2100707, for the estimate of energy.</li>
      <li>Astromer for Deno ${version}.</li>
    </ul>
  `;
}
