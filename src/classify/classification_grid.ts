/** The classifiers of a run folder: fitted, tested, kept with their predictions of the test set. */
import { inferenceBatchOn } from "../machine/settings.ts";
import type { Dataset } from "../data/dataset.ts";
import { calibrationOf } from "../evaluate/calibration.ts";
import { ProgressLine } from "../common/progress.ts";
import type { Runtime } from "../machine/runtime.ts";
import type { Stop } from "../machine/signals.ts";
import { writeJson } from "../files/atomic.ts";
import { datasetDetails, loadModel, saveModel } from "../weights/model_folder.ts";
import { coveragesOfSets } from "./conformal.ts";
import { modelFolderOf } from "./encoder.ts";
import { fitEndToEnd, vectorsOfRows } from "./end_to_end.ts";
import { type Fit, fitClassifier } from "./fit_classifier.ts";
import type { Predictions } from "./fitted_classifier.ts";
import { type DrawnSample, judgedSamples, trainSamples } from "./drawn_samples.ts";
import { Grid, type Place } from "./grid.ts";
import { type GridSettings, windowsOfAStep } from "./grid_settings.ts";
import { type LossCurve, lossCurve } from "./loss_curve.ts";
import { Head, type HeadKind } from "./head.ts";
import { writeTestPredictions } from "./test_predictions.ts";
import { type Result, resultSchema } from "./results.ts";
import type { OpenedScenarios, ScenarioSample } from "./scenarios.ts";
import { mostLikely, scored } from "./train_head.ts";
import { plannedWindows, type VectorTable } from "./vectors.ts";

export class ClassificationGrid extends Grid<ScenarioSample, Result> {
  protected readonly schema = resultSchema;
  readonly classes: readonly string[];

  constructor(
    settings: GridSettings,
    dataset: Dataset,
    scenarios: OpenedScenarios,
    runtime: Runtime,
    output: string,
    stop: Stop,
  ) {
    super(settings, dataset, scenarios, runtime, output, stop);
    this.classes = scenarios.classes;
  }

  protected async fit(place: Place<ScenarioSample>, table: VectorTable): Promise<void> {
    const { kind, run } = place, { test } = this.scenarios, { vectors } = table, losses = lossCurve();
    const samples = {
      train: trainSamples(run.train, table, this.windowsOf(run)),
      validation: judgedSamples(run.validation, table),
    };
    const fit = await fitClassifier(vectors, samples, this.classes, kind, this.training, losses.onEpoch);
    using classifier = fit.classifier;
    const predictions = await classifier.predict(vectors, judgedSamples(test, table));
    await this.#report(place, fit, predictions, losses.curve(), await this.folderOf(place));
  }

  protected async fitWithEncoder(place: Place<ScenarioSample>): Promise<void> {
    const { encoder, run } = place, kind = place.kind as HeadKind, { test } = this.scenarios;
    const { seed, encoder_batch_size } = this.settings, count = this.windowsOf(run);
    const encoderBatchSize = inferenceBatchOn(this.runtime.device, encoder_batch_size);
    const { model, config } = await loadModel(await modelFolderOf(encoder, run), this.runtime);
    using _ = model;
    const windowSize = config.window_size,
      indices = (all: readonly DrawnSample[]) => all.map((s) => s.lightCurve);
    const table = plannedWindows(this.dataset, {
      train: new Map(indices(run.train).map((i) => [i, count])),
      judged: indices([...test, ...run.validation]),
      windowSize,
      seed,
    });
    const { windows } = table;
    const samples = {
      train: trainSamples(run.train, table, count),
      validation: judgedSamples(run.validation, table),
    };
    const training = {
      ...this.training,
      batchSize: encoder_batch_size ?? windowsOfAStep,
      encoderLearningRate: this.settings.encoder_learning_rate,
      windowSize,
      encoderBatchSize,
    };
    const line = new ProgressLine(), losses = lossCurve();
    const onEpoch = (epoch: number, train: number, validation: number) => {
      this.check();
      losses.onEpoch(epoch, train, validation);
      line.update(() =>
        `${encoder.name}: epoch ${epoch}  loss ${train.toFixed(4)}  validation ${validation.toFixed(4)}`
      );
    };
    const fit = await fitEndToEnd(
      model,
      this.dataset,
      windows,
      samples,
      this.classes,
      kind,
      training,
      onEpoch,
    )
      .finally(() => line.clear());
    using classifier = fit.classifier;
    const tested = judgedSamples(test, table), needed = new Set(tested.flatMap((sample) => sample.rows));
    using vectors = await vectorsOfRows(model, this.dataset, windows, needed, training);
    const predictions = await classifier.predict(vectors, tested);
    const folder = `${this.pathOf(place, "classifiers")}-encoder`;
    const { metrics: _metrics, energy: _energy, ...kept } = config; // those tell of the model that it started from
    await saveModel(folder, model, {
      ...kept,
      ...datasetDetails(this.dataset),
      training: { ...config.training, end_to_end: training },
    });
    await this.#report(place, fit, predictions, losses.curve(), folder);
  }

