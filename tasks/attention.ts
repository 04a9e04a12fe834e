/** Draws where a model looks in one light curve. */
import { command, setting, z } from "../src/command/command.ts";
import { runShape } from "../src/machine/settings.ts";
import { type Dataset, openDataset } from "../src/data/dataset.ts";
import { lightCurveById } from "../src/data/light_curve_by_id.ts";
import { sequentialWindows, type Window } from "../src/data/windows.ts";
import { InputError, printable } from "../src/common/errors.ts";
import { attentionWeights } from "../src/evaluate/attention.ts";
import { fewestInstants, lombScargle } from "../src/evaluate/lomb_scargle.ts";
import { writeText } from "../src/files/atomic.ts";
import { csvOf } from "../src/files/csv.ts";
import { attendedObservations, attentionFigure, attentionTable } from "../src/report/attention_figure.ts";
import { fileNameFor } from "../src/report/column.ts";
import { checkFigurePath, writeFigure } from "../src/report/figure.ts";
import { prepareRun } from "../src/machine/runtime.ts";
import { loadModel, modelHelp } from "../src/weights/model_folder.ts";

export default command({
  name: "attention",
  summary:
    "Draws the attention that each observation of a light curve receives in a block, by head, on the folded light curve.",
  settings: z.object({
    model: setting(z.string(), modelHelp),
    data: setting(z.string(), "dataset folder"),
    id: setting(z.string(), "the object"),
    band: setting(z.string().optional(), "its band, if it has light curves in several"),
    period: setting(
      z.number().gt(0).optional(),
      "period to fold on (default: that of the highest Lomb-Scargle peak of the whole light curve)",
      "days",
    ),
    block: setting(z.int().min(1).default(1), "attention block, counted from 1"),
    window: setting(z.int().min(0).default(0), "which window of the light curve, counted from 0"),
    query: setting(
      z.union([z.enum(["brightest", "faintest"]), z.int().min(0)]).optional(),
      "the query: which observation looks, counted from 0 in the window (default: the mean over all)",
    ),
    output: setting(z.string().optional(), "the .svg to draw (default: named after the object)"),
    csv: setting(
      z.string().regex(/\.csv$/, "a path that ends in .csv is needed").optional(),
      "also write the observations and their attention as .csv",
    ),
    ...runShape,
  }),
  examples: [
    "deno task attention --model runs/asas/best --data data/asas --id 150216",
    "deno task attention --model runs/asas/best --data data/asas --id 150216 --period 0.6312 --block 2 --csv attention.csv",
  ],
  async run(settings) {
    if (settings.output !== undefined) checkFigurePath(settings.output);
    using dataset = await openDataset(settings.data);
    const lightCurve = lightCurveById(dataset, settings.id, settings.band);
    const { device, dtype } = prepareRun(settings);
    const { model, config } = await loadModel(settings.model, { device, dtype });
    using _ = model;
    const { blocks } = model.architecture;
    if (settings.block > blocks) {
      throw new InputError(`--block ${settings.block}: ${settings.model} has blocks 1 to ${blocks}`);
    }
    const windows = sequentialWindows(lightCurve, dataset.lengths[lightCurve], config.window_size);
    if (settings.window >= windows.length) {
      throw new InputError(
        `--window ${settings.window}: ${settings.id} has windows 0 to ${windows.length - 1}`,
      );
    }
    const window = windows[settings.window];
    const query = settings.query === undefined ? undefined : queryOf(settings.query, dataset, window);

    let { period } = settings, source = "as given";
    if (period === undefined) {
      const from = dataset.offsets[lightCurve], to = from + dataset.lengths[lightCurve];
      const [peak] = await lombScargle([{
        mjd: dataset.mjd.subarray(from, to),
        magnitude: dataset.mag.subarray(from, to),
        error: dataset.err.subarray(from, to),
      }], { device });
      if (Number.isNaN(peak.period)) {
        const instants = new Set(dataset.mjd.subarray(from, to)).size;
        const why = instants < fewestInstants
          ? `was observed at ${instants} different times, which determine no period`
          : "does not vary, so it has no period";
        throw new InputError(`${settings.id} ${why}: give one with --period`);
      }
      period = Number(peak.period.toPrecision(7));
      source = `Lomb-Scargle, power ${peak.power.toFixed(2)}`;
    }
    const weights = attentionWeights(model, dataset, window, settings.block, config.window_size);
    const observations = attendedObservations(dataset, window, weights, query);

    const band = dataset.bands[lightCurve], of = dataset.classes[lightCurve];
    const title = band === null ? settings.id : `${settings.id}, ${band} band`;
    const output = settings.output ?? `${fileNameFor("attention", settings.id, band)}.svg`;
    const remarks = [
      ...of === null ? [] : [of],
      `block ${settings.block}; window ${settings.window}: ${window.length} observations`,
      ...query === undefined ? [] : [
        `query: observation ${query}${query === settings.query ? "" : `, the ${settings.query}`}`,
      ],
      `period ${period} days (${source})`,
    ];
    await writeFigure(output, attentionFigure(observations, { title, remarks, period, query }));
    if (settings.csv !== undefined) {
      await writeText(settings.csv, csvOf(attentionTable(observations, period)));
    }
    console.log(printable([title, ...remarks].join("\n")));
    console.log(`\nfigure: ${output}`);
    if (settings.csv !== undefined) console.log(`table: ${settings.csv}`);
  },
});

/** The place of a query in its window; of several that are as bright the first. */
function queryOf(
  query: "brightest" | "faintest" | number,
  { offsets, mag }: Pick<Dataset, "offsets" | "mag">,
  { lightCurve, start, length }: Window,
): number {
  if (typeof query === "string") {
    const from = offsets[lightCurve] + start, magnitudes = mag.subarray(from, from + length);
    return magnitudes.indexOf(
      magnitudes.reduce((a, b) => query === "brightest" ? Math.min(a, b) : Math.max(a, b)),
    );
  }
  if (query >= length) {
    throw new InputError(`--query ${query}: the window has observations 0 to ${length - 1}`);
  }
  return query;
}
