/** Steps of a classifier's training, of which a GPU has several under way. */
import { backward, noGrad } from "../../ffi/autograd.ts";
import { crossEntropyLoss, mul, reshape, to } from "../../ffi/ops.ts";
import { scope, type Tensor } from "../../ffi/tensor.ts";
import { Deferred, type Part, uploaded } from "../model/deferred.ts";
import type { InferenceOptions } from "../model/deferred_inference.ts";
import type { Adam } from "../train/adam.ts";
import type { Head } from "./head.ts";

/** What is learned, with its optimizer and learning rate. */
export interface Learner {
  parameters: Head["parameters"];
  adam: Adam;
  learningRate: number;
}

/** Where the vectors of a step come from. */
export interface VectorSource<Name extends string> {
  /** Distinguishes it from sources of other shapes. */
  key: string;
  parts: Record<Name, Part>;
  /** (N, V, d), from what was uploaded. */
  vectors: (parts: Record<Name, Tensor>) => Tensor;
}

/** The cross-entropy of N light curves, with the classes' weights if there are any. */
export function crossEntropyOf(
  logits: Tensor,
  { labels, share }: Record<"labels" | "share", Tensor>,
  weights: Tensor | null,
): Tensor {
  const truth = to(labels, "int64");
  if (!weights) return crossEntropyLoss(logits, truth);
  // The mean over the batch, not over its weights: in small batches of one class these would cancel.
  return mul(crossEntropyLoss(logits, truth, weights, 2), share);
}

/** What is uploaded of N light curves beside their vectors: their classes, and 1 / N. */
export function labelParts(labels: readonly number[]) {
  return {
    labels: { shape: [labels.length], values: labels },
    share: { shape: [], values: [1 / labels.length] },
  } satisfies Record<string, Part>;
}

/** What a head should lower: a number, of its outputs (N, C) and of what was uploaded of the light curves. */
export type LossOf = (outputs: Tensor, parts: Record<string, Tensor>) => Tensor;

/** The loss of a classifier, whose parts are {@link labelParts}. */
export function classLoss(weights: Tensor | null): LossOf {
  return (logits, parts) => crossEntropyOf(logits, parts as Record<"labels" | "share", Tensor>, weights);
}

/** Makes steps. */
export class HeadSteps implements Disposable {
  /** Steps that are best begun before the first of them is read. */
  readonly ahead: number;
  readonly #head: Head;
  readonly #learners: readonly Learner[];
  readonly #lossOf: LossOf;
  readonly #deferred: Deferred | undefined;

  /**
   * @param learners the head, and the encoder where it learns, too
   * @param lossOf what is lowered
   * @param options default: on the CPU each step is done at once
   */
  constructor(
    head: Head,
    learners: readonly Learner[],
    lossOf: LossOf,
    options: InferenceOptions = {},
  ) {
    const { device } = head.parameters.master, { ahead = device === "cpu" ? 0 : 8, ...how } = options;
    this.ahead = ahead;
    this.#head = head;
    this.#learners = learners;
    this.#lossOf = lossOf;
    this.#deferred = ahead > 0 ? new Deferred(device, how) : undefined;
  }

  /**
   * Begins a step. A loss that is not a number leaves all parameters as they are.
   * @param count N, light curves
   * @param truth what the loss reads of N light curves, such as {@link labelParts}
   * @returns what waits for it and gives its loss: to be called once, in order, before the next is begun
   * @throws {TorchError} when the device's memory is not enough
   */
  begin<Name extends string>(
    count: number,
    truth: Record<string, Part>,
    source: VectorSource<Name>,
  ): () => number {
    const given: Record<string, Part> = { ...source.parts, ...truth };
    const lossOf = (tensors: Record<string, Tensor>) =>
      this.#lossOf(this.#head.forward(source.vectors(tensors as Record<Name, Tensor>)), tensors);
    const differentiate = (loss: Tensor) => {
      for (const { parameters } of this.#learners) parameters.zeroGradient();
      backward(loss);
    };
    if (!this.#deferred) {
      const found = scope(() => {
        const loss = lossOf(uploaded(given, this.#head.parameters.master.device)), value = loss.item();
        if (!Number.isFinite(value)) return value;
        differentiate(loss);
        for (const { adam, learningRate } of this.#learners) adam.update(learningRate);
        return value;
      });
      return () => found;
    }
    const rates = this.#learners.map(({ adam, learningRate }) => adam.nextRate(learningRate));
    const read = this.#deferred.begin(
      `${count},${source.key}`,
      { ...given, rates: { shape: [rates.length, 1], values: rates } },
      (tensors) => {
        const loss = lossOf(tensors);
        differentiate(loss);
        for (const [i, { adam }] of this.#learners.entries()) {
          const rate = noGrad(() => tensors.rates.viewAt([], i));
          adam.updateUnread(rate, loss);
        }
        return noGrad(() => reshape(loss, [1]));
      },
    );
    return () => read()[0];
  }

  /** Waits for the device, and frees what steps were given in. */
  [Symbol.dispose](): void {
    this.#deferred?.[Symbol.dispose]();
  }
}
