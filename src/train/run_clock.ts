/** The time of a run: how long it has taken, with all the parts before a stop, and how far it is. */
import type { Ranks } from "../machine/ranks.ts";
import type { PretrainOptions, PretrainState } from "./pretrain_types.ts";

/** Counts a run's seconds against its minutes and its epochs. */
export class RunClock {
  readonly #start: number;
  readonly #minutes: number;
  readonly #steps: number;
  readonly #ranks: Ranks;
  /** Of the last validation. The next one will take as long, and belongs to the run's minutes. */
  validationSeconds: number;

  /** @param stepsPerEpoch batches of an epoch */
  constructor(
    { maxMinutes, epochs }: Pick<PretrainOptions, "maxMinutes" | "epochs">,
    stepsPerEpoch: number,
    ranks: Ranks,
    { seconds, validationSeconds }: Pick<PretrainState, "seconds" | "validationSeconds"> = {
      seconds: 0,
      validationSeconds: 0,
    },
  ) {
    this.#start = performance.now() - 1000 * seconds;
    this.#minutes = maxMinutes;
    this.#steps = epochs * stepsPerEpoch;
    this.#ranks = ranks;
    this.validationSeconds = validationSeconds;
  }

  /** Since the run began. */
  get seconds(): number {
    return (performance.now() - this.#start) / 1000;
  }

  /** Seconds to train in. */
  get #budget(): number {
    return Math.max(1e-9, 60 * this.#minutes - this.validationSeconds);
  }

  /** Whether the minutes are up, at whichever rank. */
  isUp(): boolean {
    return this.#ranks.any(this.seconds >= this.#budget);
  }

  /**
   * The share of the run that is done after a step: of its epochs or of its minutes, whichever is larger, since a run with
   * both limits ends at the first. The learning rate may depend on it, so all ranks have the same.
   */
  doneAfter(step: number): number {
    return this.#ranks.max(Math.max(step / this.#steps, this.seconds / this.#budget));
  }
}
