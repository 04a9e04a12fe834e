/** A subject in a process of its own, as a peer is: it trains, infers, and prints one JSON line. */
import { returnFreedMemory } from "../../ffi/device.ts";
import { messageOf } from "../common/errors.ts";
import { architecture, type presets } from "../model/architecture.ts";
import { prepareRun } from "../machine/runtime.ts";
import { lengthsOf } from "./lengths.ts";
import { type Measurement, measurementsOf, type Workload } from "./measurement.ts";
import { denoArgs, runMeasured } from "./process.ts";
import { type Rate, Subject } from "./subject.ts";

/** What our own program is given beside the work. */
export interface OwnWorkload extends Workload {
  preset: keyof typeof presets;
  dtype: "float32" | "bfloat16";
}

/**
 * Runs a subject in a new process.
 * @throws {Failure} when it fails there
 */
export async function runSubject(workload: OwnWorkload): Promise<Measurement[]> {
  const args = denoArgs(new URL(import.meta.url), "read", "ffi", "env"), said = nameOf(workload);
  const ran = await runMeasured(Deno.execPath(), [...args, JSON.stringify(workload)], said);
  return measurementsOf(ran, workload.device, said);
}

function nameOf({ dtype }: OwnWorkload): string {
  return `astromer-${dtype}`;
}

/** Measures a subject in this process. */
async function measure(workload: OwnWorkload): Promise<Measurement> {
  prepareRun({ ...workload, precision: workload.dtype });
  using subject = new Subject({
    ...workload,
    architecture: architecture(workload.preset),
    lengths: await lengthsOf(workload.lengths),
  });
  let training: Rate | undefined;
  if (!workload.inferenceOnly) {
    subject.training(); // each warms up
    training = subject.training();
    returnFreedMemory(); // as pretrain does before it validates
  }
  subject.inference();
  const inference = subject.inference();
  return {
    variant: nameOf(workload),
    ...training && { windows_per_second: training.windows },
    inference_windows_per_second: inference.windows,
    operations: { ...training && { training: training.operations }, inference: inference.operations },
  };
}

if (import.meta.main) {
  try {
    console.log(JSON.stringify(await measure(JSON.parse(Deno.args[0]))));
  } catch (error) {
    console.error(messageOf(error));
    Deno.exit(1);
  }
}
