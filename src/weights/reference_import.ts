/** The authors' TensorFlow weights as one of our models: every tensor is used once, or nothing is imported. */
import { fewOf, InputError } from "../common/errors.ts";
import type { FileSource } from "../files/folder_or_zip.ts";
import { type Architecture, architecture } from "../model/architecture.ts";
import { AstromerNetwork, parameterSpecs } from "../model/network.ts";
import {
  readReferenceConfig,
  type ReferenceConfig,
  referencePresets,
  type Structure,
  type Training,
} from "./reference_config.ts";
import type { ModelDetails } from "./model_config.ts";
import { checkpointPrefixes, type CheckpointTensor, readCheckpoint } from "./tensorflow_checkpoint.ts";

/** What the user says of a checkpoint; it counts more than a configuration. */
export interface ImportOptions extends Partial<Omit<Training, "dropout">> {
  /** Which checkpoint, where there are several: the NAME of its NAME.index. */
  prefix?: string;
  /** In place of a configuration beside the checkpoint. */
  preset?: keyof typeof referencePresets;
}

/** An imported model, and what its folder says of it. */
export interface ImportedModel extends Pick<ModelDetails, "window_size" | "origin" | "notes" | "license"> {
  network: AstromerNetwork;
}

/**
 * Imports Astromer 1 or 2 from a checkpoint in a folder or zip.
 * @throws {InputError} when files are damaged, when a tensor is missing or left over, or when nothing says how the model was
 * trained
 */
export async function importReference(
  source: FileSource,
  options: ImportOptions = {},
): Promise<ImportedModel> {
  const prefix = choosePrefix(source, options.prefix);
  const checkpoint = weightsOf(`${source.path}/${prefix}.index`, await readCheckpoint(source, prefix));
  const structure = structureOf(checkpoint);
  const { preset } = options;
  const config = preset
    ? { origin: `--preset ${preset}`, ...referencePresets[preset] }
    : await readReferenceConfig(source, prefix);
  if (config) refuseOtherModel(checkpoint, structure, config);
  const { window_size, ...training } = trainingOf(checkpoint, config, options);
  const of = architectureOf(structure, training);
  const state = stateDictOf(checkpoint, of);
  const network = new AstromerNetwork(of, { initialization: "reference" });
  network.parameters.loadStateDict(state);
  return {
    network,
    window_size,
    origin: originOf(source, prefix),
    notes: notesOf(network),
    license: "unknown",
  };
}

function choosePrefix(source: FileSource, wanted: string | undefined): string {
  const all = checkpointPrefixes(source.names), list = all.join(", ");
  if (all.length === 0) {
    throw new InputError(`${source.path} holds no TensorFlow checkpoint: there is no NAME.index`);
  }
  if (wanted === undefined) {
    if (all.length === 1) return all[0];
    throw new InputError(`${source.path} holds several checkpoints; choose with --prefix: ${list}`);
  }
  if (all.includes(wanted)) return wanted;
  const ending = all.filter((prefix) => prefix.endsWith(`/${wanted}`));
  if (ending.length === 1) return ending[0];
  throw new InputError(`--prefix ${wanted}: the checkpoints in ${source.path} are ${list}`);
}

/** A checkpoint's weights: its tensors but for object graph, optimizer and save counter. */
interface Checkpoint {
  /** Of the index, for messages. */
  path: string;
  tensors: ReadonlyMap<string, CheckpointTensor>;
  /** What stands before the names of the encoder's layers, of the head's and of the token: layer numbers differ. */
  encoder: string;
  head: string;
  token: string | undefined;
}

const variable = "/.ATTRIBUTES/VARIABLE_VALUE";

function weightsOf(path: string, all: ReadonlyMap<string, CheckpointTensor>): Checkpoint {
  const other = /^(_CHECKPOINTABLE_OBJECT_GRAPH$|save_counter\/|optimizer\/)|\/\.OPTIMIZER_SLOT\//;
  const tensors = new Map([...all].filter(([name]) => !other.test(name)));
  const rootOf = (layer: string) => {
    const tail = layer + variable;
    const found = [...tensors.keys()].filter((name) => name === tail || name.endsWith(`/${tail}`));
    if (found.length > 1) {
      throw new InputError(`${path} holds more than one ${layer}: ${found.map(plain).join(", ")}`);
    }
    return found[0]?.slice(0, -tail.length);
  };
  const [encoder, head, token] = ["inp_transform/kernel", "bn_0/gamma", "msk_token"].map(rootOf);
  if (encoder === undefined || head === undefined) {
    const missing = encoder === undefined ? "inp_transform/kernel" : "bn_0/gamma";
    throw new InputError(
      `${path} has no ${missing}: it is not a checkpoint of a pretrained Astromer (classifiers are not imported)`,
    );
  }
  return { path, tensors, encoder, head, token };
}

