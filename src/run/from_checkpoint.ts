/** Resuming a run from its newest checkpoint, all ranks from the same place. */
import { Tensor } from "../../ffi/tensor.ts";
import { InputError } from "../common/errors.ts";
import { exists } from "../files/atomic.ts";
import type { Ranks } from "../machine/ranks.ts";
import type { Parameters } from "../model/parameters.ts";
import type { Adam } from "../train/adam.ts";
import { type Checkpoint, newestCheckpoint } from "../train/checkpoint.ts";
import type { PretrainState } from "../train/pretrain_types.ts";
import { loadModel } from "../weights/model_folder.ts";
import { type Fingerprints, refuseOtherModel } from "./fingerprints.ts";

/** Gives every rank the first one's parameters, optimizer, and place in the run, which is returned. */
export function startTogether(
  ranks: Ranks,
  parameters: Parameters,
  adam: Adam,
  state?: PretrainState,
): PretrainState | undefined {
  const shared = ranks.share({ steps: adam.steps, state });
  ranks.shareTensor(parameters.master);
  parameters.refresh();
  if (shared.steps > 0) {
    for (const moments of adam.moments) ranks.shareTensor(moments);
    adam.goOnAfter(shared.steps);
  }
  return shared.state;
}

/**
 * The checkpoint from which a run goes on; none where it has none yet.
 * @throws {InputError} when none is whole, or the newest is of other data or of another network
 */
export async function checkpointOf(
  folder: string,
  fingerprints: Fingerprints,
  environment: Record<string, unknown>,
  saved: Record<string, unknown>,
): Promise<Checkpoint | undefined> {
  const found = await newestCheckpoint(`${folder}/checkpoints`, console.error);
  if (!found) {
    for (const model of ["best", "last"]) {
      if (await exists(`${folder}/${model}`)) {
        throw new InputError(
          `${folder} holds the model ${model}/ but no checkpoint to continue from: choose another --output`,
        );
      }
    }
    console.log(`${folder} has no checkpoint yet: it starts from the beginning`);
    return undefined;
  }
  const { step, state: { epoch, batch }, fingerprints: then, environment: there } = found.record;
  if (then.dataset !== fingerprints.dataset) {
    throw new InputError(
      `${folder} was started on a dataset with the fingerprint ${then.dataset}, --data has ${fingerprints.dataset}: a run must continue with the data it was started on`,
    );
  }
  if (then.light_curves !== fingerprints.light_curves) {
    throw new InputError(
      `${folder} was started with other light curves to train on or to validate with: choose another --output`,
    );
  }
  if (then.parameters !== fingerprints.parameters) {
    throw new InputError(
      `${folder} was started with a network that has other parameters (astromer ${there.astromer}): choose another --output`,
    );
  }
  refuseOtherModel(folder, fingerprints.model, saved.model, then.model, found.record.settings.model);
  const place = batch ? `${batch} batches into epoch ${epoch}` : `${epoch - 1} epochs done`;
  console.log(`${folder} continues from step ${step} (${place})`);
  const changed = Object.entries(environment).filter(([name, value]) => there[name] !== value)
    .map(([name, value]) => `${name} ${value} (before: ${there[name]})`);
  if (changed.length) {
    console.log(
      `it goes on with ${
        changed.join(", ")
      }: numbers may differ in their last bits from a run without a stop`,
    );
  }
  return found;
}

/** Gives parameters the values of a checkpoint. */
export function setParameters(parameters: Parameters, values: Float32Array<ArrayBuffer>): void {
  using source = Tensor.from(values);
  parameters.master.copyFrom(source);
  parameters.refresh();
}

/** Whether a folder is a whole model with these parameters. */
export async function isModel(folder: string, parameters: Float32Array): Promise<boolean> {
  try {
    using model = (await loadModel(folder)).model;
    const found = model.parameters.master.toArray() as Float32Array;
    return found.length === parameters.length && found.every((value, i) => value === parameters[i]);
  } catch (error) {
    if (error instanceof InputError) return false;
    throw error;
  }
}

/**
 * Cuts the metrics back to where a checkpoint was written; the steps after it are made again.
 * @returns the file's length
 */
export async function cutBack(metrics: Deno.FsFile, wanted: number): Promise<number> {
  const { size } = await metrics.stat();
  if (size < wanted) {
    console.error(`metrics.jsonl is cut short: it has ${size} bytes of the checkpoint's ${wanted}`);
  }
  const length = Math.min(size, wanted);
  await metrics.truncate(length);
  await metrics.seek(length, Deno.SeekMode.Start);
  return length;
}
