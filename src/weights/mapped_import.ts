/** State dicts of Astromer-like models, whatever their tensors are called: a mapping file says which is which. */
import { z } from "../common/setting.ts";
import { shortestLightCurve } from "../data/windows.ts";
import { fewOf, InputError, messageOf } from "../common/errors.ts";
import { openFolderOrZip } from "../files/folder_or_zip.ts";
import { readSafetensors } from "../files/safetensors.ts";
import { architectureShape } from "../model/architecture.ts";
import { AstromerNetwork, parameterSpecs } from "../model/network.ts";
import type { ImportedModel } from "./reference_import.ts";
import { type LoadedTensor, readTorchCheckpoint } from "./torch_checkpoint.ts";

const sourceSchema = z.union([
  z.string(),
  z.strictObject({
    /** The tensor's name in the file. */
    name: z.string(),
    /** Whether a matrix is (in, out), as in TensorFlow. */
    transposed: z.boolean().default(false),
    /** Which of some equal parts of its rows, [0, 3] for the first of three: where query, key and value are one matrix. */
    part: z.tuple([z.int().min(0), z.int().min(1)]).optional(),
  }),
]);

const mappingSchema = z.strictObject({
  window_size: z.int().min(shortestLightCurve),
  architecture: z.strictObject(architectureShape),
  origin: z.string().optional(),
  license: z.string().optional(),
  /**
   * For a parameter of ours (`encoder.input.weight`), or a layer with weight and bias (`encoder.input`), the tensor in the file;
   * `{i}` is a block's number in both.
   */
  tensors: z.record(z.string(), sourceSchema),
  /** Tensors that are not used; `*` stands for anything. */
  ignored: z.array(z.string()).default([]),
});

/** Whether a file holds a state dict. */
export function isStateDict(path: string): boolean {
  return /\.(safetensors|pt|pth|bin)$/.test(path);
}

/**
 * Imports a state dict: every tensor is used or ignored by name, or nothing is imported.
 * @param path .safetensors, or what torch.save wrote: .pt, .pth, .bin
 * @param mapping a JSON file that says what is what
 * @throws {InputError} when a file is damaged, or the mapping does not fit it
 */
export async function importMapped(path: string, mapping: string | undefined): Promise<ImportedModel> {
  const tensors = path.endsWith(".safetensors")
    ? await fromSafetensors(path)
    : await readTorchCheckpoint(await openFolderOrZip(path));
  const listed = [...tensors].map(([name, { shape }]) => `${name} [${shape}]`);
  if (mapping === undefined) {
    throw new InputError(
      `${path} needs --mapping FILE.json, which says what its tensors are: ${fewOf(listed)}`,
    );
  }
  const { architecture, window_size, origin, license, ...plan } = await readMapping(mapping);
  const used = new Set<string>();
  const state = new Map(
    parameterSpecs(architecture, "reference").map(({ name, shape }) => {
      const source = sourceOf(name, plan.tensors);
      if (!source) throw new InputError(`${mapping}: tensors does not say what ${name} is in ${path}`);
      const found = tensors.get(source.name);
      if (!found) {
        throw new InputError(`${path} has no tensor "${source.name}" for ${name}; it has ${fewOf(listed)}`);
      }
      used.add(source.name);
      const data = arranged(found, shape, source);
      if (!data) {
        throw new InputError(
          `${path}: tensor "${source.name}" is [${found.shape}], which does not make ${name} [${shape}]`,
        );
      }
      const odd = data.findIndex((value) => !Number.isFinite(value));
      if (odd >= 0) {
        throw new InputError(`${path}: tensor "${source.name}" holds ${data[odd]} at element ${odd}`);
      }
      return [name, { shape, data }];
    }),
  );
  const ignored = plan.ignored.map((pattern) =>
    new RegExp(`^${pattern.split("*").map((part) => part.replace(/[.+?^$(){}|[\]\\]/g, "\\$&")).join(".*")}$`)
  );
  const left = [...tensors.keys()].filter((name) =>
    !used.has(name) && !ignored.some((pattern) => pattern.test(name))
  );
  if (left.length) {
    throw new InputError(
      `${path} holds tensors that ${mapping} does not name: ${
        fewOf(left)
      }; what is not wanted stands under "ignored"`,
    );
  }
  return {
    network: new AstromerNetwork(architecture, { state }),
    window_size,
    origin: origin ?? `Imported from ${path.split("/").at(-1)}.`,
    license: license ?? "unknown",
  };
}

