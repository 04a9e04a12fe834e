/** One process at a time in an output folder. */
import { InputError, messageOf } from "../common/errors.ts";
import { landingOf } from "./atomic.ts";

/**
 * Locks a folder for this process, until it is disposed or the process ends, however it ends. The lock is the operating
 * system's (flock on the file `lock` in the folder): a file's mere existence would outlive a killed process, and a pid
 * in it says nothing about a process of another node. On NFS it holds across nodes; on Lustre where it is mounted with
 * -o flock.
 * @param say takes a line, where the process before died or the file system has no locks
 * @throws {InputError} naming the process that has it
 */
export async function lockFolder(folder: string, say: (line: string) => void): Promise<Disposable> {
  const path = `${folder}/lock`;
  for (;;) {
    const file = await opened(folder, path);
    try {
      const locked = await file.tryLock(true).catch((error) => {
        say(`${folder} cannot be locked (${messageOf(error)}): see to it that no other process writes there`);
        return true;
      });
      const before = (await Deno.readTextFile(path).catch(() => "")).trim();
      if (!locked) {
        throw new InputError(
          `${folder} is in use by ${
            before || "another process"
          }: wait for it, stop it, or choose another --output`,
        );
      }
      // Who had it before removed the file after it was opened here: then this lock is on a file that no other can find.
      const [mine, there] = [await file.stat(), await Deno.stat(path).catch(() => null)];
      if (there?.ino !== mine.ino || there?.dev !== mine.dev) {
        file.close();
        continue;
      }
      if (before) say(`${folder} was left by ${before}, which has ended: its lock is taken over`);
      const me = `process ${Deno.pid} on ${Deno.hostname()}, since ${new Date().toISOString()}\n`;
      await file.truncate();
      await file.write(new TextEncoder().encode(me));
    } catch (error) {
      file.close();
      throw error;
    }
    return {
      [Symbol.dispose]() {
        try {
          Deno.removeSync(path);
        } catch {
          // The folder is gone; then so is what the lock was for.
        }
        file.close();
      },
    };
  }
}

async function opened(folder: string, path: string): Promise<Deno.FsFile> {
  await Deno.mkdir(await landingOf(folder), { recursive: true }).catch((error) => {
    throw new InputError(`--output ${folder} cannot be made: ${messageOf(error)}`);
  });
  return await Deno.open(path, { create: true, read: true, write: true }).catch((error) => {
    throw new InputError(`--output ${folder} cannot be written to: ${messageOf(error)}`);
  });
}
