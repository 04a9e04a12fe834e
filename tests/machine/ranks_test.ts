/** Real ranks on the small real survey: the same run as one process makes, whatever happens to a rank. */
import { exists } from "../../src/files/atomic.ts";
import { oneRank, Ranks } from "../../src/machine/ranks.ts";
import { assertEquals, assertStringIncludes, assertTrue } from "../../src/common/std.ts";
import { newestCheckpoint } from "../../src/train/checkpoint.ts";
import { epochBatches } from "../../src/train/epoch.ts";
import { named, openMpi } from "../mpirun.ts";
import { hasShared } from "../shared.ts";
import { namesIn } from "../survey/support.ts";
import { preprocessed, Running, succeed, timelessMetrics } from "../tasks/support.ts";

const settings = ["--preset", "small", "--dropout", "0", "--precision", "float32", "--window-size", "50"];
const loop = ["--batch-size", "18", "--epochs", "3", "--schedule", "constant", "--log-steps", "1"];

/** Ranks whose stderr says which process each is. */
function ranked(ranks: number, ...args: string[]): Running {
  const say = 'echo "rank $OMPI_COMM_WORLD_RANK is $$" >&2; exec "$0" "$@"';
  return new Running(args, {}, [...openMpi!.start(ranks), "bash", "-c", say]);
}

/** The process of a rank, once it has said so. */
async function processOf(running: Running, rank: number): Promise<number> {
  const said = new RegExp(`rank ${rank} is (\\d+)\n`);
  await running.until(`rank ${rank} is `);
  while (!said.test(running.stderr)) await running.until("\n");
  return Number(said.exec(running.stderr)![1]);
}

/** The largest difference of two runs' metrics, line by line. */
async function differenceOf(one: string, other: string): Promise<number> {
  const [a, b] = [await timelessMetrics(one), await timelessMetrics(other)];
  assertEquals(b.length, a.length);
  let largest = 0;
  for (const [i, line] of a.entries()) {
    assertEquals(Object.keys(b[i]), Object.keys(line));
    for (const [name, value] of Object.entries(line)) {
      if (typeof value !== "number") assertEquals(b[i][name], value);
      else largest = Math.max(largest, Math.abs(b[i][name] - value) / Math.max(1, Math.abs(value)));
    }
  }
  return largest;
}

const ready = hasShared && openMpi !== undefined;
let folder = "", data = "";

Deno.test.beforeAll(async () => {
  if (!ready) return;
  folder = await Deno.makeTempDir();
  data = await preprocessed(folder);
  await succeed("pretrain", "--data", data, "--output", `${folder}/one`, ...settings, ...loop);
});
Deno.test.afterAll(async () => {
  if (folder) await Deno.remove(folder, { recursive: true });
});

/** A test of real ranks beside the run of one process in `one`. */
function ranksTest(name: string, run: () => Promise<void>): void {
  Deno.test({ name: named(name, ready), ignore: !ready, fn: run });
}

for (const ranks of [2, 4]) {
  ranksTest(`${ranks} ranks: the loss curve of one, one folder, one report of each epoch`, async () => {
    const output = `${folder}/of-${ranks}`;
    const { code, stdout, stderr } = await ranked(
      ranks,
      "pretrain",
      "--data",
      data,
      "--output",
      output,
      ...settings,
      ...loop,
    ).end();
    assertEquals(code, 0, stderr);
    const difference = await differenceOf(`${folder}/one`, output);
    assertTrue(difference < 1e-5, `${difference}`);
    assertEquals(await namesIn(output), await namesIn(`${folder}/one`));
    assertStringIncludes(stdout, `1 threads, at each of ${ranks} ranks\n`);
    for (const line of ["epoch 1:", "epoch 3:", "all epochs done:", "report:"]) {
      assertEquals(stdout.split(line).length, 2, line);
    }
  });
}

ranksTest("2 ranks whose steps are read later, as on GPUs: the loss curve of one", async () => {
  const output = `${folder}/later`, later = ["--steps-ahead", "3"];
  const run = ranked(2, "pretrain", "--data", data, "--output", output, ...settings, ...loop, ...later);
  const { code, stderr } = await run.end();
  assertEquals(code, 0, stderr);
  const difference = await differenceOf(`${folder}/one`, output);
  assertTrue(difference < 2e-4, `${difference}`);
});