async function fromSafetensors(path: string): Promise<Map<string, LoadedTensor>> {
  const { tensors } = await readSafetensors(path);
  return new Map([...tensors].flatMap(([name, { dtype, shape, data }]) => {
    if (dtype === "F32") return [[name, { shape, data: data as Float32Array<ArrayBuffer> }] as const];
    const { buffer, byteOffset, byteLength } = data;
    if (dtype === "F64") return [[name, { shape, data: Float32Array.from(data as Float64Array) }] as const];
    if (dtype !== "F16" && dtype !== "BF16") return [];
    const values = dtype === "F16"
      ? Float32Array.from(new Float16Array(buffer, byteOffset, byteLength / 2))
      : new Float32Array(
        Uint32Array.from(new Uint16Array(buffer, byteOffset, byteLength / 2), (word) => word << 16).buffer,
      );
    return [[name, { shape, data: values }] as const];
  }));
}

async function readMapping(path: string): Promise<z.output<typeof mappingSchema>> {
  let json: unknown;
  try {
    json = JSON.parse(await Deno.readTextFile(path));
  } catch (error) {
    throw new InputError(`the mapping ${path} cannot be read: ${messageOf(error)}`);
  }
  const parsed = mappingSchema.safeParse(json);
  if (parsed.success) return parsed.data;
  const [{ path: at, message }] = parsed.error.issues;
  throw new InputError(`${path}: ${at.length ? `${at.join(".")}: ` : ""}${message}`);
}

interface Source {
  name: string;
  transposed: boolean;
  part?: [number, number];
}

/** Where a parameter of ours comes from. */
function sourceOf(
  parameter: string,
  tensors: Record<string, z.output<typeof sourceSchema>>,
): Source | undefined {
  const [, i] = /^encoder\.blocks\.(\d+)\./.exec(parameter) ?? [];
  const [, layer, kind] = /^(.*)\.(weight|bias)$/.exec(parameter) ?? [];
  for (const [key, value] of Object.entries(tensors)) {
    const ours = i === undefined ? key : key.replaceAll("{i}", i);
    const suffix = ours === parameter ? "" : ours === layer ? `.${kind}` : undefined;
    if (suffix === undefined) continue;
    const source = typeof value === "string" ? { name: value, transposed: false } : value;
    const { name, transposed, part } = source as Source;
    return {
      name: (i === undefined ? name : name.replaceAll("{i}", i)) + suffix,
      transposed: transposed && !parameter.endsWith(".bias"),
      part,
    };
  }
  return undefined;
}

/** A tensor's values in our shape; undefined if they do not fit. */
function arranged(
  { shape, data }: LoadedTensor,
  wanted: readonly number[],
  { transposed, part }: Source,
): Float32Array<ArrayBuffer> | undefined {
  let values = data, sizes = shape.filter((size, i) => size !== 1 || i < wanted.length);
  if (transposed && sizes.length === 2) {
    const [rows, columns] = sizes;
    values = data.map((_, at) => data[at % rows * columns + Math.floor(at / rows)]);
    sizes = [columns, rows];
  }
  if (part) {
    const [index, count] = part, length = values.length / count;
    if (index >= count || sizes[0] % count) return undefined;
    values = values.slice(index * length, (index + 1) * length);
    sizes = [sizes[0] / count, ...sizes.slice(1)];
  }
  const elements = wanted.reduce((a, b) => a * b, 1);
  // A token or bias may be written with more axes of size 1.
  const same = (some: readonly number[]) => some.filter((size) => size !== 1).join();
  return values.length === elements && same(sizes) === same(wanted) ? values : undefined;
}
