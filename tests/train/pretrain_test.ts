import { paperMasking } from "../../src/data/masking.ts";
import { Failure, InputError } from "../../src/common/errors.ts";
import { AstromerNetwork } from "../../src/model/network.ts";
import { Adam } from "../../src/train/adam.ts";
import { pretrain } from "../../src/train/pretrain.ts";
import type {
  MetricsLine,
  PretrainEvents,
  PretrainOptions,
  PretrainState,
} from "../../src/train/pretrain_types.ts";
import { epochBatches, validationSample } from "../../src/train/epoch.ts";
import { constant } from "../../src/train/schedule.ts";
import type { Dataset } from "../../src/data/dataset.ts";
import { liveTensors, Tensor } from "../../ffi/tensor.ts";
import { assertEquals, assertNotEquals, assertStringIncludes, assertTrue } from "../../src/common/std.ts";
import { sinusoidDataset } from "../data/support.ts";
import { assertDiffer, assertSame, tiny } from "../model/support.ts";

type Values = Float32Array<ArrayBuffer>;

const lengths = [40, 12, 25, 5, 31, 40, 18, 9, 22, 35];

/** Ten light curves to train on, three to validate with, one of no use. */
function dataset(): Dataset {
  const all = [...lengths, 30, 45, 16, 3];
  return sinusoidDataset(all, { subsets: all.map((_, i) => i < 10 || i > 12 ? "train" : "validation") });
}

const options: PretrainOptions = {
  windowSize: 20,
  batchSize: 4,
  masking: paperMasking,
  weights: "none",
  schedule: constant(5e-3),
  epochs: 3,
  maxMinutes: Infinity,
  patience: 20,
  validationWindows: 100,
  logSteps: 2,
  seed: 1,
};

/** Pretrains a tiny model and keeps what was said. */
async function train(
  changes: Partial<PretrainOptions> = {},
  { data = dataset(), dropout = 0.1, ...events }: Partial<PretrainEvents> & {
    data?: Dataset;
    dropout?: number;
  } = {},
) {
  const all = { ...options, ...changes };
  using model = new AstromerNetwork(tiny({ dropout, encoding: "periods" }), { seed: all.seed });
  using adam = new Adam(model.parameters, { clipNorm: 1 });
  const lines: MetricsLine[] = [], best: Record<string, number>[] = [];
  const values = () => model.parameters.master.toArray() as Float32Array;
  const initial = values();
  const result = await pretrain(model, adam, data, all, {
    onMetrics: (line) => void lines.push(line),
    onBest: (found) => Promise.resolve(void best.push(found)),
    ...events,
  }).catch((error: Error) => error);
  return { result, lines, best, initial, final: values() };
}

/** What does not depend on the clock and on the machine's memory. */
const timeless = (lines: MetricsLine[]) =>
  lines.map(({ seconds: _, windows_per_second: __, memory_gb: ___, ...rest }) => rest);

/** The result of a run that ends well. */
function ended({ result }: Awaited<ReturnType<typeof train>>) {
  if (result instanceof Error) throw result;
  return result;
}

Deno.test("a run: steps, lines of metrics, the best saved", async () => {
  const before = liveTensors();
  const run = await train();
  const { reason, epochs, steps, last } = ended(run);
  assertEquals([reason, epochs, steps], ["all epochs done", 3, 9]);
  assertEquals(liveTensors(), before, "no tensor is left");
  assertDiffer(run.final, run.initial);
  const stepLines = run.lines.filter((line) => line.kind === "step");
  assertEquals(stepLines.map(({ step, epoch }) => [step, epoch]), [[2, 1], [4, 2], [6, 2], [8, 3]]);
  for (const line of stepLines) {
    for (const name of ["loss", "rmse", "gradient_norm"]) assertTrue((line[name] as number) > 0, name);
    assertEquals(line.learning_rate, 5e-3);
  }
  const epochLines = run.lines.filter((line) => line.kind === "epoch");
  assertEquals(epochLines.map(({ step, epoch }) => [step, epoch]), [[3, 1], [6, 2], [9, 3]]);
  assertEquals(epochLines.at(-1)!.validation_loss, last.validation_loss);
  if (Deno.build.os === "linux") {
    const gigabytes = run.lines.map(({ memory_gb }) => memory_gb as number);
    assertTrue(gigabytes.every((each) => each > 0.01 && each < 100), gigabytes.join(" "));
  }
  // Saved whenever, and only when, the validation loss is the lowest so far.
  let lowest = Infinity;
  const expected = epochLines.filter(({ validation_loss: loss }) => {
    const better = (loss as number) < lowest;
    if (better) lowest = loss as number;
    return better;
  });
  assertEquals(run.best.map(({ epoch }) => epoch), expected.map(({ epoch }) => epoch));
  assertEquals(epochLines.map(({ best }) => best), epochLines.map((line) => expected.includes(line) ? 1 : 0));
  assertEquals(run.best.at(-1)!.validation_loss, lowest);
});

