/** A head of your own on the frozen network: it learns which points of a light curve to look at, and tells classes by them. */
import {
  Astromer,
  backward,
  gradientOf,
  manualSeed,
  noGrad,
  ops,
  requiresGrad,
  scope,
  Tensor,
} from "../mod.ts";
import { simulate, type Simulated } from "./simulated.ts";

const classes = ["eclipses", "sawtooth", "sine"];
using model = await Astromer.load("astromer2-surveys");

/** The embedding of every point, standardized: (stars, points, width). The network reads times and magnitudes less their means. */
function pointsOf(stars: Simulated[]): Tensor {
  const centered = (columns: number[][]) =>
    Tensor.from(
      columns.flatMap((column) => {
        const mean = column.reduce((a, b) => a + b) / column.length;
        return column.map((value) => value - mean);
      }),
      [stars.length, columns[0].length, 1],
    );
  return noGrad(() =>
    scope(() => {
      const times = centered(stars.map(({ mjd }) => mjd));
      const magnitudes = centered(stars.map(({ magnitude }) => magnitude));
      return ops.layerNorm(model.network.encode({ times, magnitudes, hidden: null }), [model.width]);
    })
  );
}

manualSeed(0);
const zeros = (...shape: number[]) => Tensor.from(new Float32Array(shape.reduce((a, b) => a * b, 1)), shape);
const random = (rows: number, columns: number) =>
  scope(() => ops.mul(ops.randn([rows, columns]), Tensor.scalar(1 / Math.sqrt(columns))));
/** What the head learns: 64 features of every point, a query that says which points count, and a map to classes. */
const head = {
  features: requiresGrad(random(64, model.width)),
  query: requiresGrad(random(1, 64)),
  weight: requiresGrad(random(classes.length, 64)),
  bias: requiresGrad(zeros(classes.length)),
};
const parameters = Object.values(head);

/** (stars, classes) from (stars, points, width). */
function logits(points: Tensor): Tensor {
  const features = ops.tanh(ops.linear(points, head.features)); // (stars, points, 64)
  const attention = ops.softmax(ops.linear(features, head.query), 1); // (stars, points, 1)
  const pooled = ops.matmul(ops.transpose(attention, 1, 2), features); // (stars, 1, 64)
  return ops.linear(ops.view(pooled, [points.shape[0], 64]), head.weight, head.bias);
}

const train = simulate(90), test = simulate(60, 1000);
using points = pointsOf(train);
using labels = Tensor.from(BigInt64Array.from(train, (star) => BigInt(classes.indexOf(star.class))));

// Adam: PyTorch's own, which keeps two means and a count of steps for each parameter.
const [means, squares] = [1, 2].map(() => parameters.map(({ shape }) => zeros(...shape)));
const counts = parameters.map(() => zeros());
const adam = {
  lr: 0.01,
  beta1: 0.9,
  beta2: 0.999,
  weight_decay: 0,
  eps: 1e-8,
  amsgrad: false,
  maximize: false,
};
for (let step = 1; step <= 150; step++) {
  scope(() => {
    const loss = ops.crossEntropyLoss(logits(points), labels);
    backward(loss);
    noGrad(() => {
      const gradients = parameters.map((parameter) => gradientOf(parameter)!);
      for (const count of counts) count.copyFrom(Tensor.scalar(step));
      ops.fusedAdam_(parameters, gradients, means, squares, [], counts, adam);
      for (const gradient of gradients) ops.zero_(gradient); // the next backward pass adds to it
    });
    if (step % 50 === 0) console.log(`step ${step}: loss ${loss.item().toFixed(3)}`);
  });
}

using seen = pointsOf(test);
const scores = noGrad(() => scope(() => logits(seen).toArray()));
const right = test.filter((star, i) => {
  const own = Array.from(scores.subarray(3 * i, 3 * i + 3), Number);
  return classes[own.indexOf(Math.max(...own))] === star.class;
});
console.log(`${right.length} of ${test.length} are right`);
