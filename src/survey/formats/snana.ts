/** SNANA's text files: `KEY: value` lines, a VARLIST of columns, and an `OBS:` line an observation. */
import { InputError } from "../../common/errors.ts";
import { linesOf } from "./bytes.ts";
import { distinctNames, type TablePiece } from "./table.ts";
import { Pieces } from "./text_pieces.ts";

/**
 * The observations of an SNANA text file. All cells are text: what is no number is for the reader of columns to say.
 * @throws {InputError} when observations come before their columns, or have fewer cells
 */
export async function* readSnana(path: string): AsyncGenerator<TablePiece> {
  const metadata: Record<string, string> = {};
  let names: string[] | undefined, pieces: Pieces | undefined, number = 0;
  for await (const lines of linesOf(path)) {
    for (const line of lines) {
      number++;
      const [, key, value] = /^\s*(\w[\w()]*):\s*(.*?)\s*(?:#.*)?$/.exec(line) ?? [];
      if (key === undefined) continue;
      if (key === "VARLIST" || key === "VARNAMES") names = distinctNames(value.split(/\s+/));
      else if (key !== "OBS" && key !== "EPOCH") metadata[key] ??= value;
      else {
        if (!names) {
          throw new InputError(`${path}: line ${number} is an observation, but no VARLIST stands before it`);
        }
        const cells = value.split(/\s+/);
        if (cells.length !== names.length) {
          throw new InputError(
            `${path}: line ${number} has ${cells.length} values, but VARLIST names ${names.length}`,
          );
        }
        pieces ??= new Pieces(path, names.map((name) => ({ name, type: "VARCHAR" as const })), "", metadata);
        pieces.add(cells);
      }
    }
    if (pieces) yield* pieces.ready();
  }
  if (!pieces) throw new InputError(`${path} is an SNANA file without an observation (OBS:)`);
  yield* pieces.end();
}
