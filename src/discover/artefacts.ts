/** Light curves that stand out because of how they were observed, told by rules that one can read. */
import type { Dataset } from "../data/dataset.ts";

/** The rules, in the order they are asked; each says in words what it found, or nothing. */
const rules: Record<string, (curve: Curve) => string | undefined> = {
  /** Too few points to say anything. */
  few_points: ({ magnitude }) =>
    magnitude.length < fewest ? `${magnitude.length} observations, fewer than ${fewest}` : undefined,
  /** All of it within a few nights. */
  short: ({ mjd }) => {
    const days = mjd[mjd.length - 1] - mjd[0];
    return days < 5 ? `all within ${days.toPrecision(2)} days` : undefined;
  },
  /** Most magnitudes are the very same: saturated, at the limit, or filled in. */
  repeated: ({ magnitude }) => {
    const counts = new Map<number, number>();
    for (const value of magnitude) counts.set(value, (counts.get(value) ?? 0) + 1);
    const share = Math.max(...counts.values()) / magnitude.length;
    return share > 0.5 ? `${Math.round(100 * share)} % of the magnitudes are the same number` : undefined;
  },
  /** One observation makes the scatter: without it, half of the variance is gone, and it lies far outside of the others. */
  one_outlier: ({ magnitude }) => {
    const mean = magnitude.reduce((sum, value) => sum + value, 0) / magnitude.length;
    let worst = 0, squares = 0;
    for (let i = 0; i < magnitude.length; i++) {
      squares += (magnitude[i] - mean) ** 2;
      if (Math.abs(magnitude[i] - mean) > Math.abs(magnitude[worst] - mean)) worst = i;
    }
    const others = magnitude.filter((_, i) => i !== worst), n = others.length;
    const middle = others.reduce((sum, value) => sum + value, 0) / n;
    const rest = others.reduce((sum, value) => sum + (value - middle) ** 2, 0), sigma = Math.sqrt(rest / n);
    const distance = Math.abs(magnitude[worst] - middle);
    return rest < squares / 2 && distance > 8 * sigma
      ? `one observation is ${distance.toFixed(2)} mag away from all others (${
        sigma > 0 ? (distance / sigma).toFixed(0) : "infinitely many"
      } sigma)`
      : undefined;
  },
};

/** Observations below which {@link rules} call a light curve short of points. */
const fewest = 20;

interface Curve {
  mjd: Float64Array;
  magnitude: Float32Array;
}

/** What is wrong with a light curve: the rule's name and its finding; undefined where none applies. */
export function artefactOf(
  { mjd, mag, offsets, lengths }: Pick<Dataset, "mjd" | "mag" | "offsets" | "lengths">,
  lightCurve: number,
): { rule: string; finding: string } | undefined {
  const [from, to] = [offsets[lightCurve], offsets[lightCurve] + lengths[lightCurve]];
  const curve = { mjd: mjd.subarray(from, to), magnitude: mag.subarray(from, to) };
  for (const [rule, find] of Object.entries(rules)) {
    const finding = find(curve);
    if (finding !== undefined) return { rule, finding };
  }
  return undefined;
}
