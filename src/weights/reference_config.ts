/**
 * What a checkpoint of the authors' code was trained as: `config.toml`, `conf.json` of 2021, or a preset. Their keys are
 * those of `pretrain.py` and `model_design.py` (github.com/astromer-science/main-code).
 */
import { z } from "../common/setting.ts";
import { InputError, messageOf } from "../common/errors.ts";
import { textOf } from "../files/text.ts";
import { shortestLightCurve } from "../data/windows.ts";
import type { FileSource } from "../files/folder_or_zip.ts";
import { type Architecture, architectureShape } from "../model/architecture.ts";
import { parseToml } from "../common/std.ts";

/** How a model was trained and must be run: what its tensors do not tell. */
export type Training = Pick<Architecture, "heads" | "dropout" | "attention_mask" | "attention_mask_value"> & {
  /** Observations of a full window. */
  window_size: number;
};

/** What the tensors tell: a configuration that says otherwise belongs to another checkpoint. */
export type Structure = Pick<Architecture, "blocks" | "feed_forward_size" | "skip"> & {
  width: number;
  token: boolean;
};

/** A configuration, and the file or preset that it comes from. */
export interface ReferenceConfig {
  origin: string;
  training: Training;
  structure: Partial<Structure>;
}

/** +1 where query or key is hidden: how the authors' code trains Astromer 1, and how the released weights must run. */
const astromer1Mask = { attention_mask: "both", attention_mask_value: 1 } as const;

/** The released models; without a configuration nothing says how much dropout there was, which matters to training alone. */
export const referencePresets = {
  astromer1: {
    training: { heads: 4, window_size: 200, dropout: 0, ...astromer1Mask },
    structure: { skip: "none", token: false },
  },
  astromer2: {
    training: { heads: 4, window_size: 200, dropout: 0, attention_mask: "keys", attention_mask_value: -1e9 },
    structure: {},
  },
} as const satisfies Record<string, Omit<ReferenceConfig, "origin">>;

const count = z.int().min(1), { dropout } = architectureShape, window = z.int().min(shortestLightCurve);

/** Astromer 1 of 2021. Its `base` was never used (10000 always), its `head_dim` is the model's width. */
const confJson = z.object({
  layers: count,
  heads: count,
  head_dim: count,
  dff: count,
  use_leak: z.boolean(),
  dropout,
  max_obs: window,
}).transform((conf): Omit<ReferenceConfig, "origin"> => ({
  training: { heads: conf.heads, window_size: conf.max_obs, dropout: conf.dropout, ...astromer1Mask },
  structure: {
    blocks: conf.layers,
    width: conf.head_dim,
    feed_forward_size: conf.dff,
    skip: conf.use_leak ? "linear" : "none",
    token: false,
  },
}));

const modern = {
  num_layers: count,
  num_heads: count,
  head_dim: count,
  mixer: count,
  dropout,
  window_size: window,
  m_alpha: z.number(),
};

function fromModern(
  config: z.output<z.ZodObject<typeof modern>>,
  mask: Pick<Training, keyof typeof astromer1Mask>,
) {
  return {
    training: { heads: config.num_heads, window_size: config.window_size, dropout: config.dropout, ...mask },
    structure: {
      blocks: config.num_layers,
      width: config.num_heads * config.head_dim,
      feed_forward_size: config.mixer,
    },
  };
}

/** `arch` "zero" is Astromer 1, "base" Astromer 2. `pe_base` and `pe_exp` were never used. */
const configToml = z.discriminatedUnion("arch", [
  z.object({ arch: z.literal("zero"), ...modern, mask_format: z.string().optional() })
    .transform((config): Omit<ReferenceConfig, "origin"> => {
      // Astromer 1's code knows two formats, "Q" meaning keys, and adds nothing with any other.
      const { mask_format: format, m_alpha } = config;
      const known = format === "Q" || format === "QK";
      const { training, structure } = fromModern(config, {
        attention_mask: format === "QK" ? "both" : "keys",
        attention_mask_value: known ? m_alpha : 0,
      });
      return { training, structure: { ...structure, skip: "none", token: false } };
    }),
  z.object({
    arch: z.literal("base"),
    ...modern,
    mask_format: z.enum(["K", "Q", "QK"]),
    use_leak: z.boolean(),
    // Divides the logits; 0 stands for none.
    temperature: z.literal([0, 1], "attention with a temperature is not supported").default(0),
  }).transform((config): Omit<ReferenceConfig, "origin"> => {
    const masks = { K: "keys", Q: "queries", QK: "both" } as const;
    const { training, structure } = fromModern(config, {
      attention_mask: masks[config.mask_format],
      attention_mask_value: config.m_alpha,
    });
    return { training, structure: { ...structure, skip: config.use_leak ? "linear" : "none" } };
  }),
], { error: 'must be "zero" (Astromer 1) or "base" (Astromer 2)' });

/** The files that are looked for, in this order. */
const files = [
  { file: "config.toml", parse: parseToml, schema: configToml },
  { file: "conf.json", parse: JSON.parse, schema: confJson },
];

/**
 * The configuration beside a checkpoint, if there is one.
 * @param prefix the NAME of the checkpoint's files, with their folder in a zip
 * @throws {InputError} naming the file and the key that is wrong
 */
export async function readReferenceConfig(
  source: FileSource,
  prefix: string,
): Promise<ReferenceConfig | null> {
  const folder = prefix.slice(0, prefix.lastIndexOf("/") + 1);
  for (const { file, parse, schema } of files) {
    const name = folder + file;
    if (!source.names.includes(name)) continue;
    const origin = `${source.path}/${name}`, bytes = await source.read(name, 2 ** 16);
    let value: unknown;
    try {
      value = parse(textOf(bytes));
    } catch (error) {
      throw new InputError(`${origin} cannot be understood: ${messageOf(error)}`);
    }
    const parsed = schema.safeParse(value);
    if (!parsed.success) {
      const [{ path, message }] = parsed.error.issues;
      throw new InputError(
        `${origin}: ${path.length ? `${path.join(".")}: ` : ""}${message}; --preset ignores this file`,
      );
    }
    return { origin, ...parsed.data };
  }
  return null;
}
