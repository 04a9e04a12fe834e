/** Training a head on pooled vectors that were computed once: the encoder is frozen. */
import { noGrad } from "../../ffi/autograd.ts";
import { indexSelect, softmax, to } from "../../ffi/ops.ts";
import type { Device } from "../../ffi/device.ts";
import { scope, Tensor, unscoped } from "../../ffi/tensor.ts";
import { Failure } from "../common/errors.ts";
import { ClassificationMetrics } from "../evaluate/classification.ts";
import { type Part, UnderWay, uploaded } from "../model/deferred.ts";
import type { InferenceOptions } from "../model/deferred_inference.ts";
import { type Random, seeded } from "../common/random.ts";
import { letSignalsIn } from "../machine/signals.ts";
import { Adam } from "../train/adam.ts";
import type { Head } from "./head.ts";
import { classLoss, crossEntropyOf, HeadSteps, labelParts, type LossOf } from "./head_steps.ts";

/** One light curve. */
export interface WindowRows {
  /** Rows of the table of vectors: its windows. */
  rows: readonly number[];
}

/** One light curve with its class. */
export interface Sample extends WindowRows {
  /** Index of its class. */
  label: number;
}

/** How classes of unequal size are treated: not at all, each as often in an epoch's batches, or each with the same weight in the loss. */
export type Balance = "none" | "batches" | "loss";

/** How a head is trained. */
export interface HeadTraining {
  learningRate: number;
  /** Light curves of a step. */
  batchSize: number;
  /** Epochs at most; in each, one window of every light curve, drawn at random. */
  epochs: number;
  /** Epochs without a better validation loss before the training ends. */
  patience: number;
  balance: Balance;
  seed: number;
  /** How steps are given to the device. */
  deferred?: InferenceOptions;
}

/** How a training went. */
export interface HeadResult {
  epochs: number;
  bestEpoch: number;
  /** Cross-entropy of the light curves' mean probabilities, nat; balanced as the training is. */
  validationLoss: number;
}

/** What a head learns. */
export interface Objective<S extends WindowRows> {
  /** The light curves of an epoch, in the order in which they are taken. */
  epochOf(random: Random): S[];
  /** What the loss reads of a batch. */
  partsOf(batch: readonly S[]): Record<string, Part>;
  /** What the head should lower. */
  lossOf: LossOf;
  /** The loss of the validation by the head as it is now. */
  validated(): number;
}

/**
 * Trains a head, and leaves it as it was in its best epoch.
 * @param vectors (rows, V, d) float32
 * @throws {Failure} when the loss is not a number
 */
export async function trainTowards<S extends WindowRows>(
  head: Head,
  vectors: Tensor,
  objective: Objective<S>,
  { learningRate, batchSize, epochs, patience, seed, deferred }: Omit<HeadTraining, "balance">,
  onEpoch: OnEpoch = () => {},
): Promise<HeadResult> {
  using adam = new Adam(head.parameters, { beta2: 0.999, epsilon: 1e-7 });
  const learner = { parameters: head.parameters, adam, learningRate };
  using steps = new HeadSteps(head, [learner], objective.lossOf, deferred);
  const underWay = new UnderWay<() => void>(steps.ahead);
  let best = head.parameters.stateDict(), bestLoss = Infinity, bestEpoch = 0, epoch = 0;
  while (epoch < epochs && epoch - bestEpoch < patience) {
    epoch++;
    const random = seeded(seed, 0xc1a5, epoch);
    const drawn = objective.epochOf(random);
    let sum = 0;
    const taken = (size: number, value: number) => {
      if (!Number.isFinite(value)) {
        throw new Failure(
          `the classifier's loss became ${value} in epoch ${epoch}: try a lower --learning-rate`,
        );
      }
      sum += size * value;
    };
    for (let i = 0; i < drawn.length; i += batchSize) {
      const batch = drawn.slice(i, i + batchSize);
      const rows = Float64Array.from(batch, ({ rows }) => rows[random.integer(rows.length)]);
      const read = steps.begin(batch.length, objective.partsOf(batch), {
        key: "rows",
        parts: { rows: { shape: [rows.length], values: rows } },
        vectors: ({ rows }) => indexSelect(vectors, 0, to(rows, "int64")),
      });
      underWay.add(() => taken(batch.length, read()));
      for (const take of underWay.due()) take();
    }
    for (const take of underWay.due(0)) take();
    const validated = objective.validated();
    onEpoch(epoch, sum / drawn.length, validated);
    if (validated < bestLoss) {
      bestLoss = validated;
      bestEpoch = epoch;
      best = head.parameters.stateDict();
    }
    await letSignalsIn();
  }
  head.parameters.loadStateDict(best);
  return { epochs: epoch, bestEpoch, validationLoss: bestLoss };
}

