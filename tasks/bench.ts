/**
 * Times training, inference and preprocessing, beside what the machine can do and beside other programs in the same
 * run.
 */
import { libtorch } from "../ffi/library.ts";
import { canProfile } from "../ffi/profiler.ts";
import { type EmbeddingMeasurement, timeEmbedding } from "../src/bench/embedding.ts";
import { type InstructionSet, instructionSets, limitInstructions } from "../src/bench/instruction_set.ts";
import { lengthsOf } from "../src/bench/lengths.ts";
import { dispatcherOverhead, matrixProductPeak } from "../src/bench/machine.ts";
import { type Measurement, medianOf, type Ratio, ratiosOf } from "../src/bench/measurement.ts";
import { peersOf, runPeer } from "../src/bench/peer.ts";
import { timePreprocess } from "../src/bench/preprocessing.ts";
import { growthOf, quantities } from "../src/bench/scaling.ts";
import { Subject } from "../src/bench/subject.ts";
import { runSubject } from "../src/bench/subject_process.ts";
import { command, setting, z } from "../src/command/command.ts";
import { runShape } from "../src/machine/settings.ts";
import { InputError } from "../src/common/errors.ts";
import { openDataset } from "../src/data/dataset.ts";
import { architecture, presets } from "../src/model/architecture.ts";
import { prepareRun } from "../src/machine/runtime.ts";
import { readModel } from "../src/weights/model_folder.ts";
import { resourcesShape } from "../src/survey/settings.ts";
import { grouped, plainTable } from "../src/common/table.ts";

/** Rounds where --rounds is not set, and when the ratios of enough of them agree. */
const fewestRounds = 3, mostRounds = 12, smallSpread = 0.05;

