/** Anomalies: what was planted is found, and artefacts are told apart. */
import { anomalies } from "../../src/discover/anomalies.ts";
import { artefactOf } from "../../src/discover/artefacts.ts";
import { EmbeddingFile } from "../../src/discover/embedding_file.ts";
import { standardizationOf, standardize } from "../../src/discover/vectors.ts";
import { IsolationForest } from "../../src/discover/isolation_forest.ts";
import { datasetOf } from "../../src/data/light_curves.ts";
import { InputError } from "../../src/common/errors.ts";
import { seeded } from "../../src/common/random.ts";
import {
  assertAlmostEquals,
  assertEquals,
  assertRejects,
  assertStringIncludes,
  assertTrue,
} from "../../src/common/std.ts";
import { testIn } from "../shared.ts";
import { clustered, writeEmbeddings } from "./support.ts";

const width = 12;

/** 600 vectors in clusters, and a few that lie elsewhere. */
function planted() {
  const vectors = clustered(600, width, 6), odd = [17, 300, 599], random = seeded(5);
  for (const row of odd) {
    for (let e = 0; e < width; e++) vectors[row * width + e] = 14 * (random.next() < 0.5 ? -1 : 1);
  }
  return {
    vectors,
    odd,
    rows: Array.from({ length: 600 }, (_, i) => vectors.subarray(i * width, (i + 1) * width)),
  };
}

testIn("what lies apart comes first, by each method, in memory and from a file", async (folder) => {
  const { vectors, odd, rows } = planted(), path = `${folder}/e.parquet`;
  await writeEmbeddings(path, vectors, width);
  for (const method of ["neighbors", "forest", "both"] as const) {
    const found = await anomalies(rows, { method, k: 5 });
    assertEquals(found.slice(0, 3).map(({ row }) => row).sort((a, b) => a - b), odd, method);
    assertEquals([found.length, found[0].score, found.at(-1)!.score], [600, 1, 0]);
    const again = await anomalies(path, { method, k: 5 });
    assertEquals(again.map(({ row }) => row), found.map(({ row }) => row));
    assertEquals(again[0].id, `star ${again[0].row}`);
  }
  const few = await anomalies(rows, { sample: 100, k: 3, method: "neighbors" });
  assertEquals(few.slice(0, 3).map(({ row }) => row).sort((a, b) => a - b), odd, "among a draw, too");
  await assertRejects(() => anomalies(rows.slice(0, 2)), RangeError, "at least 3");
  await writeEmbeddings(path, vectors.slice(0, 2 * width), width);
  await assertRejects(() => anomalies(path), InputError, "at least 3 are needed");
});

testIn("the distance is that to the k-th other, of standardized vectors", async (folder) => {
  const { vectors, rows } = planted(), path = `${folder}/e.parquet`;
  await writeEmbeddings(path, vectors, width);
  using file = await EmbeddingFile.open(path);
  const { mean, scale } = await file.standardize();
  const inMemory = standardizationOf(rows);
  for (let e = 0; e < width; e++) {
    assertAlmostEquals(mean[e], inMemory.mean[e], 1e-9);
    assertAlmostEquals(scale[e], inMemory.scale[e], 1e-9);
  }
  const flat = standardize(vectors.slice(), inMemory);
  const distances = (row: number) =>
    Array.from({ length: 600 }, (_, other) => {
      let sum = 0;
      for (let e = 0; e < width; e++) sum += (flat[row * width + e] - flat[other * width + e]) ** 2;
      return Math.sqrt(sum);
    }).filter((_, other) => other !== row).sort((a, b) => a - b);
  for (const { row, neighborDistance } of (await anomalies(path, { k: 7 })).slice(0, 40)) {
    assertAlmostEquals(neighborDistance, distances(row)[6], 1e-5);
  }
});

Deno.test("an isolation forest scores 0.5 where nothing is odd, and copies alike", () => {
  const random = seeded(1), uniform = Float32Array.from({ length: 512 * 2 }, () => random.next());
  const scores = IsolationForest.grow(uniform, 2).score(uniform);
  const mean = scores.reduce((sum, score) => sum + score, 0) / scores.length;
  assertTrue(Math.abs(mean - 0.48) < 0.06, `${mean}`);
  const far = IsolationForest.grow(uniform, 2).score(Float32Array.of(9, 9, 0.5, 0.5, 0.5, 0.5));
  assertTrue(far[0] > 0.65 && far[1] < 0.5 && far[1] === far[2], `${far}`);
  const same = IsolationForest.grow(new Float32Array(40), 2).score(new Float32Array(4));
  assertTrue(same.every(Number.isFinite), "vectors that are all the same cannot be cut");
});

Deno.test("artefacts are told by rules, with what was found", () => {
  const curve = (n: number, days: number, magnitude: (i: number) => number) => ({
    mjd: Array.from({ length: n }, (_, i) => 59_000 + i * days / n),
    magnitude: Array.from({ length: n }, (_, i) => magnitude(i)),
  });
  const noise = seeded(3), quiet = Array.from({ length: 200 }, () => 15 + 0.02 * noise.normal());
  using dataset = datasetOf([
    curve(100, 300, (i) => 15 + Math.sin(i)),
    curve(12, 300, (i) => 15 + Math.sin(i)),
    curve(100, 2, (i) => 15 + Math.sin(i)),
    curve(100, 300, (i) => i % 3 ? 18 : 15 + Math.sin(i)),
    curve(200, 300, (i) => i === 77 ? 11 : quiet[i]),
    curve(200, 300, (i) => i > 70 && i < 90 ? 12 : quiet[i]), // an outburst is none
  ]);
  const found = Array.from({ length: 6 }, (_, i) => artefactOf(dataset, i));
  assertEquals(found.map((one) => one?.rule), [
    undefined,
    "few_points",
    "short",
    "repeated",
    "one_outlier",
    undefined,
  ]);
  assertStringIncludes(found[1]!.finding, "12 observations");
  assertStringIncludes(found[4]!.finding, "4.0");
});
