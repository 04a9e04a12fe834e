/** Classifies the objects of a dataset or of survey files, or predicts their values. */
import type { Device } from "../ffi/device.ts";
import { classSet, thresholdFor } from "../src/classify/conformal.ts";
import { type FeatureSet, featureSets } from "../src/features/feature_sets.ts";
import { encoderFolder } from "../src/classify/encoder.ts";
import { FittedClassifier } from "../src/classify/fitted_classifier.ts";
import { FittedRegressor, regressorFile } from "../src/classify/fitted_regressor.ts";
import {
  featureVectors,
  modelVectors,
  predictObjects,
  predictValues,
  withFeatures,
} from "../src/classify/predict.ts";
import { shapeOf } from "../src/classify/vectors.ts";
import { command, setting, z } from "../src/command/command.ts";
import { inferenceBatch, inferenceBatchOn, runShape } from "../src/machine/settings.ts";
import { type Dataset, lightCurvesOf } from "../src/data/dataset.ts";
import { keptPart } from "../src/data/kept.ts";
import { Failure, InputError } from "../src/common/errors.ts";
import { exists, writeAll, writeAtomically } from "../src/files/atomic.ts";
import { type Cell, csvLine } from "../src/files/csv.ts";
import { type ColumnType, groupsOf, openParquet, type Row } from "../src/files/parquet.ts";
import { duration, ProgressLine } from "../src/common/progress.ts";
import { prepareRun } from "../src/machine/runtime.ts";
import { listenForStop } from "../src/machine/signals.ts";
import { dataOrInputShape, openDataOrInput } from "../src/survey/temporary_dataset.ts";
import { grouped, plainTable } from "../src/common/table.ts";
import { loadModel, modelHelp } from "../src/weights/model_folder.ts";

type Objects = ReturnType<typeof modelVectors>;

