/** How a survey observes: which nights are clear, when a star is visited, how well it is measured. */
import { type Random, seeded } from "../common/random.ts";

/** The survey's first night (MJD), and how long it lasts, in days. */
export const firstNight = 52_000;
export const nights = 2_700;

/** A year in days, and the share of it in which a star is up at night. */
const year = 365.25, season = 8 / 12;
/** How much earlier a star rises each night, in days: four minutes. */
const siderealShift = 1 / 366.25;

/** Which nights are clear: clear and cloudy spells of some days (a two-state Markov chain), the same for all stars. */
export function clearNights(seed: number): Uint8Array {
  const random = seeded(seed, 0);
  const clear = new Uint8Array(nights);
  for (let night = 0, now = 1; night < nights; night++) {
    if (random.next() < (now ? 0.15 : 0.3)) now = 1 - now;
    clear[night] = now;
  }
  return clear;
}

/** The share of a star's nights that are clear and in season, about; the chain is clear two thirds of the time. */
const usableShare = season * 2 / 3;

/**
 * The times of a star's visits, ascending, in MJD: on clear nights of the season, now and then more than one a night, at an hour
 * that follows the star's transit and jitters by an hour or two.
 * @param visits how many are wanted; the number that comes out varies around it
 */
export function visitTimes(random: Random, clear: Uint8Array, visits: number): Float64Array {
  const seasonStart = random.next() * year, rate = visits / (nights * usableShare);
  const none = Math.exp(-rate), times: number[] = [];
  for (let night = 0; night < nights; night++) {
    const day = (night + seasonStart) % year;
    // The draw stands before the tests: whether a night is cloudy must not shift the star's other nights.
    const count = poisson(random, none);
    if (!clear[night] || day > season * year) continue;
    const transit = 0.5 - siderealShift * (day - season * year / 2) / 2;
    for (let k = 0; k < count; k++) times.push(firstNight + night + transit + 0.06 * random.normal());
  }
  return Float64Array.from(times).map((time) => Math.round(time * 1e5) / 1e5).sort();
}

/** A Poisson number of a small mean (Knuth's product of uniforms), given the probability of none. */
function poisson(random: Random, none: number): number {
  let count = -1;
  for (let product = 1; product > none; count++) product *= random.next();
  return Math.max(count, 0);
}

/** The error that no star is measured better than, the magnitude where the sky adds 0.05, and the faintest magnitude recorded. */
const floor = 0.012, skyMagnitude = 14, faintest = 16.5;

/**
 * The error of one measurement: a floor, photon noise, and the sky's noise which takes over for faint stars (the usual error budget
 * of aperture photometry, e.g. Howell 1989), in magnitudes.
 */
export function errorAt(magnitude: number): number {
  const photons = 0.03 * 10 ** (0.2 * (magnitude - skyMagnitude));
  const sky = 0.05 * 10 ** (0.4 * (magnitude - skyMagnitude));
  return Math.sqrt(floor ** 2 + photons ** 2 + sky ** 2);
}

/** Mean magnitudes: three times as many stars for each magnitude fainter, from 8 to 14 (counts of an even distribution). */
export function meanMagnitude(random: Random): number {
  const bright = 8, faint = 14, slope = Math.log(10) * 0.25;
  return bright + Math.log(1 + random.next() * (Math.exp(slope * (faint - bright)) - 1)) / slope;
}

/** The share of measurements spoilt by a satellite, a cloud or a neighbour. */
const outlierShare = 0.004;

/** A measurement of a true magnitude: value and stated error, to a thousandth; null where the star is too faint. */
export function measure(random: Random, magnitude: number): { mag: number; err: number } | null {
  const error = errorAt(magnitude) * Math.exp(0.15 * random.normal());
  let measured = magnitude + error * random.normal();
  if (random.next() < outlierShare) measured += (random.next() < 0.5 ? -1 : 1) * (0.3 + 1.5 * random.next());
  if (measured > faintest) return null;
  return { mag: Math.round(measured * 1000) / 1000, err: Math.max(0.001, Math.round(error * 1000) / 1000) };
}