ranksTest(
  "a signal at one rank stops all at the same step; one process goes on with what four began",
  async () => {
    const output = `${folder}/signalled`;
    const run = ranked(4, "pretrain", "--data", data, "--output", output, ...settings, ...loop);
    const third = await processOf(run, 2);
    await run.until("epoch 1:");
    Deno.kill(third, "SIGTERM");
    const { code, stderr } = await run.end();
    assertEquals(code, 75, stderr);
    assertStringIncludes(stderr, "stopped by a signal at another rank: --resume continues from step");
    const { stdout } = await succeed("pretrain", "--data", data, "--output", output, "--resume");
    assertStringIncludes(stdout, "continues from step");
    assertStringIncludes(stdout, "ranks 1 (before: 4)");
    const difference = await differenceOf(`${folder}/one`, output);
    assertTrue(difference < 1e-5, `${difference}`);
  },
);

ranksTest("the death of a rank ends all within 30 s, and two go on from the checkpoint", async () => {
  const output = `${folder}/killed`, often = ["--checkpoint-minutes", "0"];
  const run = ranked(4, "pretrain", "--data", data, "--output", output, ...settings, ...loop, ...often);
  const second = await processOf(run, 1);
  await run.until("epoch 1:");
  const killed = performance.now();
  Deno.kill(second, "SIGKILL");
  const { code } = await run.end();
  assertTrue(code !== 0, "an error");
  assertTrue(performance.now() - killed < 30_000);
  const said: string[] = [];
  const kept = await newestCheckpoint(`${output}/checkpoints`, (line) => void said.push(line));
  assertTrue(kept!.record.step > 0);
  assertEquals(said, []);
  const again = await ranked(2, "pretrain", "--data", data, "--output", output, "--resume").end();
  assertEquals(again.code, 0, again.stderr);
  const difference = await differenceOf(`${folder}/one`, output);
  assertTrue(difference < 1e-5, `${difference}`);
});

ranksTest("what fails at one rank ends all, and says at which", async () => {
  const output = `${folder}/failed`;
  const elsewhere = '[ "$OMPI_COMM_WORLD_RANK" = 1 ] && data=nowhere; exec "$0" "$@" --data $data';
  const run = new Running(["pretrain", "--output", output, ...settings, ...loop], { data }, [
    ...openMpi!.start(2),
    ...["bash", "-c", elsewhere],
  ]);
  const { code, stderr } = await run.end();
  assertEquals(code, 2, stderr);
  assertStringIncludes(stderr, "rank 1 of 2: error: nowhere is not a dataset folder");
  assertEquals(await exists(`${output}/metrics.jsonl`), false);
});

ranksTest("three ranks embed to the same bytes as one", async () => {
  for (const pooling of ["mean", "points"]) {
    const args = ["embed", "--model", `${folder}/one/best`, "--data", data, "--subset", "test"];
    const common = [...args, "--pooling", pooling, "--precision", "float32", "--batch-size", "4", "--output"];
    await succeed(...common, `${folder}/one.parquet`);
    const { code, stdout, stderr } = await ranked(3, ...common, `${folder}/three.parquet`).end();
    assertEquals(code, 0, stderr);
    assertStringIncludes(stdout, "float32 on cpu of 3 ranks");
    assertEquals(
      await Deno.readFile(`${folder}/three.parquet`),
      await Deno.readFile(`${folder}/one.parquet`),
      pooling,
    );
  }
});

ranksTest("what several ranks cannot do is refused", async () => {
  const rows: [args: string[], sentence: string][] = [
    [["evaluate", "--model", "a", "--data", "b"], "evaluate is done by one process, but this is one of 2"],
    [
      ["embed", "--model", `${folder}/one/best`, "--input", "a.csv", "--output", `${folder}/x.parquet`],
      "--input is read by one process",
    ],
    [
      ["pretrain", "--data", data, "--output", `${folder}/few`, ...settings, "--batch-size", "1"],
      "--batch-size 1 is shared by all 2 ranks",
    ],
  ];
  for (const [args, sentence] of rows) {
    const { code, stderr } = await ranked(2, ...args).end();
    assertEquals(code, 2, stderr);
    assertStringIncludes(stderr, sentence);
  }
});

Deno.test("no light curve is seen twice in an epoch, none is left out", () => {
  const lengths = Int32Array.from({ length: 103 }, (_, i) => 5 + (i * 37) % 90);
  const curves = [...lengths.keys()];
  const options = { seed: 3, windowSize: 40, batchSize: 16 };
  const all = Array.from({ length: 4 }, (_, rank) => new Ranks({ rank, size: 4, localRank: rank }));
  const seen = epochBatches({ lengths } as unknown as Parameters<typeof epochBatches>[0], curves, options, 1)
    .flatMap((batch) => all.flatMap((ranks) => ranks.part(batch).map(({ lightCurve }) => lightCurve)));
  assertEquals(seen.sort((a, b) => a - b), curves);
  assertEquals(oneRank.part(curves), curves);
});
