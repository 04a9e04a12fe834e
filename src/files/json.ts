/** JSON files that are read again. */
import { z } from "../common/setting.ts";
import { InputError, messageOf } from "../common/errors.ts";
import { readText } from "./text.ts";

/**
 * A number as JSON holds it. JSON has neither NaN nor infinity and writes null for both: null is read as NaN, a number
 * that is not defined, such as R2 where no magnitude varies.
 */
export const jsonNumber = z.number().nullable().transform((value) => value ?? NaN);

/**
 * Reads a JSON file.
 * @throws {InputError} naming the file and what is wrong in it
 */
export async function readJson<T>(path: string, schema: z.ZodType<T>): Promise<T> {
  let text: string;
  try {
    text = await readText(path);
  } catch (error) {
    throw new InputError(`${path} cannot be read: ${messageOf(error)}`);
  }
  return parseJson(path, text, schema);
}

/**
 * A value of a JSON text.
 * @param where the text stands, for messages
 * @throws {InputError} when it is not JSON, or not what the schema wants
 */
export function parseJson<T>(where: string, text: string, schema: z.ZodType<T>): T {
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch (error) {
    throw new InputError(`${where} is not valid JSON: ${messageOf(error)}`);
  }
  const result = schema.safeParse(json);
  if (result.success) return result.data;
  const [{ path, message }] = result.error.issues;
  throw new InputError(`${where}: ${path.length ? `${path.join(".")}: ` : ""}${message}`);
}
