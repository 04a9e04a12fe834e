/**
 * Pretrains an Astromer 2 for many minutes, with a checkpoint twice a minute and validations, and fails where its memory
 * grows: `deno task soak --minutes 30`.
 */
import { cli } from "./tasks/support.ts";
import { permissionsOf } from "./tasks/permissions.ts";
import { parseArgs } from "../src/std.ts";

const { minutes = "30" } = parseArgs(Deno.args, { string: ["minutes"] }) as { minutes?: string };
/** What is left at the end of an epoch may grow by this share. */
const tolerance = 0.02;
/** And what a step needs besides, which depends on how its batch's blocks fit between older ones, by this. */
const stepTolerance = 0.1;

async function command(...args: string[]): Promise<void> {
  const { code } = await new Deno.Command(Deno.execPath(), {
    args: ["run", ...permissionsOf(args[0]), cli, ...args],
    stdout: "null",
  }).output();
  if (code !== 0) throw new Error(`${args[0]} ended with code ${code}`);
}

/** Resident memory of a process that is no file's, bytes: pages of files come and go as the system likes. */
async function ownMemory(pid: number): Promise<number> {
  const status = await Deno.readTextFile(`/proc/${pid}/status`);
  return 1024 * Number(/^RssAnon:\s+(\d+) kB/m.exec(status)![1]);
}

const folder = await Deno.makeTempDir();
try {
  const survey = `${folder}/survey`, data = `${folder}/data`;
  await command("simulate", "--light-curves", "2000", "--output", survey);
  await command("preprocess", "--preset", "reference", "--input", survey, "--output", data);
  const run = new Deno.Command(Deno.execPath(), {
    args: [
      ...["run", ...permissionsOf("pretrain"), cli, "pretrain", "--data", data, "--output", `${folder}/run`],
      ...["--max-minutes", minutes, "--epochs", "1000000", "--patience", "1000000"],
      ...["--checkpoint-minutes", "0.5"], // so that the first sixth has seen all that a run does
    ],
    stdout: "null",
  }).spawn();
  const memory: { minute: number; bytes: number }[] = [], started = performance.now();
  const watch = setInterval(async () => {
    const minute = (performance.now() - started) / 60_000;
    if (minute > Number(minutes)) return; // it saves and draws its report
    memory.push({ minute, bytes: await ownMemory(run.pid).catch(() => NaN) });
  }, 20); // at an epoch's end freed memory is given back, which the next step takes again
  const { code } = await run.status;
  clearInterval(watch);
  if (code !== 0) throw new Error(`pretrain ended with code ${code}`);
  // By sixths of the time, of which the first warms up.
  const sixths = Array.from({ length: 6 }, (_, i) => {
    const part = memory.filter(({ minute }) => Math.floor(6 * minute / Number(minutes)) === i);
    return part.map(({ bytes }) => bytes).sort((a, b) => a - b);
  });
  const grown = (what: string, found: number[]) => {
    const growth = found[5] / found[1] - 1;
    const megabytes = found.map((bytes) => (bytes / 1e6).toFixed(1)).join(", ");
    console.log(`${what}: ${megabytes} MB, ${(100 * growth).toFixed(2)} % from the second to the last`);
    return growth;
  };
  console.log(`own memory over ${minutes} minutes, by sixths of them`);
  const lows = grown("least, at an epoch's end", sixths.map((part) => part[0]));
  const medians = grown("median", sixths.map((part) => part[part.length >> 1]));
  if (!(lows <= tolerance)) throw new Error(`what is left grows by more than ${100 * tolerance} %`);
  if (!(medians <= stepTolerance)) throw new Error(`memory grows by more than ${100 * stepTolerance} %`);
} finally {
  await Deno.remove(folder, { recursive: true });
}