export default command({
  name: "predict",
  summary:
    "Classifies objects with a classifier that classify made. It writes the class, the probability of each class (temperature-scaled), and the novelty: the distance to the training data (about 1 is usual, much more is unlike all of it). With a regressor (classify --task regression) it predicts values.",
  settings: z.object({
    classifier: setting(
      z.string(),
      "classifier folder, such as runs/classify/classifiers/asas-best/gamma/500-0",
    ),
    output: setting(z.string(), "the .parquet or .csv to write"),
    coverage: setting(
      z.number().gt(0).lt(1).optional(),
      "also give a set of classes, or an interval of the value, that holds the truth this often (0.9), for stars like those of the scenarios; calibrated on light curves that were not trained on",
    ),
    model: setting(z.string().optional(), `the classifier's encoder, if it was moved: ${modelHelp}`),
    ...dataOrInputShape,
    subset: setting(
      z.enum(["train", "validation", "test", "none", "all"]).default("all"),
      "light curves of a dataset folder to use",
    ),
    batch_size: inferenceBatch,
    ...runShape,
  }),
  examples: [
    "deno task predict --classifier runs/classify/classifiers/asas-best/gamma/500-0 --data data/asas --output predictions.parquet",
    "deno task predict --classifier runs/classify/classifiers/star/forest/500-0 --data data/asas --coverage 0.9 --output sets.parquet",
    "deno task predict --classifier runs/classify/classifiers/classical/mean/500-0 --input 'survey/*.csv' --output predictions.csv",
  ],
  async run(settings, given) {
    const { output, classifier: folder } = settings;
    if (!/\.(parquet|csv)$/.test(output)) {
      throw new InputError(`--output ${output}: predictions are written as .parquet or .csv`);
    }
    const runtime = prepareRun(settings), { device, dtype } = runtime;
    const fitted = await load(folder, device), { details, reader } = fitted;
    using _ = reader;
    const threshold = settings.coverage === undefined
      ? undefined
      : thresholdFor(fitted.calibration, settings.coverage, folder);
    const encoder = details.encoder as {
      kind: "model" | FeatureSet;
      folder?: string;
      fingerprint?: string;
      features?: FeatureSet;
    };
    const loaded = encoder.kind === "model"
      ? await loadModel(await encoderFolder(folder, encoder, settings.model), { device, dtype })
      : undefined;
    using _model = loaded?.model ?? { [Symbol.dispose]() {} };
    const [count, width] = loaded ? shapeOf(loaded.model) : [0, 0];
    const features = encoder.features ? featureSets[encoder.features].names.length : 0;
    const misfit = loaded && reader.misfit([count, width + features]);
    if (misfit !== undefined) throw new InputError(`${folder} ${misfit}`);
    await using opened = await openDataOrInput(settings, given, loaded?.config.preprocessing ?? {}, output);
    const { dataset } = opened, lightCurves = lightCurvesOf(dataset, settings.subset);

    const line = new ProgressLine(), started = performance.now();
    const seconds = () => (performance.now() - started) / 1000;
    using stop = listenForStop(() => line.clear());
    const windowSize = loaded?.config.window_size ?? Infinity;
    const all = loaded
      ? lightCurves.reduce((sum, i) => sum + Math.ceil(dataset.lengths[i] / windowSize), 0)
      : lightCurves.length;
    const progress = (done: number) => {
      if (stop.requested()) throw new Failure(`stopped by a signal: ${output} was not written`);
      line.update(() =>
        `${grouped(done)} of ${grouped(all)} ${loaded ? "windows" : "light curves"}  ${
          (done / seconds()).toFixed(1)
        }/s  ` +
        `${duration(seconds())}, ${duration((all - done) * seconds() / done)} left`
      );
    };
    const vectors = loaded
      ? modelVectors(
        loaded.model,
        dataset,
        lightCurves,
        { windowSize, batchSize: inferenceBatchOn(device, settings.batch_size) },
        progress,
      )
      : featureVectors(encoder.kind as FeatureSet, dataset, lightCurves, progress, device);
    const objects = encoder.features
      ? withFeatures(encoder.features, vectors, dataset, count, device)
      : vectors;
    const spoken = fitted.kind === "classifier"
      ? classesOf(fitted.reader, objects, dataset, threshold)
      : valuesOf(fitted.reader, objects, dataset, threshold);
    await writeRows(output, spoken.rows, spoken.columns);
    line.clear();
    console.log(spoken.summary());
    console.log(`\n${output}: ${grouped(spoken.count())} objects, ${duration(seconds())}`);
  },
});

/** A classifier or a regressor, whichever a folder holds. */
async function load(folder: string, device: Device) {
  if (await exists(`${folder}/${regressorFile}`)) {
    const { regressor, details } = await FittedRegressor.load(folder, device);
    return { kind: "regressor", reader: regressor, details, calibration: regressor.residuals } as const;
  }
  const { classifier, details } = await FittedClassifier.load(folder, device);
  return { kind: "classifier", reader: classifier, details, calibration: classifier.calibration } as const;
}

/** What is written, and what is said at the end. */
interface Spoken {
  columns: Record<string, ColumnType>;
  rows: AsyncIterable<Row>;
  /** Asked for when all rows are written. */
  summary(): string;
  count(): number;
}

