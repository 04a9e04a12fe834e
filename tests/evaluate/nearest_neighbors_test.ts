import { liveTensors } from "../../ffi/tensor.ts";
import { nearestNeighbors, type Neighbors } from "../../src/evaluate/nearest_neighbors.ts";
import { seeded } from "../../src/common/random.ts";
import { assertEquals, assertRejects, assertTrue } from "../../src/common/std.ts";

/** Index and distance of every point from a query, nearest first, equal distances in order of index. */
function bruteForce(query: number, queries: Float32Array, points: Float32Array, width: number) {
  return Array.from({ length: points.length / width }, (_, index) => {
    let squared = 0;
    for (let i = 0; i < width; i++) squared += (queries[query * width + i] - points[index * width + i]) ** 2;
    return { index, distance: Math.sqrt(squared) };
  }).sort((a, b) => a.distance - b.distance || a.index - b.index);
}

function rowOf({ k, indices, distances }: Neighbors, query: number) {
  return Array.from({ length: k }, (_, rank) => query * k + rank)
    .map((at) => ({ index: indices[at], distance: distances[at] }));
}

const rounded = ({ index, distance }: { index: number; distance: number }) => ({
  index,
  distance: Math.fround(distance),
});

function normals(count: number, seed: number, scale = 1, offset = 0): Float32Array<ArrayBuffer> {
  const random = seeded(seed);
  return Float32Array.from({ length: count }, () => offset + scale * random.normal());
}

Deno.test("neighbors are those of brute force, nearest first", async () => {
  const queries = normals(40 * 6, 1), points = normals(70 * 6, 2);
  const found = await nearestNeighbors(queries, points, 6, 9);
  assertEquals([found.k, found.indices.length, found.distances.length], [9, 360, 360]);
  for (let query = 0; query < 40; query++) {
    assertEquals(rowOf(found, query), bruteForce(query, queries, points, 6).slice(0, 9).map(rounded));
  }
});

Deno.test("a cloud far from the origin, whose float32 products would hide its distances", async () => {
  const points = normals(60 * 4, 3, 0.01, 1000);
  const found = await nearestNeighbors(points, points, 4, 5, { excludeSelf: true });
  for (let query = 0; query < 60; query++) {
    const expected = bruteForce(query, points, points, 4).filter(({ index }) => index !== query);
    assertEquals(rowOf(found, query), expected.slice(0, 5).map(rounded));
  }
});

Deno.test("equal distances: in order of index, and at the last place one of the equals", async () => {
  const random = seeded(4);
  const grid = Float32Array.from({ length: 90 * 2 }, () => random.integer(4)); // 90 points on 16 places
  const every = await nearestNeighbors(grid, grid, 2, 90);
  const some = await nearestNeighbors(grid, grid, 2, 7, { excludeSelf: true });
  for (let query = 0; query < 90; query++) {
    const expected = bruteForce(query, grid, grid, 2).map(rounded);
    assertEquals(rowOf(every, query), expected);
    const others = expected.filter(({ index }) => index !== query), chosen = rowOf(some, query);
    assertEquals(chosen.map(({ distance }) => distance), others.slice(0, 7).map(({ distance }) => distance));
    assertEquals(new Set(chosen.map(({ index }) => index)).size, 7);
    for (const { index, distance } of chosen) {
      assertEquals(others.find((other) => other.index === index)?.distance, distance);
    }
    for (const [rank, { index, distance }] of chosen.entries()) {
      assertTrue(rank === 0 || distance > chosen[rank - 1].distance || index > chosen[rank - 1].index);
    }
  }
});

Deno.test("a point is not its own neighbor, even among more copies than are looked at", async () => {
  const copies = new Float32Array(30 * 3).fill(2.5);
  const { indices, distances } = await nearestNeighbors(copies, copies, 3, 4, { excludeSelf: true });
  assertTrue(indices.every((index, at) => index !== Math.floor(at / 4)));
  assertTrue(distances.every((distance) => distance === 0));
});

Deno.test("many points are compared block by block; no tensor is left", async () => {
  const points = normals(5000 * 2, 5), done: number[] = [], before = liveTensors();
  const found = await nearestNeighbors(points, points, 2, 3, {
    onBlock: (queries) => void done.push(queries),
  });
  assertEquals(done, [3355, 5000]); // 3355 rows of 5000 distances are the last within 2^24
  for (const query of [0, 3354, 3355, 4999]) {
    assertEquals(rowOf(found, query), bruteForce(query, points, points, 2).slice(0, 3).map(rounded));
  }
  assertEquals(liveTensors(), before);
});

Deno.test("a block's listener can stop the search; no tensor is left", async () => {
  const before = liveTensors();
  const stopped = () => {
    throw new Error("stopped");
  };
  await assertRejects(
    () => nearestNeighbors(normals(20, 6), normals(20, 7), 2, 1, { onBlock: stopped }),
    Error,
    "stopped",
  );
  assertEquals(liveTensors(), before);
});

Deno.test("what cannot be asked is refused", async () => {
  const points = normals(20, 8);
  const refused = async (message: string, ...asked: Parameters<typeof nearestNeighbors>) =>
    void await assertRejects(() => nearestNeighbors(...asked), RangeError, message);
  await refused("20 and 20 elements are not rows of 3", points, points, 3, 1);
  await refused("there are no 11 nearest among 10 points", points, points, 2, 11);
  await refused("there are no 10 nearest among 9 points", points, points, 2, 10, { excludeSelf: true });
  await refused("there are no 0 nearest", points, points, 2, 0);
  await refused("5 queries cannot be the 10 points", points.slice(10), points, 2, 1, { excludeSelf: true });
});