export default command({
  name: "bench",
  summary:
    "Measures windows per second of training and inference, how close they come to the machine's matrix products, and peak memory; " +
    "with --model also what embed does from its start to its file, with --preprocess also observations per second. With --peers it " +
    "times other programs in the same run, taking turns, each in its own process.",
  settings: z.object({
    preset: setting(
      z.enum(Object.keys(presets) as [keyof typeof presets]).default("astromer2"),
      "architecture",
    ),
    batch_size: setting(z.int().min(1).default(32), "windows of a step", "windows"),
    steps: setting(z.int().min(1).default(6), "steps of a measurement"),
    rounds: setting(
      z.int().min(1).optional(),
      "measurements of each variant; not set, 3 and more, up to 12, until the middle half of the ratios to the peers lies " +
        "within 5 % (medians are shown)",
    ),
    inference_only: setting(z.boolean().default(false), "ours are not trained (peers do what they do)"),
    isa: setting(
      z.enum(Object.keys(instructionSets) as [InstructionSet]).optional(),
      "what an older processor would do: no instructions beyond these, ours and the peers'",
    ),
    model: setting(
      z.string().optional(),
      "also time embed with this model on --data, from the start of the process to the Parquet file",
    ),
    data: setting(z.string().optional(), "dataset folder, for --model"),
    lengths: setting(
      z.string().default("200"),
      "observations of a window, or a file with one length a line, from which windows are drawn and batched by length",
    ),
    peers: setting(
      z.array(z.string()).default([]),
      "Python scripts that train or infer, each script.py or script.py:variant:variant: they print one JSON line a variant",
    ),
    preprocess: setting(
      z.number().min(1000).optional(),
      "also time preprocess, on a simulated survey of about so many observations in the system's temporary folder",
      "observations",
    ),
    preprocess_peers: setting(
      z.array(z.string()).default([]),
      "Python scripts that filter and sort the same survey: script.py 'pattern of Parquet files' output",
    ),
    memory_limit: setting(resourcesShape.memory_limit, "memory of our preprocess"),
    python: setting(z.string().default("python3"), "Python that has what the peers import"),
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
    "deno task bench --peers ../shared/peers/pytorch_peer.py:sdpa-fp32:sdpa-bf16,tests/peers/onnx_peer.py",
    "deno task bench --inference-only --isa avx2 --precision float32",
    "deno task bench --model astromer2-surveys --data data/mine",
    "deno task bench --preprocess 1e7 --memory-limit 2GB --preprocess-peers tests/peers/polars_preprocess.py",
    "deno task bench --lengths lengths.txt --precision bfloat16 --json",
  ],
  async run(settings) {
    const { preset, python, model, data } = settings;
    const peers = peersOf(settings.peers), lengths = await lengthsOf(settings.lengths);
    if (settings.preprocess_peers.length && settings.preprocess === undefined) {
      throw new InputError(
        "--preprocess-peers needs --preprocess, the number of observations",
      );
    }
    if ((model === undefined) !== (data === undefined)) {
      throw new InputError("--model and --data are given together: the model embeds the dataset");
    }
    // What cannot be embedded is refused before anything is timed.
    if (model !== undefined) await readModel(model);
    if (data !== undefined) (await openDataset(data))[Symbol.dispose]();
    if (settings.isa) limitInstructions(settings.isa);
    const { device, threads } = prepareRun({ ...settings, precision: "float32" });
    const precisions = settings.precision === "both"
      ? ["float32", "bfloat16"] as const
      : [settings.precision];
    const say = (text: string) => void (settings.json || console.error(text));

    const { batch_size: batchSize, steps } = settings;
    const { inference_only: inferenceOnly } = settings;
    const workload = { batchSize, steps, lengths: settings.lengths, threads, device, inferenceOnly };
    const ours = precisions.map((dtype) => () => runSubject({ ...workload, preset, dtype }));
    const others = peers.map((peer) => () => runPeer(python, peer, workload));
    const found = new Map<string, Measurement[]>();
    const ratios = () => {
      const all = [...found.values()];
      return ratiosOf(all.slice(0, precisions.length), all.slice(precisions.length));
    };
    const { rounds: wanted } = settings, most = wanted ?? mostRounds, least = wanted ?? fewestRounds;
    const settled = () =>
      ratios().every(({ training, inference }) =>
        Math.max(training?.spread ?? 0, inference.spread) <= smallSpread
      );
    for (let round = 1; round <= least || (round <= most && !settled()); round++) {
      say(`round ${round} of ${round <= least ? least : `up to ${most}`}`);
      for (const program of [...ours, ...others]) {
        for (const measured of await program()) {
          found.set(measured.variant, [...found.get(measured.variant) ?? [], measured]);
        }
      }
    }
    const medians = [...found.values()].map(medianOf);
    const embeddings: (EmbeddingMeasurement & { precision: string })[] = [];
    for (const precision of model === undefined ? [] : precisions) {
      const flags = ["--device", device, "--threads", String(threads), "--precision", precision];
      const measured = await timeEmbedding({ model: model!, data: data!, flags, rounds: least }, say);
      embeddings.push({ precision, ...measured });
    }
    const preprocess = settings.preprocess === undefined ? undefined : await timePreprocess({
      ...{ observations: settings.preprocess, memoryLimit: settings.memory_limit, rounds: least, python },
      peers: settings.preprocess_peers,
    }, say);

    const options = precisions.map((dtype) => (
      { architecture: architecture(preset), dtype, device, batchSize, lengths, steps }
    ));
    const subjects = options.map((each) => new Subject(each));
    using _subjects = { [Symbol.dispose]: () => subjects.forEach((subject) => subject[Symbol.dispose]()) };
    for (const subject of subjects) subject.training(); // warm-up
    const peaks = precisions.map((dtype) => matrixProductPeak(dtype, device));
    const result = {
      libtorch: libtorch().version,
      device,
      threads,
      preset,
      batch_size: batchSize,
      lengths: settings.lengths,
      operator_calls_a_step: subjects[0].callsOfAStep(),
      dispatcher_overhead_us: dispatcherOverhead(),
      matrix_product_peak: Object.fromEntries(precisions.map((dtype, i) => [dtype, peaks[i]])),
      medians,
      isa: settings.isa,
      ratios: ratios(),
      embeddings: embeddings.length ? embeddings : undefined,
      preprocess,
      profile: settings.profile && canProfile()
        ? Object.fromEntries(subjects.map((subject, i) => [precisions[i], subject.profile()]))
        : undefined,
      scaling: settings.scaling
        ? quantities.map((quantity) => growthOf(quantity, options.at(-1)!, threads))
        : undefined,
    };
    if (settings.json) return console.log(JSON.stringify(result, null, 2));

    console.log(
      `${preset}, ${batchSize} windows of ${settings.lengths}, ${threads} threads on ${device}, libtorch ` +
        `${result.libtorch}; ${result.operator_calls_a_step} operator calls a step, ` +
        `${result.dispatcher_overhead_us.toFixed(1)} us each to reach libtorch\n`,
    );
    const share = (operations: number | undefined, i: number) =>
      operations === undefined ? "" : `${(100 * operations / peaks[i]).toFixed(0)} %`;
    console.log(plainTable([
      ["windows/s", "training", "of peak", "inference", "of peak", "peak memory"],
      ...medians.map((m, i) => [
        m.variant,
        fixed(m.windows_per_second, 1),
        share(m.operations?.training, i),
        fixed(m.inference_windows_per_second, 1),
        share(m.operations?.inference, i),
        fixed(m.peak_memory_gb, 2, " GB"),
      ]),
    ]));
    for (const [i, dtype] of precisions.entries()) {
      console.log(`peak of ${dtype}: ${(peaks[i] / 1e9).toFixed(0)} GFLOP/s in a large matrix product`);
    }
    if (result.ratios.length) {
      console.log(
        "\n" + plainTable([
          ["ratio", "training", "inference", "memory"],
          ...result.ratios.map(({ variant, peer, training, inference, memory }) => [
            `${variant} / ${peer}`,
            ranged(training),
            ranged(inference),
            ranged(memory),
          ]),
        ]),
      );
    }
    for (const { precision, seconds, windows_per_second, peak_memory_gb } of embeddings) {
      console.log(
        `\nembed, ${model}, ${data}, ${precision}: ${windows_per_second.toFixed(1)} windows/s, ` +
          `${seconds.toFixed(1)} s from its start to its file` +
          (peak_memory_gb === undefined ? "" : `, ${peak_memory_gb.toFixed(2)} GB at most`),
      );
    }
    if (preprocess) {
      const [own] = preprocess.medians;
      console.log(
        "\n" + plainTable([
          [
            `${grouped(preprocess.observations)} observations`,
            "observations/s",
            "kept",
            "peak memory",
            "ours / it",
          ],
          ...preprocess.medians.map((m) => [
            m.variant,
            grouped(Math.round(m.observations_per_second)),
            grouped(m.kept),
            fixed(m.peak_memory_gb, 2, " GB"),
            fixed(own.observations_per_second / m.observations_per_second, 2),
          ]),
        ]),
      );
    }
    if (medians.some((m) => m.peak_memory_gb !== undefined)) {
      console.log(
        "\npeak memory: what the process held at most, its interpreter and libraries included; in those that train, training's",
      );
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

/** The median, and the range where it has one; nothing where there is none. */
function ranged(ratio: Ratio | undefined): string {
  if (!ratio) return "";
  const { median, lowest, highest } = ratio;
  return lowest === highest
    ? fixed(median, 2)
    : `${fixed(median, 2)} (${fixed(lowest, 2)} to ${fixed(highest, 2)})`;
}

/** A number in a table; nothing where there is none. */
function fixed(value: number | undefined, digits: number, unit = ""): string {
  return value === undefined ? "" : value.toFixed(digits) + unit;
}
