/** Fitting a classifier: its head is trained, its neighbors are chosen, or its forest is grown. */
import type { Tensor } from "../../ffi/tensor.ts";
import { InputError } from "../common/errors.ts";
import { classScores } from "./conformal.ts";
import { type ClassifierKind, hasGradients, neighborChoices } from "./fitted.ts";
import { FittedClassifier, type LabelledReference } from "./fitted_classifier.ts";
import { type Forest, growForest } from "./forest.ts";
import { Head, type Standardization } from "./head.ts";
import { neighborVotes } from "./neighbor_votes.ts";
import { distinctSamples, pointsOf, spacingOf, standardizationOf } from "./points.ts";
import {
  crossEntropy,
  type HeadTraining,
  type OnEpoch,
  probabilitiesOf,
  type Sample,
  scaled,
  scored,
  temperatureOf,
  trainHead,
} from "./train_head.ts";

/** How a fit went. */
export interface Fit {
  classifier: FittedClassifier;
  epochs: number;
  /** Cross-entropy of the validation by scaled probabilities, nat: light curves alike, whatever the balance. */
  validationLoss: number;
}

/** Light curves to train on, and those that stop the training and scale its probabilities. */
export interface Samples {
  train: readonly Sample[];
  validation: readonly Sample[];
}

/**
 * Refuses what cannot be learned.
 * @throws {InputError} unless there are two classes, each with light curves to train on, and some to validate with
 */
export function checkSamples(classes: readonly string[], { train, validation }: Samples): void {
  if (classes.length < 2) {
    throw new InputError(`a classifier needs two classes, not ${classes.join() || "none"}`);
  }
  const empty = classes.filter((_, of) => !train.some(({ label }) => label === of));
  if (empty.length) {
    throw new InputError(`there is no light curve to train on for the classes ${empty.join(", ")}`);
  }
  if (validation.length === 0) {
    throw new InputError("there is no light curve to validate with: at least one class needs two objects");
  }
}

/**
 * Fits a classifier.
 * @param vectors (rows, V, d) float32
 * @throws {InputError} as {@link checkSamples}
 */
export async function fitClassifier(
  vectors: Tensor,
  samples: Samples,
  classes: readonly string[],
  kind: ClassifierKind,
  training: HeadTraining,
  onEpoch?: OnEpoch,
): Promise<Fit> {
  checkSamples(classes, samples);
  const standardization = standardizationOf(vectors, samples.train);
  if (!hasGradients(kind)) {
    return await finishFit(vectors, samples, classes, standardization, kind, 0, training);
  }
  const [, count, width] = vectors.shape;
  using owned = new DisposableStack();
  const shape = { kind, vectors: count, width, classes: classes.length };
  const head = owned.use(
    new Head(shape, { device: vectors.device, seed: training.seed, standardization }),
  );
  const { epochs } = await trainHead(head, vectors, samples, training, onEpoch);
  const fit = await finishFit(vectors, samples, classes, standardization, head, epochs, training);
  owned.move(); // to the classifier
  return fit;
}

/** What a head, a forest or neighbors say of light curves that they were not trained on. */
interface Judged {
  head: Head | Forest | null;
  neighbors: number;
  /** (n, C) probabilities, not yet scaled. */
  plain: Float32Array;
  judged: readonly Sample[];
}

/**
 * What a classifier has beside its head, if it has one: training light curves, neighbors, temperature.
 * @param head that was trained, or what needs no training by gradients and is fitted here
 */
export async function finishFit(
  vectors: Tensor,
  samples: Samples,
  classes: readonly string[],
  standardization: Standardization,
  head: Head | "knn" | "forest",
  epochs: number,
  { seed }: Pick<HeadTraining, "seed">,
): Promise<Fit> {
  const { train, validation } = samples, [, count, width] = vectors.shape;
  const seen = head === "forest" ? [...train, ...validation] : train;
  const points = pointsOf(vectors, seen, standardization);
  const labels = Int32Array.from(seen, ({ label }) => label);
  const reference = { points, labels, spacing: await spacingOf(points, width) };
  const found: Judged = head === "forest"
    ? await grownForest(vectors, seen, classes.length, standardization, seed)
    : head === "knn"
    ? await chosenNeighbors(reference, pointsOf(vectors, validation, standardization), samples, classes)
    : { head, neighbors: 0, plain: probabilitiesOf(head, vectors, validation), judged: validation };
  const { plain, judged } = found;
  const temperature = temperatureOf(plain, judged, classes.length);
  const probabilities = scaled(plain, classes.length, temperature);
  // An object that small classes repeat calibrates once.
  const once = new Map(judged.map(({ rows }, i) => [rows.join(), i]));
  const scores = classScores(probabilities, judged.map(({ label }) => label), classes.length);
  const calibration = Float32Array.from(once.values(), (i) => scores[i]);
  return {
    classifier: new FittedClassifier(classes, temperature, calibration, {
      kind: head instanceof Head ? head.shape.kind : head,
      shape: { vectors: count, width },
      standardization,
      reference,
      head: found.head,
      neighbors: found.neighbors,
    }),
    epochs,
    validationLoss: crossEntropy(probabilities, judged, classes.length),
  };
}

/** A forest is judged by its trees that have not seen a light curve: it needs none set apart. */
async function grownForest(
  vectors: Tensor,
  seen: readonly Sample[],
  classes: number,
  standardization: Standardization,
  seed: number,
): Promise<Judged> {
  const { members, counts } = distinctSamples(seen);
  const { forest, outOfBag } = await growForest({
    points: pointsOf(vectors, members, standardization, "all"),
    labels: Int32Array.from(members, ({ label }) => label),
    counts,
    classes,
  }, { seed });
  return { head: forest, neighbors: 0, plain: outOfBag, judged: members };
}

/** As many neighbors as tell the classes of the validation best. */
async function chosenNeighbors(
  { points, labels }: LabelledReference,
  queries: Float32Array<ArrayBuffer>,
  { train, validation }: Samples,
  classes: readonly string[],
): Promise<Judged> {
  const width = points.length / labels.length;
  let best = -1, neighbors = 0, plain: Float32Array = new Float32Array();
  for (const k of neighborChoices.filter((k) => k <= train.length)) {
    const found = await neighborVotes(queries, points, labels, width, k, classes.length);
    const { f1 } = scored(found, validation, classes).scores;
    if (f1 > best) [best, neighbors, plain] = [f1, k, found];
  }
  return { head: null, neighbors, plain, judged: validation };
}
