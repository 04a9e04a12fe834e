/**
 * A mistake in what the user gave: a flag, a file, a row, a column. The message names it, says what was found and what
 * would be right. Commands print it as one sentence, without a stack trace, and exit with code 2.
 *
 * @example
 * ```ts
 * import { Astromer, InputError } from "../mod.ts";
 *
 * try {
 *   await Astromer.load("no/such/folder");
 *   throw new Error("unreachable");
 * } catch (error) {
 *   if (!(error instanceof InputError)) throw error; // its message says which file and what is wrong
 * }
 * ```
 */
export class InputError extends Error {
  /** The error's kind. */
  override name = "InputError";
}

/**
 * A failure that is not the user's input (a full disk, a missing library): one sentence, exit code 1.
 *
 * @example
 * ```ts
 * import { Astromer, Failure } from "../mod.ts";
 *
 * using model = Astromer.untrained({ preset: "small" });
 * const file = await Deno.makeTempFile();
 * try {
 *   await model.save(`${file}/model`); // a file is no folder
 *   throw new Error("unreachable");
 * } catch (error) {
 *   if (!(error instanceof Failure)) throw error; // a sentence: what could not be done, and why
 * }
 * await Deno.remove(file);
 * ```
 */
export class Failure extends Error {
  /** The error's kind. */
  override name = "Failure";
}

/** Work that a signal ended and that `--resume` goes on with: one sentence, exit code 75 (EX_TEMPFAIL of sysexits.h). */
export class Interrupted extends Error {
  /** The error's kind. */
  override name = "Interrupted";
}

/** The text of whatever was thrown. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

/** Names in a sentence: the first few, and how many more there are. */
export function fewOf(names: readonly string[], most = 8): string {
  const more = names.length > most ? ` and ${names.length - most} more` : "";
  return names.slice(0, most).join(", ") + more;
}
