/** What classifiers and regressors say of a test set, light curve by light curve, as Parquet. */
import type { Dataset } from "../data/dataset.ts";
import { InputError, messageOf } from "../common/errors.ts";
import { writeAtomically } from "../files/atomic.ts";
import { type ColumnType, openParquet, type Row } from "../files/parquet.ts";

/** A light curve of the test set, and what is said of it. */
export type TestPrediction = { lightCurve: number } & Record<string, string | number>;

/** Where a run folder of classify keeps what was said of the test set. */
export function predictionsPath(
  folder: string,
  { model, head, samples_per_class, fold }: {
    model: string;
    head: string;
    samples_per_class: number;
    fold: number;
  },
): string {
  // The folder has the head as it was asked for.
  return `${folder}/predictions/${model}/${
    head === "mlp" ? "mean" : head
  }/${samples_per_class}-${fold}.parquet`;
}

/** Writes predictions with id and band in front; numbers as float64. */
export async function writeTestPredictions(
  path: string,
  { ids, bands }: Pick<Dataset, "ids" | "bands">,
  predictions: readonly TestPrediction[],
): Promise<void> {
  const [{ lightCurve: _, ...first }] = predictions;
  const types = Object.entries(first).map(([name, value]): [string, ColumnType] => [
    name,
    typeof value === "string" ? "text" : "float64",
  ]);
  const rows = predictions.map(({ lightCurve, ...said }): Row => ({
    id: ids[lightCurve],
    band: bands[lightCurve],
    ...said,
  }));
  await writeAtomically(path, async (temporary) => {
    using table = await openParquet(temporary, { id: "text", band: "text", ...Object.fromEntries(types) });
    table.write(rows);
    table.finish();
  });
}

/**
 * Reads them again.
 * @throws {InputError} when the file cannot be read
 */
export async function readTestPredictions(path: string): Promise<Record<string, unknown>[]> {
  const { asyncBufferFromFile, parquetReadObjects } = await import("npm:hyparquet@1.31.5");
  try {
    return await parquetReadObjects({ file: await asyncBufferFromFile(path) });
  } catch (error) {
    throw new InputError(`${path} cannot be read: ${messageOf(error)}`);
  }
}
