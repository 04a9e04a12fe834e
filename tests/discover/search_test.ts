/** Search: exact against a loop in float64, the index against exact, and what is said of a bad file. */
import { EmbeddingFile } from "../../src/discover/embedding_file.ts";
import { VectorSet } from "../../src/discover/vectors.ts";
import { distanceOf, exactSearch } from "../../src/discover/exact_search.ts";
import type { Metric } from "../../src/discover/vectors.ts";
import { middleOf, search, searchFile } from "../../src/discover/search.ts";
import { openIndex } from "../../src/discover/vector_index.ts";
import { InputError } from "../../src/common/errors.ts";
import { openParquet } from "../../src/files/parquet.ts";
import { assertAlmostEquals, assertEquals, assertRejects, assertTrue } from "../../src/common/std.ts";
import { testIn } from "../shared.ts";
import { clustered, writeEmbeddings } from "./support.ts";

function byLoop(vectors: Float32Array, query: Float32Array, width: number, metric: Metric, k: number) {
  return Array.from({ length: vectors.length / width }, (_, row) => ({
    row,
    distance: distanceOf(metric, query, 0, vectors, row * width, width),
  })).sort((a, b) => a.distance - b.distance || a.row - b.row).slice(0, k);
}

testIn(
  "exact: the rows that a loop over all finds, in memory and from a file of several pieces",
  async (folder) => {
    // More than one piece, far from the origin, with copies of rows, whose distances are equal.
    const width = 8, count = (1 << 15) + 700, vectors = clustered(count, width).map((value) => value + 100);
    vectors.copyWithin((count - 1) * width, 5 * width, 6 * width);
    const path = `${folder}/e.parquet`;
    await writeEmbeddings(path, vectors, width);
    using file = await EmbeddingFile.open(path);
    assertEquals([file.rows, file.width, file.column], [count, width, "embedding"]);
    using loaded = await file.load();
    const rows = [5, 40, count - 2], queries = await file.vectorsAt(rows);
    for (const metric of ["cosine", "euclidean"] as const) {
      const expected = rows.map((row) =>
        byLoop(vectors, vectors.subarray(row * width, (row + 1) * width), width, metric, 12)
      );
      assertEquals(expected[0].slice(0, 2).map(({ row }) => row), [5, count - 1]);
      for (const table of [file.pieces(), loaded]) {
        const found = await exactSearch(table, queries, width, { k: 12, metric });
        assertEquals(
          found.map((some) => some.map(({ row }) => row)),
          expected.map((some) => some.map(({ row }) => row)),
        );
        for (const [q, some] of found.entries()) {
          for (const [i, { distance }] of some.entries()) {
            assertAlmostEquals(distance, expected[q][i].distance, 1e-9);
          }
        }
      }
    }
  },
);

testIn("the index: nearly what exact finds, made once, anew for another file", async (folder) => {
  const width = 16, path = `${folder}/e.parquet`, vectors = clustered(3000, width);
  await writeEmbeddings(path, vectors, width);
  const queries = vectors.slice(0, 30 * width);
  for (const metric of ["cosine", "euclidean"] as const) {
    using file = await EmbeddingFile.open(path);
    const options = { k: 10, metric, threads: 1 };
    const exact = await searchFile(file, queries, { ...options, index: "exact" });
    const first = await searchFile(file, queries, { ...options, index: "hnsw" });
    assertTrue(first.index!.built && first.index!.recall > 0.95, `${first.index!.recall}`);
    const rows = (found: typeof exact) => found.matches.map((some) => some.map(({ row }) => row));
    const common = rows(first).flatMap((some, q) => some.filter((row) => rows(exact)[q].includes(row)));
    assertTrue(common.length > 285, `${common.length} of 300`);
    assertEquals(first.matches[0][0], exact.matches[0][0]);
    const again = await searchFile(file, queries, { ...options, index: "hnsw" });
    assertTrue(!again.index!.built, "it is found");
    assertEquals(again.matches, first.matches);
  }
  await writeEmbeddings(path, vectors.slice(0, 2000 * width), width);
  using file = await EmbeddingFile.open(path);
  const { built, search: ask } = await openIndex(file, { metric: "cosine", threads: 1 });
  assertTrue(built, "the file is another one");
  assertTrue(ask(queries, 2000)[0].every(({ row }) => row < 2000));
});

