/** Steps of a training that a GPU makes one after another while the program goes on: what they find is read later. */
import { noGrad } from "../../ffi/autograd.ts";
import { div, maximum, mul, reshape, sqrt, square, stack, sub, sum, to } from "../../ffi/ops.ts";
import { Tensor, unscoped } from "../../ffi/tensor.ts";
import { type Batch, role } from "../data/batch.ts";
import type { ReconstructionSums } from "../evaluate/metrics.ts";
import { Deferred, type DeferredOptions, type Part } from "../model/deferred.ts";
import type { AstromerNetwork } from "../model/network.ts";
import type { Ranks } from "../ranks.ts";
import type { Adam } from "./adam.ts";

/** What a step has found. */
export interface StepOutcome {
  /** Of the whole batch, before the update, mag. */
  loss: number;
  /** The gradient's global norm before clipping; undefined when it is not clipped. */
  gradientNorm?: number;
  /** Of the predictions before the update, over this rank's windows. */
  sums: ReconstructionSums;
}

/** What is uploaded of a batch's points, beside {@link Batch} for the metrics: 1 / n and 1 at each of n probed points. */
type Uploaded = "magnitudes" | "times" | "hidden" | "targets" | "coefficients" | "means" | "probed";
/** And of a step: its rate, this rank's share of the batch, its windows. */
type Head = "rate" | "share" | "count";

/** Gives steps of one training to a device. */
export class DeferredSteps implements Disposable {
  readonly #model: AstromerNetwork;
  readonly #adam: Adam;
  readonly #ranks: Ranks;
  readonly #deferred: Deferred;
  readonly #tiny: Tensor;

  constructor(model: AstromerNetwork, adam: Adam, ranks: Ranks, options: DeferredOptions = {}) {
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
  begin(part: Batch | undefined, size: number, learningRate: number): () => StepOutcome {
    const windows = part?.windows.length ?? 0,
      scalar = (value: number): Part => ({ shape: [], values: [value] });
    const head = {
      rate: scalar(this.#adam.nextRate(learningRate)),
      share: scalar(windows / size),
      count: scalar(windows),
    };
    const { parts, total } = part ? uploadOf(part) : { parts: undefined, total: 0 };
    const read = part && parts
      ? this.#deferred.begin(
        [windows, part.length, part.keys, part.queriesFrom, part.keysAreVisible].join(),
        { ...head, ...parts },
        (tensors) => this.#step(part, tensors),
      )
      : this.#deferred.begin("nothing", head, (tensors) => this.#emptyStep(tensors));
    return () => {
      const [loss, gradientNorm, weighted, meanSquares, residual] = read();
      const sums = { windows, meanSquares, weighted, residual, total };
      return { loss, sums, ...(this.#adam.clips ? { gradientNorm } : {}) };
    };
  }

  /** All of a step on what was uploaded: (5,) of what it finds. */
  #step(
    { keys, keysAreVisible, queriesFrom }: Pick<Batch, "keys" | "keysAreVisible" | "queriesFrom">,
    { magnitudes, times, hidden, targets, coefficients, means, probed, rate, share, count }: Record<
      Uploaded | Head,
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
      return numbers(loss, norm ?? this.#tiny, mul(total(coefficients), count), total(means), total(probed));
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
    return noGrad(() => numbers(loss, norm ?? this.#tiny, share, share, share));
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

/** A batch as it is uploaded, and the sum of all squared differences of targets from their window's mean. */
function uploadOf(
  { windows, length, queriesFrom, magnitudes, times, hidden, targets, coefficients, roles }: Batch,
): { parts: Record<Uploaded, Part>; total: number } {
  const size = windows.length, read = length - queriesFrom;
  const means = new Float32Array(size * read), probed = new Float32Array(size * read);
  let total = 0;
  for (let b = 0; b < size; b++) {
    let n = 0, sum = 0, squares = 0;
    for (let i = b * read; i < (b + 1) * read; i++) {
      if (roles[i] === role.none) continue;
      probed[i] = 1;
      n++;
      sum += targets[i];
      squares += targets[i] ** 2;
    }
    total += squares - sum * sum / n;
    for (let i = b * read; i < (b + 1) * read; i++) means[i] = probed[i] / n;
  }
  const all = [size, length, 1], some = [size, read, 1];
  return {
    parts: {
      magnitudes: { shape: all, values: magnitudes },
      times: { shape: all, values: times },
      hidden: { shape: all, values: hidden },
      targets: { shape: some, values: targets },
      coefficients: { shape: some, values: coefficients },
      means: { shape: some, values: means },
      probed: { shape: some, values: probed },
    },
    total,
  };
}
