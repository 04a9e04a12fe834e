/** Windows: what of a light curve the model sees at once (section 2.1 of the paper). */
import type { Random } from "../common/random.ts";

/** Light curves shorter than this are not used. */
export const shortestLightCurve = 5;

/** A run of consecutive observations of one light curve. */
export interface Window {
  /** Index of the light curve in its dataset. */
  lightCurve: number;
  /** First observation, counted in the light curve. */
  start: number;
  /** Number of observations: the window size, or all of a shorter light curve. */
  length: number;
}

/**
 * Windows one after the other; the last one is moved back so that it is full.
 * @param length observations of the light curve
 * @param size observations of a full window
 */
export function sequentialWindows(lightCurve: number, length: number, size = 200): Window[] {
  if (length <= size) return [{ lightCurve, start: 0, length }];
  return Array.from({ length: Math.ceil(length / size) }, (_, i) => ({
    lightCurve,
    start: Math.min(i * size, length - size),
    length: size,
  }));
}

/** One full window anywhere in the light curve; all of a shorter one. */
export function randomWindow(lightCurve: number, length: number, random: Random, size = 200): Window {
  if (length <= size) return { lightCurve, start: 0, length };
  return { lightCurve, start: random.integer(length - size + 1), length: size };
}
