/** Embeddings of any number of light curves in bounded memory, in the order of the dataset. */
import type { Dataset } from "../data/dataset.ts";
import { fillShown, type ShownBatch } from "../data/batch.ts";
import { noMasking } from "../data/masking.ts";
import { sequentialWindows, type Window } from "../data/windows.ts";
import { UnderWay } from "../model/deferred.ts";
import { DeferredInference, type InferenceOptions } from "../model/deferred_inference.ts";
import type { AstromerNetwork } from "../model/network.ts";
import { oneRank, type Ranks } from "../machine/ranks.ts";
import { letSignalsIn } from "../machine/signals.ts";
import { embedding, embeddingsOf, type Pooling } from "./pooling.ts";

/** The observations that are read. */
export type Observations = Pick<Dataset, "offsets" | "lengths" | "mjd" | "mag" | "err" | "willNeed">;

/** How windows are cut and put together. */
export interface EmbeddingOptions {
  pooling: Pooling;
  /** Observations of a full window. */
  windowSize: number;
  /** Full windows of a batch; of shorter ones there are more. */
  batchSize: number;
  /** Who embeds together: each takes its batches, the first gets all vectors. Default: this process alone. */
  ranks?: Ranks;
  /** How batches are given to the device. */
  deferred?: InferenceOptions;
}

/** A window with its vectors, end to end (see {@link embeddingsOf}). */
export interface EmbeddedWindow {
  window: Window;
  embedding: Float32Array;
}

/** A light curve with its vectors. */
export interface EmbeddedLightCurve {
  lightCurve: number;
  windows: number;
  points: number;
  embedding: Float32Array;
}

/** Windows that share a batch: all padded to the same length, which depends on nothing but the window itself. */
export interface LengthBatch {
  /** Places of the windows in the list they were taken from. */
  places: number[];
  paddedTo: number;
}

/** Columns are a multiple of this, so that short windows of similar length share a batch. */
const columnStep = 8;

/**
 * Cuts windows into batches by length. How far a window is padded never depends on its neighbours, so its embedding does
 * not either.
 */
export function batchesByLength(
  windows: readonly Window[],
  { windowSize, batchSize }: Pick<EmbeddingOptions, "windowSize" | "batchSize">,
  seesPadding: boolean,
): LengthBatch[] {
  const byLength = Map.groupBy(windows.keys(), (i) => {
    const { length } = windows[i];
    return seesPadding ? windowSize : Math.min(windowSize, columnStep * Math.ceil(length / columnStep));
  });
  const batches: LengthBatch[] = [];
  for (const [paddedTo, places] of [...byLength].sort(([a], [b]) => b - a)) {
    const size = Math.max(1, Math.floor(batchSize * windowSize / paddedTo));
    for (let i = 0; i < places.length; i += size) {
      batches.push({ places: places.slice(i, i + size), paddedTo });
    }
  }
  return batches;
}

/** Fills a batch of windows, nothing masked. */
export function unmasked(
  observations: Omit<Observations, "lengths">,
  windows: readonly Window[],
  paddedTo: number,
): ShownBatch {
  return fillShown(observations, windows, { masking: noMasking, key: [], paddedTo });
}

/** The windows of light curves, one after the other. */
export function* windowsOf(
  { lengths }: Pick<Dataset, "lengths">,
  lightCurves: Iterable<number>,
  windowSize: number,
): Generator<Window> {
  for (const i of lightCurves) yield* sequentialWindows(i, lengths[i], windowSize);
}

/**
 * Embeds windows, in their order. Some thousand (of each rank) are held at a time, to be batched by length; on a GPU, where
 * batches are larger and some are under way, tens of thousands. Of several ranks only the first hands windows out.
 * @param onBatch called after each batch with the windows done so far
 */
