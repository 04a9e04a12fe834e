/** A model as a folder: `config.json`, `model.safetensors` with one logical tensor a name, `README.md`. */
import type { Device } from "../../ffi/device.ts";
import type { Dataset } from "../data/dataset.ts";
import { InputError, messageOf } from "../common/errors.ts";
import { exists, writeFolderAtomically, writeJson, writeText } from "../files/atomic.ts";
import { parseSafetensors, type TensorData, writeSafetensors } from "../files/safetensors.ts";
import { AstromerNetwork } from "../model/network.ts";
import type { Parameters, StateDict } from "../model/parameters.ts";
import { version } from "../common/version.ts";
import { modelCard } from "./model_card.ts";
import { type ModelConfig, type ModelDetails, modelVersions, parseConfig } from "./model_config.ts";
import { hubModel, hubReference } from "../hub/hub.ts";
import { shippedModel, shippedNames } from "./shipped.ts";

/** What a command's `--model` takes. */
export const modelHelp =
  "model folder, the name of a model that ships, or hf:ORG/NAME[@REVISION] (see fetch)";

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
  /**
   * False where nothing changes the parameters until they are written. Default: true, they are written as they are
   * now.
   */
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
  /** What the layers compute in; parameters are float32 either way. */
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
