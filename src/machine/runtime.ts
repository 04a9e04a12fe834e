/** Where a command runs: device, arithmetic, threads. */
import {
  allowTf32,
  cudaDeviceCount,
  type Device,
  deviceCode,
  keepFreedMemory,
  setThreads,
  stockSmallBlocks,
  threads,
} from "../../ffi/device.ts";
import { kernelFile } from "../../ffi/kernel_file.ts";
import { libtorch } from "../../ffi/library.ts";
import { InputError, messageOf } from "../common/errors.ts";
import { oneRank, type Ranks } from "./ranks.ts";

/** The settings of `runShape`, resolved. */
export interface Runtime {
  device: Device;
  dtype: "float32" | "bfloat16";
  threads: number;
}

/** Whether it was said that a CUDA build computes on the CPU. */
let warned = false;

/**
 * Chooses device and arithmetic, sets the threads if told to, and tells the allocator how to keep its memory. Each of
 * several ranks takes the GPU of its local rank, or the only one that it can see.
 * @throws {InputError} when the device is not there
 */
export function prepareRun(
  settings: { device: string; precision: "auto" | "float32" | "bfloat16"; tf32?: boolean; threads?: number },
  ranks: Ranks = oneRank,
): Runtime {
  let device =
    (settings.device === "auto" ? cudaDeviceCount() > 0 ? "cuda" : "cpu" : settings.device) as Device;
  if (ranks.size > 1 && device !== "cpu") {
    if (device !== "cuda") {
      throw new InputError(
        `--device ${device}: each of the ${ranks.size} ranks has its own GPU: give --device cuda`,
      );
    }
    device = `cuda:${cudaDeviceCount() === 1 ? 0 : ranks.localRank}`;
  }
  try {
    deviceCode(device);
  } catch (error) {
    throw new InputError(`--device ${device}: ${messageOf(error)}`);
  }
  const { cudaFlaw } = libtorch();
  if (settings.device === "auto" && cudaFlaw !== undefined && !warned) {
    warned = true;
    console.error(`computing on the CPU: libtorch's CUDA part cannot be loaded: ${cudaFlaw}`);
  }
  // Of a container that may use some cores of many, libtorch sees all; Deno knows of its share.
  setThreads(settings.threads ?? Math.min(threads(), navigator.hardwareConcurrency));
  if (device !== "cpu") allowTf32(settings.tf32 ?? false);
  keepFreedMemory();
  stockSmallBlocks();
  ranks.connect(device);
  const fast = device === "cpu" ? bfloat16Instructions().length > 0 : true;
  const dtype = settings.precision === "auto" ? (fast ? "bfloat16" : "float32") : settings.precision;
  return { device, dtype, threads: threads() };
}

/** The processor's instructions for bfloat16 products: avx512_bf16, amx_bf16 (x86), bf16 (Arm); none elsewhere. */
export function bfloat16Instructions(): string[] {
  const [, flags = ""] = /^(?:flags|Features)\s*:(.*)$/m.exec(kernelFile("/proc/cpuinfo") ?? "") ?? [];
  return flags.split(" ").filter((flag) => ["avx512_bf16", "amx_bf16", "bf16"].includes(flag));
}
