/** VOTable, the table format of the Virtual Observatory (1.1 to 1.5): TABLEDATA, BINARY and BINARY2. */
import { SaxesParser } from "npm:saxes@6.0.0";
import { InputError, messageOf } from "../../common/errors.ts";
import { ArrayTable } from "./array_cells.ts";
import { bytesOf } from "./bytes.ts";
import { likeness } from "./light_curve_columns.ts";
import { distinctNames, type TablePiece } from "./table.ts";
import { BinaryStream } from "./votable_binary.ts";
import { type Field, fieldOf } from "./votable_field.ts";

/** What stands before the rows of one table. */
interface Head {
  index: number;
  name: string;
  fields: Field[];
}

/**
 * The light curves of a VOTable, piece by piece. Of several tables the first with a time and a brightness is read, and those with the
 * same fields.
 * @throws {InputError} when the file is cut or broken, holds no table, or says that the query failed
 */
export async function* readVotable(path: string): AsyncGenerator<TablePiece> {
  const heads: Head[] = [];
  for await (
    const _ of parse(path, (head) => heads.push(head) && likeness(head.fields) === 2 ? "stop" : "skip")
  );
  if (heads.length === 0) throw new InputError(`${path} is a VOTable, but holds no table`);
  const scores = heads.map((head) => likeness(head.fields));
  const chosen = heads[scores.indexOf(Math.max(...scores) as 0)];
  const key = JSON.stringify(chosen.fields);
  yield* parse(
    path,
    (head) => head.index >= chosen.index && JSON.stringify(head.fields) === key ? "read" : "skip",
  );
}