testIn("the library: vectors and ids, in arrays and files", async (folder) => {
  const path = `${folder}/e.parquet`, vectors = clustered(100, 4, 5);
  await writeEmbeddings(path, vectors, 4);
  const arrays = Array.from({ length: 100 }, (_, i) => vectors.subarray(4 * i, 4 * i + 4));
  const [mine] = await search(arrays, [arrays[7]], { k: 3 });
  // The same scale and origin for all elements change nothing; other scales are undone.
  const stretched = arrays.map((vector) => vector.map((value, e) => 1000 + 10 ** e * value));
  const [standardized] = await search(stretched, [stretched[7]], { k: 3 });
  assertEquals(standardized.map(({ row }) => row), mine.map(({ row }) => row));
  const [raw] = await search(stretched, [stretched[7]], { k: 3, standardized: false });
  assertTrue(
    raw[2].distance < mine[2].distance / 2,
    "what they have in common brings all directions together",
  );
  const [byId] = await search(path, ["star 7"], { k: 3 });
  assertEquals(byId.map(({ row }) => row), mine.map(({ row }) => row));
  assertEquals(byId[0].id, "star 7");
  assertEquals(
    (await search(path, ["star 7", "star 8:V"].slice(0, 1), { k: 200 }))[0].length,
    100,
    "no more than there are",
  );
  await assertRejects(
    () => search(path, ["star 700"]),
    InputError,
    "has no such id; the closest are star 70",
  );
  await assertRejects(() => search(arrays, ["star 7"]), InputError, "only embeddings in a file");
  await assertRejects(() => search(arrays, [Float32Array.of(1, NaN, 1, 1)]), RangeError, "4 finite numbers");
  await assertRejects(() => search([], [arrays[0]]), RangeError, "no embeddings");
  assertEquals([...middleOf(Float32Array.of(3, 0, 0, 5), 2, "cosine")], [0.5, 0.5]);
  assertEquals([...middleOf(Float32Array.of(3, 0, 0, 5), 2, "euclidean")], [1.5, 2.5]);
  using set = VectorSet.of(arrays);
  assertEquals(set.rows, 100);
});

testIn("a bad file is named, with what is wrong", async (folder) => {
  const path = `${folder}/bad.parquet`;
  const refused = async (message: string, read = false) => {
    await assertRejects(
      async () => {
        using file = await EmbeddingFile.open(path);
        if (read) {
          await exactSearch(file.pieces(), new Float32Array(file.width), file.width, {
            k: 1,
            metric: "cosine",
          });
        }
      },
      InputError,
      message,
    );
  };
  await refused("cannot be read");
  await Deno.writeTextFile(path, "id,embedding\n");
  await refused("is not a Parquet file");
  const write = async (
    columns: Parameters<typeof openParquet>[1],
    rows: Parameters<Awaited<ReturnType<typeof openParquet>>["write"]>[0],
  ) => {
    using file = await openParquet(path, columns);
    file.write(rows);
    file.finish();
  };
  await write({ name: "text", embedding: "list of float32" }, [{ name: "a", embedding: Float32Array.of(1) }]);
  await refused('has no column "id"');
  await write({ id: "text", points: "int32" }, [{ id: "a", points: 1 }]);
  await refused("has no column of vectors");
  const columns = { id: "text", embedding: "list of float32" } as const;
  await write(columns, [{ id: "a", embedding: Float32Array.of(1, 2) }, {
    id: "b",
    embedding: Float32Array.of(1),
  }]);
  await refused("not all rows have 2 numbers", true);
  await write(columns, [{ id: "a", embedding: Float32Array.of(1, 2) }, { id: "b", embedding: null }]);
  await refused("not all rows have 2 numbers", true);
  await write(columns, [{ id: "a", embedding: Float32Array.of(1, 2) }, {
    id: "b",
    embedding: Float32Array.of(1, NaN),
  }]);
  await refused("row 2: embedding holds NaN", true);
});
