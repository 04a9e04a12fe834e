/**
 * How libtorch's threads wait for each other. GNU's OpenMP, which libtorch brings, lets a thread that waits spin for
 * milliseconds before it sleeps. Where another process has one of the cores, its thread waits for the core and the others
 * spin for it: with half of the cores taken libtorch falls to a quarter of its speed and less. A spin of some 20
 * microseconds loses hardly anything on an idle machine.
 */
import { kernelFile } from "./kernel_file.ts";

/** Set by a user, any of these says how threads wait: then it stays as it is. */
const ofUser = ["OMP_WAIT_POLICY", "GOMP_SPINCOUNT", "KMP_BLOCKTIME"];

/** The processor's pauses in about 20 microseconds: Intel's are several times as long as others'. */
function spins(): number {
  return /GenuineIntel/.test(kernelFile("/proc/cpuinfo") ?? "") ? 500 : 2000;
}

let chosen: string | undefined;

/** How threads wait for each other, in a few words; undefined until libtorch is open, and where it is not GNU's OpenMP. */
export function waitingThreads(): string | undefined {
  return chosen;
}

/**
 * Loads OpenMP, which reads its variables then and never again, so that threads soon sleep where they wait.
 * @param load opens the library that brings it
 */
export function withShortSpins<R>(load: () => R): R {
  if (Deno.build.os !== "linux") return load(); // there libtorch brings another OpenMP
  const may = (name: string) =>
    Deno.permissions.querySync({ name: "env", variable: name }).state === "granted"; // else a terminal would be asked
  if (!ofUser.every(may)) {
    chosen = "they wait as OpenMP does: its variables may not be read";
    return load();
  }
  const said = ofUser.find((name) => Deno.env.get(name) !== undefined);
  if (said) {
    chosen = `they wait as ${said} says`;
    return load();
  }
  chosen = "they soon sleep where they wait";
  Deno.env.set("GOMP_SPINCOUNT", String(spins()));
  try {
    return load();
  } finally {
    Deno.env.delete("GOMP_SPINCOUNT"); // programs that are started from here choose for themselves
  }
}
