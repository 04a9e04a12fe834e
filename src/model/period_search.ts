/**
 * The period by which the visible points of a window repeat: the highest peak of the generalised Lomb-Scargle periodogram
 * (Zechmeister & Kürster 2009, A&A 496, 577), for all windows of a batch at once, where the model computes. All points
 * weigh the same.
 *
 * Frequencies of the grid are some coarse ones a, plus and minus small steps b, so that one matrix product of cosines and
 * sines serves all: cos(a ± b) = cos a cos b ∓ sin a sin b. Where the plain periodogram of the grid is highest, the
 * generalised one is measured at halves of the grid's step, and about its maximum a parabola is laid, three times: so the
 * period is a smooth function of the magnitudes, but where two peaks are equally high. Measured frequencies and the
 * parabolas are float64: a window is tens of thousands of short periods long, and rounding to float32 would shift the last
 * by a hundredth.
 *
 * The grid is made for windows of some months to eleven years. Of longer ones narrow peaks fall between its frequencies; of
 * ones of days a peak takes all places of the second look, so that the plain periodogram alone chooses it.
 */
import { noGrad } from "../../ffi/autograd.ts";
import type { Device } from "../../ffi/device.ts";
import {
  add,
  amax,
  cat,
  cos,
  div,
  exp,
  expand,
  frac,
  gather,
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
  viewAsComplex,
  viewAsReal,
  where,
} from "../../ffi/ops.ts";
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
/** Frequencies above, and as many below each coarse one; neighbours of which only the highest goes on; how many go on. */
const eachSide = 128, neighbours = 8, candidates = 8;
/** Smallest determinant D (eq. 6; 1/4 where phases are spread evenly) that is divided by. */
const smallestDeterminant = 1e-3;

/** Of windows that are searched together all coarse frequencies, on the CPU and on a GPU: each takes about 12 kB. */
const coarseAtOnce = { cpu: 1 << 13, cuda: 1 << 17 };

/** Numbers that a search is made with; frequencies in 1/day. */
export interface SearchGrid {
  /** (A,) the middle of each part of the grid. */
  coarse: number[];
  /** (eachSide,) steps above and below a coarse frequency; neighbours stand far apart: see {@link searchGrid}. */
  fine: number[];
  /** (A x 2 eachSide / neighbours,) the middle of each group of neighbours: those above a coarse frequency, then those below. */
  groups: number[];
  /** (O,) half steps about such a middle. */
  offsets: number[];
  /** (3,) each: below a maximum, on it, above it. */
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
 * @throws {RangeError} when there is no period between the bounds, or the search would need too much memory
 */
export function searchGrid(
  { shortest_period: shortest, longest_period: longest }: Pick<
    Architecture,
    "shortest_period" | "longest_period"
  >,
): SearchGrid {
  if (!(shortest >= shortestFoldedPeriod && shortest < longest)) {
    throw new RangeError(
      `periods must be at least ${shortestFoldedPeriod} days, the shortest below the longest, not ${shortest} to ${longest}`,
    );
  }
  const lowest = 1 / longest, highest = 1 / shortest;
  const count = Math.ceil((highest - lowest) / (2 * eachSide * widestStep));
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
    offsets: Array.from({ length: 4 * reach + 1 }, (_, i) => (i / 2 - reach) * step),
    parabolas: [step / 2, step / 16, step / 128].map((distance) => [-distance, 0, distance]),
    lowest,
    highest,
    neighbours,
    candidates,
    smallestVariance: 1e-12, // (1 micromag)²
    smallestDeterminant,
    leastBend: -1e-12, // beyond the rounding of float64
    // Four points are always fitted exactly, but for rounding, and are no evidence of a period.
    leastRest: 1e-5,
    // Of M independent peaks of noise in n points the highest has a power of about 1 - M^(-2 / (n - 3)); here M is the
    // grid's, whatever the window's span.
    noise: 2 * Math.log(2 * eachSide * count / neighbours),
  };
}

