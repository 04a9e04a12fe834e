/** Times a training step and inference, beside PyTorch in the same run. */
import { noGrad } from "../ffi/autograd.ts";
import { type Device, synchronize } from "../ffi/device.ts";
import { operatorCalls } from "../ffi/dispatch.ts";
import { libtorch } from "../ffi/library.ts";
import { scope } from "../ffi/tensor.ts";
import { command, setting, z } from "../src/command.ts";
import { runShape } from "../src/config.ts";
import { fillBatch, toTensors } from "../src/data/batch.ts";
import { noMasking, paperMasking } from "../src/data/masking.ts";
import type { Window } from "../src/data/windows.ts";
import { Failure, InputError, messageOf } from "../src/errors.ts";
import { architecture, presets } from "../src/model/architecture.ts";
import { AstromerNetwork } from "../src/model/network.ts";
import { type Random, seeded } from "../src/random.ts";
import { prepareRun } from "../src/run.ts";
import { plainTable } from "../src/table.ts";
import { Adam } from "../src/train/adam.ts";
import { trainingStep } from "../src/train/step.ts";

/** What one measurement found. */
interface Measured {
  variant: string;
  windows_per_second: number;
  inference_windows_per_second: number;
}

export default command({
  name: "bench",
  summary:
    "Windows a second of a training step and of inference; with --peer, PyTorch's in the same run, alternating.",
  settings: z.object({
    preset: setting(
      z.enum(Object.keys(presets) as [keyof typeof presets]).default("astromer2"),
      "architecture",
    ),
    batch_size: setting(z.int().min(1).default(32), "windows of a step", "windows"),
    steps: setting(z.int().min(1).default(6), "steps of a measurement"),
    rounds: setting(z.int().min(1).default(3), "measurements of each variant; medians are shown"),
    lengths: setting(z.string().default("200"), "observations of a window, or a file with one length a line"),
    peer: setting(z.string().optional(), "Python script to compare with (prints one JSON line a variant)"),
    peer_variants: setting(
      z.array(z.string()).default(["eager-fp32", "sdpa-fp32", "sdpa-bf16"]),
      "its variants",
    ),
    python: setting(z.string().default("python3"), "Python that has torch installed"),
    json: setting(z.boolean().default(false), "print one JSON object"),
    device: runShape.device,
    precision: setting(z.enum(["both", "float32", "bfloat16"]).default("both"), "our variants"),
    threads: runShape.threads,
  }),
  examples: [
    "deno task bench",
    "deno task bench --peer ../shared/peers/pytorch_peer.py --batch-size 32",
    "deno task bench --lengths lengths.txt --precision bfloat16 --json",
  ],
  async run(settings) {
    const { device, threads } = prepareRun({ ...settings, precision: "float32" });
    const lengths = await readLengths(settings.lengths);
    const ours = (settings.precision === "both" ? ["float32", "bfloat16"] as const : [settings.precision])
      .map((dtype) => new Subject(settings.preset, dtype, device, settings.batch_size, lengths));
    const found = new Map<string, Measured[]>();
    const record = (measured: Measured) =>
      found.set(measured.variant, [...found.get(measured.variant) ?? [], measured]);

    for (const subject of ours) subject.measure(3); // warm-up
    for (let round = 1; round <= settings.rounds; round++) {
      if (!settings.json) console.error(`round ${round} of ${settings.rounds}`);
      for (const subject of ours) record(subject.measure(settings.steps));
      if (settings.peer) {
        for (const measured of await runPeer(settings, settings.peer, device, threads)) record(measured);
      }
    }
    const medians = [...found].map(([variant, all]) => ({
      variant,
      windows_per_second: median(all.map((m) => m.windows_per_second)),
      inference_windows_per_second: median(all.map((m) => m.inference_windows_per_second)),
    }));
    const isOurs = ({ variant }: Measured) => variant.startsWith("astromer");
    const ratios = medians.filter(isOurs).flatMap((our) => {
      const suffix = our.variant.endsWith("float32") ? "-fp32" : "-bf16";
      return medians.filter((peer) => !isOurs(peer) && peer.variant.endsWith(suffix)).map((peer) => ({
        variant: our.variant,
        peer: peer.variant,
        training: our.windows_per_second / peer.windows_per_second,
        inference: our.inference_windows_per_second / peer.inference_windows_per_second,
      }));
    });
    const result = {
      libtorch: libtorch().version,
      device,
      threads,
      preset: settings.preset,
      batch_size: settings.batch_size,
      lengths: settings.lengths,
      operator_calls_a_step: ours[0].callsAStep,
      medians,
      ratios,
    };
    for (const subject of ours) subject[Symbol.dispose]();
    if (settings.json) return console.log(JSON.stringify(result, null, 2));
    console.log(
      `${settings.preset}, ${settings.batch_size} windows of ${settings.lengths}, ${threads} threads, libtorch ` +
        `${result.libtorch}, ${result.operator_calls_a_step} operator calls a step\n`,
    );
    console.log(plainTable([
      ["windows/s", "training", "inference"],
      ...medians.map(({ variant, windows_per_second: training, inference_windows_per_second: inference }) => [
        variant,
        training.toFixed(1),
        inference.toFixed(1),
      ]),
    ]));
    for (const { variant, peer, training, inference } of ratios) {
      console.log(`${variant} / ${peer}: training ${training.toFixed(2)}, inference ${inference.toFixed(2)}`);
    }
  },
});

