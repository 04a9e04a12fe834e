/** Steps of a training that a GPU makes one after another while the program goes on: what they find is read later. */
import { noGrad } from "../../ffi/autograd.ts";
import { div, maximum, mul, reshape, sqrt, square, stack, sub, sum, to } from "../../ffi/ops.ts";
import { Tensor, unscoped } from "../../ffi/tensor.ts";
import { type Batch, type BatchLayout, probedOf } from "../data/batch.ts";
import type { ReconstructionSums } from "../evaluate/metrics.ts";
import { Deferred, type DeferredOptions, type Part } from "../model/deferred.ts";
import { shapeKey } from "../model/deferred_inference.ts";
import type { AstromerNetwork } from "../model/network.ts";
import type { Ranks } from "../machine/ranks.ts";
import type { Adam } from "./adam.ts";
import type { DeviceObservations } from "./device_observations.ts";

/** What a step has found. */
export interface StepOutcome {
  /** Of the whole batch, before the update, mag. */
  loss: number;
  /** The gradient's global norm before clipping; undefined when it is not clipped. */
  gradientNorm?: number;
  /** Of the predictions before the update, over this rank's windows. */
  sums: ReconstructionSums;
}

/** What a step reads of its batch: as {@link Batch}, with 1 at probed points, and how many a window has (B, 1, 1). */
type Read = "magnitudes" | "times" | "hidden" | "targets" | "coefficients" | "probed" | "counts";
/** And of itself: its rate, this rank's share of the batch, its windows. */
type Head = "rate" | "share" | "count";

/** Gives steps of one training to a device. */
export class DeferredSteps implements Disposable {
  readonly #model: AstromerNetwork;
  readonly #adam: Adam;
  readonly #ranks: Ranks;
  readonly #deferred: Deferred;
  readonly #tiny: Tensor;
  readonly #observations: DeviceObservations | undefined;

  /** @param options `observations`: on the model's device; batches are then gathered there, and laid out alone here */
  constructor(
    model: AstromerNetwork,
    adam: Adam,
    ranks: Ranks,
    { observations, ...options }: DeferredOptions & { observations?: DeviceObservations } = {},
  ) {
    this.#observations = observations;
    this.#model = model;
    this.#adam = adam;
    this.#ranks = ranks;
    // Sums over several GPUs stay outside of graphs: whether a batch's shape is a new one may differ from rank to rank.
    this.#deferred = new Deferred(model.device, ranks.size > 1 ? { ...options, record: null } : options);
    this.#tiny = unscoped(() => Tensor.scalar(1e-30, { device: model.device }));
  }

  /** Batch shapes whose steps are launched as graphs. */
  get graphs(): number {
    return this.#deferred.graphs;
  }

