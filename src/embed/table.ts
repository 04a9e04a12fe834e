/** Embeddings as rows of a table: one a light curve, a window, an observation, or an object in several bands. */
import type { Dataset } from "../data/dataset.ts";
import { keptPart } from "../data/kept.ts";
import type { ColumnType, Row } from "../files/parquet.ts";
import type { AstromerNetwork } from "../model/network.ts";
import type { Ranks } from "../machine/ranks.ts";
import { type Join, lightCurvesIn, perObject } from "./objects.ts";
import { type Pooling, vectorsOf } from "./pooling.ts";
import { eachEmbeddedWindow, perLightCurve, windowsOf } from "./stream.ts";

/** What a row is. */
export interface TableOptions {
  pooling: Pooling;
  /** A row a window in place of a light curve. */
  perWindow: boolean;
  /** A row an object, of these bands. */
  bands?: readonly string[];
  join: Join;
  windowSize: number;
  batchSize: number;
  /** Names of columns that are put beside these later; what came along from the survey makes way for them. */
  reserved?: readonly string[];
  /** Who embeds together; the rows are the first one's, and all of them must ask for them. Default: this process alone. */
  ranks?: Ranks;
}

/** What happens while a table is made. */
export interface TableEvents {
  /** After each batch: windows done. */
  onBatch?: (windows: number) => void;
  /** An object is left out, because it lacks one of the bands that are to be concatenated. */
  onIncomplete?: (id: string) => void;
}

/** A table that is made as its rows are asked for. */
export interface EmbeddingTable {
  columns: Record<string, ColumnType>;
  /** Names of the columns that hold vectors: `embedding`, or with `layers` `embedding_0` (input) to `embedding_6`. */
  vectors: string[];
  lightCurves: number;
  windows: number;
  rows: AsyncGenerator<Row>;
}

/**
 * Embeds light curves of a dataset, in its order, in bounded memory.
 *
 * Columns: `id`, `band` (or `bands`), `class` if any is known, what came along from the survey, then what a row is of (`windows` and `points`; or `window`,
 * `first_mjd`, `last_mjd` and `points`; or `window`, `mjd`, `magnitude` and `error`), then the vectors.
 */
export function embeddingTable(
  network: AstromerNetwork,
  dataset: Dataset,
  lightCurves: readonly number[],
  options: TableOptions,
  { onBatch, onIncomplete = () => {} }: TableEvents = {},
): EmbeddingTable {
  const { pooling, bands, windowSize } = options;
  const layers = vectorsOf(network, pooling);
  const chosen = bands ? lightCurvesIn(dataset, lightCurves, bands) : lightCurves;
  const vectors = layers === 1 ? ["embedding"] : Array.from({ length: layers }, (_, i) => `embedding_${i}`);
  const classed = dataset.classes.some((name) => name !== null);

  const nameOf = (i: number): Row => ({
    id: dataset.ids[i],
    band: dataset.bands[i],
    ...classed ? { class: dataset.classes[i] } : {},
    ...kept.of(i),
  });
  const split = (embedding: Float32Array): Row => {
    const width = embedding.length / layers;
    return Object.fromEntries(
      vectors.map((name, i) => [name, embedding.subarray(i * width, (i + 1) * width)]),
    );
  };
  const embedded = () =>
    eachEmbeddedWindow(network, dataset, windowsOf(dataset, chosen, windowSize), options, onBatch);

  async function* perWindowRows(): AsyncGenerator<Row> {
    let number = 0, last = -1;
    for await (const { window: { lightCurve, start, length }, embedding } of embedded()) {
      number = lightCurve === last ? number + 1 : 0;
      last = lightCurve;
      const from = dataset.offsets[lightCurve] + start, { mjd, mag, err } = dataset;
      const place = { ...nameOf(lightCurve), window: number };
      if (pooling !== "points") {
        const [first_mjd, last_mjd] = [mjd[from], mjd[from + length - 1]];
        yield { ...place, first_mjd, last_mjd, points: length, ...split(embedding) };
        continue;
      }
      const width = embedding.length / length;
      // Where the last window was moved back, the window before it has these observations.
      for (let k = Math.max(0, number * windowSize - start); k < length; k++) {
        yield {
          ...place,
          mjd: mjd[from + k],
          magnitude: mag[from + k],
          error: Number.isNaN(err[from + k]) ? null : err[from + k],
          embedding: embedding.subarray(k * width, (k + 1) * width),
        };
      }
    }
  }
  async function* perLightCurveRows(): AsyncGenerator<Row> {
    const curves = perLightCurve(embedded(), dataset, pooling as Exclude<Pooling, "points">);
    if (!bands) {
      for await (const { lightCurve, windows, points, embedding } of curves) {
        yield { ...nameOf(lightCurve), windows, points, ...split(embedding) };
      }
      return;
    }
    const objects = perObject(curves, dataset, { bands, join: options.join, layers }, onIncomplete);
    for await (const object of objects) {
      const { band: _, ...name } = nameOf(object.lightCurve);
      const { windows, points, embedding } = object;
      yield { ...name, bands: object.bands.join(","), windows, points, ...split(embedding) };
    }
  }

  const perWindow = options.perWindow || pooling === "points";
  const counts: Record<string, ColumnType> = pooling === "points"
    ? { window: "int32", mjd: "float64", magnitude: "float32", error: "float32" }
    : options.perWindow
    ? { window: "int32", first_mjd: "float64", last_mjd: "float64", points: "int32" }
    : { windows: "int32", points: "int32" };
  const last: Record<string, ColumnType> = {
    ...counts,
    ...Object.fromEntries(vectors.map((name) => [name, "list of float32" as const])),
  };
  const first: Record<string, ColumnType> = {
    id: "text",
    [bands ? "bands" : "band"]: "text",
    ...classed ? { class: "text" } : {},
  };
  const kept = keptPart(dataset, [
    ...Object.keys(first),
    "band",
    "class",
    ...Object.keys(last),
    ...options.reserved ?? [],
  ]);
  return {
    columns: { ...first, ...kept.columns, ...last },
    vectors,
    lightCurves: chosen.length,
    windows: chosen.reduce((sum, i) => sum + Math.ceil(dataset.lengths[i] / windowSize), 0),
    rows: perWindow ? perWindowRows() : perLightCurveRows(),
  };
}
