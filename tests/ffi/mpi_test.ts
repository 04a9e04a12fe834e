import { launched } from "../../ffi/mpi.ts";
import { assertAlmostEquals, assertEquals, assertStringIncludes } from "../../src/common/std.ts";
import { launchers, named } from "../mpirun.ts";

const program = new URL("mpi_program.ts", import.meta.url).pathname;

async function start(launcher: string[], args: string[] = [], env: Record<string, string> = {}) {
  const [command, ...rest] = [...launcher, Deno.execPath(), "run", "-A", program, ...args];
  const { code, stdout, stderr } = await new Deno.Command(command, { args: rest, env }).output();
  const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
  return { code, stdout: text(stdout), stderr: text(stderr) };
}

Deno.test("which rank this is: by the variables of the launchers, the innermost first", () => {
  const rows: [Record<string, string>, [rank: number, size: number, localRank: number]][] = [
    [{}, [0, 1, 0]],
    [{ OMPI_COMM_WORLD_SIZE: "4", OMPI_COMM_WORLD_RANK: "3", OMPI_COMM_WORLD_LOCAL_RANK: "1" }, [3, 4, 1]],
    [{ PMI_SIZE: "4", PMI_RANK: "2", MPI_LOCALRANKID: "0" }, [2, 4, 0]],
    [{ PMI_SIZE: "4", PMI_RANK: "2" }, [2, 4, 2]],
    [{ SLURM_STEP_NUM_TASKS: "8", SLURM_PROCID: "5", SLURM_LOCALID: "1" }, [5, 8, 1]],
    // A batch script is no step: one process, whatever the job's tasks.
    [{ SLURM_NTASKS: "8", SLURM_PROCID: "0", SLURM_LOCALID: "0" }, [0, 1, 0]],
    // mpirun within a batch job starts its daemons by srun.
    [{
      ...{ SLURM_STEP_NUM_TASKS: "2", SLURM_PROCID: "1", SLURM_LOCALID: "0" },
      ...{ OMPI_COMM_WORLD_SIZE: "8", OMPI_COMM_WORLD_RANK: "6", OMPI_COMM_WORLD_LOCAL_RANK: "2" },
    }, [6, 8, 2]],
    [{ PMI_SIZE: "many", PMI_RANK: "2" }, [0, 1, 0]],
  ];
  for (const [environment, expected] of rows) {
    const { rank, size, localRank } = launched((name) => environment[name]);
    assertEquals([rank, size, localRank], expected, JSON.stringify(environment));
  }
});

for (const mpi of ["Open MPI", "MPICH"] as const) {
  const launcher = launchers.find((launcher) => launcher.mpi === mpi);
  Deno.test({
    name: named(`${mpi}: three ranks sum, compare, broadcast and gather`, launcher),
    ignore: !launcher,
    async fn() {
      const { code, stdout, stderr } = await start(launcher!.start(3));
      assertEquals(code, 0, stderr);
      const ranks = stdout.trim().split("\n").map((line) => JSON.parse(line)).sort((a, b) => a.rank - b.rank);
      assertEquals(ranks.map(({ rank }) => rank), [0, 1, 2]);
      for (const { double, gathered, rank, ...same } of ranks) {
        assertEquals(same, {
          size: 3,
          implementation: mpi,
          single: [6, 6, 6],
          largest: [2, 0],
          bytes: [7, 7, 7, 7, 7],
        });
        assertAlmostEquals(double[0], 0.3, 1e-15);
        assertEquals(double[1], -3);
        assertEquals(gathered, rank === 0 ? [[], [1], [2, 2]] : []);
      }
    },
  });
  Deno.test({
    name: named(`${mpi}: a rank that aborts ends those that wait for it`, launcher),
    ignore: !launcher,
    async fn() {
      const { code, stdout } = await start(launcher!.start(2), ["fail"]);
      assertEquals([code, stdout.includes("rank")], [3, false], stdout);
    },
  });
}

Deno.test("no MPI, or another launcher's: a sentence says what was tried", async () => {
  const of = { OMPI_COMM_WORLD_SIZE: "2", OMPI_COMM_WORLD_RANK: "1" };
  const none = await start([], [], { ...of, MPI_LIBRARY: "/no/such/libmpi.so" });
  assertStringIncludes(none.stderr, "OMPI_COMM_WORLD_SIZE says 2 ranks, but no MPI can be opened");
  assertStringIncludes(none.stderr, "tried /no/such/libmpi.so");
});

Deno.test({
  name: named(
    "a process that no mpirun has started is refused, whatever the variables say",
    launchers.length,
  ),
  ignore: launchers.length === 0,
  async fn() {
    const { code, stderr } = await start([], [], { SLURM_STEP_NUM_TASKS: "2", SLURM_PROCID: "1" });
    assertEquals(code, 1);
    assertStringIncludes(stderr, "SLURM_STEP_NUM_TASKS says rank 1 of 2, but libmp");
    assertStringIncludes(stderr, "is rank 0 of 1: start with the mpirun of that MPI");
  },
});
