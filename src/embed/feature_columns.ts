/** Features as named columns of a table, alone or beside embeddings. */
import type { Device } from "../../ffi/device.ts";
import { type FeatureSet, featureSets } from "../features/feature_sets.ts";
import type { Dataset } from "../data/dataset.ts";
import { keptPart } from "../data/kept.ts";
import type { ColumnType, Row } from "../files/parquet.ts";
import type { EmbeddingTable } from "./table.ts";

/** Rows whose features are computed at once. */
const rowsAtOnce = 512;

/**
 * A table with a row a light curve, and the features of each behind its columns.
 * @param lightCurves of the rows, in their order
 * @param device searches for periods; default: the CPU
 */
export function withFeatureColumns(
  set: FeatureSet,
  table: EmbeddingTable,
  dataset: Dataset,
  lightCurves: readonly number[],
  device?: Device,
): EmbeddingTable {
  const { names, compute } = featureSets[set];
  const columns = Object.fromEntries(names.map((name): [string, ColumnType] => [name, "float32"]));
  async function* rows(): AsyncGenerator<Row> {
    let held: Row[] = [], done = 0;
    async function described(): Promise<Row[]> {
      const { values } = await compute(dataset, lightCurves.slice(done, done + held.length), undefined, {
        device,
      });
      done += held.length;
      return held.map((row, i) => ({
        ...row,
        ...Object.fromEntries(names.map((name, k) => [name, values[i * names.length + k]])),
      }));
    }
    for await (const row of table.rows) {
      held.push(row);
      if (held.length < rowsAtOnce) continue;
      yield* await described();
      held = [];
    }
    if (held.length) yield* await described();
  }
  return { ...table, columns: { ...table.columns, ...columns }, rows: rows() };
}

/**
 * A table of light curves' names and numbers of points, without embeddings.
 * @param reserved names of columns that are put beside these later
 */
export function plainTableOf(
  dataset: Dataset,
  lightCurves: readonly number[],
  reserved: readonly string[],
  onRow: (done: number) => void = () => {},
): EmbeddingTable {
  const classed = dataset.classes.some((name) => name !== null);
  const kept = keptPart(dataset, ["id", "band", "class", "points", ...reserved]);
  async function* rows(): AsyncGenerator<Row> {
    for (const [done, i] of lightCurves.entries()) {
      onRow(done);
      yield {
        id: dataset.ids[i],
        band: dataset.bands[i],
        ...classed ? { class: dataset.classes[i] } : {},
        ...kept.of(i),
        points: dataset.lengths[i],
      };
    }
  }
  return {
    columns: {
      id: "text",
      band: "text",
      ...classed ? { class: "text" } : {},
      ...kept.columns,
      points: "int32",
    },
    vectors: [],
    lightCurves: lightCurves.length,
    windows: lightCurves.length,
    rows: rows(),
  };
}
