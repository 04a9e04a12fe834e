/** ECSV of astropy: a YAML header in comments, then fields between blanks or commas. */
import { InputError, messageOf } from "../../common/errors.ts";
import { parseYaml } from "../../common/std.ts";
import { type ArrayHead, ArrayTable } from "./array_cells.ts";
import { linesOf } from "./bytes.ts";
import { type CellTable, type ColumnType, distinctNames, type TablePiece } from "./table.ts";

const types: Record<string, ColumnType> = {
  bool: "BOOLEAN",
  int8: "INTEGER",
  int16: "INTEGER",
  int32: "INTEGER",
  uint8: "INTEGER",
  uint16: "INTEGER",
  int64: "BIGINT",
  uint32: "BIGINT",
  uint64: "VARCHAR",
  float16: "FLOAT",
  float32: "FLOAT",
  float64: "DOUBLE",
  float128: "DOUBLE",
  string: "VARCHAR",
};

interface Header {
  heads: ArrayHead[];
  delimiter: string;
  metadata: Record<string, string>;
}

/**
 * The rows of an ECSV table.
 * @throws {InputError} when its header is damaged, or a cell is not what its column says
 */
export async function* readEcsv(path: string): AsyncGenerator<TablePiece> {
  const comments: string[] = [];
  let header: Header | undefined, table: ArrayTable | undefined, named = false, number = 0, open = "";
  let queue: TablePiece[] = [], any = false;
  const take = (full: CellTable) => {
    any = true;
    queue.push(full.take("", header!.metadata));
  };
  for await (const lines of linesOf(path)) {
    for (const line of lines) {
      number++;
      if (!header) {
        if (line.startsWith("#")) {
          comments.push(line.replace(/^# ?/, ""));
          continue;
        }
        header = headerOf(path, comments);
        table = new ArrayTable(path, header.heads);
      }
      if (open === "" && (line.trim() === "" || line.startsWith("#"))) continue;
      const text = open === "" ? line : `${open}\n${line}`;
      const fields = fieldsOf(text, header.delimiter);
      if (!fields) {
        if (text.length > 1 << 24) throw new InputError(`${path}: line ${number}: a quote is not closed`);
        open = text;
        continue;
      }
      open = "";
      if (fields.length !== header.heads.length) {
        throw new InputError(
          `${path}: line ${number} has ${fields.length} fields, but ${header.heads.length} columns`,
        );
      }
      if (!named) named = true;
      else {table!.add(
          fields.map((field, c) =>
            header!.heads[c].array === undefined ? field : listOf(path, number, field)
          ),
          take,
        );}
    }
    yield* queue;
    queue = [];
  }
  if (open !== "") throw new InputError(`${path}: its last line leaves a quote open`);
  if (!header) throw new InputError(`${path} is ECSV without a row`);
  if (!table!.table) table!.add(header.heads.map(() => []), () => {});
  if (table!.table!.rows > 0 || !any) take(table!.table!);
  yield* queue;
}

interface YamlColumn {
  name?: unknown;
  unit?: unknown;
  datatype?: unknown;
  subtype?: unknown;
  description?: unknown;
}

function headerOf(path: string, comments: readonly string[]): Header {
  const start = comments.findIndex((line) => line.startsWith("---"));
  // astropy's own tags (!astropy.units.Unit) would need its classes: what they mark is plain.
  const yaml = comments.slice(start + 1).map((line) =>
    line.replace(/(^|[\s{[,:-])!{1,2}[\w.:/<>-]*(?=[\s{[]|$)/g, "$1")
  ).join("\n");
  let parsed: { datatype?: YamlColumn[]; delimiter?: string; meta?: unknown };
  try {
    parsed = parseYaml(yaml) as typeof parsed;
  } catch (error) {
    throw new InputError(`${path}: its ECSV header is no YAML: ${messageOf(error).split("\n")[0]}`);
  }
  if (!Array.isArray(parsed?.datatype) || parsed.datatype.length === 0) {
    throw new InputError(`${path}: its ECSV header names no columns (datatype)`);
  }
  const columns = parsed.datatype;
  const names = distinctNames(columns.map((column) => String(column.name ?? "")));
  return {
    delimiter: parsed.delimiter === "," ? "," : " ",
    metadata: metadataOf(parsed.meta),
    heads: columns.map(({ unit, datatype, subtype, description }, c): ArrayHead => {
      // Arrays are written as JSON: subtype float64[5], or float64[null] where cells differ in length.
      const array = /^(\w+)\[(\d+|null)\]$/.exec(String(subtype ?? ""));
      const type = types[array ? array[1] : String(datatype)];
      if (!type) {
        throw new InputError(
          `${path}: the column ${names[c]} has the unknown type ${JSON.stringify(datatype)}`,
        );
      }
      return {
        name: names[c],
        type,
        unit: unit === undefined || unit === null ? undefined : unitOf(unit),
        description: description === undefined ? undefined : String(description),
        ...array ? { array: array[2] === "null" ? "varying" : Number(array[2]) } : {},
      };
    }),
  };
}

function unitOf(unit: unknown): string {
  const own = typeof unit === "object" && unit !== null ? (unit as { unit?: unknown }).unit : unit;
  return String(own ?? "");
}

/** The plain values of the header's meta; of an ordered map, a list of maps of one key. Time scales of columns are told by their names. */
function metadataOf(meta: unknown): Record<string, string> {
  const entries = Array.isArray(meta)
    ? meta.flatMap((part) => typeof part === "object" && part !== null ? Object.entries(part) : [])
    : Object.entries(meta ?? {});
  const metadata: Record<string, string> = {};
  for (const [key, value] of entries) {
    if (key === "__serialized_columns__") {
      for (
        const [column, how] of Object.entries(value as Record<string, { format?: unknown; scale?: unknown }>)
      ) {
        if (how?.format !== undefined) metadata[`${column}.format`] = String(how.format);
        if (how?.scale !== undefined) metadata[`${column}.scale`] = String(how.scale);
      }
    } else if (value !== null && typeof value !== "object") metadata[key] = String(value);
  }
  return metadata;
}

/** The fields of a line; undefined when a quote is open at its end. */
function fieldsOf(line: string, delimiter: string): string[] | undefined {
  if (!line.includes('"')) return delimiter === " " ? line.trim().split(/ +/) : line.split(",");
  const fields: string[] = [];
  for (let at = 0; at <= line.length;) {
    if (delimiter === " ") { while (line[at] === " ") at++; }
    if (at >= line.length && delimiter === " ") break;
    let field = "";
    if (line[at] === '"') {
      for (at++;; at++) {
        if (at >= line.length) return undefined;
        if (line[at] !== '"') field += line[at];
        else if (line[at + 1] === '"') field += line[++at];
        else break;
      }
      at++;
    } else {
      const end = line.indexOf(delimiter, at);
      field = line.slice(at, end < 0 ? line.length : end);
      at = end < 0 ? line.length : end;
    }
    fields.push(field);
    at++;
  }
  return fields;
}

function listOf(path: string, line: number, text: string): (string | number | null)[] {
  if (text.trim() === "") return [];
  try {
    // astropy writes NaN and Infinity, which JSON does not know.
    const list = JSON.parse(text.replace(/\b(NaN|-?Infinity)\b/g, "null"));
    if (Array.isArray(list)) return list.map((item) => typeof item === "boolean" ? String(item) : item);
  } catch { /* said below */ }
  throw new InputError(`${path}: line ${line}: ${JSON.stringify(text.slice(0, 40))} is no list`);
}