/** A model with a batch of random light curves, ready to be timed. */
class Subject implements Disposable {
  readonly #variant: string;
  readonly #model: AstromerNetwork;
  readonly #adam: Adam;
  readonly #fill: (masking: typeof paperMasking) => ReturnType<typeof fillBatch>;
  callsAStep = 0;

  constructor(
    preset: keyof typeof presets,
    dtype: "float32" | "bfloat16",
    readonly device: Device,
    readonly batchSize: number,
    lengths: number[],
  ) {
    this.#variant = `astromer-${dtype}`;
    this.#model = new AstromerNetwork(architecture(preset), { dtype, device });
    this.#adam = new Adam(this.#model.parameters);
    const { data, windows } = randomLightCurves(batchSize, lengths, seeded(0));
    this.#fill = (masking) => fillBatch(data, windows, { masking, weights: "errors", key: [0] });
  }

  /** Filling the batch is part of a step, as it is in training. */
  measure(steps: number): Measured {
    const rate = (run: () => void) => {
      run();
      synchronize(this.device);
      const start = performance.now();
      for (let i = 0; i < steps; i++) run();
      synchronize(this.device);
      return this.batchSize * steps / ((performance.now() - start) / 1000);
    };
    const before = operatorCalls();
    const training = rate(() => void trainingStep(this.#model, this.#adam, this.#fill(paperMasking), 1e-5));
    this.callsAStep = (operatorCalls() - before) / (steps + 1);
    const inference = rate(() =>
      noGrad(() =>
        scope(() => void this.#model.reconstruct(toTensors(this.#fill(noMasking), this.device)).toArray())
      )
    );
    return { variant: this.#variant, windows_per_second: training, inference_windows_per_second: inference };
  }

  [Symbol.dispose](): void {
    this.#adam[Symbol.dispose]();
    this.#model[Symbol.dispose]();
  }
}

function randomLightCurves(size: number, lengths: number[], random: Random) {
  const windows: Window[] = Array.from({ length: size }, (_, lightCurve) => ({
    lightCurve,
    start: 0,
    length: lengths[random.integer(lengths.length)],
  }));
  const offsets = new Float64Array(size);
  for (let i = 1; i < size; i++) offsets[i] = offsets[i - 1] + windows[i - 1].length;
  const total = offsets[size - 1] + windows[size - 1].length;
  const data = {
    offsets,
    mjd: Float64Array.from({ length: total }, () => 59000 + 1000 * random.next()),
    mag: Float32Array.from({ length: total }, () => 15 + random.normal()),
    err: Float32Array.from({ length: total }, () => 0.01 + 0.1 * random.next()),
  };
  return { data, windows };
}

async function readLengths(text: string): Promise<number[]> {
  if (/^\d+$/.test(text)) return [Math.max(5, Number(text))];
  try {
    const lengths = (await Deno.readTextFile(text)).split(/\s+/).filter((line) => line).map(Number);
    if (lengths.length && lengths.every((n) => Number.isInteger(n) && n >= 2)) return lengths;
  } catch (error) {
    throw new InputError(`--lengths ${text} cannot be read: ${messageOf(error)}`);
  }
  throw new InputError(`--lengths ${text} must hold whole numbers, one a line`);
}

async function runPeer(
  settings: { python: string; batch_size: number; steps: number; lengths: string; peer_variants: string[] },
  script: string,
  device: Device,
  threads: number,
): Promise<Measured[]> {
  const { success, stdout, stderr } = await new Deno.Command(settings.python, {
    args: [
      script,
      ...["--batch", settings.batch_size, "--steps", settings.steps, "--lengths", settings.lengths].map(
        String,
      ),
      ...["--threads", String(threads), "--device", device.replace(/:\d+$/, "")],
      ...["--variants", settings.peer_variants.join(",")],
    ],
  }).output().catch((error) => {
    throw new Failure(`${settings.python} cannot be run: ${messageOf(error)}`);
  });
  if (!success) {
    const last = new TextDecoder().decode(stderr).trim().split("\n").at(-1);
    throw new Failure(`the peer ${script} failed: ${last} (--python must name a Python with torch)`);
  }
  return new TextDecoder().decode(stdout).trim().split("\n").map((line) => JSON.parse(line) as Measured);
}

function median(values: number[]): number {
  const sorted = values.toSorted((a, b) => a - b), middle = sorted.length >> 1;
  return sorted.length % 2 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}
