/** What folders of classifiers and regressors have in common: settings as JSON, tensors of a head. */
import type { z } from "../common/setting.ts";
import { InputError, messageOf } from "../common/errors.ts";
import { checkedVersion, type FormatVersions, versionIn } from "../files/format_version.ts";
import { readSafetensors, type TensorData } from "../files/safetensors.ts";
import { checkStateDict, type StateDict } from "../model/parameters.ts";
import { Forest } from "./forest.ts";
import { type Head, headKinds, type HeadShape, headSpecs, type Standardization } from "./head.ts";

/** Floats as a tensor of a file. */
export function floats(data: Float32Array<ArrayBuffer>, shape: readonly number[]): TensorData {
  return { dtype: "F32", shape, data };
}

/** The tensors of a head or a forest; none of neighbors. */
export function headTensors(head: Head | Forest | null): Record<string, TensorData> {
  if (head instanceof Forest) return forestTensors(head);
  const state = head ? [...head.parameters.stateDict()] : [];
  return Object.fromEntries(state.map(([name, { shape, data }]) => [`head.${name}`, floats(data, shape)]));
}

/** The tensors of a standardization, each (V, d). */
export function standardizationTensors(
  { mean, scale }: Standardization,
  shape: readonly [number, number],
): Record<string, TensorData> {
  return { "standardization.mean": floats(mean, shape), "standardization.scale": floats(scale, shape) };
}

function forestTensors({ nodes, classes }: Forest): Record<string, TensorData> {
  const { roots, feature, threshold, child, leaves } = nodes;
  const integers = (data: Int32Array<ArrayBuffer>): TensorData => ({
    dtype: "I32",
    shape: [data.length],
    data,
  });
  return {
    "forest.roots": integers(roots),
    "forest.feature": integers(feature),
    "forest.threshold": { dtype: "F32", shape: [threshold.length], data: threshold },
    "forest.child": integers(child),
    "forest.leaves": { dtype: "F32", shape: [leaves.length / classes, classes], data: leaves },
  };
}

/**
 * Reads the settings of a folder.
 * @throws {InputError} naming the file and what is wrong with it
 */
export async function readConfig<T>(
  folder: string,
  schema: z.ZodType<T>,
  { what, versions }: { what: string; versions: FormatVersions },
): Promise<T> {
  let json: unknown;
  try {
    json = JSON.parse(await Deno.readTextFile(`${folder}/config.json`));
  } catch (error) {
    throw new InputError(`${folder} is not ${what}: ${messageOf(error)}`);
  }
  const kinds = ["classifier", "regressor"].filter((kind) =>
    (json as Record<string, unknown>)?.[`${kind}_type`]
  );
  if (kinds.length === 1 && kinds[0] !== versions.what) {
    throw new InputError(
      `${folder} is the folder of a ${kinds[0]}; a ${versions.what} is needed`,
    );
  }
  checkedVersion(`${folder}/config.json`, versionIn(json, "format_version"), versions);
  const parsed = schema.safeParse(json);
  if (parsed.success) return parsed.data;
  const [{ path, message }] = parsed.error.issues;
  throw new InputError(`${folder}/config.json: ${path.length ? `${path.join(".")}: ` : ""}${message}`);
}

/** What a tensor of a dtype is read as. */
type Values = { F32: Float32Array<ArrayBuffer>; I32: Int32Array<ArrayBuffer> };

/** The tensors of a folder, which its settings must fit. */
export class FolderTensors {
  private constructor(
    private readonly folder: string,
    private readonly path: string,
    private readonly tensors: ReadonlyMap<string, TensorData>,
  ) {}

  /** @throws {InputError} when the file cannot be read */
  static async read(folder: string, name: string): Promise<FolderTensors> {
    const path = `${folder}/${name}`, { tensors } = await readSafetensors(path);
    return new FolderTensors(folder, path, tensors);
  }

  /** Whether there is a tensor of that name. */
  has(name: string): boolean {
    return this.tensors.has(name);
  }

  /**
   * A tensor's values.
   * @param shape null stands for any size
   * @throws {InputError} when there is none of that dtype and shape
   */
  take<D extends keyof Values>(name: string, dtype: D, shape: readonly (number | null)[]): Values[D] {
    const found = this.tensors.get(name);
    const fits = found && found.dtype === dtype && found.shape.length === shape.length &&
      shape.every((size, i) => size === null || size === found.shape[i]);
    if (!fits) {
      throw new InputError(`${this.path} has no tensor "${name}" that fits ${this.folder}/config.json`);
    }
    return found.data as Values[D];
  }

  /**
   * The head's part.
   * @throws {InputError} when it does not fit the shape
   */
  headParts(
    shape: Omit<HeadShape, "kind"> & { kind: HeadShape["kind"] | "knn" | "forest" },
  ): { state: StateDict; standardization: Standardization; forest: Forest | undefined } {
    const { vectors, width, classes } = shape, [kind] = headKinds.filter((kind) => kind === shape.kind);
    const standardization = {
      mean: this.take("standardization.mean", "F32", [vectors, width]),
      scale: this.take("standardization.scale", "F32", [vectors, width]),
    };
    const state: StateDict = new Map(
      [...this.tensors].filter(([name, { dtype }]) => name.startsWith("head.") && dtype === "F32").map((
        [name, { shape, data }],
      ) => [name.slice(5), { shape, data: data as Float32Array<ArrayBuffer> }]),
    );
    let forest: Forest | undefined;
    if (shape.kind === "forest") {
      const nodes = {
        roots: this.take("forest.roots", "I32", [null]),
        feature: this.take("forest.feature", "I32", [null]),
        threshold: this.take("forest.threshold", "F32", [null]),
        child: this.take("forest.child", "I32", [null]),
        leaves: this.take("forest.leaves", "F32", [null, classes]),
      };
      forest = new Forest(nodes, (vectors - 1) * width, classes);
      const wrong = forest.flaw();
      if (wrong !== undefined) throw new InputError(`${this.path}: ${wrong}`);
    }
    try {
      if (kind) checkStateDict(headSpecs({ ...shape, kind }), state);
    } catch (error) {
      throw new InputError(`${this.path} does not fit ${this.folder}/config.json: ${messageOf(error)}`);
    }
    return { state, standardization, forest };
  }
}
