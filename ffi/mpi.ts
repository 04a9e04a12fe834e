/**
 * MPI, as the launcher (`mpirun`, `srun`) of this process has it: found at run time, Open MPI's ABI or MPICH's (which Intel
 * MPI, MVAPICH and Cray MPICH share). Nothing is opened unless the launcher's environment tells of more than one rank.
 */

/** What the launcher's environment says of this process. */
export interface Launched {
  /** From 0. */
  rank: number;
  size: number;
  /** The rank among those of the same node, from 0. */
  localRank: number;
  /** The variable that said so. */
  variable: string;
}

/**
 * Variables of size, rank and rank on the node, in the order of their precedence: Open MPI's mpirun, MPICH's and Intel's,
 * Cray's PALS, Slurm's srun (SLURM_NTASKS will not do: a batch script has it too, though it is one process).
 */
const launchers = [
  ["OMPI_COMM_WORLD_SIZE", "OMPI_COMM_WORLD_RANK", "OMPI_COMM_WORLD_LOCAL_RANK"],
  ["PMI_SIZE", "PMI_RANK", "MPI_LOCALRANKID", "PALS_LOCAL_RANKID", "SLURM_LOCALID"],
  ["SLURM_STEP_NUM_TASKS", "SLURM_PROCID", "SLURM_LOCALID"],
] as const;

/** A variable of the environment; none where there is no permission to read it, as for an importer of the library. */
function readable(name: string): string | undefined {
  try {
    return Deno.env.get(name);
  } catch (error) {
    if (error instanceof Deno.errors.NotCapable) return undefined;
    throw error;
  }
}

/** Which rank this process is by its launcher's environment; one of one where no launcher is. */
export function launched(environment: (name: string) => string | undefined = readable): Launched {
  const number = (name: string) => {
    const value = environment(name);
    return value !== undefined && /^\d+$/.test(value) ? Number(value) : undefined;
  };
  for (const [variable, rankVariable, ...local] of launchers) {
    const size = number(variable), rank = number(rankVariable);
    if (size === undefined || rank === undefined) continue;
    return { rank, size, localRank: local.map(number).find((n) => n !== undefined) ?? rank, variable };
  }
  return { rank: 0, size: 1, localRank: 0, variable: "" };
}

/** No MPI that can be used: the message lists what was tried. */
export class MpiError extends Error {
  /** The error's kind. */
  override name = "MpiError";
}

// Handles are pointers in Open MPI and 32-bit integers in MPICH; as 64-bit integers both arrive where they are looked for.
const Handle = "u64";
const InPlaceOr = "pointer";

const symbols = {
  MPI_Init_thread: { parameters: ["pointer", "pointer", "i32", "buffer"], result: "i32" },
  MPI_Comm_rank: { parameters: [Handle, "buffer"], result: "i32" },
  MPI_Comm_size: { parameters: [Handle, "buffer"], result: "i32" },
  MPI_Allreduce: { parameters: [InPlaceOr, "buffer", "i32", Handle, Handle, Handle], result: "i32" },
  MPI_Bcast: { parameters: ["buffer", "i32", Handle, "i32", Handle], result: "i32" },
  MPI_Gather: {
    parameters: ["buffer", "i32", Handle, "buffer", "i32", Handle, "i32", Handle],
    result: "i32",
  },
  MPI_Gatherv: {
    parameters: ["buffer", "i32", Handle, "buffer", "buffer", "buffer", Handle, "i32", Handle],
    result: "i32",
  },
  MPI_Barrier: { parameters: [Handle], result: "i32" },
  MPI_Abort: { parameters: [Handle, "i32"], result: "i32" },
  MPI_Finalize: { parameters: [], result: "i32" },
} as const satisfies Deno.ForeignLibraryInterface;

/** The constants of one implementation's `mpi.h`. */
interface Constants {
  world: bigint;
  byte: bigint;
  int: bigint;
  float: bigint;
  double: bigint;
  sum: bigint;
  max: bigint;
  inPlace: bigint;
}

