/** The library's main class: a model that takes light curves as arrays or as dataset folders. */
import type { Given } from "../common/setting.ts";
import { inferenceBatchOn } from "../machine/settings.ts";
import { pretrainOptions, pretrainSchema, type PretrainSettings, resolve } from "../run/settings.ts";
import { fillBatch } from "../data/batch.ts";
import { type Dataset, lightCurvesOf, openDataset, type Subset } from "../data/dataset.ts";
import { datasetOf, type LightCurve } from "../data/light_curves.ts";
import { type Masking, maskPoints, noMasking } from "../data/masking.ts";
import { sequentialWindows, type Window } from "../data/windows.ts";
import { embedding, embeddingsOf, type Pooling, vectorsOf } from "../embed/pooling.ts";
import { batchesByLength, LightCurveEmbedding, unmasked } from "../embed/stream.ts";
import { InputError } from "../common/errors.ts";
import { refuseForeignFolder } from "../files/atomic.ts";
import { attentionWeights } from "../evaluate/attention.ts";
import type { ReconstructionMetrics } from "../evaluate/metrics.ts";
import { eachWindow, modelPredictor, reconstructionMetrics } from "../evaluate/reconstruction.ts";
import { architectureSchema, type Preset, widthOf } from "../model/architecture.ts";
import { UnderWay } from "../model/deferred.ts";
import { DeferredInference } from "../model/deferred_inference.ts";
import { AstromerNetwork } from "../model/network.ts";
import { prepareRun } from "../machine/runtime.ts";
import { Adam } from "../train/adam.ts";
import { pretrain } from "../train/pretrain.ts";
import type { MetricsLine } from "../train/pretrain_types.ts";
import { version } from "../common/version.ts";
import { datasetDetails, loadModel, type LoadOptions, saveModel } from "../weights/model_folder.ts";
import type { ModelConfig } from "../weights/model_config.ts";

/** Light curves: arrays, or the path of a dataset folder as `preprocess` writes it. */
export type LightCurves = readonly LightCurve[] | string;

/** Settings of `deno task pretrain`, except where it reads and writes. All have defaults. */
export interface TrainingSettings {
  /** Architecture to start from. Default: astromer2. */
  preset?: Preset;
  /**
   * How to train: `fast` learned fastest in short runs that were measured, `paper` is as in the paper. Default: fast.
   */
  recipe?: "fast" | "paper";
  /** Epochs at most. Default: 100. */
  epochs?: number;
  /** Minutes at most. Default: no limit. */
  max_minutes?: number;
  /** Windows per step. Default: 16. */
  batch_size?: number;
  /** Peak learning rate. Default: 5e-4. */
  learning_rate?: number | "schedule";
  /** Observations of a window. Default: 200. */
  window_size?: number;
  /** Seed of initial values, windows, masks and dropout. Default: 0. */
  seed?: number;
  /** auto, cpu, cuda or cuda:1. Default: auto. */
  device?: string;
  /**
   * Arithmetic of the layers in training. Default: auto. The trained model computes in float32, which gives the same
   * numbers on every machine to about 1e-5, unless this is bfloat16.
   */
  precision?: "auto" | "float32" | "bfloat16";
  /** Every other setting of the command, with underscores; checked when it is used. */
  [setting: string]: string | number | boolean | undefined;
}

/** How {@link Astromer.embed} works. */
export interface EmbedOptions {
  /** Default: mean. */
  pooling?: Exclude<Pooling, "points" | "features">;
  /** Full windows per batch; more need more memory. Default: 16, on a GPU 512. */
  batchSize?: number;
}

/** How {@link Astromer.evaluate} works. */
export interface EvaluateOptions {
  /** Light curves of a dataset folder to use. Default: all. */
  subset?: Subset | "all";
  /** Default: nothing masked, every point probed. */
  masking?: Masking;
  /** Seed of the masks. Default: 0. */
  seed?: number;
  /** Default: 16, on a GPU 512. */
  batchSize?: number;
}

