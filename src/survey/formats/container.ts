/** What kind of file a file is, told by what it begins with and, where that is not enough, by its name. */
import { Buffer } from "node:buffer";
import { InputError } from "../../common/errors.ts";
import { readAavso } from "./aavso.ts";
import { readAvro } from "./avro.ts";
import { headOf } from "./bytes.ts";
import { describedInReadMe, readCds } from "./cds.ts";
import { readEcsv } from "./ecsv.ts";
import { otherFits } from "./fits.ts";
import { readFitsLightCurves } from "./snana_fits.ts";
import { readIpac } from "./ipac.ts";
import { refusals, type Refused } from "./refused.ts";
import { readSnana } from "./snana.ts";
import type { TablePiece } from "./table.ts";
import { readVotable } from "./votable.ts";

/** Containers that are read here. Plain text and Parquet are none of them. */
export type Readable = "fits" | "votable" | "ecsv" | "ipac" | "cds" | "aavso" | "snana" | "avro";

/** What the containers are called. */
export const formatNames: Record<Readable, string> = {
  fits: "FITS",
  votable: "VOTable",
  ecsv: "ECSV",
  ipac: "an IPAC table",
  cds: "a machine-readable table (CDS)",
  aavso: "an AAVSO report",
  snana: "SNANA",
  avro: "Avro",
};

/** What a file is: a container that is read, Parquet, or something that is refused with a sentence. */
export type Format = Readable | "parquet" | Refused;

/** This much of a file is looked at. */
const headBytes = 1 << 14;

/**
 * What kind of file this is.
 * @returns undefined for what is none of these: a plain text table, perhaps
 * @throws {InputError} when the file cannot be read
 */
export async function recognise(path: string): Promise<Format | undefined> {
  const raw = firstBytes(path, 560);
  const outer = refusedByBytes(raw);
  if (outer) return outer;
  let head = raw;
  if (raw[0] === 0x1f && raw[1] === 0x8b) {
    head = await headOf(path, headBytes);
    if (isTar(head)) return "tar.gz";
    const inner = refusedByBytes(head);
    if (inner) return inner;
  } else head = firstBytes(path, headBytes);
  const start = latin1(head.subarray(0, 16));
  if (start.startsWith("SIMPLE  =") || start.startsWith("XTENSION=")) return "fits";
  if (start.startsWith("PAR1")) return "parquet";
  if (start.startsWith("Obj\x01")) return "avro";
  if (head.includes(0)) return undefined;
  return recogniseText(latin1(head).replace(/^\xef\xbb\xbf/, ""), path);
}

