/** One attention block: attention and feed-forward, each beside a learned skip and under a layer normalisation. */
import { add, dropout, layerNorm, split, tanh, view } from "../../ffi/ops.ts";
import type { Tensor } from "../../ffi/tensor.ts";
import { type Architecture, widthOf } from "./architecture.ts";
import { attend, attendFused, headsOf, linearOf, rowsOf } from "./attention.ts";
import { glorot, type Initialization, nearIdentity, uniform } from "./initialization.ts";
import {
  linearGroup,
  type LinearParameters,
  normSpec,
  type Parameters,
  type ParameterSpec,
  zeros,
} from "./parameters.ts";

/** Epsilon of the layer normalisations in encoder and head. */
export const normEpsilon = 1e-6;

/** How much of PyTorch's default noise stands beside the identity in queries and keys (measured on ASAS). */
const queryKeyNoise = 0.3;

/** The parameters of block i. */
export function blockSpecs(
  i: number,
  architecture: Architecture,
  initialization: Initialization,
): ParameterSpec[] {
  const width = widthOf(architecture), hidden = architecture.feed_forward_size;
  const name = (layer: string) => `encoder.blocks.${i}.${layer}`;
  const layer = (layerName: string, input: number, output: number) =>
    initialization === "reference"
      ? { name: name(layerName), input, output, weight: glorot(input, output), bias: zeros }
      : {
        name: name(layerName),
        input,
        output,
        weight: uniform(1 / Math.sqrt(input)),
        bias: uniform(1 / Math.sqrt(input)),
      };
  const identity = (layerName: string, noise: number) =>
    initialization === "reference" ? layer(layerName, width, width) : {
      name: name(layerName),
      input: width,
      output: width,
      weight: nearIdentity(width, noise),
      bias: zeros,
    };
  const skip = architecture.skip === "linear";
  return [
    ...linearGroup(
      ...skip ? [identity("attention_skip", 0)] : [],
      identity("attention.query", queryKeyNoise),
      identity("attention.key", queryKeyNoise),
      layer("attention.value", width, width),
    ),
    ...linearGroup(layer("attention.output", width, width)),
    ...normSpec(name("attention_norm"), width),
    ...linearGroup(
      ...skip ? [identity("feed_forward_skip", 0)] : [],
      layer("feed_forward.up", width, hidden),
    ),
    ...linearGroup(layer("feed_forward.down", hidden, width)),
    ...normSpec(name("feed_forward_norm"), width),
  ];
}

/** What a block is told beside its input. */
export interface BlockContext {
  /** Only the first `keys` positions can be keys. */
  keys: number;
  /** Only positions from here on are computed (the last block computes just what the loss reads). */
  queriesFrom: number;
  /** Added to the attention logits: broadcasts to (B, H, Lq, keys), or null. */
  mask: Tensor | null;
  /** 0-dimensional, 1 / sqrt(head size), in the model's dtype. */
  scale: Tensor;
  /** Dropout is on. */
  training: boolean;
  /** Attention is one kernel, where nobody wants to see its weights. */
  fusedAttention: boolean;
  /** Takes the attention weights (B, H, Lq, keys). */
  onWeights?: (weights: Tensor) => void;
}

/** One attention block, Fig. 2 and 3 of the paper. */
export class Block {
  readonly #architecture: Architecture;
  readonly #width: number;
  readonly #all: LinearParameters; // skip, query, key, value: (4d, d), or without skip (3d, d)
  readonly #queries: LinearParameters; // skip, query
  readonly #keys: LinearParameters; // key, value
  readonly #output: LinearParameters;
  readonly #feedForward: LinearParameters; // skip, up: (d + hidden, d)
  readonly #down: LinearParameters;
  readonly #norms: [LinearParameters, LinearParameters];

  constructor(i: number, architecture: Architecture, parameters: Parameters) {
    const name = (layer: string) => `encoder.blocks.${i}.${layer}`;
    const skipOf = (layer: string) => architecture.skip === "linear" ? [name(layer)] : [];
    const queries = [...skipOf("attention_skip"), name("attention.query")];
    const keys = [name("attention.key"), name("attention.value")];
    this.#architecture = architecture;
    this.#width = widthOf(architecture);
    this.#all = parameters.linear(...queries, ...keys);
    this.#queries = parameters.linear(...queries);
    this.#keys = parameters.linear(...keys);
    this.#output = parameters.linear(name("attention.output"));
    this.#feedForward = parameters.linear(...skipOf("feed_forward_skip"), name("feed_forward.up"));
    this.#down = parameters.linear(name("feed_forward.down"));
    this.#norms = [parameters.linear(name("attention_norm")), parameters.linear(name("feed_forward_norm"))];
  }

  /**
   * @param x (B, L, d)
   * @returns (B, L - queriesFrom, d)
   */
  forward(x: Tensor, context: BlockContext): Tensor {
    const { heads, dropout: rate, feed_forward_size: hidden, skip } = this.#architecture;
    const [batch, length] = x.shape, width = this.#width;
    const { keys, queriesFrom, training } = context;
    const drop = (y: Tensor) => rate > 0 && training ? dropout(y, rate, true) : y;
    const norm = (y: Tensor, { weight, bias }: LinearParameters) =>
      layerNorm(y, [width], weight, bias, normEpsilon);

    // One matrix product for all that reads x; two where queries and keys are different points. Its parts are split off
    // in one operator, whose backward pass writes their gradients once.
    const skips = skip === "linear" ? [width] : [];
    let query: Tensor, key: Tensor, value: Tensor, leak: Tensor | undefined; // (B Lq, d), (B K, d)
    if (keys === length && queriesFrom === 0) {
      const all = linearOf(view(x, [-1, width]), this.#all); // (B L, 4d)
      [value, key, query, leak] = split(all, [...skips, width, width, width], 1).reverse();
    } else {
      const queries = linearOf(rowsOf(x, queriesFrom, length - queriesFrom), this.#queries); // (B Lq, 2d)
      [query, leak] = split(queries, [...skips, width], 1).reverse();
      [key, value] = split(linearOf(rowsOf(x, 0, keys), this.#keys), [width, width], 1);
    }
    const output = this.#attend(
      headsOf(query, batch, heads), // (B, H, Lq, d / H)
      headsOf(key, batch, heads), // (B, H, K, d / H)
      headsOf(value, batch, heads),
      context,
    );
    const attended = drop(linearOf(output, this.#output)); // (B Lq, d)
    const x1 = norm(leak ? add(leak, attended) : attended, this.#norms[0]);

    const [up, leak2] = split(linearOf(x1, this.#feedForward), [...skips, hidden], 1).reverse();
    const fed = drop(linearOf(tanh(up), this.#down));
    const x2 = norm(leak2 ? add(leak2, fed) : fed, this.#norms[1]);
    return view(x2, [batch, length - queriesFrom, width]);
  }
  #attend(query: Tensor, key: Tensor, value: Tensor, context: BlockContext): Tensor {
    const { mask, scale, fusedAttention, onWeights } = context;
    if (fusedAttention && !onWeights) return attendFused(query, key, value, mask);
    const { output, weights } = attend(query, key, value, mask, scale);
    onWeights?.(weights);
    return output;
  }
}
