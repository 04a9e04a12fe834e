/** Light curves of one object in several bands as one embedding. */
import type { Dataset } from "../data/dataset.ts";
import { InputError } from "../common/errors.ts";
import { closestString } from "../common/std.ts";
import type { EmbeddedLightCurve } from "./stream.ts";

/** `concat`: the bands' vectors end to end, in the order of the bands; `mean`: their mean, of the bands that there are. */
export type Join = "concat" | "mean";

/** An object with its vectors, end to end. */
export interface EmbeddedObject {
  /** One of its light curves, for what all of them share. */
  lightCurve: number;
  bands: string[];
  windows: number;
  points: number;
  embedding: Float32Array;
}

/**
 * The light curves in these bands, in the order of the dataset.
 * @throws {InputError} when a band is not in the dataset
 */
export function lightCurvesIn(
  { bands: all, folder }: Pick<Dataset, "bands" | "folder">,
  lightCurves: readonly number[],
  bands: readonly string[],
): number[] {
  const known = [...new Set(all.filter((band) => band !== null))].sort();
  for (const [i, band] of bands.entries()) {
    if (bands.indexOf(band) !== i) throw new InputError(`--bands names ${band} twice`);
    if (known.includes(band)) continue;
    throw new InputError(
      known.length === 0
        ? `--bands ${bands.join(",")}: the light curves of ${folder} have no bands`
        : `--bands ${band}: the bands of ${folder} are ${known.join(", ")}; did you mean ${
          closestString(band, known)
        }?`,
    );
  }
  return lightCurves.filter((i) => all[i] !== null && bands.includes(all[i]));
}

/**
 * Joins the bands of each object, whose light curves follow each other as `preprocess` orders them.
 * @param layers vectors of an embedding; each is joined by itself
 * @param onIncomplete called for an object that `concat` leaves out, because it lacks a band
 */
export async function* perObject(
  lightCurves: AsyncIterable<EmbeddedLightCurve>,
  { ids, bands: bandOf }: Pick<Dataset, "ids" | "bands">,
  { bands, join, layers }: { bands: readonly string[]; join: Join; layers: number },
  onIncomplete: (id: string) => void,
): AsyncGenerator<EmbeddedObject> {
  let object: EmbeddedLightCurve[] = [];
  function* joined(): Generator<EmbeddedObject> {
    if (object.length === 0) return;
    const [{ lightCurve }] = object;
    const byBand = new Map(object.map((curve) => [bandOf[curve.lightCurve], curve]));
    const parts = bands.filter((band) => byBand.has(band)).map((band) => byBand.get(band)!);
    if (join === "concat" && parts.length < bands.length) return onIncomplete(ids[lightCurve]);
    yield {
      lightCurve,
      bands: bands.filter((band) => byBand.has(band)),
      windows: parts.reduce((sum, part) => sum + part.windows, 0),
      points: parts.reduce((sum, part) => sum + part.points, 0),
      embedding: join === "mean" ? meanOf(parts) : concatenated(parts, layers),
    };
  }
  for await (const curve of lightCurves) {
    if (object.length && ids[object[0].lightCurve] !== ids[curve.lightCurve]) {
      yield* joined();
      object = [];
    }
    object.push(curve);
  }
  yield* joined();
}

function meanOf(parts: readonly EmbeddedLightCurve[]): Float32Array {
  const [{ embedding }] = parts;
  return embedding.map((_, i) => parts.reduce((sum, part) => sum + part.embedding[i], 0) / parts.length);
}

function concatenated(parts: readonly EmbeddedLightCurve[], layers: number): Float32Array {
  const width = parts[0].embedding.length / layers;
  const whole = new Float32Array(parts.length * parts[0].embedding.length);
  for (let layer = 0; layer < layers; layer++) {
    for (const [k, { embedding }] of parts.entries()) {
      whole.set(
        embedding.subarray(layer * width, (layer + 1) * width),
        (layer * parts.length + k) * width,
      );
    }
  }
  return whole;
}
