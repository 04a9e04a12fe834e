/**
 * Pretrains on dataset folders as a user does, by the command: first a moment, to see how long the first step takes to come;
 * then as many minutes as are left. `pretrain.ts --device cuda --minutes 3 --out DIR DATASET…` leaves the best model as float16
 * safetensors and the metrics of each in DIR, and prints a line of JSON each.
 */
import { readSafetensors, writeSafetensors } from "../../src/files/safetensors.ts";
import { parseArgs } from "../../src/common/std.ts";

const given = parseArgs(Deno.args, { string: ["device", "minutes", "out", "batch"], boolean: ["rehearse"] });
const { device = "cuda", minutes = "1", out = ".", batch = "256", _: folders } = given as
  & Record<string, string | undefined>
  & { _: string[] };
const cli = new URL("../../cli.ts", import.meta.url).pathname;
// On the CPU steps are read some later, as they are on a GPU.
const small = given.rehearse
  ? [
    "--preset",
    "small",
    "--window-size",
    "50",
    "--precision",
    "float32",
    "--steps-ahead",
    "4",
    "--data-on-device",
    "true",
  ]
  : [];

/** Lines of metrics that a run has written whole. */
async function linesOf(output: string): Promise<Record<string, unknown>[]> {
  const text = await Deno.readTextFile(`${output}/metrics.jsonl`).catch(() => "");
  return text.slice(0, text.lastIndexOf("\n") + 1).split("\n").filter((line) => line).map((line) =>
    JSON.parse(line)
  );
}

/** The last step that a run has written of; 0 before the first. */
async function lastStep(output: string): Promise<number> {
  return Math.max(0, ...(await linesOf(output)).map(({ step }) => Number(step)));
}

/** Runs the command. With `until`, `first` is when its metrics told of that step; then it may be killed. */
async function pretrain(data: string, output: string, flags: string[], until = 0, kill = false) {
  const start = performance.now();
  const child = new Deno.Command(Deno.execPath(), {
    args: [
      "run",
      "-A",
      "--cached-only",
      cli,
      "pretrain",
      "--data",
      data,
      "--output",
      output,
      "--device",
      device,
      "--batch-size",
    ]
      .concat(batch, small, flags),
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  let first: number | undefined, ended = false;
  const output_ = child.output().finally(() => ended = true);
  while (until > 0 && !ended && first === undefined) {
    if (await lastStep(output) >= until) first = (performance.now() - start) / 1000;
    else await new Promise((resolve) => setTimeout(resolve, 20));
  }
  if (kill && !ended) child.kill("SIGKILL");
  const { code, stdout, stderr } = await output_;
  const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
  return { code, first, said: text(stdout) + text(stderr).slice(-2000) };
}

/** A run that is killed and gone on with, against one that is not: losses of the same steps. */
async function killed(data: string, work: string) {
  const flags = ["--log-steps", "1", "--checkpoint-minutes", "0", "--schedule", "constant", "--seed", "3"];
  await pretrain(data, `${work}/killed`, flags, 4, true);
  const before = await lastStep(`${work}/killed`), until = before + 6;
  const resumed = await pretrain(data, `${work}/killed`, [...flags, "--resume"], until, true);
  const whole = await pretrain(data, `${work}/whole`, flags, until, true);
  const [expected, found] = [await linesOf(`${work}/whole`), await linesOf(`${work}/killed`)]
    .map((lines) =>
      new Map(
        lines.filter(({ kind }) => kind === "step").map(({ step, loss }) => [Number(step), Number(loss)]),
      )
    );
  const both = [...expected.keys()].filter((step) => found.has(step));
  const difference = Math.max(...both.map((step) => Math.abs(found.get(step)! / expected.get(step)! - 1)));
  const ok = both.length >= until - 1 && both.at(-1)! >= until && difference < 1e-4;
  const said = ok ? {} : { said: whole.said + resumed.said };
  return {
    pretrain: "killed and resumed",
    ok,
    steps: both.length,
    difference,
    bit_for_bit: difference === 0,
    ...said,
  };
}

let failed = false;
for (const [i, data] of folders.entries()) {
  const name = data.replace(/\/+$/, "").split("/").at(-1)!, work = await Deno.makeTempDir();
  try {
    // A line of metrics every step: the first one comes when the first step was read.
    const quick = [
      "--log-steps",
      "1",
      "--max-minutes",
      "0.02",
      "--validation-windows",
      "16",
    ];
    if (i === 0) {
      const found = await killed(data, work);
      failed ||= !found.ok;
      console.log(JSON.stringify(found));
    }
    const moment = i === 0 ? await pretrain(data, `${work}/moment`, quick, 1) : undefined;
    const long = await pretrain(data, `${work}/run`, [
      "--max-minutes",
      String(Number(minutes) / folders.length),
    ]);
    const lines = await linesOf(`${work}/run`);
    const steps = lines.filter(({ kind }) => kind === "step"),
      epochs = lines.filter(({ kind }) => kind === "epoch");
    const ok = long.code === 0 && epochs.length > 0 && (!moment || moment.code === 0);
    if (ok) {
      await Deno.copyFile(`${work}/run/metrics.jsonl`, `${out}/${name}.metrics.jsonl`);
      const { tensors, metadata } = await readSafetensors(`${work}/run/best/model.safetensors`);
      const halves = [...tensors].map(([key, { shape, data }]) => {
        const rounded = new Float16Array(data as Float32Array);
        return [key, { dtype: "F16" as const, shape, data: new Uint16Array(rounded.buffer) }] as const;
      });
      await writeSafetensors(`${out}/${name}.safetensors`, Object.fromEntries(halves), metadata);
      await Deno.copyFile(`${work}/run/best/config.json`, `${out}/${name}.config.json`);
    }
    failed ||= !ok;
    console.log(JSON.stringify({
      pretrain: name,
      ok,
      first_step_seconds: moment?.first,
      windows_per_second: steps.at(-1)?.windows_per_second,
      steps: epochs.at(-1)?.step,
      epochs: epochs.length,
      validation_loss: epochs.map(({ validation_loss }) => validation_loss),
      ...ok ? {} : { said: moment?.code ? moment.said : long.said },
    }));
  } finally {
    await Deno.remove(work, { recursive: true });
  }
}
Deno.exit(failed ? 1 : 0);
