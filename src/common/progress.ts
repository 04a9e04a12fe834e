/** Progress of long work: one line that is rewritten on a terminal, now and then a plain line elsewhere. */

/** Shows lines; on a terminal each replaces the last. */
export class ProgressLine {
  readonly #terminal = Deno.stderr.isTerminal();
  #shown: number;
  #wide = 0;

  /** @param everySeconds how often a line is shown where there is no terminal */
  constructor(readonly everySeconds = 10) {
    this.#shown = this.#terminal ? 0 : performance.now();
  }

  /** Shows a line if it is time for one; the text is made only then. */
  update(text: () => string): void {
    const now = performance.now();
    if (now - this.#shown < (this.#terminal ? 100 : 1000 * this.everySeconds)) return;
    this.#shown = now;
    const line = text();
    if (!this.#terminal) return console.error(line);
    Deno.stderr.writeSync(new TextEncoder().encode(`\r${line.padEnd(this.#wide)}`));
    this.#wide = line.length;
  }

  /** Clears the line, before other output or at the end. */
  clear(): void {
    if (this.#terminal && this.#wide) {
      Deno.stderr.writeSync(new TextEncoder().encode(`\r${" ".repeat(this.#wide)}\r`));
    }
    this.#wide = 0;
  }
}

/** A duration in words: 45 s, 3 min 20 s, 2 h 05 min. */
export function duration(seconds: number): string {
  if (!Number.isFinite(seconds)) return "?";
  const whole = Math.round(seconds);
  if (whole < 60) return `${whole} s`;
  if (whole < 3600) return `${Math.floor(whole / 60)} min ${String(whole % 60).padStart(2, "0")} s`;
  return `${Math.floor(whole / 3600)} h ${String(Math.floor(whole / 60) % 60).padStart(2, "0")} min`;
}
