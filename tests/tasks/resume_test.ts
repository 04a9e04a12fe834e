/** Real runs that are killed, stopped, damaged and gone on with. */
import { createHash } from "node:crypto";
import { readCheckpoint } from "../../src/train/checkpoint.ts";
import { seeded } from "../../src/random.ts";
import { assertEquals, assertMatch, assertStringIncludes, assertTrue } from "../../src/std.ts";
import { hasShared, testIn } from "../shared.ts";
import { namesIn } from "../survey/support.ts";
import { preprocessed, run, Running, succeed, timelessMetrics } from "./support.ts";

/** A test with the small real survey as a dataset folder. */
function testTiny(name: string, test: (folder: string, data: string) => Promise<void>): void {
  testIn(name, async (folder) => await test(folder, await preprocessed(folder)), !hasShared);
}

const sha256 = async (path: string) => createHash("sha256").update(await Deno.readFile(path)).digest("hex");

/** All of a run that may not depend on its interruptions. */
async function endOf(folder: string) {
  const weights = ["best", "last"].map((name) => sha256(`${folder}/${name}/model.safetensors`));
  return { weights: await Promise.all(weights), metrics: await timelessMetrics(folder) };
}

/** Moments to end a run at: while it starts, while it writes a checkpoint, and at any other. */
const moments = ["starting", "writing", "training"] as const;

/** Ends a run with SIGKILL, after `count` checkpoints and up to `delay` ms. */
async function kill(
  run: Running,
  folder: string,
  moment: typeof moments[number],
  count: number,
  delay: number,
) {
  if (moment === "starting") await run.until("parameters");
  const watcher = Deno.watchFs(`${folder}/checkpoints`);
  const ended = run.end().finally(() => watcher.close());
  const wanted = moment === "writing" ? /\.tmp$/ : /\.safetensors$/;
  const seen = new Set<string>();
  for await (const { paths } of moment === "starting" ? [{ paths: [] }] : watcher) {
    for (const path of paths) if (wanted.test(path)) seen.add(path);
    if (moment !== "starting" && seen.size < count) continue;
    if (moment !== "writing") await new Promise((resolve) => setTimeout(resolve, delay));
    run.process.kill("SIGKILL");
    break;
  }
  return (await ended).signal;
}

testTiny("killed at twenty random moments, a run ends bit for bit as without", async (folder, data) => {
  const settings = ["pretrain", "--data", data, "--preset", "small", "--epochs", "18", "--log-steps", "1"];
  await succeed(...settings, "--output", `${folder}/whole`);
  // The same run in pieces; the first two of three kinds of kills make little headway.
  const killed = `${folder}/killed`, random = seeded(20);
  await Deno.mkdir(`${killed}/checkpoints`, { recursive: true });
  let halfWritten = 0;
  for (let time = 0; time < 20; time++) {
    const running = new Running([...settings, "--output", killed, "--resume", "--checkpoint-minutes", "0"]);
    const moment = moments[time % moments.length], delay = (moment === "starting" ? 100 : 20) * random.next();
    const signal = await kill(running, killed, moment, 1 + random.integer(8), delay);
    assertEquals(signal, "SIGKILL", `before it had ended: ${running.stdout}${running.stderr}`);
    const left = (await namesIn(`${killed}/checkpoints`)).filter((name) => name.endsWith(".tmp"));
    halfWritten += left.length;
  }
  assertTrue(halfWritten > 0, "some while a checkpoint was written");
  const { stdout } = await succeed(...settings, "--output", killed, "--resume");
  assertStringIncludes(stdout, "all epochs done: 18 epochs");
  assertEquals(await endOf(killed), await endOf(`${folder}/whole`));
  assertEquals((await namesIn(killed)).filter((name) => /tmp$|^lock$/.test(name)), []);
  assertEquals((await namesIn(`${killed}/checkpoints`)).length, 2);
});
