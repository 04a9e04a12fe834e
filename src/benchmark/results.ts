/** All numbers of a benchmark, their means over folds beside what chance has, and whether they differ from `classical`. */
import { meanAndDeviation } from "../evaluate/classification.ts";
import { type Difference, macroF1, pairedDifference } from "../evaluate/ranking.ts";
import { type Cell, csvOf } from "../files/csv.ts";
import type { UnitResult } from "./unit.ts";

/** One number. */
export interface Score {
  suite: string;
  model: string;
  /** all, how many, or shuffled. */
  observations: string;
  measure: Measure;
  probe: string | null;
  samples_per_class: number | null;
  fold: number | null;
  draw: number | null;
  /** The class left out, or whose periods are told. */
  class: string | null;
  value: number;
}

export const measures = {
  macro_f1: "macro F1",
  accuracy: "accuracy",
  nmi: "clusters: NMI",
  ari: "clusters: ARI",
  novelty_auroc: "novelty: AUROC",
  log_period_r2: "log period: R2 within classes",
} as const;
export type Measure = keyof typeof measures;

/** Every number of a unit. */
export function scoresOf(unit: UnitResult): Score[] {
  const { suite, model, observations } = unit;
  const score = (measure: Measure, value: number, more: Partial<Score> = {}): Score => ({
    suite,
    model,
    observations,
    measure,
    probe: null,
    samples_per_class: null,
    fold: null,
    draw: null,
    class: null,
    ...more,
    value,
  });
  return [
    ...unit.probes.flatMap(({ probe, samples_per_class, fold, draw, f1, accuracy }) => {
      const where = { probe, samples_per_class, fold, draw };
      return [score("macro_f1", f1, where), score("accuracy", accuracy, where)];
    }),
    score("nmi", unit.clustering.normalized_mutual_information),
    score("ari", unit.clustering.adjusted_rand_index),
    ...unit.novelty.map(({ fold, left_out, auroc }) =>
      score("novelty_auroc", auroc, { fold, class: left_out })
    ),
    ...unit.period.map(({ class: name, r2 }) => score("log_period_r2", r2, { class: name })),
  ];
}

/** One cell of the table. */
export interface Summary {
  suite: string;
  model: string;
  observations: string;
  measure: Measure;
  probe: string | null;
  samples_per_class: number | null;
  /** Over folds (of draws and classes the means are taken first). */
  mean: number;
  deviation: number;
  folds: number;
  /** What predicting the most common class has, or no knowledge at all. */
  chance: number;
  /** Macro F1 against classical features, on the same stars and observations. */
  against_classical: Difference | null;
}

const reference = "classical";

/** Means and deviations over folds, in the order of suites, measures and models. */
export function summariesOf(units: readonly UnitResult[]): Summary[] {
  const groups = Map.groupBy(units.flatMap(scoresOf), (score) => {
    const { suite, observations, measure, probe, samples_per_class, model } = score;
    return JSON.stringify([suite, observations, measure, probe, samples_per_class, model]);
  });
  return [...groups.values()].map((scores): Summary => {
    const [{ suite, model, observations, measure, probe, samples_per_class }] = scores;
    const folds = [...Map.groupBy(scores, ({ fold }) => fold).values()].map((of) =>
      of.reduce((sum, { value }) => sum + value, 0) / of.length
    );
    const unit = find(units, suite, model, observations)!;
    const { mean, deviation } = meanAndDeviation(folds);
    return {
      suite,
      model,
      observations,
      measure,
      probe,
      samples_per_class,
      mean,
      deviation,
      folds: folds.length,
      chance: chanceOf(measure, unit),
      against_classical: measure === "macro_f1" && model !== reference
        ? differenceOf(unit, find(units, suite, reference, observations), probe!, samples_per_class!)
        : null,
    };
  });
}

const find = (units: readonly UnitResult[], suite: string, model: string, observations: string) =>
  units.find((unit) => unit.suite === suite && unit.model === model && unit.observations === observations);

