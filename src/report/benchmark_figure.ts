/** Vectors side by side: scores against labelled stars, and against observations. */
import type { Summary } from "../benchmark/results.ts";
import type { Figure, FigureSpec } from "./figure.ts";
import { dashes, look, palette, shapes } from "./style.ts";

/** A point of the figure. */
export interface BenchmarkPoint {
  suite: string;
  model: string;
  x: number;
  f1: number;
  low: number;
  high: number;
  /** The probe that scores best there. */
  probe: string;
}

/** The best probe of every model: by samples per class with all observations, and by observations in one scenario. */
export function benchmarkPoints(
  summaries: readonly Summary[],
): { labelled: BenchmarkPoint[]; observed: BenchmarkPoint[] } {
  const f1 = summaries.filter(({ measure }) => measure === "macro_f1");
  const bestOf = (some: readonly Summary[], x: (summary: Summary) => number): BenchmarkPoint[] =>
    [...Map.groupBy(some, (s) => JSON.stringify([s.suite, s.model, x(s)])).values()].map((rivals) => {
      const best = rivals.reduce((a, b) => b.mean > a.mean ? b : a);
      const { suite, model, mean, deviation, probe } = best;
      return {
        suite,
        model,
        x: x(best),
        f1: mean,
        low: mean - deviation,
        high: mean + deviation,
        probe: probe!,
      };
    });
  return {
    labelled: bestOf(f1.filter((s) => s.observations === "all"), (s) => s.samples_per_class!),
    observed: bestOf(f1.filter((s) => Number(s.observations) > 0), (s) => Number(s.observations)),
  };
}

/** A row of panels a suite: macro F1 against samples per class, and against observations a star. */
export function benchmarkFigure(
  summaries: readonly Summary[],
  models: readonly string[],
  middle: number,
): Figure {
  const { labelled, observed } = benchmarkPoints(summaries);
  const suites = [...new Set(labelled.map(({ suite }) => suite))];
  const named = (looks: readonly unknown[], legend: FigureSpec | null) => ({
    field: "model",
    type: "nominal",
    scale: { domain: models, range: models.map((_, i) => look(looks, i)) },
    legend,
  });
  const panel = (points: BenchmarkPoint[], suite: string, title: string): FigureSpec => {
    const values = points.filter((point) => point.suite === suite);
    const ticks = [...new Set(values.map(({ x }) => x))].sort((a, b) => a - b);
    const domain = [ticks[0] / 1.4, ticks[ticks.length - 1] * 1.4];
    const x = {
      field: "x",
      type: "quantitative",
      title,
      scale: { type: "log", domain },
      axis: { values: ticks, format: "d" },
    };
    const y = {
      type: "quantitative",
      title: "macro F1",
      scale: { zero: false, nice: false, padding: 8 },
      axis: { tickCount: 5, format: ".2f" },
    };
    const legend = { orient: "top", columns: 3, title: null, labelLimit: 240 };
    const color = named(palette, legend), shape = named(shapes, legend);
    return {
      title: { text: suite, anchor: "start" },
      width: 245,
      height: 170,
      data: { values },
      layer: [
        {
          mark: { type: "line", strokeWidth: 1.2 },
          encoding: { x, y: { ...y, field: "f1" }, color, strokeDash: named(dashes, null) },
        },
        {
          mark: { type: "rule", strokeWidth: 1.2 },
          encoding: { x, y: { ...y, field: "low" }, y2: { field: "high" }, color },
        },
        {
          mark: { type: "point", filled: true, size: 38, opacity: 1 },
          encoding: { x, y: { ...y, field: "f1" }, color, shape },
        },
      ],
      resolve: { legend: { strokeDash: "independent" } },
    };
  };
  return {
    name: "benchmark",
    caption:
      "Macro F1 of frozen vectors by the best of the probes, on the test stars of each suite (rows): against labelled stars a " +
      `class (left), and with ${middle} a class against observations drawn at random of each light curve (right). Points are ` +
      "means over folds, bars their standard deviations.",
    width: "page",
    spec: {
      vconcat: suites.map((suite) => ({
        hconcat: [
          panel(labelled, suite, "samples per class"),
          ...observed.some((point) => point.suite === suite)
            ? [panel(observed, suite, "observations a star")]
            : [],
        ],
      })),
    },
  };
}