Deno.test("the same seed gives the same run bit for bit, another seed another", async () => {
  const [one, two, other] = [await train(), await train(), await train({ seed: 2 })];
  assertEquals(timeless(one.lines), timeless(two.lines));
  assertSame(one.final, two.final);
  assertNotEquals(timeless(one.lines), timeless(other.lines));
  assertDiffer(one.final, other.final);
});

Deno.test("it learns: the validation loss goes down", async () => {
  const data = sinusoidDataset(Array(40).fill(30), { subsets: Array(10).fill("validation") });
  const run = await train({ epochs: 8, windowSize: 30, schedule: constant(1e-2) }, { data, dropout: 0 });
  const losses = run.lines.filter((line) => line.kind === "epoch").map((line) =>
    line.validation_loss as number
  );
  assertTrue(losses.at(-1)! < 0.93 * losses[0], losses.join(" "));
});

Deno.test("early stopping: after so many epochs without a better validation loss", async () => {
  // Nothing is learned at rate 0, so the first epoch stays the best.
  const run = await train({ epochs: 50, patience: 3, schedule: constant(0) }, { dropout: 0 });
  const { reason, epochs } = ended(run);
  assertEquals([reason, epochs], ["early stopping", 4]);
  assertEquals(run.best.map(({ epoch }) => epoch), [1]);
  assertSame(run.final, run.initial);
});

Deno.test("a request to stop ends the run after the step in progress, without a validation", async () => {
  let done = 0;
  const run = await train({}, { onStep: () => void done++, stopRequested: () => done === 5 });
  const { reason, epochs, steps, last } = ended(run);
  assertEquals([reason, epochs, steps], ["stopped by a signal", 2, 5]);
  assertTrue(last.train_loss > 0 && !("validation_loss" in last));
  assertEquals(run.lines.filter(({ kind }) => kind === "epoch").length, 1);
});

Deno.test("stopped anywhere and gone on with, a run is bit for bit the one that was never stopped", async () => {
  const whole = await train();
  // Between any two steps, at both ends of an epoch, and before anything was done.
  for (let steps = 0; steps <= 9; steps++) {
    let done = 0, kept: { state: string; parameters: Values; moments: Values[] } | undefined;
    const lines: MetricsLine[] = [];
    {
      using model = new AstromerNetwork(tiny({ dropout: 0.1, encoding: "periods" }), { seed: options.seed });
      using adam = new Adam(model.parameters, { clipNorm: 1 });
      const copy = (tensor: Tensor) => tensor.toArray() as Values;
      await pretrain(model, adam, dataset(), options, {
        onMetrics: (line) => void lines.push(line),
        onBest: () => Promise.resolve(),
        onStep: () => void done++,
        stopRequested: () => done === steps,
        onCheckpoint(state) {
          kept = {
            state: JSON.stringify(state),
            parameters: copy(model.parameters.master),
            moments: adam.moments.map(copy),
          };
          return Promise.resolve();
        },
      });
    }
    using model = new AstromerNetwork(tiny({ dropout: 0.1, encoding: "periods" }), { seed: 99 });
    using adam = new Adam(model.parameters, { clipNorm: 1 });
    using parameters = Tensor.from(kept!.parameters);
    model.parameters.master.copyFrom(parameters);
    model.parameters.refresh();
    adam.restore(steps, kept!.moments as [Values, Values]);
    const { reason } = await pretrain(model, adam, dataset(), options, {
      onMetrics: (line) => void lines.push(line),
      onBest: () => Promise.resolve(),
    }, JSON.parse(kept!.state));
    assertEquals(reason, "all epochs done");
    assertEquals(timeless(lines), timeless(whole.lines), `stopped after ${steps} steps`);
    assertSame(
      model.parameters.master.toArray() as Float32Array,
      whole.final,
      `stopped after ${steps} steps`,
    );
  }
});

