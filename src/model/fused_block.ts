/**
 * A block's forward and backward pass written out for the CPU, in oneDNN's linear maps with what follows them inside:
 * bias, tanh and the sum with the skip cost no pass over memory of their own, gradients are written once to where they
 * belong, and only what the backward pass reads is kept. {@link Block} is the same in operators that autograd
 * differentiates; the two are tested against each other.
 */
import type { Device } from "../../ffi/device.ts";
import { noGrad } from "../../ffi/autograd.ts";
import { TorchError } from "../../ffi/native.ts";
import {
  bmm,
  linearPointwise,
  linearPointwiseBinary,
  mmOut,
  mulOut,
  nativeLayerNorm,
  nativeLayerNormBackward,
  softmaxBackward,
  sumOut,
  tanhBackward,
} from "../../ffi/kernels.ts";
import { add, copy_, narrow, reshape, softmax, split, transpose, view } from "../../ffi/ops.ts";
import { scope, Tensor } from "../../ffi/tensor.ts";
import { type Architecture, widthOf } from "./architecture.ts";
import { attendFused, headsOf, rowsOf } from "./attention.ts";
import { type BlockContext, normEpsilon } from "./block.ts";
import type { LinearParameters, Parameters } from "./parameters.ts";

/** x W^T + b, or the tanh of it, on rows: (N, in) to (N, out). */
function linearOf(
  x: Tensor,
  { weight, bias }: LinearParameters,
  activation: "none" | "tanh" = "none",
): Tensor {
  return linearPointwise(x, weight, bias, activation);
}

/** other + x W^T + b on rows. */
function linearPlus(other: Tensor, x: Tensor, { weight, bias }: LinearParameters): Tensor {
  return linearPointwiseBinary(x, other, weight, bias);
}

/** The gradient of a linear map's input, from that of its output: (N, out) to (N, in). */
function inputGradient(gradient: Tensor, { weight }: LinearParameters): Tensor {
  return linearPointwise(gradient, transpose(weight, 0, 1), null);
}

/** Writes the gradients of a linear map's weight and bias, from its input (N, in) and that of its output (N, out). */
function writeGradients(
  { weightGradient, biasGradient }: LinearParameters,
  input: Tensor,
  gradient: Tensor,
): void {
  mmOut(transpose(gradient, 0, 1), input, { out: weightGradient });
  sumOut(gradient, [0], false, { out: biasGradient });
}

const tried = new Map<string, boolean>();
/**
 * Whether oneDNN has these linear maps here, in a precision: libtorch may be built without it, or the processor lack what
 * its kernels for bfloat16 need.
 */
function hasOneDnn(dtype: "float32" | "bfloat16"): boolean {
  const before = tried.get(dtype);
  if (before !== undefined) return before;
  const has = noGrad(() =>
    scope(() => {
      try {
        const x = Tensor.zeros([2, 8], { dtype }), weight = Tensor.zeros([8, 8], { dtype });
        const bias = Tensor.zeros([8], { dtype });
        linearPointwise(x, weight, bias);
        linearPointwise(x, weight, bias, "tanh");
        linearPointwise(x, transpose(weight, 0, 1), null);
        linearPointwiseBinary(x, x, weight, bias);
        linearPointwiseBinary(x, x, transpose(weight, 0, 1), null);
        return true;
      } catch (error) {
        if (error instanceof TorchError) return false;
        throw error;
      }
    })
  );
  tried.set(dtype, has);
  return has;
}

/** What the backward pass reads of a forward pass. */
interface Kept {
  /** (B, L, d) of the block's input. */
  shape: readonly number[];
  context: BlockContext;
  queryInput: Tensor; // (B Lq, d)
  keyInput: Tensor; // (B K, d)
  query: Tensor; // (B H, Lq, d / H), scaled
  key: Tensor; // (B H, K, d / H)
  value: Tensor;
  weights: Tensor; // (B H, Lq, K)
  attended: Tensor; // (B Lq, d)
  norms: [Normed, Normed];
  up: Tensor; // (B Lq, hidden), after tanh
}

