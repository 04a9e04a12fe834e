/**
 * What must hold on a GPU, one check a process: `checks.ts --device cuda NAME` prints one line of JSON. With
 * `--device cpu --rehearse` the same code runs on the CPU on little, so that no mistake in it is found on a GPU first.
 */
import { backward, gradientOf, noGrad, requiresGrad } from "../../ffi/autograd.ts";
import { CudaGraph, gpuMemory, missingForGraphs, onOwnStream } from "../../ffi/cuda.ts";
import { cudaDeviceCount, type Device, keepFreedMemory, synchronize } from "../../ffi/device.ts";
import { libtorch } from "../../ffi/library.ts";
import { TorchError } from "../../ffi/native.ts";
import { Nccl } from "../../ffi/nccl.ts";
import * as ops from "../../ffi/ops.ts";
import { manualSeed } from "../../ffi/random.ts";
import { scope, Tensor } from "../../ffi/tensor.ts";
import { type Batch, fillBatch, layOut, toTensors } from "../../src/data/batch.ts";
import { paperMasking } from "../../src/data/masking.ts";
import type { Pooling } from "../../src/embed/pooling.ts";
import { eachEmbeddedWindow } from "../../src/embed/stream.ts";
import { Head } from "../../src/classify/head.ts";
import { trainHead } from "../../src/classify/train_head.ts";
import { lombScargle } from "../../src/evaluate/lomb_scargle.ts";
import { randomWindow } from "../../src/data/windows.ts";
import { memorySentence } from "../../src/common/errors.ts";
import { architecture } from "../../src/model/architecture.ts";
import { reconstructionLoss } from "../../src/model/loss.ts";
import { AstromerNetwork } from "../../src/model/network.ts";
import { readModel } from "../../src/weights/model_folder.ts";
import { PeriodSearch } from "../../src/model/period_search.ts";
import { seeded } from "../../src/common/random.ts";
import { oneRank } from "../../src/machine/ranks.ts";
import { parseArgs } from "../../src/common/std.ts";
import { Adam } from "../../src/train/adam.ts";
import type { Recorder } from "../../src/model/deferred.ts";
import type { InferenceOptions } from "../../src/model/deferred_inference.ts";
import { DeferredSteps } from "../../src/train/deferred_steps.ts";
import { DeviceObservations } from "../../src/train/device_observations.ts";
import { pretrain } from "../../src/train/pretrain.ts";
import type { MetricsLine } from "../../src/train/pretrain_types.ts";
import { constant } from "../../src/train/schedule.ts";
import { sharedStep } from "../../src/train/step.ts";
import { sinusoidDataset, sinusoids, wholeWindows } from "../data/support.ts";
import {
  coefficientsOf,
  encoderInput,
  loadReference,
  recorded,
  referenceFrequencies,
  referenceName,
} from "../model/reference.ts";
import { gathered } from "../train/support.ts";
import { Fixture, hasShared, largestDifference } from "../shared.ts";
import { rehearsedGraph } from "../model/rehearsed_graph.ts";

const { device: named, rehearse, _: [chosen] } = parseArgs(Deno.args, {
  string: ["device"],
  boolean: ["rehearse"],
});
const device = named as Device, onCpu = device === "cpu";
/** What a check found: whether it holds, and the numbers that say so. */
type Found = { ok: boolean } & Record<string, unknown>;

const size = rehearse ? 2 : 16, length = rehearse ? 20 : 200;
const paper = architecture(rehearse ? "small" : "astromer2");

/** Batches of full windows and of shorter ones, which come again. */
function batches(count: number): Batch[] {
  const dataset = sinusoidDataset(
    Array.from({ length: 4 * size }, (_, i) => i % 3 ? length : length - (i % 7)),
  );
  const windows = wholeWindows(dataset);
  return Array.from({ length: count }, (_, i) => {
    const from = (i % 4) * size;
    return fillBatch(dataset, windows.slice(from, from + size), {
      masking: paperMasking,
      weights: "errors",
      key: [1, i],
    });
  });
}

/** The paper's learning rate. With larger ones two runs that differ in their last bits are soon two different runs. */
const rate = 1e-5;

