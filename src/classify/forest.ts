/**
 * A random forest (Breiman 2001, Machine Learning 45, 5): trees on bootstrap samples, each split the best by Gini
 * impurity of some features drawn at random, leaves pure, the mean of the leaves' class shares as probability.
 *
 * These are the defaults of scikit-learn's RandomForestClassifier with 500 trees, which astronomers compare with. One thing
 * differs: of a feature with more than 256 values, splits between 256 quantiles are tried, which scores the same.
 *
 * A forest of values (regression) splits by variance, tries a third of the features, as Breiman advises there, and has the
 * mean value in each leaf.
 */
import { type Random, seeded } from "../common/random.ts";
import { letSignalsIn } from "../machine/signals.ts";

/** The trees, node after node: all nodes of one tree, then those of the next. */
export interface ForestNodes {
  /** (T,) the first node of each tree. */
  roots: Int32Array<ArrayBuffer>;
  /** (N,) which feature a node asks for; -1 in a leaf. */
  feature: Int32Array<ArrayBuffer>;
  /** (N,) points with a feature of at most this go to the first child, others to the next node after it. */
  threshold: Float32Array<ArrayBuffer>;
  /** (N,) the first child; in a leaf its row of `leaves`. */
  child: Int32Array<ArrayBuffer>;
  /** (L, C) share of each class in a leaf; of a forest of values (L, 1), their mean. */
  leaves: Float32Array<ArrayBuffer>;
}

/** What a forest is grown on. */
export interface LabelledPoints {
  /** (n, F) row after row, finite. */
  points: Float32Array;
  /** (n,) from 0 to C - 1. */
  labels: Int32Array;
  /** (n,) how often a point stands in the sample; once, if not given. */
  counts?: Int32Array;
  classes: number;
}

/** What a forest of values is grown on. */
export interface ValuedPoints extends Omit<LabelledPoints, "labels" | "classes"> {
  /** (n,) finite. */
  values: Float32Array;
}

/** How a forest is grown. */
export interface ForestOptions {
  trees?: number;
  seed?: number;
}

/** A forest that was grown. */
export class Forest {
  constructor(readonly nodes: ForestNodes, readonly width: number, readonly classes: number) {}

  /**
   * Class probabilities; of a forest of values these.
   * @param points (n, F) row after row
   * @returns (n, C) row after row, (n, 1) of values
   */
  probabilities(points: Float32Array): Float32Array {
    const { width, classes, nodes: { roots, leaves } } = this;
    const result = new Float32Array(points.length / width * classes);
    for (let i = 0; i < points.length / width; i++) {
      for (const root of roots) {
        const leaf = this.leafOf(root, points, i * width) * classes;
        for (let c = 0; c < classes; c++) result[i * classes + c] += leaves[leaf + c] / roots.length;
      }
    }
    return result;
  }

  /** What is wrong with the nodes, if they were read from a file; undefined where a point finds a leaf in every tree. */
  flaw(): string | undefined {
    const { roots, feature, threshold, child, leaves } = this.nodes, size = feature.length;
    if (threshold.length !== size || child.length !== size) return "the forest's tensors differ in length";
    const rows = leaves.length / this.classes;
    const node = feature.findIndex((f, i) =>
      f < 0 ? !(child[i] >= 0 && child[i] < rows) : f >= this.width || !(child[i] > i && child[i] + 1 < size)
    );
    if (node >= 0) return `node ${node} of the forest has neither two children nor a leaf`;
    if (!roots.length || roots.some((root) => root < 0 || root >= size)) {
      return "the forest has no such roots";
    }
    return undefined;
  }

  /** The leaf of one tree that a point falls into. */
  leafOf(root: number, points: Float32Array, from: number): number {
    const { feature, threshold, child } = this.nodes;
    let node = root;
    while (feature[node] >= 0) {
      node = child[node] + (points[from + feature[node]] <= threshold[node] ? 0 : 1);
    }
    return child[node];
  }
}

