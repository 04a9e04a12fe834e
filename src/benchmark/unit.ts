/** All that is measured of one contestant on one suite, with all observations or fewer. */
import type { ScenarioSample } from "../classify/scenarios.ts";
import { agreementOf, kMeans } from "../evaluate/clustering.ts";
import { multiClassIsolationScores } from "../evaluate/isolation_forest.ts";
import { areaUnderRoc, macroF1 } from "../evaluate/ranking.ts";
import { ridgeR2 } from "../evaluate/ridge.ts";
import { seeded } from "../common/random.ts";
import { predictedBy, type ProbeName, rowsOf, standardized, type Vectors } from "./probes.ts";
import type { Suite } from "./suite.ts";

/** A probe on one draw of labelled stars. */
export interface ProbeResult {
  probe: ProbeName;
  samples_per_class: number;
  fold: number;
  /** Which subset of the fold's stars, where there are several. */
  draw: number;
  f1: number;
  accuracy: number;
  /** Classes of the test stars, in their order. */
  predicted: number[];
}

/** What was measured. */
export interface UnitResult {
  suite: string;
  model: string;
  /** All, a number, or shuffled. */
  observations: string;
  /** Names vectors, stars and settings. */
  key: string;
  width: number;
  classes: string[];
  truth: number[];
  probes: ProbeResult[];
  clustering: { normalized_mutual_information: number; adjusted_rand_index: number };
  novelty: { fold: number; left_out: string; auroc: number }[];
  /** R2 of log period within a class, each star told by the others; the period of a catalogue, or classical. */
  period: { class: string; stars: number; r2: number; from: "catalogue" | "classical" }[];
  seconds: number;
}

/** How a unit is measured. */
export interface UnitSettings {
  probes: readonly ProbeName[];
  /** Fewer stars than the suite's smallest scenario has are drawn of it: how many a class. */
  fewer: readonly number[];
  /** How often. */
  draws: number;
  /** The scenario of fewer observations, of shuffled times, and of novelty. */
  middle: number;
  /** Only the middle scenario. */
  middleOnly: boolean;
  /** Tells what is done, and lets a signal stop it. */
  onStep: (what: string) => void;
}

/** A draw of labelled stars. */
interface Draw {
  samplesPerClass: number;
  fold: number;
  draw: number;
  labelled: ScenarioSample[];
}

/** Draws of a suite: its scenarios' folds, train and validation together; and fewer stars of its smallest one's. */
export function drawsOf(
  { runs, samplesPerClass, classes }: Pick<Suite, "runs" | "samplesPerClass" | "classes">,
  { fewer, draws, middle, middleOnly }: Pick<UnitSettings, "fewer" | "draws" | "middle" | "middleOnly">,
): Draw[] {
  const whole = runs.map(({ samplesPerClass, fold, train, validation }) => ({
    samplesPerClass,
    fold,
    draw: 0,
    labelled: [...train, ...validation],
  }));
  if (middleOnly) return whole.filter(({ samplesPerClass }) => samplesPerClass === middle);
  const smallest = whole.filter((draw) => draw.samplesPerClass === samplesPerClass[0]);
  const few = fewer.filter((count) => count < samplesPerClass[0]).flatMap((count) =>
    smallest.flatMap(({ fold, labelled }) =>
      Array.from({ length: draws }, (_, draw) => ({
        samplesPerClass: count,
        fold,
        draw,
        labelled: classes.flatMap((_, label) => {
          const members = labelled.filter((sample) => sample.label === label);
          const random = seeded(0xfe3, fold, draw, label);
          return random.shuffle(members).slice(0, count).map((sample) => ({ ...sample, count: 1 }));
        }),
      }))
    )
  );
  return [...few, ...whole].sort((a, b) => a.samplesPerClass - b.samplesPerClass);
}

/** Stars of a class whose periods are told at most, and at least. */
const mostStars = 200, fewestStars = 20;

/**
 * Measures.
 * @param vectors of the light curves that `rowOf` has
 * @param rowOf the row of a light curve's vector
 * @param logPeriods of a light curve, where known
 */
export async function measured(
  suite: Suite,
  vectors: Vectors,
  rowOf: ReadonlyMap<number, number>,
  logPeriods: { of: (lightCurve: number) => number | undefined; from: "catalogue" | "classical" },
  settings: UnitSettings,
): Promise<Pick<UnitResult, "probes" | "clustering" | "novelty" | "period">> {
  const { classes, test, runs } = suite, { width } = vectors, { onStep } = settings;
  const truth = Int32Array.from(test, ({ label }) => label);
  const rows = (samples: readonly ScenarioSample[]) =>
    rowsOf(vectors, samples.flatMap((s) => Array<number>(s.count).fill(rowOf.get(s.lightCurve)!)));
  const labels = (samples: readonly ScenarioSample[]) =>
    Int32Array.from(samples.flatMap((s) => Array<number>(s.count).fill(s.label)));
  const tested = rowsOf(vectors, test.map(({ lightCurve }) => rowOf.get(lightCurve)!));

  const probes: ProbeResult[] = [];
  for (const { samplesPerClass, fold, draw, labelled } of drawsOf(suite, settings)) {
    for (const probe of settings.probes) {
      onStep(`${probe}, ${samplesPerClass} samples per class, fold ${fold}`);
      const predicted = await predictedBy(
        probe,
        rows(labelled),
        labels(labelled),
        tested,
        width,
        classes.length,
      );
      probes.push({
        probe,
        samples_per_class: samplesPerClass,
        fold,
        draw,
        f1: macroF1(truth, predicted, classes.length),
        accuracy: predicted.reduce((sum, c, i) => sum + (c === truth[i] ? 1 : 0), 0) / truth.length,
        predicted: [...predicted],
      });
    }
  }
  onStep("clustering");
  const [points] = standardized(width, tested);
  const clustering = agreementOf(kMeans(points, width, classes.length), truth);

  const novelty: UnitResult["novelty"] = [];
  const middle = runs.filter(({ samplesPerClass }) => samplesPerClass === settings.middle);
  for (const { fold, train, validation } of middle) {
    for (const [label, left_out] of classes.entries()) {
      onStep(`novelty, without ${left_out}, fold ${fold}`);
      const known = [...train, ...validation].filter((sample) => sample.label !== label);
      const [mine, theirs] = standardized(width, rows(known), tested);
      const scores = multiClassIsolationScores(mine, labels(known), theirs, width);
      novelty.push({
        fold,
        left_out,
        auroc: areaUnderRoc(scores, Array.from(truth, (c) => c === label)),
      });
    }
  }

  const period: UnitResult["period"] = [];
  const stars = [
    ...new Map(
      [...test, ...middle.flatMap(({ train, validation }) => [...train, ...validation])].map((s) =>
        [s.lightCurve, s.label] as const
      ),
    ),
  ];
  for (const [label, name] of classes.entries()) {
    const mine = stars.filter(([i, of]) => of === label && logPeriods.of(i) !== undefined).slice(0, mostStars)
      .map(([i]) => i);
    if (mine.length < fewestStars) continue;
    onStep(`periods of ${name}`);
    const [x] = standardized(width, rowsOf(vectors, mine.map((i) => rowOf.get(i)!)));
    const r2 = ridgeR2(x, width, Float64Array.from(mine, (i) => logPeriods.of(i)!));
    if (Number.isFinite(r2)) period.push({ class: name, stars: mine.length, r2, from: logPeriods.from });
  }
  return { probes, clustering, novelty, period };
}
