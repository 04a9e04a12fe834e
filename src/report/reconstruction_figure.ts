/** Light curves with their hidden points and what the model made of them. */
import { role } from "../data/batch.ts";
import type { Dataset } from "../data/dataset.ts";
import type { WindowResult } from "../evaluate/reconstruction.ts";
import type { FigureSpec } from "./figure.ts";

/** One point of a drawn window. */
export interface DrawnPoint {
  /** Title of the panel. */
  panel: string;
  /** Days from the window's mean. */
  time: number;
  /** mag, from the window's mean. */
  magnitude: number;
  kind: "seen" | "hidden" | "predicted";
}

/** A window's seen points, its hidden ones and their predictions. */
export function drawnPoints(
  panel: string,
  dataset: Pick<Dataset, "offsets" | "mjd" | "mag">,
  { window, points, roles, predicted, targets }: WindowResult,
): DrawnPoint[] {
  const from = dataset.offsets[window.lightCurve] + window.start;
  const days = dataset.mjd.subarray(from, from + window.length),
    mag = dataset.mag.subarray(from, from + window.length);
  const mean = (values: Float32Array | Float64Array) =>
    (values as Float64Array).reduce((sum, value) => sum + value, 0) / window.length;
  const middle = mean(days), level = mean(mag);
  const hidden = new Set(points.filter((_, i) => roles[i] === role.masked));
  const replaced = new Set(points.filter((_, i) => roles[i] === role.replaced)); // seen, but not as they are
  const drawn: DrawnPoint[] = [];
  for (let i = 0; i < window.length; i++) {
    if (!hidden.has(i) && !replaced.has(i)) {
      drawn.push({ panel, time: days[i] - middle, magnitude: mag[i] - level, kind: "seen" });
    }
  }
  for (const [i, point] of points.entries()) {
    if (!hidden.has(point)) continue;
    const time = days[point] - middle;
    drawn.push({ panel, time, magnitude: targets[i], kind: "hidden" }, {
      panel,
      time,
      magnitude: predicted[i],
      kind: "predicted",
    });
  }
  return drawn;
}

const kinds = ["seen", "hidden", "predicted"];

/** How kinds of points are told apart, in grey print too. */
export const kindEncoding = {
  color: {
    field: "kind",
    type: "nominal",
    title: null,
    sort: kinds,
    scale: { domain: kinds, range: ["#b8b8b8", "#1f4e9c", "#e4572e"] },
  },
  shape: {
    field: "kind",
    type: "nominal",
    scale: { domain: kinds, range: ["circle", "circle", "cross"] },
  },
};

/** Magnitude against time, brighter up, one panel a window. */
export function reconstructionFigure(points: readonly DrawnPoint[], columns = 2): FigureSpec {
  return {
    data: { values: points },
    facet: {
      field: "panel",
      title: null,
      sort: null,
      header: { labelFontSize: 12, labelFontWeight: "bold" },
    },
    columns,
    config: { legend: { orient: "top", title: null } },
    resolve: { scale: { x: "independent", y: "independent" } },
    spec: {
      width: 360,
      height: 150,
      mark: { type: "point", filled: true, size: 22 },
      encoding: {
        x: { field: "time", type: "quantitative", title: "days" },
        y: {
          field: "magnitude",
          type: "quantitative",
          title: "magnitude",
          scale: { reverse: true, zero: false },
        },
        ...kindEncoding,
      },
    },
  };
}