  /** Saves predictions and classifier, then the result: what has a result is done. */
  async #report(
    place: Place<ScenarioSample>,
    fit: Fit,
    { probabilities, novelty }: Predictions,
    curve: LossCurve,
    folder: string | undefined,
  ): Promise<void> {
    const { encoder, run, started } = place,
      { classifier } = fit,
      { classes } = this,
      { test } = this.scenarios;
    const { samplesPerClass, fold } = run, head = this.headOf(place), size = classes.length;
    const labels = test.map(({ label }) => label), metrics = scored(probabilities, judgedOnce(test), classes);
    const result: Result = {
      model: encoder.name,
      fingerprint: await this.fingerprintOf(encoder, run),
      head,
      samples_per_class: samplesPerClass,
      fold,
      classes: [...classes],
      scores: metrics.scores,
      f1: classes.map((_, of) => metrics.f1(of)),
      confusion: [...metrics.confusion],
      ...classifier.head instanceof Head && classifier.head.gammas
        ? { gammas: [...classifier.head.gammas] }
        : {},
      calibration: calibrationOf(probabilities, labels, size),
      coverages: coveragesOfSets(classifier.calibration!, probabilities, labels, size),
      calibrated_with: classifier.calibration!.length,
      ...curve.epoch.length ? { curve } : {},
      validation_loss: fit.validationLoss,
      epochs: fit.epochs,
      seconds: (performance.now() - started) / 1000,
      light_curves: { train: run.train.length, validation: run.validation.length, test: test.length },
    };
    await classifier.save(this.pathOf(place, "classifiers"), {
      encoder: await this.encoderOf(place, folder),
      training: { samples_per_class: samplesPerClass, fold, ...this.training },
      metrics: { ...result.scores },
    });
    const best = mostLikely(probabilities, size);
    await writeTestPredictions(
      `${this.pathOf(place, "predictions")}.parquet`,
      this.dataset,
      test.map(({ lightCurve, label }, i) => ({
        lightCurve,
        class: classes[label],
        predicted: classes[best[i]],
        ...Object.fromEntries(
          classes.map((name, of) => [`probability_${name}`, probabilities[i * size + of]]),
        ),
        novelty: novelty[i],
      })),
    );
    await writeJson(`${this.pathOf(place, "results")}.json`, result);
    console.log(
      `${encoder.name}, ${head}, ${samplesPerClass} samples per class, fold ${fold}: macro F1 ${
        result.scores.f1.toFixed(3)
      }, ` +
        `accuracy ${result.scores.accuracy.toFixed(3)}, ${fit.epochs} epochs, ${result.seconds.toFixed(1)} s`,
    );
  }
}

/** Light curves of the test set stand there once, in its order, whatever rows they have. */
function judgedOnce(test: readonly ScenarioSample[]) {
  return test.map(({ label }) => ({ rows: [], label }));
}
