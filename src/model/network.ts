/** Astromer: magnitudes and times in, an embedding of every point and a reconstructed magnitude out. */
import { add, dropout, layerNorm, linear, mul, narrow, reshape, to, where } from "../../ffi/ops.ts";
import { backward, gradientOf, gradientsAreRecorded, noGrad, requiresGrad } from "../../ffi/autograd.ts";
import type { Device } from "../../ffi/device.ts";
import { Tensor, unscoped } from "../../ffi/tensor.ts";
import { type Architecture, widthOf } from "./architecture.ts";
import { Block, type BlockContext, blockSpecs, normEpsilon } from "./block.ts";
import { FusedBlock } from "./fused_block.ts";
import { glorot, type Initialization, uniform } from "./initialization.ts";
import { reconstructionLoss } from "./loss.ts";
import {
  linearGroup,
  type LinearParameters,
  normSpec,
  Parameters,
  type ParameterSpec,
  type StateDict,
  zeros,
} from "./parameters.ts";
import { positionalEncoding } from "./positional_encoding.ts";

/** A batch of windows as the encoder reads it. */
export interface EncoderInput {
  /** (B, L, 1) float32, mag, zero-mean in each window. */
  magnitudes: Tensor;
  /** (B, L, 1) float32, days, zero-mean in each window. */
  times: Tensor;
  /** (B, L, 1) bool: masked or padding; null when every point is visible. */
  hidden: Tensor | null;
  /**
   * Only the first `keys` positions can be keys: all later ones are hidden in every window. Default: L. Points may
   * stand
   * in any order, since attention does not look at the order, so whoever fills the batch puts visible points first.
   */
  keys?: number;
  /** Whether none of the first `keys` positions is hidden in any window: then no attention mask is needed. */
  keysAreVisible?: boolean;
  /** Only positions from here on are reconstructed. Default: 0. */
  queriesFrom?: number;
}

/** What to observe during a forward pass. */
export interface Watch {
  /** Dropout is on. Default: off. */
  training?: boolean;
  /** Takes the input embedding (index 0) and every block's output (1 …), each (B, L, d). */
  onLayer?: (output: Tensor, index: number) => void;
  /** Takes every block's attention weights (B, H, Lq, K). */
  onWeights?: (weights: Tensor, block: number) => void;
}

/** Options of a new model. */
export interface ModelOptions {
  /** What layers compute with; parameters and moments are float32 in either case. */
  dtype?: "float32" | "bfloat16";
  /** Default: the CPU. */
  device?: Device;
  /** Whether attention is one kernel that keeps no weights; default: on a GPU. */
  fusedAttention?: boolean;
  /** The parameters' values, instead of initial ones. */
  state?: StateDict;
  /** Of the initial values. */
  seed?: number;
  /** Kind of initial values. Default: interpolation. */
  initialization?: Initialization;
  /** Angular frequencies (d,) instead of the architecture's. */
  frequencies?: Float32Array<ArrayBuffer>;
}

/** A step's forward pass: the loss of a batch, and how to differentiate it. */
export interface TrainingPass {
  /** 0-dimensional, mag. */
  loss: Tensor;
  /** (B, P, 1) float32, mag. */
  reconstruction: Tensor;
  /**
   * Sets the gradients of all parameters; can be called once.
   * @param scale what they are multiplied by, where the loss is a part of another; 0-dimensional if a tensor;
   * default: 1
   * @param onPart takes each part of the parameters' buffer, from an element to before another, once its gradient is
   * complete: the head, the blocks from the last to the first, the rest
   */
  backward(scale?: number | Tensor, onPart?: (from: number, to: number) => void): void;
}

