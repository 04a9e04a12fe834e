/** IPAC tables, as IRSA and the NASA Exoplanet Archive give them: `\key = value`, up to four header lines between bars, fixed columns. */
import { InputError } from "../../common/errors.ts";
import { linesOf } from "./bytes.ts";
import { type CellHead, type ColumnType, distinctNames, type TablePiece } from "./table.ts";
import { Pieces } from "./text_pieces.ts";

/**
 * The rows of an IPAC table.
 * @throws {InputError} when its header has no columns, or a cell is not what its column says
 */
export async function* readIpac(path: string): AsyncGenerator<TablePiece> {
  const metadata: Record<string, string> = {};
  const header: string[] = [];
  let pieces: Pieces | undefined, spans: [number, number][] = [];
  for await (const lines of linesOf(path)) {
    for (const line of lines) {
      if (!pieces) {
        if (line.startsWith("\\")) {
          const [, key, value] = /^\\\s*([\w.-]+)\s*=\s*(.*?)\s*$/.exec(line) ?? [];
          // Comments too begin with a backslash; some are "\ fixlen = T", others a blank and prose.
          if (key) metadata[key] = value.replace(/^(["'])(.*)\1.*$/, "$2");
          continue;
        }
        if (line.startsWith("|")) {
          header.push(line);
          continue;
        }
        if (line.trim() === "") continue;
        ({ pieces, spans } = headsOf(path, header, metadata));
      }
      if (line.trim() === "" || line.startsWith("\\")) continue;
      const cells = spans.map(([from, to]) => line.slice(from, to));
      // A last column may run beyond its bar.
      cells[cells.length - 1] = line.slice(spans.at(-1)![0]);
      pieces.add(cells);
    }
    if (pieces) yield* pieces.ready();
  }
  pieces ??= headsOf(path, header, metadata).pieces;
  yield* pieces.end();
}

function headsOf(path: string, header: readonly string[], metadata: Record<string, string>) {
  if (header.length === 0) throw new InputError(`${path} is an IPAC table without a header between bars`);
  const bars = [...header[0]].flatMap((sign, i) => sign === "|" ? [i] : []);
  if (header[0].trimEnd().length - 1 > bars.at(-1)!) bars.push(header[0].trimEnd().length);
  if (bars.length < 2) throw new InputError(`${path} is an IPAC table with no column in its header`);
  const spans = bars.slice(0, -1).map((bar, c): [number, number] => [bar, bars[c + 1]]);
  const [names, types, units, nulls] = [0, 1, 2, 3].map((k) =>
    spans.map(([from, to]) => header[k]?.slice(from + 1, to).trim() ?? "")
  );
  const own = distinctNames(names);
  const heads = own.map((name, c): CellHead => ({
    name,
    type: typeOf(types[c]),
    unit: units[c] || undefined,
    description: metadata[`COLUMN_${name}`] || undefined,
    nulls: ["null", ...nulls[c] ? [nulls[c]] : []],
  }));
  return { spans, pieces: new Pieces(path, heads, "", metadata) };
}

/** Types may be cut to their first letters. Times are written as "real" too, so that every float is a double here. */
function typeOf(type: string): ColumnType {
  const word = type.toLowerCase().replace(/^-/, "");
  if (word === "") return "VARCHAR";
  if (/^(d|double|f|float|r|real)/.test(word) && !/^date/.test(word)) return "DOUBLE";
  return /^(i|int|l|long)/.test(word) ? "BIGINT" : "VARCHAR";
}
