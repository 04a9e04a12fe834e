/** How long the windows are that are timed. */
import { InputError, messageOf } from "../common/errors.ts";

/**
 * Lengths of windows, from which each is drawn.
 * @param text a length, or a file with one a line
 * @throws {InputError} when it is neither
 */
export async function lengthsOf(text: string): Promise<number[]> {
  if (/^\d+$/.test(text)) return [Math.max(5, Number(text))];
  try {
    const lengths = (await Deno.readTextFile(text)).split(/\s+/).filter((line) => line).map(Number);
    if (lengths.length && lengths.every((n) => Number.isInteger(n) && n >= 2)) return lengths;
  } catch (error) {
    throw new InputError(`--lengths ${text} cannot be read: ${messageOf(error)}`);
  }
  throw new InputError(`--lengths ${text} must hold whole numbers, one a line`);
}
