/** The steps of a training, wherever they are computed: at once, or several ahead of what is read of them. */
import { fillBatch, layOut } from "../data/batch.ts";
import type { Dataset } from "../data/dataset.ts";
import type { Window } from "../data/windows.ts";
import { ReconstructionMetrics } from "../evaluate/metrics.ts";
import { eachWindow } from "../evaluate/reconstruction.ts";
import type { Ranks } from "../machine/ranks.ts";
import type { AstromerNetwork } from "../model/network.ts";
import type { Adam } from "./adam.ts";
import { DeferredSteps, type StepOutcome } from "./deferred_steps.ts";
import { belongOnDevice, DeviceObservations } from "./device_observations.ts";
import type { PretrainOptions } from "./pretrain_types.ts";
import { sharedStep } from "./step.ts";

/** How many steps are begun before the first of them is read, and whether a GPU records them as graphs. */
export function launchOptions(
  { device }: Pick<AstromerNetwork, "device">,
  { stepsAhead, graphs }: Pick<PretrainOptions, "stepsAhead" | "graphs">,
): { ahead: number; record?: null } {
  return {
    ahead: stepsAhead ?? (device === "cpu" ? 0 : 8),
    ...graphs === false ? { record: null } : {},
  };
}

/** Makes the steps of one training. */
export class TrainingSteps implements Disposable {
  readonly #model: AstromerNetwork;
  readonly #adam: Adam;
  readonly #dataset: Dataset;
  readonly #options: PretrainOptions;
  readonly #ranks: Ranks;
  readonly #observations?: DeviceObservations;
  readonly #deferred?: DeferredSteps;
  readonly #owned: DisposableStack;

  /** @param lightCurves that are trained on */
  constructor(
    model: AstromerNetwork,
    adam: Adam,
    dataset: Dataset,
    lightCurves: readonly number[],
    options: PretrainOptions,
    ranks: Ranks,
  ) {
    this.#model = model;
    this.#adam = adam;
    this.#dataset = dataset;
    this.#options = options;
    this.#ranks = ranks;
    using owned = new DisposableStack();
    const { ahead, ...launched } = launchOptions(model, options),
      { weights, dataOnDevice = "auto" } = options;
    if (belongOnDevice(dataset, lightCurves, model.device, dataOnDevice)) {
      this.#observations = owned.use(new DeviceObservations(dataset, lightCurves, model.device, { weights }));
    }
    if (ahead > 0 || this.#observations) {
      const observations = this.#observations;
      this.#deferred = owned.use(new DeferredSteps(model, adam, ranks, { ...launched, observations }));
    }
    this.#owned = owned.move();
  }

  /**
   * Begins a step.
   * @param windows this rank's part of the batch
   * @param size windows of the whole batch
   * @returns what reads its outcome, and waits for it: to be called once, in the order of the steps
   */
  begin(windows: readonly Window[], size: number, learningRate: number, epoch: number): () => StepOutcome {
    const { masking, weights, seed, windowSize } = this.#options;
    const paddedTo = this.#model.seesPadding ? windowSize : undefined;
    const filling = { masking, weights, key: [seed, 0x3a5c, epoch], paddedTo };
    if (this.#deferred && this.#observations) {
      return this.#deferred.begin(windows.length ? layOut(windows, filling) : undefined, size, learningRate);
    }
    const filled = windows.length ? fillBatch(this.#dataset, windows, filling) : undefined;
    if (this.#deferred) return this.#deferred.begin(filled, size, learningRate);
    const { loss, predicted, gradientNorm } = sharedStep(
      this.#model,
      this.#adam,
      filled,
      size,
      learningRate,
      this.#ranks,
    );
    return () => {
      const found = new ReconstructionMetrics();
      if (filled && Number.isFinite(loss)) {
        eachWindow(filled, predicted, (window) => {
          found.add(window.predicted, window.targets, window.weights);
        });
      }
      return { loss, gradientNorm, sums: found.sums };
    };
  }

  [Symbol.dispose](): void {
    this.#owned.dispose();
  }
}