/** A tensor's name as it is shown. */
function plain(name: string): string {
  return name.endsWith(variable) ? name.slice(0, -variable.length) : name;
}

function structureOf({ path, tensors, encoder, token }: Checkpoint): Structure {
  const sizeOf = (name: string) => {
    const shape = tensors.get(name + variable)?.shape;
    if (shape?.length !== 2) throw new InputError(`${path} has no matrix ${name}`);
    return shape[1];
  };
  const blocks = `${encoder}enc_layers/`;
  const names = [...tensors.keys()].filter((name) => name.startsWith(blocks));
  return {
    blocks: new Set(names.map((name) => name.slice(blocks.length).split("/", 1)[0])).size,
    width: sizeOf(`${encoder}inp_transform/kernel`),
    feed_forward_size: sizeOf(`${blocks}0/ffn/layer_with_weights-0/kernel`),
    skip: names.some((name) => name.includes("/reshape_leak_")) ? "linear" : "none",
    token: token !== undefined,
  };
}

/** A configuration that contradicts the tensors belongs to another checkpoint. */
function refuseOtherModel({ path }: Checkpoint, structure: Structure, config: ReferenceConfig): void {
  const contradicted = (Object.keys(config.structure) as (keyof Structure)[])
    .filter((name) => config.structure[name] !== structure[name])
    .map((name) => `${name} is ${config.structure[name]}, in ${path} it is ${structure[name]}`);
  if (contradicted.length) {
    throw new InputError(`${config.origin} is of another model: ${contradicted.join("; ")}`);
  }
}

/** Flags, over the configuration or preset. */
function trainingOf(
  { path }: Checkpoint,
  config: ReferenceConfig | null,
  { heads, window_size, attention_mask, attention_mask_value }: ImportOptions,
): Training {
  const flags = Object.entries({ heads, window_size, attention_mask, attention_mask_value });
  const missing = flags.filter(([, value]) => value === undefined).map(([name]) =>
    `--${name.replaceAll("_", "-")}`
  );
  if (!config && missing.length) {
    const presets = Object.keys(referencePresets).map((name) => `--preset ${name}`).join(" or ");
    throw new InputError(
      `${path} has no config.toml or conf.json beside it to say how it was trained: give ${presets}, or ` +
        missing.join(", "),
    );
  }
  return {
    dropout: 0,
    ...config?.training,
    ...Object.fromEntries(flags.filter(([, value]) => value !== undefined)),
  } as Training;
}

/** What the authors' code computes: base 10000 whatever its settings say; without a token, hidden magnitudes are kept. */
function architectureOf(structure: Structure, training: Omit<Training, "window_size">): Architecture {
  const { blocks, width, feed_forward_size, skip, token } = structure, { heads } = training;
  if (width % heads || width % 2) {
    throw new InputError(
      `heads cannot be ${heads}: the model's width is ${width}, an even multiple is needed`,
    );
  }
  return architecture("astromer2", {
    ...training,
    blocks,
    head_size: width / heads,
    feed_forward_size,
    skip,
    masked_magnitudes: token ? "token" : "kept",
  });
}

/** Our layers of a block, and the reference's attributes. */
const blockLayers = {
  "attention.query": "mha/wq",
  "attention.key": "mha/wk",
  "attention.value": "mha/wv",
  "attention.output": "mha/dense",
  "attention_norm": "layernorm1",
  "attention_skip": "reshape_leak_1",
  "feed_forward.up": "ffn/layer_with_weights-0",
  "feed_forward.down": "ffn/layer_with_weights-1",
  "feed_forward_norm": "layernorm2",
  "feed_forward_skip": "reshape_leak_2",
};

