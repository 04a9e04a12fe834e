/** Settings of where and how a model runs: device, precision, threads, batch. */
import type { Device } from "../../ffi/device.ts";
import { setting, z } from "../common/setting.ts";

/** Names of `--precision`. */
export const precisions = z.enum(["auto", "float32", "bfloat16"]);

/** Settings of where and with what arithmetic a model runs. */
export const runShape = {
  device: setting(
    z.templateLiteral([z.enum(["auto", "cpu", "cuda"]), z.string().regex(/^(:\d+)?$/)]).default("auto"),
    "auto (a GPU if there is one), cpu, cuda or cuda:1",
  ),
  precision: setting(
    precisions.default("float32"),
    "arithmetic of the layers: float32 gives the same numbers on every machine, to about 1e-5; auto takes bfloat16 (three digits) if the processor is fast with it",
  ),
  tf32: setting(
    z.boolean().default(false),
    "on a GPU: compute float32 products in TF32 (10 bits), which is several times as fast",
  ),
  threads: setting(
    z.int().min(1).max(1024).optional(),
    "CPU threads (default: libtorch's choice, one per core)",
  ),
} as const;

/** How many windows the encoder sees at once where it does not learn. */
export const inferenceBatch = setting(
  z.int().min(1).optional(),
  "full windows per batch of the encoder, more if they are shorter (default: 16, on a GPU 512)",
  "windows",
);

/** The batch of {@link inferenceBatch} on a device: a few windows would leave a GPU idle. */
export function inferenceBatchOn(device: Device, given?: number): number {
  return given ?? (device === "cpu" ? 16 : 512);
}

/** The setting that queues a job again, for all commands that can be resumed. */
export const requeueSetting = setting(
  z.boolean().default(false),
  "in a Slurm job: after SIGUSR1, save everything, then scontrol requeue",
);
