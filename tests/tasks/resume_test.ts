/** Real runs that are killed, stopped, damaged and gone on with. */
import { createHash } from "node:crypto";
import { Astromer } from "../../src/library/astromer.ts";
import type { Result } from "../../src/classify/results.ts";
import { checkpointsIn } from "../../src/train/checkpoint.ts";
import { seeded } from "../../src/common/random.ts";
import { assertEquals, assertStringIncludes, assertTrue } from "../../src/common/std.ts";
import { hasShared, sharedPath, testIn } from "../shared.ts";
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

testTiny(
  "every signal that asks to stop is answered with a checkpoint and exit code 75",
  async (folder, data) => {
    const settings = ["pretrain", "--data", data, "--preset", "small", "--epochs", "8", "--log-steps", "5"];
    // What Slurm is asked for lands in a file.
    const bin = `${folder}/bin`, asked = `${folder}/asked`;
    await Deno.mkdir(bin);
    await Deno.writeTextFile(`${bin}/scontrol`, `#!/bin/sh\necho "$@" >> ${asked}\n`, { mode: 0o755 });
    const slurm = { SLURM_JOB_ID: "4711", PATH: `${bin}:${Deno.env.get("PATH")}` };
    for (const signal of ["SIGINT", "SIGTERM", "SIGUSR1"] as const) {
      const output = `${folder}/${signal}`;
      const running = new Running([...settings, "--output", output, "--resume", "--requeue"], slurm);
      await running.until("epoch 1:");
      running.process.kill(signal);
      const { code, stdout, stderr } = await running.end();
      assertEquals(code, 75, stderr);
      assertStringIncludes(stdout, `there is no run in ${output} yet: starting one`);
      assertStringIncludes(stdout, "stopped by a signal: ");
      const [newest] = await checkpointsIn(`${output}/checkpoints`);
      const step = Number(/\d+/.exec(newest));
      assertTrue(step >= 12 && step < 96, newest);
      const queued = signal === "SIGUSR1" ? "; job 4711 is queued again" : "";
      assertStringIncludes(
        stderr,
        `stopped by ${signal}: --resume continues from step ${step} of ${output}${queued}\n`,
      );
    }
    assertEquals(await Deno.readTextFile(asked), "requeue 4711\n");
    // What comes after the signal is the same for all.
    await succeed(...settings, "--output", `${folder}/whole`);
    await succeed(...settings, "--output", `${folder}/SIGUSR1`, "--resume");
    assertEquals(await endOf(`${folder}/SIGUSR1`), await endOf(`${folder}/whole`));
  },
);