/** A layer normalisation's input, its output, and each row's mean and 1 / deviation. */
type Normed = [input: Tensor, output: Tensor, mean: Tensor, deviation: Tensor];

/** One attention block whose passes are written out. */
export class FusedBlock {
  readonly #heads: number;
  readonly #width: number;
  readonly #all: LinearParameters; // skip, query, key, value: (4d, d)
  readonly #queries: LinearParameters; // skip, query
  readonly #keys: LinearParameters; // key, value
  readonly #output: LinearParameters;
  readonly #feedForwardSkip: LinearParameters;
  readonly #up: LinearParameters;
  readonly #down: LinearParameters;
  readonly #norms: [LinearParameters, LinearParameters];
  #kept: Kept | undefined;

  /** Whether there are such passes: for learned skips, on a CPU where oneDNN has the precision. They have no dropout. */
  static fits({ skip }: Architecture, device: Device, dtype: "float32" | "bfloat16"): boolean {
    return device === "cpu" && skip === "linear" && hasOneDnn(dtype);
  }

  constructor(i: number, architecture: Architecture, parameters: Parameters) {
    const linear = (...layers: string[]) =>
      parameters.linear(...layers.map((layer) => `encoder.blocks.${i}.${layer}`));
    const queries = ["attention_skip", "attention.query"], keys = ["attention.key", "attention.value"];
    this.#heads = architecture.heads;
    this.#width = widthOf(architecture);
    this.#all = linear(...queries, ...keys);
    this.#queries = linear(...queries);
    this.#keys = linear(...keys);
    this.#output = linear("attention.output");
    this.#feedForwardSkip = linear("feed_forward_skip");
    this.#up = linear("feed_forward.up");
    this.#down = linear("feed_forward.down");
    this.#norms = [linear("attention_norm"), linear("feed_forward_norm")];
  }

