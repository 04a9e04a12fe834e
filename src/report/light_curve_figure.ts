/** One light curve: what of it was hidden, what the model made of that, in time and folded on a period. */
import { role } from "../data/batch.ts";
import type { Dataset } from "../data/dataset.ts";
import { ReconstructionMetrics } from "../evaluate/metrics.ts";
import type { WindowResult } from "../evaluate/reconstruction.ts";
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
import { kindEncoding } from "./reconstruction_figure.ts";
import type { ReportTable } from "./table.ts";

/** An observation and what the model made of it. */
export interface ReconstructedObservation {
  /** Its place in the light curve. */
  place: number;
  /** Days, as the dataset has them. */
  mjd: number;
  /** mag */
  magnitude: number;
  /** mag; 0 stands for an unknown one. */
  error: number;
  role: "seen" | "hidden";
  /** mag */
  predicted: number;
}

/** A panel of the figure. */
export interface ReconstructedWindow {
  /** Its number, from 0. */
  window: number;
  /** In order of time. */
  observations: readonly ReconstructedObservation[];
}

/** The observations of a reconstructed window. Every point must have been probed, none replaced. */
export function reconstructedObservations(
  { offsets, mjd, mag, err }: Pick<Dataset, "offsets" | "mjd" | "mag" | "err">,
  { window, points, roles, predicted }: WindowResult,
): ReconstructedObservation[] {
  const from = offsets[window.lightCurve] + window.start;
  const mean = mag.subarray(from, from + window.length).reduce((sum, m) => sum + m, 0) / window.length;
  return Array.from(points, (point, i): ReconstructedObservation => ({
    place: window.start + point,
    mjd: mjd[from + point],
    magnitude: mag[from + point],
    error: err[from + point],
    role: roles[i] === role.masked ? "hidden" : "seen",
    predicted: predicted[i] + mean, // the model predicts relative to the window's mean
  })).sort((a, b) => a.place - b.place);
}

/** Magnitudes of the seen or the hidden observations of a window. */
export function magnitudesOf({ observations }: ReconstructedWindow, role: ReconstructedObservation["role"]) {
  const chosen = observations.filter((observation) => observation.role === role);
  return {
    predicted: chosen.map(({ predicted }) => predicted),
    magnitudes: chosen.map(({ magnitude }) => magnitude),
  };
}

/** The observations as a table: days, mag. */
export function reconstructionTable(
  windows: readonly ReconstructedWindow[],
): Pick<ReportTable, "columns" | "rows"> {
  return {
    columns: ["window", "mjd", "magnitude", "error", "role", "predicted"],
    rows: windows.flatMap(({ window, observations }) =>
      observations.map(({ mjd, magnitude, error, role, predicted }) => [
        window,
        mjd,
        float32Digits(magnitude),
        float32Digits(error),
        role,
        float32Digits(predicted),
      ])
    ),
  };
}

/** What the whole figure says. */
export interface LightCurveFigureOptions {
  title: string;
  /** What a reader must know. */
  remarks?: readonly string[];
  /** Days; adds a panel with all observations folded on it. */
  period?: number;
}

/**
 * Magnitude against time with error bars, one panel a window. Predictions are drawn of the hidden observations; of all,
 * where nothing is hidden.
 */
export function lightCurveFigure(
  windows: readonly ReconstructedWindow[],
  { title, remarks = [], period }: LightCurveFigureOptions,
): FigureSpec {
  const all = windows.flatMap(({ observations }) => observations);
  const first = Math.floor(all.reduce((least, { mjd }) => Math.min(least, mjd), Infinity));
  const predictedOnes = all.some(({ role }) => role === "hidden") ? "hidden" : "seen";
  const drawn = all.flatMap(({ magnitude, role, predicted }) =>
    role === predictedOnes ? [magnitude, predicted] : [magnitude]
  );
  const { axis: magnitudeAxis, clip, remarks: outside } = magnitudeAxisOf(drawn);
  /** @param xs where an observation is drawn, given its time */
  const panel = (
    title: string,
    observations: readonly ReconstructedObservation[],
    xs: (mjd: number) => number[],
    axis: FigureSpec,
  ): FigureSpec => {
    const values = observations.flatMap(({ mjd, magnitude, error, role, predicted }) =>
      xs(mjd).flatMap((x) => [
        { x, magnitude, brighter: magnitude - error, fainter: magnitude + error, kind: role },
        ...role === predictedOnes ? [{ x, magnitude: predicted, kind: "predicted" }] : [],
      ])
    );
    const x = { field: "x", type: "quantitative", ...axis };
    return {
      title: panelTitle(title),
      width: panelWidth,
      height: 110,
      data: { values },
      layer: [
        {
          transform: [{ filter: "datum.kind !== 'predicted'" }],
          mark: { type: "rule", strokeWidth: 0.8, clip },
          encoding: {
            x,
            y: { field: "brighter", ...magnitudeAxis },
            y2: { field: "fainter" },
            color: kindEncoding.color,
          },
        },
        {
          mark: { type: "point", filled: true, size: 14, opacity: 1, clip },
          encoding: { x, y: { field: "magnitude", ...magnitudeAxis }, ...kindEncoding },
        },
      ],
    };
  };
  const inTime = windows.map((window) => {
    const { predicted, magnitudes } = magnitudesOf(window, predictedOnes),
      metrics = new ReconstructionMetrics();
    metrics.add(predicted, magnitudes);
    const rmse = `RMSE ${metrics.rmse.toFixed(3)} mag of ${predicted.length} ${predictedOnes}`;
    return panel(`window ${window.window}: ${rmse}`, window.observations, (mjd) => [mjd - first], {
      title: `time - ${first} (days)`,
      scale: { zero: false, nice: false, padding: 4 },
      axis: { format: "d", tickCount: 6 },
    });
  });
  // Windows may overlap: every observation once, as its last window has it.
  const once = [...new Map(all.map((observation) => [observation.place, observation])).values()];
  const folded = period === undefined ? [] : [
    panel(
      `folded on a period of ${period} days`,
      once,
      (mjd) => [0, 1].map((cycle) => phaseOf(mjd, period, first) + cycle),
      phaseAxis,
    ),
  ];
  return {
    ...columnFigure(title, [...remarks, ...outside], [...inTime, ...folded]),
    resolve: { scale: { y: "shared" } },
  };
}
