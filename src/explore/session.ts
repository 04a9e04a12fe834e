/** What a page of `explore` shows and changes: the map, columns, light curves, neighbors, labels. */
import type { Astromer } from "../library/astromer.ts";
import type { Dataset } from "../data/dataset.ts";
import { drawn } from "../discover/anomalies.ts";
import type { EmbeddingFile } from "../discover/embedding_file.ts";
import { VectorSet } from "../discover/vectors.ts";
import { exactSearch, type Match } from "../discover/exact_search.ts";
import { lightCurveFinder } from "../discover/light_curves_of.ts";
import { InputError, messageOf } from "../common/errors.ts";
import { lombScargle } from "../evaluate/lomb_scargle.ts";
import { project } from "../evaluate/projection.ts";
import { exists, writeText } from "../files/atomic.ts";
import { csvOf, readCell } from "../files/csv.ts";
import { parseCsv } from "../common/std.ts";
import { Database, name, text } from "../survey/duckdb.ts";
import { fitQuickly, predictQuickly, unlikeEachOther } from "./quick_classifier.ts";

/** A column that the map can be colored by. */
export type MapColumn =
  | { kind: "classes"; names: string[]; codes: Uint8Array<ArrayBuffer> }
  | { kind: "number"; values: Float32Array<ArrayBuffer> };

/** A light curve as the page draws it. */
export interface PageCurve {
  mjd: number[];
  magnitude: number[];
  error: number[];
}

/** Where a session begins. */
export interface SessionOptions {
  file: EmbeddingFile;
  dataset?: Dataset;
  model?: Astromer;
  /** Tables (Parquet or CSV) with an id, whose columns are added. */
  tables?: readonly string[];
  /** Where labels are kept. */
  labels: string;
  seed: number;
  onProgress?: (text: string) => void;
}

/** Code of what has no class; others are places in the names. */
export const noClass = 255;
/** Classes of a column at most. */
const mostClasses = 200;
/** Embeddings that are laid out themselves; of more, so many are, and the rest goes between them. */
const landmarks = 5000;
/** Doubtful rows among which those to label next are chosen, and how many of these. */
const doubtful = 200, proposed = 12;
/** Neighbors that are shown. */
export const neighborsShown = 10;

/** One session, which one browser at a time is meant to use. */
export class Session implements Disposable {
  /** (N, 2) in the square from -1 to 1. */
  positions: Float32Array<ArrayBuffer> = new Float32Array();
  /** What the axes are. */
  axes = "";
  /** Columns by name: numbers, and texts of few values. */
  columns: { name: string; kind: MapColumn["kind"] }[] = [];
  #vectors!: VectorSet;
  #table!: Database;
  #finder: ReturnType<typeof lightCurveFinder> = () => undefined;
  readonly #labels = new Map<number, { id: string; class: string }>();
  readonly #trained = new Map<string, MapColumn>();

  private constructor(private readonly options: SessionOptions) {}

