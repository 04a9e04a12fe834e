/** How the cost of a training step grows with one quantity, the others held. */
import { setThreads } from "../../ffi/device.ts";
import { Subject, type SubjectOptions } from "./subject.ts";

/** A quantity that is varied. */
export const quantities = ["batch", "length", "blocks", "threads"] as const;

/** Seconds of a step for each value of a quantity, and the power of the value that fits them best. */
export interface Growth {
  quantity: (typeof quantities)[number];
  values: number[];
  /** Seconds of a step. */
  seconds: number[];
  /** seconds ~ value^exponent, by least squares on logarithms; undefined for one value. */
  exponent?: number;
}

/** The slope of a straight line through (ln x, ln y); undefined for fewer than two points. */
export function exponentOf(x: readonly number[], y: readonly number[]): number | undefined {
  if (x.length < 2) return undefined;
  const mean = (values: number[]) => values.reduce((a, b) => a + b, 0) / values.length;
  const [u, v] = [x.map(Math.log), y.map(Math.log)], [mu, mv] = [mean(u), mean(v)];
  const covariance = u.reduce((sum, value, i) => sum + (value - mu) * (v[i] - mv), 0);
  return covariance / u.reduce((sum, value) => sum + (value - mu) ** 2, 0);
}

/** Measures steps for halves and doubles of what the options say, and for 1, 2, 4 … threads. */
export function growthOf(
  quantity: Growth["quantity"],
  options: SubjectOptions,
  threads: number,
): Growth {
  const { batchSize, architecture, lengths } = options;
  const around = (value: number) => [1 / 4, 1 / 2, 1, 2].map((f) => Math.max(1, Math.round(value * f)));
  const longest = Math.max(...lengths);
  const values = {
    batch: around(batchSize),
    length: around(longest),
    blocks: around(architecture.blocks),
    threads: Array.from({ length: 1 + Math.floor(Math.log2(threads)) }, (_, i) => 2 ** i),
  }[quantity].filter((value, i, all) => all.indexOf(value) === i);
  const seconds = values.map((value) => {
    const changed = {
      batch: { ...options, batchSize: value },
      length: { ...options, lengths: [Math.max(5, value)] },
      blocks: { ...options, architecture: { ...architecture, blocks: value } },
      threads: options,
    }[quantity];
    if (quantity === "threads") setThreads(value);
    using subject = new Subject(changed);
    return changed.batchSize / Math.max(subject.training().windows, subject.training().windows);
  });
  if (quantity === "threads") setThreads(threads);
  return { quantity, values, seconds, exponent: exponentOf(values, seconds) };
}
