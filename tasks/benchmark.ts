/** Judges frozen vectors: models, classical features, both together, on suites of labelled stars. */
import { Benchmark } from "../src/benchmark/benchmark.ts";
import { probeNames } from "../src/benchmark/probes.ts";
import { scoresCsv, scoresOf, summariesCsv, summariesOf, tableOf } from "../src/benchmark/results.ts";
import { openSuite, type Suite } from "../src/benchmark/suite.ts";
import type { UnitResult } from "../src/benchmark/unit.ts";
import { benchmarkPoolings, contestantsOf } from "../src/benchmark/vectors.ts";
import { command, setting, z } from "../src/command/command.ts";
import { inferenceBatch, inferenceBatchOn, runShape } from "../src/machine/settings.ts";
import { InputError } from "../src/common/errors.ts";
import { removeLeftovers, writeJson, writeText } from "../src/files/atomic.ts";
import { lockFolder } from "../src/files/lock.ts";
import { benchmarkFigure } from "../src/report/benchmark_figure.ts";
import { writeFigureFiles } from "../src/report/figure_files.ts";
import { prepareRun } from "../src/machine/runtime.ts";
import { listenForStop, sayStopping } from "../src/machine/signals.ts";
import { plainTable } from "../src/common/table.ts";

const numbers = z.array(z.coerce.number().int().min(1));

export default command({
  name: "benchmark",
  summary:
    "Scores frozen vectors, one per star, with fixed probes: from few labelled stars to many, with fewer observations, by clusters, novelty and periods. Classical features, an untrained network and chance stand beside every number.",
  settings: z.object({
    models: setting(
      z.array(z.string()).min(1),
      "model folders or names of models that ship, each with an optional @mean, @max or @layers; the words classical, star and star-scores; models joined by + have their vectors put end to end",
    ),
    suites: setting(
      z.array(z.string()).min(1),
      "TOML or JSON files with data = a dataset folder, scenarios = a folder of scenarios and, if known, periods = a table " +
        "of id and period in days; paths are relative to the file",
    ),
    output: setting(z.string(), "run folder; results that are there already are kept and not computed again"),
    pooling: setting(
      z.enum(benchmarkPoolings).default("layers"),
      "pooling of models without @: the last block's mean or maximum, or the means of the input embedding and all blocks end to end",
    ),
    probes: setting(
      z.array(z.enum(probeNames)).min(1).default([...probeNames]),
      "logistic regression (C = 0.05), the 5 nearest neighbors, a random forest of 500 trees; on standardized vectors",
    ),
    observations: setting(
      numbers.default([25, 50, 100, 200]),
      "numbers of random observations to cut light curves to, for classical features, too (none: --observations=)",
    ),
    shuffled: setting(z.boolean().default(true), "also with magnitudes at shuffled times"),
    fewer: setting(
      numbers.default([1, 5]),
      "labelled stars per class, fewer than the scenarios have: drawn from the smallest scenario",
    ),
    draws: setting(z.int().min(1).default(5), "such draws per fold"),
    middle: setting(
      z.int().min(1).default(100),
      "samples per class of the scenario of fewer observations, shuffled times and novelty (or the nearest below)",
    ),
    untrained: setting(
      z.boolean().default(true),
      "also judge each model's network as it was before training",
    ),
    config: setting(z.string().optional(), "a TOML or JSON file with any of these settings"),
    batch_size: inferenceBatch,
    seed: setting(z.int().min(0).default(0), "seed of the observations that are drawn"),
    ...runShape,
  }),
  examples: [
    "deno task benchmark --models astromer2-asas,classical,astromer2-asas+classical --suites suites/asas7.toml,suites/css_south.toml --output runs/benchmark",
    "deno task benchmark --models runs/mine/best@mean,runs/mine/best@layers,classical --suites mine.toml --output runs/mine-benchmark",
  ],
  async run(settings) {
    const { pooling, untrained, probes, observations, shuffled, fewer, draws, middle, seed } = settings;
    const output = settings.output.replace(/\/+$/, "");
    const contestants = await contestantsOf(settings.models, pooling, untrained);
    using opened = new DisposableStack();
    const suites: Suite[] = [];
    for (const path of settings.suites) {
      const suite = opened.use(await openSuite(path));
      if (suites.some(({ name }) => name === suite.name)) {
        throw new InputError(`--suites: two are called ${suite.name}; write name = "…" in ${path}`);
      }
      suites.push(suite);
    }
    const runtime = prepareRun(settings);
    using _lock = await lockFolder(output, console.error);
    await removeLeftovers(output, { below: true });
    using stop = listenForStop(() => sayStopping("probe"));
    const benchmark = new Benchmark(
      {
        probes,
        observations,
        shuffled,
        fewer,
        draws,
        middle,
        batchSize: inferenceBatchOn(runtime.device, settings.batch_size),
        seed,
      },
      runtime,
      output,
      stop,
    );
    const units: UnitResult[] = [];
    for (const suite of suites) {
      for (const contestant of contestants) {
        for (const variant of benchmark.variants) {
          units.push(await benchmark.unit(suite, contestant, variant));
        }
      }
    }

    const scores = units.flatMap(scoresOf), summaries = summariesOf(units);
    const models = contestants.map(({ name }) => name);
    const tables = suites.map(({ name }) => plainTable(tableOf(summaries, name, models))).join("\n\n");
    await writeText(`${output}/scores.jsonl`, scores.map((score) => JSON.stringify(score) + "\n").join(""));
    await writeText(`${output}/scores.csv`, scoresCsv(scores));
    await writeText(`${output}/summary.csv`, summariesCsv(summaries));
    await writeJson(`${output}/benchmark.json`, { settings, summaries });
    const legend =
      "mean ± standard deviation over folds; + better, - worse than classical features on the same stars and observations " +
      "(paired bootstrap over test stars, p < 0.05), = neither";
    await writeText(`${output}/table.txt`, `${tables}\n\n${legend}\n`);
    const { paths } = await writeFigureFiles(benchmarkFigure(summaries, models, middle), output);
    console.log(`\n${tables}\n\n${legend}\n${[`${output}/summary.csv`, ...paths].join(", ")}`);
  },
});
