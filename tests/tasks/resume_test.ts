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

/** Ends a process with SIGKILL after some checkpoints: a moment later, or while the next is being written. */
async function killAfter(
  running: Running,
  run: string,
  checkpoints: number,
  writing: boolean,
  delay: number,
) {
  const watcher = Deno.watchFs(`${run}/checkpoints`);
  const over = running.end().finally(() => watcher.close());
  const wanted = writing ? /\.tmp$/ : /\.safetensors$/;
  const seen = new Set<string>();
  for await (const { paths } of watcher) {
    for (const path of paths) if (wanted.test(path)) seen.add(path);
    if (seen.size < checkpoints) continue;
    if (!writing) await new Promise((resolve) => setTimeout(resolve, delay));
    running.process.kill("SIGKILL");
    break;
  }
  return (await over).signal;
}

testTiny("killed at twenty random moments, a run ends bit for bit as without", async (folder, data) => {
  const settings = ["pretrain", "--data", data, "--preset", "small", "--epochs", "18", "--log-steps", "1"];
  await succeed(...settings, "--output", `${folder}/whole`);
  const killed = `${folder}/killed`, random = seeded(20);
  await Deno.mkdir(`${killed}/checkpoints`, { recursive: true });
  let halfWritten = 0;
  for (let kill = 0; kill < 20; kill++) {
    const running = new Running([...settings, "--output", killed, "--resume", "--checkpoint-minutes", "0"]);
    const writing = kill % 2 === 0;
    const signal = await killAfter(running, killed, 1 + random.integer(6), writing, 20 * random.next());
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