/** The reference's name of one of our parameters. */
function referenceName(name: string, { encoder, head, token }: Checkpoint): string {
  if (name === "encoder.mask_token") return `${token}msk_token${variable}`;
  const [, layer, kind] = /^(.*)\.(weight|bias)$/.exec(name)!;
  const [, block, blockLayer] = /^encoder\.blocks\.(\d+)\.(.*)$/.exec(layer) ?? [];
  const path = block !== undefined
    ? `${encoder}enc_layers/${block}/${blockLayers[blockLayer as keyof typeof blockLayers]}`
    : layer === "encoder.input"
    ? `${encoder}inp_transform`
    : `${head}${layer === "head.norm" ? "bn_0" : "reg_layer"}`;
  const kinds = layer.endsWith("norm")
    ? { weight: "gamma", bias: "beta" }
    : { weight: "kernel", bias: "bias" };
  return `${path}/${kinds[kind as keyof typeof kinds]}${variable}`;
}

/** Every parameter's values, in our layout. */
function stateDictOf(checkpoint: Checkpoint, of: Architecture) {
  const { path, tensors } = checkpoint;
  const specs = parameterSpecs(of, "reference").map(({ name, shape }) => ({
    name,
    shape,
    theirs: referenceName(name, checkpoint),
  }));
  const used = new Set(specs.map(({ theirs }) => theirs));
  const missing = [...used].filter((name) => !tensors.has(name));
  const leftOver = [...tensors.keys()].filter((name) => !used.has(name));
  const problems = [["missing", missing], ["left over", leftOver]] as const;
  const found = problems.filter(([, names]) => names.length)
    .map(([what, names]) => `${what}: ${fewOf(names.map(plain))}`);
  if (found.length) throw new InputError(`${path} does not fit this architecture; ${found.join("; ")}`);
  return new Map(specs.map(({ name, shape, theirs }) => [
    name,
    { shape, data: valuesOf(path, theirs, tensors.get(theirs)!, shape) },
  ]));
}

/** A tensor's numbers in the shape that is wanted: a kernel (in, out) becomes a weight (out, in). */
function valuesOf(
  path: string,
  name: string,
  { dtype, shape, bytes }: CheckpointTensor,
  wanted: readonly number[],
): Float32Array<ArrayBuffer> {
  const expected = plain(name).endsWith("msk_token") ? [1, 1] : wanted.toReversed();
  if (dtype !== "float32" || shape.join() !== expected.join()) {
    throw new InputError(
      `${path}: tensor "${plain(name)}" is ${dtype} [${shape}], not float32 [${expected}]`,
    );
  }
  const values = new Float32Array(bytes.slice().buffer);
  const odd = values.findIndex((value) => !Number.isFinite(value));
  if (odd >= 0) {
    throw new InputError(`${path}: tensor "${plain(name)}" holds ${values[odd]} at element ${odd}`);
  }
  if (wanted.length < 2) return values;
  const [outputs, inputs] = wanted;
  return values.map((_, i) => values[i % inputs * outputs + Math.floor(i / inputs)]);
}

function originOf(source: FileSource, prefix: string): string {
  const name = source.path.replace(/\/+$/, "").split("/").at(-1);
  return `Imported from the TensorFlow checkpoint ${prefix} in ${name}; the authors' weights are at ` +
    "https://github.com/astromer-science/weights.";
}

/** What a user of an imported model must know, in sentences. */
export function notesOf(
  { architecture: of, seesPadding }: Pick<AstromerNetwork, "architecture" | "seesPadding">,
): string[] {
  const { attention_mask: mask, attention_mask_value: value } = of;
  const where = { keys: "the key is", queries: "the query is", both: "query or key is" }[mask];
  const preferred = value > 0 && mask !== "queries" ? ": such points are preferred, not hidden" : "";
  return [
    ...seesPadding
      ? [
        `Attention is masked as in its training: ${value} is added to a logit where ${where} hidden or padding${preferred}.`,
        "Padding is therefore part of its input: windows are always padded to the full window size, and embeddings of short " +
        "windows depend on how much padding they have.",
      ]
      : [],
    ...of.masked_magnitudes === "kept"
      ? [
        "Hidden points keep their true magnitude in the input, as in its training, which copying can solve in part: its " +
        "reconstruction errors are not those of predictions, and not to be compared with models that hide magnitudes.",
      ]
      : [],
    "The repository of the authors' weights carries no licence file: ask the authors before passing them on.",
  ];
}