  /** Reads all that a page needs at once. */
  static async open(options: SessionOptions): Promise<Session> {
    const { file, dataset, onProgress = () => {} } = options, session = new Session(options);
    using owned = new DisposableStack();
    owned.use(session);
    await file.standardize();
    onProgress("reading embeddings");
    session.#vectors = await file.load();
    session.#table = await tableOf(file, options.tables ?? []);
    if (dataset) session.#finder = lightCurveFinder(dataset);
    session.columns = await columnsOf(session.#table);
    await session.#place(onProgress);
    await session.#readLabels();
    owned.move();
    return session;
  }

  get rows(): number {
    return this.options.file.rows;
  }

  get hasModel(): boolean {
    return this.options.model !== undefined;
  }

  get hasData(): boolean {
    return this.options.dataset !== undefined;
  }

  async #place(onProgress: (text: string) => void): Promise<void> {
    const { file, seed } = this.options, numbers = this.columns.filter(({ kind }) => kind === "number");
    const pairs = numbers.flatMap(({ name }) => {
      const other = name.replace(/x(?=(_\d+)?$)/, "y");
      return other !== name && numbers.some((column) => column.name === other) ? [[name, other]] : [];
    });
    const [x, y] = pairs.findLast(([column]) => /^(tsne|umap|pca)_x/.test(column)) ??
      pairs.find(([column]) => column === "x") ?? [];
    let plane: Float32Array;
    if (x !== undefined) {
      const [xs, ys] = [await this.#numbers(x), await this.#numbers(y!)];
      plane = new Float32Array(2 * file.rows);
      for (let i = 0; i < file.rows; i++) [plane[2 * i], plane[2 * i + 1]] = [xs[i], ys[i]];
      this.axes = x.startsWith("tsne") ? "t-SNE" : x.startsWith("umap") ? "UMAP" : `${x}, ${y}`;
    } else {
      plane = await this.#laidOut(seed, onProgress);
      this.axes = "UMAP";
    }
    this.positions = inSquare(plane);
  }

  /** UMAP of all rows, or of some, between the nearest of which the others go. */
  async #laidOut(seed: number, onProgress: (text: string) => void): Promise<Float32Array> {
    const { file } = this.options, { rows, width } = file;
    const some = drawn(Array.from({ length: rows }, (_, i) => i), landmarks, seed);
    const vectors = await file.vectorsAt(some);
    const laid = await project(vectors, width, {
      method: "umap",
      seed,
      neighbors: Math.min(15, some.length - 1),
      onProgress: (stage, done, of) => onProgress(`UMAP, ${stage}: ${done} of ${of}`),
    });
    if (some.length === rows) return laid;
    using set = VectorSet.of(some.map((_, i) => vectors.subarray(i * width, (i + 1) * width)));
    const plane = new Float32Array(2 * rows);
    for await (const { from, vectors: piece } of file.pieces()) {
      for (let at = 0; at < piece.length; at += 1024 * width) {
        const found = await exactSearch(set, piece.slice(at, at + 1024 * width), width, {
          k: 5,
          metric: "euclidean",
        });
        for (const [i, matches] of found.entries()) {
          const weights = matches.map(({ distance }) => 1 / (distance * distance + 1e-9));
          const sum = weights.reduce((a, b) => a + b, 0), row = from + at / width + i;
          for (const axis of [0, 1]) {
            plane[2 * row + axis] = matches.reduce((p, m, k) => p + weights[k] * laid[2 * m.row + axis], 0) /
              sum;
          }
        }
        onProgress(`placing: ${from + at / width} of ${rows}`);
      }
    }
    return plane;
  }

