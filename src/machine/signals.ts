/** Signals that ask a command to stop, and Slurm jobs that go on after them. */
import { runProgram } from "../../ffi/program.ts";
import { Interrupted, messageOf } from "../common/errors.ts";

/** Lets signal handlers run: in long work on one thread they run only where it waits. */
export function letSignalsIn(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve));
}

/** Whether a signal has asked to stop. */
export interface Stop extends Disposable {
  requested(): boolean;
  /** The signal that did. */
  signal(): Deno.Signal | undefined;
}

/** How long a signal may take to come twice: `deno task` passes on what a terminal has sent to both processes. */
const echo = 500;

/**
 * Listens for what asks to stop: Ctrl-C (SIGINT), SIGTERM, and SIGUSR1, Slurm's warning. After the first Ctrl-C the
 * next
 * ends the process at once, even in the midst of a native call.
 * @param onFirst says that the request was heard
 */
export function listenForStop(onFirst: () => void): Stop {
  let signal: Deno.Signal | undefined, timer: ReturnType<typeof setTimeout> | undefined;
  const heard = (name: Deno.Signal) => () => {
    if (!signal) {
      signal = name;
      onFirst();
    }
    if (name === "SIGUSR1") setTimeout(closeDebugger, 100);
    if (name === "SIGINT") {
      timer ??= setTimeout(() => Deno.removeSignalListener("SIGINT", handlers.SIGINT), echo);
    }
  };
  const handlers = { SIGINT: heard("SIGINT"), SIGTERM: heard("SIGTERM"), SIGUSR1: heard("SIGUSR1") };
  const each = Object.entries(handlers) as [Deno.Signal, () => void][];
  for (const [name, handler] of each) Deno.addSignalListener(name, handler);
  return {
    requested: () => signal !== undefined,
    signal: () => signal,
    [Symbol.dispose]() {
      clearTimeout(timer);
      for (const [name, handler] of each) Deno.removeSignalListener(name, handler);
    },
  };
}

/** Says that a signal was heard, on a line of its own. */
export function sayStopping(after: string): void {
  const apart = Deno.stderr.isTerminal() ? "\n" : "";
  console.error(`${apart}stopping after this ${after}; Ctrl-C once more to stop at once`);
}

/**
 * The error that ends a command after a signal. If `requeue` is set and the signal was Slurm's warning, the job is
 * queued again first. After SIGTERM it is not: the job was cancelled, or preempted, and preempted jobs Slurm queues
 * again itself.
 * @param what the user can do next
 */
export function interrupted(stop: Stop, what: string, requeue: boolean): Interrupted {
  const signal = stop.signal(), job = slurmJob();
  let queued = "";
  if (requeue && signal === "SIGUSR1") {
    queued = job ? requeued(job) : "; not queued again: SLURM_JOB_ID is not set, this is no Slurm job";
  }
  return new Interrupted(`stopped by ${signal ?? "a signal at another rank"}: ${what}${queued}`);
}

/**
 * This Slurm job as scontrol names it. A task of a job array may have the array's own number as its SLURM_JOB_ID, which
 * means every task of it; a part of a heterogeneous job is queued again with the whole.
 */
function slurmJob(): string | undefined {
  const of = (name: string) => Deno.env.get(`SLURM_${name}`) || undefined;
  const array = of("ARRAY_JOB_ID"), task = of("ARRAY_TASK_ID");
  if (array && task) return `${array}_${task}`;
  return of("HET_JOB_ID") ?? of("JOB_ID");
}

function requeued(job: string): string {
  try {
    const { success, stdout, stderr } = runProgram("scontrol", ["requeue", job]);
    if (!success) throw new Error(stderr || stdout || "scontrol says no more than that it failed");
    return `; job ${job} is queued again`;
  } catch (error) {
    return `; job ${job} could not be queued again: ${messageOf(error)}`;
  }
}

/** Deno opens its debugger, a port that other users of a node can reach, at every SIGUSR1 (since 2.9.2). */
async function closeDebugger(): Promise<void> {
  const { default: inspector } = await import("node:inspector");
  if (inspector.url()) inspector.close();
}
