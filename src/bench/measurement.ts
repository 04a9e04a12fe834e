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
  /** Whether ours are not trained. */
  inferenceOnly?: boolean;
}

const printed = z.object({
  /** What was run. */
  variant: z.string(),
  /** Of training; undefined of a program that does not train. */
  windows_per_second: z.number().optional(),
  inference_windows_per_second: z.number(),
  /** Floating-point operations of matrix products a second; not known of peers. */
  operations: z.object({ training: z.number().optional(), inference: z.number() }).optional(),
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
    operations: all[0].operations &&
      { training: of((m) => m.operations!.training), inference: of((m) => m.operations!.inference)! },
    peak_memory_gb: of((m) => m.peak_memory_gb),
  };
}

/** How many times as fast, or as large: the median over the rounds, and the extremes. */
export interface Ratio {
  median: number;
  lowest: number;
  highest: number;
  /** The middle half of the rounds lies in so wide a range, as a share of the median. */
  spread: number;
}

/** One of ours to one peer, each round by itself. */
export interface Ratios {
  variant: string;
  peer: string;
  training?: Ratio;
  inference: Ratio;
  /** Where both train. */
  memory?: Ratio;
}

/** Each of ours to each peer: rounds of either, in the order in which they were run. */
export function ratiosOf(
  ours: readonly (readonly Measurement[])[],
  peers: readonly (readonly Measurement[])[],
): Ratios[] {
  return ours.flatMap((our) =>
    peers.map((peer) => {
      const of = (value: (measurement: Measurement) => number | undefined) =>
        ratioOf(our.map(value), peer.map(value));
      const training = of((m) => m.windows_per_second);
      return {
        variant: our[0].variant,
        peer: peer[0].variant,
        training,
        inference: of((m) => m.inference_windows_per_second)!,
        memory: training && of((m) => m.peak_memory_gb),
      };
    })
  );
}

function ratioOf(a: readonly (number | undefined)[], b: readonly (number | undefined)[]): Ratio | undefined {
  if (a.includes(undefined) || b.includes(undefined)) return undefined;
  const sorted = a.map((value, i) => value! / b[i]!).sort((x, y) => x - y);
  const at = (share: number) => {
    const place = share * (sorted.length - 1), below = Math.floor(place);
    return sorted[below] + (place - below) * (sorted[Math.ceil(place)] - sorted[below]);
  };
  const middle = at(0.5);
  return {
    median: middle,
    lowest: sorted[0],
    highest: sorted.at(-1)!,
    spread: (at(0.75) - at(0.25)) / middle,
  };
}