/** What a model made of one light curve. */
export interface ReconstructedLightCurve {
  /** (n,) times in ascending order, days. */
  mjd: Float64Array;
  /** (n,) observed magnitudes in that order. */
  magnitude: Float32Array;
  /** (n,) predicted magnitudes. */
  predicted: Float32Array;
  /** (n,) 1 = was hidden from the model. */
  hidden: Uint8Array;
}

/** Attention weights of one window. */
export interface WindowAttention {
  /** First observation of the window, in order of time. */
  start: number;
  /** Observations n of the window. */
  length: number;
  /** (heads, n, n): head, query, key. */
  weights: Float32Array;
}

/**
 * A model that is ready to use: the network, its window size, and what its folder says of it. It owns native memory:
 * free it with `using` or `[Symbol.dispose]()`.
 *
 * @example Embed light curves
 * ```ts
 * import { Astromer } from "../../mod.ts";
 *
 * const mjd = Array.from({ length: 60 }, (_, i) => 59_000 + 1.7 * i);
 * const lightCurve = { mjd, magnitude: mjd.map((t) => 15 + 0.3 * Math.sin(t / 4)), error: mjd.map(() => 0.02) };
 * using model = Astromer.untrained({ preset: "small" });
 * const [embedding] = model.embed([lightCurve]);
 * if (embedding.length !== model.width) throw new Error("one vector a light curve");
 * ```
 */
export class Astromer implements Disposable {
  /**
   * Combines a network with what is known of it.
   * @param network the encoder with its reconstruction head; belongs to this object from now on
   * @param config what a model folder says of it
   */
  constructor(readonly network: AstromerNetwork, readonly config: ModelConfig) {}

  #folder?: string;

  /** The folder on this machine that it was last loaded from or saved to; undefined if there is none. */
  get folder(): string | undefined {
    return this.#folder;
  }

  /**
   * Loads a model folder.
   *
   * @example
   * ```ts
   * import { Astromer } from "../../mod.ts";
   *
   * const folder = await Deno.makeTempDir();
   * using saved = Astromer.untrained({ preset: "small" });
   * await saved.save(`${folder}/model`);
   * using model = await Astromer.load(`${folder}/model`); // or new URL("https://example.org/models/astromer1-macho")
   * await Deno.remove(folder, { recursive: true });
   * const name = "encoder.input.weight";
   * const [a, b] = [saved, model].map(({ network }) => network.parameters.stateDict().get(name)!.data);
   * if (a.join() !== b.join()) throw new Error("the same numbers, to the last bit");
   * ```
   * @param model a folder with `config.json` and `model.safetensors`, the http(s) or file URL of one, or the name of
   * a model
   * that ships, such as astromer2-asas: if mod.ts was imported by URL, it is fetched once into the cache folder
   * @param options device and arithmetic; the CPU and float32 unless said otherwise
   * @throws {InputError} naming the file and the tensor or setting that is wrong
   * @throws {Failure} when a model that ships cannot be fetched, or is not what it should be
   * @throws {LibtorchError} when libtorch is not found
   */
  static async load(model: string | URL, options: LoadOptions = {}): Promise<Astromer> {
    const { model: network, config, folder } = await loadModel(model, options);
    const loaded = new Astromer(network, config);
    if (!/^https?:/.test(folder)) {
      loaded.#folder = await Deno.realPath(/^file:/.test(folder) ? new URL(folder) : folder);
    }
    return loaded;
  }

  /**
   * A model with initial values: where training starts.
   *
   * @example
   * ```ts
   * import { Astromer } from "../../mod.ts";
   *
   * using model = Astromer.untrained({ blocks: 2, heads: 2, head_size: 8, seed: 7 });
   * if (model.width !== 16) throw new Error("heads x head size");
   * ```
   * @param settings of which architecture, window size, seed, device and arithmetic are used
   * @throws {InputError} on an unknown or impossible setting, by name, or when the device is not there
   * @throws {LibtorchError} when libtorch is not found
   */
  static untrained(settings: TrainingSettings = {}): Astromer {
    return Astromer.#initial(settings, keptPrecision(settings.precision));
  }

