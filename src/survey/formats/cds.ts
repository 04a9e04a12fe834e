/** Machine-readable tables of CDS and of the AAS journals: a byte-by-byte description, then fixed columns. */
import { InputError } from "../../common/errors.ts";
import { linesOf } from "./bytes.ts";
import { type CellHead, distinctNames, type TablePiece } from "./table.ts";
import { Pieces } from "./text_pieces.ts";

interface Column extends CellHead {
  from: number;
  to: number;
}

/** What a folder's ReadMe says, by folder: a million files may lie beside one. */
const readMes = new Map<string, string | undefined>();

/**
 * The description of a file in the ReadMe of its folder, as VizieR's catalogues have it ("Description of file: table3.dat lc/*.dat").
 * @returns the ReadMe's lines from there on, or undefined when it does not describe the file
 */
export function describedInReadMe(path: string): string[] | undefined {
  const slash = path.lastIndexOf("/"), folder = slash < 0 ? "." : path.slice(0, slash);
  const name = path.slice(slash + 1).replace(/\.gz$/i, "");
  for (const [place, prefix] of [[folder, ""], [`${folder}/..`, `${folder.split("/").at(-1)}/`]]) {
    if (!readMes.has(place)) {
      let text: string | undefined;
      try {
        text = Deno.readTextFileSync(`${place}/ReadMe`);
      } catch { /* there is none */ }
      readMes.set(place, text);
    }
    const lines = readMes.get(place)?.split(/\r?\n/) ?? [];
    const start = lines.findIndex((line) => {
      const files = /^Byte-by-byte Description of file\s*(?:\([^)]*\))?\s*:\s*(.*)$/i.exec(line)?.[1];
      return files?.split(/[\s,]+/).some((file) => matches(file, prefix + name));
    });
    if (start >= 0) return lines.slice(start);
  }
  return undefined;
}

/** Whether a name of a ReadMe, which may have a *, means a file. */
function matches(pattern: string, name: string): boolean {
  if (pattern === "") return false;
  const parts = pattern.split("*").map((part) => part.replace(/[.+?^${}()|[\]\\]/g, "\\$&"));
  return new RegExp(`^${parts.join("[^/]*")}$`).test(name);
}

/**
 * The rows of a table whose description stands before them, or in the ReadMe of the folder.
 * @throws {InputError} when no column is described, or a cell is not what its column says
 */
export async function* readCds(path: string): AsyncGenerator<TablePiece> {
  const described = describedInReadMe(path);
  if (described) {
    const columns = columnsOf(path, described), pieces = new Pieces(path, columns, "", {});
    for await (const lines of linesOf(path)) {
      for (const line of lines) {
        if (line.trim() !== "") pieces.add(columns.map(({ from, to }) => line.slice(from, to)));
      }
      yield* pieces.ready();
    }
    return yield* pieces.end();
  }
  const head: string[] = [];
  let pieces: Pieces | undefined, columns: Column[] = [];
  let held: string[] = [];
  for await (const lines of linesOf(path)) {
    for (const line of lines) {
      held.push(line);
      // Rows begin behind the last rule; notes may follow the description, so that each rule begins anew.
      if (/^(-{20,}|={20,})\s*$/.test(line)) {
        if (pieces) throw new InputError(`${path} holds several tables: give each a file`);
        head.push(...held);
        held = [];
      } else if (held.length > 5000 && !pieces) pieces = begin();
      else if (pieces) held = [];
      if (pieces && held.length === 0 && line !== "") add(line);
    }
    if (pieces) yield* pieces.ready();
  }
  if (!pieces) pieces = begin();
  yield* pieces.end();

  function begin(): Pieces {
    columns = columnsOf(path, head);
    const made = new Pieces(path, columns, "", metadataOf(head));
    const rows = held;
    held = [];
    pieces = made;
    for (const line of rows) add(line);
    return made;
  }
  function add(line: string) {
    if (line.trim() !== "") pieces!.add(columns.map(({ from, to }) => line.slice(from, to)));
  }
}

/** The columns that the first byte-by-byte description in some lines gives. */
export function columnsOf(path: string, lines: readonly string[]): Column[] {
  const start = lines.findIndex((line) => /^Byte-by-byte Description/i.test(line));
  const columns: Column[] = [];
  let rules = 0, before = 0;
  for (const line of lines.slice(start + 1)) {
    if (/^-{20,}\s*$/.test(line)) {
      if (++rules === 3) break;
      continue;
    }
    if (rules !== 2) continue;
    const parts = /^\s*(?:(\d+)\s*-\s*)?(\d+)\s+([AIFEDL]\d*(?:\.\d+)?)\s+(\S+)\s+(\S+)\s*(.*)$/.exec(line);
    if (parts) {
      const [, first, last, format, unit, label, rest] = parts;
      const nothing = /^(?:[[(\]][^\])[]*[\])[]\s*)?\?=(\S+)/.exec(rest)?.[1];
      columns.push({
        name: label,
        type: format[0] === "A" || format[0] === "L"
          ? "VARCHAR"
          : format[0] !== "I"
          ? "DOUBLE"
          : Number(format.slice(1)) <= 9
          ? "INTEGER"
          : "BIGINT",
        unit: unit === "---" ? undefined : unit,
        description: rest.replace(/^(\[[^\]]*\]\s*)?\??(=\S+)?\s*/, "") || undefined,
        nulls: nothing ? [nothing] : undefined,
        from: Number(first ?? last) - 1,
        to: Number(last),
      });
      before = line.indexOf(label);
    } else if (columns.length > 0 && line.search(/\S/) > before) {
      const column = columns.at(-1)!;
      column.description = `${column.description ?? ""} ${line.trim()}`.trim();
    }
  }
  if (columns.length === 0) throw new InputError(`${path}: its byte-by-byte description names no column`);
  const names = distinctNames(columns.map(({ name }) => name));
  return columns.map((column, c) => ({ ...column, name: names[c] }));
}

function metadataOf(lines: readonly string[]): Record<string, string> {
  const metadata: Record<string, string> = {};
  for (const line of lines) {
    const [, key, value] = /^(Title|Authors?|Table):\s*(.*?)\s*$/.exec(line) ?? [];
    if (key) metadata[key] = value;
  }
  return metadata;
}
