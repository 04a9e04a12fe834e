/**
 * Shapes of variable stars: for each type, a star drawn at random, as a function from time to magnitudes above its mean. The numbers
 * are those of V-band surveys; the sources are beside each.
 */
import type { Random } from "../common/random.ts";

/** One star: its true period, and its change of magnitude with time. */
export interface VariableStar {
  /** Days; of a star with several modes the strongest, of a Mira the mean. */
  period: number;
  /** Magnitudes above or below the mean, at a time in days. */
  change(time: number): number;
}

/** A type of variable star, named as in the ASAS catalogue. */
export interface VariableType {
  name: string;
  draw(random: Random): VariableStar;
}

const turn = 2 * Math.PI;

/** Uniform between two numbers, and uniform in the logarithm. */
const between = (random: Random, low: number, high: number) => low + (high - low) * random.next();
const logBetween = (random: Random, low: number, high: number) => low * (high / low) ** random.next();
/** A normal number, drawn again until it lies between two bounds. */
function normalWithin(random: Random, mean: number, std: number, low: number, high: number): number {
  for (;;) {
    const value = mean + std * random.normal();
    if (value >= low && value <= high) return value;
  }
}

/** A cosine series of unit range, from amplitude ratios R_k1 and phase differences phi_k1 (Simon & Lee 1981), as a table. */
function cosineSeries(ratios: readonly number[], phases: readonly number[]): (phase: number) => number {
  const size = 1024, table = new Float64Array(size + 1);
  for (let i = 0; i <= size; i++) {
    table[i] = Math.cos(turn * i / size) +
      ratios.reduce((sum, ratio, k) => sum + ratio * Math.cos(turn * (k + 2) * i / size + phases[k]), 0);
  }
  const range = Math.max(...table) - Math.min(...table);
  return (phase) => {
    const at = (phase - Math.floor(phase)) * size, i = Math.floor(at);
    return (table[i] + (at - i) * (table[i + 1] - table[i])) / range;
  };
}

/**
 * RR Lyrae of type ab: a steep rise and a slow decline. Fourier parameters in the middle of those of field stars
 * (Simon & Teays 1982); shorter periods have larger amplitudes (the Bailey diagram).
 */
function rrab(random: Random): VariableStar {
  const period = normalWithin(random, 0.57, 0.08, 0.4, 0.85);
  const amplitude = normalWithin(random, 1.0 - 2.2 * (period - 0.55), 0.15, 0.3, 1.4);
  const vary = (value: number) => value * (1 + 0.08 * random.normal());
  const shape = cosineSeries(
    [vary(0.47), vary(0.34), vary(0.21), vary(0.13)],
    [
      3.95 + 0.1 * random.normal(),
      1.95 + 0.15 * random.normal(),
      6.1 + 0.2 * random.normal(),
      4.1 + 0.2 * random.normal(),
    ],
  );
  const start = random.next();
  return { period, change: (time) => amplitude * shape(time / period + start) };
}

/** RR Lyrae of type c: nearly sinusoidal, shorter periods, smaller amplitudes (Simon & Teays 1982). */
function rrc(random: Random): VariableStar {
  const period = normalWithin(random, 0.32, 0.05, 0.2, 0.45),
    amplitude = normalWithin(random, 0.43, 0.07, 0.2, 0.6);
  const shape = cosineSeries(
    [between(random, 0.08, 0.22), between(random, 0.03, 0.09)],
    [4.7 + 0.2 * random.normal(), 3.0 + 0.5 * random.normal()],
  );
  const start = random.next();
  return { period, change: (time) => amplitude * shape(time / period + start) };
}

/** Delta Scuti: a few modes of low amplitude and unrelated periods of hours (Breger 2000). */
function deltaScuti(random: Random): VariableStar {
  const period = logBetween(random, 0.03, 0.25), amplitude = logBetween(random, 0.04, 0.35);
  const modes = [{ period, amplitude, start: random.next() }];
  for (let k = 1 + random.integer(4); k > 0; k--) {
    modes.push({
      period: period * between(random, 0.55, 1.3),
      amplitude: amplitude * between(random, 0.1, 0.5),
      start: random.next(),
    });
  }
  return {
    period,
    change: (time) =>
      modes.reduce(
        (sum, mode) => sum + mode.amplitude / 2 * Math.cos(turn * (time / mode.period + mode.start)),
        0,
      ),
  };
}

