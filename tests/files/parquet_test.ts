import { openParquet, type Row } from "../../src/files/parquet.ts";
import { assertEquals } from "../../src/common/std.ts";
import { readParquet } from "../survey/support.ts";
import { testIn } from "../shared.ts";
import { Database, text } from "../../src/survey/duckdb.ts";

const columns = {
  id: "text",
  windows: "int32",
  mjd: "float64",
  magnitude: "float32",
  embedding: "list of float32",
} as const;
const rows: Row[] = [
  {
    id: "ü,\"'",
    windows: 1,
    mjd: 51234.123456789,
    magnitude: 12.5,
    embedding: Float32Array.of(1, -0.1, NaN),
  },
  { id: null, windows: -2, mjd: -1e300, magnitude: null, embedding: Float32Array.of() },
  { id: "", windows: null, mjd: null, magnitude: -0.25, embedding: null },
];

testIn(
  "row groups come back row by row, nulls, empty lists and double precision included",
  async (folder) => {
    const path = `${folder}/table.parquet`;
    using table = await openParquet(path, columns, { model: "a" });
    table.write(rows);
    table.write(rows.slice(0, 1));
    table.finish();
    const expected = [...rows, rows[0]].map((row) => ({
      ...row,
      embedding: row.embedding && Array.from(row.embedding as Float32Array),
    }));
    const floats = (list: unknown) => list ? Array.from(list as number[], Math.fround) : null;
    const found = (await readParquet(path)).map((row) => ({ ...row, embedding: floats(row.embedding) }));
    assertEquals(found, expected as unknown as typeof found);
  },
);

testIn("DuckDB reads the columns as they are meant", async (folder) => {
  const path = `${folder}/table.parquet`;
  using table = await openParquet(path, columns);
  table.write(rows);
  table.finish();
  using db = await Database.open(undefined, { memory_limit: "500MB", threads: 1 });
  const types = await db.rows<{ column_name: string; column_type: string }>(
    `DESCRIBE SELECT * FROM read_parquet(${text(path)})`,
  );
  assertEquals(types.map((row) => row.column_type), ["VARCHAR", "INTEGER", "DOUBLE", "FLOAT", "FLOAT[]"]);
});

testIn("a table without rows is a table", async (folder) => {
  const path = `${folder}/table.parquet`;
  using table = await openParquet(path, columns);
  table.finish();
  assertEquals(await readParquet(path), []);
});
