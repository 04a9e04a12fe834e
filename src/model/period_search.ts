/**
 * The period by which the visible points of a window repeat: the highest peak of the generalised Lomb-Scargle periodogram
 * (Zechmeister & Kürster 2009, A&A 496, 577), for all windows of a batch at once, where the model computes. All points
 * weigh the same.
 *
 * 1. A grid of the plain periodogram. Its frequencies are some coarse ones a, plus and minus small steps b, so that one
 *    matrix product of cosines and sines serves all: cos(a ± b) = cos a cos b ∓ sin a sin b. A window of half the span has
 *    peaks twice as wide, so on the CPU it is searched in steps twice as wide.
 * 2. Where the grid is highest, the generalised periodogram at halves of the grid's step, again as a product.
 * 3. About the maximum a parabola is laid, three times: so the period is a smooth function of the magnitudes, but where two
 *    peaks are equally high.
 *
 * Frequencies of the second and third step are float64: a window is tens of thousands of short periods long, and rounding
 * to float32 would shift the last by a hundredth.
 *
 * The grid is made for windows of days to eleven years; of longer ones narrow peaks fall between its frequencies.
 */
import { noGrad } from "../../ffi/autograd.ts";
import type { Device } from "../../ffi/device.ts";
import {
  add,
  amax,
  amin,
  cat,
  cos,
  div,
  exp,
  expand,
  frac,
  gather,
  indexSelect,
  matmul,
  maximum,
  minimum,
  mul,
  narrow,
  reshape,
  sin,
  sqrt,
  square,
  stack,
  sub,
  sum,
  to,
  topk,
  transpose,
  unbind,
  viewAsComplex,
  viewAsReal,
  where,
} from "../../ffi/ops.ts";
import { mulOut } from "../../ffi/kernels.ts";
import { type Dtype, scope, Tensor, unscoped } from "../../ffi/tensor.ts";
import { type Architecture, shortestFoldedPeriod } from "./architecture.ts";

/** What a period is looked for in. */
export interface SeenPoints {
  /** (B, L, 1) float32, mag. */
  magnitudes: Tensor;
  /** (B, L, 1) float32, days, zero-mean in each window. */
  times: Tensor;
  /** (B, L, 1) bool: points that are not seen; null when all are. */
  hidden: Tensor | null;
  /** Only the first `keys` of the L are looked at: all later ones are hidden in every window. Default: L. */
  keys?: number;
}

/** Where and how periods are searched. */
export interface SearchOptions {
  /** Default: the CPU. */
  device?: Device;
  /** What the grid is computed with; default: float32. */
  dtype?: "float32" | "bfloat16";
  /**
   * In as few passes over memory as can be, and without a look at the windows, for which a GPU would have to be waited for.
   * Default: on a GPU.
   */
  fewPasses?: boolean;
}

/** The best period of each window. */
export interface Periodicity {
  /** (B, 1, 1) float64, 1/day. */
  frequency: Tensor;
  /**
   * (B, 1, 1) float32, 0 … 1: the share of the variance that the sinusoid explains, beyond what the highest peak of noise
   * would.
   */
  significance: Tensor;
}

/** The grid's step at most, 1/day: two a peak of a window of eleven years. */
const widestStep = 1 / 8192;
/** The grid's step may be wider by 2 to the power of this, for windows of two months and less. */
const widestClass = 6;
/** Frequencies above, and as many below each coarse one; neighbours of which only the highest goes on; how many go on. */
const eachSide = 128, neighbours = 8, candidates = 8;
/** Smallest determinant D (eq. 6; 1/4 where phases are spread evenly) that is divided by. */
const smallestDeterminant = 1e-3;

/**
 * Of windows that are searched together all coarse frequencies, on the CPU and on a GPU: each takes about 4 kB, on the CPU
 * of its cache.
 */
const coarseAtOnce = { cpu: 1 << 10, cuda: 1 << 17 };

/** Numbers that a search is made with; frequencies in 1/day. */
export interface SearchGrid {
  /** (A,) the middle of each part of the grid. */
  coarse: number[];
  /** (eachSide,) steps above and below a coarse frequency; neighbours stand far apart: see {@link searchGrid}. */
  fine: number[];
  /** (A x 2 eachSide / neighbours,) the middle of each group of neighbours: those above a coarse frequency, then those below. */
  groups: number[];
  /** From a frequency to the next. */
  step: number;
  /** (O,) half steps about the middle of a group, in steps. */
  offsets: number[];
  /** (3,) each: below a maximum, on it, above it, in steps. */
  parabolas: number[][];
  lowest: number;
  highest: number;
  /** Neighbours of which only the highest goes on. */
  neighbours: number;
  /** How many coarse frequencies, and then how many groups, go on. */
  candidates: number;
  smallestVariance: number;
  smallestDeterminant: number;
  leastBend: number;
  leastRest: number;
  /** See the significance of a {@link Periodicity}: of M independent peaks of noise, 2 log M. */
  noise: number;
}

