/** Running the real commands, each in a process of its own. */
import { assertEquals } from "../../src/std.ts";
import { sharedPath } from "../shared.ts";

export const cli = new URL("../../cli.ts", import.meta.url).pathname;

/** What a command printed, and its exit code. */
export interface Output {
  code: number;
  stdout: string;
  stderr: string;
}

/** Runs a command. */
export async function run(...args: string[]): Promise<Output> {
  const { code, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", cli, ...args],
    // Small models gain nothing from a second thread, and on a busy machine threads wait seconds for each other.
    env: { NO_COLOR: "1", OMP_NUM_THREADS: "1" },
  }).output();
  const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
  return { code, stdout: text(stdout), stderr: text(stderr) };
}

/** Runs a command that must succeed. */
export async function succeed(...args: string[]): Promise<Output> {
  const output = await run(...args);
  assertEquals(output.code, 0, output.stderr);
  return output;
}

/** The small real survey as a dataset folder. */
export async function preprocessed(folder: string): Promise<string> {
  const survey = ["--preset", "reference", "--input", sharedPath("data/asas-tiny")];
  await succeed("preprocess", ...survey, "--output", `${folder}/data`);
  return `${folder}/data`;
}
