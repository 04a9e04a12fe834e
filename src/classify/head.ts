/** Heads of a classifier: from the pooled vectors of a window to the logits of its classes. */
import type { Device } from "../../ffi/device.ts";
import { layerNorm, linear, matmul, mul, narrow, relu, reshape, softmax, sub, view } from "../../ffi/ops.ts";
import { Tensor, unscoped } from "../../ffi/tensor.ts";
import { glorot } from "../model/initialization.ts";
import {
  linearGroup,
  type LinearParameters,
  normSpec,
  Parameters,
  type ParameterSpec,
  type StateDict,
  zeros,
} from "../model/parameters.ts";

/**
 * What a head reads of a window's vectors.
 *
 * - `gamma`: the means of input embedding and every block, weighted by trainable gammas (section 5.4 of the paper).
 * - `mean`: the last block's mean (Astromer 1). `max`: the last block's maximum. `mean-max`: both, end to end.
 * - `all`: the means of input embedding and every block, end to end.
 * - `linear`: the last block's mean, and no hidden layer: a linear probe.
 */
export const headKinds = ["gamma", "mean", "max", "mean-max", "all", "linear"] as const;
export type HeadKind = typeof headKinds[number];

/** Sizes of a head. */
export interface HeadShape {
  kind: HeadKind;
  /** Vectors of a window: pooled means of input embedding and blocks, then the last block's maximum. */
  vectors: number;
  /** Length d of a vector. */
  width: number;
  classes: number;
}

/** Widths of the hidden layers, all ReLU. */
export const hiddenSizes = [1024, 512, 256] as const;

/** Epsilon of the normalisation before the last layer: Keras' default, which the reference left. */
export const normEpsilon = 1e-3;

/** The parameters of a head. */
export function headSpecs({ kind, vectors, width, classes }: HeadShape): ParameterSpec[] {
  const layer = (name: string, input: number, output: number) =>
    linearGroup({ name, input, output, weight: glorot(input, output), bias: zeros });
  const layers = vectors - 1;
  const input = (kind === "all" ? layers : kind === "mean-max" ? 2 : 1) * width;
  if (kind === "linear") return layer("output", input, classes);
  const sizes = [input, ...hiddenSizes];
  return [
    ...kind === "gamma"
      ? [{
        name: "gamma",
        shape: [layers],
        initialise: (values: Float32Array) => void values.fill(1 / layers),
      }]
      : [],
    ...hiddenSizes.flatMap((size, i) => layer(`hidden.${i}`, sizes[i], size)),
    ...normSpec("norm", hiddenSizes[2]),
    ...layer("output", hiddenSizes[2], classes),
  ];
}

/** Means and inverse standard deviations (V, d) of the vectors that were trained on. */
export interface Standardization {
  mean: Float32Array<ArrayBuffer>;
  scale: Float32Array<ArrayBuffer>;
}

/** A head with its parameters. */
export class Head implements Disposable {
  readonly shape: HeadShape;
  /** How vectors are standardized before anything else; undefined = not. */
  readonly standardization: Standardization | undefined;
  readonly parameters: Parameters;
  readonly #gamma: Tensor | undefined;
  readonly #hidden: LinearParameters[];
  readonly #norm: LinearParameters | undefined;
  readonly #output: LinearParameters;
  readonly #share: Tensor;
  readonly #standardization: { mean: Tensor; scale: Tensor } | undefined;

  /** @param options device, standardization, and where the parameters come from: a seed, or a state dict */
  constructor(
    shape: HeadShape,
    { device = "cpu", seed = 0, state, standardization }: {
      device?: Device;
      seed?: number;
      state?: StateDict;
      standardization?: Standardization;
    } = {},
  ) {
    this.shape = shape;
    this.standardization = standardization;
    this.#standardization = standardization && unscoped(() => {
      const { mean, scale } = standardization, size = [shape.vectors, shape.width];
      return { mean: Tensor.from(mean, size, { device }), scale: Tensor.from(scale, size, { device }) };
    });
    this.parameters = new Parameters(headSpecs(shape), { device, seed, state });
    const hidden = shape.kind === "linear" ? [] : hiddenSizes;
    this.#gamma = shape.kind === "gamma" ? this.parameters.leaf("gamma") : undefined;
    this.#hidden = hidden.map((_, i) => this.parameters.linear(`hidden.${i}`));
    this.#norm = hidden.length ? this.parameters.linear("norm") : undefined;
    this.#output = this.parameters.linear("output");
    this.#share = unscoped(() => Tensor.scalar(1 / (shape.vectors - 1), { device }));
  }

  /**
   * @param x (N, vectors, d) float32
   * @returns (N, classes) logits
   */
  forward(x: Tensor): Tensor {
    if (this.#standardization) x = mul(sub(x, this.#standardization.mean), this.#standardization.scale);
    const { kind, vectors, width } = this.shape, size = x.shape[0], layers = vectors - 1;
    let y: Tensor;
    if (kind === "gamma") {
      // The reference takes the mean over the weighted layers, hence the share of each.
      const weights = mul(softmax(this.#gamma!, 0), this.#share);
      y = view(matmul(view(weights, [1, layers]), narrow(x, 1, 0, layers)), [size, width]);
    } else if (kind === "all") y = reshape(narrow(x, 1, 0, layers), [size, layers * width]);
    else if (kind === "mean-max") y = reshape(narrow(x, 1, layers - 1, 2), [size, 2 * width]);
    else y = reshape(narrow(x, 1, kind === "max" ? layers : layers - 1, 1), [size, width]);
    for (const { weight, bias } of this.#hidden) y = relu(linear(y, weight, bias));
    if (this.#norm) y = layerNorm(y, [hiddenSizes[2]], this.#norm.weight, this.#norm.bias, normEpsilon);
    return linear(y, this.#output.weight, this.#output.bias);
  }

  /** The weight of each layer, softmax(gamma); undefined for other heads. */
  get gammas(): Float32Array | undefined {
    if (!this.#gamma) return undefined;
    const gamma = this.#gamma.toArray() as Float32Array,
      total = gamma.reduce((sum, g) => sum + Math.exp(g), 0);
    return gamma.map((g) => Math.exp(g) / total);
  }

  /** Frees the native memory. */
  [Symbol.dispose](): void {
    this.parameters[Symbol.dispose]();
    this.#share.dispose();
    this.#standardization?.mean.dispose();
    this.#standardization?.scale.dispose();
  }
}
