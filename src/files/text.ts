/** Text files that people write. */

/**
 * The text of a file's bytes. A byte order mark, which Windows' editors put before UTF-8, is no part of it, and says where
 * it is UTF-16, as PowerShell writes.
 * @throws {TypeError} when it is not text in that encoding
 */
export function textOf(bytes: Uint8Array): string {
  const [first, second] = bytes;
  const encoding = first === 0xff && second === 0xfe
    ? "utf-16le"
    : first === 0xfe && second === 0xff
    ? "utf-16be"
    : "utf-8";
  return new TextDecoder(encoding, { fatal: true }).decode(bytes);
}

/** The text of a file, as {@link textOf}. */
export async function readText(path: string): Promise<string> {
  return textOf(await Deno.readFile(path));
}
