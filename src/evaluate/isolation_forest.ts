/** Isolation forests (Liu, Ting and Zhou 2008, ICDM): what few random cuts part from all others is unusual. */
import { type Random, seeded } from "../common/random.ts";

/** Trees, and points that each is grown on: the paper's. */
const trees = 100, sampleSize = 256;

type Node = { feature: number; cut: number; below: Node; above: Node } | { depth: number };

/** A forest that scores points. */
export class IsolationForest {
  readonly #roots: Node[];
  readonly #expected: number;

  /** @param points (n, F) row after row, at least two */
  constructor(points: Float32Array, private readonly width: number, seed = 0) {
    const n = points.length / width, size = Math.min(sampleSize, n);
    const deepest = Math.ceil(Math.log2(size));
    this.#expected = pathLength(size);
    this.#roots = Array.from({ length: trees }, (_, tree) => {
      const random = seeded(seed, 0x150, tree);
      const members = random.shuffle(Int32Array.from({ length: n }, (_, i) => i)).slice(0, size);
      return grow(points, width, members, 0, deepest, random);
    });
  }

  /** How unusual points (n, F) are: 1 very, 0.5 and less not at all. */
  scores(points: Float32Array): Float64Array {
    return Float64Array.from({ length: points.length / this.width }, (_, i) => {
      let sum = 0;
      for (let node of this.#roots) {
        while ("cut" in node) {
          node = points[i * this.width + node.feature] < node.cut ? node.below : node.above;
        }
        sum += node.depth;
      }
      return 2 ** (-sum / trees / this.#expected);
    });
  }
}

/**
 * Multi-class isolation forests (Gupta, Muthukrishna and Lochner 2025, RASTI 4): one of each class, and what is unusual to
 * every one of them is out of distribution.
 * @param labels classes of the points; a class of one point has no forest
 * @returns for each of the queries the lowest score of all classes
 */
export function multiClassIsolationScores(
  points: Float32Array,
  labels: Int32Array,
  queries: Float32Array,
  width: number,
  seed = 0,
): Float64Array {
  const lowest = new Float64Array(queries.length / width).fill(Infinity);
  for (const [label, members] of Map.groupBy(labels.keys(), (i) => labels[i])) {
    if (members.length < 2) continue;
    const mine = new Float32Array(members.length * width);
    for (const [k, i] of members.entries()) mine.set(points.subarray(i * width, (i + 1) * width), k * width);
    const scores = new IsolationForest(mine, width, seed + label).scores(queries);
    for (let i = 0; i < lowest.length; i++) lowest[i] = Math.min(lowest[i], scores[i]);
  }
  return lowest;
}

function grow(
  points: Float32Array,
  width: number,
  members: Int32Array,
  depth: number,
  deepest: number,
  random: Random,
): Node {
  if (depth < deepest && members.length > 1) {
    // A feature that does not vary here parts nothing: another is drawn.
    for (let tries = 0; tries < 32; tries++) {
      const feature = random.integer(width);
      let low = Infinity, high = -Infinity;
      for (const i of members) {
        const value = points[i * width + feature];
        if (value < low) low = value;
        if (value > high) high = value;
      }
      if (low === high) continue;
      const cut = low + (high - low) * random.next();
      const side = (below: boolean) =>
        grow(
          points,
          width,
          members.filter((i) => points[i * width + feature] < cut === below),
          depth + 1,
          deepest,
          random,
        );
      return { feature, cut, below: side(true), above: side(false) };
    }
  }
  return { depth: depth + pathLength(members.length) };
}

/** Mean length of an unsuccessful search in a binary tree of n points. */
function pathLength(n: number): number {
  if (n <= 1) return 0;
  if (n === 2) return 1;
  return 2 * (Math.log(n - 1) + 0.5772156649015329) - 2 * (n - 1) / n;
}
