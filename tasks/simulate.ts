/** A simulated survey of variable stars. */
import { command, setting, z } from "../src/command/command.ts";
import { consoleProgress } from "../src/survey/progress.ts";
import { simulate } from "../src/survey/simulate.ts";
import { grouped } from "../src/common/table.ts";

export default command({
  name: "simulate",
  summary:
    "Writes a simulated survey: RR Lyrae (ab, c), Delta Scuti, Miras, detached and contact binaries, under a real cadence.",
  settings: z.object({
    output: setting(z.string(), "the folder to write; an older simulated survey of that name is replaced"),
    config: setting(z.string().optional(), "a TOML or JSON file with any of these settings"),
    light_curves: setting(z.int().min(1).optional(), "how many light curves"),
    observations: setting(
      z.number().min(1).optional(),
      "approximate number of observations in all, instead of --light-curves",
    ),
    mean_length: setting(
      z.number().min(5).max(10_000).default(430),
      "observations of a light curve, on average",
    ),
    seed: setting(
      z.int().default(0),
      "the same seed gives the same light curves",
    ),
    format: setting(z.enum(["parquet", "csv"]).default("parquet"), "kind of the files"),
    shard_observations: setting(z.int().min(1).default(2_000_000), "approximate observations per file"),
    memory_limit: setting(
      z.string().regex(/^\d+(\.\d+)?\s*[KMGT]i?B$/i, "a size such as 4GB is needed").default("2GB"),
      "memory of the tables",
    ),
    threads: setting(z.int().min(1).optional(), "threads (default: all)"),
  }),
  examples: [
    "deno task simulate --light-curves 600 --output data/simulated",
    "deno task simulate --observations 1e8 --seed 7 --output data/large",
    "deno task preprocess --preset reference --input data/simulated --output data/dataset",
  ],
  async run({ config: _, ...settings }) {
    const { light_curves, observations, shards } = await simulate(settings, consoleProgress());
    console.log(
      `${settings.output}: ${grouped(light_curves)} light curves, ${grouped(observations)} observations, ` +
        `${shards} ${shards === 1 ? "file" : "files"} of observations and metadata.${settings.format}`,
    );
  },
});
