/**
 * t-SNE (van der Maaten and Hinton 2008) in two dimensions, with attraction between nearest neighbors alone and the
 * Barnes-Hut approximation of repulsion (van der Maaten 2014), so that an iteration takes O(N log N).
 */
import type { Neighbors } from "./nearest_neighbors.ts";

/** Settings of {@link tsneLayout}, with scikit-learn's meanings. */
export interface TsneOptions {
  /** The effective number of neighbors of a point: 2 to the entropy of its p_j|i. At most k. */
  perplexity: number;
  /** What the gradient of the Kullback-Leibler divergence is multiplied by. */
  learningRate: number;
  iterations: number;
}

// As van der Maaten's own program and scikit-learn have them.
const exaggeration = { factor: 12, iterations: 250 };
const momentum = { early: 0.5, late: 0.8 };
const theta = 0.5;

/**
 * Moves points until near neighbors are near each other.
 * @param neighbors of every embedding, without itself
 * @param positions x, y of each: where the points start, a ten thousandth of what is given, so close that none is cut
 * off from its neighbors; in the end where they lie
 * @returns an iterator that pauses after each iteration, with the number of all
 */
export function* tsneLayout(
  neighbors: Neighbors,
  positions: Float64Array,
  { perplexity, learningRate, iterations }: TsneOptions,
): Generator<number> {
  for (let i = 0; i < positions.length; i++) positions[i] *= 1e-4;
  const similarities = conditionalProbabilities(neighbors, perplexity);
  const tree = new Quadtree(positions.length / 2);
  const attraction = new Float64Array(positions.length), repulsion = new Float64Array(positions.length);
  const step = new Float64Array(positions.length), gains = new Float64Array(positions.length).fill(1);
  for (let iteration = 0; iteration < iterations; iteration++) {
    const early = iteration < exaggeration.iterations;
    attract(positions, neighbors, similarities, attraction);
    tree.build(positions);
    const normalization = tree.repel(positions, repulsion);
    // Close groups form first, while attraction is exaggerated.
    const strength = early ? exaggeration.factor : 1, inertia = early ? momentum.early : momentum.late;
    for (let i = 0; i < positions.length; i++) {
      // Attraction less repulsion, as van der Maaten (2014) writes the gradient.
      const gradient = 4 * (strength * attraction[i] - repulsion[i] / normalization);
      // Jacobs' (1988) adaptive step: longer where it keeps its direction.
      gains[i] = gradient * step[i] < 0 ? gains[i] + 0.2 : Math.max(0.01, 0.8 * gains[i]);
      step[i] = inertia * step[i] - learningRate * gains[i] * gradient;
      positions[i] += step[i];
    }
    yield iterations;
  }
}

/**
 * p_j|i: a Gaussian around every point over its neighbors, as wide as the perplexity wants it, found by bisection.
 * @returns (N, k), every row's sum 1
 */
export function conditionalProbabilities({ k, distances }: Neighbors, perplexity: number): Float64Array {
  const probabilities = new Float64Array(distances.length), entropy = Math.log(perplexity);
  for (let from = 0; from < distances.length; from += k) {
    const squared = Float64Array.from(distances.subarray(from, from + k), (distance) => distance ** 2);
    const nearest = squared[0], spread = squared.reduce((sum, value) => sum + value - nearest, 0) / k;
    if (spread === 0) {
      probabilities.fill(1 / k, from, from + k);
      continue;
    }
    let low = 0, high = Infinity, precision = 1 / spread; // 1 / (2 sigma^2)
    for (let tries = 0; tries < 100; tries++) {
      let sum = 0, weighted = 0;
      for (let j = 0; j < k; j++) {
        const excess = squared[j] - nearest, probability = Math.exp(-precision * excess);
        probabilities[from + j] = probability;
        sum += probability;
        weighted += probability * excess;
      }
      for (let j = from; j < from + k; j++) probabilities[j] /= sum;
      const difference = Math.log(sum) + precision * weighted / sum - entropy;
      if (Math.abs(difference) < 1e-5) break;
      if (difference > 0) low = precision;
      else high = precision;
      precision = high === Infinity ? 2 * precision : (low + high) / 2;
    }
  }
  return probabilities;
}

/**
 * Attractive forces: the sum over j of p_ij (y_i - y_j) / (1 + |y_i - y_j|^2), where p_ij = (p_j|i + p_i|j) / 2N. Each
 * p_j|i pulls at both of its points, so the joint probabilities need not be made.
 */
function attract(
  positions: Float64Array,
  { k, indices }: Neighbors,
  similarities: Float64Array,
  forces: Float64Array,
): void {
  forces.fill(0);
  const scale = 1 / positions.length; // 2N
  for (let i = 0; i < positions.length; i += 2) {
    const x = positions[i], y = positions[i + 1];
    let sumX = 0, sumY = 0;
    for (let edge = i / 2 * k; edge < (i / 2 + 1) * k; edge++) {
      const j = 2 * indices[edge], dx = x - positions[j], dy = y - positions[j + 1];
      const force = scale * similarities[edge] / (1 + dx * dx + dy * dy);
      sumX += force * dx;
      sumY += force * dy;
      forces[j] -= force * dx;
      forces[j + 1] -= force * dy;
    }
    forces[i] += sumX;
    forces[i + 1] += sumY;
  }
}

