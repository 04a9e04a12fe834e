/** The table of commands. `deno task <command>` is `deno run cli.ts <command>` with the permissions that it needs. */
import { LibtorchError } from "./ffi/library.ts";
import type { Command } from "./src/command/command.ts";
import { helpOf } from "./src/command/help.ts";
import { readSettings } from "./src/command/read_settings.ts";
import { tryOutputs } from "./src/command/outputs.ts";
import { launched, MpiError } from "./ffi/mpi.ts";
import { NcclError } from "./ffi/nccl.ts";
import {
  Failure,
  InputError,
  Interrupted,
  memorySentence,
  messageOf,
  printable,
} from "./src/common/errors.ts";
import { leaveRanks } from "./src/machine/ranks.ts";
import { closestString } from "./src/common/std.ts";

/** Every command, in the order of the overview. */
export const commands: Record<string, { summary: string; load: () => Promise<{ default: unknown }> }> = {
  setup: { summary: "install libtorch where none is found", load: () => import("./tasks/setup.ts") },
  doctor: { summary: "what this machine has and what is missing", load: () => import("./tasks/doctor.ts") },
  quickstart: { summary: "the whole way on a simulated survey", load: () => import("./tasks/quickstart.ts") },
  simulate: { summary: "write a simulated survey", load: () => import("./tasks/simulate.ts") },
  inspect: { summary: "what preprocess would read of files", load: () => import("./tasks/inspect.ts") },
  preprocess: { summary: "survey files to a dataset folder", load: () => import("./tasks/preprocess.ts") },
  pretrain: { summary: "a dataset folder to a pretrained model", load: () => import("./tasks/pretrain.ts") },
  evaluate: { summary: "RMSE and R2 of a model on a dataset", load: () => import("./tasks/evaluate.ts") },
  import: { summary: "the authors' TensorFlow weights to a model", load: () => import("./tasks/import.ts") },
  fetch: { summary: "a model of the Hugging Face Hub, for later", load: () => import("./tasks/fetch.ts") },
  export: { summary: "a model or classifier as ONNX", load: () => import("./tasks/export.ts") },
  publish: { summary: "a model as a folder for the Hub", load: () => import("./tasks/publish.ts") },
  embed: { summary: "embeddings of light curves as Parquet", load: () => import("./tasks/embed.ts") },
  reconstruct: {
    summary: "draw a light curve, its hidden points, predictions",
    load: () => import("./tasks/reconstruct.ts"),
  },
  attention: {
    summary: "draw where a model looks in a light curve",
    load: () => import("./tasks/attention.ts"),
  },
  scenarios: {
    summary: "few-shot scenarios of a labelled dataset",
    load: () => import("./tasks/scenarios.ts"),
  },
  finetune: {
    summary: "go on training, on scenarios or a survey",
    load: () => import("./tasks/finetune.ts"),
  },
  classify: { summary: "classifiers on scenarios, scored", load: () => import("./tasks/classify.ts") },
  benchmark: {
    summary: "vectors judged by fixed probes, on suites",
    load: () => import("./tasks/benchmark.ts"),
  },
  predict: { summary: "classes of the objects of a survey", load: () => import("./tasks/predict.ts") },
  explore: { summary: "a map of embeddings in the browser", load: () => import("./tasks/explore.ts") },
  anomalies: {
    summary: "the oddest light curves, without labels",
    load: () => import("./tasks/anomalies.ts"),
  },
  search: { summary: "more light curves like this one", load: () => import("./tasks/search.ts") },
  report: { summary: "runs as one HTML file with all figures", load: () => import("./tasks/report.ts") },
  bench: { summary: "windows per second, beside PyTorch", load: () => import("./tasks/bench.ts") },
};

/** Commands that several ranks do together. */
const shared = ["pretrain", "embed"];

function overview(): string {
  const lines = Object.entries(commands).map(([name, { summary }]) => `  ${name.padEnd(12)}${summary}`);
  return [
    "Astromer 2 for Deno: self-supervised embeddings of astronomical light curves.",
    "",
    "deno task <command> [settings]       deno task <command> --help",
    "",
    ...lines,
    "",
    "Exit codes: 0 done, 1 failure, 2 wrong use or input, 75 stopped by a signal (--resume goes on).",
  ].join("\n");
}

/**
 * Runs one command line.
 * @returns the exit code: 0 done, 1 failure, 2 wrong use or wrong input, 75 stopped by a signal: `--resume` goes on
 */
export async function main(args: string[]): Promise<number> {
  const [name, ...rest] = args, { rank, size } = launched();
  const say = (text: unknown) => console.error(size > 1 ? `rank ${rank} of ${size}: ${text}` : text);
  if (!name || name === "--help" || name === "-h" || name === "help") {
    console.log(overview());
    return name ? 0 : 2;
  }
  let command: Command | undefined;
  try {
    if (!Object.hasOwn(commands, name)) {
      throw new InputError(
        `unknown command "${name}"; did you mean "${closestString(name, Object.keys(commands))}"?`,
      );
    }
    if (size > 1 && !shared.includes(name)) {
      throw new InputError(
        `${name} is done by one process, but this is one of ${size}: start it without mpirun or srun; ${
          shared.join(" and ")
        } can be shared by ranks`,
      );
    }
    command = (await commands[name].load()).default as Command;
    if (rest.includes("--help") || rest.includes("-h")) {
      console.log(helpOf(command));
      return 0;
    }
    const { settings, given } = await readSettings(command, rest);
    await tryOutputs(settings);
    await command.run(settings, given, main);
    return 0;
  } catch (error) {
    if (error instanceof InputError) {
      say(`error: ${error.message}`);
      return 2;
    }
    if (error instanceof Interrupted) {
      if (rank === 0) console.error(error.message);
      return 75;
    }
    const missing = command && memorySentence(error, Object.keys(command.settings.shape));
    if (missing) {
      say(`error: ${missing}`);
      return 1;
    }
    say(`error: ${messageOf(error)}`);
    const expected = [Failure, LibtorchError, MpiError, NcclError].some((kind) => error instanceof kind);
    if (!expected && error instanceof Error) console.error(printable(error.stack ?? ""));
    return 1;
  }
}

if (import.meta.main) {
  const code = await main(Deno.args);
  // What ends a run well, or by a signal, the ranks have agreed on.
  leaveRanks(code, code === 0 || code === 75);
  Deno.exit(code);
}
