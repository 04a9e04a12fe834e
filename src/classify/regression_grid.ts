/** The regressors of a run folder: fitted, tested, kept with their predictions of the test set. */
import type { Dataset } from "../data/dataset.ts";
import { InputError } from "../common/errors.ts";
import { regressionScores } from "../evaluate/regression.ts";
import { writeJson } from "../files/atomic.ts";
import type { Runtime } from "../machine/runtime.ts";
import type { Stop } from "../machine/signals.ts";
import { coveragesOfIntervals } from "./conformal.ts";
import { fitRegressor } from "./fit_regressor.ts";
import type { Target } from "./fitted_regressor.ts";
import { type DrawnScenarios, judgedSamples, trainSamples } from "./drawn_samples.ts";
import { Grid, type Place } from "./grid.ts";
import type { GridSettings } from "./grid_settings.ts";
import { lossCurve } from "./loss_curve.ts";
import { type RegressionResult, regressionResultSchema } from "./regression_results.ts";
import type { ValuedSample } from "./targets.ts";
import { writeTestPredictions } from "./test_predictions.ts";
import type { VectorTable } from "./vectors.ts";

export class RegressionGrid extends Grid<ValuedSample, RegressionResult> {
  protected readonly schema = regressionResultSchema;

  constructor(
    settings: GridSettings,
    dataset: Dataset,
    scenarios: DrawnScenarios<ValuedSample>,
    runtime: Runtime,
    output: string,
    stop: Stop,
    private readonly target: Target,
  ) {
    super(settings, dataset, scenarios, runtime, output, stop);
  }

  protected async fit(place: Place<ValuedSample>, table: VectorTable): Promise<void> {
    const { encoder, kind, run, started } = place, { test } = this.scenarios, { vectors } = table;
    const { samplesPerClass, fold } = run, losses = lossCurve(), head = this.headOf(place);
    const samples = {
      train: trainSamples(run.train, table, this.windowsOf(run)),
      validation: judgedSamples(run.validation, table),
    };
    const fit = await fitRegressor(vectors, samples, this.target, kind, this.training, losses.onEpoch);
    using regressor = fit.regressor;
    const { learned, novelty } = await regressor.predict(vectors, judgedSamples(test, table));
    const truth = test.map(({ value }) => regressor.learnedOf(value)), curve = losses.curve();
    const scores = regressionScores(learned, truth);
    const result: RegressionResult = {
      model: encoder.name,
      fingerprint: await this.fingerprintOf(encoder, run),
      head,
      target: this.target,
      samples_per_class: samplesPerClass,
      fold,
      scores,
      coverages: coveragesOfIntervals(regressor.residuals, learned.map((value, i) => value - truth[i])),
      calibrated_with: regressor.residuals.length,
      ...curve.epoch.length ? { curve } : {},
      validation_rmse: fit.validationRmse,
      epochs: fit.epochs,
      seconds: (performance.now() - started) / 1000,
      light_curves: { train: run.train.length, validation: run.validation.length, test: test.length },
    };
    await regressor.save(this.pathOf(place, "classifiers"), {
      encoder: await this.encoderOf(place, await this.folderOf(place)),
      training: { samples_per_class: samplesPerClass, fold, ...this.training },
      metrics: { ...scores },
    });
    await writeTestPredictions(
      `${this.pathOf(place, "predictions")}.parquet`,
      this.dataset,
      test.map(({ lightCurve, value }, i) => ({
        lightCurve,
        value,
        predicted: regressor.valueOf(learned[i]),
        novelty: novelty[i],
      })),
    );
    await writeJson(`${this.pathOf(place, "results")}.json`, result);
    console.log(
      `${encoder.name}, ${head}, ${samplesPerClass} samples, fold ${fold}: RMSE ${
        scores.rmse.toPrecision(3)
      }, ` +
        `R2 ${scores.r2.toFixed(3)}, ${fit.epochs} epochs, ${result.seconds.toFixed(1)} s`,
    );
  }

  protected fitWithEncoder(): Promise<void> {
    throw new InputError("--train-encoder is for classification: regression uses frozen encoders");
  }
}
