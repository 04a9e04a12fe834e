/** Projected embeddings, colored by class. */
import type { FigureSpec } from "./figure.ts";
import { config, look, palette, shapes, textWidth, widths } from "./style.ts";

/** One projected embedding. */
export interface ProjectedPoint {
  x: number;
  y: number;
  /** Null where there is none. */
  class: string | null;
  /** Title of the panel that the point belongs to (a block, for instance); all points have one, or none has. */
  panel?: string;
}

/** How a projection is drawn. */
export interface ProjectionFigureOptions {
  /** What the axes are called, before their numbers: t-SNE or UMAP. */
  axes: string;
  title?: string;
  /** Panels side by side. Default: 3. */
  columns?: number;
}

/**
 * All eight of Okabe and Ito's (2008) colors, then four of Tol's (2021) that stay as far from them and from each other,
 * also with red, green or blue blindness. Gray is left for what has no class.
 */
const colors = [...palette.slice(0, 7), "#F0E442", "#661100", "#332288", "#AA3377", "#666633"];
/** With so many classes color alone is enough; with more, five shapes and twelve colors make sixty looks. */
const plainClasses = 8, classShapes = shapes.slice(0, 5);

const none = "unclassified";
const gray = "#d4d4d4";

/**
 * A scatter plot, 8.5 cm wide (a journal's column) or with panels 17.6 cm, both axes on one scale. The legend has the
 * largest class first; rare classes are drawn over common ones, and points without a class, gray, under all.
 */
export function projectionFigure(
  points: readonly ProjectedPoint[],
  { axes, title, columns = 3 }: ProjectionFigureOptions,
): FigureSpec {
  const byClass = Map.groupBy(points, (point) => point.class ?? none);
  const unclassified = byClass.get(none);
  byClass.delete(none);
  const classes = [...byClass].sort(([a, { length: inA }], [b, { length: inB }]) =>
    inB - inA || a.localeCompare(b, "en")
  );
  const looks = classes.map(([name], i) => ({
    name,
    color: look(colors, i),
    shape: classes.length > plainClasses ? look(classShapes, i) : classShapes[0],
  }));
  if (unclassified) looks.push({ name: none, color: gray, shape: classShapes[0] });

  const panels = new Map(
    [...Map.groupBy(points, ({ panel }) => panel)].map(([panel, within]) => [panel, fitter(within)]),
  );
  const faceted = !panels.has(undefined), across = faceted ? Math.min(columns, panels.size) : 1;
  // What axes, their titles and the gaps between panels leave.
  const width = across === 1 ? widths.column - 30 : (widths.page + 20) / across - 45;
  const labelWidth = Math.max(0, ...looks.map(({ name }) => textWidth(name, config.legend.labelFontSize)));

  const coordinate = (field: "x" | "y", number: number) => ({
    field,
    type: "quantitative",
    title: `${axes} ${number}`,
    scale: { domain: [-1.03, 1.03], nice: false },
    axis: { ticks: false, labels: false, domain: false },
  });
  const byClassIn = (channel: "color" | "shape") => ({
    field: "class",
    type: "nominal",
    title: null,
    scale: { domain: looks.map(({ name }) => name), range: looks.map((of) => of[channel]) },
    legend: {
      orient: "bottom",
      offset: 6,
      columns: Math.max(1, Math.floor(across * width / (labelWidth + 26))), // a symbol and gaps stand beside a label
      labelLimit: 0,
      symbolLimit: 0,
      symbolSize: 40,
    },
  });
  const panel: FigureSpec = {
    width,
    height: width,
    mark: {
      type: "point",
      filled: true,
      size: markArea(points.length / panels.size, width),
      opacity: 0.6,
    },
    encoding: {
      x: coordinate("x", 1),
      y: coordinate("y", 2),
      color: byClassIn("color"),
      shape: byClassIn("shape"),
    },
  };
  const inOrderOfDrawing = [...unclassified ?? [], ...classes.flatMap(([, members]) => members)];
  return {
    ...(title === undefined ? {} : { title }),
    data: {
      values: inOrderOfDrawing.map((point) => ({
        ...panels.get(point.panel)!(point),
        class: point.class ?? none,
        panel: point.panel,
      })),
    },
    ...(faceted
      ? {
        facet: { field: "panel", title: null, sort: [...panels.keys()] },
        columns: across,
        resolve: { axis: { x: "independent", y: "independent" } }, // else an empty place gets a title
        spec: panel,
      }
      : panel),
  };
}

type Place = Pick<ProjectedPoint, "x" | "y">;

/** Brings a panel's points into the square from -1 to 1, x and y on one scale: what it is means nothing. */
function fitter(points: readonly Place[]): (point: Place) => Place {
  const extent = (axis: "x" | "y") => {
    let low = Infinity, high = -Infinity;
    for (const { [axis]: value } of points) {
      low = Math.min(low, value);
      high = Math.max(high, value);
    }
    return { middle: (low + high) / 2, half: (high - low) / 2 };
  };
  const x = extent("x"), y = extent("y"), half = Math.max(x.half, y.half) || 1;
  return (point) => ({ x: (point.x - x.middle) / half, y: (point.y - y.middle) / half });
}

/** A point's area in pixels: all together could cover half of a panel, if each can be seen and is not a blot. */
function markArea(points: number, width: number): number {
  return Math.min(20, Math.max(2, width ** 2 / 2 / points));
}
