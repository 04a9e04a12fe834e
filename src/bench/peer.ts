/** Another program that does the same work, timed in the same run. */
import type { Device } from "../../ffi/device.ts";
import { Failure, messageOf } from "../errors.ts";

/** What a peer prints, one JSON line a variant. */
export interface PeerResult {
  variant: string;
  windows_per_second: number;
  inference_windows_per_second: number;
}

/** How a peer is called. */
export interface PeerCall {
  python: string;
  script: string;
  batchSize: number;
  steps: number;
  lengths: string;
  threads: number;
  device: Device;
  variants: readonly string[];
}

/**
 * Runs a Python script with --batch, --steps, --lengths, --threads, --device and --variants.
 * @throws {Failure} when it cannot be run, or fails
 */
export async function runPeer(call: PeerCall): Promise<PeerResult[]> {
  const { python, script, batchSize, steps, lengths, threads, device, variants } = call;
  const numbers = ["--batch", batchSize, "--steps", steps, "--lengths", lengths, "--threads", threads];
  const args = [script, ...numbers.map(String), "--device", device.replace(/:\d+$/, "")];
  let output: Deno.CommandOutput;
  try {
    output = await new Deno.Command(python, { args: [...args, "--variants", variants.join(",")] }).output();
  } catch (error) {
    throw new Failure(`${python} cannot be run: ${messageOf(error)}`);
  }
  const { success, stdout, stderr } = output;
  if (!success) {
    const last = new TextDecoder().decode(stderr).trim().split("\n").at(-1);
    throw new Failure(`the peer ${script} failed: ${last} (--python must name a Python with torch)`);
  }
  return new TextDecoder().decode(stdout).trim().split("\n").map((line) => JSON.parse(line) as PeerResult);
}
