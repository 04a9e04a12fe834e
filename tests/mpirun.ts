/** Real ranks for tests, where an MPI is installed. */

/** How so many ranks are started. */
interface Launcher {
  mpi: "Open MPI" | "MPICH";
  start: (ranks: number) => string[];
}

function launcherOf(program: string): Launcher | undefined {
  let version: string;
  try {
    version = new TextDecoder().decode(
      new Deno.Command(program, { args: ["--version"] }).outputSync().stdout,
    );
  } catch {
    return undefined; // not installed
  }
  if (/HYDRA/.test(version)) return { mpi: "MPICH", start: (ranks) => [program, "-n", `${ranks}`] };
  if (!/Open MPI/.test(version)) return undefined;
  return {
    mpi: "Open MPI",
    start: (ranks) => [program, "-n", `${ranks}`, "--oversubscribe", "--allow-run-as-root"],
  };
}

/** The launchers that are installed (Debian can have both). */
export const launchers = ["mpirun", "mpirun.openmpi", "mpirun.mpich"].map(launcherOf).filter((found) =>
  !!found
);

export const openMpi = launchers.find(({ mpi }) => mpi === "Open MPI");

/** A test's name, which says so where it is skipped. */
export function named(name: string, launcher: unknown): string {
  return launcher ? name : `${name} (skipped: its mpirun is absent; apt-get install openmpi-bin)`;
}