export async function* eachEmbeddedWindow(
  network: AstromerNetwork,
  observations: Observations,
  windows: Iterable<Window>,
  { pooling, ranks = oneRank, deferred, ...options }: EmbeddingOptions,
  onBatch: (done: number) => void = () => {},
): AsyncGenerator<EmbeddedWindow> {
  using inference = new DeferredInference(network, embedding(pooling), deferred);
  const underWay = new UnderWay<() => void>(inference.ahead);
  const held = ranks.size * (pooling === "points" ? 256 : inference.ahead > 0 ? 32_768 : 4096);
  function* handedOut({ pool, batches, embeddings }: Pool): Generator<EmbeddedWindow> {
    if (ranks.size > 1) gatherBatches(ranks, batches, pool, embeddings, pooling);
    if (ranks.first) { for (const [i, window] of pool.entries()) yield { window, embedding: embeddings[i] }; }
  }
  let done = 0, before: Pool | undefined; // before: of which batches may be under way still
  for (const pool of chunksOf(windows, held)) {
    observations.willNeed?.(pool);
    const embeddings = new Array<Float32Array>(pool.length);
    const batches = batchesByLength(pool, options, network.seesPadding);
    let own = 0;
    for (const [i, { places, paddedTo }] of batches.entries()) {
      const until = done += places.length;
      if (i % ranks.size !== ranks.rank) continue;
      const batch = unmasked(observations, places.map((i) => pool[i]), paddedTo),
        read = inference.begin(batch);
      underWay.add(() => {
        const embedded = embeddingsOf(batch, pooling, read());
        for (const [k, i] of places.entries()) embeddings[i] = embedded[k];
        onBatch(until);
      });
      own++;
      for (const take of underWay.due()) take();
      await letSignalsIn();
    }
    if (before) {
      for (const take of underWay.due(Math.min(own, inference.ahead))) take();
      yield* handedOut(before);
    }
    before = { pool, batches, embeddings };
    if (inference.ahead > 0) continue;
    yield* handedOut(before);
    before = undefined;
  }
  for (const take of underWay.due(0)) take();
  if (before) yield* handedOut(before);
}

/** Windows that are batched together. */
interface Pool {
  pool: readonly Window[];
  batches: readonly LengthBatch[];
  embeddings: Float32Array[];
}

/** Completes the first rank's embeddings of a pool with those of the other ranks' batches. */
function gatherBatches(
  ranks: Ranks,
  batches: readonly LengthBatch[],
  pool: readonly Window[],
  embeddings: Float32Array[],
  pooling: Pooling,
): void {
  const placesOf = (rank: number) =>
    batches.filter((_, i) => i % ranks.size === rank).flatMap(({ places }) => places);
  const own = placesOf(ranks.rank);
  const values = new Float32Array(own.reduce((sum, i) => sum + embeddings[i].length, 0));
  let end = 0;
  for (const i of own) {
    values.set(embeddings[i], end);
    end += embeddings[i].length;
  }
  for (const [rank, received] of ranks.gather(values).entries()) {
    const places = placesOf(rank);
    const vectorsOf = (i: number) => pooling === "points" ? pool[i].length : 1;
    const width = received.length / places.reduce((sum, i) => sum + vectorsOf(i), 0);
    let from = 0;
    for (const i of places) {
      embeddings[i] = received.subarray(from, from += width * vectorsOf(i));
    }
  }
}

function* chunksOf<T>(items: Iterable<T>, size: number): Generator<T[]> {
  let chunk: T[] = [];
  for (const item of items) {
    chunk.push(item);
    if (chunk.length === size) {
      yield chunk;
      chunk = [];
    }
  }
  if (chunk.length) yield chunk;
}

/** Puts a light curve's windows together, one after the other: the mean weighted by their points, or the maximum. */
export class LightCurveEmbedding {
  windows = 0;
  points = 0;
  readonly #sum: Float64Array;

  constructor(size: number, private readonly pooling: Exclude<Pooling, "points">) {
    this.#sum = new Float64Array(size).fill(pooling === "max" ? -Infinity : 0);
  }

  add({ length }: Window, embedding: Float32Array): void {
    const sum = this.#sum;
    if (this.pooling === "max") {
      for (let i = 0; i < sum.length; i++) {
        sum[i] = Math.max(sum[i], embedding[i]);
      }
    } else for (let i = 0; i < sum.length; i++) sum[i] += length * embedding[i];
    this.windows++;
    this.points += length;
  }

  get embedding(): Float32Array {
    const scale = this.pooling === "max" ? 1 : this.points;
    return Float32Array.from(this.#sum, (value) => value / scale);
  }
}

/** Embeds light curves, in their order; windows of one follow each other. */
export async function* perLightCurve(
  windows: AsyncIterable<EmbeddedWindow>,
  { lengths }: Pick<Dataset, "lengths">,
  pooling: Exclude<Pooling, "points">,
): AsyncGenerator<EmbeddedLightCurve> {
  let current: LightCurveEmbedding | undefined, lightCurve = -1;
  const finished = () => ({
    lightCurve,
    windows: current!.windows,
    points: lengths[lightCurve],
    embedding: current!.embedding,
  });
  for await (const { window, embedding } of windows) {
    if (window.lightCurve !== lightCurve) {
      if (current) yield finished();
      current = new LightCurveEmbedding(embedding.length, pooling);
      lightCurve = window.lightCurve;
    }
    current!.add(window, embedding);
  }
  if (current) yield finished();
}
