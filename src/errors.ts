/**
 * A mistake in what the user gave: a flag, a file, a row, a column. The message names it, says what was found and what
 * would be right. Commands print it as one sentence, without a stack trace, and exit with code 2.
 */
export class InputError extends Error {
  /** The error's kind. */
  override name = "InputError";
}

/** A failure that is not the user's input (a full disk, a missing library): one sentence, exit code 1. */
export class Failure extends Error {
  /** The error's kind. */
  override name = "Failure";
}

/** The text of whatever was thrown. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
