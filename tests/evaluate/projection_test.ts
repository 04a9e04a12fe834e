import { liveTensors } from "../../ffi/tensor.ts";
import { InputError } from "../../src/common/errors.ts";
import { nearestNeighbors } from "../../src/evaluate/nearest_neighbors.ts";
import { project, type ProjectionOptions } from "../../src/evaluate/projection.ts";
import { conditionalProbabilities, tsneLayout } from "../../src/evaluate/tsne.ts";
import { seeded } from "../../src/common/random.ts";
import { assertAlmostEquals, assertEquals, assertRejects, assertTrue } from "../../src/common/std.ts";
import { largestDifference } from "../shared.ts";

const width = 8;

/** Rows of as many Gaussian clusters, row i of cluster i mod clusters, their centers several deviations apart. */
function clustered(rows: number, clusters: number): Float32Array<ArrayBuffer> {
  const random = seeded(11);
  const centers = Float32Array.from({ length: clusters * width }, () => 5 * random.normal());
  return Float32Array.from(
    { length: rows * width },
    (_, i) => centers[Math.floor(i / width) % clusters * width + i % width] + random.normal(),
  );
}

/** The share of the five nearest points in the plane that are of a point's own cluster. */
async function purity(plane: Float32Array<ArrayBuffer>, clusters: number): Promise<number> {
  const { indices } = await nearestNeighbors(plane, plane, 2, 5, { excludeSelf: true });
  return indices.filter((index, at) => index % clusters === Math.floor(at / 5) % clusters).length /
    indices.length;
}

const embeddings = clustered(240, 4);
const methods: Omit<ProjectionOptions, "seed">[] = [
  { method: "tsne", perplexity: 12, iterations: 350 },
  { method: "umap", neighbors: 10, iterations: 100 },
];

for (const options of methods) {
  Deno.test(`${options.method}: clusters stay apart; the seed alone decides, bit for bit`, async () => {
    const before = liveTensors();
    const first = await project(embeddings, width, { ...options, seed: 1 });
    assertEquals(first.length, 480);
    assertTrue(await purity(first, 4) > 0.97, `purity ${await purity(first, 4)}`);
    const random = seeded(1), anywhere = first.map(() => random.next());
    assertTrue(await purity(anywhere, 4) < 0.4); // what this threshold is worth
    assertEquals(await project(embeddings, width, { ...options, seed: 1 }), first);
    assertTrue(largestDifference(await project(embeddings, width, { ...options, seed: 2 }), first) > 0.01);
    assertEquals(liveTensors(), before);
  });

  Deno.test(`${options.method}: progress is told, and can stop the work`, async () => {
    const stages = new Set<string>();
    const stopping = () =>
      project(embeddings, width, {
        ...options,
        iterations: 2000,
        seed: 1,
        onProgress(stage, done, of) {
          stages.add(stage);
          assertTrue(done >= 1 && done <= of && of === (stage === "layout" ? 2000 : 240));
          if (stage === "layout") throw new Error("stopped");
        },
      });
    await assertRejects(stopping, Error, "stopped");
    assertEquals([...stages], ["neighbors", "layout"]);
  });
}

Deno.test("the layout starts from the principal components", async () => {
  // Almost a plane: steps too small to matter leave the rows' own two coordinates, up to sign and scale.
  const random = seeded(5);
  const plane = Float32Array.from({ length: 60 * 3 }, (_, i) => [4, 1, 0.01][i % 3] * random.normal() + 7);
  const drawn = await project(plane, 3, {
    method: "tsne",
    seed: 1,
    perplexity: 5,
    iterations: 1,
    learningRate: 1e-9,
  });
  for (const axis of [0, 1]) {
    const coordinates = Array.from(
      { length: 60 },
      (_, row) => [plane[3 * row + axis], drawn[2 * row + axis]],
    );
    const [a, b] = [0, 1].map((i) => coordinates.reduce((sum, pair) => sum + pair[i], 0) / 60);
    let products = 0, squaresA = 0, squaresB = 0;
    for (const [x, y] of coordinates) {
      products += (x - a) * (y - b);
      squaresA += (x - a) ** 2;
      squaresB += (y - b) ** 2;
    }
    const correlation = Math.abs(products) / Math.sqrt(squaresA * squaresB);
    assertTrue(correlation > 0.95, `axis ${axis}: ${correlation}`);
    if (axis === 0) assertAlmostEquals(Math.sqrt(squaresB / 60), 1e-4, 1e-6);
  }
});

Deno.test("identical embeddings have a layout too", async () => {
  const same = new Float32Array(50 * width).fill(3);
  for (const method of ["tsne", "umap"] as const) {
    const drawn = await project(same, width, { method, seed: 1, perplexity: 5, iterations: 20 });
    assertTrue(drawn.every(Number.isFinite), method);
  }
});

