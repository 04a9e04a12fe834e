/** Headers of FITS: 80-character cards in blocks of 2,880 bytes (FITS Standard 4.0, section 4). */
import { Buffer } from "node:buffer";
import { InputError } from "../../common/errors.ts";
import type { ByteSource } from "./bytes.ts";

/** The keywords of one header, and the comments behind their values. */
export interface FitsHeader {
  values: Map<string, string>;
  comments: Map<string, string>;
}

const block = 2880;
/** More cards than any telescope writes; a file without END is not read for hours. */
const mostCards = 200_000;

/**
 * Reads the next header.
 * @returns undefined at the end of the file
 * @throws {InputError} when it is cut or is no header
 */
export async function readHeader(source: ByteSource, first: boolean): Promise<FitsHeader | undefined> {
  const header: FitsHeader = { values: new Map(), comments: new Map() };
  let last = "";
  for (let cards = 0; cards < mostCards; cards += block / 80) {
    const bytes = await source.read(block);
    if (cards === 0 && (bytes.length === 0 || !first && !isExtension(bytes))) return undefined;
    if (bytes.length < block) {
      throw new InputError(`${source.path} is cut: its FITS header ends within a block; get the file again`);
    }
    const text = Buffer.from(bytes.buffer, bytes.byteOffset, block).toString("latin1");
    for (let at = 0; at < block; at += 80) {
      const card = text.slice(at, at + 80);
      const keyword = card.slice(0, 8).trim();
      if (keyword === "END") return header;
      if (keyword === "CONTINUE") {
        const { value } = parseValue(card.slice(8));
        const before = header.values.get(last);
        if (before?.endsWith("&")) header.values.set(last, before.slice(0, -1) + value);
        continue;
      }
      const long = keyword === "HIERARCH" ? /^HIERARCH\s+(.+?)\s*=(.*)$/.exec(card) : null;
      if (!long && card.slice(8, 10) !== "= ") continue;
      last = long ? long[1] : keyword;
      const { value, comment } = parseValue(long ? long[2] : card.slice(10));
      header.values.set(last, value);
      if (comment) header.comments.set(last, comment);
    }
  }
  throw new InputError(`${source.path}: its FITS header has no end`);
}

/** What follows the last table may be anything, and is none of ours. */
function isExtension(bytes: Uint8Array): boolean {
  return Buffer.from(bytes.buffer, bytes.byteOffset, Math.min(bytes.length, 9)).toString("latin1") ===
    "XTENSION=";
}

function parseValue(text: string): { value: string; comment: string } {
  const quoted = /^\s*'((?:[^']|'')*)'?\s*(?:\/(.*))?$/.exec(text);
  if (quoted) {
    return { value: quoted[1].replaceAll("''", "'").trimEnd(), comment: (quoted[2] ?? "").trim() };
  }
  const slash = text.indexOf("/");
  const value = (slash < 0 ? text : text.slice(0, slash)).trim();
  return { value, comment: slash < 0 ? "" : text.slice(slash + 1).trim() };
}

/**
 * A whole number of a header.
 * @throws {InputError} when it is none, or beyond what a file can hold
 */
export function wholeOf({ values }: FitsHeader, keyword: string, path: string, otherwise?: number): number {
  const text = values.get(keyword);
  if (text === undefined && otherwise !== undefined) return otherwise;
  const number = Number(text);
  if (text === undefined || text === "" || !Number.isSafeInteger(number) || number < 0) {
    throw new InputError(`${path}: its FITS header says ${keyword} = ${text ?? "nothing"}, which is no size`);
  }
  return number;
}

/**
 * The bytes of the data behind a header, without the filling to a whole block.
 * @throws {InputError} when they are no number
 */
export function dataBytes(header: FitsHeader, path: string): number {
  const axes = wholeOf(header, "NAXIS", path, 0);
  if (axes === 0) return 0;
  if (axes > 999) throw new InputError(`${path}: its FITS header says NAXIS = ${axes}`);
  let count = 1;
  for (let k = 1; k <= axes; k++) count *= wholeOf(header, `NAXIS${k}`, path);
  const bits = Math.abs(Number(header.values.get("BITPIX")));
  const bytes = (bits / 8) * wholeOf(header, "GCOUNT", path, 1) *
    (wholeOf(header, "PCOUNT", path, 0) + count);
  if (!Number.isSafeInteger(bytes)) {
    throw new InputError(`${path}: its FITS header gives a size of ${bytes} bytes`);
  }
  return bytes;
}

/** Bytes with the filling to a whole block. */
export function padded(bytes: number): number {
  return Math.ceil(bytes / block) * block;
}
