/**
 * Pretrains an Astromer 2 for many minutes, with a checkpoint twice a minute and validations, and fails where its memory
 * grows: `deno task soak --minutes 30`.
 */
import { cli } from "./tasks/support.ts";
import { permissionsOf } from "./tasks/permissions.ts";
import { parseArgs } from "../src/common/std.ts";

const { minutes = "30" } = parseArgs(Deno.args, { string: ["minutes"] }) as { minutes?: string };
/** Medians may grow by this share. */
const tolerance = 0.02;

async function command(name: string, args: string[], flags: string[] = []): Promise<void> {
  const { code } = await new Deno.Command(Deno.execPath(), {
    args: ["run", ...flags, ...permissionsOf(name), cli, name, ...args],
    stdout: "null",
  }).output();
  if (code !== 0) throw new Error(`${name} ended with code ${code}`);
}

const folder = await Deno.makeTempDir();
try {
  const survey = `${folder}/survey`, data = `${folder}/data`, run = `${folder}/run`;
  await command("simulate", ["--light-curves", "2000", "--output", survey]);
  await command("preprocess", ["--preset", "reference", "--input", survey, "--output", data]);
  await command("pretrain", [
    ...["--data", data, "--output", run, "--log-steps", "10"],
    ...["--max-minutes", minutes, "--epochs", "1000000", "--patience", "1000000"],
    ...["--checkpoint-minutes", "0.5"], // so that the first sixth has seen all that a run does
  ], ["--v8-flags=--min-semi-space-size=16"]); // which V8 would take some day, and that would look like growth
  const text = await Deno.readTextFile(`${run}/metrics.jsonl`);
  const lines = text.trim().split("\n").map((line) => JSON.parse(line));
  for (const [kind, what] of [["step", "of steps"], ["epoch", "left at an epoch's end"]]) {
    // By sixths of the time, of which the first warms up.
    const medians = Array.from({ length: 6 }, (_, i) => {
      const sixth = (line: { seconds: number }) => Math.floor(line.seconds / 10 / Number(minutes));
      const found = lines.filter((line) => line.kind === kind && sixth(line) === i);
      if (found.length === 0) {
        throw new Error(`${minutes} minutes are too few: a sixth of them ends no ${kind}`);
      }
      return found.map((line) => 1000 * line.memory_gb).sort((a, b) => a - b)[found.length >> 1];
    });
    const growth = medians[5] / medians[1] - 1;
    console.log(
      `memory ${what}, medians by sixths of ${minutes} minutes: ${
        medians.map((each) => each.toFixed(1)).join(", ")
      } MB, ${(100 * growth).toFixed(2)} % from the second to the last`,
    );
    if (!(growth <= tolerance)) throw new Error(`memory ${what} grows by more than ${100 * tolerance} %`);
  }
} finally {
  await Deno.remove(folder, { recursive: true });
}
