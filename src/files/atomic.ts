/** Files and folders that are there whole or not at all: written beside, flushed to disk, renamed. */
import { Failure, InputError, messageOf } from "../errors.ts";

/** The folder part of a path. */
export function parentOf(path: string): string {
  const cut = path.replace(/\/+$/, "").lastIndexOf("/");
  return cut < 0 ? "." : cut === 0 ? "/" : path.slice(0, cut);
}

/** Flushes a file or folder to disk. */
export async function flush(path: string): Promise<void> {
  using file = await Deno.open(path, { read: true });
  await file.sync();
}

/**
 * Makes a folder, and its parents.
 * @throws {Failure} when the disk refuses, or a file stands in the way
 */
export async function makeFolder(path: string): Promise<void> {
  try {
    await Deno.mkdir(path, { recursive: true });
  } catch (error) {
    throw explained(error, path);
  }
}

/** Writes all bytes: one call may write some of them, as when the disk is almost full. */
export async function writeAll(file: Deno.FsFile, bytes: Uint8Array): Promise<void> {
  for (let done = 0; done < bytes.length;) done += await file.write(bytes.subarray(done));
}

/**
 * Writes a file that appears under its name only when it is complete.
 * @param path where the file goes; its folder is made if it is missing
 * @param write writes to the temporary path it is given
 * @throws {Failure} when the disk refuses
 */
export async function writeAtomically(path: string, write: (temporary: string) => void | Promise<void>) {
  const temporary = `${path}.${Deno.pid}.tmp`;
  try {
    await Deno.mkdir(parentOf(path), { recursive: true });
    await write(temporary);
    await flush(temporary);
    await Deno.rename(temporary, path);
    await flush(parentOf(path));
  } catch (error) {
    await Deno.remove(temporary, { recursive: true }).catch(() => {});
    throw explained(error, path);
  }
}

/** Writes text atomically. */
export function writeText(path: string, text: string): Promise<void> {
  return writeAtomically(path, (temporary) => Deno.writeTextFile(temporary, text));
}

/** Writes a value as indented JSON, atomically. */
export function writeJson(path: string, value: unknown): Promise<void> {
  return writeText(path, JSON.stringify(value, null, 2) + "\n");
}

/**
 * Fills a folder that appears under its name only when it is complete. An older folder of that name is replaced (it is
 * moved aside for the moment of the swap, so a kill between the two renames leaves both under temporary names).
 */
export async function writeFolderAtomically(path: string, fill: (temporary: string) => Promise<void>) {
  const clean = path.replace(/\/+$/, "");
  const temporary = `${clean}.${Deno.pid}.tmp`, previous = `${clean}.${Deno.pid}.old.tmp`;
  try {
    await Deno.mkdir(parentOf(clean), { recursive: true });
    await Deno.remove(temporary, { recursive: true }).catch(() => {});
    await Deno.mkdir(temporary);
    await fill(temporary);
    for await (const entry of Deno.readDir(temporary)) await flush(`${temporary}/${entry.name}`);
    await flush(temporary);
    const replaces = await exists(clean);
    if (replaces) {
      await Deno.remove(previous, { recursive: true }).catch(() => {});
      await Deno.rename(clean, previous);
    }
    await Deno.rename(temporary, clean);
    await flush(parentOf(clean));
    if (replaces) await Deno.remove(previous, { recursive: true });
  } catch (error) {
    await Deno.remove(temporary, { recursive: true }).catch(() => {});
    throw explained(error, clean);
  }
}

/** Removes what killed processes left half written in a folder, to which no other process may be writing. */
export async function removeLeftovers(folder: string, { below = false } = {}): Promise<void> {
  if (!await exists(folder)) return;
  for await (const { name, isDirectory } of Deno.readDir(folder)) {
    const path = `${folder}/${name}`;
    if (/\.\d+(\.old)?\.tmp$/.test(name)) await Deno.remove(path, { recursive: true });
    else if (below && isDirectory) await removeLeftovers(path, { below });
  }
}

/**
 * Refuses to replace a folder that this program did not write.
 * @param mark a file that all folders of the right kind hold
 */
export async function refuseForeignFolder(
  folder: string,
  mark: string,
  kind: string,
  setting = "--output ",
): Promise<void> {
  if (!await exists(folder)) return;
  const info = await Deno.stat(folder);
  if (
    info.isDirectory &&
    (await exists(`${folder}/${mark}`) || (await Array.fromAsync(Deno.readDir(folder))).length === 0)
  ) {
    return;
  }
  throw new InputError(
    `${setting}${folder} exists and is not ${kind}: it will not be replaced; choose another name`,
  );
}

/** Whether a path exists. */
export async function exists(path: string): Promise<boolean> {
  try {
    await Deno.stat(path);
    return true;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound || error instanceof Deno.errors.NotADirectory) return false;
    throw error;
  }
}

/** Turns what the operating system says about a path into a sentence with that path in it. */
function explained(error: unknown, path: string): Error {
  if (error instanceof InputError || error instanceof Failure) return error;
  const text = messageOf(error);
  if (/No space left/.test(text)) return new Failure(`${path} cannot be written: the disk is full`);
  if (/Read-only file system/.test(text)) {
    return new Failure(`${path} cannot be written: the file system is read-only`);
  }
  if (/^(File exists|Not a directory)/.test(text)) {
    return new Failure(`${path} cannot be written: a part of its path is a file, not a folder`);
  }
  if (/\(os error \d+\)/.test(text)) return new Failure(`${path} cannot be written: ${text}`);
  return error instanceof Error ? error : new Failure(text);
}
