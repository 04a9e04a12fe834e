/** A model as a folder: `config.json`, `model.safetensors` with one logical tensor a name, `README.md`. */
import type { Device } from "../../ffi/device.ts";
import { z } from "../common/setting.ts";
import type { Dataset } from "../data/dataset.ts";
import { shortestLightCurve } from "../data/windows.ts";
import { InputError, messageOf } from "../common/errors.ts";
import { exists, writeFolderAtomically, writeJson, writeText } from "../files/atomic.ts";
import { checkedVersion, type FormatVersions, versionIn } from "../files/format_version.ts";
import { jsonNumber } from "../files/json.ts";
import { parseSafetensors, type TensorData, writeSafetensors } from "../files/safetensors.ts";
import { type Architecture, architectureSchema } from "../model/architecture.ts";
import { AstromerNetwork } from "../model/network.ts";
import type { Parameters, StateDict } from "../model/parameters.ts";
import { type Energy, energySchema } from "../train/energy.ts";
import { version } from "../common/version.ts";
import { modelCard } from "./model_card.ts";
import { hubModel, hubReference } from "../hub/hub.ts";
import { shippedModel, shippedNames } from "./shipped.ts";

/** What a command's `--model` takes. */
export const modelHelp =
  "model folder, the name of a model that ships, or hf:ORG/NAME[@REVISION] (see fetch)";

/** What `config.json` holds. */
export interface ModelConfig {
  /** What tells a model folder of this kind from others. */
  model_type: "astromer";
  /** Of the folder's format: 1, or 0 where none is written. */
  format_version?: number;
  /** Sizes and switches. */
  architecture: Architecture;
  /** Number of trainable parameters. */
  parameters: number;
  /** Observations of a full window. */
  window_size: number;
  /** Where the weights come from, in a sentence, if they were not trained here. */
  origin?: string;
  /** What a user must know of this model, in sentences. */
  notes?: string[];
  /** SPDX name of the licence of the weights. */
  license?: string;
  /** How the light curves were filtered that it was trained on: settings of `preprocess`. */
  preprocessing?: Record<string, unknown>;
  /** Settings that the model was trained with. */
  training?: Record<string, unknown>;
  /** The dataset it was trained on. */
  dataset?: { folder: string; fingerprint: string; light_curves?: number; observations?: number };
  /** Metrics when it was saved. */
  metrics?: Record<string, number>;
  /** Estimated energy and carbon footprint of the training. */
  energy?: Energy;
  /** The version of this software that wrote it. */
  astromer_version: string;
}

/** Version 1 says its version; it reads as version 0, which does not. */
export const modelVersions: FormatVersions = { what: "model", oldest: 0, newest: 1 };

const anything = z.record(z.string(), z.unknown());

const configSchema: z.ZodType<ModelConfig> = z.object({
  model_type: z.literal("astromer"),
  format_version: z.int().optional(),
  architecture: architectureSchema.strict(),
  parameters: z.int(),
  window_size: z.int().min(shortestLightCurve),
  origin: z.string().optional(),
  notes: z.array(z.string()).optional(),
  license: z.string().optional(),
  preprocessing: anything.optional(),
  training: anything.optional(),
  dataset: z.object({
    folder: z.string(),
    fingerprint: z.string(),
    light_curves: z.number().optional(),
    observations: z.number().optional(),
  }).optional(),
  metrics: z.record(z.string(), jsonNumber).optional(),
  energy: energySchema.optional(),
  astromer_version: z.string(),
});

/** What whoever saves a model tells of it. */
export type ModelDetails = Omit<
  ModelConfig,
  "model_type" | "format_version" | "architecture" | "parameters" | "astromer_version"
>;

/** What a model's folder says of the dataset it was trained on. */
export function datasetDetails(dataset: Dataset): Pick<ModelDetails, "dataset" | "preprocessing"> {
  const { folder, fingerprint, size, lengths, preprocessing } = dataset;
  const observations = lengths.reduce((sum, length) => sum + length, 0);
  return { dataset: { folder, fingerprint, light_curves: size, observations }, preprocessing };
}

/** How parameters are written. */
export interface SaveOptions {
  /** Of the parameters on disk: F16 halves the file, and keeps three digits of each. Default: F32. */
  dtype?: "F32" | "F16";
  /** False where nothing changes the parameters until they are written. Default: true, they are written as they are now. */
  copied?: boolean;
}

/** A model's parameters as safetensors hold them. */
export function toSafetensors(
  parameters: Parameters,
  { dtype = "F32", copied = true }: SaveOptions = {},
): Record<string, TensorData> {
  const stored = (data: Float32Array) =>
    (dtype === "F32" ? data : Float16Array.from(data)) as ArrayBufferView<ArrayBuffer>;
  return Object.fromEntries(
    [...parameters.stateDict({ copied: copied && dtype === "F32" })].map((
      [name, { shape, data }],
    ) => [name, { dtype, shape, data: stored(data) }]),
  );
}

