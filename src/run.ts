/** Where a command runs: device, arithmetic, threads, and signals that ask it to stop. */
import {
  cudaDeviceCount,
  type Device,
  deviceCode,
  keepFreedMemory,
  setThreads,
  threads,
} from "../ffi/device.ts";
import { InputError, messageOf } from "./errors.ts";

/** The settings of `runShape`, resolved. */
export interface Runtime {
  device: Device;
  dtype: "float32" | "bfloat16";
  threads: number;
}

/**
 * Chooses device and arithmetic, sets the threads if told to, and tells the allocator to keep its memory.
 * @throws {InputError} when the device is not there
 */
export function prepareRun(
  settings: { device: string; precision: "auto" | "float32" | "bfloat16"; threads?: number },
): Runtime {
  const device =
    (settings.device === "auto" ? cudaDeviceCount() > 0 ? "cuda" : "cpu" : settings.device) as Device;
  try {
    deviceCode(device);
  } catch (error) {
    throw new InputError(`--device ${device}: ${messageOf(error)}`);
  }
  if (settings.threads !== undefined) setThreads(settings.threads);
  keepFreedMemory();
  const fast = device === "cpu" ? bfloat16Instructions().length > 0 : true;
  const dtype = settings.precision === "auto" ? (fast ? "bfloat16" : "float32") : settings.precision;
  return { device, dtype, threads: threads() };
}

/** The processor's instructions for bfloat16 products: avx512_bf16, amx_bf16 (x86), bf16 (Arm); none elsewhere. */
export function bfloat16Instructions(): string[] {
  try {
    const flags =
      /^(?:flags|Features)\s*:(.*)$/m.exec(Deno.readTextFileSync("/proc/cpuinfo"))?.[1].split(" ") ?? [];
    return flags.filter((flag) => ["avx512_bf16", "amx_bf16", "bf16"].includes(flag));
  } catch {
    return [];
  }
}

/** Lets signals in: long work in one thread hears none until it waits. */
export function letSignalsIn(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve));
}

/**
 * Listens for Ctrl-C and for termination: the first asks to stop, a second Ctrl-C ends the process at once.
 * @param onFirst says that the request was heard
 * @returns whether a stop was asked for
 */
export function listenForStop(onFirst: () => void): Disposable & { requested(): boolean } {
  let requested = false;
  const handler = () => {
    if (requested) Deno.exit(130);
    requested = true;
    onFirst();
  };
  const signals = ["SIGINT", "SIGTERM"] as const;
  for (const signal of signals) Deno.addSignalListener(signal, handler);
  return {
    requested: () => requested,
    [Symbol.dispose]() {
      for (const signal of signals) Deno.removeSignalListener(signal, handler);
    },
  };
}
