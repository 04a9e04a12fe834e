/** The vectors of windows that heads read, computed once by a frozen encoder and kept on disk. */
import { createHash } from "node:crypto";
import type { Device } from "../../ffi/device.ts";
import { fromFile } from "../../ffi/ops.ts";
import { Tensor, unscoped } from "../../ffi/tensor.ts";
import type { Dataset } from "../data/dataset.ts";
import { randomWindow, sequentialWindows, type Window } from "../data/windows.ts";
import { vectorsOf } from "../embed/pooling.ts";
import { eachEmbeddedWindow } from "../embed/stream.ts";
import { InputError } from "../common/errors.ts";
import { exists, writeAll, writeAtomically } from "../files/atomic.ts";
import { layOut, readSafetensorsHeader } from "../files/safetensors.ts";
import { widthOf } from "../model/architecture.ts";
import type { AstromerNetwork } from "../model/network.ts";
import { seeded } from "../common/random.ts";

/** Vectors by light curve. */
export interface VectorTable extends Disposable {
  /** (rows, V, d) float32. */
  vectors: Tensor;
  /** Rows of a light curve's windows to train on: of its first random ones, each once. */
  trainRows(lightCurve: number, windows: number): number[];
  /** Rows of its windows to judge by: all of them, one after the other. */
  rows(lightCurve: number): number[];
}

/** What of which windows. */
export interface VectorOptions {
  /** Light curves that are trained on, with how many random windows are drawn of each; shorter ones have one. */
  train: ReadonlyMap<number, number>;
  /** Light curves that are judged. */
  judged: readonly number[];
  windowSize: number;
  batchSize: number;
  seed: number;
  /** Folder of the cache. */
  cache: string;
  /** Names the weights. */
  fingerprint: string;
}

/** Shape of the vectors of a window: their number (see the pooling `features`), and their length. */
export function shapeOf(network: AstromerNetwork): [vectors: number, width: number] {
  return [vectorsOf(network, "features"), widthOf(network.architecture)];
}

/**
 * How many random windows of each light curve a head is trained on, where nothing else is asked: as many as make
 * 2,000 in
 * all, 4 to 16. The fewer light curves there are, the more other windows of them are worth.
 */
export function windowsToTrainOn(lightCurves: number): number {
  return Math.min(16, Math.max(4, Math.ceil(2000 / lightCurves)));
}

/** Windows, each once, and where those of a light curve stand. */
export interface PlannedWindows extends Pick<VectorTable, "trainRows" | "rows"> {
  windows: Window[];
}

/** Which windows a table holds. */
export function plannedWindows(
  { lengths }: Pick<Dataset, "lengths">,
  { train, judged, windowSize, seed }: Pick<VectorOptions, "train" | "judged" | "windowSize" | "seed">,
): PlannedWindows {
  const windows: Window[] = [], places = new Map<string, number>();
  const place = (window: Window) => {
    const key = `${window.lightCurve}:${window.start}`;
    let row = places.get(key);
    if (row === undefined) {
      places.set(key, row = windows.length);
      windows.push(window);
    }
    return row;
  };
  const distinct = (lightCurves: Iterable<number>) => [...new Set(lightCurves)].sort((a, b) => a - b);
  const drawn = new Map(
    distinct(train.keys()).map((i) => [
      i,
      Array.from(
        { length: lengths[i] <= windowSize ? 1 : train.get(i)! },
        (_, k) => place(randomWindow(i, lengths[i], seeded(seed, 0x7ab1, i, k), windowSize)),
      ),
    ]),
  );
  const all = new Map(
    distinct(judged).map((i) => [i, sequentialWindows(i, lengths[i], windowSize).map(place)]),
  );
  const of = (by: ReadonlyMap<number, number[]>, lightCurve: number) => {
    const found = by.get(lightCurve);
    if (!found) throw new RangeError(`light curve ${lightCurve} is not in this table`);
    return found;
  };
  return {
    windows,
    trainRows: (lightCurve, count) => [...new Set(of(drawn, lightCurve).slice(0, count))],
    rows: (lightCurve) => of(all, lightCurve),
  };
}

/**
 * Opens the table of an encoder's vectors, from the cache if it was made before.
 * @param onBatch called after each batch with the windows done and their number
 * @returns the table, with the light curve of each row
 */
export async function openVectors(
  network: AstromerNetwork,
  dataset: Dataset,
  options: VectorOptions,
  onBatch: (done: number, of: number) => void = () => {},
): Promise<VectorTable & { lightCurves: number[] }> {
  const { windows, trainRows, rows } = plannedWindows(dataset, options);
  const { windowSize, batchSize, cache, fingerprint } = options;
  const shape = [windows.length, ...shapeOf(network)];
  const key = createHash("sha256").update(JSON.stringify([
    [fingerprint, network.dtype, windowSize, dataset.fingerprint],
    windows.map(({ lightCurve, start }) => [lightCurve, start]),
  ])).digest("hex").slice(0, 16);
  const path = `${cache}/${key}.safetensors`;
  if (!await exists(path)) {
    await writeAtomically(path, async (temporary) => {
      const { head } = layOut({ vectors: { dtype: "F32", shape } });
      using file = await Deno.open(temporary, { create: true, write: true });
      await writeAll(file, head);
      const embedded = eachEmbeddedWindow(
        network,
        dataset,
        windows,
        { pooling: "features", windowSize, batchSize },
        (done) => onBatch(done, windows.length),
      );
      for await (const { embedding } of embedded) {
        await writeAll(file, new Uint8Array(embedding.buffer, embedding.byteOffset, embedding.byteLength));
      }
    });
  }
  const vectors = await mapped(path, shape, network.device);
  const lightCurves = windows.map(({ lightCurve }) => lightCurve);
  return { vectors, trainRows, rows, lightCurves, [Symbol.dispose]: () => vectors.dispose() };
}

/** The file's one tensor, mapped; on a GPU a copy. */
async function mapped(path: string, shape: number[], device: Device): Promise<Tensor> {
  const { tensors, fileLength } = await readSafetensorsHeader(path);
  const { dtype, shape: found, start = 1 } = tensors.get("vectors") ?? {};
  if (dtype !== "F32" || found?.join() !== shape.join() || start % 4) {
    throw new InputError(
      `${path} does not hold F32 vectors of shape [${shape}]: remove it, and it will be made again`,
    );
  }
  return unscoped(() => {
    using file = fromFile(path, false, fileLength / 4, { dtype: "float32" });
    const vectors = file.viewAt(shape, start / 4);
    if (device === "cpu") return vectors;
    using _ = vectors;
    const copy = Tensor.empty(shape, { device });
    copy.copyFrom(vectors);
    return copy;
  });
}
