/**
 * All parameters of a model in one flat float32 buffer, all gradients in another. Every parameter is a view at an offset,
 * so that zeroing, the optimizer, a norm, an all-reduce and a checkpoint are one operation each. Layers that read the
 * same input are declared together, and their weights then lie end to end as one matrix.
 */
import { copy_, zero_ } from "../../ffi/ops.ts";
import { noGrad, requiresGrad, setGradient } from "../../ffi/autograd.ts";
import type { Device } from "../../ffi/device.ts";
import { Tensor, unscoped } from "../../ffi/tensor.ts";
import { fewOf } from "../common/errors.ts";
import { type Random, seeded } from "../common/random.ts";

/** Fills a parameter's elements before training. */
export type Initialise = (values: Float32Array, random: Random) => void;

/** A parameter as its layer declares it. */
export interface ParameterSpec {
  /** For instance "encoder.blocks.0.attention.query.weight". */
  name: string;
  /** As in PyTorch: (out, in) for a linear map. */
  shape: readonly number[];
  /** Its values before training. */
  initialise: Initialise;
}

/** One linear map of a group that reads the same input. */
export interface LinearSpec {
  name: string;
  input: number;
  output: number;
  weight: Initialise;
  bias: Initialise;
}

export const zeros: Initialise = (values) => void values.fill(0);
export const ones: Initialise = (values) => void values.fill(1);

/** The parameters of a linear group: all weights, then all biases, so that each kind is one block of memory. */
export function linearGroup(...layers: LinearSpec[]): ParameterSpec[] {
  return [
    ...layers.map(({ name, input, output, weight }) => ({
      name: `${name}.weight`,
      shape: [output, input],
      initialise: weight,
    })),
    ...layers.map(({ name, output, bias }) => ({ name: `${name}.bias`, shape: [output], initialise: bias })),
  ];
}

/** Scale and shift of a layer normalisation. */
export function normSpec(name: string, size: number): ParameterSpec[] {
  return [
    { name: `${name}.weight`, shape: [size], initialise: ones },
    { name: `${name}.bias`, shape: [size], initialise: zeros },
  ];
}

/** A weight matrix (out, in) and a bias (out), either of one layer or of a group stacked along "out". */
export interface LinearParameters {
  /** (out, in); of a layer normalisation (d,) */
  weight: Tensor;
  /** (out,) */
  bias: Tensor;
  /** Where the weight's gradient lies. */
  weightGradient: Tensor;
  /** Where the bias's gradient lies. */
  biasGradient: Tensor;
}

/** Every parameter's shape and values by name, as in PyTorch. */
export type StateDict = ReadonlyMap<string, { shape: readonly number[]; data: Float32Array }>;

const count = (shape: readonly number[]) => shape.reduce((a, b) => a * b, 1);

/**
 * Checks that a state dict has every parameter and nothing else.
 * @throws {RangeError} naming what is missing, left over or of another shape
 */
export function checkStateDict(
  specs: readonly Pick<ParameterSpec, "name" | "shape">[],
  state: StateDict,
): void {
  const missing = specs.filter(({ name }) => !state.has(name)).map(({ name }) => name);
  if (missing.length) throw new RangeError(`missing: ${fewOf(missing)}`);
  const known = new Set(specs.map(({ name }) => name));
  const extra = [...state.keys()].filter((name) => !known.has(name));
  if (extra.length) throw new RangeError(`not a parameter of this model: ${fewOf(extra)}`);
  for (const { name, shape } of specs) {
    const given = state.get(name)!.shape;
    if (given.join() !== shape.join()) {
      throw new RangeError(`${name} has shape [${given}], this model wants [${shape}]`);
    }
  }
}

/**
 * The parameters of a model.
 *
 * @example
 * ```ts
 * import { architecture, AstromerNetwork } from "../../mod.ts";
 *
 * using network = new AstromerNetwork(architecture("small"));
 * const state = network.parameters.stateDict(); // by name, as in PyTorch
 * if (state.get("encoder.input.weight")!.shape.join() !== "64,1") throw new Error("a linear map's weight is (out, in)");
 * network.parameters.loadStateDict(state);
 * ```
 */
export class Parameters implements Disposable {
  /** (P,) float32: what the optimizer updates. */
  readonly master: Tensor;
  /** (P,) float32: the gradient of the loss by each. */
  readonly gradient: Tensor;
  /** (P,) what layers compute with: the master itself, or its copy in bfloat16. */
  readonly working: Tensor;
  /** (P,) where autograd accumulates: the gradient itself, or bfloat16. */
  readonly workingGradient: Tensor;
  /** Parameters in the order of the buffer, with their offsets. */
  readonly layout: readonly (ParameterSpec & { offset: number })[];
  readonly #byName: Map<string, { shape: readonly number[]; offset: number }>;
  readonly #views: Tensor[] = [];

