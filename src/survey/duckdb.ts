/** DuckDB, as far as surveys need it: statements, small answers as rows, large ones as columns, columns in. */
import type { DuckDBConnection, DuckDBDataChunk, DuckDBInstance } from "npm:@duckdb/node-api@1.5.5-r.5";
import { Failure, messageOf } from "../common/errors.ts";

/** How much of the machine a database may use. */
export interface Resources {
  /** Memory, as DuckDB spells it: "4GB". What does not fit goes to disk. */
  memory_limit: string;
  /** Threads, or all that the machine has. */
  threads?: number;
}

/** A column in memory. */
export type Column = Int32Array | Float32Array | Float64Array | readonly (string | null)[];

/** A text as an SQL literal. */
export function text(value: string): string {
  return `'${value.replaceAll("'", "''")}'`;
}

/** A name as an SQL identifier. */
export function name(value: string): string {
  return `"${value.replaceAll('"', '""')}"`;
}

/** A list of texts as an SQL literal. */
export function texts(values: readonly string[]): string {
  return `[${values.map(text).join(", ")}]`;
}

/** Paths of files as an SQL literal. DuckDB takes paths for patterns: * ? and [ in a name must stand for themselves. */
export function pathTexts(paths: readonly string[]): string {
  return texts(paths.map((path) => path.replace(/[*?[]/g, "[$&]")));
}

/** One database with one connection. Close it with `using`. */
export class Database implements Disposable {
  #temporary: string | undefined;
  #files = 0;

  private constructor(
    private readonly instance: DuckDBInstance,
    private readonly connection: DuckDBConnection,
    private readonly folder: string | undefined,
  ) {}

  /** A name for a table that no other has. */
  temporaryName(): string {
    return `__table_${this.#files++}`;
  }

  /** A path for a file that is gone when the database is closed. */
  temporaryFile(): string {
    const folder = this.folder ?? (this.#temporary ??= Deno.makeTempDirSync({ prefix: "astromer-" }));
    return `${folder}/copy-${this.#files++}`;
  }

  /**
   * Opens a database in a folder of its own, so that tables larger than memory live on disk.
   * @param folder holds the database and DuckDB's temporary files; undefined keeps all in memory
   */
  static async open(folder: string | undefined, { memory_limit, threads }: Resources): Promise<Database> {
    // Loaded here: a native library of 60 MB should not be opened to print --help.
    const { DuckDBInstance } = await import("npm:@duckdb/node-api@1.5.5-r.5");
    try {
      const instance = await DuckDBInstance.create(folder ? `${folder}/tables.duckdb` : ":memory:", {
        memory_limit,
        threads: String(threads ?? navigator.hardwareConcurrency),
        ...(folder ? { temp_directory: `${folder}/spill` } : {}),
      });
      return new Database(instance, await instance.connect(), folder);
    } catch (error) {
      throw failureOf(error);
    }
  }

  [Symbol.dispose]() {
    this.connection.closeSync();
    this.instance.closeSync();
    if (this.#temporary) Deno.removeSync(this.#temporary, { recursive: true });
  }

  /** Runs a statement whose answer does not matter. */
  async run(sql: string): Promise<void> {
    await explained(this.connection.run(sql));
  }

  /** A small answer as rows; whole numbers of any width come as numbers. */
  async rows<Row>(sql: string): Promise<Row[]> {
    const reader = await explained(this.connection.runAndReadAll(sql));
    return reader.getRowObjectsJS().map((row) =>
      Object.fromEntries(
        Object.entries(row).map(([key, v]) => [key, typeof v === "bigint" ? Number(v) : v]),
      ) as Row
    );
  }

  /** The only row of an answer. */
  async row<Row>(sql: string): Promise<Row> {
    return (await this.rows<Row>(sql))[0];
  }

  /**
   * A large answer, column by column in pieces of a few thousand rows, in the answer's order and in bounded memory, beside which
   * other statements may run. It sees no temporary table. The columns must be numbers that are never null; a piece is valid only
   * until the next is asked for.
   */
  async *stream(sql: string): AsyncGenerator<(Int32Array | Float32Array | Float64Array)[]> {
    // Another statement on the same connection would end the stream.
    const connection = await this.instance.connect();
    let next: Promise<DuckDBDataChunk | null> | undefined;
    try {
      const result = await explained(connection.stream(sql));
      for (;;) {
        next ??= explained(result.fetchChunk());
        const chunk = await next;
        if (!chunk || chunk.rowCount === 0) return;
        next = explained(result.fetchChunk()); // DuckDB works on while the caller does
        next.catch(() => {}); // it is thrown when it is waited for
        yield Array.from(
          { length: chunk.columnCount },
          (_, i) => itemsOf(chunk.getColumnVector(i)) as Float64Array,
        );
      }
    } finally {
      await next?.catch(() => {});
      connection.closeSync();
    }
  }

  /** Appends columns of equal length to a table whose columns are INTEGER, FLOAT, DOUBLE or VARCHAR, in its order. */
  async append(table: string, columns: readonly Column[]): Promise<void> {
    const { DOUBLE, DuckDBDataChunk, FLOAT, INTEGER, VARCHAR } = await import(
      "npm:@duckdb/node-api@1.5.5-r.5"
    );
    const types = columns.map((column) =>
      column instanceof Int32Array
        ? INTEGER
        : column instanceof Float32Array
        ? FLOAT
        : column instanceof Float64Array
        ? DOUBLE
        : VARCHAR
    );
    const appender = await this.connection.createAppender(table);
    const rows = columns[0].length;
    try {
      for (let start = 0; start < rows; start += chunkRows) {
        const end = Math.min(start + chunkRows, rows);
        const chunk = DuckDBDataChunk.create(types, end - start);
        columns.forEach((column, i) => {
          if (Array.isArray(column)) return chunk.setColumnValues(i, column.slice(start, end));
          const vector = chunk.getColumnVector(i);
          itemsOf(vector).set((column as Float64Array).subarray(start, end));
          vector.flush();
        });
        appender.appendDataChunk(chunk);
      }
    } finally {
      appender.closeSync();
    }
  }

  /**
   * Opens a table for columns of its types, piece by piece. Close it: the last rows are written then.
   * @param types of the table's columns
   */
  async appender(table: string, types: readonly AppendedType[]): Promise<Appender> {
    const duckdb = await import("npm:@duckdb/node-api@1.5.5-r.5");
    const appender = await explained(this.connection.createAppender(table));
    const kinds = types.map((type) => duckdb[type]);
    return {
      append(columns, rows) {
        for (let start = 0; start < rows; start += chunkRows) {
          const count = Math.min(chunkRows, rows - start);
          const chunk = duckdb.DuckDBDataChunk.create(kinds, count);
          for (const [i, { values, missing }] of columns.entries()) {
            const vector = chunk.getColumnVector(i);
            if (Array.isArray(values)) {
              for (let k = 0; k < count; k++) vector.setItem(k, values[start + k]);
            } else if (types[i] === "BOOLEAN") {
              for (let k = 0; k < count; k++) vector.setItem(k, values[start + k] === 1);
            } else itemsOf(vector).set((values as Float64Array).subarray(start, start + count));
            for (let k = 0; missing !== undefined && k < count; k++) {
              if (missing[start + k] === 1) vector.setItem(k, null);
            }
            vector.flush();
          }
          appender.appendDataChunk(chunk);
        }
      },
      close() {
        appender.closeSync();
      },
    };
  }
}

/** The types of columns that an {@link Appender} takes. */
export type AppendedType = "BOOLEAN" | "INTEGER" | "BIGINT" | "FLOAT" | "DOUBLE" | "VARCHAR";

/** A table being filled. */
export interface Appender {
  /** Appends rows: columns in the table's order; a 1 in `missing` is NULL, and so is null among texts. */
  append(
    columns: readonly { values: ArrayLike<number | bigint | string | null>; missing?: Uint8Array }[],
    rows: number,
  ): void;
  /** Writes the last rows. */
  close(): void;
}

/** Rows of DuckDB's own vectors. */
const chunkRows = 2048;

/**
 * The typed array behind a vector of numbers, or of arrays of one length: the declared interface only hands out boxed
 * single values.
 */
function itemsOf(vector: unknown): Float64Array {
  const { childData, items } = vector as { childData?: unknown; items: Float64Array };
  return childData ? itemsOf(childData) : items;
}

async function explained<T>(work: Promise<T>): Promise<T> {
  try {
    return await work;
  } catch (error) {
    throw failureOf(error);
  }
}

function failureOf(error: unknown): Failure {
  const message = messageOf(error).split("\n")[0];
  if (/Out of Memory/i.test(message)) {
    return new Failure(`the memory limit is too small (raise --memory-limit): ${message}`);
  }
  if (/No space left/.test(message)) return new Failure(`the disk is full (${message})`);
  return new Failure(`DuckDB: ${message}`);
}