Deno.test("the perplexity of every point's probabilities is what was asked for", async () => {
  const neighbors = await nearestNeighbors(embeddings, embeddings, width, 36, { excludeSelf: true });
  for (const scale of [1e-6, 1, 1e6]) {
    const distances = neighbors.distances.map((distance) => scale * distance);
    const probabilities = conditionalProbabilities({ ...neighbors, distances }, 12);
    for (let row = 0; row < 240; row++) {
      const own = probabilities.subarray(36 * row, 36 * (row + 1));
      assertAlmostEquals(own.reduce((sum, p) => sum + p), 1, 1e-9);
      assertAlmostEquals(2 ** -own.reduce((sum, p) => sum + p * Math.log2(p), 0), 12, 1e-3);
      assertTrue(own.every((p, j) => j === 0 || p <= own[j - 1]), "nearer is likelier");
    }
  }
});

Deno.test("steps follow the gradient of the divergence, but for what Barnes and Hut leave out", async () => {
  const rows = 120, k = 24, perplexity = 8, learningRate = 20;
  const some = embeddings.slice(0, rows * width);
  const neighbors = await nearestNeighbors(some, some, width, k, { excludeSelf: true });
  // As far apart as late in a layout, two points at one place.
  const random = seeded(3), exact = Float64Array.from({ length: 2 * rows }, () => 8 * random.normal());
  exact.copyWithin(0, 2, 4);
  const positions = exact.map((value) => 1e4 * value);
  const layout = tsneLayout(neighbors, positions, { perplexity, learningRate, iterations: 3 });

  const joint = new Float64Array(rows * rows), conditional = conditionalProbabilities(neighbors, perplexity);
  for (const [edge, j] of neighbors.indices.entries()) {
    const i = Math.floor(edge / k);
    joint[i * rows + j] += conditional[edge] / (2 * rows); // p_ij = (p_j|i + p_i|j) / 2N
    joint[j * rows + i] += conditional[edge] / (2 * rows);
  }
  const gains = exact.map(() => 1), step = exact.map(() => 0);
  for (let iteration = 0; iteration < 3; iteration++) {
    const near = joint.map((_, pair) => {
      const i = Math.floor(pair / rows), j = pair % rows;
      const dx = exact[2 * i] - exact[2 * j], dy = exact[2 * i + 1] - exact[2 * j + 1];
      return i === j ? 0 : 1 / (1 + dx * dx + dy * dy);
    });
    const normalization = near.reduce((sum, value) => sum + value);
    const gradient = exact.map((own, at) => {
      let sum = 0;
      for (let j = 0, pair = (at >> 1) * rows; j < rows; j++, pair++) {
        // 4 (p_ij - q_ij) (y_i - y_j) / (1 + |y_i - y_j|^2), p_ij exaggerated twelvefold at first
        sum += 4 * (12 * joint[pair] - near[pair] / normalization) * near[pair] *
          (own - exact[2 * j + at % 2]);
      }
      return sum;
    });
    for (let at = 0; at < 2 * rows; at++) {
      gains[at] = gradient[at] * step[at] < 0 ? gains[at] + 0.2 : gains[at] * 0.8;
      step[at] = 0.5 * step[at] - learningRate * gains[at] * gradient[at];
      exact[at] += step[at];
    }
    layout.next();
    const largest = Math.max(...step.map(Math.abs)), difference = largestDifference(positions, exact);
    assertTrue(difference < 0.01 * largest, `after step ${iteration + 1}: ${difference} of ${largest}`);
  }
});

Deno.test("what cannot be projected is refused with what to change", async () => {
  const refused = async (
    message: string,
    rows: Float32Array<ArrayBuffer>,
    options: Partial<ProjectionOptions>,
  ) =>
    void await assertRejects(
      () => project(rows, width, { method: "tsne", seed: 1, ...options }),
      InputError,
      message,
    );
  const few = embeddings.slice(0, 90 * width);
  await refused("perplexity 30 needs more than 90 embeddings, not 90: lower it to 29 or less", few, {});
  await project(few, width, { method: "tsne", seed: 1, perplexity: 29, iterations: 1 });
  await refused("neighbors 90 needs more than 90 embeddings, not 90: lower it to 89 or less", few, {
    method: "umap",
    neighbors: 90,
  });
  await project(few, width, { method: "umap", seed: 1, neighbors: 89, iterations: 1 });
  const flawed = few.slice();
  flawed[17 * width + 3] = NaN;
  await refused("row 18 of the embeddings holds NaN: leave that row out", flawed, {});
  flawed[2] = -Infinity;
  await refused("row 1 of the embeddings holds -Infinity", flawed, { method: "umap" });
  await refused("3 embeddings are too few to project", few.slice(0, 3 * width), { perplexity: 1 });
});
