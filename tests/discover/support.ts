/** What the tests of discoveries share. */
import { openParquet } from "../../src/files/parquet.ts";
import { seeded } from "../../src/common/random.ts";

/** Vectors in some clusters, as embeddings are: (count, width), row by row. */
export function clustered(count: number, width: number, clusters = 20, seed = 0): Float32Array<ArrayBuffer> {
  const random = seeded(seed, 0xc1);
  const centers = Float32Array.from({ length: clusters * width }, () => 3 * random.normal());
  return Float32Array.from({ length: count * width }, (_, i) => {
    const cluster = Math.floor(i / width) % clusters;
    return centers[cluster * width + i % width] + random.normal();
  });
}

/** Writes a table of embeddings. */
export async function writeEmbeddings(
  path: string,
  vectors: Float32Array,
  width: number,
  { ids = (i: number) => `star ${i}`, classes = (i: number): string | null => `class ${i % 20}` } = {},
): Promise<void> {
  using file = await openParquet(path, {
    id: "text",
    band: "text",
    class: "text",
    points: "int32",
    embedding: "list of float32",
  });
  const rows = Array.from({ length: vectors.length / width }, (_, i) => ({
    id: ids(i),
    band: "V",
    class: classes(i),
    points: 100 + i % 50,
    embedding: vectors.subarray(i * width, (i + 1) * width),
  }));
  for (let from = 0; from < rows.length; from += 4096) file.write(rows.slice(from, from + 4096));
  file.finish();
}