/** A forest, and what its trees say of the points that they were not grown on. */
export interface GrownForest {
  forest: Forest;
  /**
   * (n, C) row after row: the mean over the trees that have not seen a point; where all have, classes are alike, and the
   * value is the mean of all.
   */
  outOfBag: Float32Array;
}

/** Grows a forest. The same points and seed grow the same one. */
export async function growForest(
  { points, labels, counts, classes }: LabelledPoints,
  options: ForestOptions = {},
): Promise<GrownForest> {
  const bins = binned(points, labels.length, points.length / labels.length);
  const unseen = new Float32Array(classes).fill(1 / classes);
  return await grow({ points, counts }, new ClassTreeGrower(bins, labels, classes), unseen, options);
}

/** Grows a forest of values. The same points and seed grow the same one. */
export async function growValueForest(
  { points, values, counts }: ValuedPoints,
  options: ForestOptions = {},
): Promise<GrownForest> {
  const bins = binned(points, values.length, points.length / values.length);
  const unseen = Float32Array.of(values.reduce((sum, value) => sum + value, 0) / values.length);
  return await grow({ points, counts }, new ValueTreeGrower(bins, values), unseen, options);
}

/** @param unseen what is said of a point that all trees have seen */
async function grow(
  { points, counts }: Pick<LabelledPoints, "points" | "counts">,
  grower: TreeGrower,
  unseen: Float32Array,
  { trees = 500, seed = 0 }: ForestOptions,
): Promise<GrownForest> {
  const { n, width } = grower.bins, size = unseen.length, growing = new Growing();
  const drawn = Int32Array.from(
    Array.from({ length: n }, (_, i) => Array<number>(counts?.[i] ?? 1).fill(i)).flat(),
  );
  const roots = new Int32Array(trees), outOfBag = new Float32Array(n * size), votes = new Int32Array(n);
  for (let tree = 0; tree < trees; tree++) {
    const random = seeded(seed, 0xf0e5, tree), weights = new Int32Array(n);
    for (let k = 0; k < drawn.length; k++) weights[drawn[random.integer(drawn.length)]]++;
    roots[tree] = growing.size;
    grower.grow(weights, random, growing);
    for (let i = 0; i < n; i++) {
      if (weights[i]) continue;
      const leaf = growing.leafOf(roots[tree], points, i * width) * size;
      for (let c = 0; c < size; c++) outOfBag[i * size + c] += growing.leaves[leaf + c];
      votes[i]++;
    }
    if (tree % 16 === 15) await letSignalsIn();
  }
  for (let k = 0; k < outOfBag.length; k++) {
    const seen = votes[Math.floor(k / size)];
    outOfBag[k] = seen ? outOfBag[k] / seen : unseen[k % size];
  }
  return { forest: new Forest(growing.finish(roots), width, size), outOfBag };
}

/** Features as whole numbers below 256, in their order. */
interface Bins {
  /** Points and features. */
  n: number;
  width: number;
  /** (F, n): of each feature the bin of each point. */
  of: Uint8Array;
  /** Smallest and largest value of each feature's bins, (F, 256). */
  lowest: Float32Array;
  highest: Float32Array;
}

const binCount = 256;

function binned(points: Float32Array, n: number, width: number): Bins {
  const of = new Uint8Array(width * n), column = new Float32Array(n);
  const lowest = new Float32Array(width * binCount), highest = new Float32Array(width * binCount);
  for (let f = 0; f < width; f++) {
    for (let i = 0; i < n; i++) column[i] = points[i * width + f];
    const sorted = column.toSorted();
    let distinct = 1;
    for (let i = 1; i < n; i++) if (sorted[i] !== sorted[i - 1]) distinct++;
    // A bin's largest value; equal values are never parted.
    const edges: number[] = [];
    for (let i = 0; i < n; i++) {
      if (i + 1 < n && sorted[i] === sorted[i + 1]) continue;
      if (
        distinct <= binCount || i + 1 === n ||
        Math.floor((i + 1) * binCount / n) > Math.floor((edges.length ? last(edges) + 1 : 0) * binCount / n)
      ) edges.push(i);
    }
    const used = edges.slice(0, binCount - 1).concat(edges.length >= binCount ? [n - 1] : []);
    for (const [b, end] of used.entries()) {
      lowest[f * binCount + b] = sorted[b ? used[b - 1] + 1 : 0];
      highest[f * binCount + b] = sorted[end];
    }
    const tops = highest.subarray(f * binCount, f * binCount + used.length);
    for (let i = 0; i < n; i++) of[f * n + i] = firstNotBelow(tops, column[i]);
  }
  return { n, width, of, lowest, highest };
}

