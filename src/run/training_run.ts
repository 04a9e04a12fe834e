/** A training as a run folder, by one process or by several ranks together. */
import { InputError } from "../common/errors.ts";
import { validationProbe } from "../benchmark/validation_probe.ts";
import { lightCurvesOf } from "../data/dataset.ts";
import { oneRank } from "../machine/ranks.ts";
import { widthOf } from "../model/architecture.ts";
import { Adam } from "../train/adam.ts";
import { allOnce } from "../train/epoch.ts";
import { pretrain } from "../train/pretrain.ts";
import type { PretrainOptions } from "../train/pretrain_types.ts";
import { startTogether } from "./from_checkpoint.ts";
import { RunWriter } from "./run_writer.ts";
import { pretrainOptions } from "./settings.ts";
import type { TrainedRun, TrainingRun } from "./trained_run.ts";

/**
 * Trains a network into a run folder, with progress on standard error and a line an epoch on standard output.
 * @throws {InputError} when the folder cannot be made, or the run in it cannot be continued
 * @throws {Failure} when the loss is not a number
 */
export async function trainIntoFolder(run: TrainingRun): Promise<TrainedRun> {
  const { network, dataset, settings, output, stop, ranks = oneRank } = run;
  const { parameters } = network, folder = output.replace(/\/+$/, "");
  const options = optionsOf(run);
  if (options.batchSize < ranks.size) {
    throw new InputError(
      `--batch-size ${options.batchSize} is shared by all ${ranks.size} ranks: each needs at least one window`,
    );
  }
  using adam = new Adam(parameters, { clipNorm: settings.clip_norm || Infinity });
  if (!ranks.first) {
    const state = startTogether(ranks, parameters, adam);
    const nothing = { onMetrics: () => {}, onBest: () => Promise.resolve() };
    const events = { ...nothing, stopRequested: stop.requested };
    return { ...await pretrain(network, adam, dataset, options, events, state, ranks), folder, best: null };
  }
  using writer = await RunWriter.open(run, folder, options, adam, ranks.size);
  const state = startTogether(ranks, parameters, adam, writer.state);
  return await writer.finish(await pretrain(network, adam, dataset, options, writer, state, ranks));
}

/** What the training is told: by the settings, on which light curves, and what chooses its best epoch. */
function optionsOf({ network, dataset, settings, details, ...run }: TrainingRun) {
  const { window_size: windowSize } = details, { select, seed } = settings;
  const validation = run.validation ?? lightCurvesOf(dataset, "validation");
  return {
    ...pretrainOptions(settings, widthOf(network.architecture), windowSize),
    train: run.train ?? allOnce(lightCurvesOf(dataset, "train")),
    validation,
    ...select === "probe"
      ? { probe: validationProbe(dataset, validation, { windowSize, batchSize: 64, seed }) }
      : {},
  } satisfies PretrainOptions;
}
