/** Times a training step and inference, beside what the machine can do and beside PyTorch in the same run. */
import { libtorch } from "../ffi/library.ts";
import { canProfile } from "../ffi/profiler.ts";
import { dispatcherOverhead, matrixProductPeak } from "../src/bench/machine.ts";
import { type PeerResult, runPeer } from "../src/bench/peer.ts";
import { growthOf, quantities } from "../src/bench/scaling.ts";
import { type Rate, Subject } from "../src/bench/subject.ts";
import { command, setting, z } from "../src/command.ts";
import { runShape } from "../src/config.ts";
import { InputError, messageOf } from "../src/errors.ts";
import { architecture, presets } from "../src/model/architecture.ts";
import { prepareRun } from "../src/run.ts";
import { plainTable } from "../src/table.ts";

/** Medians over the rounds. */
interface Measured extends PeerResult {
  /** Floating-point operations of matrix products a second, training and inference; not known of peers. */
  operations?: [training: number, inference: number];
}

export default command({
  name: "bench",
  summary:
    "Windows a second of a training step and of inference, and how near they come to the machine's matrix products; with " +
    "--peer, PyTorch's in the same run, alternating.",
  settings: z.object({
    preset: setting(
      z.enum(Object.keys(presets) as [keyof typeof presets]).default("astromer2"),
      "architecture",
    ),
    batch_size: setting(z.int().min(1).default(32), "windows of a step", "windows"),
    steps: setting(z.int().min(1).default(6), "steps of a measurement"),
    rounds: setting(z.int().min(1).default(3), "measurements of each variant; medians are shown"),
    lengths: setting(
      z.string().default("200"),
      "observations of a window, or a file with one length a line, from which windows are drawn and batched by length",
    ),
    peer: setting(z.string().optional(), "Python script to compare with (prints one JSON line a variant)"),
    peer_variants: setting(
      z.array(z.string()).default(["eager-fp32", "sdpa-fp32", "sdpa-bf16"]),
      "its variants",
    ),
    python: setting(z.string().default("python3"), "Python that has torch installed"),
    profile: setting(z.boolean().default(false), "show the time of each operator of a training step"),
    scaling: setting(
      z.boolean().default(false),
      "show how a training step's cost grows with batch, length, blocks and threads",
    ),
    json: setting(z.boolean().default(false), "print one JSON object"),
    device: runShape.device,
    precision: setting(z.enum(["both", "float32", "bfloat16"]).default("both"), "our variants"),
    threads: runShape.threads,
  }),
  examples: [
    "deno task bench",
    "deno task bench --profile --scaling --precision bfloat16",
    "deno task bench --peer ../shared/peers/pytorch_peer.py --batch-size 32",
    "deno task bench --lengths lengths.txt --precision bfloat16 --json",
  ],
  async run(settings) {
    const { device, threads } = prepareRun({ ...settings, precision: "float32" });
    const lengths = await readLengths(settings.lengths);
    const precisions = settings.precision === "both"
      ? ["float32", "bfloat16"] as const
      : [settings.precision];
    const options = precisions.map((dtype) => ({
      architecture: architecture(settings.preset),
      dtype,
      device,
      batchSize: settings.batch_size,
      lengths,
      steps: settings.steps,
    }));
    const say = (text: string) => void (settings.json || console.error(text));
    const subjects = options.map((each) => new Subject(each));
    using _subjects = { [Symbol.dispose]: () => subjects.forEach((subject) => subject[Symbol.dispose]()) };

    const found = new Map<string, Measured[]>();
    const record = (measured: Measured) =>
      found.set(measured.variant, [...found.get(measured.variant) ?? [], measured]);
    for (const subject of subjects) subject.training(); // warm-up
    for (let round = 1; round <= settings.rounds; round++) {
      say(`round ${round} of ${settings.rounds}`);
      for (const [i, subject] of subjects.entries()) {
        record(asMeasured(`astromer-${precisions[i]}`, subject.training(), subject.inference()));
      }
      if (settings.peer) {
        const { python, batch_size: batchSize, steps, peer_variants: variants } = settings;
        const call = { python, script: settings.peer, batchSize, steps, variants, threads, device };
        for (const measured of await runPeer({ ...call, lengths: settings.lengths })) record(measured);
      }
    }
    const medians = [...found.values()].map(medianOf);
    const peaks = precisions.map((dtype) => matrixProductPeak(dtype, device));
    const result = {
      libtorch: libtorch().version,
      device,
      threads,
      preset: settings.preset,
      batch_size: settings.batch_size,
      lengths: settings.lengths,
      operator_calls_a_step: subjects[0].callsOfAStep(),
      dispatcher_overhead_us: dispatcherOverhead(),
      matrix_product_peak: Object.fromEntries(precisions.map((dtype, i) => [dtype, peaks[i]])),
      medians,
      ratios: ratiosOf(medians),
      profile: settings.profile && canProfile()
        ? Object.fromEntries(subjects.map((subject, i) => [precisions[i], subject.profile()]))
        : undefined,
      scaling: settings.scaling
        ? quantities.map((quantity) => growthOf(quantity, options.at(-1)!, threads))
        : undefined,
    };
    if (settings.json) return console.log(JSON.stringify(result, null, 2));

    console.log(
      `${settings.preset}, ${settings.batch_size} windows of ${settings.lengths}, ${threads} threads on ${device}, libtorch ` +
        `${result.libtorch}; ${result.operator_calls_a_step} operator calls a step, ` +
        `${result.dispatcher_overhead_us.toFixed(1)} us each to reach libtorch\n`,
    );
    const share = (operations: number | undefined, variant: string) => {
      const peak = peaks[precisions.findIndex((dtype) => variant.endsWith(dtype))];
      return operations === undefined ? "" : `${(100 * operations / peak).toFixed(0)} %`;
    };
    console.log(plainTable([
      ["windows/s", "training", "of peak", "inference", "of peak"],
      ...medians.map((m) => [
        m.variant,
        m.windows_per_second.toFixed(1),
        share(m.operations?.[0], m.variant),
        m.inference_windows_per_second.toFixed(1),
        share(m.operations?.[1], m.variant),
      ]),
    ]));
    for (const [i, dtype] of precisions.entries()) {
      console.log(`peak of ${dtype}: ${(peaks[i] / 1e9).toFixed(0)} GFLOP/s in a large matrix product`);
    }
    for (const { variant, peer, training, inference } of result.ratios) {
      console.log(`${variant} / ${peer}: training ${training.toFixed(2)}, inference ${inference.toFixed(2)}`);
    }
    if (settings.profile && !canProfile()) console.log("\noperators cannot be observed on this platform");
    for (const [dtype, costs] of Object.entries(result.profile ?? {})) {
      const total = costs.reduce((sum, { seconds }) => sum + seconds, 0);
      console.log(
        "\n" + plainTable([
          [`operators of a training step, ${dtype}`, "calls", "ms", "%"],
          ...costs.slice(0, 20).map(({ operator, backward, calls, seconds }) => [
            `${operator}${backward ? " (autograd)" : ""}`,
            calls.toFixed(0),
            (1e3 * seconds).toFixed(1),
            (100 * seconds / total).toFixed(1),
          ]),
        ]),
      );
    }
    for (const { quantity, values, seconds, exponent } of result.scaling ?? []) {
      const steps = values.map((value, i) => `${value}: ${(1e3 * seconds[i]).toFixed(0)} ms`).join(", ");
      const power = exponent === undefined ? "" : `; grows as ${quantity}^${exponent.toFixed(2)}`;
      console.log(`\na step by ${quantity}: ${steps}${power}`);
    }
  },
});

