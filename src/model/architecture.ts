/** The architecture of Astromer as settings, with the presets of the two papers. */
import { setting, z } from "../common/setting.ts";

/**
 * Shortest period of the folded encoding, days: a search takes 0.4 MB a window for each 1/day of the highest
 * frequency.
 */
export const shortestFoldedPeriod = 0.01;

/**
 * Every architecture setting: name, meaning, default (those of Astromer 2 but for the start, which is the fast one).
 */
export const architectureShape = {
  blocks: setting(z.int().min(1).max(1000).default(6), "attention blocks"),
  heads: setting(z.int().min(1).default(4), "attention heads of a block"),
  head_size: setting(z.int().min(1).default(64), "width of a head; the model's width is heads x head_size"),
  feed_forward_size: setting(z.int().min(1).default(512), "hidden width of a block's feed-forward network"),
  dropout: setting(
    z.number().min(0).max(0.99).default(0),
    "dropout after input embedding, attention, feed-forward",
  ),
  skip: setting(
    z.enum(["linear", "none"]).default("linear"),
    "skip connection of attention and feed-forward: a learned linear map, or none (Astromer 1)",
  ),
  masked_magnitudes: setting(
    z.enum(["token", "zero", "kept"]).default("token"),
    "what replaces a hidden magnitude: a trainable token, zero, or nothing (a leak, as in the released Astromer 1)",
  ),
  attention_mask: setting(
    z.enum(["keys", "queries", "both"]).default("keys"),
    "where hidden points are masked in the attention: as keys, as queries, or as either",
  ),
  attention_mask_value: setting(
    z.number().default(-1e9),
    "what is added to a masked attention logit (the released Astromer 1 was trained with 1)",
  ),
  encoding: setting(
    z.enum(["reference", "periods", "folded"]).default("reference"),
    "positional encoding: base^(-2j/d) as in the papers, pairs of log-spaced periods, or these and the phase at the window's own best period",
  ),
  encoding_base: setting(z.number().gt(1).default(10000), "base of the reference encoding's frequencies"),
  shortest_period: setting(
    z.number().gt(0).default(0.0625),
    "shortest period of the periods and folded encodings",
    "days",
  ),
  longest_period: setting(
    z.number().gt(0).default(1095.75),
    "longest period of the periods and folded encodings",
    "days",
  ),
} as const;

export const architectureSchema = z.object(architectureShape);

/** The architecture of a model, as {@link architectureShape} explains it; part of every model's `config.json`. */
export interface Architecture {
  /** Attention blocks. */
  blocks: number;
  /** Attention heads of a block. */
  heads: number;
  /** Width of a head; the model's width is heads x head_size. */
  head_size: number;
  /** Hidden width of a block's feed-forward network. */
  feed_forward_size: number;
  /** Rate of dropout in training. */
  dropout: number;
  /** Skip connection of attention and feed-forward. */
  skip: "linear" | "none";
  /** What replaces a hidden magnitude. */
  masked_magnitudes: "token" | "zero" | "kept";
  /** Where hidden points are masked in the attention. */
  attention_mask: "keys" | "queries" | "both";
  /** What is added to a masked attention logit. */
  attention_mask_value: number;
  /** Kind of positional encoding. */
  encoding: "reference" | "periods" | "folded";
  /** Base of the reference encoding's frequencies. */
  encoding_base: number;
  /** Shortest period of the periods and folded encodings, days. */
  shortest_period: number;
  /** Longest period of the periods and folded encodings, days. */
  longest_period: number;
}

/** Names of the architectures to start from. */
export type Preset = "astromer2" | "astromer1" | "small";

/** Astromer 1 (Donoso-Oliva et al. 2023), Astromer 2 (2025), and a small Astromer 2 that trains in a minute. */
export const presets = {
  astromer2: {},
  astromer1: { blocks: 2, feed_forward_size: 128, skip: "none", masked_magnitudes: "zero" },
  small: { blocks: 2, heads: 4, head_size: 16, feed_forward_size: 128 },
} as const satisfies Record<Preset, Partial<Architecture>>;

/**
 * A preset's architecture with some settings changed: Astromer 1 (Donoso-Oliva et al. 2023), Astromer 2 (2025), or a
 * small Astromer 2.
 *
 * @example
 * ```ts
 * import { architecture } from "../../mod.ts";
 *
 * const { heads, head_size, feed_forward_size } = architecture("astromer2", { blocks: 4 });
 * if (heads * head_size !== 256 || feed_forward_size !== 512) throw new Error("not the paper's sizes");
 * ```
 * @throws {RangeError} on an unknown preset
 * @throws {z.ZodError} on an impossible setting, by name
 */
export function architecture(
  preset: Preset = "astromer2",
  changes: Partial<Architecture> = {},
): Architecture {
  if (!Object.hasOwn(presets, preset)) {
    throw new RangeError(`preset must be one of ${Object.keys(presets).join(", ")}, not ${preset}`);
  }
  return architectureSchema.parse({ ...presets[preset], ...changes });
}

/** The model's width d: heads x head size. */
export function widthOf({ heads, head_size }: Architecture): number {
  return heads * head_size;
}
