/** Which of several tables in a file holds light curves, and which of a row's arrays are one: by names and units. */

const timeNames =
  /(^|[^a-z])(h|b|t|g)?(m?jd|jd)([^a-z]|$)|^[a-z]?m?jd$|bjd|hjd|mjd|btjd|bkjd|time(?!r)|epoch|barytime|midpoint|^t$|^date/i;
const timeUnits = /^(d|day|days|jd|mjd|bjd|hjd|btjd|bkjd|bjd - \d+.*|jd - \d+.*)$/i;
const notTimes = /corr|err|expo|exptime|texp|dur|count|num|version|zero|delta|period|sigma/i;
const brightnessNames =
  /mag|flux|fcal|counts?$|count_?rate|^(m|f|[ugrizyUBVRIJHK]|psf)$|^ir[mf]\d|^ife?l?\d/i;
const brightnessUnits =
  /^(mag|mmag|magnitudes?|e-?\/s|electron ?\/? ?s.*|.*[nmu]?jy|adu.*|e- ?\/ ?cadence|nmgy|maggy|.*count.*)$/i;

/** A column, as far as it is looked at here. */
export interface Named {
  name: string;
  unit?: string;
}

/** Whether a column may be the time of an observation. */
export function isTime({ name, unit }: Named): boolean {
  if (notTimes.test(name)) return false;
  return timeNames.test(name) ||
    unit !== undefined && timeUnits.test(unit.trim()) && !brightnessNames.test(name);
}

/** Whether a column may be a magnitude or a flux. */
export function isBrightness({ name, unit }: Named): boolean {
  return brightnessNames.test(name) || unit !== undefined && brightnessUnits.test(unit.trim());
}

/** How much a table looks like light curves: 2 with a time and a brightness, 1 with a time alone, else 0. */
export function likeness(columns: readonly Named[]): 0 | 1 | 2 {
  if (!columns.some(isTime)) return 0;
  return columns.some((column) => isBrightness(column) && !isTime(column)) ? 2 : 1;
}
