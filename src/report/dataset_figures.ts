/** What a dataset is like: magnitudes and cadences, as figures 4 and 5 of the paper show them. */
import type { Dataset } from "../data/dataset.ts";
import type { Figure } from "./figure.ts";
import { dashes, lineLegend, look, palette, sized } from "./style.ts";

/** A part of a dataset. */
export interface DatasetPart {
  /** What it is called: the subset, and the dataset if there are several. */
  name: string;
  light_curves: number;
  /** Magnitudes of a sample of its light curves. */
  magnitudes: Float32Array;
  /** Days between neighboring observations of a light curve, of the same sample, ascending. */
  steps: Float64Array;
  /** Of the sample. */
  sampled: number;
}

type Observations = Pick<Dataset, "size" | "subsets" | "offsets" | "lengths" | "mjd" | "mag">;

/** Observations of a part that are looked at, which a figure of a distribution never needs more of. */
const enough = 1_000_000;

/** The dataset's subsets, each with a sample of every n-th light curve that has about `enough` observations. */
export function partsOf(dataset: Observations, prefix = ""): DatasetPart[] {
  const parts: DatasetPart[] = [], { mjd, mag } = dataset;
  for (const subset of ["train", "validation", "test", "none"] as const) {
    const all = Array.from({ length: dataset.size }, (_, i) => i).filter((i) =>
      dataset.subsets[i] === subset
    );
    if (all.length === 0) continue;
    const observations = all.reduce((sum, i) => sum + dataset.lengths[i], 0);
    const every = Math.ceil(observations / enough), chosen = all.filter((_, place) => place % every === 0);
    const count = chosen.reduce((sum, i) => sum + dataset.lengths[i], 0);
    const magnitudes = new Float32Array(count), steps = new Float64Array(count - chosen.length);
    let filled = 0, stepped = 0;
    for (const i of chosen) {
      const from = dataset.offsets[i], to = from + dataset.lengths[i];
      magnitudes.set(mag.subarray(from, to), filled);
      filled += dataset.lengths[i];
      for (let k = from + 1; k < to; k++) steps[stepped++] = mjd[k] - mjd[k - 1];
    }
    const name = prefix + (subset === "none" ? "in no subset" : subset);
    parts.push({
      name,
      light_curves: all.length,
      magnitudes,
      steps: steps.sort(),
      sampled: chosen.length,
    });
  }
  return parts;
}

/** The share of a part's observations in each bin of magnitude, by the bin's width. */
export function magnitudeDensities(parts: readonly DatasetPart[], bins = 60) {
  const sorted = parts.map(({ magnitudes }) => magnitudes.toSorted());
  // Single observations far away would leave no room for the others.
  const lowest = Math.min(...sorted.map((values) => quantile(values, 0.001)));
  const highest = Math.max(...sorted.map((values) => quantile(values, 0.999)));
  const width = niceStep((highest - lowest) / bins), first = Math.floor(lowest / width);
  const last = Math.max(first, Math.floor(highest / width));
  const densities: { part: string; magnitude: number; density: number }[] = [];
  for (const [i, { name, magnitudes }] of parts.entries()) {
    const counts = new Float64Array(last - first + 1);
    for (const magnitude of sorted[i]) {
      const bin = Math.floor(magnitude / width) - first;
      if (bin >= 0 && bin < counts.length) counts[bin]++;
    }
    for (const [bin, count] of counts.entries()) {
      densities.push({
        part: name,
        magnitude: (first + bin + 0.5) * width,
        density: count / magnitudes.length / width,
      });
    }
  }
  return { width, densities };
}

/** The distributions of magnitudes; brighter is left. */
export function magnitudeFigure(parts: readonly DatasetPart[]): Figure {
  const { width, densities } = magnitudeDensities(parts), names = parts.map(({ name }) => name);
  const scale = { domain: names };
  const part = { field: "part", type: "nominal", title: null } as const;
  const legend = { columns: names.some((name) => name.length > 14) ? 1 : 2, ...lineLegend };
  return {
    name: "magnitudes",
    caption:
      `Distributions of the observed magnitudes, in bins of ${width} mag, each normalized to an area of one. Light curves are ` +
      `shifted to zero mean before the model sees them. ${sizesOf(parts)}`,
    width: "column",
    spec: {
      data: { values: densities },
      ...sized("column", 220),
      mark: { type: "line", interpolate: "step", strokeWidth: 1.5 },
      encoding: {
        x: {
          field: "magnitude",
          type: "quantitative",
          title: "magnitude (mag)",
          scale: { zero: false, nice: false },
          axis: { tickCount: 6 },
        },
        y: {
          field: "density",
          type: "quantitative",
          title: "density (1/mag)",
          axis: { tickCount: 5 },
        },
        color: {
          ...part,
          scale: { ...scale, range: names.map((_, i) => look(palette, i)) },
          legend,
        },
        strokeDash: { ...part, scale: { ...scale, range: names.map((_, i) => look(dashes, i)) }, legend },
      },
    },
  };
}

