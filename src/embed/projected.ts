/** An embedding table with each row's place in the plane. */
import { createHash } from "node:crypto";
import { project, type ProjectionOptions } from "../evaluate/projection.ts";
import type { ColumnType, Row } from "../files/parquet.ts";
import type { EmbeddingTable } from "./table.ts";

/** A table in memory, with coordinates. */
export interface ProjectedTable {
  /** With, for every column of vectors, a column for each coordinate: `tsne_x`, `tsne_y`; of several, `tsne_x_0` …. */
  columns: Record<string, ColumnType>;
  rows: Row[];
  /** The coordinates' columns, in the order of the vectors. */
  coordinates: { vectors: string; x: string; y: string }[];
  /** Rows whose vectors an earlier row has, to the bit: in the map they make clumps that mean nothing. */
  copies: number;
}

/**
 * Takes all rows of a table into memory and projects each column of vectors by itself.
 * @throws {InputError} as `project`
 */
export async function projected(
  { columns, vectors, rows }: Pick<EmbeddingTable, "columns" | "vectors" | "rows">,
  { onBegin = () => {}, ...options }: ProjectionOptions & {
    /** Told how much there is to project, before that begins. */
    onBegin?: (rows: number, width: number) => void;
  },
): Promise<ProjectedTable> {
  const all = await Array.fromAsync(rows);
  const coordinates = vectors.map((name) => {
    const suffix = name.replace("embedding", "");
    return { vectors: name, x: `${options.method}_x${suffix}`, y: `${options.method}_y${suffix}` };
  });
  const distinct = new Set(all.map((row) => {
    const hash = createHash("md5");
    for (const name of vectors) {
      const { buffer, byteOffset, byteLength } = row[name] as Float32Array;
      hash.update(new Uint8Array(buffer, byteOffset, byteLength));
    }
    return hash.digest("base64");
  }));
  for (const { vectors: name, x, y } of coordinates) {
    const width = (all[0]?.[name] as Float32Array | undefined)?.length ?? 1;
    const matrix = new Float32Array(all.length * width);
    for (const [i, row] of all.entries()) matrix.set(row[name] as Float32Array, i * width);
    onBegin(all.length, width);
    const plane = await project(matrix, width, options);
    for (const [i, row] of all.entries()) {
      row[x] = plane[2 * i];
      row[y] = plane[2 * i + 1];
    }
  }
  const added = coordinates.flatMap(({ x, y }) => [[x, "float32"], [y, "float32"]] as const);
  return {
    columns: { ...columns, ...Object.fromEntries(added) },
    rows: all,
    coordinates,
    copies: all.length - distinct.size,
  };
}