function asMeasured(variant: string, training: Rate, inference: Rate): Measured {
  return {
    variant,
    windows_per_second: training.windows,
    inference_windows_per_second: inference.windows,
    operations: [training.operations, inference.operations],
  };
}

/** Medians of several measurements of one variant. */
function medianOf(all: readonly Measured[]): Measured {
  const of = (value: (measured: Measured) => number) => median(all.map(value));
  return {
    variant: all[0].variant,
    windows_per_second: of((m) => m.windows_per_second),
    inference_windows_per_second: of((m) => m.inference_windows_per_second),
    operations: all[0].operations && [of((m) => m.operations![0]), of((m) => m.operations![1])],
  };
}

/** Ours to each peer of the same precision. */
function ratiosOf(medians: readonly Measured[]) {
  const isOurs = ({ variant }: Measured) => variant.startsWith("astromer");
  return medians.filter(isOurs).flatMap((our) => {
    const suffix = our.variant.endsWith("float32") ? "-fp32" : "-bf16";
    return medians.filter((peer) => !isOurs(peer) && peer.variant.endsWith(suffix)).map((peer) => ({
      variant: our.variant,
      peer: peer.variant,
      training: our.windows_per_second / peer.windows_per_second,
      inference: our.inference_windows_per_second / peer.inference_windows_per_second,
    }));
  });
}

/** @throws {InputError} when it is neither a length nor a file of lengths */
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

function median(values: number[]): number {
  const sorted = values.toSorted((a, b) => a - b), middle = sorted.length >> 1;
  return sorted.length % 2 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}