  async #numbers(column: string): Promise<Float32Array<ArrayBuffer>> {
    const values = new Float32Array(this.rows);
    let at = 0;
    const sql = `SELECT coalesce(${name(column)}::FLOAT, 'nan'::FLOAT) FROM objects ORDER BY "row"`;
    for await (const [some] of this.#table.stream(sql)) {
      values.set(some, at);
      at += some.length;
    }
    return values;
  }

  /**
   * A column for the map.
   * @throws {InputError} when there is none of that name
   */
  async column(of: string): Promise<MapColumn> {
    if (of === "label") return this.#labelColumn();
    const trained = this.#trained.get(of);
    if (trained) return trained;
    const known = this.columns.find((column) => column.name === of);
    if (!known) throw new InputError(`there is no column ${JSON.stringify(of)}`);
    if (known.kind === "number") return { kind: "number", values: await this.#numbers(of) };
    const names = (await this.#table.rows<{ value: string }>(
      `SELECT ${
        name(of)
      } AS value FROM objects WHERE value IS NOT NULL GROUP BY value ORDER BY count(*) DESC, value LIMIT ${mostClasses}`,
    )).map(({ value }) => value);
    const codes = new Uint8Array(this.rows).fill(noClass);
    let at = 0;
    const sql = `SELECT coalesce(list_position([${names.map(text).join(", ")}]::VARCHAR[], ${
      name(of)
    }), 256)::INTEGER - 1
      FROM objects ORDER BY "row"`;
    for await (const [some] of this.#table.stream(sql)) {
      codes.set(some, at);
      at += some.length;
    }
    return { kind: "classes", names, codes };
  }

  #labelColumn(): MapColumn {
    const names = this.labelNames(), codes = new Uint8Array(this.rows).fill(noClass);
    for (const [row, { class: of }] of this.#labels) codes[row] = names.indexOf(of);
    return { kind: "classes", names, codes };
  }

  /** What a row says. */
  async object(row: number): Promise<Record<string, unknown>> {
    if (!Number.isInteger(row) || row < 0 || row >= this.rows) throw new InputError(`there is no row ${row}`);
    const { row: _, ...fields } = await this.#table.row<Record<string, unknown>>(
      `SELECT * FROM objects WHERE "row" = ${row}`,
    );
    const trained = [...this.#trained].map(([of, column]) => [
      of,
      column.kind === "number" ? column.values[row] : column.names[column.codes[row]],
    ]);
    return { ...fields, ...Object.fromEntries(trained), label: this.#labels.get(row)?.class ?? null };
  }

  /** Ids, bands and classes of some rows, in the order asked for. */
  async named(
    rows: readonly number[],
  ): Promise<{ row: number; id: string; band: string | null; class: string | null }[]> {
    const wanted = rows.filter((row) => Number.isInteger(row) && row >= 0 && row < this.rows);
    const found = await this.#table.rows<
      { row: number; id: string; band: string | null; class: string | null }
    >(
      `SELECT "row", id, band, class FROM objects WHERE "row" IN (${wanted.join(", ") || "NULL"})`,
    );
    const byRow = new Map(found.map((one) => [one.row, one]));
    return wanted.map((row) => byRow.get(row)!);
  }

  /** The light curve of a row; null where the dataset has none, or there is no dataset. */
  async curve(row: number): Promise<PageCurve | null> {
    const { dataset } = this.options, [named] = await this.named([row]);
    if (!dataset || !named) return null;
    const place = this.#finder(named);
    if (place === undefined) return null;
    const [from, to] = [dataset.offsets[place], dataset.offsets[place] + dataset.lengths[place]];
    return {
      mjd: Array.from(dataset.mjd.subarray(from, to)),
      magnitude: Array.from(dataset.mag.subarray(from, to), (value) => Number(value.toPrecision(7))),
      error: Array.from(dataset.err.subarray(from, to), (value) => Number(value.toPrecision(4))),
    };
  }

  /** The best period of a light curve, days; null where there is none. */
  async period(row: number): Promise<number | null> {
    const curve = await this.curve(row);
    if (!curve) return null;
    const [{ period }] = await lombScargle([curve]);
    return Number.isFinite(period) ? period : null;
  }

  /** What the model predicts of a light curve, nothing hidden, mag; null without model or light curve. */
  async reconstruction(row: number): Promise<number[] | null> {
    const curve = await this.curve(row), { model } = this.options;
    if (!curve || !model || curve.mjd.length < 5) return null;
    const [{ predicted }] = model.reconstruct([curve]);
    return Array.from(predicted, (value) => Number(value.toPrecision(6)));
  }

  /** The nearest rows, without itself. */
  async neighbors(row: number, k = neighborsShown): Promise<Match[]> {
    const { width } = this.#vectors, piece = this.options.file;
    const query = await piece.vectorsAt([row]);
    const [found] = await exactSearch(this.#vectors, query, width, { k: k + 1, metric: "cosine" });
    return found.filter((match) => match.row !== row).slice(0, k);
  }

  /**
   * Rows that have an id, or of which an SQL expression over the columns is true.
   * @throws {InputError} when it is neither
   */
  async filter(asked: string): Promise<number[]> {
    const rowsOf = (where: string) =>
      this.#table.rows<{ row: number }>(`SELECT "row" FROM objects WHERE (\n${where}\n) ORDER BY "row"`);
    const byId = await rowsOf(`id = ${text(asked.trim())}`);
    if (byId.length) return byId.map(({ row }) => row);
    if (asked.includes(";")) throw new InputError("one condition is asked for, without ;");
    try {
      return (await rowsOf(asked)).map(({ row }) => row);
    } catch (error) {
      const what = messageOf(error).replace(/^DuckDB: /, "").split("\n")[0];
      throw new InputError(
        `${
          JSON.stringify(asked)
        } is no id here, and no condition such as points > 100 AND class = 'Mira': ${what}`,
      );
    }
  }

  // Labels

  labelNames(): string[] {
    return [...new Set([...this.#labels.values()].map((label) => label.class))].sort();
  }

  /** How many rows each class has been given. */
  labelCounts(): Record<string, number> {
    const counts: Record<string, number> = Object.create(null);
    for (const { class: of } of this.#labels.values()) counts[of] = (counts[of] ?? 0) + 1;
    return counts;
  }

  /**
   * Gives rows a class, or takes it from them, and writes the file of labels. All rows of an object get the same.
   * @param of null takes labels away
   */
  async label(rows: readonly number[], of: string | null): Promise<void> {
    if (of !== null && (of.trim() === "" || of.length > 200)) {
      throw new InputError("a class has 1 to 200 characters");
    }
    if (of !== null && this.labelNames().length >= mostClasses && !this.labelNames().includes(of)) {
      throw new InputError(`there are ${mostClasses} classes, the most there can be`);
    }
    const ids = (await this.named(rows)).map(({ id }) => text(id));
    if (ids.length === 0) throw new InputError("there is nothing selected");
    const all = await this.#table.rows<{ row: number; id: string }>(
      `SELECT "row", id FROM objects WHERE id IN (${ids.join(", ")})`,
    );
    for (const { row, id } of all) {
      if (of === null) this.#labels.delete(row);
      else this.#labels.set(row, { id, class: of });
    }
    await writeText(this.options.labels, this.labelsCsv());
  }

  /** Labels as `preprocess --labels` reads them. */
  labelsCsv(): string {
    const byId = new Map([...this.#labels.values()].map((label) => [label.id, label.class]));
    return csvOf({ columns: ["id", "class"], rows: [...byId] });
  }

  async #readLabels(): Promise<void> {
    const path = this.options.labels;
    if (!await exists(path)) return;
    const lines = parseCsv(await Deno.readTextFile(path), { skipFirstRow: true });
    if (lines.length && !("id" in lines[0] && "class" in lines[0])) {
      throw new InputError(
        `${path} exists and is not a table of labels (id, class): choose another with --labels`,
      );
    }
    const classes = new Map(lines.map((line) => [readCell(line.id), readCell(line.class)]));
    if (classes.size === 0) return;
    const known = await this.#table.rows<{ row: number; id: string }>(
      `SELECT "row", id FROM objects WHERE id IN (${[...classes.keys()].map(text).join(", ")})`,
    );
    for (const { row, id } of known) this.#labels.set(row, { id, class: classes.get(id)! });
  }

  /**
   * Fits a classifier on the labels: columns `prediction` and `doubt`, and what to label next.
   * @throws {InputError} unless two classes have labels
   */
  async train(): Promise<{ classes: string[]; next: number[]; right: number | null; labels: number }> {
    const names = this.labelNames();
    if (names.length < 2) throw new InputError("training needs labels of at least two classes");
    const rows = [...this.#labels.keys()].sort((a, b) => a - b);
    const labels = rows.map((row) => names.indexOf(this.#labels.get(row)!.class));
    const vectors = await this.options.file.vectorsAt(rows), { width } = this.#vectors;
    const { predicted, doubt } = predictQuickly(fitQuickly(vectors, labels, names), this.#vectors);
    this.#trained.set("prediction", { kind: "classes", names, codes: predicted });
    this.#trained.set("doubt", { kind: "number", values: doubt });
    const order = Array.from({ length: this.rows }, (_, i) => i).filter((row) => !this.#labels.has(row))
      .sort((a, b) => doubt[b] - doubt[a]).slice(0, doubtful);
    const chosen = unlikeEachOther(await this.options.file.vectorsAt(order), width, proposed);
    return {
      classes: names,
      next: chosen.map((i) => order[i]),
      right: crossValidated(vectors, labels, names),
      labels: rows.length,
    };
  }

  /** Names of columns that a training has made. */
  get trained(): string[] {
    return [...this.#trained.keys()];
  }

  [Symbol.dispose](): void {
    this.#vectors?.[Symbol.dispose]();
    this.#table?.[Symbol.dispose]();
  }
}

/** The share of labels that are predicted right by the others, in five parts; null where there are too few. */
function crossValidated(vectors: Float32Array, labels: readonly number[], names: string[]): number | null {
  const width = vectors.length / labels.length, parts = 5;
  const counts = names.map((_, of) => labels.filter((label) => label === of).length);
  if (Math.min(...counts) < 2 || labels.length < 10) return null;
  // Members of a class go to the parts in turn.
  const seen = names.map(() => 0), part = labels.map((label) => seen[label]++ % parts);
  let right = 0;
  for (let p = 0; p < parts; p++) {
    const train = [...labels.keys()].filter((i) => part[i] !== p),
      test = [...labels.keys()].filter((i) => part[i] === p);
    if (test.length === 0) continue;
    const own = new Float32Array(train.length * width);
    for (const [k, i] of train.entries()) own.set(vectors.subarray(i * width, (i + 1) * width), k * width);
    const { weights, biases } = fitQuickly(own, train.map((i) => labels[i]), names, {
      penalty: 0.01,
      steps: 150,
    });
    for (const i of test) {
      let best = -Infinity, of = 0;
      for (let c = 0; c < names.length; c++) {
        let value = biases[c];
        for (let e = 0; e < width; e++) value += weights[c * width + e] * vectors[i * width + e];
        if (value > best) [best, of] = [value, c];
      }
      if (of === labels[i]) right++;
    }
  }
  return right / labels.length;
}

/** All columns but vectors in memory, where a condition that is typed in a page can reach nothing else. */
async function tableOf(file: EmbeddingFile, tables: readonly string[]): Promise<Database> {
  using owned = new DisposableStack();
  const db = owned.use(await Database.open(undefined, { memory_limit: "4GB" }));
  const has = (column: string) => file.scalars.some((other) => other.name === column);
  const texts = ["id", "band", "class"].map((column) =>
    `${has(column) ? `${name(column)}::VARCHAR` : "NULL::VARCHAR"} AS ${name(column)}`
  );
  const others = file.scalars.filter((column) =>
    !["id", "band", "class", "row", "label"].includes(column.name)
  )
    .map((column) => name(column.name));
  await db.run(
    `CREATE TABLE objects AS SELECT file_row_number::INTEGER AS "row", ${[...texts, ...others].join(", ")}
    FROM read_parquet(${text(file.path)}, file_row_number = true)`,
  );
  for (const path of tables) {
    const source = /\.(csv|tsv|txt)(\.gz)?$/i.test(path)
      ? `read_csv(${text(path)}, all_varchar = false)`
      : `read_parquet(${text(path)})`;
    try {
      const known = new Set(
        (await db.rows<{ column_name: string }>("DESCRIBE objects")).map((c) => c.column_name),
      );
      const own = await db.rows<{ column_name: string; column_type: string }>(
        `DESCRIBE SELECT * FROM ${source}`,
      );
      if (!own.some((column) => column.column_name === "id")) throw new Error('it has no column "id"');
      const added = own.filter(({ column_name, column_type }) =>
        !known.has(column_name) && !/[[(]/.test(column_type)
      );
      await db.run(
        `CREATE OR REPLACE TABLE objects AS SELECT o.*${
          added.map(({ column_name }) => `, t.${name(column_name)}`).join("")
        } FROM objects o LEFT JOIN (SELECT DISTINCT ON (id) * REPLACE (id::VARCHAR AS id) FROM ${source}) t USING (id) ORDER BY o."row"`,
      );
    } catch (error) {
      throw new InputError(`--tables ${path} cannot be joined: ${messageOf(error).split("\n")[0]}`);
    }
  }
  await db.run("SET enable_external_access = false");
  await db.run("SET lock_configuration = true");
  owned.move();
  return db;
}

/** Columns that can color a map: numbers, and texts of at most {@link mostClasses} values. */
async function columnsOf(db: Database): Promise<Session["columns"]> {
  const all = await db.rows<{ column_name: string; column_type: string }>("DESCRIBE objects");
  const columns: Session["columns"] = [];
  for (const { column_name, column_type } of all) {
    if (column_name === "row" || column_name === "id") continue;
    if (/INT|FLOAT|DOUBLE|DECIMAL/.test(column_type)) columns.push({ name: column_name, kind: "number" });
    else if (/VARCHAR|BOOLEAN/.test(column_type)) {
      const { count } = await db.row<{ count: number }>(
        `SELECT count(DISTINCT ${name(column_name)}) AS count FROM objects`,
      );
      if (count > 0 && count <= mostClasses) columns.push({ name: column_name, kind: "classes" });
    }
  }
  return columns;
}

/** Both axes on one scale, the middle at 0. */
function inSquare(plane: Float32Array): Float32Array<ArrayBuffer> {
  const low = [Infinity, Infinity], high = [-Infinity, -Infinity];
  for (let i = 0; i < plane.length; i++) {
    if (!Number.isFinite(plane[i])) continue;
    low[i % 2] = Math.min(low[i % 2], plane[i]);
    high[i % 2] = Math.max(high[i % 2], plane[i]);
  }
  const half = Math.max(high[0] - low[0], high[1] - low[1]) / 2 || 1;
  return Float32Array.from(plane, (value, i) => (value - (low[i % 2] + high[i % 2]) / 2) / half);
}
