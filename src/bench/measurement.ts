/** What is measured of every program alike, ours or a peer: windows a second on the same batches, and memory. */
import type { Device } from "../../ffi/device.ts";
import { z } from "../common/setting.ts";
import { Failure } from "../common/errors.ts";
import type { Ran } from "./process.ts";

/** The work that every program is given. */
export interface Workload {
  batchSize: number;
  /** Steps of a measurement. */
  steps: number;
  /** Observations of a window, or a file of them. */
  lengths: string;
  threads: number;
  device: Device;
}

const printed = z.object({
  /** What was run. */
  variant: z.string(),
  /** Of training; undefined of a program that does not train. */
  windows_per_second: z.number().optional(),
  inference_windows_per_second: z.number(),
  /** Floating-point operations of matrix products a second, training and inference; not known of peers. */
  operations: z.tuple([z.number(), z.number()]).optional(),
});

/** One measurement of one variant, or medians of several. */
export interface Measurement extends z.output<typeof printed> {
  /** Peak resident memory of a process that ran nothing else, all that it loaded included. */
  peak_memory_gb?: number;
}

/**
 * What a program printed: one JSON line a variant.
 * @throws {Failure} when it printed something else
 */
export function measurementsOf({ lines, peak_memory_gb }: Ran, device: Device, said: string): Measurement[] {
  const all = lines.map((line) => printedAs(printed, line, said));
  // A process that ran several variants says nothing of one, and on a GPU batches are not in the process's memory.
  const [first] = all, alone = all.length === 1 && device === "cpu" && peak_memory_gb !== undefined;
  return alone ? [{ ...first, peak_memory_gb }] : all;
}

/**
 * A line of JSON that a program printed.
 * @throws {Failure} when it is another
 */
export function printedAs<T>(shape: z.ZodType<T>, line: string, said: string): T {
  try {
    return shape.parse(JSON.parse(line));
  } catch {
    const wanted = Object.keys((shape as unknown as z.ZodObject).shape).join(", ");
    throw new Failure(`${said} printed "${line.slice(0, 100)}", not a line of JSON with ${wanted}`);
  }
}

/** The middle of some numbers; undefined where one of them is. */
export function median(values: readonly (number | undefined)[]): number | undefined {
  if (values.includes(undefined)) return undefined;
  const sorted = (values as number[]).toSorted((a, b) => a - b), middle = sorted.length >> 1;
  return sorted.length % 2 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}

/** Medians of several measurements of one variant. */
export function medianOf(all: readonly Measurement[]): Measurement {
  const of = (value: (measurement: Measurement) => number | undefined) => median(all.map(value));
  return {
    variant: all[0].variant,
    windows_per_second: of((m) => m.windows_per_second),
    inference_windows_per_second: of((m) => m.inference_windows_per_second)!,
    operations: all[0].operations && [of((m) => m.operations![0])!, of((m) => m.operations![1])!],
    peak_memory_gb: of((m) => m.peak_memory_gb),
  };
}

/** One of ours to one peer: how many times as fast, and how much of its memory. */
export interface Ratio {
  variant: string;
  peer: string;
  training?: number;
  inference: number;
  memory?: number;
}

/** Each of ours to each peer; memory where both train. */
export function ratiosOf(ours: readonly Measurement[], peers: readonly Measurement[]): Ratio[] {
  return ours.flatMap((our) =>
    peers.map((peer) => {
      const training = ratio(our.windows_per_second, peer.windows_per_second);
      return {
        variant: our.variant,
        peer: peer.variant,
        training,
        inference: our.inference_windows_per_second / peer.inference_windows_per_second,
        memory: training && ratio(our.peak_memory_gb, peer.peak_memory_gb),
      };
    })
  );
}

function ratio(a: number | undefined, b: number | undefined): number | undefined {
  return a === undefined || b === undefined ? undefined : a / b;
}
