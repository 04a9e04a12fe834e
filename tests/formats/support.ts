/** What is kept of each version of a format, and what it was made of. */

/** The kept folder of a version. */
export function kept(kind: "model" | "classifier" | "dataset", version: number): string {
  return new URL(`${kind}-${version}`, import.meta.url).pathname;
}

/** A light curve of one of two periods. */
export function curve(star: number): { mjd: number[]; magnitude: number[] } {
  const mjd = Array.from({ length: 40 }, (_, i) => 59_000 + 0.9 * i);
  return { mjd, magnitude: mjd.map((t) => 15 + Math.sin(6.28 * t / (star % 2 ? 7 : 30) + star)) };
}

/**
 * Such a light curve at uneven times, of which numbers are kept: at even ones every alias is as good a period, and rounding
 * chooses.
 */
export function unevenCurve(star: number): { mjd: number[]; magnitude: number[] } {
  const mjd = curve(star).mjd.map((t, i) => t + 0.4 * Math.sin(i * i));
  return { mjd, magnitude: mjd.map((t) => 15 + Math.sin(6.28 * t / (star % 2 ? 7 : 30) + star)) };
}
