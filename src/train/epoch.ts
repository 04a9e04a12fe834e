/** Which windows an epoch trains on, and which ones validate: functions of the seed alone. */
import { seeded } from "../common/random.ts";
import { batchesOf } from "../data/batch.ts";
import type { Dataset } from "../data/dataset.ts";
import type { TrainPart } from "../data/joined_datasets.ts";
import { randomWindow, sequentialWindows, type Window } from "../data/windows.ts";
import type { PretrainOptions } from "./pretrain_types.ts";

/** What an epoch takes: one window of each light curve. */
export function allOnce(lightCurves: readonly number[]): TrainPart[] {
  return [{ lightCurves, windows: lightCurves.length }];
}

/** Random windows of light curves, one for each time that one stands there, in random order, cut into batches. */
export function epochBatches(
  dataset: Pick<Dataset, "lengths">,
  lightCurves: readonly number[],
  { seed, windowSize, batchSize }: Pick<PretrainOptions, "seed" | "windowSize" | "batchSize">,
  epoch: number,
): Window[][] {
  const seen = new Map<number, number>(); // a light curve that stands here again has another window
  const windows = lightCurves.map((i) => {
    const time = seen.get(i) ?? 0;
    seen.set(i, time + 1);
    const random = time === 0 ? seeded(seed, 0x11d0, epoch, i) : seeded(seed, 0x11d0, epoch, i, time);
    return randomWindow(i, dataset.lengths[i], random, windowSize);
  });
  return batchesOf(seeded(seed, 0x54f1, epoch).shuffle(windows), batchSize, [seed, 0xba7c, epoch]);
}

/** Windows that validation looks at: sequential ones, or a fixed draw of them if there are too many. */
export function validationSample(
  dataset: Pick<Dataset, "lengths">,
  lightCurves: readonly number[],
  { seed, windowSize, validationWindows }: Pick<PretrainOptions, "seed" | "windowSize" | "validationWindows">,
): Window[] {
  const all = lightCurves.flatMap((i) => sequentialWindows(i, dataset.lengths[i], windowSize));
  return seeded(seed, 0x7a11d).shuffle(all).slice(0, validationWindows);
}