  static #initial(settings: TrainingSettings, precision: TrainingSettings["precision"]): Astromer {
    const resolved = { ...resolvedSettings(settings), precision: precision ?? "auto" };
    const { device, dtype } = prepareRun(resolved);
    const network = new AstromerNetwork(architectureSchema.parse(resolved), {
      device,
      dtype,
      seed: resolved.seed,
      initialization: resolved.initialization,
    });
    return new Astromer(network, {
      model_type: "astromer",
      architecture: network.architecture,
      parameters: network.parameters.size,
      window_size: resolved.window_size,
      astromer_version: version,
    });
  }

  /**
   * Pretrains a model to predict hidden magnitudes (sections 2.5 and 3.3 of the paper), and returns the best of all
   * epochs.
   *
   * @example
   * ```ts
   * import { Astromer } from "../../mod.ts";
   *
   * const lightCurves = Array.from({ length: 20 }, (_, star) => {
   *   const mjd = Array.from({ length: 30 }, (_, i) => 59_000 + 0.9 * i);
   *   return { mjd, magnitude: mjd.map((t) => 15 + 0.3 * Math.sin(t / (2 + star))) };
   * });
   * const losses: number[] = [];
   * using model = await Astromer.pretrain(lightCurves, { preset: "small", epochs: 2 }, (line) => {
   *   if (line.kind === "epoch") losses.push(Number(line.validation_loss));
   * });
   * if (losses.length !== 2 || !losses.every((loss) => loss > 0)) throw new Error("a line an epoch");
   * if (model.config.metrics?.validation_loss !== Math.min(...losses)) throw new Error("not the best epoch");
   * ```
   * @param data arrays (a tenth of which validates), or a dataset folder with its own subsets
   * @param settings any of the settings of `deno task pretrain`
   * @param onMetrics is given what `deno task pretrain` writes as lines of `metrics.jsonl`
   * @returns the model, which the caller disposes
   * @throws {InputError} on impossible settings or data: too few light curves to set some apart, a folder that is not
   * a dataset
   * @throws {TypeError | RangeError} when an array is wrong: see {@link LightCurve}
   * @throws {Failure} when the loss is not a number
   */
  static async pretrain(
    data: LightCurves,
    settings: TrainingSettings = {},
    onMetrics: (line: MetricsLine) => void = () => {},
  ): Promise<Astromer> {
    const resolved = resolvedSettings(settings);
    using dataset = await open(data);
    using model = Astromer.#initial(settings, resolved.precision);
    using adam = new Adam(model.network.parameters, { clipNorm: resolved.clip_norm || Infinity });
    let best = model.network.parameters.stateDict(), metrics: Record<string, number> | undefined;
    await pretrain(
      model.network,
      adam,
      dataset,
      pretrainOptions(resolved, model.width, resolved.window_size),
      {
        onMetrics,
        onBest(found) {
          best = model.network.parameters.stateDict();
          metrics = found;
          return Promise.resolve();
        },
      },
    );
    const { device, architecture } = model.network, dtype = keptPrecision(settings.precision);
    return new Astromer(new AstromerNetwork(architecture, { device, dtype, state: best }), {
      ...model.config,
      ...datasetDetails(dataset),
      training: resolved,
      metrics,
    });
  }

  /** Length of an embedding: heads x head size, 256 for Astromer 1 and 2. */
  get width(): number {
    return widthOf(this.network.architecture);
  }

  /**
   * One embedding per light curve: windows are embedded with nothing masked, pooled over their observations (never
   * over padding), and averaged with their numbers of observations as weights (section 5.4 of the paper).
   *
   * @example
   * ```ts
   * import { Astromer } from "../../mod.ts";
   *
   * const mjd = Array.from({ length: 60 }, (_, i) => 59_000 + 1.7 * i);
   * const lightCurve = { mjd, magnitude: mjd.map((t) => 15 + 0.3 * Math.sin(t / 4)) };
   * using model = Astromer.untrained({ preset: "small" });
   * const [mean] = model.embed([lightCurve]);
   * const [layers] = model.embed([lightCurve], { pooling: "layers" }); // (3, 64): input embedding, two blocks
   * if (mean.length !== 64 || layers.length !== 3 * 64) throw new Error("a vector, and one for each layer");
   * if (Math.abs(layers[2 * 64] - mean[0]) > 1e-5) throw new Error("the last layer's mean is the embedding");
   * ```
   * @returns for each light curve a vector of `width`; with pooling "layers" (blocks + 1) of them end to end, that of
   * the input embedding first
   * @throws {TypeError | RangeError} when an array is wrong: see {@link LightCurve}
   */
  embed(
    lightCurves: readonly LightCurve[],
    { pooling = "mean", batchSize = inferenceBatchOn(this.network.device) }: EmbedOptions = {},
  ): Float32Array[] {
    if (!["mean", "max", "layers"].includes(pooling)) {
      throw new TypeError(`pooling must be mean, max or layers, not ${pooling}`);
    }
    checkCount("batchSize", batchSize);
    using dataset = datasetOf(lightCurves);
    const windows = this.#windowsOf(dataset);
    const size = vectorsOf(this.network, pooling) * this.width;
    const embeddings = lightCurves.map(() => new LightCurveEmbedding(size, pooling));
    const options = { windowSize: this.config.window_size, batchSize };
    using inference = new DeferredInference(this.network, embedding(pooling));
    const underWay = new UnderWay<() => void>(inference.ahead);
    for (const { places, paddedTo } of batchesByLength(windows, options, this.network.seesPadding)) {
      const batch = unmasked(dataset, places.map((i) => windows[i]), paddedTo), read = inference.begin(batch);
      underWay.add(() => {
        for (const [k, vectors] of embeddingsOf(batch, pooling, read()).entries()) {
          embeddings[batch.windows[k].lightCurve].add(batch.windows[k], vectors);
        }
      });
      for (const take of underWay.due()) take();
    }
    for (const take of underWay.due(0)) take();
    return embeddings.map(({ embedding }) => embedding);
  }

  /**
   * Predicts every magnitude of light curves (section 2.5 of the paper).
   *
   * @example
   * ```ts
   * import { Astromer } from "../../mod.ts";
   *
   * const mjd = Array.from({ length: 60 }, (_, i) => 59_000 + 1.7 * i);
   * const lightCurve = { mjd, magnitude: mjd.map((t) => 15 + 0.3 * Math.sin(t / 4)) };
   * using model = Astromer.untrained({ preset: "small" });
   * const [{ magnitude, predicted, hidden }] = model.reconstruct([lightCurve], () => [3, 4, 5]); // hidden from it
   * const residuals = predicted.filter((_, i) => hidden[i]).map((value, i) => value - magnitude[3 + i]); // mag
   * if (residuals.length !== 3 || !residuals.every(Number.isFinite)) throw new Error("three were hidden");
   * ```
   * @param hidden for a light curve (its index) the observations to hide from the model: places in the order of time.
   * Default: none. A hidden magnitude still counts in its window's mean, which is subtracted first, as in training
   * @returns for each light curve its observations in order of time with their predictions, mag. Where windows
   * overlap (the last one ends with the light curve) those of the later one
   * @throws {TypeError | RangeError} when an array is wrong (see {@link LightCurve}), or `hidden` names an
   * observation that is not there
   */
  reconstruct(
    lightCurves: readonly LightCurve[],
    hidden: (lightCurve: number) => Iterable<number> = () => [],
  ): ReconstructedLightCurve[] {
    using dataset = datasetOf(lightCurves);
    const results = lightCurves.map((_, i): ReconstructedLightCurve => {
      const from = dataset.offsets[i], to = from + dataset.lengths[i];
      const flags = new Uint8Array(dataset.lengths[i]);
      for (const place of hidden(i)) {
        if (!Number.isInteger(place) || place < 0 || place >= flags.length) {
          throw new RangeError(
            `light curve ${i} has no observation ${place}: they count from 0 to ${flags.length - 1}`,
          );
        }
        flags[place] = 1;
      }
      return {
        mjd: dataset.mjd.slice(from, to),
        magnitude: dataset.mag.slice(from, to),
        predicted: new Float32Array(flags.length),
        hidden: flags,
      };
    });
    const masking = ({ lightCurve, start, length }: Window) => {
      const flags = results[lightCurve].hidden.subarray(start, start + length);
      return maskPoints(length, new Set(Array.from(flags.keys()).filter((i) => flags[i])));
    };
    const paddedTo = this.network.seesPadding ? this.config.window_size : undefined;
    using predictor = modelPredictor(this.network);
    const underWay = new UnderWay<() => void>(predictor.ahead);
    for (const window of this.#windowsOf(dataset)) {
      const batch = fillBatch(dataset, [window], { masking, weights: "none", key: [], paddedTo });
      const { magnitude, predicted } = results[window.lightCurve], read = predictor.begin(batch);
      const observed = magnitude.subarray(window.start, window.start + window.length);
      const mean = observed.reduce((sum, value) => sum + value, 0) / window.length;
      underWay.add(() =>
        eachWindow(batch, read(), ({ points, predicted: relative }) => {
          for (const [k, point] of points.entries()) predicted[window.start + point] = relative[k] + mean;
        })
      );
      for (const take of underWay.due()) take();
    }
    for (const take of underWay.due(0)) take();
    return results;
  }

  /**
   * The attention weights of one block (eq. 3 of the paper), a window at a time, with nothing hidden.
   *
   * @example
   * ```ts
   * import { Astromer } from "../../mod.ts";
   *
   * const mjd = Array.from({ length: 60 }, (_, i) => 59_000 + 1.7 * i);
   * const lightCurve = { mjd, magnitude: mjd.map((t) => 15 + 0.3 * Math.sin(t / 4)) };
   * using model = Astromer.untrained({ preset: "small" });
   * const [{ length, weights }] = model.attention(lightCurve, { block: 2 }); // (heads, n, n)
   * if (weights.length !== 4 * length * length) throw new Error("head, query, key");
   * const query = weights.subarray(0, length); // where the first observation looks, in the first head
   * if (Math.abs(query.reduce((sum, weight) => sum + weight, 0) - 1) > 0.01) throw new Error("they sum to 1");
   * ```
   * @param options block: from 1, as the paper counts; default 1
   * @throws {RangeError} when there is no such block
   * @throws {TypeError | RangeError} when an array is wrong: see {@link LightCurve}
   */
  attention(lightCurve: LightCurve, { block = 1 }: { block?: number } = {}): WindowAttention[] {
    using dataset = datasetOf([lightCurve]);
    return this.#windowsOf(dataset).map((window) => ({
      start: window.start,
      length: window.length,
      weights: attentionWeights(this.network, dataset, window, block, this.config.window_size),
    }));
  }

  /**
   * RMSE and R2 of reconstructed magnitudes over sequential windows (section 5 of the paper).
   *
   * @example
   * ```ts
   * import { Astromer } from "../../mod.ts";
   *
   * const mjd = Array.from({ length: 60 }, (_, i) => 59_000 + 1.7 * i);
   * const lightCurve = { mjd, magnitude: mjd.map((t) => 15 + 0.3 * Math.sin(t / 4)) };
   * using model = Astromer.untrained({ preset: "small" });
   * const { windows, rmse, r2 } = await model.evaluate([lightCurve]); // mag; a dataset folder's path will do too
   * if (windows !== 1 || !(rmse > 0) || !(r2 < 1)) throw new Error("an untrained model cannot be right");
   * ```
   * @param data arrays, or a dataset folder
   * @param options the light curves to use, what is probed and hidden, and the seed
   * @throws {InputError} when the folder is not a dataset, or there is no light curve (in the subset)
   * @throws {TypeError | RangeError} when an array is wrong: see {@link LightCurve}
   */
  async evaluate(
    data: LightCurves,
    { subset = "all", masking = noMasking, seed = 0, batchSize = inferenceBatchOn(this.network.device) }:
      EvaluateOptions = {},
  ): Promise<ReconstructionMetrics> {
    checkCount("batchSize", batchSize);
    using dataset = await open(data);
    const windows = this.#windowsOf(dataset, lightCurvesOf(dataset, subset));
    const paddedTo = this.network.seesPadding ? this.config.window_size : undefined;
    return await reconstructionMetrics(this.network, dataset, windows, {
      masking,
      weights: "none",
      batchSize,
      seed,
      paddedTo,
    });
  }

  /**
   * Writes a model folder, atomically: what {@link Astromer.load} and every command read.
   *
   * @example
   * ```ts
   * import { Astromer } from "../../mod.ts";
   *
   * const folder = await Deno.makeTempDir();
   * using model = Astromer.untrained({ preset: "small" });
   * await model.save(`${folder}/model`);
   * const files = Array.from(Deno.readDirSync(`${folder}/model`), ({ name }) => name).sort();
   * await Deno.remove(folder, { recursive: true });
   * if (files.join() !== "README.md,config.json,model.safetensors") throw new Error(`${files}`);
   * ```
   * @param folder its parents are made; an older model folder of that name is replaced
   * @throws {InputError} when the folder holds something else
   * @throws {Failure} when it cannot be written
   */
  async save(folder: string): Promise<void> {
    await refuseForeignFolder(folder, "model.safetensors", "a model folder", "");
    await saveModel(folder, this.network, this.config);
    this.#folder = await Deno.realPath(folder);
  }

  /** Frees the native memory; harmless the second time. */
  [Symbol.dispose](): void {
    this.network[Symbol.dispose]();
  }

  #windowsOf(dataset: Dataset, lightCurves: Iterable<number> = dataset.lengths.keys()): Window[] {
    return [...lightCurves].flatMap((i) => sequentialWindows(i, dataset.lengths[i], this.config.window_size));
  }
}

