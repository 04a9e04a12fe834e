/** Devices, threads, and what the CPU and the allocator are told. */
import { kernelFile } from "./kernel_file.ts";
import { libtorch } from "./library.ts";

/** Where a tensor lives: "cpu", "cuda" (the first one) or "cuda:1". */
export type Device = "cpu" | "cuda" | `cuda:${number}`;

/** A device as libtorch counts them. */
export interface DeviceCode {
  type: number;
  /** -1 for the CPU. */
  index: number;
}

/**
 * @throws {RangeError} when the name is not a device, or there is no such GPU
 */
export function deviceCode(device: Device): DeviceCode {
  const { torch } = libtorch();
  if (device === "cpu") return { type: torch.aoti_torch_device_type_cpu(), index: -1 };
  const index = device === "cuda" ? 0 : Number(/^cuda:(\d+)$/.exec(device)?.[1] ?? NaN);
  if (Number.isNaN(index)) {
    throw new RangeError(`no device is called "${device}": there are cpu, cuda and cuda:0, …`);
  }
  const count = cudaDeviceCount();
  if (index >= count) {
    throw new RangeError(
      count === 0
        ? `there is no ${device}: ${libtorch().cuda ? "libtorch finds no GPU here" : withoutCuda()}`
        : `there is no ${device}: this machine has cuda:0 to cuda:${count - 1}`,
    );
  }
  return { type: torch.aoti_torch_device_type_cuda(), index };
}

/** Why this libtorch has no CUDA. */
function withoutCuda(): string {
  const { cudaFlaw } = libtorch();
  return cudaFlaw === undefined
    ? "this libtorch is built without CUDA"
    : `libtorch's CUDA part cannot be loaded: ${cudaFlaw}`;
}

/** The name of a device that a tensor reports. */
export function deviceName({ type, index }: DeviceCode): Device {
  return type === libtorch().torch.aoti_torch_device_type_cpu() ? "cpu" : `cuda:${index}`;
}

/**
 * How many GPUs libtorch can use; 0 with a CPU build.
 *
 * @example
 * ```ts
 * import { Astromer, cudaDeviceCount } from "../mod.ts";
 *
 * using model = Astromer.untrained({ preset: "small", device: cudaDeviceCount() > 0 ? "cuda" : "cpu" });
 * if (model.width !== 64) throw new Error("small is 4 heads of 16");
 * ```
 */
export function cudaDeviceCount(): number {
  const { torch, cuda } = libtorch();
  return cuda ? Number(torch._ZN5torch4cuda12device_countEv()) : 0;
}

/**
 * Waits until a GPU has finished all its work; does nothing on the CPU.
 *
 * @example
 * ```ts
 * import { synchronize } from "../mod.ts";
 *
 * let refused = false;
 * try {
 *   synchronize("cuda:99");
 * } catch (error) {
 *   refused = error instanceof RangeError;
 * }
 * if (!refused) throw new Error("no machine has that many");
 * synchronize("cpu"); // returns at once; with a GPU, whoever measures a time calls it first
 * ```
 * @throws {RangeError} when there is no such GPU
 */
export function synchronize(device: Device): void {
  if (device === "cpu") return;
  libtorch().torch._ZN5torch4cuda11synchronizeEl(BigInt(deviceCode(device).index));
}

/**
 * Sets whether a GPU may use TF32 for float32 products (factors rounded to 10 bits), which is several times as fast.
 * Off by default.
 * @returns whether this libtorch has the switch
 */
export function allowTf32(allowed: boolean): boolean {
  const { torch } = libtorch();
  const context = torch._ZN2at13globalContextEv?.(), set = torch._ZN2at7Context18setAllowTF32CuBLASEb;
  if (!context || !set) return false;
  set(context, allowed);
  return true;
}

/**
 * Sets how many threads an operator may use on the CPU.
 *
 * @example
 * ```ts
 * import { setThreads, threads } from "../mod.ts";
 *
 * const before = threads();
 * setThreads(1);
 * if (threads() !== 1) throw new Error("operators run on one thread now");
 * setThreads(before);
 * ```
 * @throws {RangeError} unless it is a whole number of at least 1
 */
export function setThreads(count: number): void {
  if (!Number.isInteger(count) || count < 1) {
    throw new RangeError(`threads must be a whole number from 1, not ${count}`);
  }
  libtorch().torch._ZN2at15set_num_threadsEi(count);
}

/**
 * How many threads an operator may use on the CPU.
 *
 * @example
 * ```ts
 * import { threads } from "../mod.ts";
 *
 * if (threads() < 1) throw new Error("there is always one");
 * ```
 */
export function threads(): number {
  return libtorch().torch._ZN2at15get_num_threadsEv();
}

/**
 * Tells the C library to keep freed memory instead of giving it back to the system: a training step frees and takes the
 * same gigabyte again, and faulting its pages in anew costs more than the arithmetic on them.
 * @returns whether the C library has that knob (glibc has)
 */
export function keepFreedMemory(): boolean {
  const { torch } = libtorch();
  const trimThreshold = -1, mmapThreshold = -3, mmapMax = -4; // malloc.h
  if (!torch.mallopt) return false;
  const largest = 2 ** 31 - 1;
  return torch.mallopt(mmapMax, 0) === 1 && torch.mallopt(trimThreshold, largest) === 1 &&
    torch.mallopt(mmapThreshold, largest) === 1;
}

let stocked = false;

/**
 * Keeps a stock of small free blocks (5 MB) for the small parts of tensors: handles, sizes, counts. Without it, glibc
 * places those beside the large blocks, in the bytes that alignment leaves over; a freed large block is then too
 * small for the next one of its size, and a training step takes a fifth more memory. Does nothing the second time, or
 * without glibc.
 */
export function stockSmallBlocks(): void {
  const { torch } = libtorch();
  if (stocked || !torch.mallopt) return;
  stocked = true;
  const count = 4000, largest = 120, step = 16, blocks: bigint[] = []; // some 1,000 things of a step live at once
  for (let bytes = 24; bytes <= largest; bytes += step) {
    for (let i = 0; i < count; i++) {
      blocks.push(torch.malloc(BigInt(bytes)));
      torch.malloc(1n); // stays, or free blocks would join
    }
  }
  for (const block of blocks) torch.free(block);
}

/**
 * Gives memory that is kept but free back to the system. Once in a while that is worth the new pages which it costs:
 * between blocks of many sizes lie ever more that are too small for the next one.
 */
export function returnFreedMemory(): void {
  libtorch().torch.malloc_trim?.(0n);
}

/**
 * Resident memory of this process, without pages of mapped files, which the system may drop at any time.
 * @returns bytes; undefined if the kernel does not say (Linux does)
 */
export function ownMemory(): number | undefined {
  const kibibytes = /^RssAnon:\s*(\d+) kB$/m.exec(kernelFile("/proc/self/status") ?? "")?.[1];
  return kibibytes === undefined ? undefined : 1024 * Number(kibibytes);
}
