/** A network with random light curves, ready to be timed. */
import { type Device, synchronize } from "../../ffi/device.ts";
import { operatorCalls } from "../../ffi/dispatch.ts";
import { type OperatorCost, profile } from "../../ffi/profiler.ts";
import { type Batch, batchesOf, fillBatch, fillShown, layOut } from "../data/batch.ts";
import { type Masking, noMasking, paperMasking } from "../data/masking.ts";
import type { Window } from "../data/windows.ts";
import { type Architecture, widthOf } from "../model/architecture.ts";
import { type Recorder, UnderWay } from "../model/deferred.ts";
import { DeferredInference, reconstruction } from "../model/deferred_inference.ts";
import { AstromerNetwork } from "../model/network.ts";
import { type Random, seeded } from "../common/random.ts";
import { oneRank } from "../machine/ranks.ts";
import { Adam } from "../train/adam.ts";
import { DeferredSteps } from "../train/deferred_steps.ts";
import { DeviceObservations } from "../train/device_observations.ts";
import { trainingStep } from "../train/step.ts";

/** What is timed. */
export interface SubjectOptions {
  architecture: Architecture;
  dtype: "float32" | "bfloat16";
  device: Device;
  batchSize: number;
  /** Observations of a window: each is drawn from these. */
  lengths: readonly number[];
  /** Steps of a measurement. */
  steps: number;
  /** Whether batches are given to the device some ahead, as training does it on a GPU. Default: on a GPU. */
  deferred?: boolean;
  /** Whether a training's observations lie on the device. Default: on a GPU, where training keeps what fits. */
  dataOnDevice?: boolean;
  /** Records work as a graph; null: it is launched kernel by kernel. Default: what the device can. */
  record?: Recorder | null;
}

/** Batches that are given to a device before the first of them is read. */
const ahead = 8;

/** Windows a second, and floating-point operations a second of matrix products. */
export interface Rate {
  windows: number;
  operations: number;
}

/** Floating-point operations of the matrix products of a forward pass on a batch; a training step has three times that. */
export function forwardOperations(
  architecture: Architecture,
  { windows, length, keys, queriesFrom }: Pick<Batch, "windows" | "length" | "keys" | "queriesFrom">,
): number {
  const width = widthOf(architecture), hidden = architecture.feed_forward_size;
  const skips = architecture.skip === "linear" ? 1 : 0;
  let products = 0;
  for (let i = 0; i < architecture.blocks; i++) {
    const queries = i === architecture.blocks - 1 ? length - queriesFrom : length;
    products += queries * width * width * (2 + 2 * skips) + // query, output, skips
      keys * width * width * 2 + // key, value
      queries * keys * width * 2 + // attention
      queries * width * hidden * 2;
  }
  return 2 * products * windows.length;
}

/** A network, an optimizer and batches as training makes them: of similar lengths, from a pool of many. */
export class Subject implements Disposable {
  readonly #options: SubjectOptions;
  readonly #model: AstromerNetwork;
  readonly #adam: Adam;
  readonly #steps: DeferredSteps | undefined;
  readonly #observations: DeviceObservations | undefined;
  readonly #reconstruction: DeferredInference;
  readonly #underWay: UnderWay<() => unknown>;
  readonly #data: ReturnType<typeof randomLightCurves>;
  readonly #batches: Window[][];

