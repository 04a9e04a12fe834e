/** Reports of observers to the AAVSO: the Extended and the Visual File Format. */
import { InputError } from "../../common/errors.ts";
import { linesOf } from "./bytes.ts";
import { distinctNames, type TablePiece } from "./table.ts";
import { Pieces } from "./text_pieces.ts";

const extended = "NAME DATE MAG MERR FILT TRANS MTYPE CNAME CMAG KNAME KMAG AMASS GROUP CHART NOTES".split(
  " ",
);
const visual = "NAME DATE MAG COMMENTCODE COMP1 COMP2 CHART NOTES".split(" ");

/**
 * The observations of a report. `<13.4`, fainter than, stays as it is written, and `na` is no value.
 * @throws {InputError} when a row has more cells than the format has columns
 */
export async function* readAavso(path: string): AsyncGenerator<TablePiece> {
  const metadata: Record<string, string> = {};
  let delimiter = ",", names: string[] | undefined, pieces: Pieces | undefined, number = 0;
  for await (const lines of linesOf(path)) {
    for (const line of lines) {
      number++;
      const plain = line.replace(/^\uFEFF/, "");
      if (plain.trim() === "") continue;
      if (plain.startsWith("#")) {
        const [, key, value] = /^#\s*([A-Za-z]\w*)\s*=\s*(.*?)\s*$/.exec(plain) ?? [];
        if (key) metadata[key.toUpperCase()] ??= value;
        if (key?.toUpperCase() === "DELIM") delimiter = delimiterOf(value);
        const words = plain.slice(1).split(delimiter).map((word) => word.trim().toUpperCase());
        if (words[0] === "NAME" && words.includes("MAG")) names = distinctNames(words);
        continue;
      }
      if (!pieces) {
        const kind = metadata.TYPE?.toUpperCase().includes("VISUAL") ? visual : extended;
        names ??= kind;
        pieces = new Pieces(
          path,
          names.map((name) => ({ name, type: "VARCHAR" as const, nulls: ["na", "NA", "N/A"] })),
          "",
          // The key DATE says what the times are: JD, HJD or EXCEL; TYPE and the like say nothing about the star.
          metadata,
        );
      }
      const cells = plain.split(delimiter);
      if (cells.length > names!.length) {
        // Notes may hold the delimiter.
        cells.splice(names!.length - 1, cells.length, cells.slice(names!.length - 1).join(delimiter));
      }
      if (cells.length < 3) {
        throw new InputError(
          `${path}: line ${number} is no observation: ${JSON.stringify(plain.slice(0, 60))}`,
        );
      }
      pieces.add(cells);
    }
    if (pieces) yield* pieces.ready();
  }
  if (!pieces) throw new InputError(`${path} is an AAVSO report without an observation`);
  yield* pieces.end();
}

function delimiterOf(value: string): string {
  const word = value.trim().toLowerCase();
  return word === "tab"
    ? "\t"
    : word === "comma"
    ? ","
    : word === "semicolon"
    ? ";"
    : word === "space"
    ? " "
    : value.trim() || ",";
}