/** Of MPICH's common ABI: the same in every release since 3.1. */
const mpichConstants: Constants = {
  world: 0x44000000n,
  byte: 0x4c00010dn,
  int: 0x4c000405n,
  float: 0x4c00040an,
  double: 0x4c00080bn,
  sum: 0x58000003n,
  max: 0x58000001n,
  inPlace: 0xffff_ffff_ffff_ffffn,
};

/** Names of the variables whose addresses are Open MPI's handles. */
const openMpiVariables = {
  world: "ompi_mpi_comm_world",
  byte: "ompi_mpi_byte",
  int: "ompi_mpi_int",
  float: "ompi_mpi_float",
  double: "ompi_mpi_double",
  sum: "ompi_mpi_op_sum",
  max: "ompi_mpi_op_max",
} as const;

const mac = Deno.build.os === "darwin";
const openMpiNames = mac ? ["libmpi.40.dylib"] : ["libmpi.so.40"];
const mpichNames = mac ? ["libmpi.12.dylib"] : ["libmpi.so.12", "libmpich.so.12", "libmpi_cray.so.12"];

/** Where MPI is looked for: where the user says, else first that which the launcher is of. */
function candidates({ variable }: Launched): string[] {
  const named = Deno.env.get("MPI_LIBRARY");
  if (named) return [named];
  const mpichFirst = variable === "PMI_SIZE" || Deno.env.has("PMI_RANK");
  return mpichFirst ? [...mpichNames, ...openMpiNames] : [...openMpiNames, ...mpichNames];
}

/** The dynamic linker's own functions: Deno gives a variable's value, where its address is wanted. */
function linker() {
  const text = (name: string) => new TextEncoder().encode(name + "\0");
  const library = Deno.dlopen(mac ? "libSystem.B.dylib" : "libdl.so.2", {
    dlopen: { parameters: ["buffer", "i32"], result: "pointer" },
    dlsym: { parameters: ["pointer", "buffer"], result: "pointer" },
  });
  const now = 2, forAll = mac ? 8 : 0x100; // RTLD_NOW, RTLD_GLOBAL: Open MPI's plugins look for its symbols there
  return {
    open: (path: string) => library.symbols.dlopen(text(path), now | forAll),
    address(handle: Deno.PointerValue, name: string): bigint | undefined {
      const pointer = library.symbols.dlsym(handle, text(name));
      return pointer === null ? undefined : Deno.UnsafePointer.value(pointer);
    },
  };
}

/** An MPI of which this process is a rank. Its calls are collective: every rank makes them, in the same order. */
export class Mpi {
  /** From 0. */
  readonly rank: number;
  readonly size: number;
  readonly #calls: Deno.DynamicLibrary<typeof symbols>["symbols"];
  readonly #constants: Constants;

  private constructor(
    calls: Deno.DynamicLibrary<typeof symbols>["symbols"],
    constants: Constants,
    /** The implementation whose ABI it has. */
    readonly implementation: "Open MPI" | "MPICH",
    /** The library that was opened. */
    readonly library: string,
  ) {
    this.#calls = calls;
    this.#constants = constants;
    const funneled = 1; // MPI_THREAD_FUNNELED: only the thread that runs this calls MPI
    const out = new Int32Array(1);
    this.#check(calls.MPI_Init_thread(null, null, funneled, out), "MPI_Init_thread");
    this.#check(calls.MPI_Comm_rank(constants.world, out), "MPI_Comm_rank");
    this.rank = out[0];
    this.#check(calls.MPI_Comm_size(constants.world, out), "MPI_Comm_size");
    this.size = out[0];
  }

