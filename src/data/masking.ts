/** Which points of a window are probed, and which of those are hidden (section 2.3 of the paper). */
import { setting, z } from "../common/setting.ts";
import type { Random } from "../common/random.ts";

/** Settings of the masking, as fractions of a window's observations. */
export const maskingShape = {
  probed_fraction: setting(
    z.number().gt(0).max(1).default(0.5),
    "share of points that are probed: the loss is over their predictions",
  ),
  masked_fraction: setting(
    z.number().min(0).max(1).default(0.3),
    "share of points that are probed and hidden: never an attention key, the magnitude replaced by the mask token",
  ),
  replaced_fraction: setting(
    z.number().min(0).max(1).default(0.1),
    "share of points that are probed and show the magnitude of another point of the window; the other probed points stay as they are",
  ),
} as const;

/** What fractions of a window's observations are probed, hidden and replaced (section 2.3 of the paper). */
export interface Masking {
  /** Probed: the loss is over their predictions. */
  probed_fraction: number;
  /** Probed and hidden from the model. */
  masked_fraction: number;
  /** Probed and showing the magnitude of another point. The probed rest shows its own. */
  replaced_fraction: number;
}

/**
 * The paper's fractions (section 2.3), of all points: 50 % probed, of them 30 % masked, 10 % replaced and 10 % left.
 *
 * @example
 * ```ts
 * import { Astromer, paperMasking } from "../../mod.ts";
 *
 * const mjd = Array.from({ length: 50 }, (_, i) => 59_000 + i);
 * const lightCurve = { mjd, magnitude: mjd.map((t) => 15 + Math.sin(t / 9)) };
 * using model = Astromer.untrained({ preset: "small" });
 * const { rmse } = await model.evaluate([lightCurve], { masking: paperMasking }); // mag, of the probed points
 * if (!(rmse > 0)) throw new Error("an untrained model cannot be right");
 * ```
 */
export const paperMasking: Masking = { probed_fraction: 0.5, masked_fraction: 0.3, replaced_fraction: 0.1 };

/** Nothing hidden and every point probed, as at inference. */
export const noMasking: Masking = { probed_fraction: 1, masked_fraction: 0, replaced_fraction: 0 };

/** The points of a window by their role; each list in random order, together every point once. Not to be written to. */
export interface MaskedWindow {
  /** Visible, not probed. */
  unprobed: Int32Array;
  /** Probed, left visible with its own magnitude. */
  left: Int32Array;
  /** Probed, visible with the magnitude of another point. */
  replaced: Int32Array;
  /** Probed and hidden. */
  masked: Int32Array;
  /** For each replaced point, the point whose magnitude it shows (possibly itself, as in the reference). */
  sources: Int32Array;
}

/** How many of n points have which role. */
export function roleCounts(n: number, { probed_fraction, masked_fraction, replaced_fraction }: Masking): {
  unprobed: number;
  left: number;
  replaced: number;
  masked: number;
} {
  const probed = Math.max(1, Math.floor(probed_fraction * n)); // a window without one would teach nothing
  const masked = Math.min(probed, Math.round(masked_fraction * n));
  const replaced = Math.min(probed - masked, Math.round(replaced_fraction * n));
  return { unprobed: n - probed, left: probed - masked - replaced, replaced, masked };
}

/**
 * Draws the roles of n points.
 * @param n observations of the window
 * @param draw gives the stream to draw from, where there is something to draw
 */
export function maskWindow(n: number, masking: Masking, draw: () => Random): MaskedWindow {
  const { left, replaced, masked } = roleCounts(n, masking);
  if (left === n) {
    return { unprobed: nothing, left: inOrder(n), replaced: nothing, masked: nothing, sources: nothing };
  }
  const random = draw(), points = random.shuffle(inOrder(n).slice());
  const visible = masked + replaced, probed = visible + left;
  const sources = new Int32Array(replaced);
  for (let i = 0; i < replaced; i++) sources[i] = random.integer(n);
  return {
    unprobed: points.subarray(probed),
    left: points.subarray(visible, probed),
    replaced: points.subarray(masked, visible),
    masked: points.subarray(0, masked),
    sources,
  };
}

const nothing = new Int32Array();
let numbers = new Int32Array();

/** 0 … n - 1, which is not to be written to. */
function inOrder(n: number): Int32Array {
  if (numbers.length < n) numbers = Int32Array.from({ length: n }, (_, i) => i);
  return numbers.subarray(0, n);
}

/**
 * Roles of n points of which given ones are hidden; all are probed.
 * @param hidden places in the window
 */
export function maskPoints(n: number, hidden: ReadonlySet<number>): MaskedWindow {
  const points = inOrder(n);
  return {
    unprobed: nothing,
    left: points.filter((i) => !hidden.has(i)),
    replaced: nothing,
    masked: points.filter((i) => hidden.has(i)),
    sources: nothing,
  };
}
