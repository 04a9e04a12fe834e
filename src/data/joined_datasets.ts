/** Several datasets as one, and how often an epoch takes the light curves of each. */
import { createHash } from "node:crypto";
import { InputError } from "../common/errors.ts";
import { exists } from "../files/atomic.ts";
import { type Random, seeded } from "../common/random.ts";
import { type Dataset, openDataset } from "./dataset.ts";

/** What `--data` says where it takes several. */
export const severalDatasets = "dataset folder, as preprocess writes it, or several as one: a,b,c";

/**
 * Light curves of which an epoch takes a number of windows: each equally often, and as many others once more as are
 * left.
 */
export interface TrainPart {
  lightCurves: readonly number[];
  /** Windows an epoch. */
  windows: number;
}

/** The datasets that a setting names: one folder, or several with commas between. */
async function foldersIn(data: string): Promise<string[]> {
  if (!data.includes(",") || await exists(data)) return [data];
  return data.split(",").map((folder) => folder.trim()).filter((folder) => folder !== "");
}

/** An opened dataset, and the range of light curves that each of its folders gave. */
export interface JoinedDatasets {
  dataset: Dataset;
  folders: { folder: string; from: number; to: number }[];
}

/**
 * Opens one dataset folder, or several of them as one. One is mapped from disk; several are copied into memory, 16
 * bytes an
 * observation. Their light curves keep their ids, of which two surveys may have the same, and their subsets.
 * @param data a folder, or several with commas between
 * @throws {InputError} when a folder is not a dataset, or is named twice
 */
export async function openDatasets(data: string): Promise<JoinedDatasets> {
  const folders = await foldersIn(data);
  if (folders.length === 1) {
    const dataset = await openDataset(folders[0]);
    return { dataset, folders: [{ folder: folders[0], from: 0, to: dataset.size }] };
  }
  const opened: Dataset[] = [];
  try {
    for (const folder of folders) opened.push(await openDataset(folder));
    const twice = opened.find(({ fingerprint }, i) =>
      opened.some((o, j) => j < i && o.fingerprint === fingerprint)
    );
    if (twice) throw new InputError(`--data ${data}: the light curves of ${twice.folder} are given twice`);
    return join(opened);
  } finally {
    for (const dataset of opened) dataset[Symbol.dispose]();
  }
}

function join(datasets: readonly Dataset[]): JoinedDatasets {
  const observations = datasets.reduce((sum, { mjd }) => sum + mjd.length, 0);
  const mjd = new Float64Array(observations);
  const [mag, err] = [new Float32Array(observations), new Float32Array(observations)];
  const offsets: number[] = [], folders: JoinedDatasets["folders"] = [];
  let filled = 0;
  for (const dataset of datasets) {
    mjd.set(dataset.mjd, filled);
    mag.set(dataset.mag, filled);
    err.set(dataset.err, filled);
    folders.push({ folder: dataset.folder, from: offsets.length, to: offsets.length + dataset.size });
    for (const offset of dataset.offsets) offsets.push(filled + offset);
    filled += dataset.mjd.length;
  }
  const hash = createHash("sha256");
  for (const { fingerprint } of datasets) hash.update(fingerprint);
  return {
    folders,
    dataset: {
      folder: folders.map(({ folder }) => folder).join(","),
      fingerprint: hash.digest("hex"),
      preprocessing: common(datasets.map(({ preprocessing }) => preprocessing)),
      size: offsets.length,
      ids: datasets.flatMap(({ ids }) => ids),
      bands: datasets.flatMap(({ bands }) => bands),
      classes: datasets.flatMap(({ classes }) => classes),
      subsets: datasets.flatMap(({ subsets }) => subsets),
      offsets: Float64Array.from(offsets),
      lengths: Int32Array.from(datasets.flatMap(({ lengths }) => [...lengths])),
      mjd,
      mag,
      err,
      [Symbol.dispose]: () => {},
    },
  };
}

/** Settings that all have, with the same value. */
function common([first, ...others]: Record<string, unknown>[]): Record<string, unknown> {
  const same = ([name, value]: [string, unknown]) =>
    others.every((other) => JSON.stringify(other[name]) === JSON.stringify(value));
  return Object.fromEntries(Object.entries(first).filter(same));
}

/**
 * What an epoch takes of each folder's light curves.
 * @param train light curves to train on, in the order of the dataset
 * @param weights windows of a light curve an epoch, a number for each folder: 1 takes each once, .1 one in ten, another
 * every time. Default: 1
 * @throws {InputError} when there is not one weight a folder, or none is above 0
 */
export function trainParts(
  { folders }: Pick<JoinedDatasets, "folders">,
  train: readonly number[],
  weights: readonly number[] = folders.map(() => 1),
): TrainPart[] {
  if (weights.length !== folders.length) {
    throw new InputError(
      `--data-weights ${
        weights.join(",")
      } has ${weights.length} numbers, --data ${folders.length} folders: one each is needed`,
    );
  }
  const parts = folders.map(({ from, to }, i) => {
    const lightCurves = train.filter((index) => index >= from && index < to);
    return { lightCurves, windows: Math.round(weights[i] * lightCurves.length) };
  }).filter(({ windows }) => windows > 0);
  if (parts.length === 0) {
    throw new InputError(`--data-weights ${weights.join(",")} leave no light curves`);
  }
  return parts;
}

/**
 * Light curves to validate with, of each folder a share as large as in training: the same ones at every call.
 * @param weights as {@link trainParts} takes them; above 1 all are taken
 */
export function validationPart(
  joined: Pick<JoinedDatasets, "folders">,
  validation: readonly number[],
  weights?: readonly number[],
): number[] {
  return trainParts(joined, validation, weights?.map((weight) => Math.min(1, weight)))
    .flatMap((part, i) => [...epochLightCurves(part, () => seeded(0x7a11d, i))]).sort((a, b) => a - b);
}

/** The light curves of an epoch's windows: one that has several windows stands there as often. */
export function epochLightCurves(
  { lightCurves, windows }: TrainPart,
  random: () => Random,
): readonly number[] {
  if (windows === lightCurves.length) return lightCurves;
  const times = Math.floor(windows / lightCurves.length);
  const more = random().shuffle([...lightCurves]).slice(0, windows - times * lightCurves.length);
  return [...Array<readonly number[]>(times).fill(lightCurves).flat(), ...more];
}
