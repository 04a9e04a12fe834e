/** Times what a user runs: `embed`, from its start to the file that it wrote. */
import { tmpdir } from "node:os";
import { Failure } from "../common/errors.ts";
import { withWorkFolder } from "../survey/preprocess.ts";
import { median } from "./measurement.ts";
import { denoArgs, runMeasured } from "./process.ts";

/** What is timed. */
export interface EmbeddingWorkload {
  /** Model folder, or the name of a model that ships. */
  model: string;
  /** Dataset folder. */
  data: string;
  /** Flags of embed beside these. */
  flags: readonly string[];
  rounds: number;
}

/** Medians over the rounds. */
export interface EmbeddingMeasurement {
  /** From the start of the process to its end: Deno, libtorch, the model, the period search and the file included. */
  seconds: number;
  /** Windows embedded in each of them. */
  windows_per_second: number;
  peak_memory_gb?: number;
}

/**
 * Embeds a dataset with a model, as often as wanted.
 * @param say takes what is being done
 * @throws {Failure} when the command fails
 */
export function timeEmbedding(
  { model, data, flags, rounds }: EmbeddingWorkload,
  say: (text: string) => void,
): Promise<EmbeddingMeasurement> {
  return withWorkFolder(`${tmpdir()}/astromer_bench`, async (folder) => {
    const args = [
      ...denoArgs(new URL("../../cli.ts", import.meta.url), "read", "write", "ffi", "env"),
      ...["embed", "--model", model, "--data", data, "--output", `${folder}/embeddings.parquet`, ...flags],
    ];
    const found = [];
    for (let round = 1; round <= rounds; round++) {
      say(`embed: round ${round} of ${rounds}`);
      const ran = await runMeasured(Deno.execPath(), args, "embed");
      const [, windows] = /([\d,]+) windows?,/.exec(ran.lines.at(-1) ?? "") ?? [];
      if (windows === undefined) throw new Failure(`embed printed "${ran.lines.at(-1)}", not what it did`);
      found.push({ ...ran, windows: Number(windows.replaceAll(",", "")) });
    }
    const seconds = median(found.map(({ seconds }) => seconds))!;
    return {
      seconds,
      windows_per_second: found[0].windows / seconds,
      peak_memory_gb: median(found.map(({ peak_memory_gb }) => peak_memory_gb)),
    };
  });
}