/** Finds periods between the shortest and the longest of an architecture. */
export class PeriodSearch implements Disposable {
  readonly #dtype: "float32" | "bfloat16";
  readonly #coarse: Tensor; // (A, 1), 1/day
  readonly #fine: Tensor; // (eachSide, 1)
  /** Coarse frequencies as sums, where tables are made of products: (A / inGroup, 1) and (inGroup, 1), 1/day. */
  readonly #sums: readonly [Tensor, Tensor] | undefined;
  readonly #groups: Tensor; // (A x 2 eachSide / neighbours,) float64: the middle of each group of neighbours
  readonly #offsets: Tensor; // (O,) float64: half steps about such a middle
  readonly #parabolaOffsets: readonly Tensor[]; // (3,) float64 each: below a maximum, on it, above it
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
   * @param options device, what the grid is searched with, and whether in as few passes over memory as can be (default: on
   * a GPU)
   * @throws {RangeError} as {@link searchGrid}
   */
  constructor(
    bounds: Pick<Architecture, "shortest_period" | "longest_period">,
    { device = "cpu", dtype = "float32", fewPasses = device !== "cpu" }: {
      device?: Device;
      dtype?: "float32" | "bfloat16";
      fewPasses?: boolean;
    } = {},
  ) {
    this.#dtype = dtype;
    const grid = searchGrid(bounds);
    const tensor = (values: number[], shape?: number[]) =>
      unscoped(() => Tensor.from(Float32Array.from(values), shape, { device }));
    const exact = (values: number[], shape?: number[]) =>
      unscoped(() => Tensor.from(Float64Array.from(values), shape, { device }));
    const scalar = (value: number) => tensor([value], []),
      exactScalar = (value: number) => exact([value], []);
    this.#coarse = tensor(grid.coarse, [grid.coarse.length, 1]);
    this.#fine = tensor(grid.fine, [eachSide, 1]);
    const inGroup = 16,
      [first, second = first] = grid.coarse,
      groups = Math.ceil(grid.coarse.length / inGroup);
    const steps = (length: number, from: number, step: number) =>
      tensor(Array.from({ length }, (_, i) => from + i * step), [length, 1]);
    this.#sums = fewPasses
      ? [steps(groups, first, inGroup * (second - first)), steps(inGroup, 0, second - first)]
      : undefined;
    this.#groups = exact(grid.groups);
    this.#offsets = exact(grid.offsets);
    this.#parabolaOffsets = grid.parabolas.map((offsets) => exact(offsets));
    this.#scalars = {
      zero: scalar(0),
      half: scalar(0.5),
      one: scalar(1),
      minusOne: scalar(-1),
      fittedParameters: scalar(3), // of a sinusoid and a mean
      twoPi: exactScalar(2 * Math.PI),
      twoPiSingle: scalar(2 * Math.PI),
      smallestVariance: scalar(grid.smallestVariance),
      leastBend: scalar(grid.leastBend),
      leastRest: scalar(grid.leastRest),
      determinant: scalar(grid.smallestDeterminant),
      lowest: exactScalar(grid.lowest),
      highest: exactScalar(grid.highest),
      noise: scalar(grid.noise),
    };
  }

  /** The best period of each window; a window whose visible points do not vary has a significance of 0. */
  find({ magnitudes, times, hidden, keys = times.shape[1] }: SeenPoints): Periodicity {
    const [frequency, significance] = noGrad(() =>
      scope(() => {
        const parts: [Tensor, Tensor][] = [], batch = times.shape[0];
        const coarse = coarseAtOnce[times.device === "cpu" ? "cpu" : "cuda"];
        const atOnce = Math.max(1, Math.floor(coarse / this.#coarse.shape[0]));
        for (let from = 0; from < batch; from += atOnce) {
          const some = (t: Tensor) => narrow(narrow(t, 0, from, Math.min(atOnce, batch - from)), 1, 0, keys);
          parts.push(scope(() => this.#search(some(times), some(magnitudes), hidden && some(hidden))));
        }
        return [0, 1].map((i) => parts.length === 1 ? parts[0][i] : cat(parts.map((part) => part[i]), 0));
      })
    );
    return { frequency, significance };
  }

  /** Frequencies and significances of some windows. */
  #search(times: Tensor, magnitudes: Tensor, hidden: Tensor | null): [Tensor, Tensor] {
    const { zero, half, one, minusOne, fittedParameters, smallestVariance } = this.#scalars;
    const { leastBend, leastRest, lowest, highest } = this.#scalars, batch = times.shape[0];
    const row = (t: Tensor) => transpose(t, 1, 2); // (B, 1, L)
    const mask = hidden && row(hidden);
    const visibleOnly = (values: Tensor) => mask ? where(mask, zero, values) : values;
    const t = visibleOnly(row(times));
    const visible = visibleOnly(expand(one, t.shape));
    const n = sum(visible, [2], true); // (B, 1, 1)
    const w = div(visible, maximum(n, one));
    const centred = (values: Tensor) => visibleOnly(sub(values, sum(mul(w, values), [2], true)));
    const y = centred(centred(visibleOnly(row(magnitudes)))); // twice: the first mean is rounded
    const deviation = sqrt(add(sum(mul(w, square(y)), [2], true), smallestVariance));
    const wy = mul(w, div(y, deviation));

    const within = (frequencies: Tensor) => minimum(maximum(frequencies, lowest), highest);
    const about = (frequencies: Tensor, offsets: Tensor) =>
      within(
        reshape(add(reshape(frequencies, [batch, -1, 1]), offsets), [
          batch,
          frequencies.shape[1] * offsets.elements,
        ]),
      );
    const near = about(scope(() => this.#candidates(t, wy)), this.#offsets);
    const [, place] = topk(this.#power(near, t, w, wy), 1, 1);
    let frequency = gather(near, 1, place); // (B, 1)
    let power: Tensor | undefined;
    const exactly = [t, w, wy].map((values) => to(values, "float64")) as [Tensor, Tensor, Tensor];
    for (const offsets of this.#parabolaOffsets) {
      const powers = this.#power(about(frequency, offsets), ...exactly);
      const [below, on, above] = [0, 1, 2].map((i) => narrow(powers, 1, i, 1));
      // The parabola's maximum, in units of the distance: at most one away, and none of a flat one.
      const slope = mul(sub(below, above), half);
      const bend = minimum(sub(add(below, above), on, 2), leastBend);
      const shift = minimum(maximum(div(slope, bend), minusOne), one);
      frequency = within(add(frequency, mul(shift, narrow(offsets, 0, 2, 1))));
      power = on;
    }
    const [best, share] = [frequency, to(power!, "float32")].map((values) => reshape(values, [batch, 1, 1]));
    const ofNoise = exp(div(this.#scalars.noise, maximum(sub(n, fittedParameters), half)));
    const rest = minimum(mul(maximum(sub(one, share), leastRest), ofNoise), one);
    return [best, sub(one, rest)];
  }

  /** Where the grid's plain periodogram is highest: (B, candidates) float64, 1/day. */
  #candidates(t: Tensor, wy: Tensor): Tensor {
    const batch = t.shape[0], count = this.#coarse.shape[0], size = this.#groups.elements / count; // groups of a
    const grid = this.#sums ? this.#gridInFewPasses(t, wy, this.#sums) : this.#grid(t, wy); // (B, A, size)
    // The highest groups lie at the coarse frequencies with the highest maxima.
    const [, rows] = topk(amax(grid, [2]), Math.min(candidates, count), 1);
    const some = expand(reshape(rows, [batch, -1, 1]), [-1, -1, size]);
    const [powers, frequencies] = [grid, expand(reshape(this.#groups, [1, count, size]), [batch, -1, -1])]
      .map((all) => reshape(gather(all, 1, some), [batch, -1]));
    const [, places] = topk(powers, candidates, 1);
    return gather(frequencies, 1, places);
  }

  /** The plain periodogram, of each group of neighbours the highest: (B, A, groups of a). */
  #grid(t: Tensor, wy: Tensor): Tensor {
    const batch = t.shape[0], count = this.#coarse.shape[0];
    // For this much the digits of bfloat16 suffice: what is chosen here is measured again.
    const sums = (f: Tensor) => to(reshape(f, [batch, 2 * f.shape[2], t.shape[2]]), this.#dtype);
    const [a, b] = [this.#coarse, this.#fine].map((f) => this.#cosAndSin(mul(f, t))); // (B, 2, A or eachSide, L)
    const products = matmul(sums(mul(a, reshape(wy, [batch, 1, 1, t.shape[2]]))), transpose(sums(b), 1, 2)); // (B, 2A, 2 eachSide)
    const part = (i: number, j: number) =>
      narrow(narrow(products, 1, i * count, count), 2, j * eachSide, eachSide); // (B, A, eachSide)
    const cc = part(0, 0), cs = part(0, 1), sc = part(1, 0), ss = part(1, 1);
    // |C + iS|² at a ± b, of C = cc ∓ ss and S = sc ± cs.
    const power = (C: Tensor, S: Tensor) =>
      amax(reshape(add(square(C), square(S)), [batch, count, neighbours, eachSide / neighbours]), [2]);
    return cat([power(sub(cc, ss), add(sc, cs)), power(add(cc, ss), sub(sc, cs))], 2);
  }

  /**
   * The same in a third of the passes over memory, which is what a GPU spends its time on: exp(i a t) is a product of two
   * small tables; and one matrix product gives C and S at a + b and at a - b, its sums over the points' real and imaginary
   * parts alike, for twice the arithmetic.
   */
  #gridInFewPasses(t: Tensor, wy: Tensor, [groups, within]: readonly [Tensor, Tensor]): Tensor {
    const [batch, , length] = t.shape, count = this.#coarse.shape[0];
    const [g, i, b] = [groups, within, this.#fine].map((f) => {
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

  /** Eqs. 5 to 15 with Y = 0 and YY = 1, at frequencies (B, F) float64: (B, F), computed in the dtype of the points. */
  #power(frequencies: Tensor, t: Tensor, w: Tensor, wy: Tensor): Tensor {
    const [batch, count] = frequencies.shape;
    const both = this.#cosAndSin(mul(reshape(frequencies, [batch, count, 1]), t), t.dtype); // (B, 2, F, L)
    const totals = (values: Tensor, ...weights: Tensor[]) => {
      const product = matmul(
        reshape(values, [batch, 2 * count, t.shape[2]]),
        transpose(cat(weights, 1), 1, 2),
      );
      return (ofSine: number, i: number) =>
        reshape(narrow(narrow(product, 1, ofSine * count, count), 2, i, 1), [batch, count]);
    };
    const linear = totals(both, w, wy), squared = totals(mul(both, narrow(both, 1, 0, 1)), w);
    const C = linear(0, 0), YC = linear(0, 1), S = linear(1, 0), YS = linear(1, 1);
    const CC = sub(squared(0, 0), square(C)), CS = sub(squared(1, 0), mul(C, S));
    const SS = sub(sub(this.#scalars.one, squared(0, 0)), square(S));
    const D = maximum(sub(mul(CC, SS), square(CS)), this.#scalars.determinant);
    const crossed = mul(mul(CS, YC), YS);
    return div(sub(add(mul(SS, square(YC)), mul(CC, square(YS))), crossed, 2), D);
  }

  /** Of cycles (B, F, L), of which only the fraction counts: (B, 2, F, L). */
  #cosAndSin(cycles: Tensor, dtype: Dtype = "float32"): Tensor {
    const angles = mul(to(frac(cycles), dtype), this.#scalars.twoPi);
    return stack([cos(angles), sin(angles)], 1);
  }

  [Symbol.dispose](): void {
    const tensors = [
      this.#coarse,
      this.#fine,
      ...this.#sums ?? [],
      this.#groups,
      this.#offsets,
      ...this.#parabolaOffsets,
    ];
    for (const tensor of [...tensors, ...Object.values(this.#scalars)]) tensor.dispose();
  }
}