Deno.test("a checkpoint is kept when it is due, on a stop, and when all steps are done", async () => {
  const kept: PretrainState[] = [];
  const onCheckpoint = (state: PretrainState) => Promise.resolve(void kept.push(state));
  let asked = 0;
  await train({}, { onCheckpoint, checkpointDue: () => ++asked % 5 === 0 });
  const places = () => kept.splice(0).map(({ epoch, batch }) => [epoch, batch]);
  // Asked before each of three steps and before the validation, three times over.
  assertEquals([asked, places()], [12, [[2, 0], [3, 1], [4, 0]]]);
  const { reason } = ended(await train({ maxMinutes: 1e-9 }, { onCheckpoint }));
  assertEquals([reason, places()], ["time is up", [[1, 1]]]);
  // During the validation of the second epoch, which is then done again.
  let epochs = 0, asks = 0;
  const run = await train({}, {
    onCheckpoint,
    onEpoch: () => Promise.resolve(void epochs++),
    stopRequested: () => epochs === 1 && ++asks > 4,
  });
  assertEquals([ended(run).reason, ended(run).epochs, places()], ["stopped by a signal", 2, [[2, 3]]]);
  assertEquals(run.lines.filter(({ kind }) => kind === "epoch").length, 1);
});

Deno.test("out of time: the run ends in the middle of an epoch", async () => {
  const { reason, epochs, steps } = ended(await train({ maxMinutes: 1e-9 }));
  assertEquals([reason, epochs, steps], ["time is up", 1, 1]);
});

Deno.test("the schedule is told the step and how much is done", async () => {
  const told: number[][] = [];
  const schedule = ({ step, done }: { step: number; done: number }) => {
    told.push([step, done]);
    return 1e-3;
  };
  await train({ schedule });
  assertEquals(told, Array.from({ length: 9 }, (_, i) => [i + 1, (i + 1) / 9]));
});

Deno.test("a loss that is not a number: a Failure that names the light curves, parameters untouched", async () => {
  const data = dataset();
  data.mag[data.offsets[4] + 2] = NaN;
  const run = await train({ windowSize: 50, batchSize: 10 }, { data });
  assertTrue(run.result instanceof Failure);
  assertStringIncludes(run.result.message, "the loss became NaN in epoch 1, batch 1");
  assertStringIncludes(run.result.message, "star-4");
  assertStringIncludes(run.result.message, "star-");
  assertStringIncludes(run.result.message, ", …");
  assertSame(run.final, run.initial);
  assertEquals([run.lines, run.best], [[], []]);
});

Deno.test("a subset without light curves is an InputError", async () => {
  const data = sinusoidDataset([20, 20]);
  const { result } = await train({}, { data });
  assertTrue(result instanceof InputError);
  assertStringIncludes((result as Error).message, "in the subset validation");
});

Deno.test("an epoch has one random window of each light curve, other ones in the next epoch", () => {
  const data = dataset(), curves = [0, 1, 2, 5];
  const epoch = (n: number, seed = 1) => epochBatches(data, curves, { ...options, seed, batchSize: 3 }, n);
  const windows = epoch(1).flat();
  assertEquals(windows.map(({ lightCurve }) => lightCurve).sort(), curves);
  for (const { lightCurve, start, length } of windows) {
    assertEquals(length, Math.min(20, data.lengths[lightCurve]));
    assertTrue(start + length <= data.lengths[lightCurve]);
  }
  assertEquals(epoch(1), epoch(1));
  assertNotEquals(epoch(1).flat().map(({ start }) => start), epoch(2).flat().map(({ start }) => start));
  assertNotEquals(epoch(1), epoch(1, 2));
  const starts = new Set(
    Array.from({ length: 40 }, (_, i) => epoch(i).flat().find(({ lightCurve }) => lightCurve === 0)!.start),
  );
  assertTrue(starts.size > 12, "of 21 possible starts");
});

Deno.test("validation: all sequential windows, or a fixed draw of them", () => {
  const data = dataset();
  const all = validationSample(data, [10, 11, 12], options);
  assertEquals(all.length, 2 + 3 + 1);
  const some = validationSample(data, [10, 11, 12], { ...options, validationWindows: 4 });
  assertEquals(some, all.slice(0, 4));
  assertEquals(validationSample(data, [10, 11, 12], { ...options, validationWindows: 4 }), some);
});