  /**
   * Lays all parameters out in one buffer.
   * @param specs every parameter, in the order of the buffer
   * @param options the dtype that layers compute with, the device, and where values come from: a state dict, or the
   * initialisers with a seed
   * @throws {RangeError} as {@link loadStateDict}, before anything is allocated
   */
  constructor(
    specs: readonly ParameterSpec[],
    { dtype = "float32", device = "cpu", seed = 0, state }: {
      dtype?: "float32" | "bfloat16";
      device?: Device;
      seed?: number;
      state?: StateDict;
    } = {},
  ) {
    let offset = 0;
    this.layout = specs.map((spec) => {
      const placed = { ...spec, offset };
      offset += count(spec.shape);
      return placed;
    });
    this.#byName = new Map(this.layout.map(({ name, shape, offset }) => [name, { shape, offset }]));
    if (this.#byName.size !== specs.length) throw new RangeError("two parameters have the same name");
    const initial = state ? this.#flat(state) : new Float32Array(offset);
    for (const [i, { shape, offset, initialise }] of state ? [] : this.layout.entries()) {
      initialise(initial.subarray(offset, offset + count(shape)), seeded(seed, 0x1a17, i));
    }
    [this.master, this.gradient, this.working, this.workingGradient] = unscoped(() => {
      const master = Tensor.from(initial, [offset], { device });
      const gradient = Tensor.zeros([offset], { device });
      if (dtype === "float32") return [master, gradient, master, gradient];
      return [
        master,
        gradient,
        Tensor.zeros([offset], { dtype, device }),
        Tensor.zeros([offset], { dtype, device }),
      ];
    });
    this.refresh();
  }

  /** Number of parameters. */
  get size(): number {
    return this.master.elements;
  }

  /** Copies the master into the working copy, after an update. */
  refresh(): void {
    if (this.working !== this.master) noGrad(() => copy_(this.working, this.master));
  }

  /** Sets all gradients to zero. */
  zeroGradient(): void {
    noGrad(() => zero_(this.workingGradient));
  }

  /** Brings the accumulated gradients, or a part of them, into float32, where the optimizer reads them. */
  gatherGradient(from = 0, to = this.size): void {
    if (this.workingGradient === this.gradient) return;
    using source = this.workingGradient.viewAt([to - from], from);
    using target = this.gradient.viewAt([to - from], from);
    noGrad(() => copy_(target, source));
  }

  /** A leaf of the graph over memory from an offset on, whose gradient lies at the same offset. */
  #leaf(shape: readonly number[], offset: number): [leaf: Tensor, gradient: Tensor] {
    return unscoped(() => {
      const leaf = requiresGrad(this.working.viewAt(shape, offset));
      const gradient = this.workingGradient.viewAt(shape, offset);
      setGradient(leaf, gradient);
      this.#views.push(leaf, gradient);
      return [leaf, gradient];
    });
  }

  #entry(name: string): { shape: readonly number[]; offset: number } {
    const entry = this.#byName.get(name);
    if (!entry) throw new RangeError(`there is no parameter "${name}"`);
    return entry;
  }

  /**
   * One parameter, as a leaf over its part of {@link working}; it lives as long as this object.
   * @throws {RangeError} when there is none of that name
   */
  leaf(name: string): Tensor {
    const { shape, offset } = this.#entry(name);
    return this.#leaf(shape, offset)[0];
  }

  /**
   * Weight and bias of linear layers declared side by side in one group, as one matrix; or of a layer normalisation.
   * @param names the layers, in the order of their declaration, without a gap
   * @throws {RangeError} when they do not lie end to end, or there is none of a name
   */
  linear(...names: string[]): LinearParameters {
    const stacked = (suffix: string) => {
      const entries = names.map((name) => this.#entry(`${name}.${suffix}`));
      let next = entries[0].offset;
      for (const [i, { shape, offset }] of entries.entries()) {
        if (offset !== next) {
          throw new RangeError(`${names[i]}.${suffix} does not lie next to the one before it`);
        }
        next += count(shape);
      }
      const [, ...rest] = entries[0].shape;
      return this.#leaf(
        [entries.reduce((rows, { shape }) => rows + shape[0], 0), ...rest],
        entries[0].offset,
      );
    };
    const [weight, weightGradient] = stacked("weight"), [bias, biasGradient] = stacked("bias");
    return { weight, bias, weightGradient, biasGradient };
  }

  /**
   * Every parameter's name, shape and values, in the order of the buffer.
   * @param copied false for whoever reads them before they change or are disposed of: see {@link Tensor.toRead}
   */
  stateDict(
    { copied = true } = {},
  ): Map<string, { shape: readonly number[]; data: Float32Array<ArrayBuffer> }> {
    const values = this.master.toRead() as Float32Array<ArrayBuffer>;
    return new Map(this.layout.map(({ name, shape, offset }) => {
      const end = offset + count(shape);
      return [name, { shape, data: copied ? values.slice(offset, end) : values.subarray(offset, end) }];
    }));
  }

  /**
   * Overwrites every parameter.
   * @throws {RangeError} naming what is missing, left over or of another shape; then nothing is changed
   */
  loadStateDict(state: StateDict): void {
    using source = Tensor.from(this.#flat(state));
    this.master.copyFrom(source);
    this.refresh();
  }

  /** A state dict as one buffer, when it has every parameter and nothing else. */
  #flat(state: StateDict): Float32Array<ArrayBuffer> {
    checkStateDict(this.layout, state);
    const values = new Float32Array(this.layout.reduce((sum, { shape }) => sum + count(shape), 0));
    for (const { name, offset } of this.layout) values.set(state.get(name)!.data, offset);
    return values;
  }

  /** Frees all buffers. */
  [Symbol.dispose](): void {
    for (const tensor of [...this.#views, this.master, this.gradient, this.working, this.workingGradient]) {
      tensor.dispose();
    }
  }
}
