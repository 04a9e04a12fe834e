/** What finetuning gained and how long it took, as figure 7 of the paper shows it. */
import { meanAndDeviation } from "../evaluate/classification.ts";
import type { Figure } from "./figure.ts";
import { sized } from "./style.ts";

/** One finetuning, as `finetuned.json` has it: RMSE of all observations without masking, mag. */
export interface Finetuned {
  /** Samples per class and fold, such as 20-0; empty for a whole survey. */
  name: string;
  /** Light curves that were trained on. */
  light_curves: number;
  before: number;
  after: number;
  minutes: number;
  epochs: number;
}

/** A bar: means and deviations over folds. */
export interface FinetuningBar {
  scenario: string;
  when: "before" | "after";
  /** mag */
  rmse: number;
  deviation: number;
  low: number;
  high: number;
  /** What stands over it. */
  label: string;
  folds: number;
}

const survey = "the survey";

/** Scenarios ascending, each with a bar before and one after finetuning. */
export function finetuningBars(found: readonly Finetuned[]): FinetuningBar[] {
  const groups = Map.groupBy(found, ({ name }) => /^(\d+)-\d+$/.exec(name)?.[1] ?? (name || survey));
  return [...groups].sort(([a], [b]) => Number(a) - Number(b)).flatMap(([scenario, runs]) =>
    (["before", "after"] as const).map((when) => {
      const { mean: rmse, deviation } = meanAndDeviation(runs.map((run) => run[when]));
      const minutes = meanAndDeviation(runs.map((run) => run.minutes)).mean;
      return {
        scenario,
        when,
        rmse,
        deviation,
        low: rmse - deviation,
        high: rmse + deviation,
        label: when === "after" ? `${minutes < 10 ? minutes.toFixed(1) : Math.round(minutes)} min` : "",
        folds: runs.length,
      };
    })
  );
}

/** RMSE before and after finetuning, with the minutes it took. */
export function finetuningFigure(found: readonly Finetuned[]): Figure {
  const bars = finetuningBars(found), folds = [...new Set(bars.map((bar) => bar.folds))];
  const when = ["before", "after"];
  const group = { field: "when", type: "nominal", title: null, sort: when } as const;
  const encoding = {
    x: {
      field: "scenario",
      type: "nominal",
      title: bars.some(({ scenario }) => scenario === survey) ? null : "samples per class",
      sort: null,
      axis: { labelAngle: 0, ticks: false, labelPadding: 6 },
    },
    xOffset: { field: "when", sort: when },
  };
  const y = { type: "quantitative", title: "RMSE (mag)", axis: { tickCount: 5 } };
  return {
    name: "finetuning",
    caption:
      "Reconstruction error of all observations, nothing masked, before and after finetuning; over the bars, the minutes that " +
      `finetuning took on ${trainedOn(found)} light curves. ${foldsSentence(folds, "Bars and minutes")}`,
    width: "column",
    spec: {
      data: { values: bars },
      ...sized("column", 215),
      encoding,
      layer: [
        {
          mark: { type: "bar", stroke: "black", strokeWidth: 0.75 },
          encoding: {
            y: { ...y, field: "rmse" },
            color: {
              ...group,
              scale: { domain: when, range: ["#d9d9d9", "#0072B2"] },
              legend: { orient: "top", symbolType: "square" },
            },
          },
        },
        {
          mark: { type: "rule", strokeWidth: 1.2 },
          encoding: { y: { ...y, field: "low" }, y2: { field: "high" } },
        },
        {
          mark: { type: "text", baseline: "bottom", dy: -4, fontSize: 9.5, color: "black" },
          encoding: { y: { ...y, field: "high" }, text: { field: "label" } },
        },
      ],
    },
  };
}

function trainedOn(found: readonly Finetuned[]): string {
  const sizes = [...new Set(found.map(({ light_curves }) => light_curves))].sort((a, b) => a - b);
  return sizes.map((size) => size.toLocaleString("en-US")).join(", ");
}

/** What a figure's error bars are. */
export function foldsSentence(folds: readonly number[], what: string): string {
  const most = Math.max(...folds), least = Math.min(...folds);
  if (most === 1) return "Of one fold, hence without error bars.";
  return `${what} are means over ${
    least === most ? most : `${least} to ${most}`
  } folds; error bars, their standard deviation.`;
}
