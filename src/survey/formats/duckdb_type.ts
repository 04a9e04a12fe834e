/** DuckDB's types, taken apart. */

/** A type: a number, text or the like; a struct of fields; or a list. */
export type DuckdbType =
  | { kind: "scalar"; type: string }
  | { kind: "struct"; fields: { name: string; type: DuckdbType }[] }
  | { kind: "list"; of: DuckdbType };

/** Takes a type apart as DESCRIBE writes it: `STRUCT(mjd DOUBLE, "a b" FLOAT[])[]`. */
export function parseType(text: string): DuckdbType {
  let at = 0;
  const type = (): DuckdbType => {
    let parsed: DuckdbType;
    if (text.startsWith("STRUCT(", at)) {
      at += "STRUCT(".length;
      const fields: { name: string; type: DuckdbType }[] = [];
      while (text[at] !== ")" && at < text.length) {
        const name = fieldName();
        at++; // the blank
        fields.push({ name, type: type() });
        if (text.startsWith(", ", at)) at += 2;
      }
      at++;
      parsed = { kind: "struct", fields };
    } else {
      const start = at;
      let depth = 0;
      for (; at < text.length; at++) {
        if (text[at] === "(") depth++;
        else if (text[at] === ")" && depth-- === 0) break;
        else if (depth === 0 && (text[at] === "," || text[at] === "[")) break;
      }
      parsed = { kind: "scalar", type: text.slice(start, at) };
    }
    for (let list; (list = /^\[\d*\]/.exec(text.slice(at, at + 12))); at += list[0].length) {
      parsed = { kind: "list", of: parsed };
    }
    return parsed;
  };
  const fieldName = (): string => {
    if (text[at] !== '"') {
      const end = text.indexOf(" ", at);
      const name = text.slice(at, end);
      at = end;
      return name;
    }
    let name = "";
    for (at++; at < text.length; at++) {
      if (text[at] !== '"') name += text[at];
      else if (text[at + 1] === '"') name += text[++at];
      else break;
    }
    at++;
    return name;
  };
  return type();
}
