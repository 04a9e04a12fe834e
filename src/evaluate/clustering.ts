/** Clusters of vectors, and how well they agree with classes. */
import { noGrad } from "../../ffi/autograd.ts";
import { matmul, transpose } from "../../ffi/ops.ts";
import { scope, Tensor } from "../../ffi/tensor.ts";
import { type Random, seeded } from "../common/random.ts";

/** Starts, of which the tightest clusters are taken, and steps of each at most. */
const starts = 10, steps = 300;

/**
 * k-means (Lloyd 1982), from starts as k-means++ draws them (Arthur and Vassilvitskii 2007).
 * @param points (n, F) row after row
 * @returns (n,) clusters, from 0 to k - 1
 */
export function kMeans(points: Float32Array, width: number, k: number, seed = 0): Int32Array {
  const n = points.length / width;
  // All distances to means of points follow from the products of points with each other.
  const products = noGrad(() =>
    scope(() => {
      const x = Tensor.from(Float64Array.from(points), [n, width]);
      return matmul(x, transpose(x, 0, 1)).toArray();
    })
  ) as Float64Array;
  let best = new Int32Array(n), tightest = Infinity;
  for (let start = 0; start < starts; start++) {
    const { clusters, spread } = lloyd(products, n, k, seeded(seed, 0x3ea5, start));
    if (spread < tightest) [tightest, best] = [spread, clusters];
  }
  return best;
}

function lloyd(
  products: Float64Array,
  n: number,
  k: number,
  random: Random,
): { clusters: Int32Array<ArrayBuffer>; spread: number } {
  let clusters = new Int32Array(n), spread = Infinity;
  const nearest = new Float64Array(n).fill(Infinity);
  for (let c = 0; c < k; c++) {
    const chosen = c === 0 ? random.integer(n) : drawn(nearest, random);
    for (let i = 0; i < n; i++) {
      const distance = products[i * n + i] + products[chosen * n + chosen] - 2 * products[i * n + chosen];
      if (distance < nearest[i]) [nearest[i], clusters[i]] = [distance, c];
    }
  }
  const sums = new Float64Array(n * k), sizes = new Int32Array(k), squares = new Float64Array(k);
  for (let step = 0; step < steps; step++) {
    sums.fill(0);
    sizes.fill(0);
    squares.fill(0);
    for (let j = 0; j < n; j++) sizes[clusters[j]]++;
    for (let i = 0; i < n; i++) {
      for (let j = 0; j < n; j++) sums[i * k + clusters[j]] += products[i * n + j];
      squares[clusters[i]] += sums[i * k + clusters[i]];
    }
    const next = new Int32Array(n);
    let total = 0;
    for (let i = 0; i < n; i++) {
      let least = Infinity;
      for (let c = 0; c < k; c++) {
        if (!sizes[c]) continue;
        const distance = products[i * n + i] - 2 * sums[i * k + c] / sizes[c] + squares[c] / sizes[c] ** 2;
        if (distance < least) [least, next[i]] = [distance, c];
      }
      total += Math.max(0, least);
    }
    const settled = next.every((c, i) => c === clusters[i]);
    [clusters, spread] = [next, total];
    if (settled) break;
  }
  return { clusters, spread };
}

/** A place with a chance in proportion to its weight. */
function drawn(weights: Float64Array, random: Random): number {
  let left = random.next() * weights.reduce((sum, w) => sum + Math.max(0, w), 0);
  for (let i = 0; i < weights.length; i++) {
    left -= Math.max(0, weights[i]);
    if (left < 0) return i;
  }
  return random.integer(weights.length);
}

/** How well two partitions of the same points agree. */
export interface Agreement {
  /** Mutual information over the mean of both entropies: 0 independent, 1 the same. */
  normalized_mutual_information: number;
  /** Pairs alike in both, less what chance would have (Hubert and Arabie 1985): 0 by chance, 1 the same. */
  adjusted_rand_index: number;
}

/** Agreement of clusters with classes. */
export function agreementOf(a: ArrayLike<number>, b: ArrayLike<number>): Agreement {
  const n = a.length, counts = new Map<string, number>();
  const left = new Map<number, number>(), right = new Map<number, number>();
  const count = <K>(into: Map<K, number>, key: K) => into.set(key, (into.get(key) ?? 0) + 1);
  for (let i = 0; i < n; i++) {
    count(counts, `${a[i]}:${b[i]}`);
    count(left, a[i]);
    count(right, b[i]);
  }
  const entropy = (sizes: Iterable<number>) =>
    [...sizes].reduce((sum, m) => sum - m / n * Math.log(m / n), 0);
  const pairs = (sizes: Iterable<number>) => [...sizes].reduce((sum, m) => sum + m * (m - 1) / 2, 0);
  const [ha, hb, hab] = [left, right, counts].map((sizes) => entropy(sizes.values()));
  const [pa, pb, pab] = [left, right, counts].map((sizes) => pairs(sizes.values()));
  const chance = pa * pb / (n * (n - 1) / 2), most = (pa + pb) / 2;
  return {
    normalized_mutual_information: ha + hb > 0 ? Math.max(0, 2 * (ha + hb - hab) / (ha + hb)) : 1,
    adjusted_rand_index: most === chance ? 1 : (pab - chance) / (most - chance),
  };
}
