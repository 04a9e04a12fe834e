/** One measurement of ours, in a process of its own: `bench.ts --device cuda --batch 256 --lengths 200 …` prints a line of JSON. */
import { gpuMemory } from "../../ffi/cuda.ts";
import { type Device, keepFreedMemory } from "../../ffi/device.ts";
import { lengthsOf } from "../../src/bench/lengths.ts";
import { matrixProductPeak } from "../../src/bench/machine.ts";
import { Subject } from "../../src/bench/subject.ts";
import { architecture } from "../../src/model/architecture.ts";
import { parseArgs } from "../../src/common/std.ts";
import { rehearsedGraph } from "../model/rehearsed_graph.ts";

const given = parseArgs(Deno.args, {
  string: ["device", "batch", "lengths", "precision", "launch", "steps", "data"],
  boolean: ["rehearse", "peak"],
}) as Record<string, string | undefined>;
const {
  lengths = "200",
  precision = "bfloat16",
  launch = "graph",
  data = "device",
  steps = "30",
  batch = "256",
} = given;
const device = given.device as Device, dtype = precision as "float32" | "bfloat16";
keepFreedMemory();
if (given.peak) {
  console.log(
    JSON.stringify({ program: "peak", precision: dtype, operations: matrixProductPeak(dtype, device) }),
  );
} else {
  const rehearsed = device === "cpu" ? rehearsedGraph : undefined;
  using subject = new Subject({
    architecture: architecture(given.rehearse ? "small" : "astromer2"),
    dtype,
    device,
    batchSize: Number(batch),
    lengths: await lengthsOf(lengths),
    steps: Number(steps),
    deferred: true,
    dataOnDevice: data === "device",
    record: launch === "graph" ? rehearsed : null,
  });
  // The first pass warms up, in the second graphs are recorded.
  for (let i = 0; i < 2; i++) subject.training();
  const training = subject.training();
  const memory = device === "cpu" ? undefined : gpuMemory(device).used / 1e9;
  for (let i = 0; i < 2; i++) subject.inference();
  const inference = subject.inference();
  console.log(JSON.stringify({
    program: "astromer",
    variant: data === "device" ? launch : `${launch}, data in main memory`,
    precision: dtype,
    batch: Number(batch),
    lengths: lengths.split("/").at(-1),
    windows_per_second: training.windows,
    inference_windows_per_second: inference.windows,
    operations: [training.operations, inference.operations],
    memory_gb: memory,
    graphs: subject.graphs,
  }));
}