/** Parses a document; `decide` says what is done with each table. */
async function* parse(
  path: string,
  decide: (head: Head) => "read" | "skip" | "stop",
): AsyncGenerator<TablePiece> {
  const parser = new SaxesParser({ xmlns: false, position: true });
  const queue: TablePiece[] = [];
  const metadata: Record<string, string> = {};
  let own: Record<string, string> = {};
  let tables = 0, stopped = false, ended = false;
  let fields: Field[] = [], name = "", inTable = false, inField = false;
  let table: ArrayTable | undefined, decided = false, any = false;
  let cells: string[] = [], cell = "", inCell = false, description: string | undefined;
  let binary: BinaryStream | undefined, base64 = "";
  let info: { name: string; value: string } | undefined;

  const begin = () => {
    if (decided) return;
    decided = true;
    const names = distinctNames(fields.map((field) => field.name));
    fields = fields.map((field, c) => ({ ...field, name: names[c] }));
    const decision = decide({ index: tables - 1, name, fields });
    if (decision === "stop") stopped = true;
    if (decision === "read") table = new ArrayTable(path, fields);
    any = false;
  };
  const piece = (full: { take(name: string, metadata: Record<string, string>): TablePiece }) => {
    any = true;
    queue.push(full.take(name, { ...metadata, ...own }));
  };

  parser.on("error", (error) => {
    throw new InputError(`${path} is damaged: ${error.message.replace(/^(\d+):(\d+): /, "line $1, ")}`);
  });
  parser.on("opentag", ({ name: tag, attributes }) => {
    const get = (key: string) => attributes[key] as string | undefined;
    switch (local(tag)) {
      case "TR":
        cells = [];
        break;
      case "TD":
        inCell = true;
        cell = "";
        if (get("encoding")) throw new InputError(`${path}: cells in ${get("encoding")} are not read`);
        break;
      case "TABLE":
        tables++;
        inTable = true;
        decided = false;
        fields = [];
        table = undefined;
        own = {};
        name = get("name") ?? get("ID") ?? "";
        break;
      case "FIELD":
        inField = true;
        if (inTable) fields.push(fieldOf(path, attributes as Record<string, string>));
        break;
      case "VALUES":
        if (inField && get("null") !== undefined && fields.length > 0) {
          fields.at(-1)!.nulls = [get("null")!.trim()];
        }
        break;
      case "DESCRIPTION":
        description = "";
        break;
      case "PARAM":
      case "INFO":
        if (get("name")) {
          (inTable ? own : metadata)[get("name")!] = get("value") ?? "";
          if (local(tag) === "INFO") info = { name: get("name")!, value: get("value") ?? "" };
        }
        description = info ? "" : undefined;
        break;
      case "TIMESYS":
        for (
          const [key, meant] of [["timescale", "TIMESYS"], ["timeorigin", "TIMEORIGIN"], [
            "refposition",
            "TIMEREF",
          ]]
        ) {
          if (get(key) !== undefined) metadata[meant] = get(key)!;
        }
        break;
      case "TABLEDATA":
        begin();
        break;
      case "BINARY":
      case "BINARY2":
        begin();
        if (table) binary = new BinaryStream(path, fields, local(tag) === "BINARY2");
        break;
      case "FITS":
        throw new InputError(
          `${path} is a VOTable around FITS, which is not read so: take the FITS file out of it`,
        );
      case "STREAM":
        if (get("href")) {
          throw new InputError(
            `${path}: its rows lie elsewhere (${get("href")}), which is not read: give that file`,
          );
        }
        if (binary && (get("encoding") ?? "base64") !== "base64") {
          throw new InputError(
            `${path}: its rows are encoded as ${get("encoding")}, which is not read (base64 is)`,
          );
        }
        base64 = "";
        break;
    }
  });
  parser.on("text", (text) => {
    if (inCell) cell += text;
    else if (binary) {
      base64 += text.replace(/\s+/g, "");
      const whole = base64.length - base64.length % 4;
      binary.push(base64.slice(0, whole), (row) => table!.add(row, piece));
      base64 = base64.slice(whole);
    } else if (description !== undefined) description += text;
  });
  parser.on("closetag", ({ name: tag }) => {
    switch (local(tag)) {
      case "TD":
        inCell = false;
        cells.push(cell);
        break;
      case "TR":
        table?.add(
          cells.map((text, c) => fields[c]?.array === undefined ? text : fields[c].split(text)),
          piece,
        );
        break;
      case "FIELD":
        inField = false;
        break;
      case "DESCRIPTION":
        if (inField && fields.length > 0) {
          const field = fields.at(-1)!;
          field.description = [description?.trim().replace(/\s+/g, " "), field.description].filter(Boolean)
            .join("; ");
        }
        description = undefined;
        break;
      case "INFO":
        if (info?.name === "QUERY_STATUS" && info.value.toUpperCase() === "ERROR") {
          throw new InputError(
            `${path} holds an error of the server, not a table: ${
              description?.trim().slice(0, 300) || "it does not say which"
            }`,
          );
        }
        info = undefined;
        description = undefined;
        break;
      case "BINARY":
      case "BINARY2":
        binary?.end();
        binary = undefined;
        break;
      case "TABLE":
        begin();
        if (table) {
          if (!table.table) table.add(fields.map(() => []), () => {});
          const rest = table.table!;
          if (rest.rows > 0 || !any) piece(rest);
        }
        inTable = false;
        table = undefined;
        break;
      case "VOTABLE":
        ended = true;
        break;
    }
  });

  const decoder = new TextDecoder();
  let said = false;
  for await (const bytes of bytesOf(path)) {
    if (!said) {
      said = true;
      refuseEncoding(path, bytes);
    }
    try {
      // What follows the document is none of ours.
      if (!ended) parser.write(decoder.decode(bytes, { stream: true }));
    } catch (error) {
      throw error instanceof InputError ? error : new InputError(`${path} is damaged: ${messageOf(error)}`);
    }
    yield* queue.splice(0);
    if (stopped) return;
  }
  if (!ended) throw new InputError(`${path} is cut: its XML ends before </VOTABLE>; get the file again`);
}

function refuseEncoding(path: string, bytes: Uint8Array): void {
  const declared = /^[^>]*\bencoding\s*=\s*["']([^"']+)["']/.exec(
    new TextDecoder().decode(bytes.subarray(0, 200)),
  )?.[1];
  if (declared && !/^(utf-?8|us-ascii|ascii|iso-8859-1|latin-?1)$/i.test(declared)) {
    throw new InputError(`${path} is XML in ${declared}, which is not read: save it as UTF-8`);
  }
}

/** An element's name without the prefix of its namespace. */
function local(tag: string): string {
  return tag.includes(":") ? tag.slice(tag.indexOf(":") + 1) : tag;
}
