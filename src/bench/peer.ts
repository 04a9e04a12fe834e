/** Other programs that do the same work, each variant in a process of its own. */
import type { Device } from "../../ffi/device.ts";
import { InputError } from "../common/errors.ts";
import { type Measurement, measurementsOf, type Workload } from "./measurement.ts";
import { runMeasured } from "./process.ts";

/** A Python script, and which of its variants runs; undefined: all that it runs by itself. */
export interface Peer {
  script: string;
  variant?: string;
}

/**
 * Peers as settings write them: "script.py", or "script.py:variant:variant".
 * @throws {InputError} when one is no Python script
 */
export function peersOf(texts: readonly string[]): Peer[] {
  return texts.flatMap((text) => {
    const [, script, variants] = /^(.+?\.py)(?::(.+))?$/.exec(text) ?? [];
    if (script === undefined) {
      throw new InputError(
        `--peers ${text}: a Python script is needed, script.py or script.py:variant:variant`,
      );
    }
    return variants ? variants.split(":").map((variant) => ({ script, variant })) : [{ script }];
  });
}

/**
 * Runs a peer with --batch, --steps, --lengths, --threads, --device and, where one is chosen, --variants.
 * @returns what it printed, one JSON line a variant
 * @throws {Failure} when it cannot be run, fails, or prints something else
 */
export async function runPeer(python: string, peer: Peer, workload: Workload): Promise<Measurement[]> {
  const { batchSize, steps, lengths, threads, device } = workload, { script, variant } = peer;
  const { name, env } = pythonDevice(device, Deno.env.get("CUDA_VISIBLE_DEVICES"));
  const flags = { batch: batchSize, steps, lengths, threads, device: name };
  const args = Object.entries(flags).flatMap(([flag, value]) => [`--${flag}`, String(value)]);
  if (variant !== undefined) args.push("--variants", variant);
  const said = `the peer ${script} (run by --python ${python})`;
  return measurementsOf(await runMeasured(python, [script, ...args], said, env), device, said);
}

/**
 * A device as the peers take it, cpu or cuda: of several GPUs they are shown one.
 * @param visible what CUDA_VISIBLE_DEVICES is already
 */
export function pythonDevice(
  device: Device,
  visible?: string,
): { name: string; env: Record<string, string> } {
  const [name, index] = device.split(":");
  if (index === undefined) return { name, env: {} };
  return { name, env: { CUDA_VISIBLE_DEVICES: visible?.split(",")[Number(index)] ?? index } };
}