/**
 * The grid between the shortest and the longest period.
 * @param bounds days
 * @param wider its step is so many times as wide as that for windows of eleven years
 * @throws {RangeError} when there is no period between the bounds, or the search would need too much memory
 */
export function searchGrid(
  { shortest_period: shortest, longest_period: longest }: Pick<
    Architecture,
    "shortest_period" | "longest_period"
  >,
  wider = 1,
): SearchGrid {
  if (!(shortest >= shortestFoldedPeriod && shortest < longest)) {
    throw new RangeError(
      `periods must be at least ${shortestFoldedPeriod} days, the shortest below the longest, not ${shortest} to ${longest}`,
    );
  }
  const lowest = 1 / longest, highest = 1 / shortest;
  const countOf = (wider: number) => Math.ceil((highest - lowest) / (2 * eachSide * wider * widestStep));
  const count = countOf(wider);
  const width = (highest - lowest) / count, step = width / (2 * eachSide);
  const coarse = Array.from({ length: count }, (_, a) => lowest + (a + 0.5) * width);
  const groups = Array.from({ length: eachSide / neighbours }, (_, g) => (g + 0.5) * neighbours * step);
  const reach = neighbours / 2 + 1;
  // Neighbours stand far apart, so that the maximum over them is taken of whole vectors.
  const fine = (i: number) => Math.floor(i / groups.length) + neighbours * (i % groups.length);
  return {
    coarse,
    fine: Array.from({ length: eachSide }, (_, i) => (fine(i) + 0.5) * step),
    groups: coarse.flatMap((a) => [...groups.map((b) => a + b), ...groups.map((b) => a - b)]),
    step,
    offsets: Array.from({ length: 4 * reach + 1 }, (_, i) => i / 2 - reach),
    parabolas: [1 / 2, 1 / 16, 1 / 128].map((distance) => [-distance, 0, distance]),
    lowest,
    highest,
    neighbours,
    candidates,
    smallestVariance: 1e-12, // (1 micromag)²
    smallestDeterminant,
    leastBend: -1e-12, // beyond the rounding of float64
    // Four points are always fitted exactly, but for rounding, and are no evidence of a period.
    leastRest: 1e-5,
    // Of M independent peaks of noise in n points the highest has a power of about 1 - M^(-2 / (n - 3)); here M is that of
    // the longest windows, whatever the window's span.
    noise: 2 * Math.log(2 * eachSide * countOf(1) / neighbours),
  };
}

/** A grid as tensors. */
class GridTensors implements Disposable {
  readonly coarse: Tensor; // (A, 1), 1/day
  readonly fine: Tensor; // (eachSide, 1)
  readonly groups: Tensor; // (A x 2 eachSide / neighbours,) float64: the middle of each group of neighbours
  /** Coarse frequencies as sums, where tables are made of products: (A / inGroup, 1) and (inGroup, 1), 1/day. */
  readonly sums: readonly [Tensor, Tensor] | undefined;
  /** From a frequency to the next. */
  readonly step: number;
  readonly steps: Tensor; // (1, 1) float64: the same for all windows

  constructor({ coarse, fine, groups, step }: SearchGrid, device: Device, fewPasses: boolean) {
    const column = (values: number[]) =>
      unscoped(() => Tensor.from(Float32Array.from(values), [values.length, 1], { device }));
    this.coarse = column(coarse);
    this.fine = column(fine);
    this.groups = unscoped(() => Tensor.from(Float64Array.from(groups), undefined, { device }));
    this.step = step;
    this.steps = unscoped(() => Tensor.from(Float64Array.of(step), [1, 1], { device }));
    const inGroup = 16, [first, second = first] = coarse;
    const steps = (length: number, from: number, step: number) =>
      column(Array.from({ length }, (_, i) => from + i * step));
    this.sums = fewPasses
      ? [
        steps(Math.ceil(coarse.length / inGroup), first, inGroup * (second - first)),
        steps(inGroup, 0, second - first),
      ]
      : undefined;
  }

