/** Real ranks for tests, where an MPI is installed. */

const found = (program: string) => {
  try {
    return new Deno.Command(program, { args: ["--version"], stdout: "null", stderr: "null" }).outputSync()
      .success;
  } catch {
    return false;
  }
};

/** The launchers that are installed, by their MPI, as a command line for so many ranks. */
export const launchers: { mpi: "Open MPI" | "MPICH"; start: (ranks: number) => string[] }[] = [
  ...found("mpirun.openmpi")
    ? [{
      mpi: "Open MPI" as const,
      start: (
        ranks: number,
      ) => ["mpirun.openmpi", "-n", `${ranks}`, "--oversubscribe", "--allow-run-as-root"],
    }]
    : [],
  ...found("mpirun.mpich")
    ? [{ mpi: "MPICH" as const, start: (ranks: number) => ["mpirun.mpich", "-n", `${ranks}`] }]
    : [],
];

/** Open MPI's, which says how a rank ended in its own exit code. */
export const openMpi = launchers.find(({ mpi }) => mpi === "Open MPI");

/** A test's name, which says so where it is skipped. */
export function named(name: string, launcher: unknown): string {
  return launcher ? name : `${name} (skipped: mpirun is absent; apt-get install openmpi-bin)`;
}
