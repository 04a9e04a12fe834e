/** Draws how a model reconstructs one light curve. */
import { command, setting, z } from "../src/command/command.ts";
import { runShape } from "../src/machine/settings.ts";
import { openDataset } from "../src/data/dataset.ts";
import { lightCurveById } from "../src/data/light_curve_by_id.ts";
import { sequentialWindows } from "../src/data/windows.ts";
import { InputError } from "../src/common/errors.ts";
import { MetricsByName } from "../src/evaluate/metrics.ts";
import { copyingRemark, reconstructWindows } from "../src/evaluate/reconstruction.ts";
import { writeText } from "../src/files/atomic.ts";
import { csvOf } from "../src/files/csv.ts";
import { fileNameFor } from "../src/report/column.ts";
import { checkFigurePath, writeFigure } from "../src/report/figure.ts";
import {
  lightCurveFigure,
  magnitudesOf,
  reconstructedObservations,
  type ReconstructedWindow,
  reconstructionTable,
} from "../src/report/light_curve_figure.ts";
import { prepareRun } from "../src/machine/runtime.ts";
import { loadModel, modelHelp } from "../src/weights/model_folder.ts";

/** Windows of one figure at most. */
const mostPanels = 50;

export default command({
  name: "reconstruct",
  summary: "Draws one light curve with hidden observations and what the model predicts for them.",
  settings: z.object({
    model: setting(z.string(), modelHelp),
    data: setting(z.string(), "dataset folder"),
    id: setting(z.string(), "the object"),
    band: setting(z.string().optional(), "its band, if it has light curves in several"),
    window: setting(z.int().min(0).optional(), "one window, counted from 0 (default: all of them)"),
    masked_fraction: setting(
      z.number().min(0).lt(1).default(0.3),
      "share of a window's observations that are hidden; with 0 the model sees all that it predicts",
    ),
    seed: setting(z.int().min(0).default(0), "chooses which observations are hidden"),
    period: setting(z.number().gt(0).optional(), "adds a panel folded on this period", "days"),
    output: setting(z.string().optional(), "the .svg to draw (default: named after the object)"),
    csv: setting(
      z.string().regex(/\.csv$/, "a path that ends in .csv is needed").optional(),
      "also write the observations and their predictions as .csv",
    ),
    ...runShape,
  }),
  examples: [
    "deno task reconstruct --model runs/asas/best --data data/asas --id 150216",
    "deno task reconstruct --model runs/asas/best --data data/asas --id 150216 --window 0 --masked-fraction 0.5 --period 0.6312",
  ],
  async run(settings) {
    if (settings.output !== undefined) checkFigurePath(settings.output);
    using dataset = await openDataset(settings.data);
    const lightCurve = lightCurveById(dataset, settings.id, settings.band);
    const { device, dtype } = prepareRun(settings);
    const { model, config } = await loadModel(settings.model, { device, dtype });
    using _ = model;
    const all = sequentialWindows(lightCurve, dataset.lengths[lightCurve], config.window_size);
    if (settings.window !== undefined && settings.window >= all.length) {
      throw new InputError(`--window ${settings.window}: ${settings.id} has windows 0 to ${all.length - 1}`);
    }
    if (settings.window === undefined && all.length > mostPanels) {
      throw new InputError(
        `${settings.id} has ${all.length} windows, more than the ${mostPanels} that one figure shows: --window chooses one`,
      );
    }
    const windows = all.filter((_, i) => i === (settings.window ?? i));
    const [{ length }] = windows;
    if (Math.round(settings.masked_fraction * length) === length) {
      throw new InputError(
        `--masked-fraction ${settings.masked_fraction} hides all ${length} observations of a window`,
      );
    }

    const reconstructed: ReconstructedWindow[] = [];
    const metrics = new MetricsByName();
    await reconstructWindows(model, dataset, windows, {
      masking: { probed_fraction: 1, masked_fraction: settings.masked_fraction, replaced_fraction: 0 },
      weights: "none",
      batchSize: 16,
      seed: settings.seed,
      paddedTo: model.seesPadding ? config.window_size : undefined,
    }, (result) => {
      const window = {
        window: all.indexOf(result.window),
        observations: reconstructedObservations(dataset, result),
      };
      reconstructed.push(window);
      for (const role of ["hidden", "seen"] as const) {
        const { predicted, magnitudes } = magnitudesOf(window, role);
        if (predicted.length) metrics.get(`${role} observations`).add(predicted, magnitudes);
      }
    });
    reconstructed.sort((a, b) => a.window - b.window);

    const band = dataset.bands[lightCurve], of = dataset.classes[lightCurve];
    const copying = settings.masked_fraction > 0 ? copyingRemark(model.architecture) : undefined;
    const remarks = [
      ...of === null ? [] : [of],
      ...copying === undefined ? [] : [copying],
    ];
    const output = settings.output ?? `${fileNameFor("reconstruction", settings.id, band)}.svg`;
    const title = band === null ? settings.id : `${settings.id}, ${band} band`;
    await writeFigure(output, lightCurveFigure(reconstructed, { title, remarks, period: settings.period }));
    if (settings.csv !== undefined) await writeText(settings.csv, csvOf(reconstructionTable(reconstructed)));
    console.log(metrics.table(`${title}, ${dtype}`) + "\n");
    if (copying !== undefined) console.log(`${copying}\n`);
    console.log(`figure: ${output}`);
    if (settings.csv !== undefined) console.log(`table: ${settings.csv}`);
  },
});
