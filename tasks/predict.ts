/** Classifies the objects of a dataset or of survey files. */
import { type FeatureSet, featureSets } from "../src/classify/feature_sets.ts";
import { encoderFolder } from "../src/classify/encoder.ts";
import { FittedClassifier } from "../src/classify/fitted_classifier.ts";
import {
  featureVectors,
  modelVectors,
  type ObjectPrediction,
  predictObjects,
  withFeatures,
} from "../src/classify/predict.ts";
import { shapeOf } from "../src/classify/vectors.ts";
import { command, setting, z } from "../src/command.ts";
import { inferenceBatch, inferenceBatchOn, runShape } from "../src/config.ts";
import { type Dataset, lightCurvesOf } from "../src/data/dataset.ts";
import { keptPart } from "../src/data/kept.ts";
import { Failure, InputError } from "../src/errors.ts";
import { writeAll, writeAtomically } from "../src/files/atomic.ts";
import { type Cell, csvLine } from "../src/files/csv.ts";
import { type ColumnType, groupsOf, openParquet, type Row } from "../src/files/parquet.ts";
import { duration, ProgressLine } from "../src/progress.ts";
import { listenForStop, prepareRun } from "../src/run.ts";
import { dataOrInputShape, openDataOrInput } from "../src/survey/temporary_dataset.ts";
import { grouped, plainTable } from "../src/table.ts";
import { loadModel, modelHelp } from "../src/weights/model_folder.ts";

export default command({
  name: "predict",
  summary:
    "Classifies objects with a classifier that classify made: class, probability of each class (temperature-scaled), and " +
    "novelty, the distance to what it was trained on (about 1 is usual, much more is unlike all of it).",
  settings: z.object({
    classifier: setting(
      z.string(),
      "classifier folder, such as runs/classify/classifiers/asas-best/gamma/500-0",
    ),
    output: setting(z.string(), "the .parquet or .csv to write"),
    model: setting(z.string().optional(), `the classifier's encoder, if it was moved: ${modelHelp}`),
    ...dataOrInputShape,
    subset: setting(
      z.enum(["train", "validation", "test", "none", "all"]).default("all"),
      "which light curves of a dataset folder",
    ),
    batch_size: inferenceBatch,
    ...runShape,
  }),
  examples: [
    "deno task predict --classifier runs/classify/classifiers/asas-best/gamma/500-0 --data data/asas --output predictions.parquet",
    "deno task predict --classifier runs/classify/classifiers/classical/mean/500-0 --input 'survey/*.csv' --output predictions.csv",
  ],
  async run(settings, given) {
    const { output, classifier: folder } = settings;
    if (!/\.(parquet|csv)$/.test(output)) {
      throw new InputError(`--output ${output}: predictions are written as .parquet or .csv`);
    }
    const runtime = prepareRun(settings), { device, dtype } = runtime;
    const { classifier, details } = await FittedClassifier.load(folder, device);
    using _ = classifier;
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
    const misfit = loaded && classifier.misfit([count, width + features]);
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
    const counts = classifier.classes.map(() => 0);
    const predictions = predictObjects(classifier, objects);
    await writeRows(output, rowsOf(predictions, classifier, dataset, counts), classifier.classes, dataset);
    line.clear();
    const total = counts.reduce((sum, count) => sum + count, 0);
    console.log(plainTable([
      ["class", "objects", "share"],
      ...classifier.classes.map((
        name,
        of,
      ) => [name, grouped(counts[of]), `${(100 * counts[of] / total).toFixed(1)} %`]),
    ]));
    console.log(`\n${output}: ${grouped(total)} objects, ${duration(seconds())}`);
  },
});

async function* rowsOf(
  predictions: AsyncIterable<ObjectPrediction>,
  { classes }: FittedClassifier,
  dataset: Dataset,
  counts: number[],
): AsyncGenerator<Row> {
  const known = dataset.classes.some((name) => name !== null), kept = keptPart(dataset, ownColumns(classes));
  for await (const { lightCurve, predicted, probabilities, novelty } of predictions) {
    counts[predicted]++;
    yield {
      id: dataset.ids[lightCurve],
      ...known ? { known_class: dataset.classes[lightCurve] } : {},
      ...kept.of(lightCurve),
      class: classes[predicted],
      ...Object.fromEntries(classes.map((name, of) => [`probability_${name}`, probabilities[of]])),
      novelty,
    };
  }
}

function cellOf(value: Row[string]): Cell {
  return typeof value === "bigint" || typeof value === "boolean" ? String(value) : value as Cell;
}

/** Names of the columns of predictions, whatever came along from the survey. */
function ownColumns(classes: readonly string[]): string[] {
  return ["id", "known_class", "class", ...classes.map((name) => `probability_${name}`), "novelty"];
}

async function writeRows(
  output: string,
  rows: AsyncIterable<Row>,
  classes: readonly string[],
  dataset: Dataset,
): Promise<void> {
  const columns: Record<string, ColumnType> = {
    id: "text",
    ...dataset.classes.some((name) => name !== null) ? { known_class: "text" as const } : {},
    ...keptPart(dataset, ownColumns(classes)).columns,
    class: "text",
    ...Object.fromEntries(classes.map((name) => [`probability_${name}`, "float32" as const])),
    novelty: "float32",
  };
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