  /**
   * Opens and starts MPI; once a process.
   * @throws {MpiError} when none is found, or the one that is found is not the launcher's
   */
  static start(by: Launched): Mpi {
    const { open, address } = linker(), tried: string[] = [];
    for (const path of candidates(by)) {
      const handle = open(path);
      if (handle === null) {
        tried.push(path);
        continue;
      }
      const { symbols: calls } = Deno.dlopen(path, symbols);
      const openMpi = address(handle, openMpiVariables.world) !== undefined;
      const constants = openMpi
        ? {
          ...Object.fromEntries(
            Object.entries(openMpiVariables).map(([name, symbol]) => [name, address(handle, symbol)!]),
          ),
          inPlace: 1n,
        } as unknown as Constants
        : mpichConstants;
      const mpi = new Mpi(calls, constants, openMpi ? "Open MPI" : "MPICH", path);
      if (mpi.size !== by.size || mpi.rank !== by.rank) {
        throw new MpiError(
          `${by.variable} says rank ${by.rank} of ${by.size}, but ${path} (${mpi.implementation}) is rank ${mpi.rank} of ` +
            `${mpi.size}: start with the mpirun of that MPI (srun: --mpi=pmix or --mpi=pmi2), or name the library in MPI_LIBRARY`,
        );
      }
      return mpi;
    }
    throw new MpiError(
      `${by.variable} says ${by.size} ranks, but no MPI can be opened; tried ${
        tried.join(", ")
      }. Load the module of ` +
        "the MPI that started this, or name its library in MPI_LIBRARY",
    );
  }

  /** Sums float32 or float64 over all ranks, in place. */
  sum(values: Float32Array<ArrayBuffer> | Float64Array<ArrayBuffer>): void {
    this.#reduce(values, this.#constants.sum);
  }

  /** The maximum over all ranks, element by element, in place. */
  max(values: Float64Array<ArrayBuffer>): void {
    this.#reduce(values, this.#constants.max);
  }

  #reduce(values: Float32Array<ArrayBuffer> | Float64Array<ArrayBuffer>, operation: bigint): void {
    const { float, double, world, inPlace } = this.#constants;
    const type = values instanceof Float32Array ? float : double;
    this.#check(
      this.#calls.MPI_Allreduce(
        Deno.UnsafePointer.create(inPlace),
        values,
        values.length,
        type,
        operation,
        world,
      ),
      "MPI_Allreduce",
    );
  }

  /** Overwrites the bytes of every rank with those of rank 0. */
  broadcast(bytes: Uint8Array<ArrayBuffer>): void {
    const { byte, world } = this.#constants, most = 2 ** 30; // a count is 32 bits
    for (let from = 0; from < bytes.length; from += most) {
      const part = bytes.subarray(from, from + most);
      this.#check(this.#calls.MPI_Bcast(part, part.length, byte, 0, world), "MPI_Bcast");
    }
  }

  /**
   * Every rank's bytes, at rank 0; elsewhere an empty array.
   * @throws {RangeError} when they are 2 GiB or more together
   */
  gather(bytes: Uint8Array<ArrayBuffer>): Uint8Array<ArrayBuffer>[] {
    const { byte, int, world } = this.#constants, first = this.rank === 0;
    const counts = new Int32Array(first ? this.size : 0), offsets = new Int32Array(counts.length);
    this.#check(
      this.#calls.MPI_Gather(new Int32Array([bytes.length]), 1, int, counts, 1, int, 0, world),
      "MPI_Gather",
    );
    let total = 0;
    for (const [i, count] of counts.entries()) {
      offsets[i] = total;
      total += count;
    }
    if (total >= 2 ** 31) throw new RangeError(`${total} bytes cannot be gathered at once`);
    const all = new Uint8Array(total);
    this.#check(
      this.#calls.MPI_Gatherv(bytes, bytes.length, byte, all, counts, offsets, byte, 0, world),
      "MPI_Gatherv",
    );
    return Array.from(counts, (count, i) => all.slice(offsets[i], offsets[i] + count));
  }

  /** Waits until every rank is here. */
  barrier(): void {
    this.#check(this.#calls.MPI_Barrier(this.#constants.world), "MPI_Barrier");
  }

  /** Ends every rank's process, this one too. */
  abort(code: number): never {
    this.#calls.MPI_Abort(this.#constants.world, code);
    throw new MpiError("MPI_Abort came back");
  }

  /** Ends MPI in this process, when every rank is here; nothing may be called after it. */
  finalize(): void {
    this.#check(this.#calls.MPI_Finalize(), "MPI_Finalize");
  }

  #check(status: number, call: string): void {
    if (status !== 0) throw new MpiError(`${call} gave the error ${status}`);
  }
}
