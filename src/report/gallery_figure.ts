/** Many light curves on one page, each in a small panel: what a search found, what stands out. */
import type { Dataset } from "../data/dataset.ts";
import { lombScargle } from "../evaluate/lomb_scargle.ts";
import { float32Digits, magnitudeAxisOf, phaseOf } from "./column.ts";
import type { FigureSpec } from "./figure.ts";
import { palette, textWidth, widths } from "./style.ts";

/** A light curve with what stands over it. */
export interface GalleryPanel {
  /** Its index in the dataset; undefined: the dataset does not have it, and the panel says so. */
  lightCurve: number | undefined;
  title: string;
  /** A second line. */
  remark?: string;
  /** Drawn in another color: what was asked for, beside what was found. */
  marked?: boolean;
}

/** How a gallery is drawn. */
export interface GalleryOptions {
  title: string;
  /** Folded on the best period of a Lomb-Scargle periodogram, in place of time. Default: no. */
  folded?: boolean;
}

/** Panels that one page holds. */
export const mostPanels = 60;
/** Observations of a panel; of more, some are left out evenly. */
const mostPoints = 400;
const columns = 5, panelHeight = 62;

/** A page of light curves, 17.6 cm wide. Times and phases begin with the first observation. */
export async function galleryFigure(
  dataset: Pick<Dataset, "mjd" | "mag" | "err" | "offsets" | "lengths">,
  panels: readonly GalleryPanel[],
  { title, folded = false }: GalleryOptions,
): Promise<FigureSpec> {
  const { mjd, mag, err, offsets, lengths } = dataset;
  const curves = panels.map(({ lightCurve }) => {
    if (lightCurve === undefined) return undefined;
    const [from, to] = [offsets[lightCurve], offsets[lightCurve] + lengths[lightCurve]];
    return { mjd: mjd.subarray(from, to), magnitude: mag.subarray(from, to), error: err.subarray(from, to) };
  });
  const known = curves.flatMap((curve) => curve ?? []);
  const peaks = folded ? await lombScargle(known, { oversampling: 3 }) : [];
  const periods = new Map(known.map((curve, i) => [curve, peaks[i]?.period]));
  const width = Math.floor(widths.page / columns) - 34;
  return {
    title: { text: title, anchor: "start", fontSize: 12, offset: 10 },
    columns: Math.min(columns, panels.length),
    spacing: { row: 8, column: 6 },
    concat: panels.map((panel, i) => {
      const curve = curves[i], period = curve && periods.get(curve);
      return panelOf(panel, curve, folded ? period ?? NaN : undefined, width);
    }),
    config: { axis: { labelFontSize: 7, titleFontSize: 7, tickSize: 2, labelPadding: 1, titlePadding: 1 } },
  };
}

interface Curve {
  mjd: Float64Array;
  magnitude: Float32Array;
}

function panelOf(
  { title, remark, marked }: GalleryPanel,
  curve: Curve | undefined,
  period: number | undefined,
  width: number,
): FigureSpec {
  const lines = [shortened(title, width, 8), ...remark === undefined ? [] : [shortened(remark, width, 7)]];
  const head = {
    text: lines[0],
    subtitle: lines.slice(1),
    fontSize: 8,
    subtitleFontSize: 7,
    subtitleColor: "#555",
    anchor: "start",
    offset: 2,
    frame: "group",
  };
  if (!curve) {
    return {
      width,
      height: panelHeight,
      title: head,
      data: { values: [{}] },
      mark: { type: "text", text: "not in the dataset", fontSize: 8, color: "#777" },
    };
  }
  const folds = period !== undefined && Number.isFinite(period);
  const step = Math.max(1, curve.mjd.length / mostPoints);
  const places = Array.from({ length: Math.floor(curve.mjd.length / step) }, (_, i) => Math.floor(i * step));
  const first = curve.mjd[0];
  const values = places.map((place) => {
    const t = curve.mjd[place] - first;
    return {
      x: Number((folds ? phaseOf(t, period, 0) : t).toPrecision(6)),
      m: float32Digits(curve.magnitude[place]),
    };
  });
  const { axis, clip } = magnitudeAxisOf(values.map(({ m }) => m));
  return {
    width,
    height: panelHeight,
    title: head,
    data: { values },
    mark: { type: "point", filled: true, size: 3, opacity: 0.7, clip, color: palette[marked ? 1 : 0] },
    encoding: {
      x: {
        field: "x",
        type: "quantitative",
        title: folds ? `phase (${Number(period.toPrecision(4))} d)` : "days",
        ...folds ? { scale: { domain: [0, 1] } } : {},
        axis: { tickCount: 3 },
      },
      y: {
        field: "m",
        type: "quantitative",
        title: null,
        scale: axis.scale,
        axis: { tickCount: 3, minExtent: 18, maxExtent: 24 },
      },
    },
  };
}

/** A text that is no wider than a panel. */
function shortened(text: string, width: number, size: number): string {
  if (textWidth(text, size, true) <= width + 20) return text;
  const letters = [...text];
  while (letters.length > 1 && textWidth(`${letters.join("")}…`, size, true) > width + 20) letters.pop();
  return `${letters.join("").trimEnd()}…`;
}