testTiny("lock, damage, other threads, changed settings: named, and survived", async (folder, data) => {
  const small = ["--preset", "small", "--epochs", "4", "--checkpoint-minutes", "0"];
  const settings = ["pretrain", "--data", data, ...small];
  const output = `${folder}/run`, again = ["--output", output, "--resume"];
  await succeed(...settings, "--output", `${folder}/whole`);
  const running = new Running([...settings, "--output", output]);
  await running.until("epoch 2:");
  running.process.kill("SIGSTOP"); // it is to live, but not to go on
  const locked = await run(...settings, ...again);
  assertEquals(locked.code, 2);
  assertStringIncludes(locked.stderr, `${output} is in use by process ${running.process.pid} on `);
  running.process.kill("SIGKILL");
  const { signal } = await running.end();
  assertEquals(signal, "SIGKILL");

  const without = await run(...settings, "--output", output);
  assertEquals(without.code, 2);
  assertStringIncludes(without.stderr, "already holds a run: continue it with --resume");
  const changed = await run(...settings, ...again, "--seed", "1");
  assertEquals(changed.code, 2);
  assertStringIncludes(
    changed.stderr,
    "was started with seed = 0, now 1. A run cannot continue with another seed",
  );
  const survey = `${folder}/half`;
  await succeed(...["preprocess", "--preset", "reference", "--input", sharedPath("data/asas-tiny")], ...[
    ...["--output", survey, "--magnitude-range", "8,13"],
  ]);
  const other = await run("pretrain", "--data", survey, ...again);
  assertEquals(other.code, 2);
  assertStringIncludes(other.stderr, `${output} was left by process ${running.process.pid} on `);
  assertStringIncludes(other.stderr, "was started on a dataset with the fingerprint ");

  // The newest checkpoint cut short, the best model gone, the metrics ahead of the checkpoint before.
  const [newest, before] = await checkpointsIn(`${output}/checkpoints`);
  await Deno.truncate(`${output}/checkpoints/${newest}`, 1000);
  await Deno.remove(`${output}/best/model.safetensors`);
  await Deno.writeTextFile(`${output}/metrics.jsonl`, '{"kind":"step","ep', { append: true });
  const resumed = await run("pretrain", "--data", data, ...again, "--epochs", "4");
  assertEquals(resumed.code, 0, resumed.stderr);
  assertStringIncludes(resumed.stderr, `damaged checkpoint, set aside as ${newest}.damaged: `);
  assertStringIncludes(resumed.stdout, `continues from step ${Number(/\d+/.exec(before))} (`);
  assertEquals(await endOf(output), await endOf(`${folder}/whole`));
  const environment = JSON.parse(await Deno.readTextFile(`${output}/environment.json`));
  assertEquals(environment.resumed_from_step, Number(/\d+/.exec(before)));
  assertTrue(environment.started < environment.resumed);
  const finished = await succeed("pretrain", "--data", data, ...again, "--threads", "2");
  assertStringIncludes(
    finished.stdout,
    "it goes on with threads 2 (before: 1): numbers may differ in their last",
  );
  assertStringIncludes(finished.stdout, `${output} was finished already: all epochs done: 4 epochs`);
  const weights = await endOf(output);
  const longer = await succeed(
    "pretrain",
    "--data",
    data,
    ...again,
    "--epochs",
    "5",
    "--override",
    "epochs",
  );
  assertStringIncludes(longer.stdout, "all epochs done: 5 epochs, 60 steps");
  assertTrue(weights.weights[1] !== (await endOf(output)).weights[1]);
  const { epochs } = JSON.parse(await Deno.readTextFile(`${output}/config.json`));
  assertEquals(epochs, 5);

  await Deno.remove(`${output}/checkpoints`, { recursive: true });
  const old = await run("pretrain", "--data", data, ...again);
  assertEquals(old.code, 2);
  assertStringIncludes(old.stderr, `${output} holds the model best/ but no checkpoint to continue from`);
  for (const model of ["best", "last"]) await Deno.remove(`${output}/${model}`, { recursive: true });
  const [shorter, thread] = [["--epochs", "4", "--override", "epochs"], ["--threads", "1"]]; // 2 are the run's own by now
  const anew = await succeed("pretrain", "--data", data, ...again, ...shorter, ...thread);
  assertStringIncludes(anew.stdout, `${output} has no checkpoint yet: it starts from the beginning`);
  assertEquals(await endOf(output), await endOf(`${folder}/whole`));
});

/** Scenarios of the small survey, and a model that knows nothing yet. */
async function fewShot(folder: string, data: string) {
  const scenarios = `${folder}/scenarios`, model = `${folder}/model`;
  await succeed(...["scenarios", "--data", data, "--output", scenarios, "--classes", "Mira,Detached"], ...[
    ...["--samples-per-class", "10", "--folds", "2", "--test-per-class", "5"],
  ]);
  using untrained = Astromer.untrained({ preset: "small" });
  await untrained.save(model);
  return { model, paths: ["--data", data, "--scenarios", scenarios] };
}