/**
 * Mira: periods of most of a year, magnitudes of change, a rise faster than the decline, and no two cycles alike (Lockwood &
 * Wing 1971; Templeton, Mattei & Willson 2005).
 */
function mira(random: Random): VariableStar {
  const period = normalWithin(random, 290, 80, 110, 520), amplitude = normalWithin(random, 4.0, 0.9, 2.5, 7);
  const rise = between(random, 0.38, 0.5);
  // Each cycle has a depth and a lateness of its own; more cycles than any survey lasts, used in turn.
  const cycles = Array.from(
    { length: 64 },
    () => ({ depth: 1 + 0.1 * random.normal(), late: 0.02 * random.normal() }),
  );
  const start = random.next() * cycles.length;
  return {
    period,
    change(time) {
      const cycle = time / period + start, i = Math.floor(cycle), x = cycle - i;
      const [now, next] = [cycles[mod(i, cycles.length)], cycles[mod(i + 1, cycles.length)]];
      const late = now.late + (next.late - now.late) * x, depth = now.depth + (next.depth - now.depth) * x;
      const phase = Math.min(Math.max(x + late * Math.sin(Math.PI * x), 0), 1);
      // Faintest at phase 0, brightest when a share `rise` of the cycle has passed.
      const warped = phase < rise ? phase / rise / 2 : 0.5 + (phase - rise) / (1 - rise) / 2;
      return amplitude / 2 * depth * Math.cos(turn * warped);
    },
  };
}

const mod = (i: number, n: number) => ((i % n) + n) % n;

/**
 * Detached binary (EA): flat but for two eclipses, trapezoids with round shoulders (the model behind the box search of
 * Kovacs, Zucker & Mazeh 2002, with ingress). The second is shallower, and off half a turn where the orbit is eccentric.
 */
function detached(random: Random): VariableStar {
  const period = logBetween(random, 0.7, 15);
  const half = between(random, 0.025, 0.075), flat = between(random, 0, 0.4);
  const depth = logBetween(random, 0.15, 1.2), second = depth * between(random, 0.15, 0.95);
  const eccentric = random.next() < 0.3 ? 0.08 * random.normal() : 0, start = random.next();
  const ellipsoidal = 0.02 * random.next();
  const eclipse = (phase: number) => {
    const x = Math.abs(phase - Math.round(phase)) / half;
    return x >= 1 ? 0 : x <= flat ? 1 : 0.5 + 0.5 * Math.cos(Math.PI * (x - flat) / (1 - flat));
  };
  return {
    period,
    change(time) {
      const phase = time / period + start;
      return depth * eclipse(phase) + second * eclipse(phase - 0.5 - eccentric) +
        ellipsoidal * Math.cos(2 * turn * phase);
    },
  };
}

/** Contact binary (EW): light changes all the time, with minima of nearly equal depth (cosine coefficients of Rucinski 1993). */
function contact(random: Random): VariableStar {
  const period = normalWithin(random, 0.38, 0.1, 0.23, 0.85);
  const a2 = -between(random, 0.06, 0.24), a4 = a2 * (0.125 - a2) * between(random, 0.9, 1.4);
  const a1 = -0.02 * random.next(), start = random.next();
  return {
    period,
    change(time) {
      const phase = turn * (time / period + start);
      return -2.5 *
        Math.log10(1 + a1 * Math.cos(phase) + a2 * Math.cos(2 * phase) + a4 * Math.cos(4 * phase));
    },
  };
}

/** The types, in the order of their labels. */
export const variableTypes: readonly VariableType[] = [
  { name: "Contact Systems", draw: contact },
  { name: "Delta Scuti", draw: deltaScuti },
  { name: "Detached", draw: detached },
  { name: "Mira", draw: mira },
  { name: "RR Lyrae, First Overtone", draw: rrc },
  { name: "RR Lyrae, Fundamental Mode", draw: rrab },
];
