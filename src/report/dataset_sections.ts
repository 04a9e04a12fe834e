/** The sections about the datasets of the runs. */
import { type Dataset, openDataset } from "../data/dataset.ts";
import { InputError } from "../common/errors.ts";
import { exists } from "../files/atomic.ts";
import { cadenceFigure, magnitudeFigure, partsOf } from "./dataset_figures.ts";
import { html } from "./html.ts";
import { isGrid, type RunFolder, trainingsOf } from "./run_folder.ts";
import { type Section, sum } from "./section.ts";
import type { Cell } from "../files/csv.ts";
import type { ReportTable } from "./table.ts";

/** The datasets of the runs, each once; those that are gone or have changed are named. */
export async function datasetSections(runs: readonly RunFolder[]): Promise<Section[]> {
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
export function datasetOf(run: RunFolder): { data?: string; fingerprint?: unknown } {
  const settings = isGrid(run) ? run.settings : trainingsOf(run)[0].settings;
  const data = typeof settings.data === "string" ? settings.data.replace(/(?<=.)\/+$/, "") : undefined;
  if (isGrid(run)) return { data, fingerprint: settings.fingerprint };
  const { dataset } = trainingsOf(run)[0].environment as { dataset?: { fingerprint?: unknown } };
  return { data, fingerprint: dataset?.fingerprint };
}

async function datasetParts(data: string, fingerprint: unknown): Promise<Section["parts"]> {
  const opened = await openedDataset(data, fingerprint);
  if (typeof opened === "string") return [html`<p>The dataset’s figures are left out: ${opened}.</p>`];
  using dataset = opened;
  const parts = partsOf(dataset), cadences = cadenceFigure(parts);
  return [
    ...parts.length ? [magnitudeFigure(parts)] : [],
    ...cadences ? [cadences] : [],
    subsetTable(dataset),
  ];
}

/** The dataset of a run, or why it cannot be had any more. */
export async function openedDataset(data: string, fingerprint: unknown): Promise<Dataset | string> {
  if (!await exists(data)) return `the folder ${data} is not there any more`;
  let dataset: Dataset;
  try {
    dataset = await openDataset(data);
  } catch (error) {
    if (error instanceof InputError) return error.message;
    throw error;
  }
  if (fingerprint === undefined || dataset.fingerprint === fingerprint) return dataset;
  dataset[Symbol.dispose]();
  return `${data} is not the dataset of the run any more, its fingerprint is another`;
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
