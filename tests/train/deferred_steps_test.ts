/** Steps that are read later, as on a GPU, on the CPU: graphs are rehearsedGraph by doing the recorded work again. */
import { TorchError } from "../../ffi/native.ts";
import { liveTensors, Tensor } from "../../ffi/tensor.ts";
import { fillBatch } from "../../src/data/batch.ts";
import { paperMasking } from "../../src/data/masking.ts";
import { Failure } from "../../src/common/errors.ts";
import { AstromerNetwork } from "../../src/model/network.ts";
import { oneRank } from "../../src/machine/ranks.ts";
import { Adam } from "../../src/train/adam.ts";
import type { DeferredOptions, Recorder } from "../../src/model/deferred.ts";
import { DeferredSteps } from "../../src/train/deferred_steps.ts";
import { pretrain } from "../../src/train/pretrain.ts";
import type {
  MetricsLine,
  PretrainEvents,
  PretrainOptions,
  PretrainState,
} from "../../src/train/pretrain_types.ts";
import { constant } from "../../src/train/schedule.ts";
import { trainingStep } from "../../src/train/step.ts";
import { assertAlmostEquals, assertEquals, assertStringIncludes, assertTrue } from "../../src/common/std.ts";
import { sinusoidDataset, wholeWindows } from "../data/support.ts";
import { assertSame, tiny } from "../model/support.ts";
import { rehearsedGraph } from "../model/rehearsed_graph.ts";

type Values = Float32Array<ArrayBuffer>;

function batches() {
  const dataset = sinusoidDataset([20, 14, 20, 20, 9, 20]);
  return [[0, 1], [2, 3], [0, 5], [4, 1], [3, 0], [1, 4]].map((curves) =>
    fillBatch(dataset, wholeWindows(dataset).filter((_, i) => curves.includes(i)), {
      masking: paperMasking,
      weights: "errors",
      key: [1, curves[0]],
    })
  );
}

/** Steps on all batches, the first kept under way until the last is given. */
function deferred(options: DeferredOptions) {
  using model = new AstromerNetwork(tiny());
  using adam = new Adam(model.parameters, { clipNorm: 0.5 });
  using steps = new DeferredSteps(model, adam, oneRank, options);
  const reads = batches().map((batch) => steps.begin(batch, batch.windows.length, 1e-3));
  const found = reads.map((read) => read());
  return { found, graphs: steps.graphs, values: model.parameters.master.toArray() as Float32Array };
}

function direct() {
  using model = new AstromerNetwork(tiny());
  using adam = new Adam(model.parameters, { clipNorm: 0.5 });
  const found = batches().map((batch) => trainingStep(model, adam, batch, 1e-3));
  return { found, values: model.parameters.master.toArray() as Float32Array };
}

/** All but a few are the same: gradients of key biases are rounding alone, which Adam makes into whole steps. */
function assertClose(values: Float32Array, expected: Float32Array): void {
  const differences = expected.map((value, i) => Math.abs(value - values[i])).sort();
  assertTrue(differences[Math.floor(0.97 * differences.length)] < 1e-6);
  assertTrue(differences.at(-1)! < 6e-3);
}

Deno.test("steps that are read later are the steps that are read at once, graphs or not", () => {
  const before = liveTensors(), expected = direct();
  for (const record of [rehearsedGraph, null]) {
    const { found, graphs, values } = deferred({ record });
    assertEquals(graphs, record ? 2 : 0, "of the shapes that came twice");
    assertClose(values, expected.values);
    for (const [i, { loss, gradientNorm, sums }] of found.entries()) {
      assertAlmostEquals(loss, expected.found[i].loss, 1e-6);
      assertAlmostEquals(gradientNorm!, expected.found[i].gradientNorm!, 1e-5);
      assertAlmostEquals(Math.sqrt(sums.weighted / sums.windows), loss, 1e-6);
    }
  }
  assertEquals(liveTensors(), before, "no tensor is left");
});

Deno.test("what cannot be recorded is launched kernel by kernel, and it says so once", () => {
  const lines: string[] = [];
  const record: Recorder = () => {
    throw new TorchError("CUDAGraph", "something in it cannot be captured");
  };
  const { values, graphs } = deferred({ record, say: (line) => void lines.push(line) });
  assertClose(values, direct().values);
  assertEquals(graphs, 0);
  assertEquals(lines, [
    "work is launched kernel by kernel, since it cannot be recorded as a graph: CUDAGraph: something in it cannot be captured",
  ]);
});

