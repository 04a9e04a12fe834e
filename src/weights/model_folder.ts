/** A model as a folder: `config.json`, `model.safetensors` with one logical tensor a name, `README.md`. */
import type { Device } from "../../ffi/device.ts";
import { z } from "../command.ts";
import type { Dataset } from "../data/dataset.ts";
import { shortestLightCurve } from "../data/windows.ts";
import { InputError, messageOf } from "../errors.ts";
import { writeFolderAtomically, writeJson, writeText } from "../files/atomic.ts";
import { readSafetensors, type TensorData, writeSafetensors } from "../files/safetensors.ts";
import { architectureSchema } from "../model/architecture.ts";
import { AstromerNetwork } from "../model/network.ts";
import type { Parameters } from "../model/parameters.ts";
import { energySchema } from "../train/energy.ts";
import { version } from "../version.ts";
import { modelCard } from "./model_card.ts";

const anything = z.record(z.string(), z.unknown());

const configSchema = z.object({
  model_type: z.literal("astromer"),
  architecture: architectureSchema.strict(),
  /** Number of trainable parameters. */
  parameters: z.int(),
  /** Observations of a full window. */
  window_size: z.int().min(shortestLightCurve),
  /** Where the weights come from, in a sentence, if they were not trained here. */
  origin: z.string().optional(),
  /** What a user must know of this model, in sentences. */
  notes: z.array(z.string()).optional(),
  /** SPDX name of the licence of the weights. */
  license: z.string().optional(),
  /** How the light curves were filtered that it was trained on: settings of `preprocess`. */
  preprocessing: anything.optional(),
  /** Settings that the model was trained with. */
  training: anything.optional(),
  /** The dataset it was trained on. */
  dataset: z.looseObject({ folder: z.string(), fingerprint: z.string() }).optional(),
  /** Metrics when it was saved. */
  metrics: z.record(z.string(), z.number()).optional(),
  /** Estimated energy and carbon footprint of the training, with what they rest on. */
  energy: energySchema.optional(),
  astromer_version: z.string(),
});

/** What `config.json` holds. */
export type ModelConfig = z.output<typeof configSchema>;

/** What whoever saves a model tells of it. */
export type ModelDetails = Omit<
  ModelConfig,
  "model_type" | "architecture" | "parameters" | "astromer_version"
>;

/** What a model's folder says of the dataset it was trained on. */
export function datasetDetails(dataset: Dataset): Pick<ModelDetails, "dataset" | "preprocessing"> {
  const { folder, fingerprint, size, lengths, preprocessing } = dataset;
  const observations = lengths.reduce((sum, length) => sum + length, 0);
  return { dataset: { folder, fingerprint, light_curves: size, observations }, preprocessing };
}

/** A model's parameters as safetensors hold them. */
export function toSafetensors(parameters: Parameters): Record<string, TensorData> {
  return Object.fromEntries(
    [...parameters.stateDict()].map(([name, { shape, data }]) => [name, { dtype: "F32", shape, data }]),
  );
}

/** Writes a model folder, atomically. */
export function saveModel(folder: string, network: AstromerNetwork, details: ModelDetails): Promise<void> {
  const config: ModelConfig = {
    model_type: "astromer",
    astromer_version: version,
    parameters: network.parameters.size,
    architecture: network.architecture,
    ...details,
  };
  return writeFolderAtomically(folder, async (temporary) => {
    await writeSafetensors(`${temporary}/model.safetensors`, toSafetensors(network.parameters), {
      format: "pt",
    });
    await writeJson(`${temporary}/config.json`, config);
    await writeText(`${temporary}/README.md`, modelCard(config));
  });
}

/** How to run a loaded model. */
export interface LoadOptions {
  device?: Device;
  /** What layers compute with; parameters are float32 in either case. */
  dtype?: "float32" | "bfloat16";
}

/** A model and what its folder says of it. */
export interface LoadedModel {
  model: AstromerNetwork;
  config: ModelConfig;
}

/**
 * Reads a model folder.
 * @param location a folder, or the http(s) or file URL of one
 * @throws {InputError} naming the file and the tensor or setting that is wrong
 */
export async function loadModel(
  location: string | URL,
  { device = "cpu", dtype = "float32" }: LoadOptions = {},
): Promise<LoadedModel> {
  const folder = String(location).replace(/\/+$/, "");
  const config = parseConfig(`${folder}/config.json`, await fileOf(folder, "config.json"));
  const path = `${folder}/model.safetensors`;
  const { tensors } = await readSafetensors(path);
  const state = stateDictOf(path, tensors);
  try {
    return { model: new AstromerNetwork(config.architecture, { device, dtype, state }), config };
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    throw new InputError(`${path} does not fit ${folder}/config.json: ${messageOf(error)}`);
  }
}

/** A file of a model folder, from disk or from the network. */
async function fileOf(folder: string, name: string): Promise<Uint8Array<ArrayBuffer>> {
  const path = `${folder}/${name}`;
  try {
    if (!/^https?:/.test(folder)) return await Deno.readFile(/^file:/.test(folder) ? new URL(path) : path);
    const response = await fetch(path);
    if (response.ok) return new Uint8Array(await response.arrayBuffer());
    await response.body?.cancel();
    throw new Error(`the server answers ${response.status} ${response.statusText}`.trim());
  } catch (error) {
    throw new InputError(`${folder} is not a model folder: ${name} cannot be read: ${messageOf(error)}`);
  }
}

function parseConfig(path: string, bytes: Uint8Array): ModelConfig {
  let json: unknown;
  try {
    json = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes));
  } catch (error) {
    throw new InputError(`${path} is not valid JSON: ${messageOf(error)}`);
  }
  const parsed = configSchema.safeParse(json);
  if (parsed.success) return parsed.data;
  const [{ path: at, message }] = parsed.error.issues;
  throw new InputError(`${path}: ${at.length ? `${at.join(".")}: ` : ""}${message}`);
}

function stateDictOf(path: string, tensors: ReadonlyMap<string, TensorData>) {
  return new Map([...tensors].map(([name, { dtype, shape, data }]) => {
    if (dtype !== "F32") {
      throw new InputError(`${path}: tensor "${name}" has dtype ${dtype}, a model wants F32`);
    }
    const values = data as Float32Array<ArrayBuffer>;
    const odd = values.findIndex((value) => !Number.isFinite(value));
    if (odd >= 0) throw new InputError(`${path}: tensor "${name}" holds ${values[odd]} at element ${odd}`);
    return [name, { shape, data: values }];
  }));
}
