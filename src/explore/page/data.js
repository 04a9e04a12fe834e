// Where the page's data come from: the server that it was opened from, or the file itself.
import { bestPeriod } from "./plots.js";

/** A column as the server packs it. */
export function unpack(buffer) {
  const length = new DataView(buffer).getUint32(0, true), start = 4 + Math.ceil(length / 4) * 4;
  const about = JSON.parse(new TextDecoder().decode(new Uint8Array(buffer, 4, length)));
  return about.kind === "classes"
    ? { ...about, codes: new Uint8Array(buffer.slice(start)) }
    : { ...about, values: new Float32Array(buffer.slice(start)) };
}

export function served() {
  const token = new URLSearchParams(location.search).get("token") ?? "";
  const ask = async (path, body) => {
    let response;
    try {
      response = await fetch(path, {
        method: body ? "POST" : "GET",
        headers: { "x-token": token, ...body ? { "content-type": "application/json" } : {} },
        body: body ? JSON.stringify(body) : undefined,
      });
    } catch {
      throw new Error("explore has ended: start it again, and open the address that it prints");
    }
    if (!response.ok) {
      throw new Error((await response.json().catch(() => ({ error: response.statusText }))).error);
    }
    return response;
  };
  const json = async (path, body) => await (await ask(path, body)).json();
  const bytes = async (path) => await (await ask(path)).arrayBuffer();
  const of = encodeURIComponent;
  return {
    start: () => json("/start"),
    positions: async () => new Float32Array(await bytes("/positions")),
    column: async (name) => unpack(await bytes(`/column?name=${of(name)}`)),
    object: (row) => json(`/object?row=${row}`),
    curve: (row) => json(`/curve?row=${row}`),
    period: (row) => json(`/period?row=${row}`),
    reconstruction: (row) => json(`/reconstruction?row=${row}`),
    neighbors: (row) => json(`/neighbors?row=${row}`),
    filter: (text) => json(`/filter?text=${of(text)}`),
    named: (rows) => json("/named", { rows }),
    label: (rows, name) => json("/label", { rows, class: name }),
    labels: async () => await (await ask("/labels")).text(),
    train: () => json("/train", {}),
  };
}

/** CSV as spreadsheets take it; a text that they would take for a formula has an apostrophe before it. */
export function csv(rows) {
  const cell = (value) => {
    const text = value === null || value === undefined ? "" : String(value);
    const plain = typeof value === "number" || /^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i.test(text);
    const safe = /^[=+\-@\t\r\n＝＋－＠]/.test(text) && !plain ? `'${text}` : text;
    return /[",\r\n']/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe;
  };
  return rows.map((row) => row.map(cell).join(",") + "\r\n").join("");
}

/** The data of an exported page: gzip in base64; a length, JSON, and arrays one after the other. */
export async function carried(base64) {
  const bytes = Uint8Array.from(atob(base64), (letter) => letter.charCodeAt(0));
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
  const buffer = await new Response(stream).arrayBuffer(), length = new DataView(buffer).getUint32(0, true);
  const about = JSON.parse(new TextDecoder().decode(new Uint8Array(buffer, 4, length)));
  let at = 4 + Math.ceil(length / 4) * 4;
  const take = (Kind, count) => {
    const found = new Kind(buffer, at, count);
    at += Math.ceil(count * Kind.BYTES_PER_ELEMENT / 4) * 4;
    return found;
  };
  const { rows, objects, columns } = about, positions = take(Float32Array, 2 * rows);
  const near = take(Int32Array, rows * about.neighbors), far = take(Float32Array, rows * about.neighbors);
  const starts = take(Uint32Array, rows + 1), total = starts[rows];
  const times = take(Int32Array, total),
    magnitudes = take(Float32Array, total),
    errors = take(Float32Array, total);
  const labels = new Map();
  const numbered = new Map(columns.map((column, i) => [column.name, i]));
  const named = (row) => ({ row, id: objects[row][0], band: objects[row][1], class: objects[row][2] });
  const columnOf = (name) => {
    if (name === "label") {
      const names = [...new Set(labels.values())].sort();
      return {
        kind: "classes",
        names,
        codes: Uint8Array.from(
          { length: rows },
          (_, i) => labels.has(i) ? names.indexOf(labels.get(i)) : 255,
        ),
      };
    }
    const i = numbered.get(name), values = objects.map((fields) => fields[3 + i]);
    if (columns[i].kind === "number") {
      return {
        kind: "number",
        values: Float32Array.from(values, (v) => v ?? NaN),
      };
    }
    const counts = new Map();
    for (const value of values) if (value !== null) counts.set(value, (counts.get(value) ?? 0) + 1);
    const names = [...counts].sort((a, b) => b[1] - a[1]).map(([value]) => value).slice(0, 200);
    const codes = new Map(names.map((value, code) => [value, code]));
    return { kind: "classes", names, codes: Uint8Array.from(values, (value) => codes.get(value) ?? 255) };
  };
  const counts = () => {
    const result = Object.create(null);
    for (const name of labels.values()) result[name] = (result[name] ?? 0) + 1;
    return result;
  };
  const curve = (row) => {
    const [from, to] = [starts[row], starts[row + 1]];
    if (from === to) return null;
    return {
      mjd: Array.from(times.subarray(from, to), (t) => t * 1e-5 + about.first[row]),
      magnitude: Array.from(magnitudes.subarray(from, to)),
      error: Array.from(errors.subarray(from, to)),
    };
  };
  return {
    start: () => ({ ...about, hasModel: false, canTrain: false, labels: counts(), trained: [] }),
    positions: () => positions,
    column: columnOf,
    object: (row) => ({
      ...named(row),
      ...Object.fromEntries(columns.map((column, i) => [column.name, objects[row][3 + i]])),
      label: labels.get(row) ?? null,
    }),
    curve,
    period: (row) => bestPeriod(curve(row) ?? { mjd: [], magnitude: [] }),
    reconstruction: () => null,
    neighbors: (row) =>
      Array.from({ length: about.neighbors }, (_, k) => near[row * about.neighbors + k])
        .flatMap((other, k) =>
          other < 0 ? [] : [{ ...named(other), distance: far[row * about.neighbors + k] }]
        ),
    filter: (text) => {
      const wanted = text.trim(), exact = objects.flatMap((fields, row) => fields[0] === wanted ? [row] : []);
      if (exact.length) return exact;
      const lower = wanted.toLowerCase();
      const found = objects.flatMap((fields, row) =>
        fields.some((f) => String(f).toLowerCase().includes(lower)) ? [row] : []
      );
      if (found.length === 0) throw new Error(`nothing here has "${wanted}" in it`);
      return found;
    },
    named: (some) => some.map(named),
    label: (some, name) => {
      for (const row of some) name === null ? labels.delete(row) : labels.set(row, name);
      return counts();
    },
    labels: () =>
      csv([["id", "class"], ...new Map([...labels].map(([row, name]) => [objects[row][0], name]))]),
    train: () => {
      throw new Error("a file cannot train: open the embeddings with explore");
    },
  };
}