const lengths = [40, 12, 25, 5, 31, 40, 18, 9, 22, 35, 30, 45, 16];

async function train(
  changes: Partial<PretrainOptions>,
  { break: broken, from, ...events }: Partial<PretrainEvents> & {
    break?: number;
    from?: { state: string; steps: number; parameters: Values; moments: [Values, Values] };
  } = {},
) {
  const data = sinusoidDataset(lengths, { subsets: lengths.map((_, i) => i < 10 ? "train" : "validation") });
  if (broken !== undefined) data.mag[data.offsets[broken] + 2] = NaN;
  using model = new AstromerNetwork(tiny({ dropout: 0.1 }), { seed: 1 });
  using adam = new Adam(model.parameters, { clipNorm: 1 });
  if (from) {
    using parameters = Tensor.from(from.parameters);
    model.parameters.master.copyFrom(parameters);
    adam.restore(from.steps, from.moments);
  }
  const options: PretrainOptions = {
    ...{ windowSize: 20, batchSize: 2, masking: paperMasking, weights: "none", schedule: constant(5e-3) },
    ...{ epochs: 2, maxMinutes: Infinity, patience: 20, validationWindows: 100, logSteps: 1, seed: 1 },
    ...changes,
  };
  const lines: MetricsLine[] = [], kept: NonNullable<typeof from>[] = [];
  const copy = (tensor: Tensor) => tensor.toArray() as Values;
  const result = await pretrain(model, adam, data, options, {
    onMetrics: (line) => void lines.push(line),
    onBest: () => Promise.resolve(),
    onCheckpoint: (state: PretrainState) =>
      Promise.resolve(
        void kept.push({
          state: JSON.stringify(state),
          steps: adam.steps,
          parameters: copy(model.parameters.master),
          moments: [copy(adam.moments[0]), copy(adam.moments[1])],
        }),
      ),
    ...events,
  }, from && JSON.parse(from.state)).catch((error: Error) => error);
  return { result, lines, kept, final: copy(model.parameters.master) };
}

const timeless = (lines: MetricsLine[]) =>
  lines.map(({ seconds: _, windows_per_second: __, memory_gb: ___, ...rest }) => rest);

Deno.test("a run whose steps are read later has the metrics of one whose steps are read at once", async () => {
  const [atOnce, later] = [await train({}), await train({ stepsAhead: 3 })];
  const [expected, found] = [timeless(atOnce.lines), timeless(later.lines)];
  assertEquals(found.length, expected.length);
  for (const [i, line] of expected.entries()) {
    assertEquals(Object.keys(found[i]), Object.keys(line));
    for (const [name, value] of Object.entries(line)) {
      if (typeof value === "number") {
        assertAlmostEquals(found[i][name] as number, value, 2e-4, `${i} ${name}`);
      } else assertEquals(found[i][name], value);
    }
  }
});

Deno.test("read later, a run is the same bit for bit with a stop within it and without", async () => {
  const whole = await train({ stepsAhead: 3 });
  let asked = 0;
  const first = await train({ stepsAhead: 3 }, { stopRequested: () => ++asked > 3 });
  const from = first.kept.at(-1)!;
  assertEquals([JSON.parse(from.state).epoch, JSON.parse(from.state).batch, from.steps], [1, 3, 3]);
  const second = await train({ stepsAhead: 3 }, { from });
  assertEquals(timeless([...first.lines, ...second.lines]), timeless(whole.lines));
  assertSame(second.final, whole.final);
});

Deno.test("read later, a loss that is not a number still names its batch, and no checkpoint follows it", async () => {
  let due = 0;
  const run = await train({ stepsAhead: 3, batchSize: 1 }, { break: 3, checkpointDue: () => due++ > 0 });
  assertTrue(run.result instanceof Failure);
  assertStringIncludes(run.result.message, "the loss became NaN in epoch 1, batch ");
  assertStringIncludes(run.result.message, "(light curves star-3)");
  const last = run.kept.at(-1);
  assertTrue(run.kept.every(({ parameters }) => parameters.every((value) => Number.isFinite(value))));
  assertTrue(
    run.final.every((value) => Number.isFinite(value)),
    "parameters are as before that step, or better",
  );
  const without = await train({ stepsAhead: 3, batchSize: 1 }, { break: 3 });
  assertTrue(without.result instanceof Failure);
  assertEquals(without.kept, []);
  assertEquals(without.result.message, run.result.message);
  assertTrue(last === undefined || last.steps < 10);
});
