/** Case 24 of the bug reports: most light curves are copies. */
import { projected } from "../../src/embed/projected.ts";
import { projectionSeconds } from "../../src/evaluate/projection.ts";
import { seeded } from "../../src/common/random.ts";
import { assertEquals, assertTrue } from "../../src/common/std.ts";

Deno.test("copies of a row are counted, and have finite places in the map", async () => {
  const random = seeded(7), vector = () => Float32Array.from({ length: 8 }, () => random.normal());
  const same = vector(), size = 150;
  const all = Array.from(
    { length: size },
    (_, i) => ({ id: String(i), embedding: i < 120 ? same : vector() }),
  );
  for (const method of ["tsne", "umap"] as const) {
    const told: number[] = [];
    const { copies, rows, coordinates: [{ x, y }] } = await projected(
      {
        columns: { id: "text" },
        vectors: ["embedding"],
        rows: async function* () {
          yield* all.map((row) => ({ ...row }));
        }(),
      },
      {
        method,
        perplexity: 30,
        learningRate: 200,
        neighbors: 15,
        seed: 0,
        onBegin: (...size) => void told.push(...size),
      },
    );
    assertEquals(told, [size, 8]);
    assertEquals(copies, 119);
    assertEquals(rows.length, size);
    assertTrue(rows.every((row) => Number.isFinite(row[x]) && Number.isFinite(row[y])), method);
  }
});

Deno.test("how long a projection takes is said by rows, width and threads", () => {
  const of = (rows: number, method: "tsne" | "umap", threads = 1) =>
    projectionSeconds({ rows, width: 256, method, threads });
  // Measured: 28 s and 82 s.
  assertTrue(of(20_000, "umap") > 20 && of(20_000, "umap") < 40);
  assertTrue(of(20_000, "tsne") > 60 && of(20_000, "tsne") < 110);
  assertTrue(of(20_000, "umap", 2) < of(20_000, "umap") && of(100_000, "umap") > 12 * of(20_000, "umap"));
});
