/** Light curves with their hidden points and what the model made of them. */
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

/** Magnitude against time, brighter up, one panel a window. */
export function reconstructionFigure(points: readonly DrawnPoint[], columns = 2): FigureSpec {
  const kinds = ["seen", "hidden", "predicted"];
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
      },
    },
  };
}
