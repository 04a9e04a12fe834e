/** Puts embeddings beside what a partition says of its objects. */
import { Failure, InputError } from "../common/errors.ts";
import { writeAtomically } from "../files/atomic.ts";
import { Database, name, pathTexts, text } from "../survey/duckdb.ts";

/** What is put together. */
export interface Joined {
  /** The partition that was embedded. */
  partition: string;
  /** Its embeddings, with the text column `id`. */
  embeddings: string;
  /** The partition's column that ids were taken from. */
  id: string;
  /** Columns of the embeddings that came along from the survey: where the partition's own are written, these are not. */
  kept?: readonly string[];
  /** The columns of positions, where the catalogue is a HATS one; the last is what rows are sorted by. */
  position: readonly string[];
}

/**
 * Writes a partition of embeddings: a row for each row of embeddings, the object's own columns first. Of a partition with a
 * row an object these are all that hold no light curve, of one with a row an observation the position alone.
 * @param output where it goes, atomically
 * @returns rows
 * @throws {Failure} when an object is not found again
 */
export async function joinObjects(
  { partition, embeddings, id, position, kept = [] }: Joined,
  output: string,
  memory: { memory_limit: string; threads?: number },
): Promise<number> {
  using db = await Database.open(undefined, memory);
  const read = (path: string) => `read_parquet(${pathTexts([path])}, hive_partitioning = false)`;
  const columnsOf = (path: string) =>
    db.rows<{ column_name: string; column_type: string }>(`DESCRIBE SELECT * FROM ${read(path)}`);
  const found = await columnsOf(partition);
  const isNested = (type: string) => /^STRUCT|^MAP|\[\d*\]$/.test(type);
  const anObject = found.some(({ column_type }) => isNested(column_type));
  const again = new Set(
    kept.filter((column) =>
      column === id || position.includes(column) ||
      anObject && found.some(({ column_name: c, column_type: t }) => c === column && !isNested(t))
    ),
  );
  const made = (await columnsOf(embeddings)).map((column) => column.column_name)
    .filter((column) => column !== "id" && column !== "class" && !again.has(column));
  const taken = new Set(made.map((column) => column.toLowerCase()));
  const outer = found.filter(({ column_name: column, column_type: type }) =>
    column === id || (!taken.has(column.toLowerCase()) && !isNested(type) &&
      (anObject || position.includes(column)))
  ).map(({ column_name: column }) => column);
  const lacking = position.filter((column) => !outer.includes(column));
  if (lacking.length) throw new InputError(`${partition} has no column ${lacking.join(", ")}`);
  const objects = `SELECT DISTINCT ON (${name(id)}) ${outer.map(name).join(", ")}, ` +
    `trim(${name(id)}::VARCHAR) AS __id FROM ${read(partition)}`;
  const columns = [
    ...outer.map((column) => `o.${name(column)}`),
    ...made.map((column) => `e.${name(column)}`),
  ];
  const sorted = position.length ? `o.${name(position.at(-1)!)}, ` : "";
  await writeAtomically(output, async (temporary) => {
    await db.run(
      `COPY (SELECT ${columns.join(", ")} FROM ${read(embeddings)} e JOIN (${objects}) o ON e.id = o.__id ` +
        `ORDER BY ${sorted}e.id) TO ${
          text(temporary)
        } (FORMAT parquet, COMPRESSION zstd, ROW_GROUP_SIZE 16384)`,
    );
    const count = async (path: string) =>
      Number((await db.rows<{ n: bigint }>(`SELECT count(*) AS n FROM ${read(path)}`))[0].n);
    const [rows, wanted] = [await count(temporary), await count(embeddings)];
    if (rows !== wanted) {
      throw new Failure(
        `${partition}: ${wanted} light curves were embedded, ${rows} of them belong to an object of column ${id}`,
      );
    }
  });
  return Number((await db.rows<{ n: bigint }>(`SELECT count(*) AS n FROM ${read(output)}`))[0].n);
}
