/** Random forests: what they learn and say of unseen points, and that scikit-learn's score the same. */
import { Forest, growForest } from "../../src/classify/forest.ts";
import { seeded } from "../../src/common/random.ts";
import { assertAlmostEquals, assertEquals, assertTrue } from "../../src/common/std.ts";
import { overlapping } from "./support.ts";

function accuracy(probabilities: Float32Array, labels: Int32Array, classes: number): number {
  let right = 0;
  for (let i = 0; i < labels.length; i++) {
    const row = probabilities.subarray(i * classes, (i + 1) * classes);
    if (row.indexOf(Math.max(...row)) === labels[i]) right++;
  }
  return right / labels.length;
}

Deno.test("a forest knows what it was grown on, and says out of bag what it scores on others", async () => {
  const train = overlapping(400, 1), test = overlapping(800, 2);
  const { forest, outOfBag } = await growForest(train, { trees: 200 });
  assertEquals(accuracy(forest.probabilities(train.points), train.labels, 4), 1);
  const unseen = accuracy(forest.probabilities(test.points), test.labels, 4);
  assertTrue(unseen > 0.5, `${unseen}`);
  assertAlmostEquals(accuracy(outOfBag, train.labels, 4), unseen, 0.08);
  for (let i = 0; i < 400; i++) {
    assertAlmostEquals(outOfBag.subarray(4 * i, 4 * i + 4).reduce((a, b) => a + b), 1, 1e-5);
  }
  const again = await growForest(train, { trees: 200 });
  assertEquals(again.forest.nodes, forest.nodes, "the same seed, the same forest");
});

Deno.test("a threshold lies between two values, also where float32 has none between them", async () => {
  const below = Math.fround(1), above = 1 + 2 ** -23; // neighbors
  const points = Float32Array.of(below, below, below, above, above, above);
  const labels = Int32Array.of(0, 0, 0, 1, 1, 1);
  const { forest } = await growForest({ points, labels, classes: 2 }, { trees: 20 });
  const found = forest.probabilities(Float32Array.of(below, above));
  assertTrue(found[0] > 0.5 && found[3] > 0.5, found.join());
});

Deno.test("points that are equal but of two classes end in one leaf", async () => {
  const { forest, outOfBag } = await growForest({
    points: new Float32Array(2 * 60),
    labels: Int32Array.from({ length: 60 }, (_, i) => i % 2),
    classes: 2,
  });
  const [a, b] = forest.probabilities(new Float32Array(2));
  assertAlmostEquals(a, 0.5, 0.05);
  assertAlmostEquals(a + b, 1, 1e-5);
  assertTrue(outOfBag.every(Number.isFinite));
});

Deno.test("a point that is counted twice is as two points, but neither tells of the other out of bag", async () => {
  const random = seeded(5), n = 60, width = 3;
  const noise = {
    points: Float32Array.from({ length: n * width }, () => random.normal()),
    labels: Int32Array.from({ length: n }, (_, i) => i % 2),
    classes: 2,
  };
  const { outOfBag } = await growForest({ ...noise, counts: new Int32Array(n).fill(5) }, { trees: 100 });
  const right = accuracy(outOfBag, noise.labels, 2);
  assertTrue(right < 0.75, `${right} of what cannot be learned`); // as five points each it would be nearly 1
});

Deno.test("more than 256 values: quantiles, in which equal values stay together", async () => {
  const n = 3000, width = 2, random = seeded(7);
  const points = new Float32Array(n * width);
  const labels = new Int32Array(n);
  for (let i = 0; i < n; i++) {
    points[2 * i] = i < 1000 ? 0 : random.normal(); // a third has one value
    points[2 * i + 1] = random.normal();
    labels[i] = points[2 * i + 1] > 0.3 ? 1 : 0;
  }
  const { forest } = await growForest({ points, labels, classes: 2 }, { trees: 50 });
  const right = accuracy(forest.probabilities(points), labels, 2);
  assertTrue(right > 0.99, `${right}`);
});

Deno.test("nodes from a file that lead nowhere are told", async () => {
  const { forest } = await growForest(overlapping(40, 1), { trees: 2 });
  assertEquals(forest.flaw(), undefined);
  const circle = { ...forest.nodes, child: forest.nodes.child.slice() };
  circle.child[0] = 0;
  assertEquals(
    new Forest(circle, 20, 4).flaw(),
    "node 0 of the forest has neither two children nor a leaf",
  );
});
