/** Files and folders that are there whole or not at all: written beside, flushed to disk, renamed. */
import { resolve } from "node:path";
import { kernelFile } from "../../ffi/kernel_file.ts";
import { Failure, InputError, messageOf } from "../common/errors.ts";

/** The folder part of a path. */
export function parentOf(path: string): string {
  const cut = path.replace(/\/+$/, "").lastIndexOf("/");
  return cut < 0 ? "." : cut === 0 ? "/" : path.slice(0, cut);
}

/**
 * Where a path leads, links followed, as an absolute path; its last parts need not exist. What is written goes there: a
 * link that stands for a folder on another disk stays a link.
 */
export async function landingOf(path: string): Promise<string> {
  const clean = path.replace(/(?<=.)\/+$/, "");
  try {
    return await Deno.realPath(clean);
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) return resolve(clean);
    const parent = parentOf(clean), name = clean.split("/").at(-1)!;
    // A link to what is not there yet.
    const target = await Deno.readLink(clean).catch(() => undefined);
    if (target !== undefined) return await landingOf(resolve(await landingOf(parent), target));
    return name === clean && parent === "."
      ? resolve(await Deno.realPath("."), name)
      : resolve(await landingOf(parent), name);
  }
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
    await Deno.mkdir(await landingOf(path), { recursive: true });
  } catch (error) {
    throw explained(error, path);
  }
}

/**
 * Tries whether a path can be written, or a folder be written in: what is not possible shall not show after hours.
 * @throws {Failure} saying why not
 */
export async function tryOutput(path: string): Promise<void> {
  try {
    let folder = await landingOf(path);
    if (!(await exists(folder) && (await Deno.stat(folder)).isDirectory)) folder = parentOf(folder);
    while (!await exists(folder)) folder = parentOf(folder);
    await tryFolder(folder);
  } catch (error) {
    throw explained(error, path);
  }
}

/** Makes and removes a file in a folder, of a name that no other process and no other call has. */
async function tryFolder(folder: string): Promise<void> {
  await Deno.remove(await Deno.makeTempFile({ dir: folder, prefix: "astromer.", suffix: ".0.tmp" }));
}

/** Writes all bytes: one call may write some of them, as when the disk is almost full. */
export async function writeAll(file: Deno.FsFile, bytes: Uint8Array): Promise<void> {
  for (let done = 0; done < bytes.length;) done += await file.write(bytes.subarray(done));
}

/**
 * Writes a file that appears under its name only when it is complete.
 * @param path where the file goes; its folder is made if it is missing, and a link stays one
 * @param write writes to the temporary path it is given
 * @throws {Failure} when the disk refuses
 */
export async function writeAtomically(path: string, write: (temporary: string) => void | Promise<void>) {
  const target = await landingOf(path), temporary = `${target}.${Deno.pid}.tmp`;
  try {
    await Deno.mkdir(parentOf(target), { recursive: true });
    await write(temporary);
    await flush(temporary);
    await Deno.rename(temporary, target);
    await flush(parentOf(target));
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
 * moved aside for the moment of the swap, so a kill between the two renames leaves both under temporary names). A link
 * stays, and what it points to is replaced.
 */
export async function writeFolderAtomically(path: string, fill: (temporary: string) => Promise<void>) {
  const clean = await landingOf(path);
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
    throw explained(error, path.replace(/\/+$/, ""));
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
 * Refuses to replace a folder that this program did not write, or that cannot be replaced. To be asked before long
 * work.
 * @param mark a file that all folders of the right kind hold
 * @throws {InputError} when it is of another kind, or a mount point
 * @throws {Failure} when its place cannot be written
 */
export async function refuseForeignFolder(
  folder: string,
  mark: string,
  kind: string,
  setting = "--output ",
): Promise<void> {
  await tryOutput(parentOf(await landingOf(folder)));
  if (!await exists(folder)) return;
  if (await isMountPoint(folder)) {
    throw new InputError(
      `${setting}${folder} is a mount point, which cannot be replaced in one step: give a folder inside it, ` +
        `such as ${folder.replace(/\/+$/, "")}/${mark.split(".")[0]}`,
    );
  }
  const info = await Deno.stat(folder);
  if (
    info.isDirectory &&
    (await exists(`${folder}/${mark}`) || (await Array.fromAsync(Deno.readDir(folder))).length === 0)
  ) {
    return;
  }
  throw new InputError(
    `${setting}${folder} exists and is not ${kind}, so it is not replaced: choose another name`,
  );
}

/** Whether a folder is where a file system, or a part of one, is mounted: such a folder cannot be renamed. */
async function isMountPoint(folder: string): Promise<boolean> {
  const path = await landingOf(folder);
  if ((await Deno.stat(path)).dev !== (await Deno.stat(parentOf(path))).dev) return true;
  // Within one file system only the kernel's table tells. Blanks and the like stand there as octal numbers.
  const lines = (kernelFile("/proc/self/mountinfo") ?? "").split("\n");
  return lines.some((line) =>
    line.split(" ")[4]?.replace(/\\(\d{3})/g, (_, code) => String.fromCharCode(parseInt(code, 8))) === path
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
    return new Failure(`${path} cannot be written: part of its path is a file, not a folder`);
  }
  if (/\(os error \d+\)/.test(text)) return new Failure(`${path} cannot be written: ${text}`);
  return error instanceof Error ? error : new Failure(text);
}
