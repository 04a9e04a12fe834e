/** A fitted regressor of light curves: from windows' vectors to a value, such as a period or [Fe/H]; and as a folder. */
import type { Device } from "../../ffi/device.ts";
import type { Tensor } from "../../ffi/tensor.ts";
import { z } from "../common/setting.ts";
import { writeFolderAtomically, writeJson } from "../files/atomic.ts";
import type { FormatVersions } from "../files/format_version.ts";
import { jsonNumber } from "../files/json.ts";
import { writeSafetensors } from "../files/safetensors.ts";
import { version } from "../common/version.ts";
import { classifierKinds, Fitted, type FittedParts, hasGradients } from "./fitted.ts";
import { floats, FolderTensors, headTensors, readConfig, standardizationTensors } from "./fitted_folder.ts";
import { Head } from "./head.ts";
import { neighborMeans } from "./neighbor_votes.ts";
import { noveltyOf, pointsOf, type Reference } from "./points.ts";
import { meanOverWindows, type WindowRows } from "./train_head.ts";

/** One light curve with its value. */
export interface ValueSample extends WindowRows {
  /** In the unit of the target. */
  value: number;
}

/** What is predicted. */
export interface Target {
  /** What it is called. */
  name: string;
  /** Whether its logarithm to base 10 is learned and scored. */
  log: boolean;
}

/** Light curves that were trained on, with what is learned of them. */
interface ValuedReference extends Reference {
  /** (n,) standardized. */
  values: Float32Array<ArrayBuffer>;
}

/** What a regressor says of light curves. */
export interface ValuePredictions {
  /** (N,) in the scale that is learned. */
  learned: Float64Array;
  /** (N,) see the novelty of a classifier. */
  novelty: Float32Array;
}

/** Every regressor folder says its version. */
export const regressorVersions: FormatVersions = { what: "regressor", oldest: 1, newest: 1 };

/** The file that tells a regressor folder. */
export const regressorFile = "regressor.safetensors";

const configSchema = z.object({
  regressor_type: z.literal("astromer-regressor"),
  format_version: z.int(),
  target: z.object({ name: z.string(), log: z.boolean() }),
  kind: z.enum(classifierKinds),
  vectors: z.int().min(2),
  width: z.int().min(1),
  /** Of what is learned, over the light curves that were trained on. */
  mean: z.number(),
  deviation: z.number().gt(0),
  neighbors: z.int().min(0),
  spacing: z.number().min(0),
  encoder: z.record(z.string(), z.unknown()),
  training: z.record(z.string(), z.unknown()),
  metrics: z.record(z.string(), jsonNumber),
  astromer_version: z.string(),
});
type RegressorConfig = z.output<typeof configSchema>;

/** What a regressor's folder says of where it comes from. */
export type RegressorDetails = Pick<RegressorConfig, "encoder" | "training" | "metrics">;

/** A regressor that was fitted. */
export class FittedRegressor extends Fitted<ValuedReference> {
  constructor(
    readonly target: Target,
    private readonly scale: { mean: number; deviation: number },
    /** (n,) how far it was from light curves that it was not trained on, in the scale that is learned. */
    readonly residuals: Float32Array<ArrayBuffer>,
    parts: FittedParts<ValuedReference>,
  ) {
    super(parts);
  }

  /** A value in the scale that is learned. */
  learnedOf(value: number): number {
    return this.target.log ? Math.log10(value) : value;
  }

  /** A value in the unit of the target. */
  override valueOf(learned: number): number {
    return this.target.log ? 10 ** learned : learned;
  }

  /**
   * Predicts the values of light curves by the vectors of their windows.
   * @param vectors (rows, V, d) float32
   * @param samples which rows are each light curve's
   */
  async predict(vectors: Tensor, samples: readonly WindowRows[]): Promise<ValuePredictions> {
    const { width } = this.shape,
      { points, values, spacing } = this.reference,
      { mean, deviation } = this.scale;
    const mine = pointsOf(vectors, samples, this.standardization);
    const plain = this.head instanceof Head
      ? meanOverWindows(this.head, vectors, samples)
      : this.head
      ? this.head.probabilities(pointsOf(vectors, samples, this.standardization, "all"))
      : await neighborMeans(mine, points, values, width, this.neighbors);
    return {
      learned: Float64Array.from(plain, (value) => mean + deviation * value),
      novelty: await noveltyOf(mine, this.distinct, width, spacing),
    };
  }

  /** Writes a regressor folder, atomically. */
  save(folder: string, details: RegressorDetails): Promise<void> {
    const { vectors, width } = this.shape, { points, values, spacing } = this.reference;
    const config: RegressorConfig = {
      regressor_type: "astromer-regressor",
      target: this.target,
      kind: this.kind,
      vectors,
      width,
      ...this.scale,
      neighbors: this.neighbors,
      spacing,
      ...details,
      format_version: regressorVersions.newest,
      astromer_version: version,
    };
    return writeFolderAtomically(folder, async (temporary) => {
      await writeSafetensors(`${temporary}/${regressorFile}`, {
        ...headTensors(this.head),
        ...standardizationTensors(this.standardization, [vectors, width]),
        "reference.points": floats(points, [values.length, width]),
        "reference.values": floats(values, [values.length]),
        "calibration.residuals": floats(this.residuals, [this.residuals.length]),
      }, { format: "pt" });
      await writeJson(`${temporary}/config.json`, config);
    });
  }

  /**
   * Reads a regressor folder.
   * @throws {InputError} naming the file and what is wrong with it
   */
  static async load(
    folder: string,
    device: Device = "cpu",
  ): Promise<{ regressor: FittedRegressor; details: RegressorDetails }> {
    const config = await readConfig(folder, configSchema, {
      what: "a regressor folder (make one with classify --task regression)",
      versions: regressorVersions,
    });
    const { target, kind, vectors, width, mean, deviation, neighbors, spacing, ...details } = config;
    const tensors = await FolderTensors.read(folder, regressorFile);
    const values = tensors.take("reference.values", "F32", [null]);
    const points = tensors.take("reference.points", "F32", [values.length, width]);
    const residuals = tensors.take("calibration.residuals", "F32", [null]);
    const shape = { vectors, width, classes: 1 };
    const { state, standardization, forest } = tensors.headParts({ kind, ...shape });
    const head = hasGradients(kind)
      ? new Head({ kind, ...shape }, { device, state, standardization })
      : forest ?? null;
    return {
      regressor: new FittedRegressor(target, { mean, deviation }, residuals, {
        kind,
        shape: { vectors, width },
        standardization,
        reference: { points, values, spacing },
        head,
        neighbors,
      }),
      details,
    };
  }
}
