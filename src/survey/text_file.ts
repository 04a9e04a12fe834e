/** The text of a file, whatever its encoding and whether or not it is compressed: told by what stands in it, not by its name. */
import { createGunzip } from "node:zlib";
import { InputError, messageOf } from "../common/errors.ts";

/** How the bytes of a text file are to be read. */
export interface TextCoding {
  gzip: boolean;
  encoding: "utf-8" | "utf-16le" | "utf-16be";
}

/** The text of a file from its start, as a stream of pieces; a byte order mark is left out. */
export async function* textOf(path: string): AsyncGenerator<string> {
  const { gzip, encoding } = await codingOf(path);
  const decoder = new TextDecoder(encoding);
  try {
    for await (const piece of bytesOf(path, gzip)) yield decoder.decode(piece, { stream: true });
    const rest = decoder.decode();
    if (rest) yield rest;
  } catch (error) {
    throw new InputError(`${path} cannot be read: ${messageOf(error)}`);
  }
}

/**
 * How a text file is coded, by its first bytes.
 * @throws {InputError} when it cannot be opened
 */
export async function codingOf(path: string): Promise<TextCoding> {
  const start = firstBytes(path, 4);
  const gzip = start[0] === 0x1f && start[1] === 0x8b;
  let head = start;
  if (gzip) {
    try {
      for await (const piece of bytesOf(path, true)) {
        head = piece;
        break;
      }
    } catch (error) {
      throw new InputError(`${path} cannot be read: ${messageOf(error)}`);
    }
  }
  const encoding = head[0] === 0xff && head[1] === 0xfe
    ? "utf-16le"
    : head[0] === 0xfe && head[1] === 0xff
    ? "utf-16be"
    : "utf-8";
  return { gzip, encoding };
}

/**
 * A file's first bytes.
 * @throws {InputError} when it cannot be opened
 */
export function firstBytes(path: string, count: number): Uint8Array {
  try {
    using file = Deno.openSync(path, { read: true });
    const bytes = new Uint8Array(count);
    const read = file.readSync(bytes) ?? 0;
    return bytes.subarray(0, read);
  } catch (error) {
    throw new InputError(`${path} cannot be read: ${messageOf(error)}`);
  }
}

async function* bytesOf(path: string, gzip: boolean): AsyncGenerator<Uint8Array> {
  const file = await Deno.open(path, { read: true });
  if (!gzip) return yield* file.readable;
  // Of several members (bgzip, `cat a.gz b.gz`) a DecompressionStream reads the first alone.
  const unzip = createGunzip();
  const pump = (async () => {
    try {
      for await (const piece of file.readable) {
        if (unzip.destroyed) return;
        if (!unzip.write(piece)) {
          await new Promise<void>((done) => unzip.once("drain", done).once("close", done));
        }
      }
      unzip.end();
    } catch (error) {
      unzip.destroy(error as Error);
    }
  })();
  try {
    for await (const piece of unzip) yield piece as Uint8Array;
    await pump;
  } finally {
    unzip.destroy();
  }
}

/** The lines of a text, with their numbers from 1. A line ends in LF, CR LF or CR. */
export async function* linesOf(path: string): AsyncGenerator<{ line: string; number: number }[]> {
  let rest = "", number = 0;
  for await (const piece of textOf(path)) {
    let text = rest + piece;
    // A CR at the end may be half of a CR LF.
    const held = text.endsWith("\r") ? "\r" : "";
    if (held) text = text.slice(0, -1);
    const lines = text.includes("\r") ? text.split(/\r\n|\n|\r/) : text.split("\n");
    rest = lines.pop()! + held;
    yield lines.map((line) => ({ line, number: ++number }));
  }
  if (rest !== "") yield rest.replace(/\r$/, "").split("\r").map((line) => ({ line, number: ++number }));
}
