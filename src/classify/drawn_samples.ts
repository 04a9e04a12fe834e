/** Light curves that scenarios have drawn, and the rows of vectors that stand for them. */
import type { WindowRows } from "./train_head.ts";
import type { VectorTable } from "./vectors.ts";

/** A light curve of a scenario. */
export interface DrawnSample {
  /** Its index in the dataset. */
  lightCurve: number;
  /** How often it is taken. */
  count: number;
}

/** One fold of a scenario. */
export interface DrawnFold<S extends DrawnSample> {
  samplesPerClass: number;
  /** Counted from 0. */
  fold: number;
  train: S[];
  validation: S[];
}

/** What classifiers and regressors are fitted and tested on. */
export interface DrawnScenarios<S extends DrawnSample> {
  test: S[];
  runs: DrawnFold<S>[];
}

type Rows = Pick<VectorTable, "rows" | "trainRows">;

/** Samples to train on: random windows, and a light curve as often as it was drawn. */
export function trainSamples<S extends DrawnSample>(
  samples: readonly S[],
  table: Rows,
  windows: number,
): (S & WindowRows)[] {
  return samples.flatMap((sample) =>
    Array.from(
      { length: sample.count },
      () => ({ ...sample, rows: table.trainRows(sample.lightCurve, windows) }),
    )
  );
}

/** Samples to judge by, all of their windows. Validation repeats objects of small classes, as training does; the test set has each once. */
export function judgedSamples<S extends DrawnSample>(samples: readonly S[], table: Rows): (S & WindowRows)[] {
  return samples.flatMap((sample) =>
    Array.from({ length: sample.count }, () => ({ ...sample, rows: table.rows(sample.lightCurve) }))
  );
}
