/** Learning rates over a run. */

/** What a schedule may look at. */
export interface Progress {
  /** The step to be made, from 1. */
  step: number;
  /** How much of the run is done, 0 … 1: of its epochs or of its minutes, whichever ends first. */
  done: number;
}

/** A learning rate for every step. */
export type Schedule = (progress: Progress) => number;

/** Rises in a straight line to 1 at the end of the warm-up, and stays there. */
function warmUp(step: number, warmup: number): number {
  return Math.min(1, step / Math.max(1, warmup));
}

/** Linear warm-up, then always the same. */
export function constant(rate: number, warmup = 0): Schedule {
  return ({ step }) => rate * warmUp(step, warmup);
}

/** d^-0.5 min(s^-0.5, s w^-1.5), the Transformer's (Vaswani et al. 2017, eq. 3), with width d and w steps of warm-up. */
export function transformer(width: number, warmup = 4000): Schedule {
  return ({ step }) => width ** -0.5 * Math.min(step ** -0.5, step * warmup ** -1.5);
}

/** Linear warm-up, then half a cosine from the peak down to a small part of it at the end of the run. */
export function cosine(peak: number, warmup: number, floor = 0.02): Schedule {
  return ({ step, done }) => {
    const decayed = floor + (1 - floor) * 0.5 * (1 + Math.cos(Math.PI * Math.min(1, done)));
    return peak * warmUp(step, warmup) * decayed;
  };
}
