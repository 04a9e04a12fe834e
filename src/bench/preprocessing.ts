/** Times preprocessing beside peers: each a process of its own, from its start to its end. */
import { tmpdir } from "node:os";
import { z } from "../common/setting.ts";
import { Failure } from "../common/errors.ts";
import { exists } from "../files/atomic.ts";
import { withWorkFolder } from "../survey/preprocess.ts";
import { simulate } from "../survey/simulate.ts";
import { median, printedAs } from "./measurement.ts";
import { denoArgs, type Ran, runMeasured } from "./process.ts";

/** What is timed. */
export interface PreprocessWorkload {
  /** Observations of the simulated survey, about. */
  observations: number;
  /** Of our own preprocess. */
  memoryLimit: string;
  rounds: number;
  python: string;
  /** Python scripts, each run with a pattern of Parquet files and the file to write. */
  peers: readonly string[];
}

/** Medians over the rounds. */
export interface PreprocessMeasurement {
  variant: string;
  observations_per_second: number;
  /** Observations that passed the filters. */
  kept: number;
  /** Peak resident memory of the process. */
  peak_memory_gb?: number;
}

const description = z.object({ observations: z.int() });

/**
 * Simulates a survey in a temporary folder and preprocesses it, ours and the peers alternating. All do the paper's filters and the
 * sort, on all cores; ours also splits and writes moments and checksums.
 * @param say takes what is being done
 * @returns how large the survey is, and every program's medians, ours first
 * @throws {Failure} when a program fails
 */
export function timePreprocess(
  { observations, memoryLimit, rounds, python, peers }: PreprocessWorkload,
  say: (text: string) => void,
): Promise<{ observations: number; medians: PreprocessMeasurement[] }> {
  return withWorkFolder(`${tmpdir()}/astromer_bench`, async (folder) => {
    const survey = `${folder}/survey`, output = `${folder}/output`;
    say("simulating a survey");
    const simulated = await simulate({
      ...{ output: survey, observations, memory_limit: memoryLimit, seed: 0, mean_length: 430 },
      ...{ format: "parquet", shard_observations: 2_000_000 },
    });
    const ours = [
      ...denoArgs(new URL("../../cli.ts", import.meta.url), "read", "write", "ffi", "env"),
      ...["preprocess", "--preset", "reference", "--input", `${survey}/observations`, "--output", output],
      ...["--trim", "--noise-filter", "--memory-limit", memoryLimit],
    ];
    const programs = [
      {
        variant: "astromer",
        run: () => runMeasured(Deno.execPath(), ours, "astromer"),
        kept: async () =>
          printedAs(description, await Deno.readTextFile(`${output}/dataset.json`), "astromer"),
      },
      ...peers.map((script) => ({
        variant: script.replace(/^.*\/|\.py$/g, ""),
        run: () => runMeasured(python, [script, `${survey}/observations/*.parquet`, output], saidOf(script)),
        kept: ({ lines }: Ran) => printedAs(description, lines.at(-1) ?? "", saidOf(script)),
      })),
    ];
    const found = programs.map(() => [] as (Ran & { kept: number })[]);
    for (let round = 1; round <= rounds; round++) {
      say(`preprocess: round ${round} of ${rounds}`);
      for (const [i, { run, kept }] of programs.entries()) {
        const ran = await run();
        found[i].push({ ...ran, kept: (await kept(ran)).observations });
        if (!await exists(output)) throw new Failure(`${programs[i].variant} wrote nothing to ${output}`);
        await Deno.remove(output, { recursive: true });
      }
    }
    const medians = programs.map(({ variant }, i) => ({
      variant,
      observations_per_second: simulated.observations / median(found[i].map(({ seconds }) => seconds))!,
      kept: found[i][0].kept,
      peak_memory_gb: median(found[i].map(({ peak_memory_gb }) => peak_memory_gb)),
    }));
    return { observations: simulated.observations, medians };
  });
}

const saidOf = (script: string) => `the peer ${script}`;
