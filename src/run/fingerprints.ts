/** Fingerprints, by which a resumed run is known to have the data, network and model that it was started with. */
import { createHash } from "node:crypto";
import { z } from "../common/setting.ts";
import { InputError } from "../common/errors.ts";
import type { Dataset } from "../data/dataset.ts";
import type { TrainPart } from "../data/joined_datasets.ts";
import { exists } from "../files/atomic.ts";
import { readJson } from "../files/json.ts";
import type { AstromerNetwork } from "../model/network.ts";

/** Of a run: SHA-256 in hexadecimal. */
export type Fingerprints = {
  dataset: string;
  /** Of the light curves to train on and to validate with. */
  light_curves: string;
  /** Of the parameters' names and shapes. */
  parameters: string;
  /** Of the model that training starts from, if it is not from initial values. */
  model?: string;
};

/** The fingerprints of a run. */
export function fingerprintsOf(
  dataset: Dataset,
  network: AstromerNetwork,
  train: readonly TrainPart[],
  validation: readonly number[],
  model: string | undefined,
): Fingerprints {
  return {
    dataset: dataset.fingerprint,
    light_curves: hashed(train.map(({ lightCurves }) => lightCurves.join()).join(), validation.join()),
    parameters: hashed(...network.parameters.layout.map(({ name, shape }) => `${name} [${shape}]`)),
    ...model === undefined ? {} : { model },
  };
}

/** What a network is, and what its parameters are, wherever it was read from: SHA-256 in hexadecimal. */
export function fingerprintOfNetwork({ architecture, parameters }: AstromerNetwork): string {
  const values = parameters.master.toArray() as Float32Array<ArrayBuffer>;
  return createHash("sha256").update(JSON.stringify(architecture)).update(new Uint8Array(values.buffer))
    .digest("hex");
}

/**
 * Refuses another model than the one that a run was started with. Runs of older versions know only its path.
 * @throws {InputError} naming both
 */
export function refuseOtherModel(
  folder: string,
  fingerprint: string | undefined,
  model: unknown,
  fingerprintBefore: string | undefined,
  modelBefore: unknown,
): void {
  if (fingerprintBefore === undefined ? model === modelBefore : fingerprint === fingerprintBefore) return;
  throw new InputError(
    `${folder} was started with another model than --model ${model}: with ${modelBefore}` +
      (fingerprintBefore === undefined
        ? ", whose fingerprint was not recorded: give it by that path"
        : `, of the fingerprint ${fingerprintBefore.slice(0, 12)}, this one has ${
          fingerprint?.slice(0, 12)
        }`),
  );
}

/** The fingerprint of the model that the run in a folder was started with, if it is known. */
export async function modelFingerprintIn(folder: string): Promise<string | undefined> {
  const path = `${folder}/environment.json`;
  if (!await exists(path)) return undefined;
  return (await readJson(path, environmentSchema)).model?.fingerprint;
}

const environmentSchema = z.looseObject({ model: z.looseObject({ fingerprint: z.string() }).optional() });

function hashed(...texts: string[]): string {
  return createHash("sha256").update(texts.join("\n")).digest("hex");
}
