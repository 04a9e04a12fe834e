/** Models that ship with this project, found by name: in its folder `weights`, or beside a `mod.ts` that came by URL. */
import { createHash } from "node:crypto";
import { cacheFolder, noCacheFolder } from "../../ffi/library.ts";
import shipped from "../../weights/shipped.json" with { type: "json" };
import { Failure, messageOf } from "../common/errors.ts";
import { exists, writeFolderAtomically } from "../files/atomic.ts";

/** SHA-256 of every file of every model, in hexadecimal. */
export type Shipped = Readonly<Record<string, Readonly<Record<string, string>>>>;

const weights = new URL("../../weights/", import.meta.url);

/** Names of the models that ship. */
export function shippedNames(models: Shipped = shipped): string[] {
  return Object.keys(models);
}

/**
 * The folder of a model that ships. What comes by URL is fetched once, checked against the SHA-256 that the program
 * knows, and kept in the cache folder (`$ASTROMER_CACHE`).
 * @param name of a model
 * @param models that ship
 * @param from the folder that holds them, a file or http(s) URL
 * @returns undefined when no model of that name ships
 * @throws {Failure} when it cannot be fetched, or is not what it should be
 */
export async function shippedModel(
  name: string,
  models: Shipped = shipped,
  from: URL = weights,
): Promise<string | undefined> {
  if (!Object.hasOwn(models, name)) return undefined;
  const files = models[name], source = new URL(`${name}/`, from);
  if (source.protocol === "file:") return decodeURIComponent(source.pathname).replace(/\/$/, "");
  const version = sha256(new TextEncoder().encode(JSON.stringify(files))).slice(0, 12);
  const cache = cacheFolder();
  if (cache === undefined) throw new Failure(noCacheFolder);
  const folder = `${cache}/models/${name}-${version}`;
  if (await isWhole(folder, files)) return folder;
  await writeFolderAtomically(folder, async (temporary) => {
    for (const [file, hash] of Object.entries(files)) {
      await Deno.writeFile(`${temporary}/${file}`, await fetched(new URL(file, source), hash));
    }
  });
  return folder;
}

function sha256(bytes: Uint8Array): string {
  return createHash("sha256").update(bytes).digest("hex");
}

async function isWhole(folder: string, files: Shipped[string]): Promise<boolean> {
  for (const [file, hash] of Object.entries(files)) {
    const path = `${folder}/${file}`;
    if (!await exists(path) || sha256(await Deno.readFile(path)) !== hash) return false;
  }
  return true;
}

async function fetched(url: URL, hash: string): Promise<Uint8Array> {
  let bytes: Uint8Array;
  try {
    const response = await fetch(url);
    if (!response.ok) {
      await response.body?.cancel();
      throw new Error(`the server answers ${response.status} ${response.statusText}`.trim());
    }
    bytes = new Uint8Array(await response.arrayBuffer());
  } catch (error) {
    throw new Failure(`${url} cannot be fetched: ${messageOf(error)}`);
  }
  const found = sha256(bytes);
  if (found === hash) return bytes;
  throw new Failure(`${url} is not the file that ships: its SHA-256 is ${found}, not ${hash}`);
}