/** Every parameter of an architecture: single numbers last, so that all others are aligned. */
export function parameterSpecs(architecture: Architecture, initialization: Initialization): ParameterSpec[] {
  const width = widthOf(architecture), reference = initialization === "reference";
  const start = (input: number, output: number) =>
    reference ? glorot(input, output) : uniform(1 / Math.sqrt(input));
  return [
    ...linearGroup({
      name: "encoder.input",
      input: 1,
      output: width,
      weight: start(1, width),
      bias: reference ? zeros : uniform(1),
    }),
    ...Array.from({ length: architecture.blocks }, (_, i) => blockSpecs(i, architecture, initialization))
      .flat(),
    ...normSpec("head.norm", width),
    ...linearGroup({ name: "head.linear", input: width, output: 1, weight: start(width, 1), bias: zeros }),
    ...architecture.masked_magnitudes === "token"
      ? [{ name: "encoder.mask_token", shape: [1], initialise: zeros }]
      : [],
  ];
}

/**
 * Astromer 2 (or 1: an {@link Architecture} away) from tensors to tensors: sections 2 and 3 of the paper.
 *
 * @example
 * ```ts
 * import { architecture, AstromerNetwork, scope, Tensor } from "../../mod.ts";
 *
 * using network = new AstromerNetwork(architecture("small"));
 * const shape = scope(() => {
 *   const column = (values: number[]) => Tensor.from(values, [1, 3, 1]); // (B, L, 1)
 *   const input = { magnitudes: column([-0.1, 0, 0.1]), times: column([-5, 0, 5]), hidden: null };
 *   return network.encode(input).shape; // (B, L, d)
 * });
 * if (shape.join() !== "1,3,64") throw new Error(`${shape}`);
 * ```
 */
export class AstromerNetwork implements Disposable {
  /** Its architecture. */
  readonly architecture: Architecture;
  /** Everything that is trained. */
  readonly parameters: Parameters;
  /** Where it computes. */
  readonly device: Device;
  /** What its layers compute with. */
  readonly dtype: "float32" | "bfloat16";
  readonly #encoding: ReturnType<typeof positionalEncoding>;
  readonly #input: LinearParameters;
  readonly #maskToken: Tensor | null;
  readonly #blocks: Block[];
  readonly #fusedBlocks: FusedBlock[] | undefined;
  readonly #norm: LinearParameters;
  readonly #linear: LinearParameters;
  readonly #scale: Tensor;
  readonly #fusedAttention: boolean;
  readonly #constants: { zero: Tensor; one: Tensor; maskValue: Tensor };

