/** Measures how well a model reconstructs the light curves of a dataset. */
import { command, setting, z } from "../src/command/command.ts";
import { runShape } from "../src/machine/settings.ts";
import { role } from "../src/data/batch.ts";
import { lightCurvesOf, openDataset } from "../src/data/dataset.ts";
import { type Masking, maskingShape, noMasking } from "../src/data/masking.ts";
import { randomWindow, sequentialWindows } from "../src/data/windows.ts";
import { InputError } from "../src/common/errors.ts";
import { baselinePredictor, baselines } from "../src/evaluate/baselines.ts";
import { comparisonTable, MetricsByName } from "../src/evaluate/metrics.ts";
import {
  copyingRemark,
  modelPredictor,
  type Predictor,
  predictWindows,
  type WindowResult,
} from "../src/evaluate/reconstruction.ts";
import { duration, ProgressLine } from "../src/common/progress.ts";
import { seeded } from "../src/common/random.ts";
import { checkFigurePath, writeFigure } from "../src/report/figure.ts";
import { drawnPoints, reconstructionFigure } from "../src/report/reconstruction_figure.ts";
import { prepareRun } from "../src/machine/runtime.ts";
import { loadModel, modelHelp } from "../src/weights/model_folder.ts";

export default command({
  name: "evaluate",
  summary:
    "Scores a model: RMSE and R2 on probed points under fixed masks (over all, by class, and for masked points alone), and RMSE over all points without masking.",
  settings: z.object({
    model: setting(z.string(), modelHelp),
    data: setting(z.string(), "dataset folder"),
    subset: setting(z.enum(["train", "validation", "test", "all"]).default("test"), "which light curves"),
    windows: setting(
      z.enum(["sequential", "random"]).default("sequential"),
      "all windows of a light curve, or one at random",
    ),
    without: setting(z.array(z.string()).default([]), "give the numbers a second time without these classes"),
    baselines: setting(
      z.boolean().default(false),
      "compare with the mean, linear interpolation, a Gaussian process and a harmonic fit on the same points",
    ),
    figure: setting(
      z.string().optional(),
      "figure to draw (.svg): one window of each class with its hidden points",
    ),
    json: setting(z.boolean().default(false), "print one JSON object"),
    batch_size: setting(
      z.int().min(1).optional(),
      "windows per batch (default: 64, on a GPU 512)",
      "windows",
    ),
    seed: setting(z.int().min(0).default(0), "seed of the masks (and of random windows)"),
    ...maskingShape,
    ...runShape,
  }),
  examples: [
    "deno task evaluate --model runs/asas/best --data data/asas",
    "deno task evaluate --model runs/asas/best --data data/asas --windows random --without Mira --json",
    "deno task evaluate --model runs/asas/best --data data/asas --windows random --baselines",
  ],
  async run(settings) {
    if (settings.figure !== undefined) checkFigurePath(settings.figure);
    using dataset = await openDataset(settings.data);
    for (const name of settings.without) {
      if (!dataset.classes.includes(name)) {
        const known = [...new Set(dataset.classes.filter((c) => c !== null))].sort();
        throw new InputError(
          `--without ${name}: the classes of ${settings.data} are ${known.join(", ") || "not known"}`,
        );
      }
    }
    const { device, dtype } = prepareRun(settings);
    const { model, config } = await loadModel(settings.model, { device, dtype });
    using _ = model;
    const chosen = lightCurvesOf(dataset, settings.subset);
    const windows = chosen.flatMap((i) => {
      const length = dataset.lengths[i];
      return settings.windows === "sequential"
        ? sequentialWindows(i, length, config.window_size)
        : [randomWindow(i, length, seeded(settings.seed, 0x1e57, i), config.window_size)];
    });

    // For the figure one window of each class: the longest, the first of those.
    const drawn = new Map<string, WindowResult>();
    const onMasked = settings.figure === undefined ? undefined : (result: WindowResult) => {
      const title = dataset.classes[result.window.lightCurve] ?? dataset.ids[result.window.lightCurve];
      const before = drawn.get(title);
      if (before ? before.window.length < result.window.length : drawn.size < 8) drawn.set(title, result);
    };
    const line = new ProgressLine(), started = performance.now();
    const score = async (
      predictor: Predictor,
      masking: Masking,
      what: string,
      onResult?: (result: WindowResult) => void,
    ) => {
      const sets = new MetricsByName();
      await predictWindows(predictor, dataset, windows, {
        masking,
        weights: config.training?.loss_weights === "errors" ? "errors" : "none",
        batchSize: settings.batch_size ?? (device === "cpu" ? 64 : 512),
        seed: settings.seed,
        paddedTo: model.seesPadding ? config.window_size : undefined,
        onBatch: (done) =>
          line.update(() => {
            const seconds = (performance.now() - started) / 1000;
            return `${what}: ${done}/${windows.length} windows, ${duration(seconds)}`;
          }),
      }, (result) => {
        const { window, predicted, targets, weights, roles } = result;
        const of = dataset.classes[window.lightCurve];
        sets.get("all").add(predicted, targets, weights);
        if (settings.without.length && !settings.without.includes(of ?? "")) {
          sets.get(`without ${settings.without.join(", ")}`).add(predicted, targets, weights);
        }
        const masked = (values: readonly number[]) => values.filter((_, i) => roles[i] === role.masked);
        if (roles.includes(role.masked)) {
          sets.get("masked points").add(masked(predicted), masked(targets), masked(weights));
        }
        if (of !== null) sets.get(of).add(predicted, targets, weights);
        onResult?.(result);
      });
      return sets;
    };

    const { probed_fraction, masked_fraction, replaced_fraction } = settings;
    const masking = { probed_fraction, masked_fraction, replaced_fraction };
    using predictor = modelPredictor(model);
    const probed = await score(predictor, masking, "probed points", onMasked);
    const visible = await score(predictor, noMasking, "all points");
    const beside: Record<string, MetricsByName> = {};
    for (const [name, baseline] of Object.entries(settings.baselines ? baselines : {})) {
      beside[name] = await score(baselinePredictor(baseline), masking, name);
    }
    line.clear();

    if (settings.figure !== undefined) {
      const points = [...drawn].sort(([a], [b]) => a < b ? -1 : 1)
        .flatMap(([title, result]) =>
          drawnPoints(`${title}, ${dataset.ids[result.window.lightCurve]}`, dataset, result)
        );
      await writeFigure(settings.figure, reconstructionFigure(points));
    }
    const copying = masked_fraction > 0 ? copyingRemark(model.architecture) : undefined;
    const result = {
      model: settings.model,
      ...copying === undefined ? {} : { remark: copying },
      data: settings.data,
      subset: settings.subset,
      light_curves: chosen.length,
      windows: windows.length,
      windows_drawn: settings.windows,
      seed: settings.seed,
      precision: dtype,
      masking,
      probed: probed.summary(),
      ...settings.baselines
        ? {
          baselines: Object.fromEntries(Object.entries(beside).map(([name, sets]) => [name, sets.summary()])),
        }
        : {},
      all_points_without_masking: visible.summary(),
    };
    if (settings.json) return console.log(JSON.stringify(result, null, 2));
    console.log(
      `${settings.model} on ${chosen.length} light curves (${settings.subset}), ${windows.length} ${settings.windows} ` +
        `windows, ${dtype}; of the points ${100 * probed_fraction} % probed, ${
          100 * masked_fraction
        } % masked, ` +
        `${100 * replaced_fraction} % replaced\n`,
    );
    if (copying !== undefined) console.log(`${copying}\n`);
    console.log(probed.table("probed points") + "\n");
    if (settings.baselines) {
      const all = { "the model": probed, ...beside };
      console.log(comparisonTable("probed points, RMSE", all, ({ rmse }) => rmse) + "\n");
      console.log(comparisonTable("probed points, median", all, ({ medianRmse }) => medianRmse) + "\n");
    }
    console.log(visible.table("all points, nothing masked") + "\n");
  },
});
