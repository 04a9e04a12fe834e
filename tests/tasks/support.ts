/** Running the real commands, each in a process of its own. */
import { assertEquals } from "../../src/common/std.ts";
import { sharedPath } from "../shared.ts";
import { permissionsOf } from "./permissions.ts";

export const cli = new URL("../../cli.ts", import.meta.url).pathname;

/** What a command printed, and its exit code. */
export interface Output {
  code: number;
  stdout: string;
  stderr: string;
}

/** A command with the permissions of its task. */
function command(args: string[], env: Record<string, string> = {}, launcher: readonly string[] = []) {
  const [program, ...rest] = [...launcher, Deno.execPath(), "run", ...permissionsOf(args[0]), cli, ...args];
  return new Deno.Command(program, {
    args: rest,
    // Small models gain nothing from a second thread, and on a busy machine threads wait seconds for each other.
    env: { NO_COLOR: "1", OMP_NUM_THREADS: "1", ...env },
    stdout: "piped",
    stderr: "piped",
  });
}

/** Runs a command. */
export async function run(...args: string[]): Promise<Output> {
  const { code, stdout, stderr } = await command(args).output();
  const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
  return { code, stdout: text(stdout), stderr: text(stderr) };
}

/** A command that goes on in the background. */
export class Running {
  readonly process: Deno.ChildProcess;
  stdout = "";
  stderr = "";
  readonly #read: Promise<unknown>;
  #heard = () => {};

  /** @param launcher starts the command, such as mpirun with its flags; by default nothing does */
  constructor(args: string[], env: Record<string, string> = {}, launcher: readonly string[] = []) {
    this.process = command(args, env, launcher).spawn();
    const follow = async (from: "stdout" | "stderr") => {
      for await (const text of this.process[from].pipeThrough(new TextDecoderStream())) {
        this[from] += text;
        this.#heard();
      }
    };
    this.#read = Promise.all([follow("stdout"), follow("stderr")]).then(() => this.#heard());
  }

  /** Waits until it has printed a text. */
  async until(text: string): Promise<void> {
    let over = false;
    this.#read.then(() => {
      over = true;
      this.#heard();
    });
    while (!(this.stdout + this.stderr).includes(text)) {
      if (over) throw new Error(`it ended without "${text}": ${this.stdout}${this.stderr}`);
      await new Promise<void>((resolve) => this.#heard = resolve);
    }
  }

  /** Waits until it has ended. */
  async end(): Promise<Output & { signal: Deno.Signal | null }> {
    const { code, signal } = await this.process.status;
    await this.#read;
    return { code, signal, stdout: this.stdout, stderr: this.stderr };
  }
}

/** The lines of a run's metrics, without what the clock and the machine's memory say. */
export async function timelessMetrics(runFolder: string) {
  const lines = (await Deno.readTextFile(`${runFolder}/metrics.jsonl`)).trim().split("\n");
  return lines.map((line) => {
    const { seconds: _, windows_per_second: __, memory_gb: ___, ...rest } = JSON.parse(line);
    return rest;
  });
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