/** Writes a model folder, atomically. */
export function saveModel(
  folder: string,
  network: AstromerNetwork,
  details: ModelDetails,
  options: SaveOptions = {},
): Promise<void> {
  const config: ModelConfig = {
    model_type: "astromer",
    astromer_version: version,
    parameters: network.parameters.size,
    architecture: network.architecture,
    ...details,
    format_version: modelVersions.newest,
  };
  const tensors = toSafetensors(network.parameters, options);
  return writeFolderAtomically(folder, async (temporary) => {
    await writeSafetensors(`${temporary}/model.safetensors`, tensors, { format: "pt" });
    await writeJson(`${temporary}/config.json`, config);
    await writeText(`${temporary}/README.md`, modelCard(config));
  });
}

/** How to run a loaded model. */
export interface LoadOptions {
  /** Default: the CPU. */
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
 * @param location a folder, the http(s) or file URL of one, the name of a model that ships, or `hf:ORG/NAME[@REVISION]`
 * @returns the model, with the folder (or the URL of one) that it was read from
 * @throws {InputError} naming the file and the tensor or setting that is wrong
 * @throws {Failure} when a model that ships cannot be fetched
 */
export async function loadModel(
  location: string | URL,
  { device = "cpu", dtype = "float32" }: LoadOptions = {},
): Promise<LoadedModel & { folder: string }> {
  const { folder, config, state } = await readModel(location);
  try {
    return { model: new AstromerNetwork(config.architecture, { device, dtype, state }), config, folder };
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    throw new InputError(
      `${folder}/model.safetensors does not fit ${folder}/config.json: ${messageOf(error)}`,
    );
  }
}

/** What a model folder holds. */
export interface ModelParts {
  /** The folder, or the URL of one, that it was read from. */
  folder: string;
  config: ModelConfig;
  state: StateDict;
}

/**
 * Reads a model folder, without libtorch. The state dict is not compared with the architecture.
 * @param location as {@link loadModel}
 * @throws {InputError | Failure} as {@link loadModel}
 */
export async function readModel(location: string | URL): Promise<ModelParts> {
  const folder = await folderOf(String(location).replace(/\/+$/, ""));
  const config = parseConfig(`${folder}/config.json`, await fileOf(folder, "config.json"));
  const path = `${folder}/model.safetensors`;
  const { tensors } = parseSafetensors(path, await fileOf(folder, "model.safetensors"));
  return { folder, config, state: stateDictOf(path, tensors) };
}

/** What a location names: a folder that is there comes before a model that ships under that name. */
async function folderOf(location: string): Promise<string> {
  const reference = hubReference(location);
  if (reference) return await hubModel(reference);
  if (/^(https?|file):/.test(location) || await exists(location)) return location;
  const folder = await shippedModel(location);
  if (folder !== undefined || location.includes("/")) return folder ?? location;
  throw new InputError(
    `${location} is not a model folder, nor the name of a model that ships: ${shippedNames().join(", ")}`,
  );
}

/** A file of a model folder, from disk or from the network. */
async function fileOf(folder: string, name: string): Promise<Uint8Array<ArrayBuffer>> {
  const path = `${folder}/${name}`;
  try {
    if (!/^https?:/.test(folder)) {
      const local = /^file:/.test(folder) ? new URL(path) : path;
      // A pipe would wait for a writer.
      if (!(await Deno.stat(local)).isFile) throw new Error("it is not a file");
      return await Deno.readFile(local);
    }
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
  // Before the rest, which a newer version may have changed.
  checkedVersion(path, versionIn(json, "format_version"), modelVersions);
  const parsed = configSchema.safeParse(json);
  if (parsed.success) return parsed.data;
  const [{ path: at, message }] = parsed.error.issues;
  throw new InputError(`${path}: ${at.length ? `${at.join(".")}: ` : ""}${message}`);
}

function stateDictOf(path: string, tensors: ReadonlyMap<string, TensorData>) {
  return new Map([...tensors].map(([name, { dtype, shape, data }]) => {
    if (dtype !== "F32" && dtype !== "F16") {
      throw new InputError(`${path}: tensor "${name}" has dtype ${dtype}, a model wants F32 or F16`);
    }
    const values = dtype === "F32"
      ? data as Float32Array<ArrayBuffer>
      : Float32Array.from(new Float16Array(data.buffer, data.byteOffset, data.byteLength / 2));
    const odd = values.findIndex((value) => !Number.isFinite(value));
    if (odd >= 0) throw new InputError(`${path}: tensor "${name}" holds ${values[odd]} at element ${odd}`);
    return [name, { shape, data: values }];
  }));
}