const last = (values: readonly number[]) => values[values.length - 1];

function firstNotBelow(ascending: Float32Array, value: number): number {
  let low = 0, high = ascending.length - 1;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (ascending[middle] < value) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** Nodes of trees that are being grown. */
class Growing {
  size = 0;
  leaves: number[] = [];
  readonly #feature: number[] = [];
  readonly #threshold: number[] = [];
  readonly #child: number[] = [];

  /** Room for so many nodes. */
  add(count: number): number {
    const first = this.size;
    this.size += count;
    return first;
  }

  split(node: number, feature: number, threshold: number, child: number): void {
    this.#feature[node] = feature;
    this.#threshold[node] = threshold;
    this.#child[node] = child;
  }

  leaf(node: number, shares: ArrayLike<number>, total: number): void {
    this.split(node, -1, 0, this.leaves.length / shares.length);
    for (let c = 0; c < shares.length; c++) this.leaves.push(shares[c] / total);
  }

  leafOf(root: number, points: Float32Array, from: number): number {
    let node = root;
    while (this.#feature[node] >= 0) {
      node = this.#child[node] + (points[from + this.#feature[node]] <= this.#threshold[node] ? 0 : 1);
    }
    return this.#child[node];
  }

  finish(roots: Int32Array<ArrayBuffer>): ForestNodes {
    return {
      roots,
      feature: Int32Array.from(this.#feature),
      threshold: Float32Array.from(this.#threshold),
      child: Int32Array.from(this.#child),
      leaves: Float32Array.from(this.leaves),
    };
  }
}

/** A node of fewer points sorts them; others count them by bin. */
const sortedBelow = 48;

/** The best split of a node: points with a bin of at most `bin` go left. */
interface Split {
  feature: number;
  bin: number;
  /** The next bin that has points. */
  next: number;
  score: number;
}

/** Grows single trees. What a node holds is a sum of vectors with weights: (C,) of a class, or (1,) a value. */
abstract class TreeGrower {
  protected readonly members: Int32Array;
  protected readonly order = new Int32Array(sortedBelow);
  /** The sum of a node. */
  protected readonly total: Float64Array;
  /** The sum of what is left of a split. */
  protected readonly left: Float64Array;
  readonly #features: Int32Array;

  /** @param tried features of a node that are tried */
  constructor(readonly bins: Bins, size: number, private readonly tried: number) {
    this.members = new Int32Array(bins.n);
    this.total = new Float64Array(size);
    this.left = new Float64Array(size);
    this.#features = Int32Array.from({ length: bins.width }, (_, f) => f);
  }

  /** Sums a node up into `total`. Returns its weight, and whether there is nothing to part. */
  protected abstract sumUp(weights: Int32Array, from: number, until: number): { sum: number; pure: boolean };
  /** Tries the splits of a feature in a node of few points. */
  protected abstract trySorted(
    feature: number,
    weights: Int32Array,
    from: number,
    until: number,
    sum: number,
    best: Split,
  ): void;
  /** The same in a node of many. */
  protected abstract tryCounted(
    feature: number,
    weights: Int32Array,
    from: number,
    until: number,
    sum: number,
    best: Split,
  ): void;

  /** @param weights how often each point was drawn */
  grow(weights: Int32Array, random: Random, into: Growing): void {
    const { members, bins, total } = this, { n } = bins;
    let size = 0;
    for (let i = 0; i < n; i++) if (weights[i]) members[size++] = i;
    const waiting = [{ node: into.add(1), from: 0, until: size }];
    for (let job = waiting.pop(); job; job = waiting.pop()) {
      const { node, from, until } = job, { sum, pure } = this.sumUp(weights, from, until);
      const split = pure ? undefined : this.#bestSplit(weights, from, until, sum, random);
      if (!split) {
        into.leaf(node, total, sum);
        continue;
      }
      const { feature, bin, next } = split, row = bins.of.subarray(feature * n, (feature + 1) * n);
      let middle = from;
      for (let k = from; k < until; k++) {
        const i = members[k];
        if (row[i] > bin) continue;
        members[k] = members[middle];
        members[middle++] = i;
      }
      const below = bins.highest[feature * binCount + bin], above = bins.lowest[feature * binCount + next];
      const threshold = Math.fround((below + above) / 2), child = into.add(2);
      into.split(node, feature, threshold < above ? threshold : below, child);
      waiting.push({ node: child, from, until: middle }, { node: child + 1, from: middle, until });
    }
  }

  /** Of features drawn at random until as many as are to be tried were, and one at least parts the points. */
  #bestSplit(
    weights: Int32Array,
    from: number,
    until: number,
    sum: number,
    random: Random,
  ): Split | undefined {
    const features = this.#features, { width } = this.bins;
    const best: Split = { feature: -1, bin: 0, next: 0, score: -Infinity };
    for (let tried = 0; tried < width && (tried < this.tried || best.feature < 0); tried++) {
      const other = tried + random.integer(width - tried), feature = features[other];
      features[other] = features[tried];
      features[tried] = feature;
      if (until - from < sortedBelow) this.trySorted(feature, weights, from, until, sum, best);
      else this.tryCounted(feature, weights, from, until, sum, best);
    }
    return best.feature < 0 ? undefined : best;
  }

  /** The points of a node in the order of a feature's bins, in `order`. */
  protected sort(feature: number, from: number, until: number): void {
    const { members, order, bins: { of, n } } = this, row = feature * n;
    for (let k = 0; k < until - from; k++) {
      const i = members[from + k], bin = of[row + i];
      let at = k;
      for (; at > 0 && of[row + order[at - 1]] > bin; at--) order[at] = order[at - 1];
      order[at] = i;
    }
  }
}

function better(best: Split, feature: number, bin: number, next: number, score: number): void {
  if (score <= best.score) return;
  best.feature = feature;
  best.bin = bin;
  best.next = next;
  best.score = score;
}

/** Trees that tell classes apart, split by Gini impurity. */
class ClassTreeGrower extends TreeGrower {
  readonly #counts: Int32Array;

  constructor(bins: Bins, private readonly labels: Int32Array, private readonly classes: number) {
    super(bins, classes, Math.max(1, Math.floor(Math.sqrt(bins.width))));
    this.#counts = new Int32Array(binCount * classes);
  }

  protected sumUp(weights: Int32Array, from: number, until: number) {
    const { members, labels } = this, total = this.total.fill(0);
    for (let k = from; k < until; k++) total[labels[members[k]]] += weights[members[k]];
    const sum = total.reduce((sum, w) => sum + w, 0);
    return { sum, pure: total.includes(sum) };
  }

  protected trySorted(
    feature: number,
    weights: Int32Array,
    from: number,
    until: number,
    sum: number,
    best: Split,
  ): void {
    this.sort(feature, from, until);
    const { order, labels, total, bins: { of, n } } = this, row = feature * n, left = this.left.fill(0);
    // Sums of squared weights by class, left and right of the split.
    let squaresLeft = 0, squaresRight = 0, sumLeft = 0;
    for (let c = 0; c < left.length; c++) squaresRight += total[c] ** 2;
    for (let k = 0; k + 1 < until - from; k++) {
      const i = order[k], c = labels[i], w = weights[i];
      squaresLeft += w * (2 * left[c] + w);
      squaresRight += w * (w - 2 * (total[c] - left[c]));
      left[c] += w;
      sumLeft += w;
      const bin = of[row + i], next = of[row + order[k + 1]];
      if (bin === next) continue;
      better(best, feature, bin, next, squaresLeft / sumLeft + squaresRight / (sum - sumLeft));
    }
  }

  protected tryCounted(
    feature: number,
    weights: Int32Array,
    from: number,
    until: number,
    sum: number,
    best: Split,
  ): void {
    const { members, labels, classes, total, bins: { of, n } } = this, row = feature * n;
    const counts = this.#counts.fill(0);
    let first = binCount, end = 0;
    for (let k = from; k < until; k++) {
      const i = members[k], bin = of[row + i];
      counts[bin * classes + labels[i]] += weights[i];
      if (bin < first) first = bin;
      if (bin > end) end = bin;
    }
    const left = this.left.fill(0);
    let squaresLeft = 0, squaresRight = 0, sumLeft = 0, previous = -1;
    for (let c = 0; c < classes; c++) squaresRight += total[c] ** 2;
    for (let bin = first; bin <= end; bin++) {
      let here = 0;
      for (let c = 0; c < classes; c++) here += counts[bin * classes + c];
      if (!here) continue;
      if (previous >= 0) {
        better(best, feature, previous, bin, squaresLeft / sumLeft + squaresRight / (sum - sumLeft));
      }
      for (let c = 0; c < classes; c++) {
        const w = counts[bin * classes + c];
        if (!w) continue;
        squaresLeft += w * (2 * left[c] + w);
        squaresRight += w * (w - 2 * (total[c] - left[c]));
        left[c] += w;
      }
      sumLeft += here;
      previous = bin;
    }
  }
}

/** Trees of values, split so that the variance within the two parts is least. */
class ValueTreeGrower extends TreeGrower {
  readonly #counts = new Int32Array(binCount);
  readonly #sums = new Float64Array(binCount);

  constructor(bins: Bins, private readonly values: Float32Array) {
    super(bins, 1, Math.max(1, Math.floor(bins.width / 3)));
  }

  protected sumUp(weights: Int32Array, from: number, until: number) {
    const { members, values } = this, first = values[members[from]];
    let sum = 0, total = 0, pure = true;
    for (let k = from; k < until; k++) {
      const i = members[k];
      sum += weights[i];
      total += weights[i] * values[i];
      pure &&= values[i] === first;
    }
    this.total[0] = total;
    return { sum, pure };
  }

  // The sum of squares is the same for all splits: what differs are the squared sums over the weights.
  protected trySorted(
    feature: number,
    weights: Int32Array,
    from: number,
    until: number,
    sum: number,
    best: Split,
  ): void {
    this.sort(feature, from, until);
    const { order, values, bins: { of, n } } = this, row = feature * n, total = this.total[0];
    let left = 0, sumLeft = 0;
    for (let k = 0; k + 1 < until - from; k++) {
      const i = order[k];
      left += weights[i] * values[i];
      sumLeft += weights[i];
      const bin = of[row + i], next = of[row + order[k + 1]];
      if (bin === next) continue;
      better(best, feature, bin, next, left ** 2 / sumLeft + (total - left) ** 2 / (sum - sumLeft));
    }
  }

  protected tryCounted(
    feature: number,
    weights: Int32Array,
    from: number,
    until: number,
    sum: number,
    best: Split,
  ): void {
    const { members, values, bins: { of, n } } = this, row = feature * n, total = this.total[0];
    const counts = this.#counts.fill(0), sums = this.#sums.fill(0);
    for (let k = from; k < until; k++) {
      const i = members[k], bin = of[row + i];
      counts[bin] += weights[i];
      sums[bin] += weights[i] * values[i];
    }
    let left = 0, sumLeft = 0, previous = -1;
    for (let bin = 0; bin < binCount; bin++) {
      if (!counts[bin]) continue;
      if (previous >= 0) {
        better(best, feature, previous, bin, left ** 2 / sumLeft + (total - left) ** 2 / (sum - sumLeft));
      }
      left += sums[bin];
      sumLeft += counts[bin];
      previous = bin;
    }
  }
}
