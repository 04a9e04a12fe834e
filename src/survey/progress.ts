/** What a long command says while it works, on standard error: results alone go to standard output. */

/** Names the stages of a work and times them. */
export interface Progress {
  /** Does a stage of the work; says its name, and how long it took. */
  stage<T>(name: string, work: () => Promise<T>): Promise<T>;
  /** Says how far the present stage is. Said often: a terminal shows the last, a log file one every ten seconds. */
  at(text: string): void;
}

/** Says nothing. */
export const silent: Progress = { stage: (_, work) => work(), at: () => {} };

/** Writes to standard error: one line that changes on a terminal, plain lines elsewhere. */
export function consoleProgress(): Progress {
  const terminal = Deno.stderr.isTerminal(), encoder = new TextEncoder();
  const put = (text: string) => Deno.stderr.writeSync(encoder.encode(text));
  const erase = terminal ? "\r\x1b[K" : "";
  let said = performance.now(), current = "";
  return {
    async stage(name, work) {
      const start = performance.now();
      current = name;
      if (terminal) put(`${name} …`);
      const result = await work();
      put(`${erase}${name}: ${((performance.now() - start) / 1000).toFixed(1)} s\n`);
      return result;
    },
    at(text) {
      const now = performance.now();
      if (now - said < (terminal ? 200 : 10_000)) return;
      said = now;
      put(terminal ? `${erase}${current}: ${text}` : `${current}: ${text}\n`);
    },
  };
}
