/** Fields of a VOTable: what their cells are, as text and as bytes. */
import { InputError } from "../../common/errors.ts";
import type { ArrayHead } from "./array_cells.ts";
import type { ColumnType } from "./table.ts";

/** One FIELD. */
export interface Field extends ArrayHead {
  datatype: string;
  /** Elements in a cell, of texts their signs; "varying" where each cell says so. */
  count: number | "varying";
  /** The elements of an array that is written as text. */
  split: (text: string) => string[];
}

const types: Record<string, ColumnType> = {
  boolean: "BOOLEAN",
  bit: "VARCHAR",
  unsignedByte: "INTEGER",
  short: "INTEGER",
  int: "INTEGER",
  long: "BIGINT",
  char: "VARCHAR",
  unicodeChar: "VARCHAR",
  float: "FLOAT",
  double: "DOUBLE",
  floatComplex: "VARCHAR",
  doubleComplex: "VARCHAR",
};

const bySpaces = (text: string) => text.split(/\s+/).filter((part) => part !== "");

/**
 * A field by its attributes.
 * @throws {InputError} when its type is unknown
 */
export function fieldOf(path: string, attributes: Record<string, string>): Field {
  const { name, ID, unit, ucd, arraysize } = attributes;
  // Some services write types of other standards.
  const datatype =
    ({ string: "char", integer: "int", real: "float" } as Record<string, string>)[attributes.datatype] ??
      attributes.datatype ?? "char";
  if (!(datatype in types)) {
    throw new InputError(`${path}: the field ${name ?? ID} has the unknown type ${JSON.stringify(datatype)}`);
  }
  const text = datatype === "char" || datatype === "unicodeChar";
  const dimensions = (arraysize ?? "1").trim().split("x");
  const last = dimensions.at(-1)!;
  const product = dimensions.map((d) => Number(d.replace("*", "") || 1)).reduce((a, b) => a * b, 1);
  const count = last.endsWith("*") ? "varying" : product;
  if (count !== "varying" && (!Number.isSafeInteger(count) || count < 0)) {
    throw new InputError(`${path}: the field ${name ?? ID} has the size ${JSON.stringify(arraysize)}`);
  }
  const single = text || datatype === "bit" || count === 1;
  return {
    name: name ?? ID ?? "",
    type: datatype === "bit" && count === 1 ? "BOOLEAN" : types[datatype],
    unit: unit || undefined,
    description: ucd ? `[${ucd}]` : undefined,
    datatype,
    count,
    ...single ? {} : { array: count },
    split: bySpaces,
  };
}
