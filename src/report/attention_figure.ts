/** Where a block looks: the attention that each observation receives, on the folded light curve (fig. 8 of the paper). */
import type { Dataset } from "../data/dataset.ts";
import type { Window } from "../data/windows.ts";
import {
  columnFigure,
  float32Digits,
  magnitudeAxisOf,
  panelTitle,
  panelWidth,
  phaseAxis,
  phaseOf,
} from "./column.ts";
import type { FigureSpec } from "./figure.ts";
import type { ReportTable } from "./table.ts";

/** An observation and the attention that it receives. */
export interface AttendedObservation {
  /** Days, as the dataset has them. */
  mjd: number;
  /** mag */
  magnitude: number;
  /** mag; 0 stands for an unknown one. */
  error: number;
  /** For each head the weight that queries give it, times the number of observations: 1 where attention is uniform. */
  heads: number[];
  /** Their mean over heads. */
  mean: number;
}

/**
 * The observations of a window and the attention that they receive.
 * @param weights (H, n, n): head, query, key
 * @param query place in the window of the only query that counts. Default: the mean over all
 */
export function attendedObservations(
  { offsets, mjd, mag, err }: Pick<Dataset, "offsets" | "mjd" | "mag" | "err">,
  { lightCurve, start, length: n }: Window,
  weights: Float32Array,
  query?: number,
): AttendedObservation[] {
  const from = offsets[lightCurve] + start, heads = weights.length / (n * n);
  const queries = query === undefined ? Array.from({ length: n }, (_, i) => i) : [query];
  return Array.from({ length: n }, (_, key) => {
    const received = Array.from({ length: heads }, (_, head) => {
      const sum = queries.reduce((sum, query) => sum + weights[(head * n + query) * n + key], 0);
      return sum * n / queries.length;
    });
    return {
      mjd: mjd[from + key],
      magnitude: mag[from + key],
      error: err[from + key],
      heads: received,
      mean: received.reduce((sum, value) => sum + value, 0) / heads,
    };
  });
}

/**
 * The observations as a table: days, mag, phase 0 … 1, attention received.
 * @param period days
 */
export function attentionTable(
  observations: readonly AttendedObservation[],
  period: number,
): Pick<ReportTable, "columns" | "rows"> {
  const heads = observations[0].heads.map((_, head) => `head_${head + 1}`);
  return {
    columns: ["mjd", "magnitude", "error", "phase", ...heads, "mean"],
    rows: observations.map(({ mjd, magnitude, error, heads, mean }) => [
      mjd,
      ...[magnitude, error, phaseOf(mjd, period, epochOf(observations)), ...heads, mean].map(float32Digits),
    ]),
  };
}

/** Where phase is 0. */
function epochOf([{ mjd }]: readonly AttendedObservation[]): number {
  return Math.floor(mjd);
}

/** What the figure says. */
export interface AttentionFigureOptions {
  title: string;
  remarks: readonly string[];
  /** Days. */
  period: number;
  /** Place of the only query that counts, which is marked. */
  query?: number;
}

/**
 * Magnitude against phase, coloured by the attention received: a panel a head, and one for their mean, each coloured from
 * its lowest to its highest value, which its title tells.
 */
export function attentionFigure(
  observations: readonly AttendedObservation[],
  { title, remarks, period, query }: AttentionFigureOptions,
): FigureSpec {
  const epoch = epochOf(observations);
  const { axis: magnitudeAxis, clip, remarks: outside } = magnitudeAxisOf(
    observations.map(({ magnitude }) => magnitude),
  );
  const panel = (name: string, attention: number[], last = false): FigureSpec => {
    const lowest = Math.min(...attention), highest = Math.max(...attention);
    const values = observations.map(({ mjd, magnitude, error }, i) => ({
      phase: phaseOf(mjd, period, epoch),
      magnitude,
      brighter: magnitude - error,
      fainter: magnitude + error,
      attention: highest > lowest ? (attention[i] - lowest) / (highest - lowest) : 0.5,
    })).sort((a, b) => a.attention - b.attention); // what receives most is drawn last, on top
    const marked = observations.filter((_, i) => i === query).flatMap(({ mjd, magnitude }) =>
      [0, 1].map((cycle) => ({ phase: phaseOf(mjd, period, epoch) + cycle, magnitude }))
    );
    const below = last ? {} : { title: null, axis: { ...phaseAxis.axis, labels: false } };
    return {
      title: panelTitle(`${name}: ${lowest.toFixed(2)} to ${highest.toFixed(2)} times uniform`),
      width: panelWidth,
      height: 80,
      data: { values: values.flatMap((value) => [value, { ...value, phase: value.phase + 1 }]) },
      encoding: { x: { field: "phase", ...phaseAxis, ...below } },
      layer: [
        {
          mark: { type: "rule", color: "#b8b8b8", strokeWidth: 0.8, clip },
          encoding: { y: { field: "brighter", ...magnitudeAxis }, y2: { field: "fainter" } },
        },
        {
          mark: { type: "point", filled: true, size: 22, opacity: 1, stroke: "#555", strokeWidth: 0.3, clip },
          encoding: {
            y: { field: "magnitude", ...magnitudeAxis },
            color: {
              field: "attention",
              type: "quantitative",
              title: `attention received: ${
                query === undefined ? "mean weight over queries" : "weight from the ringed query"
              }`,
              scale: { scheme: "viridis", domain: [0, 1] },
              legend: {
                gradientLength: panelWidth,
                gradientThickness: 8,
                titleLimit: panelWidth,
                values: [0, 1],
                labelExpr: "datum.value ? 'highest of the panel' : 'lowest'",
              },
            },
          },
        },
        {
          data: { values: marked },
          mark: {
            type: "point",
            filled: false,
            size: 110,
            color: "#d55e00",
            strokeWidth: 1.8,
            opacity: 1,
            clip,
          },
          encoding: { y: { field: "magnitude", ...magnitudeAxis } },
        },
      ],
    };
  };
  return columnFigure(title, [...remarks, ...outside], [
    ...observations[0].heads.map((_, head) =>
      panel(`head ${head + 1}`, observations.map(({ heads }) => heads[head]))
    ),
    panel("mean over heads", observations.map(({ mean }) => mean), true),
  ]);
}
