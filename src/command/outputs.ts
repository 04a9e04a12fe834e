/** Where a command may write, and whether it can: known before any work. */
import { InputError } from "../common/errors.ts";
import { landingOf, parentOf, tryOutput } from "../files/atomic.ts";
import type { Described } from "./described.ts";

/** Settings that name what a command writes. */
export const written: ReadonlySet<string> = new Set(["output", "figure", "csv"]);

/**
 * A config file may be somebody else's: it says where to write within the working folder and its own, a flag anywhere.
 * @throws {InputError} when it leads out of both
 */
export async function refuseOutside(
  config: string,
  { name, flag }: Described,
  value: unknown,
): Promise<void> {
  if (typeof value !== "string") return; // the schema refuses it
  const target = await landingOf(value);
  for (const folder of [".", parentOf(config)]) {
    const within = `${await Deno.realPath(folder)}/`.replace(/^\/+$/, "/");
    if (`${target}/`.startsWith(within)) return;
  }
  throw new InputError(
    `${config}: ${name} "${value}" is outside the working folder and the config file's folder; ` +
      `give it as a flag instead: --${flag} ${value}`,
  );
}

/**
 * Tries, before any work, whether what a command writes can be written.
 * @throws {Failure} naming the path, and why not
 */
export async function tryOutputs(settings: Record<string, unknown>): Promise<void> {
  for (const name of written) {
    const path = settings[name];
    if (typeof path === "string") await tryOutput(path);
  }
}
