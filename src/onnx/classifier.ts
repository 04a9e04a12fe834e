/** Fitted classifiers as ONNX operators, step by step as in `src/classify`. A window counts as a light curve of its own. */
import type { ClassifierParts } from "../classify/fitted_classifier.ts";
import type { Forest } from "../classify/forest.ts";
import { noveltyNeighbors } from "../classify/points.ts";
import { hiddenSizes, normEpsilon } from "../classify/head.ts";
import type { Graph, Value } from "./graph.ts";
import { type Encoded, Layers, maximumOf, meanOf } from "./network.ts";

/** What a classifier says of every window. */
export interface Classified {
  /** (B, C) float32, temperature-scaled. */
  probabilities: Value;
  /** (B, C) float32, before the temperature. */
  plain: Value;
  /** (B,) float32: see `Predictions`. */
  novelty: Value;
}

/** Adds what a classifier makes of an encoder's layers. */
export function classify(graph: Graph, parts: ClassifierParts, encoded: Encoded): Classified {
  const { config, standardization: { mean, scale } } = parts, { width } = config;
  const { layers, visible } = encoded;
  /** Vector i of the features, standardized: (B, d). */
  const vector = (i: number) => {
    const pooled = i < layers.length
      ? meanOf(graph, layers[i], visible)
      : maximumOf(graph, layers.at(-1)!, visible);
    const row = (values: Float32Array) => graph.constant(values.slice(i * width, (i + 1) * width));
    return graph.mul(graph.sub(pooled, row(mean)), row(scale));
  };
  const point = vector(layers.length - 1);
  const distances = nearest(graph, parts, point);
  const plain = config.kind === "knn"
    ? votes(graph, parts, distances)
    : parts.forest
    ? trees(graph, parts.forest, graph.concat(1, ...layers.map((_, i) => vector(i))))
    : graph.op("Softmax", [headOf(graph, parts, layers.length, vector)], { axis: { int: -1 } });
  const [near] = distances(Math.min(noveltyNeighbors, countOf(parts)), true);
  const novelty = graph.op("ReduceMean", [near], { axes: { ints: [1] }, keepdims: { int: 0 } });
  const powers = graph.op("Pow", [plain, graph.scalar(1 / config.temperature)]);
  return {
    plain,
    probabilities: graph.div(powers, graph.sum(powers, 1)),
    novelty: graph.div(novelty, graph.scalar(parts.reference.spacing)),
  };
}

/** The logits (B, C) of a head. */
function headOf(
  graph: Graph,
  { config: { kind }, state }: ClassifierParts,
  layers: number,
  vector: (i: number) => Value,
): Value {
  const head = new Layers(graph, state, "float32", "head.");
  const means = Array.from({ length: layers }, (_, i) => i);
  let y: Value;
  if (kind === "gamma") {
    const gamma = Array.from(state.get("gamma")!.data, Math.exp);
    const total = layers * gamma.reduce((sum, value) => sum + value);
    y = means.map((i) => graph.mul(vector(i), graph.scalar(gamma[i] / total))).reduce((a, b) =>
      graph.add(a, b)
    );
  } else if (kind === "all") y = graph.concat(1, ...means.map(vector));
  else if (kind === "mean-max") y = graph.concat(1, vector(layers - 1), vector(layers));
  else y = vector(kind === "max" ? layers : layers - 1);
  if (kind !== "linear") {
    for (const i of hiddenSizes.keys()) y = graph.op("Relu", [head.linear(`hidden.${i}`, y)]);
    y = head.norm("norm", y, normEpsilon);
  }
  return head.linear("output", y);
}