function chanceOf(measure: Measure, { truth, classes }: UnitResult): number {
  const counts = classes.map((_, label) => truth.filter((c) => c === label).length);
  const most = counts.indexOf(Math.max(...counts));
  if (measure === "macro_f1") return macroF1(truth, truth.map(() => most), classes.length);
  if (measure === "accuracy") return counts[most] / truth.length;
  return measure === "novelty_auroc" ? 0.5 : 0;
}

function differenceOf(
  mine: UnitResult,
  theirs: UnitResult | undefined,
  probe: string,
  samplesPerClass: number,
): Difference | null {
  const predictions = ({ probes }: UnitResult) =>
    probes.filter((result) => result.probe === probe && result.samples_per_class === samplesPerClass)
      .sort((a, b) => a.fold - b.fold || a.draw - b.draw).map(({ predicted }) => predicted);
  if (!theirs) return null;
  const [first, second] = [predictions(mine), predictions(theirs)];
  if (first.length === 0 || first.length !== second.length) return null;
  return pairedDifference(Int32Array.from(mine.truth), first, second, mine.classes.length);
}

/** What a summary is of, beside the model. */
export function titleOf(
  { measure, probe, samples_per_class, observations }: Pick<
    Summary,
    "measure" | "probe" | "samples_per_class" | "observations"
  >,
): string {
  return [
    measures[measure] + (probe === null ? "" : `, ${probe}`),
    ...samples_per_class === null ? [] : [`${samples_per_class} a class`],
    ...observations === "all"
      ? []
      : [observations === "shuffled" ? "shuffled times" : `${observations} observations`],
  ].join(", ");
}

/** The order of rows: probes and samples per class with all observations, then fewer ones; last what needs no probe. */
const placeOf = ({ measure, probe, observations, samples_per_class }: Summary, probes: readonly string[]) =>
  [
    Object.keys(measures).indexOf(measure),
    probe === null ? 0 : probes.indexOf(probe),
    observations === "all" ? 0 : observations === "shuffled" ? 1e9 : Number(observations),
    samples_per_class ?? 0,
  ] as const;

/** The table of one suite: a row a measure, a column a model, and what chance has. */
export function tableOf(summaries: readonly Summary[], suite: string, models: readonly string[]): string[][] {
  const mine = summaries.filter((s) => s.suite === suite && s.measure !== "accuracy");
  const probes = [...new Set(mine.flatMap(({ probe }) => probe ?? []))];
  const rows = [...Map.groupBy(mine, titleOf).entries()].sort(([, [a]], [, [b]]) => {
    const [x, y] = [placeOf(a, probes), placeOf(b, probes)];
    return x.map((value, i) => value - y[i]).find((difference) => difference !== 0) ?? 0;
  });
  return [
    [suite, ...models, "chance"],
    ...rows.map(([title, cells]) => [
      title,
      ...models.map((model) => {
        const cell = cells.find((c) => c.model === model);
        if (!cell) return "";
        const text = cell.mean.toFixed(3) + (cell.folds > 1 ? ` ± ${cell.deviation.toFixed(3)}` : "");
        return text + markOf(cell.against_classical);
      }),
      cells[0].chance.toFixed(3),
    ]),
  ];
}

function markOf(difference: Difference | null): string {
  if (!difference) return "  ";
  return difference.p < 0.05 ? difference.difference > 0 ? " +" : " -" : " =";
}

/** Summaries, for other tools. */
export function summariesCsv(summaries: readonly Summary[]): string {
  const names = [
    ...["suite", "model", "observations", "measure", "probe", "samples_per_class"] as const,
    ...["mean", "deviation", "folds", "chance"] as const,
  ];
  const rows = summaries.map(({ against_classical: d, ...summary }): Cell[] => [
    ...names.map((name) => summary[name]),
    ...d ? [d.difference, d.low, d.high, d.p] : [null, null, null, null],
  ]);
  const tests = ["difference_from_classical", "difference_low", "difference_high", "p_value"];
  return csvOf({ columns: [...names, ...tests], rows });
}

/** Every number, for other tools. */
export function scoresCsv(scores: readonly Score[]): string {
  const columns = Object.keys(scores[0] ?? {}) as (keyof Score)[];
  return csvOf({ columns, rows: scores.map((score) => columns.map((name) => score[name])) });
}
