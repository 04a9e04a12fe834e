/** Every contestant on every suite: measured one by one, kept in a folder, not done twice. */
import { createHash } from "node:crypto";
import { classicalNames } from "../features/classical_features.ts";
import { exists, writeJson } from "../files/atomic.ts";
import { duration, ProgressLine } from "../common/progress.ts";
import type { Runtime } from "../machine/runtime.ts";
import { interrupted, type Stop } from "../machine/signals.ts";
import { grouped } from "../common/table.ts";
import type { ProbeName, Vectors } from "./probes.ts";
import type { Suite } from "./suite.ts";
import { measured, type UnitResult } from "./unit.ts";
import { changed, type Variant, variantName } from "./variants.ts";
import { type Contestant, contestantsOf, keyOf, vectorsOf } from "./vectors.ts";

/** How a benchmark is done. */
export interface BenchmarkSettings {
  probes: readonly ProbeName[];
  /** Observations a star, beside all. */
  observations: readonly number[];
  shuffled: boolean;
  /** Few labelled stars a class, which are drawn of the smallest scenario. */
  fewer: readonly number[];
  draws: number;
  /** Samples per class of the scenario of fewer observations; the nearest below, where a suite lacks it. */
  middle: number;
  batchSize: number;
  seed: number;
}

/** Units of a folder. */
export class Benchmark {
  constructor(
    readonly settings: BenchmarkSettings,
    readonly runtime: Runtime,
    readonly output: string,
    readonly stop: Stop,
  ) {}

  /** The scenario of fewer observations. */
  middleOf({ samplesPerClass }: Suite): number {
    return samplesPerClass.findLast((count) => count <= this.settings.middle) ?? samplesPerClass[0];
  }

  /** All light curves, fewer observations, shuffled times. */
  get variants(): Variant[] {
    const { observations, shuffled } = this.settings;
    return [{}, ...observations.map((count) => ({ observations: count })), ...shuffled ? [{ shuffled }] : []];
  }

  /** Measures a contestant on a suite, or reads what was measured before. */
  async unit(suite: Suite, contestant: Contestant, variant: Variant): Promise<UnitResult> {
    const name = variantName(variant), started = performance.now();
    const path = `${this.output}/units/${suite.name}/${contestant.name}/${name}.json`;
    const lightCurves = this.#lightCurves(suite, variant), line = new ProgressLine();
    const vectorSettings = this.#vectorSettings(suite, contestant.name, variant, lightCurves, line);
    const middle = this.middleOf(suite), middleOnly = name !== "all";
    const { probes, fewer, draws } = this.settings;
    const draw = [suite.classes, suite.runs, suite.test, suite.logPeriods && [...suite.logPeriods]];
    const measuring = { probes, fewer, draws, middle, middleOnly };
    const key = createHash("sha256").update(JSON.stringify([
      await keyOf(contestant, vectorSettings),
      draw,
      measuring,
    ])).digest("hex");
    if (await exists(path)) {
      const before: UnitResult = JSON.parse(await Deno.readTextFile(path));
      if (before.key === key) return before;
    }
    try {
      const make = () => changed(suite.dataset, lightCurves, variant, this.settings.seed);
      const vectors = await vectorsOf(contestant, make, vectorSettings);
      const rowOf = new Map(lightCurves.map((i, row) => [i, row]));
      const found = await measured(suite, vectors, rowOf, await this.#periods(suite, line), {
        ...measuring,
        onStep: (what) => {
          this.#check();
          line.update(() => `${suite.name}, ${contestant.name}, ${name}: ${what}`);
        },
      });
      const seconds = (performance.now() - started) / 1000;
      const result: UnitResult = {
        suite: suite.name,
        model: contestant.name,
        observations: name,
        key,
        width: vectors.width,
        classes: suite.classes,
        truth: suite.test.map(({ label }) => label),
        ...found,
        seconds,
      };
      await writeJson(path, result);
      line.clear();
      console.log(
        `${suite.name}, ${contestant.name}, ${
          variant.observations ? `${name} observations` : variant.shuffled ? "shuffled times" : "all"
        }: ` +
          `${grouped(lightCurves.length)} light curves, vectors of ${vectors.width}, ${duration(seconds)}`,
      );
      return result;
    } finally {
      line.clear();
    }
  }

  #check(): void {
    if (this.stop.requested()) throw interrupted(this.stop, "the same command goes on", false);
  }

  /** All that any scenario has; of fewer observations and shuffled times the middle one's. */
  #lightCurves(suite: Suite, variant: Variant): number[] {
    const all = variantName(variant) === "all", middle = this.middleOf(suite);
    const runs = suite.runs.filter(({ samplesPerClass }) => all || samplesPerClass === middle);
    const samples = [
      ...suite.test,
      ...runs.flatMap(({ train, validation }) => [...train, ...validation]),
    ];
    return [...new Set(samples.map(({ lightCurve }) => lightCurve))].sort((a, b) => a - b);
  }

  #vectorSettings(
    suite: Suite,
    model: string,
    variant: Variant,
    lightCurves: readonly number[],
    line: ProgressLine,
  ) {
    const started = performance.now(), name = variantName(variant);
    return {
      runtime: this.runtime,
      cache: `${this.output}/vectors/${suite.name}/${name}`,
      batchSize: this.settings.batchSize,
      key: [suite.dataset.fingerprint, lightCurves, variant, this.settings.seed],
      onProgress: (done: number, of: number) => {
        this.#check();
        line.update(() => {
          const seconds = (performance.now() - started) / 1000, rate = done / seconds;
          return `${suite.name}, ${model}, ${name}: ${grouped(done)} of ${grouped(of)} vectors  ${
            rate.toFixed(1)
          }/s  ` +
            `${duration(seconds)}, ${duration((of - done) / rate)} left`;
        });
      },
    };
  }

  /** Of the catalogue, or the classical period of the whole light curve. */
  async #periods(suite: Suite, line: ProgressLine) {
    const { dataset, logPeriods } = suite;
    if (logPeriods) {
      return { from: "catalogue" as const, of: (i: number) => logPeriods.get(dataset.ids[i]) };
    }
    const [classical] = await contestantsOf(["classical"], "layers", false),
      lightCurves = this.#lightCurves(
        suite,
        {},
      );
    const make = () => changed(dataset, lightCurves, {}, this.settings.seed);
    const settings = this.#vectorSettings(suite, "classical", {}, lightCurves, line);
    const { values, width }: Vectors = await vectorsOf(classical, make, settings);
    const rowOf = new Map(lightCurves.map((i, row) => [i, row]));
    return { from: "classical" as const, of: (i: number) => values[rowOf.get(i)! * width + logPeriodColumn] };
  }
}

const logPeriodColumn = classicalNames.indexOf("log_period");