/** Losses of steps on batches, each read at once or all at the end, and the parameters then. */
function losses(
  on: Device,
  count: number,
  { dtype = "float32", record = null, dropout = 0, deferred = on !== "cpu" }: {
    dtype?: "float32" | "bfloat16";
    record?: Recorder | null;
    dropout?: number;
    deferred?: boolean;
  } = {},
) {
  using model = new AstromerNetwork({ ...paper, dropout }, { device: on, dtype, seed: 3 });
  using adam = new Adam(model.parameters, { clipNorm: 1 });
  using steps = deferred ? new DeferredSteps(model, adam, oneRank, { record }) : undefined;
  const reads = batches(count).map((batch, i) => {
    manualSeed(1000 + i);
    if (steps) return steps.begin(batch, size, rate);
    const { loss } = sharedStep(model, adam, batch, size, rate, oneRank);
    return () => ({ loss });
  });
  const found = reads.map((read) => read().loss);
  return { found, graphs: steps?.graphs, values: model.parameters.master.toArray() as Float32Array };
}

const relative = (found: readonly number[], expected: readonly number[]) =>
  Math.max(...found.map((value, i) => Math.abs(value / expected[i] - 1)));
const many = rehearse ? 8 : 200;
const graphs = onCpu ? rehearsedGraph : CudaGraph.capture;

/** An operator's result and gradient on the device against the CPU's. */
function differenceOf(
  run: (...inputs: Tensor[]) => Tensor,
  shapes: readonly number[][],
  dtype: "float32" | "bfloat16",
) {
  const on = (where: Device) =>
    scope(() => {
      const inputs = shapes.map((shape, i) => {
        const random = seeded(7, i), count = shape.reduce((a, b) => a * b, 1);
        const values = Float32Array.from({ length: count }, () => random.normal());
        return requiresGrad(Tensor.from(values, shape, { dtype, device: where }));
      });
      const result = run(...inputs);
      backward(ops.mean(ops.square(result)));
      return [result, ...inputs.map((input) => gradientOf(input)!)].map((t) => t.toArray() as Float32Array);
    });
  const [expected, found] = [on("cpu"), on(device)];
  return Math.max(...expected.map((values, i) => {
    const largest = values.reduce((most, value) => Math.max(most, Math.abs(value)), 1e-6);
    return largestDifference(found[i], values) / largest;
  }));
}

const operators: Record<string, [(...inputs: Tensor[]) => Tensor, number[][]]> = {
  linear: [(x, w, b) => ops.linear(x, w, b), [[48, 64], [96, 64], [96]]],
  matmul: [(x, y) => ops.matmul(x, y), [[3, 40, 64], [3, 64, 24]]],
  attention: [(q, k, v) => ops.scaledDotProductAttention(q, k, v), [[2, 4, 40, 64], [2, 4, 32, 64], [
    2,
    4,
    32,
    64,
  ]]],
  softmax: [(x) => ops.softmax(x, -1), [[6, 50]]],
  layerNorm: [(x, w, b) => ops.layerNorm(x, [64], w, b, 1e-6), [[30, 64], [64], [64]]],
  tanh: [(x) => ops.tanh(x), [[30, 20]]],
  split: [(x) => ops.mul(...ops.split(x, [8, 8], 1) as [Tensor, Tensor]), [[10, 16]]],
  reductions: [(x) => ops.add(ops.sum(x, [1], true), ops.amax(x, [1], true)), [[10, 33]]],
  gather: [(x) => ops.narrow(ops.cat([x, x], 1), 1, 5, 20), [[10, 16]]],
  trigonometry: [(x) => ops.add(ops.sin(x), ops.cos(ops.square(x))), [[10, 16]]],
};

/** The shipped weights' reconstruction, loss and gradients on the device and on the CPU, which CI compares with the reference. */
async function againstCpu(): Promise<Found> {
  const { config: { architecture: ofWeights }, state } = await readModel(
    new URL("../../weights/astromer2-asas", import.meta.url).pathname,
  );
  const [batch] = batches(1);
  const on = (where: Device, dtype: "float32" | "bfloat16") => {
    // On the CPU, too, periods are searched as on a GPU: where two peaks are equally high, another search takes the other.
    using model = new AstromerNetwork(ofWeights, { state, device: where, dtype, fusedAttention: true });
    return scope(() => {
      const tensors = toTensors(batch, where), y = model.reconstruct(tensors);
      const loss = reconstructionLoss(y, tensors.targets, tensors.coefficients);
      model.parameters.zeroGradient();
      backward(loss);
      model.parameters.gatherGradient();
      return {
        y: y.toArray(),
        loss: loss.item(),
        gradient: model.parameters.gradient.toArray() as Float32Array,
      };
    });
  };
  const expected = on("cpu", "float32"),
    largest = expected.gradient.reduce((a, b) => Math.max(a, Math.abs(b)), 0);
  const run = (dtype: "float32" | "bfloat16") => {
    const { y, loss, gradient } = on(device, dtype);
    return {
      reconstruction: largestDifference(y as Float32Array, expected.y as Float32Array),
      loss: Math.abs(loss / expected.loss - 1),
      gradient: largestDifference(gradient, expected.gradient) / largest,
    };
  };
  const float32 = run("float32"), bfloat16 = onCpu ? undefined : run("bfloat16");
  const ok = float32.loss < 1e-5 && float32.gradient < 1e-3 && (!bfloat16 || bfloat16.loss < 2e-2);
  return { ok, float32, bfloat16 };
}