function classesOf(
  classifier: FittedClassifier,
  objects: Objects,
  dataset: Dataset,
  threshold: number | undefined,
): Spoken {
  const { classes } = classifier, known = dataset.classes.some((name) => name !== null);
  const own = ["id", "known_class", "class", "set", "set_size", "novelty"];
  const kept = keptPart(dataset, [...own, ...classes.map((name) => `probability_${name}`)]);
  const counts = classes.map(() => 0), sizes = classes.map(() => 0);
  const total = () => counts.reduce((sum, count) => sum + count, 0);
  async function* rows(): AsyncGenerator<Row> {
    for await (const object of predictObjects(classifier, objects)) {
      const { lightCurve, predicted, probabilities, novelty } = object;
      const set = threshold === undefined ? undefined : classSet(probabilities, threshold);
      counts[predicted]++;
      if (set) sizes[set.length - 1]++;
      yield {
        id: dataset.ids[lightCurve],
        ...known ? { known_class: dataset.classes[lightCurve] } : {},
        ...kept.of(lightCurve),
        class: classes[predicted],
        ...set ? { set: set.map((of) => classes[of]).join(" | "), set_size: set.length } : {},
        ...Object.fromEntries(classes.map((name, of) => [`probability_${name}`, probabilities[of]])),
        novelty,
      };
    }
  }
  const share = (count: number) => `${(100 * count / total()).toFixed(1)} %`;
  return {
    columns: {
      id: "text",
      ...known ? { known_class: "text" as const } : {},
      ...kept.columns,
      class: "text",
      ...threshold === undefined ? {} : { set: "text" as const, set_size: "int32" as const },
      ...Object.fromEntries(classes.map((name) => [`probability_${name}`, "float32" as const])),
      novelty: "float32",
    },
    rows: rows(),
    count: total,
    summary: () =>
      plainTable([
        ["class", "objects", "share"],
        ...classes.map((name, of) => [name, grouped(counts[of]), share(counts[of])]),
      ]) +
      (threshold === undefined ? "" : "\n\n" + plainTable([
        ["classes in the set", "objects", "share"],
        ...sizes.flatMap((count, i) => count ? [[String(i + 1), grouped(count), share(count)]] : []),
      ])),
  };
}

function valuesOf(
  regressor: FittedRegressor,
  objects: Objects,
  dataset: Dataset,
  threshold: number | undefined,
): Spoken {
  const { target } = regressor, name = `predicted_${target.name}`, found: number[] = [];
  const ends = threshold === undefined
    ? []
    : [[`${name}_low`, -threshold], [`${name}_high`, threshold]] as const;
  const kept = keptPart(dataset, ["id", name, ...ends.map(([end]) => end), "novelty"]);
  async function* rows(): AsyncGenerator<Row> {
    for await (const { lightCurve, learned, novelty } of predictValues(regressor, objects)) {
      found.push(regressor.valueOf(learned));
      yield {
        id: dataset.ids[lightCurve],
        ...kept.of(lightCurve),
        [name]: found.at(-1)!,
        ...Object.fromEntries(ends.map(([end, by]) => [end, regressor.valueOf(learned + by)])),
        novelty,
      };
    }
  }
  return {
    columns: {
      id: "text",
      ...kept.columns,
      [name]: "float64",
      ...Object.fromEntries(ends.map(([end]) => [end, "float64" as const])),
      novelty: "float32",
    },
    rows: rows(),
    count: () => found.length,
    summary: () => {
      const sorted = Float64Array.from(found).sort();
      const at = (share: number) => sorted[Math.round(share * (sorted.length - 1))].toPrecision(5);
      return plainTable([
        [target.name, "smallest", "a quarter", "median", "three quarters", "largest"],
        ["predicted", ...[0, 0.25, 0.5, 0.75, 1].map(at)],
      ]);
    },
  };
}

function cellOf(value: Row[string]): Cell {
  return typeof value === "bigint" || typeof value === "boolean" ? String(value) : value as Cell;
}

async function writeRows(
  output: string,
  rows: AsyncIterable<Row>,
  columns: Record<string, ColumnType>,
): Promise<void> {
  await writeAtomically(output, async (temporary) => {
    if (output.endsWith(".parquet")) {
      using table = await openParquet(temporary, columns);
      for await (const group of groupsOf(rows)) table.write(group);
      table.finish();
      return;
    }
    using file = await Deno.open(temporary, { create: true, write: true });
    const names = Object.keys(columns), encoder = new TextEncoder();
    const write = (lines: string) => writeAll(file, encoder.encode(lines));
    await write(csvLine(names));
    for await (const group of groupsOf(rows)) {
      await write(group.map((row) => csvLine(names.map((name) => cellOf(row[name])))).join(""));
    }
  });
}