/** The box of a part: quartiles, and 5th and 95th percentile; steps of no length have no place on a logarithmic axis. */
export function cadenceBoxes(parts: readonly DatasetPart[]) {
  return parts.flatMap(({ name, steps }) => {
    const zeros = steps.findLastIndex((step) => step <= 0) + 1, positive = steps.subarray(zeros);
    if (positive.length === 0) return [];
    const [low, lower, median, upper, high] = [0.05, 0.25, 0.5, 0.75, 0.95].map((q) => quantile(positive, q));
    return [{ part: name, low, lower, median, upper, high, zeros: zeros / steps.length }];
  });
}

/** Box plots of the days between neighboring observations; null where no light curve has two at different times. */
export function cadenceFigure(parts: readonly DatasetPart[]): Figure | null {
  const boxes = cadenceBoxes(parts);
  if (boxes.length === 0) return null;
  const zeros = Math.max(...boxes.map((box) => box.zeros));
  const powers = Array.from({ length: 25 }, (_, i) => 10 ** (i - 12));
  const y = (field: string) => ({
    field,
    type: "quantitative",
    title: "time between observations (days)",
    scale: { type: "log" },
    axis: { values: powers, labelExpr: "toString(datum.value)" },
  });
  const band = Math.min(40, 200 / boxes.length);
  return {
    name: "time-differences",
    caption:
      "Distributions of the time between neighboring observations of a light curve. Boxes: quartiles, with a line at the " +
      `median; whiskers: 5th to 95th percentile. ${sizesOf(parts)}` +
      (zeros > 0
        ? ` Observations at the very same time (at most ${
          (100 * zeros).toPrecision(2)
        } % of a subset) are left out.`
        : ""),
    width: "column",
    spec: {
      data: { values: boxes },
      ...sized("column", 200),
      encoding: {
        x: {
          field: "part",
          type: "nominal",
          title: null,
          sort: null,
          axis: { labelAngle: boxes.length > 4 ? -40 : 0, labelLimit: 140, ticks: false, labelPadding: 6 },
        },
      },
      layer: [
        { mark: { type: "rule", strokeWidth: 1.2 }, encoding: { y: y("low"), y2: { field: "lower" } } },
        { mark: { type: "rule", strokeWidth: 1.2 }, encoding: { y: y("upper"), y2: { field: "high" } } },
        {
          mark: { type: "bar", width: band, fill: "#a9cbe4", stroke: "black", strokeWidth: 1 },
          encoding: { y: y("lower"), y2: { field: "upper" } },
        },
        { mark: { type: "tick", width: band, thickness: 2, color: "black" }, encoding: { y: y("median") } },
        {
          mark: { type: "tick", width: band / 2, thickness: 1.2, color: "black" },
          encoding: { y: y("low") },
        },
        {
          mark: { type: "tick", width: band / 2, thickness: 1.2, color: "black" },
          encoding: { y: y("high") },
        },
      ],
    },
  };
}

function sizesOf(parts: readonly DatasetPart[]): string {
  const number = (value: number) => value.toLocaleString("en-US");
  return "Light curves: " +
    parts.map(({ name, light_curves, sampled }) =>
      `${name} ${number(light_curves)}` +
      (sampled < light_curves ? ` (of which ${number(sampled)}, evenly drawn, are shown)` : "")
    ).join(", ") + ".";
}

/** Between the two nearest of ascending values, as NumPy's default has it. */
function quantile(sorted: Float32Array | Float64Array, q: number): number {
  const place = q * (sorted.length - 1), below = Math.floor(place);
  const [a, b] = [sorted[below], sorted[Math.min(below + 1, sorted.length - 1)]];
  return a + (b - a) * (place - below);
}

/** The smallest of 1, 2, 5 times a power of ten that is not less. */
function niceStep(step: number): number {
  const power = 10 ** Math.floor(Math.log10(step > 0 ? step : 0.01));
  const nice = [1, 2, 5, 10].find((factor) => factor * power >= step * (1 - 1e-9)) ?? 10;
  return Number((nice * power).toPrecision(1));
}