  [Symbol.dispose](): void {
    const tensors = [this.coarse, this.fine, this.groups, this.steps, ...this.sums ?? []];
    for (const tensor of tensors) tensor.dispose();
  }
}

/** Finds periods between the shortest and the longest of an architecture. */
export class PeriodSearch implements Disposable {
  readonly #dtype: "float32" | "bfloat16";
  readonly #device: Device;
  readonly #bounds: Pick<Architecture, "shortest_period" | "longest_period">;
  readonly #fewPasses: boolean;
  /** By how wide their steps are, as a power of 2. */
  readonly #grids: GridTensors[] = [];
  readonly #offsets: Tensor; // (O,) float64, steps
  readonly #parabolaOffsets: readonly Tensor[]; // (3,) float64 each, steps
  readonly #scalars: Record<
    | "zero"
    | "half"
    | "one"
    | "minusOne"
    | "fittedParameters"
    | "twoPi"
    | "twoPiSingle"
    | "smallestVariance"
    | "leastBend"
    | "leastRest"
    | "determinant"
    | "lowest"
    | "highest"
    | "noise",
    Tensor
  >;

  /**
   * @param bounds the shortest and the longest period, days
   * @throws {RangeError} as {@link searchGrid}
   */
  constructor(
    bounds: Pick<Architecture, "shortest_period" | "longest_period">,
    { device = "cpu", dtype = "float32", fewPasses = device !== "cpu" }: SearchOptions = {},
  ) {
    this.#dtype = dtype;
    this.#device = device;
    this.#bounds = bounds;
    this.#fewPasses = fewPasses;
    const grid = searchGrid(bounds);
    const scalar = (value: number) => unscoped(() => Tensor.scalar(value, { device }));
    const exact = (values: number[], shape?: number[]) =>
      unscoped(() => Tensor.from(Float64Array.from(values), shape, { device }));
    this.#grids[0] = new GridTensors(grid, device, fewPasses);
    this.#offsets = exact(grid.offsets);
    this.#parabolaOffsets = grid.parabolas.map((offsets) => exact(offsets));
    this.#scalars = {
      zero: scalar(0),
      half: scalar(0.5),
      one: scalar(1),
      minusOne: scalar(-1),
      fittedParameters: scalar(3), // of a sinusoid and a mean
      twoPi: exact([2 * Math.PI], []),
      twoPiSingle: scalar(2 * Math.PI),
      smallestVariance: scalar(grid.smallestVariance),
      leastBend: scalar(grid.leastBend),
      leastRest: scalar(grid.leastRest),
      determinant: scalar(grid.smallestDeterminant),
      lowest: exact([grid.lowest], []),
      highest: exact([grid.highest], []),
      noise: scalar(grid.noise),
    };
  }

  /** The best period of each window; a window whose visible points do not vary has a significance of 0. */
  find({ magnitudes, times, hidden, keys = times.shape[1] }: SeenPoints): Periodicity {
    const [frequency, significance] = noGrad(() =>
      scope(() => {
        const some = (t: Tensor) => transpose(narrow(t, 1, 0, keys), 1, 2); // (B, 1, L)
        return this.#search(some(times), some(magnitudes), hidden && some(hidden));
      })
    );
    return { frequency, significance };
  }

  /** Frequencies and significances. */
  #search(times: Tensor, magnitudes: Tensor, mask: Tensor | null): [Tensor, Tensor] {
    const { zero, half, one, minusOne, fittedParameters, smallestVariance } = this.#scalars;
    const { leastBend, leastRest } = this.#scalars, batch = times.shape[0];
    const visibleOnly = (values: Tensor) => mask ? where(mask, zero, values) : values;
    const t = visibleOnly(times);
    const visible = visibleOnly(expand(one, t.shape));
    const n = sum(visible, [2], true); // (B, 1, 1)
    const w = div(visible, maximum(n, one));
    const centred = (values: Tensor) => visibleOnly(sub(values, sum(mul(w, values), [2], true)));
    const y = centred(centred(visibleOnly(magnitudes))); // twice: the first mean is rounded
    const deviation = sqrt(add(sum(mul(w, square(y)), [2], true), smallestVariance));
    const wy = mul(w, div(y, deviation));

    const { middles, step } = this.#candidates(t, wy); // (B, candidates), (B, 1)
    let frequency = this.#secondLook(middles, step, t, w, wy); // (B, 1)
    let power: Tensor | undefined;
    const exactly = [t, w, wy].map((values) => to(values, "float64")) as [Tensor, Tensor, Tensor];
    for (const offsets of this.#parabolaOffsets) {
      const distances = mul(step, offsets); // (B or 1, 3)
      const powers = this.#power(this.#within(add(frequency, distances)), ...exactly);
      const [below, on, above] = [0, 1, 2].map((i) => narrow(powers, 1, i, 1));
      // The parabola's maximum, in units of the distance: at most one away, and none of a flat one.
      const slope = mul(sub(below, above), half);
      const bend = minimum(sub(add(below, above), on, 2), leastBend);
      const shift = minimum(maximum(div(slope, bend), minusOne), one);
      frequency = this.#within(add(frequency, mul(shift, narrow(distances, 1, 2, 1))));
      power = on;
    }
    const [best, share] = [frequency, to(power!, "float32")].map((values) => reshape(values, [batch, 1, 1]));
    const ofNoise = exp(div(this.#scalars.noise, maximum(sub(n, fittedParameters), half)));
    const rest = minimum(mul(maximum(sub(one, share), leastRest), ofNoise), one);
    return [best, sub(one, rest)];
  }

  #within(frequencies: Tensor): Tensor {
    return minimum(maximum(frequencies, this.#scalars.lowest), this.#scalars.highest);
  }

  /**
   * Where the plain periodogram is highest, on a grid as fine as each window needs.
   * @param t (B, 1, L) days
   * @returns middles of groups of neighbours (B, candidates) float64, 1/day, and the grid's steps (B or 1, 1) float64
   */
  #candidates(t: Tensor, wy: Tensor): { middles: Tensor; step: Tensor } {
    const byStep = [...this.#byStep(t)].map(([wider, windows]) => ({ grid: this.#gridOf(wider), windows }));
    const parts = byStep.flatMap(({ grid, windows }) => {
      const most = coarseAtOnce[this.#device === "cpu" ? "cpu" : "cuda"];
      const atOnce = Math.max(1, Math.floor(most / grid.coarse.shape[0]));
      return Array.from({ length: Math.ceil(windows.length / atOnce) }, (_, i) => {
        const some = windows.slice(i * atOnce, (i + 1) * atOnce);
        return scope(() => this.#highest(this.#rowsOf(t, some), this.#rowsOf(wy, some), grid));
      });
    });
    const middles = parts.length === 1 ? parts[0] : cat(parts, 0);
    if (byStep.length === 1) return { middles, step: byStep[0].grid.steps };
    // Back into the windows' own order.
    const batch = t.shape[0], steps = new Float64Array(batch), places = new Array<number>(batch);
    let place = 0;
    for (const { grid, windows } of byStep) {
      for (const i of windows) {
        steps[i] = grid.step;
        places[i] = place++;
      }
    }
    return { middles: this.#rowsOf(middles, places), step: Tensor.from(steps, [batch, 1]) };
  }

  #rowsOf(values: Tensor, rows: readonly number[]): Tensor {
    const [first] = rows;
    if (rows.every((row, i) => row === first + i)) return narrow(values, 0, first, rows.length);
    return indexSelect(values, 0, Tensor.from(BigInt64Array.from(rows, BigInt)));
  }

  /** Windows by how wide their grid's steps may be, as a power of 2. */
  #byStep(t: Tensor): Iterable<[number, number[]]> {
    const all = Array.from({ length: t.shape[0] }, (_, i) => i);
    if (this.#fewPasses || t.shape[2] === 0) return [[0, all]];
    const spans = sub(amax(t, [2]), amin(t, [2])).toArray() as Float32Array; // hidden points are at 0, within
    return Map.groupBy(all, (i) => {
      const wider = Math.floor(Math.log2(1 / (2 * widestStep * spans[i])));
      return Math.min(Math.max(wider, 0), widestClass) || 0;
    });
  }

  #gridOf(wider: number): GridTensors {
    return this.#grids[wider] ??= new GridTensors(
      searchGrid(this.#bounds, 2 ** wider),
      this.#device,
      this.#fewPasses,
    );
  }

  /** Where a grid's plain periodogram is highest: (B, candidates) float64, 1/day. */
  #highest(t: Tensor, wy: Tensor, { coarse, fine, groups, sums }: GridTensors): Tensor {
    const batch = t.shape[0], count = coarse.shape[0], size = groups.elements / count; // groups of a
    const grid = sums ? this.#gridInFewPasses(t, wy, sums, fine, count) : this.#grid(t, wy, coarse, fine); // (B, A, size)
    // The highest groups lie at the coarse frequencies with the highest maxima.
    const [, rows] = topk(amax(grid, [2]), Math.min(candidates, count), 1);
    const some = expand(reshape(rows, [batch, -1, 1]), [-1, -1, size]);
    const [powers, frequencies] = [grid, expand(reshape(groups, [1, count, size]), [batch, -1, -1])]
      .map((all) => reshape(gather(all, 1, some), [batch, -1]));
    const [, places] = topk(powers, candidates, 1);
    return gather(frequencies, 1, places);
  }

  /** The plain periodogram, of each group of neighbours the highest: (B, A, groups of a). */
  #grid(t: Tensor, wy: Tensor, coarse: Tensor, fine: Tensor): Tensor {
    const batch = t.shape[0], count = coarse.shape[0];
    const a = this.#cosAndSin(mul(coarse, t)); // (B, A, L)
    const b = this.#cosAndSin(mul(fine, t)).map((values) => mul(values, wy)); // (B, eachSide, L)
    // For this much the digits of bfloat16 suffice: what is chosen here is measured again.
    const [left, right] = [a, b].map((both) => to(cat(both, 1), this.#dtype));
    const products = matmul(left, transpose(right, 1, 2)); // (B, 2A, 2 eachSide)
    const part = (i: number, j: number) =>
      narrow(narrow(products, 1, i * count, count), 2, j * eachSide, eachSide); // (B, A, eachSide)
    const cc = part(0, 0), cs = part(0, 1), sc = part(1, 0), ss = part(1, 1);
    // |C + iS|² at a ± b, of C = cc ∓ ss and S = sc ± cs.
    const power = (C: Tensor, S: Tensor) => {
      const squares = add(mulOut(C, C, { out: C }), mulOut(S, S, { out: S }));
      return amax(reshape(squares, [batch, count, neighbours, eachSide / neighbours]), [2]);
    };
    return cat([power(sub(cc, ss), add(sc, cs)), power(add(cc, ss), sub(sc, cs))], 2);
  }

  /**
   * The same in a third of the passes over memory, which is what a GPU spends its time on: exp(i a t) is a product of two
   * small tables; and one matrix product gives C and S at a + b and at a - b, its sums over the points' real and imaginary
   * parts alike, for twice the arithmetic.
   */
  #gridInFewPasses(
    t: Tensor,
    wy: Tensor,
    [groups, within]: readonly [Tensor, Tensor],
    fine: Tensor,
    count: number,
  ): Tensor {
    const [batch, , length] = t.shape;
    const [g, i, b] = [groups, within, fine].map((f) => {
      const angles = mul(frac(mul(f, t)), this.#scalars.twoPiSingle);
      return { cos: cos(angles), sin: sin(angles) }; // (B, frequencies, L)
    });
    const complex = (weights: Tensor | null, { cos, sin }: { cos: Tensor; sin: Tensor }) =>
      viewAsComplex(stack([cos, sin].map((part) => weights ? mul(weights, part) : part), 3));
    const table = mul(
      reshape(complex(wy, g), [batch, -1, 1, length]),
      reshape(complex(null, i), [batch, 1, -1, length]),
    ); // (B, A / inGroup, inGroup, L)
    const a = narrow(reshape(viewAsReal(table), [batch, -1, 2 * length]), 1, 0, count);
    const minus = mul(b.sin, this.#scalars.minusOne);
    // Rows of C(a + b), S(a + b), C(a - b), S(a - b): what a point's real and imaginary part count.
    const rows = [[b.cos, minus], [b.sin, b.cos], [b.cos, b.sin], [minus, b.cos]]
      .map((parts) => reshape(stack(parts, 3), [batch, eachSide, 2 * length]));
    // For this much the digits of bfloat16 suffice: what is chosen here is measured again.
    const [left, right] = [a, cat(rows, 1)].map((values) => to(values, this.#dtype));
    const parts = square(matmul(left, transpose(right, 1, 2))); // (B, A, 4 eachSide)
    const power = sum(reshape(parts, [batch, count, 2, 2, eachSide]), [3]);
    const highest = amax(reshape(power, [batch, count, 2, neighbours, eachSide / neighbours]), [3]);
    return reshape(highest, [batch, count, 2 * eachSide / neighbours]);
  }

  /**
   * The frequency about some middles f at which the generalised periodogram is highest. Sums over points at f + o are
   * products of what is at f and what is at o, those of squares too: cos² x = (1 + cos 2x) / 2.
   * @param middles (B, F) float64, 1/day
   * @param step (B or 1, 1) float64, 1/day
   * @returns (B, 1) float64
   */
  #secondLook(middles: Tensor, step: Tensor, t: Tensor, w: Tensor, wy: Tensor): Tensor {
    const { half, minusOne } = this.#scalars, [batch, count] = middles.shape;
    const offsets = this.#offsets.elements, distances = mul(step, this.#offsets); // (B or 1, O)
    const tables = (frequencies: Tensor) => {
      const [c, s] = this.#cosAndSin(mul(reshape(frequencies, [...frequencies.shape, 1]), t)); // (B, n, L)
      return [c, s, sub(half, square(s)), mul(s, c)]; // cos x, sin x, cos 2x / 2, sin 2x / 2
    };
    const at = tables(middles), near = tables(distances);
    const weighted = [...at.map((part) => mul(w, part)), mul(wy, at[0]), mul(wy, at[1])];
    const products = matmul(cat(weighted, 1), transpose(cat(near, 1), 1, 2)); // (B, 6F, 4O)
    const parts = unbind(reshape(products, [batch, 6, count, 4, offsets]), 1).map((part) => unbind(part, 2)); // (B, F, O)
    const cosines = (c: number, s: number, j = 0) => sub(parts[c][j], parts[s][j + 1]);
    const sines = (c: number, s: number, j = 0) => add(parts[s][j], parts[c][j + 1]);
    const power = this.#generalised({
      C: cosines(0, 1),
      S: sines(0, 1),
      YC: cosines(4, 5),
      YS: sines(4, 5),
      // Both factors are halves: their products are a quarter of the cosine and of the sine of twice the sum.
      ofSquares: add(half, cosines(2, 3, 2), 2),
      ofProducts: add(sines(2, 3, 2), sines(2, 3, 2)),
    });
    const frequencies = add(reshape(middles, [batch, count, 1]), reshape(distances, [-1, 1, offsets]));
    const beyond = to(sub(frequencies, this.#within(frequencies)), "bool");
    const [, place] = topk(reshape(where(beyond, minusOne, power), [batch, -1]), 1, 1);
    return gather(reshape(frequencies, [batch, -1]), 1, place);
  }

  /** Eqs. 5 to 15 with Y = 0 and YY = 1, at frequencies (B, F) float64: (B, F), computed in the dtype of the points. */
  #power(frequencies: Tensor, t: Tensor, w: Tensor, wy: Tensor): Tensor {
    const [batch, count] = frequencies.shape;
    const [c, s] = this.#cosAndSin(mul(reshape(frequencies, [batch, count, 1]), t), t.dtype); // (B, F, L)
    const products = matmul(cat([w, wy], 1), transpose(cat([c, s, square(c), mul(s, c)], 1), 1, 2)); // (B, 2, 4F)
    const [C, S, ofSquares, ofProducts, YC, YS] = unbind(reshape(products, [batch, 8, count]), 1);
    return this.#generalised({ C, S, YC, YS, ofSquares, ofProducts });
  }

  /** Eqs. 5 to 15 from the weighted sums of cosines and sines, of them times y, of cosines squared, of cosine times sine. */
  #generalised(
    { C, S, YC, YS, ofSquares, ofProducts }: Record<
      "C" | "S" | "YC" | "YS" | "ofSquares" | "ofProducts",
      Tensor
    >,
  ): Tensor {
    const CC = sub(ofSquares, square(C)), CS = sub(ofProducts, mul(C, S));
    const SS = sub(sub(this.#scalars.one, ofSquares), square(S));
    const D = maximum(sub(mul(CC, SS), square(CS)), this.#scalars.determinant);
    const crossed = mul(mul(CS, YC), YS);
    return div(sub(add(mul(SS, square(YC)), mul(CC, square(YS))), crossed, 2), D);
  }

  /** Cosines and sines of cycles (B, F, L), of which only the fraction counts. */
  #cosAndSin(cycles: Tensor, dtype: Dtype = "float32"): [Tensor, Tensor] {
    const angles = mul(to(frac(cycles), dtype), this.#scalars.twoPi);
    return [cos(angles), sin(angles)];
  }

  [Symbol.dispose](): void {
    const tensors = [this.#offsets, ...this.#parabolaOffsets, ...Object.values(this.#scalars)];
    for (const tensor of tensors) tensor.dispose();
    for (const grid of this.#grids) grid?.[Symbol.dispose]();
  }
}