/**
 * A quadtree over points of the plane, rebuilt at each iteration: cells in depth-first order in flat arrays, each with
 * the place where its subtree ends, so that it is walked without a stack. Cells with one cell inside are left out.
 */
class Quadtree {
  /** Levels of cells: points that share a cell of the finest, 2^-16 of the plane, stay one body. */
  static readonly levels = 16;
  readonly #keys: Float64Array;
  readonly #order: Int32Array;
  readonly #codes: Uint32Array;
  /** Four numbers a cell: x, y of its points' mean, their number, and the squared distance from which it is one. */
  readonly #cells: Float64Array;
  readonly #ends: Int32Array;
  #size = 0;
  #extent = 0;

  constructor(points: number) {
    this.#keys = new Float64Array(points);
    this.#order = new Int32Array(points);
    this.#codes = new Uint32Array(points);
    this.#cells = new Float64Array(8 * points);
    this.#ends = new Int32Array(2 * points);
  }

  build(positions: Float64Array): void {
    let left = Infinity, right = -Infinity, bottom = Infinity, top = -Infinity;
    for (let i = 0; i < positions.length; i += 2) {
      left = Math.min(left, positions[i]);
      right = Math.max(right, positions[i]);
      bottom = Math.min(bottom, positions[i + 1]);
      top = Math.max(top, positions[i + 1]);
    }
    this.#extent = Math.max(right - left, top - bottom) || 1;
    const scale = (2 ** Quadtree.levels - 1e-6) / this.#extent, points = this.#keys.length;
    for (let i = 0; i < points; i++) {
      const column = (positions[2 * i] - left) * scale, row = (positions[2 * i + 1] - bottom) * scale;
      // A cell's points stand together in the order of Morton's codes; the point's number is the key's lower part.
      this.#keys[i] = ((spread(column) | spread(row) << 1) >>> 0) * points + i;
    }
    this.#keys.sort();
    for (let rank = 0; rank < points; rank++) {
      const code = Math.floor(this.#keys[rank] / points);
      this.#codes[rank] = code;
      this.#order[rank] = this.#keys[rank] - code * points;
    }
    this.#size = 0;
    this.#cell(positions, 0, points);
  }

  /** Makes the smallest cell that holds the points of these ranks, and the cells within it. */
  #cell(positions: Float64Array, from: number, until: number): void {
    // Two bits of a code a level; the first and the last code differ in the highest one.
    const level = (33 - Math.clz32(this.#codes[from] ^ this.#codes[until - 1])) >> 1;
    const cell = this.#size++, at = 4 * cell, cells = this.#cells, count = until - from;
    let x = 0, y = 0;
    if (level === 0) {
      for (let rank = from; rank < until; rank++) {
        x += positions[2 * this.#order[rank]];
        y += positions[2 * this.#order[rank] + 1];
      }
    } else {
      const shift = 2 * (level - 1);
      for (let start = from; start < until;) {
        const quadrant = this.#codes[start] >>> shift, child = 4 * this.#size;
        let end = start + 1;
        while (end < until && this.#codes[end] >>> shift === quadrant) end++;
        this.#cell(positions, start, end);
        x += cells[child] * (end - start);
        y += cells[child + 1] * (end - start);
        start = end;
      }
    }
    cells[at] = x / count;
    cells[at + 1] = y / count;
    cells[at + 2] = count;
    // Barnes and Hut's condition: the cell's width under theta of its distance.
    cells[at + 3] = level === 0 ? 0 : (this.#extent * 2 ** (level - Quadtree.levels) / theta) ** 2;
    this.#ends[cell] = this.#size;
  }

  /**
   * Repulsive forces: the sum over j of (y_i - y_j) / (1 + |y_i - y_j|^2)^2.
   * @returns Z, the sum over i and j other than i of 1 / (1 + |y_i - y_j|^2), by which they are to be divided
   */
  repel(positions: Float64Array, forces: Float64Array): number {
    const cells = this.#cells, ends = this.#ends, size = this.#size;
    let normalization = 0;
    for (const i of this.#order) {
      const x = positions[2 * i], y = positions[2 * i + 1];
      let forceX = 0, forceY = 0;
      for (let cell = 0; cell < size;) {
        const at = 4 * cell, dx = x - cells[at], dy = y - cells[at + 1], squared = dx * dx + dy * dy;
        if (cells[at + 3] > squared) {
          cell++;
          continue;
        }
        const near = 1 / (1 + squared), weight = cells[at + 2] * near;
        normalization += weight;
        forceX += weight * near * dx;
        forceY += weight * near * dy;
        cell = ends[cell];
      }
      forces[2 * i] = forceX;
      forces[2 * i + 1] = forceY;
    }
    return normalization - this.#order.length; // each point met itself, at distance 0
  }
}

/** Puts a zero between the lower 16 bits. */
function spread(bits: number): number {
  bits = (bits | bits << 8) & 0x00ff00ff;
  bits = (bits | bits << 4) & 0x0f0f0f0f;
  bits = (bits | bits << 2) & 0x33333333;
  return (bits | bits << 1) & 0x55555555;
}
