/** Light curves to try the examples on: three kinds of stars, seen on 80 nights, the same at every run. */

/** A light curve of which everything is known. */
export interface Simulated {
  mjd: number[];
  magnitude: number[];
  error: number[];
  class: "eclipses" | "sawtooth" | "sine";
  /** Days. */
  period: number;
}

/** Change of brightness over a period, mag, at a phase from 0 to 1. */
const shapes = {
  sine: (phase: number) => Math.sin(2 * Math.PI * phase) / 2,
  sawtooth: (phase: number) => phase < 0.15 ? 0.5 - phase / 0.15 : (phase - 0.15) / 0.85 - 0.5,
  eclipses: (phase: number) => phase < 0.1 ? 0.8 : phase > 0.5 && phase < 0.6 ? 0.5 : 0,
};

/** Simulates light curves number `first` and those after it; the kinds take turns. */
export function simulate(count: number, first = 0): Simulated[] {
  return Array.from({ length: count }, (_, i) => {
    let state = first + i;
    const random = () => { // from 0 to 1: the generator mulberry32
      state = (state + 0x6d2b79f5) | 0;
      let t = Math.imul(state ^ (state >>> 15), state | 1);
      t = (t + Math.imul(t ^ (t >>> 7), t | 61)) ^ t;
      return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
    };
    const kind = (["eclipses", "sawtooth", "sine"] as const)[(first + i) % 3];
    const period = 0.5 * 20 ** random(), amplitude = 0.3 + random(), phase = random();
    const mjd = Array.from({ length: 80 }, (_, night) => 59_000 + 3 * night + 0.4 * random());
    const magnitude = mjd.map((time) =>
      15 + amplitude * shapes[kind]((time / period + phase) % 1) + 0.05 * (random() - 0.5)
    );
    return { mjd, magnitude, error: mjd.map(() => 0.02), class: kind, period };
  });
}