/** Is told the losses of an epoch. */
export type OnEpoch = (epoch: number, trainLoss: number, validationLoss: number) => void;

/** Trains the head of a classifier by cross-entropy; as {@link trainTowards}. */
export async function trainHead(
  head: Head,
  vectors: Tensor,
  { train, validation }: { train: readonly Sample[]; validation: readonly Sample[] },
  training: HeadTraining,
  onEpoch?: OnEpoch,
): Promise<HeadResult> {
  const { classes } = head.shape, { balance } = training;
  using weights = classWeights(train, classes, balance, vectors.device);
  const objective: Objective<Sample> = {
    epochOf: (random) => epochOf(train, classes, balance, random),
    partsOf: (batch) => labelParts(batch.map(({ label }) => label)),
    lossOf: classLoss(weights),
    validated: () => crossEntropy(probabilitiesOf(head, vectors, validation), validation, classes, balance),
  };
  return await trainTowards(head, vectors, objective, training, onEpoch);
}

function rowsOf(vectors: Tensor, rows: readonly number[]): Tensor {
  const index = Tensor.from(BigInt64Array.from(rows, BigInt), undefined, { device: vectors.device });
  return indexSelect(vectors, 0, index);
}

/** The cross-entropy of a batch, with the classes' weights if there are any. */
export function lossOf(logits: Tensor, batch: readonly Sample[], weights: Tensor | null): Tensor {
  const parts = uploaded(labelParts(batch.map(({ label }) => label)), logits.device);
  return crossEntropyOf(logits, parts, weights);
}

/** Balanced in the loss: N / (C n_c), so that light curves of rare classes weigh more. The caller gives them back. */
export function classWeights(
  samples: readonly Sample[],
  classes: number,
  balance: Balance,
  device: Device,
): Tensor | null {
  if (balance !== "loss") return null;
  const counts = new Float32Array(classes);
  for (const { label } of samples) counts[label]++;
  const weights = counts.map((count) => count ? samples.length / (classes * count) : 0);
  return unscoped(() => Tensor.from(weights, undefined, { device }));
}

/** The light curves of an epoch in random order: all of them once, or as many with each class as often. */
export function epochOf(
  samples: readonly Sample[],
  classes: number,
  balance: Balance,
  random: Random,
): Sample[] {
  return balance === "batches" ? balanced(samples, classes, random) : random.shuffle([...samples]);
}

/** As many samples, each class as often; drawn with replacement where a class has too few. */
function balanced(samples: readonly Sample[], classes: number, random: Random): Sample[] {
  const byClass = Array.from({ length: classes }, (_, of) => samples.filter(({ label }) => label === of))
    .filter((members) => members.length);
  const each = Math.ceil(samples.length / byClass.length);
  return random.shuffle(byClass.flatMap((members) => {
    const order = random.shuffle([...members]);
    return Array.from({ length: each }, (_, i) => order[i % order.length]);
  }));
}

/** Rows of a forward pass. */
const rowsAtOnce = 4096;

/**
 * Class probabilities of light curves: the mean over their windows.
 * @returns (N, C), row after row
 */