  /**
   * A network with initial values, or with those of a state dict.
   * @param architecture sizes and switches
   * @param options device, arithmetic, and where the parameters' values come from
   * @throws {RangeError} when a state dict does not fit the architecture, before anything is allocated, or there is no
   * such device
   */
  constructor(
    architecture: Architecture,
    {
      dtype = "float32",
      device = "cpu",
      fusedAttention = device !== "cpu",
      seed = 0,
      state,
      initialization = "interpolation",
      frequencies,
    }: ModelOptions = {},
  ) {
    this.#fusedAttention = fusedAttention;
    this.architecture = architecture;
    this.dtype = dtype;
    this.device = device;
    this.parameters = new Parameters(parameterSpecs(architecture, initialization), {
      dtype,
      device,
      seed,
      state,
    });
    this.#encoding = positionalEncoding(architecture, {
      frequencies,
      device,
      dtype,
      fewPasses: fusedAttention,
    });
    this.#input = this.parameters.linear("encoder.input");
    this.#maskToken = architecture.masked_magnitudes === "token"
      ? this.parameters.leaf("encoder.mask_token")
      : null;
    this.#blocks = Array.from(
      { length: architecture.blocks },
      (_, i) => new Block(i, architecture, this.parameters),
    );
    this.#fusedBlocks = FusedBlock.fits(architecture, device, dtype)
      ? this.#blocks.map((_, i) => new FusedBlock(i, architecture, this.parameters))
      : undefined;
    this.#norm = this.parameters.linear("head.norm");
    this.#linear = this.parameters.linear("head.linear");
    const scalar = (value: number, type = dtype) =>
      unscoped(() => Tensor.scalar(value, { dtype: type, device }));
    this.#scale = scalar(1 / Math.sqrt(architecture.head_size));
    this.#constants = {
      zero: scalar(0, "float32"),
      one: scalar(1, "float32"),
      maskValue: scalar(architecture.attention_mask_value, "float32"),
    };
  }

  /**
   * The embedding of every point (from `queriesFrom` on): sections 2.2, 2.4, 3.1 and 3.2 of the paper.
   *
   * @example The output of every block
   * ```ts
   * import { architecture, AstromerNetwork, noGrad, scope, Tensor } from "../../mod.ts";
   *
   * using network = new AstromerNetwork(architecture("small"));
   * const shapes: string[] = [];
   * noGrad(() =>
   *   scope(() => {
   *     const column = (values: number[]) => Tensor.from(values, [1, 3, 1]);
   *     network.encode(
   *       { magnitudes: column([-0.1, 0, 0.1]), times: column([-5, 0, 5]), hidden: null },
   *       { onLayer: ({ shape }, index) => void (shapes[index] = shape.join()) },
   *     );
   *   })
   * );
   * if (shapes.join(" ") !== "1,3,64 1,3,64 1,3,64") throw new Error("the input embedding and two blocks");
   * ```
   * @param input a batch of windows
   * @param watch what to observe, and whether dropout is on
   * @returns (B, L - queriesFrom, d), in the dtype of the layers
   * @throws {TorchError} when shapes do not fit together
   */
  encode(input: EncoderInput, watch: Watch = {}): Tensor {
    const { training = false, onWeights } = watch;
    const fused = onWeights || gradientsAreRecorded() ? undefined : this.#fusedFor(training);
    const x = this.#embed(input, training); // (B, L, d)
    watch.onLayer?.(x, 0);
    return this.#throughBlocks(fused ?? this.#blocks, x, input, watch);
  }

  /** The blocks whose passes are written out, where they can do it. */
  #fusedFor(training: boolean): FusedBlock[] | undefined {
    return training && this.architecture.dropout > 0 ? undefined : this.#fusedBlocks;
  }

  #throughBlocks(
    blocks: readonly (Block | FusedBlock)[],
    x: Tensor,
    input: EncoderInput,
    watch: Watch,
    forward: (block: Block | FusedBlock, x: Tensor, context: BlockContext) => Tensor = (block, x, context) =>
      block.forward(x, context),
  ): Tensor {
    const length = input.times.shape[1];
    const keys = this.seesPadding ? length : input.keys ?? length;
    for (const [i, block] of blocks.entries()) {
      const queriesFrom = i === blocks.length - 1 ? input.queriesFrom ?? 0 : 0;
      const context: BlockContext = {
        keys,
        queriesFrom,
        mask: this.#maskFor(input, keys, queriesFrom),
        scale: this.#scale,
        training: watch.training ?? false,
        fusedAttention: this.#fusedAttention,
        onWeights: watch.onWeights && ((weights) => watch.onWeights!(weights, i)),
      };
      x = forward(block, x, context);
      watch.onLayer?.(x, i + 1);
    }
    return x;
  }

  /**
   * The magnitude of every point (from `queriesFrom` on), from its embedding: layer normalisation and a linear map
   * (section 2.5 of the paper).
   *
   * @example A hidden magnitude influences nothing
   * ```ts
   * import { architecture, AstromerNetwork, noGrad, scope, Tensor } from "../../mod.ts";
   *
   * using network = new AstromerNetwork(architecture("small"));
   * const times = [-5, 0, 5], flags = [0, 0, 1];
   * const predicted = (magnitudes: number[]) =>
   *   noGrad(() =>
   *     scope(() =>
   *       network.reconstruct({
   *         magnitudes: Tensor.from(magnitudes, [1, 3, 1]),
   *         times: Tensor.from(times, [1, 3, 1]),
   *         hidden: Tensor.from(flags, [1, 3, 1], { dtype: "bool" }),
   *       }).toArray() // (B, L, 1)
   *     )
   *   );
   * if (predicted([-0.1, 0, 0.1]).join() !== predicted([-0.1, 0, 9]).join()) throw new Error("the last is hidden");
   * ```
   * @param input a batch of windows
   * @param watch what to observe, and whether dropout is on
   * @returns (B, L - queriesFrom, 1) float32, mag, relative to the window's mean
   * @throws {TorchError} when shapes do not fit together
   */
  reconstruct(input: EncoderInput, watch: Watch = {}): Tensor {
    return this.#decode(this.encode(input, watch));
  }

  /** The magnitudes (B, Lq, 1) float32 of embeddings (B, Lq, d). */
  #decode(z: Tensor): Tensor {
    const { weight, bias } = this.#norm;
    const normed = layerNorm(z, [widthOf(this.architecture)], weight, bias, normEpsilon);
    const y = linear(normed, this.#linear.weight, this.#linear.bias);
    return this.dtype === "float32" ? y : to(y, "float32");
  }

  /**
   * A step's forward pass, and its backward pass to be called (or not) once the loss is known. On the CPU the blocks'
   * passes are {@link FusedBlock}'s where there are such; autograd does the rest.
   * @param input a batch of windows
   * @param targets (B, P, 1), mag: see {@link reconstructionLoss}
   * @param coefficients (B, P, 1)
   * @param options `inParts`: the backward pass tells of each block when it is done, where it would go through all at
   * once
   * @returns the loss, the reconstruction (B, P, 1), and what sets the gradients of all parameters
   */
  trainingPass(
    input: EncoderInput,
    targets: Tensor,
    coefficients: Tensor,
    { inParts = false }: { inParts?: boolean } = {},
  ): TrainingPass {
    const lossOf = (reconstruction: Tensor) => reconstructionLoss(reconstruction, targets, coefficients);
    const seed = (scale?: number | Tensor) =>
      typeof scale === "number" ? Tensor.scalar(scale, { device: this.device }) : scale ?? null;
    const fused = this.#fusedFor(true);
    if (!fused && !inParts) {
      const reconstruction = this.reconstruct(input, { training: true }), loss = lossOf(reconstruction);
      const differentiate = (scale?: number | Tensor) => {
        this.parameters.zeroGradient();
        backward(loss, seed(scale));
      };
      return { loss, reconstruction, backward: differentiate };
    }
    const embedded = this.#embed(input, true);
    // Each block's output is the next one's input without a connection, so that one after another is differentiated.
    const leaves: Tensor[] = [], outputs: Tensor[] = [];
    const cut = (x: Tensor) => {
      const leaf = requiresGrad(noGrad(() => x.viewAt(x.shape, 0)));
      leaves.push(leaf);
      return leaf;
    };
    const z = fused
      ? requiresGrad(noGrad(() => this.#throughBlocks(fused, embedded, input, { training: true })))
      : cut(this.#throughBlocks(this.#blocks, embedded, input, { training: true }, (block, x, context) => {
        const output = block.forward(cut(x), context);
        outputs.push(output);
        return output;
      }));
    const reconstruction = this.#decode(z), loss = lossOf(reconstruction);
    const differentiate = (
      scale?: number | Tensor,
      onPart: (from: number, to: number) => void = () => {},
    ) => {
      const { head, blocks, rest } = this.#parts();
      this.parameters.zeroGradient();
      backward(loss, seed(scale));
      onPart(...head);
      let gradient = gradientOf(z)!;
      for (let i = blocks.length - 1; i >= 0; i--) {
        if (fused) gradient = noGrad(() => fused[i].backward(gradient));
        else {
          backward(outputs[i], gradient);
          gradient = gradientOf(leaves[i])!;
        }
        onPart(...blocks[i]);
      }
      backward(embedded, gradient);
      for (const part of rest) onPart(...part);
    };
    return { loss, reconstruction, backward: differentiate };
  }

  /** The parts of the parameters' buffer in the order in which a backward pass completes their gradients. */
  get gradientParts(): readonly (readonly [from: number, to: number])[] {
    const { head, blocks, rest } = this.#parts();
    return [head, ...blocks.reverse(), ...rest];
  }

  /** Where the parameters of the head, of each block, and all others lie: from an element to before another. */
  #parts() {
    type Part = readonly [from: number, to: number];
    const { layout } = this.parameters;
    const of = (prefix: string): Part => {
      const own = layout.filter(({ name }) => name.startsWith(prefix)), last = own.at(-1)!;
      return [own[0].offset, last.offset + last.shape.reduce((a, b) => a * b, 1)];
    };
    const blocks = this.#blocks.map((_, i) => of(`encoder.blocks.${i}.`)), head = of("head.");
    const rest: Part[] = [of("encoder.input.")];
    if (this.#maskToken) rest.push(of("encoder.mask_token"));
    return { head, blocks, rest };
  }

  /**
   * Input embedding, section 2.2: a linear map of the magnitude plus the encoding of the time (of the phase too,
   * where the
   * encoding is folded: then of all visible magnitudes, without a gradient).
   */
  #embed(input: EncoderInput, training: boolean): Tensor {
    const { magnitudes, hidden } = input;
    const { dropout: rate } = this.architecture;
    // In float32 also for a bfloat16 model: a magnitude has more than the three digits of bfloat16.
    const full = (t: Tensor) => this.dtype === "float32" ? t : to(t, "float32");
    let visible = magnitudes;
    if (hidden && this.architecture.masked_magnitudes !== "kept") {
      visible = where(hidden, this.#maskToken ? full(this.#maskToken) : this.#constants.zero, magnitudes);
    }
    const projected = linear(visible, full(this.#input.weight), full(this.#input.bias));
    const sum = add(projected, this.#encoding.forward(input));
    const x = this.dtype === "float32" ? sum : to(sum, this.dtype);
    return rate > 0 && training ? dropout(x, rate, true) : x;
  }

  /**
   * Whether hidden points and padding influence the other points, as in the released Astromer 1: then the amount of
   * padding
   * is a part of the input, and windows are padded to the full window size, as in its training. Elsewhere hidden points
   * have an attention weight of exactly zero and can be left out as keys.
   */
  get seesPadding(): boolean {
    return this.architecture.attention_mask !== "keys" || this.architecture.attention_mask_value > -1e9;
  }

  /** What is added to the attention logits, broadcast to (B, H, Lq, keys). */
  #maskFor(
    { hidden, keysAreVisible = false }: EncoderInput,
    keys: number,
    queriesFrom: number,
  ): Tensor | null {
    if (!hidden || (keysAreVisible && !this.seesPadding)) return null;
    const { zero, one, maskValue } = this.#constants;
    const [batch, length] = hidden.shape;
    const flag = where(hidden, one, zero); // (B, L, 1)
    const keyFlag = () => reshape(narrow(flag, 1, 0, keys), [batch, 1, 1, keys]);
    const queryFlag = () => reshape(narrow(flag, 1, queriesFrom, length - queriesFrom), [batch, 1, -1, 1]);
    let masked: Tensor;
    if (this.architecture.attention_mask === "keys") masked = keyFlag();
    else if (this.architecture.attention_mask === "queries") masked = queryFlag();
    else {
      const [q, k] = [queryFlag(), keyFlag()];
      masked = add(q, mul(add(one, q, -1), k)); // 1 where either is hidden
    }
    const mask = mul(masked, maskValue);
    return this.dtype === "float32" ? mask : to(mask, this.dtype);
  }

  /** Frees its native memory. */
  [Symbol.dispose](): void {
    this.parameters[Symbol.dispose]();
    this.#encoding[Symbol.dispose]();
    this.#scale.dispose();
    for (const constant of Object.values(this.#constants)) constant.dispose();
  }
}
