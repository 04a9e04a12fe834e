/** Checkpoints of a training run: all that its future depends on, in one checked file each. */
import { z } from "../common/setting.ts";
import { InputError, messageOf } from "../common/errors.ts";
import { exists } from "../files/atomic.ts";
import { jsonNumber } from "../files/json.ts";
import { readSafetensors, type TensorData, writeSafetensors } from "../files/safetensors.ts";
import type { PretrainState } from "./pretrain_types.ts";

type Values = Float32Array<ArrayBuffer>;

const sums = z.object({
  windows: z.number(),
  meanSquares: z.number(),
  weighted: z.number(),
  residual: z.number(),
  total: z.number(),
});
const numbers = z.record(z.string(), jsonNumber);
const anything = z.record(z.string(), z.unknown());
const state: z.ZodType<PretrainState> = z.object({
  epoch: z.int().min(1),
  batch: z.int().min(0),
  seconds: z.number(),
  validationSeconds: z.number(),
  running: sums,
  interval: z.object({ metrics: sums, start: z.number(), loss: z.number(), steps: z.number() }),
  best: z.object({ epoch: z.int(), loss: z.number(), probe: z.number().optional() }).optional(),
  last: numbers,
});

const recordSchema = z.object({
  format: z.literal("astromer-checkpoint"),
  version: z.literal(1),
  /** Updates made so far. */
  step: z.int().min(0),
  /** Where the loop stands. */
  state,
  /** Metrics of the best model. */
  best: numbers.optional(),
  /** Length of `metrics.jsonl`; what stands beyond is of steps that are made again. */
  metricsBytes: z.int().min(0),
  /** Settings of the run. */
  settings: anything,
  /** Names and shapes of the parameters, light curves to train on and to validate with: SHA-256 of each. */
  fingerprints: z.record(z.string(), z.string()),
  /** When the run was started. */
  started: z.string(),
  /** What the bits depend on beside the settings: versions, device, arithmetic, threads. */
  environment: anything,
});

/** What a checkpoint says beside its tensors. */
export type CheckpointRecord = Omit<z.output<typeof recordSchema>, "format" | "version">;

/** A checkpoint in memory; all arrays have one element a parameter. */
export interface Checkpoint {
  record: CheckpointRecord;
  parameters: Values;
  /** Adam's first and second moments. */
  moments: readonly [Values, Values];
  /** The best model's parameters, once there is one. */
  best?: Values;
}

/** A file that is as it was written, by another version: nothing is wrong with it. */
class OtherCheckpoint extends InputError {}

const nameOf = (step: number) => `step-${String(step).padStart(8, "0")}.safetensors`;

/** How many are kept: should the newest be damaged, there is the one before. */
const kept = 2;

/** Writes a checkpoint into a folder and removes all but the last two. */
export async function writeCheckpoint(
  folder: string,
  { record, parameters, moments, best }: Checkpoint,
): Promise<void> {
  const vector = (data: Values): TensorData => ({ dtype: "F32", shape: [data.length], data });
  // Bytes of a tensor, unlike the file's header, are under a checksum.
  const data = new TextEncoder().encode(
    JSON.stringify({ format: "astromer-checkpoint", version: 1, ...record }),
  );
  await writeSafetensors(`${folder}/${nameOf(record.step)}`, {
    parameters: vector(parameters),
    "moments.first": vector(moments[0]),
    "moments.second": vector(moments[1]),
    ...best ? { best: vector(best) } : {},
    record: { dtype: "U8", shape: [data.length], data },
  });
  for (const name of (await checkpointsIn(folder)).slice(kept)) await Deno.remove(`${folder}/${name}`);
}

/**
 * The newest checkpoint that is whole. Damaged ones are set aside as `….damaged`.
 * @param say takes a line for each damaged one
 * @returns undefined where there is none
 * @throws {InputError} where there are some, but none is whole, or the newest is of another version: that one is left alone
 */
export async function newestCheckpoint(
  folder: string,
  say: (line: string) => void,
): Promise<Checkpoint | undefined> {
  const names = await checkpointsIn(folder);
  for (const name of names) {
    const path = `${folder}/${name}`;
    try {
      return await readCheckpoint(path);
    } catch (error) {
      if (!(error instanceof InputError) || error instanceof OtherCheckpoint) throw error;
      say(`damaged checkpoint, set aside as ${name}.damaged: ${messageOf(error)}`);
      await Deno.rename(path, `${path}.damaged`);
    }
  }
  if (names.length === 0 && !await hasDamaged(folder)) return undefined;
  throw new InputError(`${folder} holds no whole checkpoint: choose another --output`);
}

/**
 * Reads a checkpoint.
 * @throws {InputError} when it is not what was written
 */
export async function readCheckpoint(path: string): Promise<Checkpoint> {
  const { tensors } = await readSafetensors(path);
  const parsed = recordSchema.safeParse(jsonOf(path, tensors.get("record")));
  if (!parsed.success) {
    const [{ path: at, message }] = parsed.error.issues;
    throw new OtherCheckpoint(
      `${path} is whole, but not a checkpoint as this version writes it: ${at.join(".")}: ${message}`,
    );
  }
  const size = tensors.get("parameters")?.shape.join();
  const take = (name: string) => {
    const found = tensors.get(name);
    if (found?.dtype === "F32" && found.shape.join() === size) return found.data as Values;
    throw new InputError(`${path} has no tensor "${name}" of dtype F32 and shape [${size}]`);
  };
  const { format: _, version: __, ...record } = parsed.data;
  return {
    record,
    parameters: take("parameters"),
    moments: [take("moments.first"), take("moments.second")],
    best: record.state.best && take("best"),
  };
}

function jsonOf(path: string, tensor: TensorData | undefined): unknown {
  try {
    return JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(tensor?.data));
  } catch (error) {
    throw new InputError(`${path} is not a checkpoint: ${messageOf(error)}`);
  }
}

/** Names of the checkpoints in a folder, the newest first. */
export async function checkpointsIn(folder: string): Promise<string[]> {
  return (await namesIn(folder)).filter((name) => /^step-\d+\.safetensors$/.test(name)).sort().reverse();
}

async function hasDamaged(folder: string): Promise<boolean> {
  return (await namesIn(folder)).some((name) => name.endsWith(".damaged"));
}

async function namesIn(folder: string): Promise<string[]> {
  if (!await exists(folder)) return [];
  return (await Array.fromAsync(Deno.readDir(folder))).map(({ name }) => name);
}
