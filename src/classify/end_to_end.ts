/** Training head and encoder together: the frozen protocol's opposite, with the same heads and the same judgement. */
import { manualSeed } from "../../ffi/random.ts";
import { Tensor, unscoped } from "../../ffi/tensor.ts";
import { fillShown } from "../data/batch.ts";
import type { Dataset } from "../data/dataset.ts";
import { noMasking } from "../data/masking.ts";
import type { Window } from "../data/windows.ts";
import { besideOf, pooled } from "../embed/pooling.ts";
import { eachEmbeddedWindow } from "../embed/stream.ts";
import { Failure } from "../common/errors.ts";
import { UnderWay } from "../model/deferred.ts";
import { inputOf, partsOf, shapeKey } from "../model/deferred_inference.ts";
import type { AstromerNetwork } from "../model/network.ts";
import { seeded } from "../common/random.ts";
import { letSignalsIn } from "../machine/signals.ts";
import { Adam } from "../train/adam.ts";
import { checkSamples, finishFit, type Fit } from "./fit_classifier.ts";
import { Head, type HeadKind } from "./head.ts";
import { classLoss, HeadSteps, labelParts } from "./head_steps.ts";
import { standardizationOf } from "./points.ts";
import {
  classWeights,
  crossEntropy,
  epochOf,
  type HeadTraining,
  type OnEpoch,
  probabilitiesOf,
  type Sample,
} from "./train_head.ts";
import { shapeOf } from "./vectors.ts";

/** Settings beside those of the head. */
export interface EndToEndTraining extends HeadTraining {
  encoderLearningRate: number;
  windowSize: number;
  /** Windows of the encoder's forward passes without gradients. */
  encoderBatchSize: number;
}

/**
 * Fits a classifier whose encoder learns, too; leaves both as they were in their best epoch.
 * @param windows all windows, to which the samples' rows refer
 * @throws {InputError} as `checkSamples`
 * @throws {Failure} when the loss is not a number
 */
export async function fitEndToEnd(
  network: AstromerNetwork,
  dataset: Dataset,
  windows: readonly Window[],
  samples: { train: readonly Sample[]; validation: readonly Sample[] },
  classes: readonly string[],
  kind: HeadKind,
  training: EndToEndTraining,
  onEpoch: OnEpoch = () => {},
): Promise<Fit> {
  checkSamples(classes, samples);
  const { train, validation } = samples,
    { learningRate, encoderLearningRate, balance, seed, windowSize } = training;
  const { device } = network, [count, width] = shapeOf(network);
  const judged = new Set(validation.flatMap(({ rows }) => rows));
  const before = await vectorsOfRows(
    network,
    dataset,
    windows,
    new Set(train.flatMap(({ rows }) => rows)),
    training,
  );
  const standardization = standardizationOf(before, train);
  before.dispose();
  using owned = new DisposableStack();
  const shape = { kind, vectors: count, width, classes: classes.length };
  const head = owned.use(new Head(shape, { device, seed, standardization }));
  using headAdam = new Adam(head.parameters, { beta2: 0.999, epsilon: 1e-7 });
  using weights = classWeights(train, classes.length, balance, device);
  using encoderAdam = new Adam(network.parameters, { clipNorm: 1 });
  using steps = new HeadSteps(
    head,
    [
      { parameters: network.parameters, adam: encoderAdam, learningRate: encoderLearningRate },
      { parameters: head.parameters, adam: headAdam, learningRate },
    ],
    classLoss(weights),
    training.deferred,
  );
  const underWay = new UnderWay<() => void>(steps.ahead);
  const paddedTo = network.seesPadding ? windowSize : undefined;
  let best = { head: head.parameters.stateDict(), encoder: network.parameters.stateDict() };
  let bestLoss = Infinity, bestEpoch = 0, epoch = 0;
  while (epoch < training.epochs && epoch - bestEpoch < training.patience) {
    epoch++;
    const random = seeded(seed, 0xe2e0, epoch), drawn = epochOf(train, classes.length, balance, random);
    let sum = 0;
    const taken = (size: number, loss: number) => {
      if (!Number.isFinite(loss)) {
        throw new Failure(
          `the classifier's loss became ${loss} in epoch ${epoch}: try a lower --encoder-learning-rate`,
        );
      }
      sum += size * loss;
    };
    for (let i = 0; i < drawn.length; i += training.batchSize) {
      const some = drawn.slice(i, i + training.batchSize);
      const chosen = some.map(({ rows }) => windows[rows[random.integer(rows.length)]]);
      const batch = fillShown(dataset, chosen, { masking: noMasking, key: [], paddedTo });
      // Dropout: a function of seed and step.
      manualSeed(seeded(seed, 0xd20b, headAdam.steps + 1).integer(2 ** 31));
      const read = steps.begin(some.length, labelParts(some.map(({ label }) => label)), {
        key: shapeKey(batch),
        parts: { ...partsOf(batch), ...besideOf(batch) },
        vectors: (parts) => pooled(network, inputOf(batch, parts), parts, "features", { training: true }),
      });
      underWay.add(() => taken(some.length, read()));
      for (const take of underWay.due()) take();
      await letSignalsIn();
    }
    for (const take of underWay.due(0)) take();
    using vectors = await vectorsOfRows(network, dataset, windows, judged, training);
    const probabilities = probabilitiesOf(head, vectors, validation);
    const validated = crossEntropy(probabilities, validation, classes.length, balance);
    onEpoch(epoch, sum / drawn.length, validated);
    if (validated < bestLoss) {
      [bestLoss, bestEpoch] = [validated, epoch];
      best = { head: head.parameters.stateDict(), encoder: network.parameters.stateDict() };
    }
  }
  head.parameters.loadStateDict(best.head);
  network.parameters.loadStateDict(best.encoder);
  const rows = new Set([...judged, ...train.flatMap(({ rows }) => rows)]);
  using vectors = await vectorsOfRows(network, dataset, windows, rows, training);
  const fit = await finishFit(vectors, samples, classes, standardization, head, epoch, training);
  owned.move(); // to the classifier
  return fit;
}

/** The vectors of some rows, at their places; the others are zeros. */
export async function vectorsOfRows(
  network: AstromerNetwork,
  dataset: Dataset,
  windows: readonly Window[],
  rows: ReadonlySet<number>,
  { windowSize, encoderBatchSize: batchSize }: Pick<EndToEndTraining, "windowSize" | "encoderBatchSize">,
): Promise<Tensor> {
  const shape = shapeOf(network), size = shape[0] * shape[1];
  const table = new Float32Array(windows.length * size), order = [...rows];
  const options = { pooling: "features", windowSize, batchSize } as const;
  let done = 0;
  for await (
    const { embedding } of eachEmbeddedWindow(
      network,
      dataset,
      order.map((row) => windows[row]),
      options,
    )
  ) {
    table.set(embedding, order[done++] * size);
  }
  return unscoped(() => Tensor.from(table, [windows.length, ...shape], { device: network.device }));
}
