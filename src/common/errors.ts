/**
 * A mistake in what the user gave: a flag, a file, a row, a column. The message names it, says what was found and what
 * would be right. Commands print it as one sentence, without a stack trace, and exit with code 2.
 *
 * @example
 * ```ts
 * import { Astromer, InputError } from "../../mod.ts";
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
  /**
   * An error that says what is wrong with what was given.
   * @param message a sentence; what it quotes of files is made {@link printable}
   */
  constructor(message: string) {
    super(printable(message));
  }
}

/**
 * A failure that is not the user's input (a full disk, a missing library): one sentence, exit code 1.
 *
 * @example
 * ```ts
 * import { Astromer, Failure } from "../../mod.ts";
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
  /**
   * An error that says what could not be done.
   * @param message a sentence; what it quotes is made {@link printable}
   */
  constructor(message: string) {
    super(printable(message));
  }
}

/** Work that a signal stopped and that `--resume` continues: one sentence, exit code 75 (EX_TEMPFAIL of sysexits.h). */
export class Interrupted extends Error {
  /** The error's kind. */
  override name = "Interrupted";
}

/**
 * A text that may be printed to a terminal, whatever file it was read from: control characters, and those that turn the
 * direction of writing, are spelled out as `\u001b`. Lines may end.
 */
export function printable(text: string): string {
  return text.replace(
    /(?!\n)[\p{Cc}\u2028\u2029\u202a-\u202e\u2066-\u2069]/gu,
    (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`,
  );
}

/** What stands in a file, for a message: as JSON, printable, and not all of it. */
export function shown(value: unknown): string {
  const text = String(JSON.stringify(value)).slice(0, 101);
  return printable(text.length > 100 ? `${text}…` : text);
}

/** The text of whatever was thrown, printable. */
export function messageOf(error: unknown): string {
  return printable(error instanceof Error ? error.message : String(error));
}

/** What is said if libtorch does not say whether it was the GPU's memory. */
export const perhapsOfMemory = "if the GPU's memory ran out";

/** Words of libtorch, of the GPU and of JavaScript itself for memory that is not there. */
const outOfMemory =
  /can't allocate memory|out of memory|Storage size calculation overflowed|Array buffer allocation failed|Invalid (typed )?array length/i;

/** How much memory could not be had, if that is what the error is about; undefined for other errors. */
export function missingMemory(error: unknown): string | undefined {
  const text = messageOf(error);
  if (error instanceof InputError || error instanceof Failure || !outOfMemory.test(text)) return undefined;
  const [, bytes] = /allocate (\d+) bytes/.exec(text) ?? [],
    [, said] = /allocate ([\d.]+ \wi?B)/.exec(text) ?? [];
  if (bytes === undefined && said === undefined) return text.split("\n")[0];
  return `${said ?? `${(Number(bytes) / 1e9).toFixed(1)} GB`} more were wanted`;
}

/** Settings that memory grows with. */
const growing = ["batch_size", "encoder_batch_size", "window_size", "head_size", "feed_forward_size"];

/**
 * What to do about memory that was not there, if that is what the error is about, or may be: before 2.13 libtorch
 * prints why
 * it refuses a call, and does not tell. Undefined for other errors.
 * @param settings names of the settings that there are
 */
export function memorySentence(error: unknown, settings: readonly string[]): string | undefined {
  const missing = missingMemory(error), text = messageOf(error);
  const untold = !missing && text.includes(perhapsOfMemory);
  if (!missing && !untold) return undefined;
  const flags = growing.filter((name) => settings.includes(name)).map((name) =>
    `--${name.replaceAll("_", "-")}`
  );
  const onGpu = /CUDA|GPU/.test(text);
  const remedy = flags.length
    ? `lower ${flags.join(" or ")}` +
      (onGpu && settings.includes("data_on_device") ? ", or say --data-on-device false" : "")
    : `the model's window is too long for this ${onGpu ? "GPU" : "machine"}`;
  return missing
    ? `there is not enough memory${onGpu ? " on the GPU" : ""} (${missing}): ${remedy}`
    : `${text.split(";")[0]}; if the GPU's memory ran out: ${remedy}`;
}

/** Names in a sentence: the first few, and how many more there are. */
export function fewOf(names: readonly string[], most = 8): string {
  const more = names.length > most ? ` and ${names.length - most} more` : "";
  return names.slice(0, most).join(", ") + more;
}
