/** Embeddings as `embed` writes them: a Parquet table with a column of vectors, read in pieces or whole. */
import { Tensor, unscoped } from "../../ffi/tensor.ts";
import { InputError, messageOf, shown } from "../common/errors.ts";
import { Database, name, text } from "../survey/duckdb.ts";
import { Moments, type Piece, pieceRows, type Standardization, standardize, VectorSet } from "./vectors.ts";

/** What a row says beside its vectors. */
export interface EmbeddingRow {
  /** Its place in the file, from 0. */
  row: number;
  id: string;
  band: string | null;
  class: string | null;
  [column: string]: unknown;
}

/** A column that is not a vector. */
export interface ScalarColumn {
  name: string;
  kind: "number" | "text";
}

/** How a file is opened. */
export interface EmbeddingFileOptions {
  /** The column of vectors. Default: `embedding`, or the last of those that `--pooling layers` writes. */
  column?: string;
  /** For DuckDB. Default: 2GB. */
  memory_limit?: string;
  /** Default: all of the machine's. */
  threads?: number;
}

/** An opened file. Its rows keep the file's order. */
export class EmbeddingFile implements Disposable {
  #standardization: Standardization | undefined;

  private constructor(
    readonly path: string,
    private readonly db: Database,
    /** Number of rows. */
    readonly rows: number,
    /** Elements of a vector. */
    readonly width: number,
    /** The column of vectors. */
    readonly column: string,
    /** All others, but further columns of vectors. */
    readonly scalars: readonly ScalarColumn[],
    /** What `embed` noted: model, pooling, dataset; empty in files of other programs. */
    readonly details: Record<string, unknown>,
  ) {}