/**
 * What a model computes with that is used: whatever it was trained with, float32 unless bfloat16 is asked for by
 * name.
 */
function keptPrecision(asked: TrainingSettings["precision"]): "float32" | "bfloat16" {
  return asked === "bfloat16" ? "bfloat16" : "float32";
}

/** @throws {RangeError} unless it is a whole number from 1 */
function checkCount(name: string, value: number): void {
  if (!Number.isInteger(value) || value < 1) {
    throw new RangeError(`${name} must be a whole number from 1, not ${value}`);
  }
}

function open(data: LightCurves): Promise<Dataset> {
  return typeof data === "string" ? openDataset(data) : Promise.resolve(datasetOf(data));
}

/** @throws {InputError} on an unknown or impossible setting, by name */
function resolvedSettings(settings: TrainingSettings): PretrainSettings {
  const names: ReadonlySet<string> = new Set(Object.keys(settings));
  const parsed = pretrainSchema.strict().safeParse({ data: "arrays", output: "none", ...settings });
  if (!parsed.success) {
    const [{ path, message }] = parsed.error.issues;
    throw new InputError(`${path.length ? `setting ${path.join(".")}: ` : ""}${message}`);
  }
  const given: Given = { all: names, flags: names };
  return resolve(parsed.data, given);
}
