/** Adam (Kingma and Ba 2015) as Keras has it, for the whole flat buffer in one call. */
import { noGrad } from "../../ffi/autograd.ts";
import {
  add,
  div,
  dot,
  fusedAdam_,
  fusedAdamByTensor_,
  isfinite,
  maximum,
  sqrt,
  where,
} from "../../ffi/ops.ts";
import { Tensor, unscoped } from "../../ffi/tensor.ts";
import type { Parameters } from "../model/parameters.ts";
import { oneRank, type Ranks } from "../machine/ranks.ts";

/** Decay rates and epsilon of the paper's optimizer. */
export interface AdamOptions {
  beta1?: number;
  beta2?: number;
  epsilon?: number;
  /** Largest global norm of the gradient; larger ones are scaled down to it. Default: no limit. */
  clipNorm?: number;
}

/** Adam over the parameters of a model. */
export class Adam implements Disposable {
  /** (P,) first and second moments. */
  readonly moments: readonly [Tensor, Tensor];
  readonly #parameters: Parameters;
  readonly #options: Required<AdamOptions>;
  readonly #step: Tensor;
  readonly #scale: Tensor;
  #steps = 0;

  constructor(
    parameters: Parameters,
    { beta1 = 0.9, beta2 = 0.98, epsilon = 1e-9, clipNorm = Infinity }: AdamOptions = {},
  ) {
    this.#parameters = parameters;
    this.#options = { beta1, beta2, epsilon, clipNorm };
    const { device } = parameters.master, size = parameters.size;
    [this.moments, this.#step, this.#scale] = unscoped(() => [
      [Tensor.zeros([size], { device }), Tensor.zeros([size], { device })] as const,
      Tensor.scalar(0, { device }),
      Tensor.scalar(1, { device }),
    ]);
  }

  /** Whether large gradients are scaled down, for which their norm is computed. */
  get clips(): boolean {
    return this.#options.clipNorm < Infinity;
  }

  /** Updates made so far. */
  get steps(): number {
    return this.#steps;
  }

  /**
   * Updates the parameters from their gradient, summed over the ranks.
   * @returns the gradient's global norm before clipping; undefined when nothing is clipped (it is not computed then). A
   * norm that is not finite leaves the parameters as they are
   */
  update(learningRate: number, ranks: Ranks = oneRank): number | undefined {
    const { master, gradient } = this.#parameters;
    const { beta1, beta2, epsilon, clipNorm } = this.#options;
    this.#parameters.gatherGradient();
    ranks.sumTensor(gradient);
    return noGrad(() => {
      let norm: number | undefined;
      if (clipNorm < Infinity) {
        using squared = dot(gradient, gradient);
        norm = Math.sqrt(squared.item());
        if (!Number.isFinite(norm)) return norm;
        using scale = Tensor.scalar(Math.max(1, norm / clipNorm));
        this.#scale.copyFrom(scale);
      }
      this.#steps++;
      using step = Tensor.scalar(this.#steps);
      this.#step.copyFrom(step);
      // Keras adds epsilon to the second moment's root before its bias is corrected, PyTorch after.
      const eps = epsilon / Math.sqrt(1 - beta2 ** this.#steps);
      const [first, second] = this.moments;
      fusedAdam_([master], [gradient], [first], [second], [], [this.#step], {
        lr: learningRate,
        beta1,
        beta2,
        weight_decay: 0,
        eps,
        amsgrad: false,
        maximize: false,
        // Gradients are divided by it in the same pass.
        grad_scale: clipNorm < Infinity ? this.#scale : null,
      });
      this.#parameters.refresh();
      return norm;
    });
  }

  /**
   * Counts a step that {@link updateUnread} makes, now or when a graph is launched.
   * @returns the rate to give it: with the corrections of both moments' bias inside, since they change with the step
   */
  nextRate(learningRate: number): number {
    this.#steps++;
    const { beta1, beta2 } = this.#options;
    return learningRate * Math.sqrt(1 - beta2 ** this.#steps) / (1 - beta1 ** this.#steps);
  }

  /**
   * The same update as {@link update}'s but for rounding, of which nothing is read back: all that changes from step to step
   * is in tensors. Where the loss or the norm is not finite the parameters stay as they are.
   * @param rate 0-dimensional: see {@link nextRate}
   * @param loss 0-dimensional
   * @param gathered whether the gradient is in float32 and summed over the ranks already
   * @returns the gradient's global norm before clipping, 0-dimensional; null when nothing is clipped
   */
  updateUnread(rate: Tensor, loss: Tensor, gathered = false): Tensor | null {
    const { master, gradient } = this.#parameters;
    const { beta1, beta2, epsilon, clipNorm } = this.#options,
      { zero, one, limit, manySteps } = this.#constants();
    if (!gathered) this.#parameters.gatherGradient();
    return noGrad(() => {
      const norm = clipNorm < Infinity ? sqrt(dot(gradient, gradient)) : null;
      const finite = isfinite(norm ? add(loss, norm) : loss), [first, second] = this.moments;
      fusedAdamByTensor_([master], [gradient], [first], [second], [], [manySteps], {
        lr: rate,
        beta1,
        beta2,
        weight_decay: 0,
        eps: epsilon,
        amsgrad: false,
        maximize: false,
        grad_scale: norm && maximum(div(norm, limit), one),
        found_inf: where(finite, zero, one),
      });
      this.#parameters.refresh();
      return norm;
    });
  }

  #kept: Record<"zero" | "one" | "limit" | "manySteps", Tensor> | undefined;
  #constants() {
    return this.#kept ??= unscoped(() => {
      const { device } = this.#parameters.master,
        scalar = (value: number) => Tensor.scalar(value, { device });
      const { clipNorm } = this.#options;
      // After so many steps libtorch finds no bias left to correct.
      return { zero: scalar(0), one: scalar(1), limit: scalar(clipNorm), manySteps: scalar(2 ** 24) };
    });
  }

  /** Goes on after so many steps, with the (P,) moments of then. */
  restore(steps: number, moments: readonly [Float32Array<ArrayBuffer>, Float32Array<ArrayBuffer>]): void {
    for (const [i, values] of moments.entries()) {
      using source = Tensor.from(values);
      this.moments[i].copyFrom(source);
    }
    this.goOnAfter(steps);
  }

  /** Goes on after so many steps, with the moments as they are. */
  goOnAfter(steps: number): void {
    this.#steps = steps;
  }

  /** Frees the moments. */
  [Symbol.dispose](): void {
    const constants = Object.values(this.#kept ?? {});
    for (const tensor of [...this.moments, this.#step, this.#scale, ...constants]) tensor.dispose();
  }
}
