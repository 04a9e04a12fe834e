/**
 * Pretrains on dataset folders as a user does, by the command: first a moment, to see how long the first step takes to come;
 * then as many minutes as are left. `pretrain.ts --device cuda --minutes 3 --out DIR DATASET…` leaves the best model as float16
 * safetensors and the metrics of each in DIR, and prints a line of JSON each.
 */
import { readSafetensors, writeSafetensors } from "../../src/files/safetensors.ts";
import { exists } from "../../src/files/atomic.ts";
import { parseArgs } from "../../src/std.ts";

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

/** Runs the command; where wished, until its first line of metrics. */
async function pretrain(data: string, output: string, flags: string[], untilFirst = false) {
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
  while (untilFirst && !ended && first === undefined) {
    const { size } = await Deno.stat(`${output}/metrics.jsonl`).catch(() => ({ size: 0 }));
    if (size > 0) first = (performance.now() - start) / 1000;
    else await new Promise((resolve) => setTimeout(resolve, 20));
  }
  const { code, stdout, stderr } = await output_;
  const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
  return { code, first, said: text(stdout) + text(stderr).slice(-2000) };
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
    const moment = i === 0 ? await pretrain(data, `${work}/moment`, quick, true) : undefined;
    const long = await pretrain(data, `${work}/run`, [
      "--max-minutes",
      String(Number(minutes) / folders.length),
    ]);
    const lines = (await exists(`${work}/run/metrics.jsonl`))
      ? (await Deno.readTextFile(`${work}/run/metrics.jsonl`)).trim().split("\n").filter((line) => line).map((
        line,
      ) => JSON.parse(line))
      : [];
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
