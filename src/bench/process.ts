/** A program measured from outside: its time, and the most memory that it held. */
import { kernelFile } from "../../ffi/kernel_file.ts";
import { Failure, messageOf } from "../common/errors.ts";

/** What a program printed, and what it took. */
export interface Ran {
  /** What it printed, line by line. */
  lines: string[];
  /** From its start to its end. */
  seconds: number;
  /** Peak resident memory, GB, of it and the processes it started; undefined where the system has no /proc. */
  peak_memory_gb?: number;
}

/** Milliseconds between two looks at a program's memory; the kernel keeps the peak, so that only a last growth can be missed. */
const interval = 50;

/**
 * Runs a program to its end.
 * @param said stands for the program in messages
 * @throws {Failure} when it cannot be run, or fails: with the last line of its standard error
 */
export async function runMeasured(
  program: string,
  args: readonly string[],
  said: string,
  env: Record<string, string> = {},
): Promise<Ran> {
  const start = performance.now();
  let child: Deno.ChildProcess;
  try {
    child = new Deno.Command(program, { args: [...args], env, stdout: "piped", stderr: "piped" }).spawn();
  } catch (error) {
    throw new Failure(`${program} cannot be run: ${messageOf(error)}`);
  }
  let peak = 0;
  const look = () => peak = Math.max(peak, peakOf(child.pid));
  look();
  const timer = setInterval(look, interval);
  const { success, stdout, stderr } = await child.output().finally(() => clearInterval(timer));
  const seconds = (performance.now() - start) / 1000;
  const linesOf = (bytes: Uint8Array) => new TextDecoder().decode(bytes).split("\n").filter((line) => line);
  if (!success) throw new Failure(`${said} failed: ${linesOf(stderr).at(-1) ?? "it said nothing"}`);
  return { lines: linesOf(stdout), seconds, ...(peak ? { peak_memory_gb: peak / 1e9 } : {}) };
}

/** Bytes of a process's peak resident memory and of those it has started from its first thread; 0 where it cannot be seen. */
function peakOf(process: number): number {
  const [, kibibytes] = /^VmHWM:\s*(\d+) kB$/m.exec(kernelFile(`/proc/${process}/status`) ?? "") ?? [];
  const children = kernelFile(`/proc/${process}/task/${process}/children`)?.match(/\d+/g) ?? [];
  return 1024 * Number(kibibytes ?? 0) + children.reduce((sum, child) => sum + peakOf(Number(child)), 0);
}

/** Flags with which Deno runs a module of this program, with the permissions that it needs. */
export function denoArgs(module: URL, ...permissions: ("read" | "write" | "ffi" | "env")[]): string[] {
  return ["run", "-q", "--no-prompt", ...permissions.map((each) => `--allow-${each}`), module.href];
}
