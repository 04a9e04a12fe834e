/** Tables through pipes: what comes in on standard input as a file, and a file out on standard output. */
import { InputError } from "../common/errors.ts";

/**
 * Keeps standard input in a file.
 * @param folder where the file goes
 * @returns its path, which ends as its first bytes say: `.parquet`, or else `.csv`
 * @throws {InputError} when standard input is a terminal, or empty
 */
export async function fromStandardInput(folder: string): Promise<string> {
  if (Deno.stdin.isTerminal()) {
    throw new InputError(
      "--input - reads a table from standard input, but that is a terminal: pipe a table in",
    );
  }
  const path = `${folder}/standard_input`;
  using file = await Deno.open(path, { create: true, truncate: true, write: true });
  await Deno.stdin.readable.pipeTo(file.writable);
  const bytes = new Uint8Array(4);
  using reading = await Deno.open(path);
  if (await reading.read(bytes) === null) {
    throw new InputError("--input -: nothing came in on standard input");
  }
  const named = `${path}.${new TextDecoder().decode(bytes) === "PAR1" ? "parquet" : "csv"}`;
  await Deno.rename(path, named);
  return named;
}

/** Writes a file's bytes to standard output. */
export async function toStandardOutput(path: string): Promise<void> {
  const file = await Deno.open(path);
  await file.readable.pipeTo(Deno.stdout.writable, { preventClose: true });
}