  constructor(options: SubjectOptions) {
    const { architecture, dtype, device, batchSize, lengths, steps } = this.#options = options;
    this.#model = new AstromerNetwork(architecture, { dtype, device });
    this.#adam = new Adam(this.#model.parameters);
    const how = options.record === undefined ? {} : { record: options.record };
    const deferred = options.deferred ?? device !== "cpu";
    this.#underWay = new UnderWay(deferred ? ahead : 0);
    this.#reconstruction = new DeferredInference(this.#model, reconstruction, {
      ahead: this.#underWay.ahead,
      ...how,
    });
    const all = Math.min(...lengths) === Math.max(...lengths) ? steps : 64;
    this.#data = randomLightCurves(all * batchSize, lengths, seeded(0));
    const pool = batchesOf(this.#data.windows, batchSize, [0])
      .sort((a, b) => a.at(-1)!.length - b.at(-1)!.length);
    if (deferred && (options.dataOnDevice ?? device !== "cpu")) {
      this.#observations = new DeviceObservations(this.#data, this.#data.lengths.keys(), device, {
        weights: "errors",
      });
    }
    if (deferred) {
      const observations = this.#observations;
      this.#steps = new DeferredSteps(this.#model, this.#adam, oneRank, { ...how, observations });
    }
    // As many as are timed, spread over all lengths alike.
    this.#batches = Array.from({ length: steps }, (_, i) => pool[Math.floor((i + 0.5) * all / steps)]);
  }

  #fill(windows: readonly Window[], masking: Masking): Batch {
    return fillBatch(this.#data, windows, { masking, weights: "errors", key: [0] });
  }

  #train(windows: readonly Window[]): void {
    const masking = paperMasking;
    if (this.#steps && this.#observations) {
      return this.#begin(this.#steps.begin(layOut(windows, { masking, key: [0] }), windows.length, 1e-5));
    }
    const batch = this.#fill(windows, masking);
    if (this.#steps) this.#begin(this.#steps.begin(batch, windows.length, 1e-5));
    else trainingStep(this.#model, this.#adam, batch, 1e-5);
  }

  #infer(windows: readonly Window[]): void {
    this.#begin(this.#reconstruction.begin(fillShown(this.#data, windows, { masking: noMasking, key: [0] })));
  }

  /** Reads what was begun, but for the last so many. */
  #read(left = 0): void {
    for (const read of this.#underWay.due(left)) read();
  }

  #begin(read: () => unknown): void {
    this.#underWay.add(read);
    this.#read(this.#underWay.ahead);
  }

  #rate(run: (windows: readonly Window[]) => void, masking: Masking, passes: number): Rate {
    const { device, batchSize, steps, architecture } = this.#options;
    run(this.#batches.at(-1)!);
    this.#read();
    synchronize(device);
    const start = performance.now();
    for (const windows of this.#batches) run(windows);
    this.#read();
    synchronize(device);
    const seconds = (performance.now() - start) / 1000;
    const operations = this.#batches.reduce(
      (sum, windows) => sum + passes * forwardOperations(architecture, this.#fill(windows, masking)),
      0,
    );
    return { windows: batchSize * steps / seconds, operations: operations / seconds };
  }

  /** Training steps; filling the batch is part of a step, as it is in training. */
  training(): Rate {
    return this.#rate((windows) => this.#train(windows), paperMasking, 3);
  }

  /** Reconstruction of all points. */
  inference(): Rate {
    return this.#rate((windows) => this.#infer(windows), noMasking, 1);
  }

  /** Kinds of batches whose work is launched as graphs. */
  get graphs(): number {
    return (this.#steps?.graphs ?? 0) + this.#reconstruction.graphs;
  }

  /** Operators called by a training step. */
  callsOfAStep(): number {
    const before = operatorCalls();
    this.#train(this.#batches[0]);
    return operatorCalls() - before;
  }

  /** Time by operator over the training steps per measurement, the largest first. */
  profile(): OperatorCost[] {
    const { device, steps } = this.#options;
    return profile(() => this.#batches.forEach((windows) => this.#train(windows)), device)
      .map((cost) => ({ ...cost, calls: cost.calls / steps, seconds: cost.seconds / steps }));
  }

  [Symbol.dispose](): void {
    this.#read();
    this.#reconstruction[Symbol.dispose]();
    this.#steps?.[Symbol.dispose]();
    this.#observations?.[Symbol.dispose]();
    this.#adam[Symbol.dispose]();
    this.#model[Symbol.dispose]();
  }
}

function randomLightCurves(size: number, lengths: readonly number[], random: Random) {
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
    lengths: Int32Array.from(windows, ({ length }) => length),
    mjd: Float64Array.from({ length: total }, () => 59000 + 1000 * random.next()),
    mag: Float32Array.from({ length: total }, () => 15 + random.normal()),
    err: Float32Array.from({ length: total }, () => 0.01 + 0.1 * random.next()),
  };
  return { ...data, windows };
}
