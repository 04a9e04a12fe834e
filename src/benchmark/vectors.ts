/** One frozen vector a star: of models, features that need no model, or both end to end; kept on disk. */
import { createHash } from "node:crypto";
import { fingerprintOf } from "../classify/encoder.ts";
import { type FeatureSet, featureSets, isFeatureSet } from "../features/feature_sets.ts";
import type { Dataset } from "../data/dataset.ts";
import { embeddingTable } from "../embed/table.ts";
import { InputError } from "../common/errors.ts";
import { exists } from "../files/atomic.ts";
import { hubModel, hubReference } from "../hub/hub.ts";
import { readSafetensors, writeSafetensors } from "../files/safetensors.ts";
import { AstromerNetwork } from "../model/network.ts";
import type { Runtime } from "../machine/runtime.ts";
import { loadModel } from "../weights/model_folder.ts";
import { shippedModel, shippedNames } from "../weights/shipped.ts";
import type { Vectors } from "./probes.ts";

/** How a model's windows become one vector: as `embed` has it; `layers` end to end. */
export const benchmarkPoolings = ["mean", "max", "layers"] as const;
export type BenchmarkPooling = typeof benchmarkPoolings[number];

/** A part of a vector. */
export type Part = { kind: "features"; name: FeatureSet } | {
  kind: "model";
  name: string;
  folder: string;
  pooling: BenchmarkPooling;
  /** With the values that training begins with, in place of its own: what vectors of nothing learned are worth. */
  untrained: boolean;
};

/** What is judged: parts end to end. */
export interface Contestant {
  name: string;
  parts: Part[];
}

/**
 * Reads `--models`: folders or names of models that ship, each with @POOLING if wanted, untrained:FOLDER, classical, star, star-scores, and
 * what is joined by +.
 * @param nulls adds the untrained networks of all models
 * @throws {InputError} when there is no such model, or two have one name
 */
export async function contestantsOf(
  models: readonly string[],
  pooling: BenchmarkPooling,
  nulls: boolean,
): Promise<Contestant[]> {
  const found: Contestant[] = [];
  for (const text of models) {
    const words = await exists(text) ? [text] : text.split("+");
    const parts = await Promise.all(words.map((word) => partOf(word, pooling)));
    found.push({ name: parts.map(({ name }) => name).join("+"), parts });
  }
  for (const { parts } of [...found]) {
    for (const part of parts) {
      if (!nulls || part.kind === "features" || part.untrained) continue;
      const twin = { ...part, untrained: true, name: `untrained-${part.name}` };
      if (!found.some(({ name }) => name === twin.name)) found.push({ name: twin.name, parts: [twin] });
    }
  }
  const twice = found.find(({ name }, i) => found.findIndex((other) => other.name === name) !== i);
  if (twice) {
    throw new InputError(
      `--models: two are called ${twice.name}; rename a folder, or leave one of them out`,
    );
  }
  return found;
}

async function partOf(text: string, pooling: BenchmarkPooling): Promise<Part> {
  if (isFeatureSet(text)) return { kind: "features", name: text };
  const [, prefix = "", rest] = /^(untrained:)?(.*)$/.exec(text)!;
  let folder = rest, chosen = pooling, named = "";
  const [, path, word] = /^(.*)@(\w+)$/.exec(rest) ?? [], known = benchmarkPoolings as readonly string[];
  // Of a model of the Hub a revision may follow the @, too.
  if (word !== undefined && (!rest.startsWith("hf:") || known.includes(word)) && !await exists(rest)) {
    if (!known.includes(word)) {
      throw new InputError(
        `--models ${text}: ${word} is no pooling; right are ${benchmarkPoolings.join(", ")}`,
      );
    }
    [folder, chosen, named] = [path, word as BenchmarkPooling, `@${word}`];
  }
  folder = folder.replace(/\/+$/, "");
  const reference = hubReference(folder);
  if (reference) folder = await hubModel(reference);
  else if (!await exists(folder)) folder = await shippedModel(folder) ?? folder;
  if (!await exists(`${folder}/model.safetensors`)) {
    throw new InputError(
      `--models ${text} is neither a model folder, nor the word classical, star or star-scores, nor a model that ships (${
        shippedNames().join(", ")
      }), nor some of these joined by +`,
    );
  }
  const [last, before] = (reference ? rest.replace(/@.*$/, "") : folder).split("/").reverse();
  const name = (/^(best|last)$/.test(last) && before ? `${before}-${last}` : last) + named;
  const untrained = prefix !== "";
  return { kind: "model", folder, pooling: chosen, untrained, name: untrained ? `untrained-${name}` : name };
}

