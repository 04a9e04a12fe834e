/** Parquet tables written piece by piece, of columns that pandas, Polars, DuckDB and LSDB read as they are. */
import type { SchemaElement } from "npm:hyparquet@1.31.5";

/** What a column holds; every column may have nulls. */
export type ColumnType = "text" | "boolean" | "int32" | "int64" | "float32" | "float64" | "list of float32";

/** One row: values by column name; lists as Float32Array, whole numbers of 64 bits as bigint. */
export type Row = Record<string, string | number | bigint | boolean | Float32Array | null>;

/** A table being written. Close it, or the file is not a table. */
export interface ParquetTable extends Disposable {
  /** Writes rows as one row group. */
  write(rows: readonly Row[]): void;
  /** Writes what stands at the end of a table. */
  finish(): void;
}

const elements: Record<ColumnType, Omit<SchemaElement, "name">> = {
  text: { type: "BYTE_ARRAY", converted_type: "UTF8" },
  boolean: { type: "BOOLEAN" },
  int32: { type: "INT32" },
  int64: { type: "INT64" },
  float32: { type: "FLOAT" },
  float64: { type: "DOUBLE" },
  "list of float32": { converted_type: "LIST", num_children: 1 },
};

function schemaOf(columns: Record<string, ColumnType>): SchemaElement[] {
  const optional = { repetition_type: "OPTIONAL" } as const;
  return [
    { name: "schema", num_children: Object.keys(columns).length },
    ...Object.entries(columns).flatMap(([name, type]): SchemaElement[] => [
      { name, ...optional, ...elements[type] },
      ...type === "list of float32"
        ? [
          { name: "list", repetition_type: "REPEATED", num_children: 1 },
          { name: "element", type: "FLOAT", ...optional },
        ] satisfies SchemaElement[]
        : [],
    ]),
  ];
}

const asTheyAre = { codec: "UNCOMPRESSED", encoding: "PLAIN", statistics: false } as const;

/** The writer takes plain arrays alone. */
function listOf(value: Row[string]): number[] | null {
  return value instanceof Float32Array ? Array.from(value) : null;
}

/**
 * Starts a table in a file.
 * @param metadata texts that stand in the file's own metadata
 */
export async function openParquet(
  path: string,
  columns: Record<string, ColumnType>,
  metadata: Record<string, string> = {},
): Promise<ParquetTable> {
  const { ByteWriter, ParquetWriter } = await import("npm:hyparquet-writer@0.17.0");
  const file = Deno.openSync(path, { create: true, truncate: true, write: true });
  const bytes = new ByteWriter();
  const flush = () => {
    const written = bytes.getBytes();
    for (let done = 0; done < written.length;) done += file.writeSync(written.subarray(done));
    bytes.index = 0;
  };
  const writer = new ParquetWriter({
    writer: bytes,
    schema: schemaOf(columns),
    kvMetadata: Object.entries(metadata).map(([key, value]) => ({ key, value })),
    createdBy: "astromer",
  });
  return {
    write(rows) {
      writer.write({
        rowGroupSize: Math.max(1, rows.length),
        columnData: Object.entries(columns).map(([name, type]) =>
          type === "list of float32"
            // Floats of a network do not compress: a dictionary and a packer would only cost time.
            ? { name, data: rows.map((row) => listOf(row[name])), ...asTheyAre }
            : { name, data: rows.map((row) => row[name]) }
        ),
      });
      flush();
    },
    finish() {
      writer.finish();
      flush();
    },
    [Symbol.dispose]: () => file.close(),
  };
}

/** Rows of a row group. */
const groupSize = 4096;

/** Rows in groups, as they are written. */
export async function* groupsOf(rows: AsyncIterable<Row> | Iterable<Row>): AsyncGenerator<Row[]> {
  let group: Row[] = [];
  for await (const row of rows) {
    group.push(row);
    if (group.length === groupSize) {
      yield group;
      group = [];
    }
  }
  if (group.length) yield group;
}
