/** A file's bytes from its start, gzip undone, without ever holding more than is asked for. */
import { createGunzip } from "node:zlib";
import { InputError, messageOf } from "../../common/errors.ts";

/** Whether bytes begin as gzip does. */
export function isGzip(head: Uint8Array): boolean {
  return head[0] === 0x1f && head[1] === 0x8b;
}

/**
 * A file's bytes, in pieces; gzip is told by what the file begins with, and undone, all members of it.
 * @throws {InputError} when the file cannot be read, or its gzip is broken or cut
 */
export async function* bytesOf(path: string): AsyncGenerator<Uint8Array<ArrayBuffer>> {
  let file: Deno.FsFile;
  try {
    file = Deno.openSync(path, { read: true });
  } catch (error) {
    throw new InputError(`${path} cannot be read: ${messageOf(error)}`);
  }
  using _file = file;
  const atOnce = Math.min(1 << 20, Math.max(4096, file.statSync().size));
  const next = () => {
    const buffer = new Uint8Array(atOnce);
    const read = file.readSync(buffer);
    return read === null ? undefined : buffer.subarray(0, read);
  };
  try {
    let piece = next();
    if (piece === undefined) return;
    if (!isGzip(piece)) {
      for (; piece !== undefined; piece = next()) yield piece;
      return;
    }
    const unzip = createGunzip();
    const pump = (async () => {
      for (; piece !== undefined && !unzip.destroyed; piece = next()) {
        if (!unzip.write(piece)) {
          await new Promise<void>((done) => unzip.once("drain", done).once("close", done));
        }
      }
      if (!unzip.destroyed) unzip.end();
    })();
    try {
      for await (const some of unzip) yield some as Uint8Array<ArrayBuffer>;
      await pump;
    } finally {
      unzip.destroy();
      await pump.catch(() => {});
    }
  } catch (error) {
    if (error instanceof InputError) throw error;
    const message = messageOf(error);
    throw new InputError(
      /unexpected end|incorrect|invalid/i.test(message)
        ? `${path} cannot be unzipped: it is cut or damaged; get the file again (${message})`
        : `${path} cannot be read: ${message}`,
    );
  }
}

/** Takes a file's bytes in order, gzip undone. Close it with `await using`. */
export class ByteSource implements AsyncDisposable {
  private readonly pieces: AsyncGenerator<Uint8Array<ArrayBuffer>> | undefined;
  /** A file that is not compressed is read as it lies. */
  private readonly file: Deno.FsFile | undefined;
  private readonly size: number = Infinity;
  private rest = new Uint8Array(0);
  /** Bytes taken so far. */
  position = 0;

  /** @throws {InputError} when the file cannot be opened */
  constructor(readonly path: string) {
    let file: Deno.FsFile | undefined;
    try {
      file = Deno.openSync(path, { read: true });
      const start = new Uint8Array(2);
      file.readSync(start);
      if (isGzip(start)) this.pieces = bytesOf(path);
      else {
        file.seekSync(0, Deno.SeekMode.Start);
        this.size = file.statSync().size;
        this.file = file;
      }
    } catch (error) {
      throw new InputError(`${path} cannot be read: ${messageOf(error)}`);
    } finally {
      if (!this.file) file?.close();
    }
  }

  async [Symbol.asyncDispose]() {
    this.file?.close();
    await this.pieces?.return(undefined);
  }

  /** The next bytes: as many as asked for, or fewer at the end of the file. What is asked for and not there costs nothing. */
  async read(count: number): Promise<Uint8Array<ArrayBuffer>> {
    if (this.file) return this.readFile(count);
    if (this.rest.length >= count) return this.taken(this.rest.subarray(0, count), this.rest.subarray(count));
    const parts = [this.rest];
    let length = this.rest.length;
    while (length < count) {
      const { done, value } = await this.pieces!.next();
      if (done) break;
      parts.push(value);
      length += value.length;
    }
    const last = parts.at(-1)!, excess = Math.max(length - count, 0);
    const bytes = new Uint8Array(length - excess);
    let at = 0;
    for (const part of parts) {
      const own = part === last && excess > 0 ? part.subarray(0, part.length - excess) : part;
      bytes.set(own, at);
      at += own.length;
    }
    return this.taken(bytes, last.subarray(last.length - excess));
  }

  /** Passes over bytes. Returns how many were there. */
  async skip(count: number): Promise<number> {
    if (this.file) {
      const there = Math.min(count, Math.max(this.size - this.position, 0));
      this.position += there;
      this.file.seekSync(this.position, Deno.SeekMode.Start);
      return there;
    }
    let left = count;
    while (left > 0) {
      const { length } = await this.read(Math.min(left, 1 << 22));
      if (length === 0) break;
      left -= length;
    }
    return count - left;
  }

  private readFile(count: number): Uint8Array<ArrayBuffer> {
    const bytes = new Uint8Array(Math.min(count, Math.max(this.size - this.position, 0)));
    let done = 0;
    try {
      while (done < bytes.length) {
        const read = this.file!.readSync(bytes.subarray(done));
        if (read === null) break;
        done += read;
      }
    } catch (error) {
      throw new InputError(`${this.path} cannot be read: ${messageOf(error)}`);
    }
    this.position += done;
    return done === bytes.length ? bytes : bytes.subarray(0, done);
  }

  private taken(bytes: Uint8Array<ArrayBuffer>, rest: Uint8Array<ArrayBuffer>) {
    this.rest = rest;
    this.position += bytes.length;
    return bytes;
  }
}

/** The first bytes of a file, gzip undone. */
export async function headOf(path: string, count: number): Promise<Uint8Array<ArrayBuffer>> {
  await using source = new ByteSource(path);
  return await source.read(count);
}

/** The lines of a text file, gzip undone, in groups; a line ends in LF or CR LF. */
export async function* linesOf(path: string): AsyncGenerator<string[]> {
  const decoder = new TextDecoder();
  let rest = "";
  for await (const piece of bytesOf(path)) {
    const lines = (rest + decoder.decode(piece, { stream: true })).split("\n");
    rest = lines.pop()!;
    yield lines.map((line) => line.endsWith("\r") ? line.slice(0, -1) : line);
  }
  rest += decoder.decode();
  if (rest !== "") yield [rest.replace(/\r$/, "")];
}