testTiny(
  "finetuning on scenarios, killed in the second, ends bit for bit as without",
  async (folder, data) => {
    const { model, paths } = await fewShot(folder, data);
    const settings = ["finetune", "--model", model, ...paths, "--epochs", "6", "--log-steps", "1"];
    await succeed(...settings, "--output", `${folder}/whole`);
    const output = `${folder}/killed`;
    const frequent = [...settings, "--output", output, "--resume", "--checkpoint-minutes", "0"];
    const [first, second] = ["10-0", "10-1"];
    await Deno.mkdir(`${output}/${second}/checkpoints`, { recursive: true });
    const running = new Running(frequent);
    assertEquals(await kill(running, `${output}/${second}`, "writing", 4, 0), "SIGKILL");
    // Once more, with a signal that asks: it must not be taken for the end of the scenario.
    const asked = new Running(frequent);
    await asked.until(`${output}/${second} continues from step `);
    asked.process.kill("SIGTERM");
    const { code, stdout, stderr } = await asked.end();
    assertEquals(code, 75, stdout);
    assertStringIncludes(stdout, `${output}/${first} is there already`);
    assertStringIncludes(stderr, `stopped by SIGTERM: the same command with --resume goes on in ${output}`);
    await succeed(...frequent);
    for (const name of [first, second]) {
      assertEquals(await endOf(`${output}/${name}`), await endOf(`${folder}/whole/${name}`));
      const [one, other] = await Promise.all([output, `${folder}/whole`].map(async (run) => {
        const { minutes: _, ...found } = JSON.parse(await Deno.readTextFile(`${run}/${name}/finetuned.json`));
        return found;
      }));
      assertEquals(one, other);
    }
    // What is done is neither made again nor taken for another's.
    const slower = await run(...settings, "--output", output, "--learning-rate", "2e-5");
    assertEquals(slower.code, 2);
    assertStringIncludes(
      slower.stderr,
      `${output}/${first} exists already, made with learning_rate = 0.00001, now 0.00002`,
    );
    const absent = await run(...settings, "--output", output, "--samples-per-class", "10,11");
    assertEquals(absent.code, 2);
    assertStringIncludes(absent.stderr, "has no scenario of 11 samples per class: there are 10");
  },
);

testTiny("a grid of classifiers, killed and gone on with, ends with the same files", async (folder, data) => {
  const { model, paths } = await fewShot(folder, data);
  const settings = ["classify", "--models", `${model},classical`, "--heads", "gamma,knn", ...paths];
  const short = ["--epochs", "20", "--windows", "2"];
  await succeed(...settings, ...short, "--output", `${folder}/whole`);
  const output = `${folder}/killed`, results = `${output}/results/model/gamma`;
  await Deno.mkdir(results, { recursive: true });
  // After the first classifier: of its encoder some are done, some not.
  const watcher = Deno.watchFs(results);
  const running = new Running([...settings, ...short, "--output", output]);
  for await (const { paths } of watcher) if (paths.some((path) => path.endsWith(".json"))) break;
  running.process.kill("SIGKILL");
  assertEquals((await running.end()).signal, "SIGKILL");
  const done = (await filesIn(`${output}/results`)).length;
  assertTrue(done >= 1 && done < 8, `${done} of 8 were done`);
  const { stdout } = await succeed(...settings, ...short, "--output", output);
  assertEquals(stdout.match(/samples per class, fold/g)?.length, 8 - done);
  for (const part of ["cache", "classifiers"]) {
    const names = await filesIn(`${output}/${part}`);
    assertEquals(names, await filesIn(`${folder}/whole/${part}`));
    for (const name of names) {
      assertEquals(
        await sha256(`${output}/${part}/${name}`),
        await sha256(`${folder}/whole/${part}/${name}`),
        name,
      );
    }
  }
  const timeless = async (run: string) =>
    JSON.parse(await Deno.readTextFile(`${run}/results.json`)).map(({ seconds: _, ...rest }: Result) => rest);
  assertEquals(await timeless(output), await timeless(`${folder}/whole`));
});

/** The files in a folder and below it, sorted. */
async function filesIn(folder: string): Promise<string[]> {
  const found: string[] = [];
  for await (const { name, isDirectory } of Deno.readDir(folder)) {
    found.push(
      ...isDirectory ? (await filesIn(`${folder}/${name}`)).map((inner) => `${name}/${inner}`) : [name],
    );
  }
  return found.sort();
}
