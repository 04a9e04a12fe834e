/** What `config.json` of a model folder holds, and how it is read. */
import { z } from "../common/setting.ts";
import { shortestLightCurve } from "../data/windows.ts";
import { InputError, messageOf } from "../common/errors.ts";
import { checkedVersion, type FormatVersions, versionIn } from "../files/format_version.ts";
import { jsonNumber } from "../files/json.ts";
import { type Architecture, architectureSchema } from "../model/architecture.ts";
import { type Energy, energySchema } from "../train/energy.ts";

/** What `config.json` holds. */
export interface ModelConfig {
  /** Marks a model folder of this kind. */
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
  /** How its training light curves were filtered: settings of `preprocess`. */
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

/** What is told of a model when it is saved. */
export type ModelDetails = Omit<
  ModelConfig,
  "model_type" | "format_version" | "architecture" | "parameters" | "astromer_version"
>;

/**
 * Reads the text of a `config.json`.
 * @throws {InputError} naming the file and the setting that is wrong
 */
export function parseConfig(path: string, bytes: Uint8Array): ModelConfig {
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