const checks: Record<string, () => Found | Promise<Found>> = {
  /** What is here. */
  machine() {
    const { version, cuda, folder } = libtorch(), missing = missingForGraphs();
    const memory = onCpu ? undefined : gpuMemory(device);
    return {
      ok: onCpu || cudaDeviceCount() > 0,
      version,
      cuda,
      folder,
      gpus: cudaDeviceCount(),
      memory,
      missing,
    };
  },
  /** Operators, forward and gradient, in float32 without TF32 and in bfloat16. */
  operators() {
    const found: Record<string, number> = {}, failed: string[] = [];
    for (const dtype of onCpu ? ["float32"] as const : ["float32", "bfloat16"] as const) {
      for (const [name, [run, shapes]] of Object.entries(operators)) {
        const difference = differenceOf(run, shapes, dtype);
        found[`${name} ${dtype}`] = difference;
        if (!(difference < (dtype === "float32" ? 2e-5 : 4e-2))) failed.push(`${name} ${dtype}`);
      }
    }
    return { ok: failed.length === 0, failed, found };
  },
  /** The reference's recorded reconstruction, loss and gradients (where ../shared is). */
  async reference() {
    if (!hasShared) return { ...await againstCpu(), against: "the CPU: ../shared is absent" };
    const fixture = await Fixture.read("astromer2_io.safetensors");
    const weights = await Fixture.read("astromer2_random.safetensors");
    const frequencies = await referenceFrequencies();
    const run = (dtype: "float32" | "bfloat16") => {
      using model = new AstromerNetwork(architecture("astromer2"), { frequencies, device, dtype });
      loadReference(model, weights);
      return scope(() => {
        const put = (tensor: Tensor) => {
          const there = Tensor.empty(tensor.shape, { dtype: tensor.dtype, device });
          there.copyFrom(tensor);
          return there;
        };
        const input = encoderInput(fixture),
          target = Tensor.from(fixture.floats("in.target"), fixture.shape("in.target"));
        const hidden = input.hidden && put(input.hidden);
        const y = model.reconstruct({ magnitudes: put(input.magnitudes), times: put(input.times), hidden });
        const loss = reconstructionLoss(y, put(target), put(coefficientsOf(fixture)));
        model.parameters.zeroGradient();
        backward(loss);
        model.parameters.gatherGradient();
        const gradient = model.parameters.gradient.toArray() as Float32Array;
        let worst = 0;
        for (const { name, shape, offset } of model.parameters.layout) {
          if (name.endsWith("key.bias")) continue; // rounding alone
          const expected = recorded(fixture, `token.grad.${referenceName(name)}`, shape);
          const largest = expected.reduce((a, b) => Math.max(a, Math.abs(b)), 0);
          const difference = largestDifference(gradient.subarray(offset, offset + expected.length), expected);
          worst = Math.max(worst, difference / largest);
        }
        return {
          reconstruction: largestDifference(
            y.toArray() as Float32Array,
            fixture.floats("token.reconstruction"),
          ),
          loss: Math.abs(loss.item() / fixture.floats("token.loss")[0] - 1),
          gradient: worst,
        };
      });
    };
    const float32 = run("float32"), bfloat16 = onCpu ? undefined : run("bfloat16");
    const ok = float32.reconstruction < 5e-5 && float32.loss < 1e-5 && float32.gradient < 5e-5 &&
      (!bfloat16 || bfloat16.loss < 1e-2);
    return { ok, float32, bfloat16 };
  },
  /** Losses of 200 steps against the CPU's: float32, the same as graphs, and bfloat16. */
  losses() {
    const expected = losses("cpu", many).found;
    const plain = losses(device, many, { deferred: true });
    const asGraphs = losses(device, many, { record: graphs, deferred: true });
    const half = onCpu
      ? undefined
      : relative(losses(device, many, { dtype: "bfloat16", record: graphs }).found, expected);
    const float32 = relative(plain.found, expected), graph = relative(asGraphs.found, expected);
    return {
      ok: float32 < 1e-4 && graph < 1e-4 && (half === undefined || half < 1e-2) && asGraphs.graphs! > 0,
      steps: many,
      float32,
      graph,
      bfloat16: half,
      graphs: asGraphs.graphs,
      last: [expected.at(-1), plain.found.at(-1)],
    };
  },
  /** Two runs of the same seed, with dropout, launched alike: bit for bit? And a graph's dropout changes with the seed. */
  repeated() {
    const run = (record: Recorder | null) => losses(device, 12, { record, dropout: 0.1, deferred: true });
    const [one, two, graph, graphAgain] = [run(null), run(null), run(graphs), run(graphs)];
    const plain = largestDifference(one.values, two.values),
      graphed = largestDifference(graph.values, graphAgain.values);
    const between = relative(graph.found, one.found);
    return {
      ok: between < 1e-2,
      bit_for_bit: plain === 0,
      bit_for_bit_as_graphs: graphed === 0,
      plain,
      graphed,
      between,
    };
  },
  /** Inference with several batches under way: what is waited for gives the same, graphs too, and the CPU nearly. */
  async inference() {
    const dataset = sinusoidDataset(
      Array.from({ length: 6 * size }, (_, i) => i % 3 ? length : 5 + i % length),
    );
    const windows = wholeWindows(dataset), found: Record<string, number> = {};
    const vectorsOn = async (on: Device, pooling: Pooling, deferred: InferenceOptions) => {
      using model = new AstromerNetwork(paper, { device: on, seed: 3 });
      const options = { pooling, windowSize: length, batchSize: size, deferred };
      const embedded = await Array.fromAsync(eachEmbeddedWindow(model, dataset, windows, options));
      return Float32Array.from(embedded.flatMap(({ embedding }) => [...embedding]));
    };
    let same = true;
    for (const pooling of ["features", "max", "points"] as const) {
      const plain = await vectorsOn(device, pooling, { ahead: 0 });
      const launched = await vectorsOn(device, pooling, { ahead: 4, record: null });
      const graphed = await vectorsOn(device, pooling, { ahead: 8, record: graphs });
      const cpu = onCpu ? plain : await vectorsOn("cpu", pooling, { ahead: 0 });
      found[pooling] = largestDifference(launched, cpu);
      found[`${pooling} as graphs`] = largestDifference(graphed, launched);
      same &&= largestDifference(launched, plain) < 1e-4 && found[`${pooling} as graphs`] < 1e-4;
    }
    return { ok: same && Object.values(found).every((difference) => difference < 1e-3), ...found };
  },
  /** Batches that are gathered from observations on the device are those that are filled here, to the bit. */
  gathered() {
    const lengths = Array.from({ length: 4 * size }, (_, i) => 5 + (7 * i) % (2 * length));
    const dataset = sinusoidDataset(lengths), different: string[] = [];
    for (const [i, error] of [0, NaN, 1e-6, Infinity].entries()) dataset.err[3 + 5 * i] = error;
    const windows = lengths.map((n, i) => randomWindow(i, n, seeded(1, i), length));
    for (const weights of ["errors", "none"] as const) {
      using observations = new DeviceObservations(dataset, dataset.lengths.keys(), device, { weights });
      for (let i = 0; i < windows.length; i += size) {
        const some = windows.slice(i, i + size), key = [1, i], masking = paperMasking;
        const expected = fillBatch(dataset, some, { masking, weights, key });
        const found = gathered(observations, layOut(some, { masking, key }), device);
        for (const name of ["magnitudes", "times", "targets", "coefficients"] as const) {
          const difference = largestDifference(found[name], expected[name]);
          if (difference !== 0) different.push(`${name}, ${weights}: ${difference}`);
        }
      }
    }
    return { ok: different.length === 0, different, windows: windows.length };
  },
  /** The Lomb-Scargle maxima of classical features, found on the device and by the CPU's transforms. */
  async lombScargle() {
    const curves = sinusoids(Array.from({ length: 4 * size }, (_, i) => 10 + (37 * i) % (2 * length)))
      .map(({ mjd, mag, err }) => ({
        mjd: Float64Array.from(mjd),
        magnitude: Float64Array.from(mag),
        error: Float64Array.from(err),
      }));
    const grid = rehearse ? { maximumFrequency: 0.5 } : { oversampling: 3 };
    const on = async (where: Device) => {
      const start = performance.now();
      const peaks = await lombScargle(curves, {
        ...grid,
        device: where,
        maximaBy: where === "cpu" ? by : undefined,
      });
      return { peaks, ms: (performance.now() - start) / curves.length };
    };
    let by: "transforms" | "products" = "transforms";
    const expected = await on("cpu");
    by = "products"; // rehearsed on the CPU
    await on(device);
    const { peaks, ms } = await on(device);
    const same = peaks.filter(({ period }, i) => Math.abs(period / expected.peaks[i].period - 1) < 1e-8);
    return { ok: same.length >= 0.97 * peaks.length, same: same.length / peaks.length, ms, cpu: expected.ms };
  },
  /** A head learns on the device what it learns on the CPU, with steps under way. */
  async head() {
    const random = seeded(11), rows = 64 * size, shape = [rows, 3, 32];
    const table = Float32Array.from(
      { length: rows * 96 },
      (_, i) => random.normal() + (i % 96 % 4 === (i / 96 | 0) % 4 ? 1 : 0),
    );
    const samples = Array.from({ length: rows }, (_, i) => ({ rows: [i], label: i % 4 }));
    const parts = { train: samples.slice(rows / 4), validation: samples.slice(0, rows / 4) };
    const on = async (where: Device, deferred?: InferenceOptions) => {
      using head = new Head({ kind: "mean-max", vectors: 3, width: 32, classes: 4 }, {
        device: where,
        seed: 5,
      });
      using vectors = Tensor.from(table, shape, { device: where });
      const settings = {
        learningRate: 1e-3,
        batchSize: 32,
        epochs: 4,
        patience: 9,
        balance: "loss",
        seed: 3,
      } as const;
      const start = performance.now(), losses: number[] = [];
      await trainHead(head, vectors, parts, { ...settings, deferred }, (_, ...both) => losses.push(...both));
      return { losses, ms: performance.now() - start };
    };
    const expected = await on("cpu", { ahead: 0 }), found = await on(device, { ahead: 8, record: graphs });
    const difference = relative(found.losses, expected.losses);
    return { ok: difference < 1e-2, difference, ms: found.ms, cpu: expected.ms };
  },
  /** A training that a checkpoint interrupts goes on with the losses of one that nothing does. */
  async resumed() {
    const dataset = sinusoidDataset(
      Array.from({ length: 8 * size }, (_, i) => length - i % 5),
      { subsets: Array.from({ length: 8 * size }, (_, i) => i < 6 * size ? "train" : "validation") },
    );
    interface Kept {
      state: string;
      steps: number;
      parameters: Float32Array<ArrayBuffer>;
      moments: [Float32Array<ArrayBuffer>, Float32Array<ArrayBuffer>];
    }
    const values = (tensor: Tensor) => tensor.toArray() as Float32Array<ArrayBuffer>;
    const run = async (stopAfter: number, from?: Kept) => {
      using model = new AstromerNetwork({ ...paper, dropout: 0.1 }, { device, seed: 3 });
      using adam = new Adam(model.parameters, { clipNorm: 1 });
      if (from) {
        using parameters = Tensor.from(from.parameters);
        model.parameters.master.copyFrom(parameters);
        model.parameters.refresh();
        adam.restore(from.steps, from.moments);
      }
      const lines: MetricsLine[] = [];
      let kept: Kept | undefined, asked = 0;
      await pretrain(model, adam, dataset, {
        ...{
          windowSize: length,
          batchSize: size,
          masking: paperMasking,
          weights: "errors",
          epochs: 3,
          seed: 1,
        },
        ...{
          schedule: constant(rate),
          maxMinutes: Infinity,
          patience: 9,
          validationWindows: 64,
          logSteps: 1,
        },
        // Kernel by kernel: which steps are graphs differs in a run that was interrupted.
        ...{ stepsAhead: 3, graphs: false, dataOnDevice: "true" },
      }, {
        onMetrics: (line) => void lines.push(line),
        onBest: () => Promise.resolve(),
        stopRequested: () => ++asked > stopAfter,
        onCheckpoint: (state) => {
          const { master } = model.parameters, [first, second] = adam.moments;
          const moments: Kept["moments"] = [values(first), values(second)];
          kept = { state: JSON.stringify(state), steps: adam.steps, parameters: values(master), moments };
          return Promise.resolve();
        },
      }, from && JSON.parse(from.state));
      return { kept, losses: lines.flatMap(({ loss }) => loss === undefined ? [] : [Number(loss)]) };
    };
    const whole = await run(Infinity), first = await run(8), second = await run(Infinity, first.kept);
    const losses = [...first.losses, ...second.losses];
    const difference = relative(losses, whole.losses);
    const parameters = largestDifference(second.kept!.parameters, whole.kept!.parameters);
    return {
      ok: losses.length === whole.losses.length && first.losses.length < losses.length && difference < 1e-5,
      bit_for_bit: difference === 0 && parameters === 0,
      steps: losses.length,
      difference,
      parameters,
    };
  },
  /** A loss that is not a number leaves the parameters as they were. */
  notFinite() {
    using model = new AstromerNetwork(paper, { device, seed: 3 });
    using adam = new Adam(model.parameters, { clipNorm: 1 });
    using steps = new DeferredSteps(model, adam, oneRank, { record: graphs });
    const [first, second] = batches(2);
    steps.begin(first, size, 1e-3)();
    const before = model.parameters.master.toArray() as Float32Array;
    const targets = second.targets.fill(NaN);
    const { loss } = steps.begin({ ...second, targets }, size, 1e-3)();
    const difference = largestDifference(model.parameters.master.toArray() as Float32Array, before);
    return { ok: Number.isNaN(loss) && difference === 0, loss: String(loss), difference };
  },
  /** More memory than there is: an error with words, and work goes on. */
  memory() {
    let words = "none";
    try {
      // On the CPU the same words come from more bytes than any machine can address.
      Tensor.empty([onCpu ? 2 ** 46 : 2 ** 40], { device }).dispose();
    } catch (error) {
      if (!(error instanceof TorchError)) throw error;
      words = memorySentence(error, ["batch_size"]) ?? error.message;
    }
    const after = losses(device, 3, { deferred: true }).found.at(-1)!;
    return { ok: /memory.*: lower --batch-size$/.test(words) && Number.isFinite(after), words, after };
  },
  /** NCCL with one rank, on the stream that steps run on. */
  nccl() {
    if (onCpu) return { ok: true, skipped: "no GPU" };
    using _ = onOwnStream(device);
    using nccl = new Nccl(device, { rank: 0, size: 1, shareId: () => {} });
    using values = Tensor.from([1, 2, 3], [3], { device });
    nccl.sum(values);
    nccl.sumBeside(values);
    nccl.joinBeside();
    const found = [...values.toArray()].map(Number);
    return { ok: found.join() === "1,2,3", found };
  },
  /** Periods on the device are the CPU's, and what the search costs beside a step. */
  periods() {
    const [batch] = batches(1), bounds = architecture("astromer2", { encoding: "folded" });
    const on = (where: Device) => {
      using search = new PeriodSearch(bounds, { device: where, fewPasses: true });
      return noGrad(() =>
        scope(() => {
          const input = toTensors(batch, where);
          const run = () => scope(() => search.find(input).frequency.toArray() as Float64Array);
          const found = run();
          synchronize(where);
          const start = performance.now();
          scope(() => void search.find(input));
          synchronize(where);
          return { found, ms: performance.now() - start };
        })
      );
    };
    const [expected, { found, ms }] = [on("cpu"), on(device)];
    const same = expected.found.filter((f, i) => Math.abs(f - found[i]) < 1e-6 * f).length /
      expected.found.length;
    return { ok: same >= 0.9, same, ms, windows: size };
  },
};

if (import.meta.main) {
  keepFreedMemory();
  const names = chosen === undefined ? Object.keys(checks) : [String(chosen)];
  if (chosen === "list") console.log(Object.keys(checks).join("\n"));
  else {
    let failed = false;
    for (const name of names) {
      const start = performance.now();
      let found: Found;
      try {
        found = await checks[name]();
      } catch (error) {
        found = { ok: false, error: error instanceof Error ? error.stack ?? error.message : String(error) };
      }
      console.log(JSON.stringify({ check: name, ...found, seconds: (performance.now() - start) / 1000 }));
      failed ||= !found.ok;
    }
    Deno.exit(failed ? 1 : 0);
  }
}