  /**
   * Gives the device a step on a batch of which this rank has a part.
   * @param part undefined where the batch has fewer windows than there are ranks
   * @param size windows of the whole batch
   * @returns what reads its outcome, and waits for it: to be called once, in the order of the steps
   * @throws {TorchError} when the device's memory is not enough
   */
  begin(part: Batch | BatchLayout | undefined, size: number, learningRate: number): () => StepOutcome {
    const windows = part?.windows.length ?? 0,
      scalar = (value: number): Part => ({ shape: [], values: [value] });
    const head = {
      rate: scalar(this.#adam.nextRate(learningRate)),
      share: scalar(windows / size),
      count: scalar(windows),
    };
    const read = this.#begin(part, head);
    return () => {
      const [loss, gradientNorm, weighted, meanSquares, residual, total] = read();
      const sums = { windows, meanSquares, weighted, residual, total };
      return { loss, sums, ...(this.#adam.clips ? { gradientNorm } : {}) };
    };
  }

  #begin(part: Batch | BatchLayout | undefined, head: Record<Head, Part>) {
    if (!part) return this.#deferred.begin("nothing", head, (tensors) => this.#emptyStep(tensors));
    const observations = this.#observations;
    const key = shapeKey(part);
    if (!observations) {
      const parts = { ...head, ...uploadOf(part as Batch) };
      return this.#deferred.begin(key, parts, (tensors) => this.#step(part, tensors));
    }
    return this.#deferred.begin(
      key,
      { ...head, ...observations.partsOf(part) },
      (tensors) => this.#step(part, { ...tensors, ...noGrad(() => observations.gather(part, tensors)) }),
    );
  }

  /** All of a step on what was uploaded: (6,) of what it finds. */
  #step(
    { keys, keysAreVisible, queriesFrom }: Pick<Batch, "keys" | "keysAreVisible" | "queriesFrom">,
    { magnitudes, times, hidden, targets, coefficients, probed, counts, rate, share, count }: Record<
      Read | Head,
      Tensor
    >,
  ): Tensor {
    const input = { magnitudes, times, hidden: to(hidden, "bool"), keys, keysAreVisible, queriesFrom };
    const shared = this.#ranks.size > 1;
    const pass = this.#model.trainingPass(input, targets, coefficients, { inParts: shared });
    let loss = pass.loss;
    if (shared) {
      // As `sharedStep`: L^2 = sum_r (B_r / B) L_r^2, and the gradient of this part is (B_r / B) (L_r / L) of its loss's.
      const squared = noGrad(() => mul(square(pass.loss), share));
      this.#ranks.sumTensor(squared);
      loss = noGrad(() => sqrt(squared));
      const scale = noGrad(() => div(mul(share, pass.loss), maximum(loss, this.#tiny)));
      pass.backward(scale, (from, to) => this.#sumPart(from, to));
      this.#ranks.partsSummed();
    } else pass.backward();
    const norm = this.#adam.updateUnread(rate, loss, shared);
    return noGrad(() => {
      const squared = square(sub(pass.reconstruction, targets));
      const total = (weights: Tensor) => sum(mul(squared, weights), null);
      // Of the targets' differences from their window's mean.
      const values = to(mul(targets, probed), "float64"), sums = sum(values, [1], true);
      const spread = sub(sum(square(values), null), sum(div(square(sums), counts), null));
      return numbers(
        ...[loss, norm ?? this.#tiny, mul(total(coefficients), count)],
        ...[total(div(probed, counts)), total(probed), to(spread, "float32")],
      );
    });
  }

  /** Sums a part of the gradient over the ranks, beside the rest of the backward pass. */
  #sumPart(from: number, to: number): void {
    this.#model.parameters.gatherGradient(from, to);
    this.#ranks.sumPart(this.#model.parameters.gradient, from, to);
  }

  /** What a rank does that has no part of a batch. */
  #emptyStep({ rate, share }: Record<Head, Tensor>): Tensor {
    const squared = noGrad(() => mul(share, share)); // 0
    this.#ranks.sumTensor(squared);
    const { parameters } = this.#model;
    parameters.zeroGradient();
    for (const [from, to] of this.#model.gradientParts) this.#sumPart(from, to);
    this.#ranks.partsSummed();
    const loss = noGrad(() => sqrt(squared)), norm = this.#adam.updateUnread(rate, loss, true);
    return noGrad(() => numbers(loss, norm ?? this.#tiny, share, share, share, share));
  }

  /** Frees what steps were given in; all that was begun is to be read before. */
  [Symbol.dispose](): void {
    this.#deferred[Symbol.dispose]();
    this.#tiny.dispose();
  }
}

function numbers(...scalars: Tensor[]): Tensor {
  return stack(scalars.map((scalar) => reshape(scalar, [])), 0);
}

/** A batch as it is uploaded. */
function uploadOf(
  { windows, length, queriesFrom, magnitudes, times, hidden, targets, coefficients, roles, probed }: Batch,
): Record<Read, Part> {
  const size = windows.length, all = [size, length, 1], some = [size, length - queriesFrom, 1];
  return {
    magnitudes: { shape: all, values: magnitudes },
    times: { shape: all, values: times },
    hidden: { shape: all, values: hidden },
    targets: { shape: some, values: targets },
    coefficients: { shape: some, values: coefficients },
    probed: { shape: some, values: probedOf(roles) },
    counts: { shape: [size, 1, 1], values: probed },
  };
}
