/** Rows of a VOTable in bytes: BINARY, and BINARY2 with its marks of missing cells. */
import { Buffer } from "node:buffer";
import { InputError } from "../../common/errors.ts";
import type { ArrayCell } from "./array_cells.ts";
import type { Cell } from "./table.ts";
import type { Field } from "./votable_field.ts";

/** An array longer than this in one cell is damage. */
const longest = 1 << 28;

const sizes: Record<string, number> = {
  boolean: 1,
  bit: 1,
  unsignedByte: 1,
  short: 2,
  int: 4,
  long: 8,
  char: 1,
  unicodeChar: 2,
  float: 4,
  double: 8,
  floatComplex: 8,
  doubleComplex: 16,
};

/** Takes rows out of base64 as it comes. */
export class BinaryStream {
  private bytes = new Uint8Array(0);

  constructor(
    private readonly path: string,
    private readonly fields: readonly Field[],
    private readonly marked: boolean,
  ) {}

  /** Takes more text, of whole groups of four signs. */
  push(text: string, row: (cells: ArrayCell[]) => void): void {
    if (text === "") return;
    const more = Buffer.from(text, "base64");
    const bytes = new Uint8Array(this.bytes.length + more.length);
    bytes.set(this.bytes);
    bytes.set(more, this.bytes.length);
    const view = new DataView(bytes.buffer);
    let at = 0;
    for (;;) {
      const taken = this.rowAt(view, at);
      if (!taken) break;
      row(taken.cells);
      at = taken.end;
    }
    this.bytes = bytes.slice(at);
  }

  /** @throws {InputError} when a row is not whole */
  end(): void {
    if (this.bytes.length > 0) {
      throw new InputError(
        `${this.path} is cut or damaged: ${this.bytes.length} bytes are left after its last whole row`,
      );
    }
  }

  /** The row that begins at a byte; undefined when it is not all there yet. */
  private rowAt(view: DataView, start: number): { cells: ArrayCell[]; end: number } | undefined {
    const { fields } = this;
    let at = start + (this.marked ? Math.ceil(fields.length / 8) : 0);
    const cells: ArrayCell[] = [];
    for (const [c, field] of fields.entries()) {
      let { count } = field;
      if (count === "varying") {
        if (at + 4 > view.byteLength) return undefined;
        count = view.getInt32(at);
        at += 4;
        if (count < 0 || count * sizes[field.datatype] > longest) {
          throw new InputError(`${this.path} is damaged: a cell of ${field.name} has ${count} elements`);
        }
      }
      const bytes = field.datatype === "bit" ? Math.ceil(count / 8) : count * sizes[field.datatype];
      if (at + bytes > view.byteLength || at >= view.byteLength && bytes + count > 0) return undefined;
      const missing = this.marked && (view.getUint8(start + (c >> 3)) >> (7 - (c & 7)) & 1) === 1;
      cells.push(missing ? null : cellAt(view, at, field, count));
      at += bytes;
    }
    return at > view.byteLength || at === start ? undefined : { cells, end: at };
  }
}

function cellAt(view: DataView, at: number, field: Field, count: number): ArrayCell {
  const { datatype, array } = field;
  if (datatype === "char" || datatype === "unicodeChar") {
    const buffer = Buffer.from(view.buffer, view.byteOffset + at, count * sizes[datatype]);
    const text = datatype === "char" ? buffer.toString("utf8") : new TextDecoder("utf-16be").decode(buffer);
    const zero = text.indexOf("\0");
    return zero < 0 ? text : text.slice(0, zero);
  }
  if (datatype === "bit") {
    if (field.type === "BOOLEAN") return view.getUint8(at) === 0 ? 0 : 1;
    let bits = "";
    for (let b = 0; b < count; b++) bits += view.getUint8(at + (b >> 3)) >> (7 - (b & 7)) & 1;
    return bits;
  }
  if (array === undefined) return count === 0 ? null : elementAt(view, at, datatype);
  const elements: Cell[] = [];
  for (let k = 0; k < count; k++) elements.push(elementAt(view, at + k * sizes[datatype], datatype));
  return elements;
}

function elementAt(view: DataView, at: number, datatype: string): Cell {
  switch (datatype) {
    case "boolean": {
      const sign = String.fromCharCode(view.getUint8(at));
      return /[Tt1]/.test(sign) ? 1 : /[Ff0]/.test(sign) ? 0 : null;
    }
    case "unsignedByte":
      return view.getUint8(at);
    case "short":
      return view.getInt16(at);
    case "int":
      return view.getInt32(at);
    case "long":
      return view.getBigInt64(at);
    case "float":
      return view.getFloat32(at);
    case "double":
      return view.getFloat64(at);
    default:
      return null;
  }
}
