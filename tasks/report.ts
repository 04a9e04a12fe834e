/** Draws the paper's figures of runs, and writes a report with them. */
import { command, setting, z } from "../src/command/command.ts";
import { runShape } from "../src/machine/settings.ts";
import { openDataset } from "../src/data/dataset.ts";
import { InputError } from "../src/common/errors.ts";
import { ProgressLine } from "../src/common/progress.ts";
import type { Figure } from "../src/report/figure.ts";
import { modelFigures } from "../src/report/model_figures.ts";
import { writeReport } from "../src/report/run_report.ts";
import { prepareRun } from "../src/machine/runtime.ts";
import { loadModel, modelHelp } from "../src/weights/model_folder.ts";

const settings = z.object({
  run: setting(
    z.array(z.string()).min(1),
    "run folders of pretrain, finetune or classify, for one report. Save what evaluate --json prints as evaluation.json in a run to add the test line to its learning curves",
  ),
  output: setting(z.string().optional(), "the .html to write (default: report.html in the first run)"),
  model: setting(
    z.string().optional(),
    `${modelHelp}, to open the report with its figures: hidden observations, t-SNE of its blocks, its attention; needs --data`,
  ),
  data: setting(z.string().optional(), "dataset folder for these figures"),
  light_curves: setting(z.int().min(1).default(1500), "most light curves in the t-SNE, drawn at random"),
  attention: setting(
    z.int().min(0).default(4),
    "number of classes to draw the attention for, one light curve each",
  ),
  seed: setting(z.int().min(0).default(0), "names the draw and the t-SNE"),
  ...runShape,
});

export default command({
  name: "report",
  summary:
    "Writes one self-contained HTML report of runs, with the paper's figures, tables, settings and energy. Every figure is also written as SVG and PNG, at a journal's size, into figures/ of its run.",
  settings,
  examples: [
    "deno task report --run runs/asas",
    "deno task report --run runs/classify --run runs/asas --output report.html",
    "deno task report --run runs/asas --model runs/asas/best --data data/asas",
  ],
  async run(chosen) {
    const { run, output } = chosen;
    if (output !== undefined && !/\.html?$/.test(output)) {
      throw new InputError(`--output ${output}: the name must end in .html`);
    }
    const figures = await figuresOfModel(chosen);
    const model = figures && { folder: chosen.model!, figures };
    const folders = run.map((folder) => folder.replace(/(?<=.)\/+$/, ""));
    const [report, ...files] = await writeReport(folders, output, { model });
    console.log(`${report}\nfigures, as SVG and PNG:\n${files.map((path) => `  ${path}`).join("\n")}`);
  },
});

async function figuresOfModel(chosen: z.output<typeof settings>): Promise<Figure[] | undefined> {
  const { model: folder, data, light_curves: lightCurves, attention, seed } = chosen;
  if ((folder === undefined) !== (data === undefined)) {
    throw new InputError("figures of a model need both --model and --data");
  }
  if (folder === undefined) return undefined;
  using dataset = await openDataset(data!);
  const { device, dtype } = prepareRun(chosen);
  const loaded = await loadModel(folder, { device, dtype });
  using _ = loaded.model;
  const line = new ProgressLine();
  try {
    const onProgress = (what: string) => line.update(() => what);
    return await modelFigures(loaded, dataset, { lightCurves, attention, seed, device, onProgress });
  } finally {
    line.clear();
  }
}