export function probabilitiesOf(head: Head, vectors: Tensor, samples: readonly WindowRows[]): Float32Array {
  return meanOverWindows(head, vectors, samples, (logits) => softmax(logits, -1));
}

/**
 * What a head says of light curves: the mean over their windows.
 * @param read what is meant, of the head's outputs (rows, C)
 * @returns (N, C), row after row
 */
export function meanOverWindows(
  head: Head,
  vectors: Tensor,
  samples: readonly WindowRows[],
  read: (outputs: Tensor) => Tensor = (outputs) => outputs,
): Float32Array {
  const { classes } = head.shape;
  const means = new Float32Array(samples.length * classes);
  const owners = samples.flatMap(({ rows }, i) => rows.map((row) => ({ row, i, share: 1 / rows.length })));
  for (let start = 0; start < owners.length; start += rowsAtOnce) {
    const some = owners.slice(start, start + rowsAtOnce);
    const found = noGrad(() =>
      scope(() => read(head.forward(rowsOf(vectors, some.map(({ row }) => row)))).toArray())
    ) as Float32Array;
    for (const [k, { i, share }] of some.entries()) {
      for (let c = 0; c < classes; c++) means[i * classes + c] += share * found[k * classes + c];
    }
  }
  return means;
}

/** The class of highest probability in each row of (N, C). */
export function mostLikely(probabilities: Float32Array, classes: number): Int32Array {
  return Int32Array.from({ length: probabilities.length / classes }, (_, i) => {
    const row = probabilities.subarray(i * classes, (i + 1) * classes);
    return row.reduce((best, p, c) => p > row[best] ? c : best, 0);
  });
}

/**
 * Mean negative logarithm of the true class's probability, nat.
 * @param balance other than "none": the mean over classes of each one's mean, as such a training sees them
 */
export function crossEntropy(
  probabilities: Float32Array,
  samples: readonly Sample[],
  classes: number,
  balance: Balance = "none",
): number {
  const counts = new Float64Array(classes);
  for (const { label } of samples) counts[label]++;
  const found = counts.reduce((sum, count) => sum + (count ? 1 : 0), 0);
  return samples.reduce((sum, { label }, i) => {
    const loss = -Math.log(Math.max(probabilities[i * classes + label], 1e-12));
    return sum + loss / (balance === "none" ? samples.length : found * counts[label]);
  }, 0);
}

/** Scores of predictions. */
export function scored(
  probabilities: Float32Array,
  samples: readonly Sample[],
  classes: readonly string[],
): ClassificationMetrics {
  const metrics = new ClassificationMetrics(classes);
  const predicted = mostLikely(probabilities, classes.length);
  for (const [i, { label }] of samples.entries()) metrics.add(label, predicted[i]);
  return metrics;
}

/**
 * The temperature T that fits validation best (Guo et al. 2017): probabilities become softmax(log p / T).
 * @returns between 0.05 and 20, by golden section in log T
 */
export function temperatureOf(
  probabilities: Float32Array,
  samples: readonly Sample[],
  classes: number,
): number {
  const lossAt = (logT: number) =>
    crossEntropy(scaled(probabilities, classes, Math.exp(logT)), samples, classes);
  const golden = (Math.sqrt(5) - 1) / 2;
  let low = Math.log(0.05), high = Math.log(20);
  while (high - low > 1e-3) {
    const [a, b] = [high - golden * (high - low), low + golden * (high - low)];
    if (lossAt(a) < lossAt(b)) high = b;
    else low = a;
  }
  return Math.exp((low + high) / 2);
}

/** Probabilities (N, C) at a temperature: p^(1/T), normalised. */
export function scaled(probabilities: Float32Array, classes: number, temperature: number): Float32Array {
  const result = new Float32Array(probabilities.length);
  for (let i = 0; i < result.length; i += classes) {
    let sum = 0;
    for (let c = i; c < i + classes; c++) sum += result[c] = probabilities[c] ** (1 / temperature);
    for (let c = i; c < i + classes; c++) result[c] /= sum;
  }
  return result;
}
