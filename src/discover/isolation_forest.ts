/** Isolation forest (Liu, Ting and Zhou 2008): what few random cuts part from all others is odd. */
import { type Random, seeded } from "../common/random.ts";

/** How a forest is grown. */
export interface ForestOptions {
  /** Default: 200. */
  trees?: number;
  /** Vectors that a tree is grown on. Default: 256, as in the paper. */
  sample?: number;
  /** Default: 0. */
  seed?: number;
}

/** One tree, node after node; a leaf has no left child. */
interface Tree {
  /** Element that is cut. */
  feature: Int32Array;
  cut: Float32Array;
  left: Int32Array;
  right: Int32Array;
  /** Depth of a leaf, with what its vectors would still need. */
  depth: Float32Array;
}

/** Mean depth of a vector in a random tree of n: c(n) of the paper. */
function expectedDepth(n: number): number {
  if (n <= 1) return 0;
  return n === 2 ? 1 : 2 * (Math.log(n - 1) + 0.5772156649) - 2 * (n - 1) / n;
}

/** A grown forest. */
export class IsolationForest {
  private constructor(
    private readonly trees: readonly Tree[],
    readonly width: number,
    private readonly scale: number,
  ) {}

  /** Grows a forest on vectors, (n, width) row by row. */
  static grow(
    vectors: Float32Array,
    width: number,
    { trees = 200, sample = 256, seed = 0 }: ForestOptions = {},
  ): IsolationForest {
    const count = vectors.length / width, size = Math.min(sample, count);
    const deepest = Math.ceil(Math.log2(Math.max(2, size)));
    const grown = Array.from({ length: trees }, (_, t) => {
      const random = seeded(seed, 0x150f, t);
      const rows = random.shuffle(Array.from({ length: count }, (_, i) => i)).slice(0, size);
      return growTree(vectors, width, rows, deepest, random);
    });
    return new IsolationForest(grown, width, expectedDepth(size) || 1);
  }

  /** The score of each vector, 0 to 1: about 0.5 is usual, towards 1 is odd. */
  score(vectors: Float32Array): Float32Array {
    const { width, trees, scale } = this;
    return Float32Array.from({ length: vectors.length / width }, (_, i) => {
      let sum = 0;
      for (const { feature, cut, left, right, depth } of trees) {
        let node = 0;
        while (left[node] > 0) {
          node = vectors[i * width + feature[node]] < cut[node] ? left[node] : right[node];
        }
        sum += depth[node];
      }
      return 2 ** (-sum / trees.length / scale);
    });
  }
}

function growTree(
  vectors: Float32Array,
  width: number,
  all: readonly number[],
  deepest: number,
  random: Random,
): Tree {
  const feature: number[] = [],
    cut: number[] = [],
    left: number[] = [],
    right: number[] = [],
    depths: number[] = [];
  const grow = (rows: readonly number[], depth: number): number => {
    const node = feature.length;
    feature.push(0);
    cut.push(0);
    left.push(0);
    right.push(0);
    depths.push(depth + expectedDepth(rows.length));
    if (depth >= deepest || rows.length <= 1) return node;
    // An element that is the same in all cannot be cut; a few are tried.
    for (let attempt = 0; attempt < 8; attempt++) {
      const element = random.integer(width);
      let low = Infinity, high = -Infinity;
      for (const row of rows) {
        const value = vectors[row * width + element];
        low = Math.min(low, value);
        high = Math.max(high, value);
      }
      if (!(high > low)) continue;
      const at = low + random.next() * (high - low);
      const [below, above]: [number[], number[]] = [[], []];
      for (const row of rows) (vectors[row * width + element] < at ? below : above).push(row);
      if (below.length === 0 || above.length === 0) continue;
      feature[node] = element;
      cut[node] = at;
      left[node] = grow(below, depth + 1);
      right[node] = grow(above, depth + 1);
      break;
    }
    return node;
  };
  grow(all, 0);
  return {
    feature: Int32Array.from(feature),
    cut: Float32Array.from(cut),
    left: Int32Array.from(left),
    right: Int32Array.from(right),
    depth: Float32Array.from(depths),
  };
}
