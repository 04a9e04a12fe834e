/** One light curve of a dataset, as a user names it. */
import { InputError } from "../common/errors.ts";
import { closestString } from "../common/std.ts";
import type { Dataset } from "./dataset.ts";
import { shortestLightCurve } from "./windows.ts";

/**
 * The light curve of an object.
 * @param band needed where the object has light curves in several bands
 * @returns its index in the dataset
 * @throws {InputError} when there is no such light curve, when there are several, or when it is too short to be used
 */
export function lightCurveById(
  { folder, ids, bands, lengths }: Pick<Dataset, "folder" | "ids" | "bands" | "lengths">,
  id: string,
  band?: string,
): number {
  const all = ids.flatMap((other, i) => other === id ? [i] : []);
  if (all.length === 0) {
    throw new InputError(
      `--id ${id}: ${folder} has no such light curve; the closest ids are ${closest(id, ids).join(", ")}`,
    );
  }
  const known = `${folder} has ${id} in the bands ${all.map((i) => bands[i] ?? "(unnamed)").join(", ")}`;
  const chosen = band === undefined ? all : all.filter((i) => bands[i] === band);
  if (chosen.length === 0) throw new InputError(`--band ${band}: ${known}`);
  if (chosen.length > 1) throw new InputError(`${known}: choose one with --band`);
  const [place] = chosen;
  if (lengths[place] < shortestLightCurve) {
    throw new InputError(
      `--id ${id}: the light curve has ${
        lengths[place]
      } observations, at least ${shortestLightCurve} are needed`,
    );
  }
  return place;
}

/** The ids that are spelled most like one, at most three. */
function closest(id: string, ids: readonly string[]): string[] {
  const left = new Set(ids), found: string[] = [];
  while (left.size > 0 && found.length < 3) {
    const next = closestString(id, [...left]);
    found.push(next);
    left.delete(next);
  }
  return found;
}