  /**
   * @param x (B, L, d)
   * @param context `training`: what {@link backward} needs is kept, in the surrounding scope
   * @returns (B, L - queriesFrom, d)
   */
  forward(x: Tensor, context: BlockContext): Tensor {
    const { keys, queriesFrom, mask, training } = context;
    const [batch, length, width] = x.shape, queries = length - queriesFrom;
    const { output, kept } = scope(() => {
      const queryInput = rowsOf(x, queriesFrom, queries), keyInput = rowsOf(x, 0, keys);
      let skip: Tensor, query: Tensor, key: Tensor, value: Tensor; // (B Lq, d), (B K, d)
      if (keys === length && queriesFrom === 0) {
        [skip, query, key, value] = split(linearOf(queryInput, this.#all), [width, width, width, width], 1);
      } else {
        [skip, query] = split(linearOf(queryInput, this.#queries), [width, width], 1);
        [key, value] = split(linearOf(keyInput, this.#keys), [width, width], 1);
      }
      // Without a backward pass in one kernel, which writes no weights to memory. In bfloat16 the products by themselves
      // have the faster instructions.
      const attention = training || x.dtype !== "float32"
        ? this.#attend(query, key, value, batch, context)
        : this.#attendFused(query, key, value, batch, mask);
      const { attended } = attention;

      const norm1 = this.#norm(0, linearPlus(skip, attended, this.#output));
      const x1 = norm1[1], up = linearOf(x1, this.#up, "tanh");
      const norm2 = this.#norm(1, linearPlus(linearOf(x1, this.#feedForwardSkip), up, this.#down));
      const output = view(norm2[1], [batch, queries, width]);
      if (!training) return { output };
      return { output, kept: { queryInput, keyInput, ...attention, norms: [norm1, norm2], up } };
    });
    this.#kept = kept && { ...kept as Omit<Kept, "shape" | "context">, shape: x.shape, context };
    return output;
  }

  /** Attention with what its backward pass reads: `attended` (B Lq, d). */
  #attend(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    batch: number,
    { keys, mask, scale }: BlockContext,
  ): Pick<Kept, "query" | "key" | "value" | "weights" | "attended"> {
    const q = this.#byHead(query, batch, scale), k = this.#byHead(key, batch), v = this.#byHead(value, batch);
    let logits = bmm(q, transpose(k, 1, 2)); // (B H, Lq, K)
    if (mask) {
      const [, queries] = logits.shape;
      logits = view(add(view(logits, [batch, this.#heads, queries, keys]), mask), [-1, queries, keys]);
    }
    const weights = softmax(logits, -1), attended = this.#rows(bmm(weights, v), batch);
    return { query: q, key: k, value: v, weights, attended };
  }

  /**
   * The same in one kernel, which writes no weights to memory (in bfloat16 the products by themselves have the faster
   * instructions).
   */
  #attendFused(query: Tensor, key: Tensor, value: Tensor, batch: number, mask: Tensor | null) {
    const [q, k, v] = [query, key, value].map((rows) => headsOf(rows, batch, this.#heads));
    return { attended: attendFused(q, k, v, mask) };
  }

  /**
   * The gradient of the last forward pass: writes those of all parameters, over what was there, and frees what was kept.
   * @param gradient (B, L - queriesFrom, d) of the block's output
   * @returns (B, L, d) of its input
   */
  backward(gradient: Tensor): Tensor {
    const kept = this.#kept;
    if (!kept) throw new TypeError("backward() needs a forward pass in training");
    this.#kept = undefined;
    const { query, key, value, weights, attended, up, norms, queryInput, keyInput } = kept;
    // Each part frees what it made, and what was kept for it, before the next: the most memory is held here.
    const sum1 = scope(() => this.#feedForwardGradient(kept, view(gradient, [-1, this.#width])));
    for (const tensor of [up, ...norms.flat()]) tensor.dispose();
    const byHead = scope(() => this.#attentionGradients(kept, sum1));
    for (const tensor of [query, key, value, weights, attended]) tensor.dispose();
    const result = scope(() => this.#inputGradient(kept, sum1, byHead));
    for (const tensor of [queryInput, keyInput, sum1, ...byHead]) tensor.dispose();
    return result;
  }

  /**
   * Of both normalisations and what stands between them.
   * @param gradient (B Lq, d) of the block's output
   * @returns (B Lq, d) of the sum before the first normalisation
   */
  #feedForwardGradient({ up, norms }: Kept, gradient: Tensor): Tensor {
    const sum2 = this.#normGradient(1, norms[1], gradient);
    writeGradients(this.#down, up, sum2);
    const x1 = norms[0][1];
    mmOut(transpose(sum2, 0, 1), x1, { out: this.#feedForwardSkip.weightGradient });
    copy_(this.#feedForwardSkip.biasGradient, this.#down.biasGradient); // the two biases stand in one sum
    const beforeTanh = tanhBackward(inputGradient(sum2, this.#down), up);
    writeGradients(this.#up, x1, beforeTanh);
    const x1Gradient = linearPointwiseBinary(
      beforeTanh,
      inputGradient(sum2, this.#feedForwardSkip),
      transpose(this.#up.weight, 0, 1),
      null,
    );
    return this.#normGradient(0, norms[0], x1Gradient);
  }

  /**
   * Of the attention, from that of its output's sum with the skip (B Lq, d).
   * @returns those of query (scaled), key and value, (B H, Lq or K, d / H)
   */
  #attentionGradients(
    { shape: [batch], query, key, value, weights, attended }: Kept,
    sum1: Tensor,
  ): [query: Tensor, key: Tensor, value: Tensor] {
    writeGradients(this.#output, attended, sum1);
    const output = this.#byHead(inputGradient(sum1, this.#output), batch); // (B H, Lq, d / H)
    const ofWeights = bmm(output, transpose(value, 1, 2)); // (B H, Lq, K)
    const logits = softmaxBackward(ofWeights, weights, -1, ofWeights.dtype);
    return [bmm(logits, key), bmm(transpose(logits, 1, 2), query), bmm(transpose(weights, 1, 2), output)];
  }

  /** Of the block's input (B, L, d): of the linear maps before the attention, and of the skip. */
  #inputGradient(
    { shape: [batch, length], context, queryInput, keyInput }: Kept,
    sum1: Tensor,
    [query, key, value]: readonly Tensor[],
  ): Tensor {
    const { keys, queriesFrom, scale } = context, width = this.#width, queries = length - queriesFrom;
    const columns = (rows: Tensor, part: number) =>
      view(narrow(rows, 1, part * width, width), [batch, -1, this.#heads, width / this.#heads]);
    const together = keys === length && queriesFrom === 0;
    const ofQueries = Tensor.empty([batch * queries, (together ? 4 : 2) * width], sum1);
    const ofKeys = together ? ofQueries : Tensor.empty([batch * keys, 2 * width], sum1);
    copy_(narrow(ofQueries, 1, 0, width), sum1); // the skip's
    mulOut(this.#heads4(query, batch), scale, { out: columns(ofQueries, 1) });
    copy_(columns(ofKeys, together ? 2 : 0), this.#heads4(key, batch));
    copy_(columns(ofKeys, together ? 3 : 1), this.#heads4(value, batch));
    if (together) {
      writeGradients(this.#all, queryInput, ofQueries);
      return view(inputGradient(ofQueries, this.#all), [batch, length, width]);
    }
    writeGradients(this.#queries, queryInput, ofQueries);
    writeGradients(this.#keys, keyInput, ofKeys);
    const whole = this.#placed(inputGradient(ofQueries, this.#queries), batch, length, queriesFrom);
    const part = narrow(whole, 1, 0, keys);
    const byKeys = linearPointwiseBinary(
      ofKeys,
      reshape(part, [-1, width]),
      transpose(this.#keys.weight, 0, 1),
      null,
    );
    copy_(part, view(byKeys, [batch, keys, width]));
    return whole;
  }

  /** Rows of gradients of the positions from `queriesFrom` on, as (B, L, d) with zeros before them. */
  #placed(rows: Tensor, batch: number, length: number, queriesFrom: number): Tensor {
    const queries = length - queriesFrom, given = view(rows, [batch, queries, -1]);
    if (queriesFrom === 0) return given;
    const whole = Tensor.zeros([batch, length, this.#width], rows);
    copy_(narrow(whole, 1, queriesFrom, queries), given);
    return whole;
  }

  /** Rows by head, in one piece: (B * L, d) to (B * H, L, d / H); times a factor, if one is given. */
  #byHead(rows: Tensor, batch: number, factor?: Tensor): Tensor {
    const heads = headsOf(rows, batch, this.#heads), [, , length, size] = heads.shape;
    const shape = [batch * this.#heads, length, size];
    if (!factor) return reshape(heads, shape);
    const out = Tensor.empty(heads.shape, rows);
    mulOut(heads, factor, { out });
    return view(out, shape);
  }

  /** (B * H, L, d / H) as (B, L, H, d / H), without a copy. */
  #heads4(byHead: Tensor, batch: number): Tensor {
    const [, length, size] = byHead.shape;
    return transpose(view(byHead, [batch, this.#heads, length, size]), 1, 2);
  }

  /** (B * H, L, d / H) as rows (B * L, d). */
  #rows(byHead: Tensor, batch: number): Tensor {
    return reshape(this.#heads4(byHead, batch), [-1, this.#width]);
  }

  #norm(which: 0 | 1, input: Tensor): Normed {
    const { weight, bias } = this.#norms[which];
    const [output, mean, deviation] = nativeLayerNorm(input, [this.#width], weight, bias, normEpsilon);
    return [input, output, mean, deviation];
  }

  #normGradient(which: 0 | 1, [input, , mean, deviation]: Normed, gradient: Tensor): Tensor {
    const { weight, bias, weightGradient, biasGradient } = this.#norms[which];
    const [ofInput, ofWeight, ofBias] = nativeLayerNormBackward(
      gradient,
      input,
      [this.#width],
      mean,
      deviation,
      weight,
      bias,
      [true, true, true],
    );
    copy_(weightGradient, ofWeight);
    copy_(biasGradient, ofBias);
    return ofInput;
  }
}
