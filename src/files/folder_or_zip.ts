/** The files of a folder or of a zip, read alike. Both are taken as hostile: sizes are bounded, checksums are checked. */
import { InputError, messageOf } from "../common/errors.ts";
import { mistakenFor } from "./mistaken.ts";

/** Files by name, wherever they lie. */
export interface FileSource {
  /** The folder or zip, as in messages. */
  path: string;
  /** Of a folder the files directly in it, of a zip all of them (`folder/name`). */
  names: readonly string[];
  /**
   * @param limit bytes that the file may have at most
   * @throws {InputError} naming the file, when it is larger, damaged or cannot be read
   */
  read(name: string, limit: number): Promise<Uint8Array<ArrayBuffer>>;
}

/** A zip may have at most this many bytes. */
const largestZip = 2 ** 30;

/**
 * Opens a folder or a zip.
 * @throws {InputError} when it is neither
 */
export async function openFolderOrZip(path: string): Promise<FileSource> {
  const { isDirectory } = await infoOf(path);
  if (!isDirectory) return openZip(path, await readFile(path, largestZip));
  const names: string[] = [];
  try {
    for await (const { name, isDirectory } of Deno.readDir(path)) if (!isDirectory) names.push(name);
  } catch (error) {
    throw new InputError(`${path} cannot be read: ${messageOf(error)}`);
  }
  return { path, names: names.sort(), read: (name, limit) => readFile(`${path}/${name}`, limit) };
}

async function infoOf(path: string): Promise<Deno.FileInfo> {
  try {
    return await Deno.stat(path);
  } catch (error) {
    throw new InputError(`${path} cannot be read: ${messageOf(error)}`);
  }
}

async function readFile(path: string, limit: number): Promise<Uint8Array<ArrayBuffer>> {
  const { isFile, size } = await infoOf(path);
  if (!isFile) throw new InputError(`${path} is not a file`);
  if (size > limit) throw tooLarge(path, limit);
  try {
    return await Deno.readFile(path);
  } catch (error) {
    throw new InputError(`${path} cannot be read: ${messageOf(error)}`);
  }
}

function tooLarge(path: string, limit: number): InputError {
  return new InputError(`${path} is larger than ${limit} bytes, the most that is read`);
}

async function openZip(path: string, bytes: Uint8Array<ArrayBuffer>): Promise<FileSource> {
  const { Uint8ArrayReader, ZipReader } = await import("npm:@zip.js/zip.js@2.24.0");
  const zip = new ZipReader(new Uint8ArrayReader(bytes), { useWebWorkers: false });
  const entries = await zip.getEntries().catch((error) => {
    throw new InputError(`${path} is neither a folder nor a zip: ${mistakenFor(path) ?? messageOf(error)}`);
  });
  const files = entries.filter((entry) => !entry.directory);
  const byName = new Map(files.map((file) => [file.filename, file]));
  if (byName.size < files.length) throw new InputError(`${path} holds two files of the same name`);
  return {
    path,
    names: [...byName.keys()],
    async read(name, limit) {
      const file = byName.get(name), full = `${path}/${name}`;
      if (!file) throw new InputError(`${path} has no ${name}`);
      // Collected as it comes: what the zip says of a size is not a reason to allocate it.
      const chunks: Uint8Array<ArrayBuffer>[] = [];
      let size = 0;
      const collected = new WritableStream<Uint8Array<ArrayBuffer>>({
        write(chunk) {
          size += chunk.length;
          if (size > limit) throw tooLarge(full, limit);
          chunks.push(chunk);
        },
      });
      try {
        await file.getData(collected, { checkCrc32: true, checkOverlappingEntry: true });
      } catch (error) {
        if (error instanceof InputError) throw error;
        throw new InputError(`${full} cannot be read: ${messageOf(error)}`);
      }
      return new Uint8Array(await new Blob(chunks).arrayBuffer());
    },
  };
}
