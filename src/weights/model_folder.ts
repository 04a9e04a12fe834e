/** A model as a folder: `config.json` and `model.safetensors`, one logical tensor a name. */
import type { Device } from "../../ffi/device.ts";
import { InputError, messageOf } from "../errors.ts";
import { writeFolderAtomically, writeJson } from "../files/atomic.ts";
import { readSafetensors, type TensorData, writeSafetensors } from "../files/safetensors.ts";
import { type Architecture, architectureSchema } from "../model/architecture.ts";
import { AstromerNetwork } from "../model/network.ts";
import type { Parameters } from "../model/parameters.ts";
import { version } from "../version.ts";

/** What `config.json` holds beside the architecture. */
export interface ModelConfig {
  model_type: "astromer";
  architecture: Architecture;
  /** Number of trainable parameters. */
  parameters: number;
  /** Observations of a full window. */
  window_size: number;
  /** Settings that the model was trained with. */
  training?: Record<string, unknown>;
  /** Fingerprint of the dataset it was trained on. */
  dataset?: { folder: string; fingerprint: string };
  /** Metrics when it was saved. */
  metrics?: Record<string, number>;
  astromer_version: string;
}

/** A model's parameters as safetensors hold them. */
export function toSafetensors(parameters: Parameters): Record<string, TensorData> {
  return Object.fromEntries(
    [...parameters.stateDict()].map(([name, { shape, data }]) => [name, { dtype: "F32", shape, data }]),
  );
}

/** Writes a model folder, atomically. */
export function saveModel(
  folder: string,
  model: AstromerNetwork,
  details: Pick<ModelConfig, "window_size" | "training" | "dataset" | "metrics">,
): Promise<void> {
  const config: ModelConfig = {
    model_type: "astromer",
    astromer_version: version,
    parameters: model.parameters.size,
    architecture: model.architecture,
    ...details,
  };
  return writeFolderAtomically(folder, async (temporary) => {
    await writeSafetensors(`${temporary}/model.safetensors`, toSafetensors(model.parameters), {
      format: "pt",
    });
    await writeJson(`${temporary}/config.json`, config);
  });
}

/** How to run a loaded model. */
export interface LoadOptions {
  device?: Device;
  dtype?: "float32" | "bfloat16";
}

/**
 * Reads a model folder.
 * @throws {InputError} naming the file and the tensor or setting that is wrong
 */
export async function loadModel(
  folder: string,
  { device = "cpu", dtype = "float32" }: LoadOptions = {},
): Promise<{ model: AstromerNetwork; config: ModelConfig }> {
  let text: string;
  try {
    text = await Deno.readTextFile(`${folder}/config.json`);
  } catch (error) {
    throw new InputError(`${folder} is not a model folder: ${messageOf(error)}`);
  }
  let config: ModelConfig;
  try {
    config = JSON.parse(text);
  } catch (error) {
    throw new InputError(`${folder}/config.json is not valid JSON: ${messageOf(error)}`);
  }
  const parsed = architectureSchema.strict().safeParse(config?.architecture);
  if (!parsed.success) {
    const [{ path, message }] = parsed.error.issues;
    throw new InputError(
      `${folder}/config.json: architecture${path.length ? `.${path.join(".")}` : ""}: ${message}`,
    );
  }
  const path = `${folder}/model.safetensors`;
  const { tensors } = await readSafetensors(path);
  const state = new Map<string, { shape: readonly number[]; data: Float32Array }>();
  for (const [name, { dtype, shape, data }] of tensors) {
    if (dtype !== "F32") {
      throw new InputError(`${path}: tensor "${name}" has dtype ${dtype}, a model wants F32`);
    }
    state.set(name, { shape, data: data as Float32Array });
  }
  const model = new AstromerNetwork(parsed.data, { device, dtype });
  try {
    model.parameters.loadStateDict(state);
  } catch (error) {
    model[Symbol.dispose]();
    throw new InputError(`${path} does not fit ${folder}/config.json: ${messageOf(error)}`);
  }
  return { model, config };
}