/** What a text is, by its beginning. */
function recogniseText(head: string, path: string): Format | undefined {
  const start = head.trimStart();
  if (
    /^(<\?xml[^>]*>\s*)?(<!--[\s\S]*?-->\s*|<!DOCTYPE VOTABLE[^>]*>\s*)*<(\w+:)?VOTABLE[\s>]/i.test(start)
  ) {
    return "votable";
  }
  if (/^(<\?xml[^>]*>\s*)?<!doctype html|^<html[\s>]|^<head[\s>]/i.test(start)) return "html";
  if (/^<\?xml[\s>]/.test(start)) return "xml";
  if (start.startsWith("version https://git-lfs.github.com/spec/")) return "lfs-pointer";
  if (start.startsWith("# %ECSV ")) return "ecsv";
  if (/^(\\[^\n]*\n)*\|/.test(start) && /^(\\[^\n]*\n)*(\|[^\n]*\|\s*\n)([^|]|\|[^\n]*\|\s*\n)/.test(start)) {
    // A table whose rows too stand between bars is a delimited text.
    const [names, second] = start.split("\n").filter((line) => line.startsWith("|"));
    if (
      start.startsWith("\\") || second === undefined ||
      /^\|[ \w-]*(int|char|double|real|float|long|date|d|r|f|i|c)\w*\s*\|/i.test(second)
    ) {
      return "ipac";
    }
    if (!start.split("\n").slice(1).some((line) => line.startsWith("|")) && names !== undefined) {
      return "ipac";
    }
  }
  if (/^#\s*TYPE\s*=\s*(AAVSO\s+)?(EXTENDED|VISUAL)/im.test(head.slice(0, 4096))) return "aavso";
  if (/^VARLIST:|^NVAR:|^OBS:|^SNID:/m.test(head) && /^(SURVEY|SNID|VARLIST|NVAR|FILTERS):/m.test(head)) {
    return "snana";
  }
  if (/^Byte-by-byte Description/im.test(head) && !isReadMe(path)) return "cds";
  if (!isReadMe(path) && describedInReadMe(path)) return "cds";
  if (/^From \S+@\S+ |^(Return-Path|Received|Delivered-To|MIME-Version|Message-ID):/i.test(start)) {
    return "mail";
  }
  return undefined;
}

function isReadMe(path: string): boolean {
  return /(^|\/)ReadMe(\.txt)?$/i.test(path);
}

/**
 * The table of a light-curve file, piece by piece. Arrays in cells come as a row an element, and facts of the header that say which
 * object or band the rows belong to as columns of their own.
 * @param format as {@link recognise} says
 * @throws {InputError} when the file is refused, broken or cut, or holds no table
 */
export async function* readTables(path: string, format: Format): AsyncGenerator<TablePiece> {
  const refusal = refusals[format as Refused];
  if (refusal) throw new InputError(refusal(path));
  yield* readerOf(format)(path);
}

function readerOf(format: Format): (path: string) => AsyncGenerator<TablePiece> {
  switch (format) {
    case "fits":
      return readFitsLightCurves;
    case "votable":
      return readVotable;
    case "ecsv":
      return readEcsv;
    case "ipac":
      return readIpac;
    case "cds":
      return readCds;
    case "aavso":
      return readAavso;
    case "snana":
      return readSnana;
    case "avro":
      return readAvro;
    default:
      throw new InputError(`${format} is not read as a table here`);
  }
}

/** Kinds of files that lie beside light curves and are none. */
const notTables: Partial<Record<Format, string>> = {
  "tar": "an archive, which is not unpacked",
  "tar.gz": "an archive, which is not unpacked",
  "zip": "an archive, which is not unpacked",
  "7z": "an archive, which is not unpacked",
  "rar": "an archive, which is not unpacked",
  "html": "a web page",
  "mail": "a mail message",
  "image": "a picture",
  "pdf": "a PDF document",
};

/**
 * Why a file of this kind is no light curve, if that can be told without reading it as one: it may be passed over in a folder.
 * @returns half a sentence, or undefined when it may be a light curve
 */
export async function passedOver(path: string, format: Format): Promise<string | undefined> {
  if (format === "fits") {
    try {
      return await otherFits(path);
    } catch (error) {
      // What is wrong with it is said where it is read, or skipped.
      if (error instanceof InputError) return undefined;
      throw error;
    }
  }
  return notTables[format];
}

function refusedByBytes(bytes: Uint8Array): Refused | undefined {
  const starts = (text: string) =>
    text.length <= bytes.length && latin1(bytes.subarray(0, text.length)) === text;
  if (starts("BZh")) return "bzip2";
  if (starts("\xfd7zXZ\0")) return "xz";
  if (starts("\x28\xb5\x2f\xfd")) return "zstd";
  if (starts("7z\xbc\xaf\x27\x1c")) return "7z";
  if (starts("Rar!\x1a\x07")) return "rar";
  if (starts("PK\x03\x04") || starts("PK\x05\x06")) {
    const name = latin1(bytes.subarray(30, 30 + (bytes[26] | bytes[27] << 8)));
    if (/\.npy$/.test(name)) return "npz";
    if (/^(\[Content_Types\]\.xml|_rels\/|xl\/)/.test(name)) return "xlsx";
    return /^mimetype/.test(name) ? "ods" : /(^|\/)data\.pkl$/.test(name) ? "pickle" : "zip";
  }
  if (starts("\x93NUMPY")) return "npy";
  if (starts("\x89HDF\r\n\x1a\n")) return "hdf5";
  if (starts("CDF\x01") || starts("CDF\x02") || starts("CDF\x05")) return "netcdf";
  if (starts("ARROW1") || starts("FEA1")) return "feather";
  if (starts("ORC")) return bytes[3] < 32 ? "orc" : undefined;
  if (starts("SQLite format 3\0")) return "sqlite";
  if (starts("\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1")) return "xls";
  if (starts("%PDF-")) return "pdf";
  if (starts("\x89PNG\r\n") || starts("\xff\xd8\xff") || starts("GIF8")) return "image";
  if (starts("RDX2\n") || starts("RDX3\n")) return "rdata";
  if (bytes[0] === 0x80 && bytes[1] >= 2 && bytes[1] <= 5) return "pickle";
  return isTar(bytes) ? "tar" : undefined;
}

function isTar(bytes: Uint8Array): boolean {
  return latin1(bytes.subarray(257, 262)) === "ustar";
}

function firstBytes(path: string, count: number): Uint8Array<ArrayBuffer> {
  try {
    using file = Deno.openSync(path, { read: true });
    const bytes = new Uint8Array(count);
    return bytes.subarray(0, file.readSync(bytes) ?? 0);
  } catch (error) {
    throw new InputError(`${path} cannot be read: ${(error as Error).message}`);
  }
}

/** Bytes as they are: a TextDecoder would take "latin1" for Windows' own characters. */
function latin1(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString("latin1");
}
