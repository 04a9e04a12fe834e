/** What a long command says while it works, on standard error: results alone go to standard output. */
import { ProgressLine } from "../common/progress.ts";

/** Names the stages of a work and times them. */
export interface Progress {
  /** Does a stage of the work; says its name, and how long it took. */
  stage<T>(name: string, work: () => Promise<T>): Promise<T>;
  /** Says how far the present stage is; the text is made only when it is time to say something. */
  at(text: () => string): void;
}

/** Says nothing. */
export const silent: Progress = { stage: (_, work) => work(), at: () => {} };

/** Writes to standard error: one line that changes on a terminal, a plain line a stage elsewhere. */
export function consoleProgress(): Progress {
  const line = new ProgressLine();
  return {
    async stage(name, work) {
      const start = performance.now();
      line.update(() => `${name} …`);
      try {
        const result = await work();
        line.clear();
        console.error(`${name}: ${((performance.now() - start) / 1000).toFixed(1)} s`);
        return result;
      } finally {
        line.clear();
      }
    },
    at: (text) => line.update(text),
  };
}