/** The probabilities (B, C) of a forest, of the means of all layers end to end. */
function trees(graph: Graph, { nodes, classes }: Forest, features: Value): Value {
  const { roots, feature, threshold, child, leaves } = nodes, count = feature.length;
  const all = [...feature.keys()], isLeaf = (node: number) => feature[node] < 0;
  // A tree's nodes are numbered from its root on.
  const tree = new Int32Array(count), root = new Int32Array(count);
  for (const [t, from] of roots.entries()) {
    tree.fill(t, from, roots[t + 1] ?? count);
    root.fill(from, from, roots[t + 1] ?? count);
  }
  const numbered = (node: number) => node - root[node],
    branch = (of: (node: number) => number) => ({
      ints: all.map((node) => isLeaf(node) ? 0 : of(node)),
    });
  const targets = all.filter(isLeaf).flatMap((node) =>
    Array.from({ length: classes }, (_, c) => ({ node, c, share: leaves[child[node] * classes + c] }))
  ).filter(({ share }) => share > 0);
  return graph.learned("TreeEnsembleRegressor", [features], {
    n_targets: { int: classes },
    nodes_treeids: { ints: Array.from(tree) },
    nodes_nodeids: { ints: all.map(numbered) },
    nodes_featureids: branch((node) => feature[node]),
    nodes_values: { floats: all.map((node) => isLeaf(node) ? 0 : threshold[node]) },
    nodes_modes: { texts: all.map((node) => isLeaf(node) ? "LEAF" : "BRANCH_LEQ") },
    nodes_truenodeids: branch((node) => numbered(child[node])),
    nodes_falsenodeids: branch((node) => numbered(child[node] + 1)),
    target_treeids: { ints: targets.map(({ node }) => tree[node]) },
    target_nodeids: { ints: targets.map(({ node }) => numbered(node)) },
    target_ids: { ints: targets.map(({ c }) => c) },
    target_weights: { floats: targets.map(({ share }) => share / roots.length) },
  });
}

/** Distances to the nearest of the training light curves, and which: of all, or of those that differ. */
type Nearest = (k: number, distinct: boolean) => [distances: Value, places: Value];

function nearest(
  graph: Graph,
  { reference, config: { width }, distinct }: ClassifierParts,
  point: Value,
): Nearest {
  // In float64: what lies on a point that was trained on has a distance of 0.
  const exact = (x: Value) => graph.cast(x, "float64"), query = exact(point);
  const squared = (x: Value) => graph.sum(graph.mul(x, x), 1);
  return (k, once) => {
    const points = once ? distinct : reference.points, count = points.length / width;
    const table = exact(graph.constant(points, [count, width])); // (n, d)
    const norms = graph.transpose(squared(table), 1, 0); // (1, n)
    const products = graph.matmul(query, graph.transpose(table, 1, 0)); // (B, n)
    const sum = graph.add(squared(query), norms);
    const squares = graph.sub(sum, graph.mul(graph.scalar(2, "float64"), products));
    const distances = graph.op("Sqrt", [graph.op("Max", [squares, graph.scalar(0, "float64")])]);
    return graph.topK(graph.cast(distances, "float32"), k, false);
  };
}

function countOf({ distinct, config: { width } }: ClassifierParts): number {
  return distinct.length / width;
}

/** Probabilities (B, C): neighbors vote with the inverse of their distance, and every class with a little. */
function votes(graph: Graph, { reference: { labels }, config }: ClassifierParts, nearest: Nearest): Value {
  const { neighbors: k, classes: { length: classes } } = config;
  const [distances, places] = nearest(k, false);
  const least = graph.scalar(1e-12);
  const [closest] = graph.topK(distances, 1, false);
  const weights = graph.div(
    graph.op("Max", [closest, least]),
    graph.op("Max", [distances, least]),
  ); // (B, k)
  const ofClass = Float32Array.from(
    { length: labels.length * classes },
    (_, i) => labels[Math.floor(i / classes)] === i % classes ? 1 : 0,
  );
  const labelled = graph.op("Gather", [graph.constant(ofClass, [labels.length, classes]), places]); // (B, k, C)
  const counted = graph.op("Squeeze", [
    graph.matmul(graph.op("Unsqueeze", [weights, graph.integers(1)]), labelled),
    graph.integers(1),
  ]); // (B, C)
  const all = graph.add(counted, graph.scalar(0.5 / k));
  return graph.div(all, graph.sum(all, 1));
}