/** What names vectors beside their light curves: another model, pooling or arithmetic makes others. */
async function partKey(part: Part, { dtype }: Runtime): Promise<unknown> {
  if (part.kind === "features") return part.name;
  return [await fingerprintOf(part.folder), part.pooling, part.untrained, dtype];
}

/** Where and how vectors are made. */
export interface VectorSettings {
  runtime: Runtime;
  /** Folder of the cache. */
  cache: string;
  batchSize: number;
  /** What names the light curves: their dataset, which of them, what was done to them. */
  key: unknown;
  /** Called with light curves (or windows) done and their number. */
  onProgress: (done: number, of: number) => void;
}

/** SHA-256 that names a contestant's vectors. */
export async function keyOf({ parts }: Contestant, { runtime, key }: VectorSettings): Promise<string> {
  return sha256([key, await Promise.all(parts.map((part) => partKey(part, runtime)))]);
}

const sha256 = (value: unknown) => createHash("sha256").update(JSON.stringify(value)).digest("hex");

/**
 * The vectors of all light curves of a dataset, in its order, from the cache if they were made before.
 * @param make hands out the light curves, where they are needed
 */
export async function vectorsOf(
  { parts }: Contestant,
  make: () => Dataset,
  settings: VectorSettings,
): Promise<Vectors> {
  const made: Vectors[] = [];
  for (const part of parts) {
    const key = sha256([settings.key, await partKey(part, settings.runtime)]).slice(0, 16);
    const path = `${settings.cache}/${part.name}-${key}.safetensors`;
    if (await exists(path)) {
      const { tensors } = await readSafetensors(path), { shape, data } = tensors.get("vectors")!;
      made.push({ values: data as Float32Array<ArrayBuffer>, width: shape[1] });
      continue;
    }
    using dataset = make();
    const vectors = part.kind === "features"
      ? await featureVectors(part.name, dataset, settings)
      : await modelVectors(part, dataset, settings);
    const shape = [dataset.size, vectors.width];
    await writeSafetensors(path, { vectors: { dtype: "F32", shape, data: vectors.values } });
    made.push(vectors);
  }
  return endToEnd(made);
}

function endToEnd(parts: readonly Vectors[]): Vectors {
  if (parts.length === 1) return parts[0];
  const width = parts.reduce((sum, part) => sum + part.width, 0);
  const rows = parts[0].values.length / parts[0].width, values = new Float32Array(rows * width);
  let from = 0;
  for (const part of parts) {
    for (let i = 0; i < rows; i++) {
      values.set(part.values.subarray(i * part.width, (i + 1) * part.width), i * width + from);
    }
    from += part.width;
  }
  return { values, width };
}

async function featureVectors(
  set: FeatureSet,
  dataset: Dataset,
  { runtime: { device }, onProgress }: VectorSettings,
): Promise<Vectors> {
  const all = [...dataset.lengths.keys()];
  const { names, values } = await featureSets[set].compute(
    dataset,
    all,
    (done) => onProgress(done, all.length),
    { device },
  );
  return { values, width: names.length };
}

async function modelVectors(
  { folder, pooling, untrained }: Part & { kind: "model" },
  dataset: Dataset,
  { runtime, batchSize, onProgress }: VectorSettings,
): Promise<Vectors> {
  const { device, dtype } = runtime, loaded = await loadModel(folder, { device, dtype });
  using model = loaded.model;
  using twin = untrained ? new AstromerNetwork(model.architecture, { device, dtype, seed: 0 }) : undefined;
  const table = embeddingTable(twin ?? model, dataset, [...dataset.lengths.keys()], {
    pooling,
    perWindow: false,
    join: "concat",
    windowSize: loaded.config.window_size,
    batchSize,
  }, { onBatch: (done) => onProgress(done, table.windows) });
  let values = new Float32Array(), width = 0, row = 0;
  for await (const cells of table.rows) {
    const parts = table.vectors.map((name) => cells[name] as Float32Array);
    if (row === 0) {
      width = parts.reduce((sum, part) => sum + part.length, 0);
      values = new Float32Array(dataset.size * width);
    }
    let at = row++ * width;
    for (const part of parts) {
      values.set(part, at);
      at += part.length;
    }
  }
  return { values, width };
}
