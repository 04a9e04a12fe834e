/** What makes vectors of light curves: a model, models finetuned for each scenario, or features that need no model. */
import { createHash } from "node:crypto";
import { resolve } from "node:path";
import { InputError } from "../common/errors.ts";
import { exists } from "../files/atomic.ts";
import { hubModel, hubReference } from "../hub/hub.ts";
import { type FeatureSet, hybridOf, isFeatureSet } from "../features/feature_sets.ts";
import { shippedModel, shippedNames } from "../weights/shipped.ts";

/** An encoder by name. */
export interface Encoder {
  /** Short and unique, for tables and folders. */
  name: string;
  kind: "model" | "finetuned" | FeatureSet;
  /** The model folder, or the folder that `finetune` made; empty for features that need no model. */
  folder: string;
  /** Features of the light curve that stand behind each of the model's vectors, if any. */
  features?: FeatureSet;
}

/** Names each folder by its last part, or by more parts where two would have the same name. */
function namesOf(folders: readonly string[]): string[] {
  const paths = folders.map((folder) =>
    isFeatureSet(folder) ? [folder] : resolve(folder).split("/").slice(1)
  );
  const nameAt = (parts: string[], count: number) => parts.slice(-count).join("-").replace(/[^\w.-]+/g, "-");
  return paths.map((mine, i) => {
    if (isFeatureSet(folders[i])) return folders[i];
    for (let count = /^(best|last)$/.test(mine.at(-1)!) ? 2 : 1; count < mine.length; count++) {
      const name = nameAt(mine, count);
      if (!isFeatureSet(name) && paths.every((other, k) => k === i || nameAt(other, count) !== name)) {
        return name;
      }
    }
    return nameAt(mine, mine.length);
  });
}

/**
 * The encoders that a list names.
 * @throws {InputError} when a folder is neither a model nor made by `finetune`, or two would have the same name
 */
export async function encodersOf(models: readonly string[]): Promise<Encoder[]> {
  const hybrid = await Promise.all(models.map(async (text) => await exists(text) ? null : hybridOf(text)));
  const folders = models.map((text, i) => hybrid[i]?.model ?? text);
  const distinct = [...new Set(folders)], distinctNames = namesOf(distinct);
  const names = folders.map((folder, i) =>
    distinctNames[distinct.indexOf(folder)] + (hybrid[i] ? `+${hybrid[i]!.features}` : "")
  );
  return await Promise.all(folders.map(async (folder, i): Promise<Encoder> => {
    const behind = hybrid[i] ? { features: hybrid[i]!.features } : {};
    const first = names.indexOf(names[i]);
    if (first !== i) {
      throw new InputError(
        resolve(models[first]) === resolve(folder)
          ? `--models names ${folder} twice`
          : `--models: ${models[first]} and ${folder} would both be called ${
            names[i]
          }; rename one of the folders`,
      );
    }
    if (isFeatureSet(folder) && !hybrid[i]) return { name: folder, kind: folder, folder: "" };
    const reference = hubReference(folder);
    const elsewhere = reference
      ? await hubModel(reference)
      : await exists(folder)
      ? undefined
      : await shippedModel(folder);
    if (elsewhere !== undefined) {
      return { name: names[i], kind: "model", folder: elsewhere, ...behind };
    }
    if (await exists(`${folder}/model.safetensors`)) {
      return { name: names[i], kind: "model", folder, ...behind };
    }
    const inside = await exists(folder) && (await Deno.stat(folder)).isDirectory
      ? (await Array.fromAsync(Deno.readDir(folder))).filter(({ name }) => /^\d+-\d+$/.test(name))
      : [];
    if (inside.length) return { name: names[i], kind: "finetuned", folder, ...behind };
    throw new InputError(
      `--models ${folder} is neither a model folder, nor a folder that finetune made from scenarios, nor the word ` +
        `classical or star, nor a model that ships (${
          shippedNames().join(", ")
        }); a model's may be followed by +classical, +star or +star-scores`,
    );
  }));
}

/**
 * The model folder of an encoder for a scenario.
 * @throws {InputError} when it was not finetuned for that scenario
 */
export async function modelFolderOf(
  { kind, folder }: Encoder,
  { samplesPerClass, fold }: { samplesPerClass: number; fold: number },
): Promise<string> {
  if (kind === "model") return folder;
  const best = `${folder}/${samplesPerClass}-${fold}/best`;
  if (await exists(best)) return best;
  throw new InputError(
    `${folder} has no model for ${samplesPerClass} samples per class, fold ${fold} (${best}): run finetune for it`,
  );
}

/** SHA-256 of a model folder's weights and configuration, in hexadecimal. */
export async function fingerprintOf(modelFolder: string): Promise<string> {
  const hash = createHash("sha256");
  for (const name of ["config.json", "model.safetensors"]) {
    hash.update(await Deno.readFile(`${modelFolder}/${name}`));
  }
  return hash.digest("hex");
}

/**
 * The folder of a classifier's encoder, whose weights must be those that the classifier was fitted on, where it names
 * them.
 * @param given in place of the folder that the classifier names
 * @throws {InputError} when it is not there, or is another model
 */
export async function encoderFolder(
  classifier: string,
  { folder, fingerprint }: { folder?: string; fingerprint?: string },
  given: string | undefined,
): Promise<string> {
  const reference = given === undefined ? undefined : hubReference(given);
  const path = reference ? await hubModel(reference) : given ?? folder ?? "";
  if (!await exists(`${path}/model.safetensors`)) {
    throw new InputError(
      `the encoder of ${classifier} is not at ${path || "any path"}: --model says where it is`,
    );
  }
  if (fingerprint !== undefined && await fingerprintOf(path) !== fingerprint) {
    throw new InputError(
      `${path} is not the encoder that ${classifier} was fitted on: its weights differ`,
    );
  }
  return path;
}