  /**
   * Opens a file.
   * @throws {InputError} when it is no Parquet file, or has no ids or no vectors
   */
  static async open(path: string, options: EmbeddingFileOptions = {}): Promise<EmbeddingFile> {
    try {
      if (!(await Deno.stat(path)).isFile) throw new InputError(`${path} is a folder, not a Parquet file`);
    } catch (error) {
      if (error instanceof InputError) throw error;
      throw new InputError(`${path} cannot be read: ${messageOf(error)}`);
    }
    using owned = new DisposableStack();
    const { memory_limit = "2GB", threads } = options;
    const db = owned.use(await Database.open(undefined, { memory_limit, threads }));
    const source = `read_parquet(${text(path)})`;
    let columns: { column_name: string; column_type: string }[];
    try {
      columns = await db.rows(`DESCRIBE SELECT * FROM ${source}`);
    } catch (error) {
      throw new InputError(`${path} is not a Parquet file of embeddings: ${messageOf(error)}`);
    }
    const names = columns.map(({ column_name }) => column_name);
    const vectors = columns.filter(({ column_type }) => /^(FLOAT|DOUBLE)\[\d*\]$/.test(column_type))
      .map(({ column_name }) => column_name);
    if (!names.includes("id")) {
      throw new InputError(`${path} has no column "id", which names the objects; it has ${names.join(", ")}`);
    }
    const column = options.column ?? (vectors.includes("embedding") ? "embedding" : vectors.at(-1));
    if (column === undefined || !vectors.includes(column)) {
      throw new InputError(
        column === undefined
          ? `${path} has no column of vectors (lists of numbers), as embed writes; it has ${names.join(", ")}`
          : `${path} has no column of vectors "${column}"; it has ${vectors.join(", ") || "none"}`,
      );
    }
    const { rows } = await db.row<{ rows: number }>(`SELECT count(*) AS rows FROM ${source}`);
    const [first] = await db.rows<{ width: number | null }>(
      `SELECT len(${name(column)}) AS width FROM ${source} LIMIT 1`,
    );
    if (!first?.width) throw new InputError(`${path} has no vectors in its column ${column}`);
    const scalars = columns.flatMap(({ column_name, column_type }): ScalarColumn[] => {
      if (/^(TINY|SMALL|U?BIG|HUGE|U?)INT|^U?INTEGER|^FLOAT$|^DOUBLE$|^DECIMAL/.test(column_type)) {
        return [{ name: column_name, kind: column_name === "id" ? "text" : "number" }];
      }
      return /[[(]|^BLOB/.test(column_type) ? [] : [{ name: column_name, kind: "text" }];
    });
    let details: Record<string, unknown> = {};
    const [noted] = await db.rows<{ value: string }>(
      `SELECT decode(value) AS value FROM parquet_kv_metadata(${text(path)}) WHERE decode(key) = 'astromer'`,
    );
    try {
      details = noted ? JSON.parse(noted.value) : {};
    } catch { /* another program's */ }
    owned.move();
    return new EmbeddingFile(path, db, rows, first.width, column, scalars, details);
  }

  /** Whether vectors are handed out standardized. */
  get standardized(): boolean {
    return this.#standardization !== undefined;
  }

  private get source(): string {
    return `read_parquet(${text(this.path)}, file_row_number = true)`;
  }

  private get vector(): string {
    return `CASE WHEN ${name(this.column)} IS NULL THEN error('a row without a vector')
      ELSE ${name(this.column)}::FLOAT[${this.width}] END`;
  }

  /**
   * All vectors in order, piece by piece, in bounded memory.
   * @throws {InputError} when a row has no vector, one of another length, or one that is not finite
   */
  async *pieces(): AsyncGenerator<Piece> {
    const { width } = this;
    let from = 0, filled = 0, vectors = new Float32Array(pieceRows * width);
    try {
      for await (const [some] of this.db.stream(`SELECT ${this.vector} FROM ${this.source}`)) {
        for (let done = 0; done < some.length;) {
          const part = (some as Float32Array).subarray(done, done + vectors.length - filled);
          vectors.set(part, filled);
          done += part.length;
          filled += part.length;
          if (filled < vectors.length) continue;
          yield { from, vectors: this.checked(vectors, from) };
          from += pieceRows;
          filled = 0;
          vectors = new Float32Array(pieceRows * width);
        }
      }
    } catch (error) {
      throw this.explained(error);
    }
    if (filled) yield { from, vectors: this.checked(vectors.slice(0, filled), from) };
  }

  /**
   * Reads all vectors once; from now on they are handed out standardized. Embeddings have much in common, and a few elements that
   * vary far more than others: as they are, these alone decide what is near.
   */
  async standardize(): Promise<Standardization> {
    if (this.#standardization) return this.#standardization;
    let moments: Moments | undefined;
    for await (const { vectors } of this.pieces()) {
      moments ??= new Moments(this.width, vectors);
      moments.add(vectors);
    }
    return this.#standardization = moments!.standardization();
  }

  private checked(vectors: Float32Array<ArrayBuffer>, from: number): Float32Array<ArrayBuffer> {
    let sum = 0;
    for (let i = 0; i < vectors.length; i++) sum += vectors[i] * 0; // NaN, if one is not finite
    if (sum === 0) return this.#standardization ? standardize(vectors, this.#standardization) : vectors;
    const at = vectors.findIndex((value) => !Number.isFinite(value));
    throw new InputError(
      `${this.path}, row ${from + Math.floor(at / this.width) + 1}: ${this.column} holds ${
        vectors[at]
      }, all must be finite`,
    );
  }

  private explained(error: unknown): Error {
    const message = messageOf(error);
    if (/without a vector|Cannot cast list|ARRAY|different (number|length)|length/i.test(message)) {
      return new InputError(
        `${this.path}: not all rows have ${this.width} numbers in ${this.column}: ${message.split("\n")[0]}`,
      );
    }
    return error instanceof Error ? error : new Error(message);
  }

  /** All vectors in memory as tensors of {@link pieceRows} rows, which the caller gives back. */
  async load(onPiece: (rows: number) => void = () => {}): Promise<VectorSet> {
    const pieces: Tensor[] = [];
    try {
      for await (const { from, vectors } of this.pieces()) {
        const shape = [vectors.length / this.width, this.width];
        pieces.push(unscoped(() => Tensor.from(vectors, shape)));
        onPiece(from + shape[0]);
      }
    } catch (error) {
      for (const piece of pieces) piece.dispose();
      throw error;
    }
    return new VectorSet(pieces, this.width);
  }

  /** Vectors of some rows, in the order asked for: (n, width). */
  async vectorsAt(rows: readonly number[]): Promise<Float32Array<ArrayBuffer>> {
    const { width } = this, result = new Float32Array(rows.length * width);
    const places = Map.groupBy(rows.keys(), (i) => rows[i]);
    const sql = `SELECT file_row_number::DOUBLE, ${this.vector} FROM ${this.source}
      WHERE file_row_number IN (${rows.join(", ") || "NULL"})`;
    try {
      for await (const [numbers, vectors] of this.db.stream(sql)) {
        for (const [k, row] of numbers.entries()) {
          for (const i of places.get(row)!) {
            result.set((vectors as Float32Array).subarray(k * width, (k + 1) * width), i * width);
          }
        }
      }
    } catch (error) {
      throw this.explained(error);
    }
    return this.checked(result, 0);
  }

  /** What some rows say, in the order asked for. */
  async rowsAt(rows: readonly number[]): Promise<EmbeddingRow[]> {
    const found = new Map(
      (await this.select(`file_row_number IN (${rows.join(", ") || "NULL"})`)).map((row) => [row.row, row]),
    );
    return rows.map((row) => found.get(row)!);
  }

  private select(where: string): Promise<EmbeddingRow[]> {
    return this.db.rows<EmbeddingRow>(
      `SELECT file_row_number AS row, ${this.named()} FROM ${this.source} WHERE ${where} ORDER BY row`,
    );
  }

  /** The scalar columns; `id`, `band` and `class` are always there, as text. */
  private named(): string {
    const has = (column: string) => this.scalars.some((other) => other.name === column);
    const texts = ["id", "band", "class"].map((column) =>
      `${has(column) ? `${name(column)}::VARCHAR` : "NULL::VARCHAR"} AS ${name(column)}`
    );
    const others = this.scalars.filter((column) => !["id", "band", "class", "row"].includes(column.name))
      .map((column) =>
        column.kind === "text" ? `${name(column.name)}::VARCHAR AS ${name(column.name)}` : name(column.name)
      );
    return [...texts, ...others].join(", ");
  }

  /**
   * The rows of objects, in the order of their ids; an object has several in several bands or windows.
   * @param ids `ID`, or `ID:BAND` where an object has several bands
   * @throws {InputError} naming the id that is not there, and the closest ones
   */
  async find(ids: readonly string[], setting = "--like"): Promise<EmbeddingRow[]> {
    const wanted = ids.map((id) => text(id)).join(", ");
    const banded = this.scalars.some((column) => column.name === "band");
    const found = await this.select(
      `id::VARCHAR IN (${wanted})${banded ? ` OR concat(id, ':', band) IN (${wanted})` : ""}`,
    );
    for (const id of ids) {
      if (found.some((row) => row.id === id || `${row.id}:${row.band}` === id)) continue;
      const near = await this.db.rows<{ id: string }>(
        `SELECT DISTINCT id::VARCHAR AS id FROM ${this.source} ORDER BY jaro_winkler_similarity(id, ${
          text(id)
        }) DESC LIMIT 3`,
      ).catch(() => []);
      throw new InputError(
        `${setting} ${shown(id)}: ${this.path} has no such id` +
          (near.length ? `; the closest are ${near.map((row) => row.id).join(", ")}` : ""),
      );
    }
    return ids.flatMap((id) => found.filter((row) => row.id === id || `${row.id}:${row.band}` === id));
  }

  /** What all rows say. */
  everyRow(): Promise<EmbeddingRow[]> {
    return this.select("true");
  }

  [Symbol.dispose](): void {
    this.db[Symbol.dispose]();
  }
}
