/** A fitted classifier of light curves: from windows' vectors to probabilities and novelty; and as a folder. */
import type { Device } from "../../ffi/device.ts";
import type { Tensor } from "../../ffi/tensor.ts";
import { z } from "../common/setting.ts";
import { writeFolderAtomically, writeJson } from "../files/atomic.ts";
import type { FormatVersions } from "../files/format_version.ts";
import { jsonNumber } from "../files/json.ts";
import { writeSafetensors } from "../files/safetensors.ts";
import type { StateDict } from "../model/parameters.ts";
import { version } from "../common/version.ts";
import { classifierKinds, Fitted, type FittedParts, hasGradients } from "./fitted.ts";
import { floats, FolderTensors, headTensors, readConfig, standardizationTensors } from "./fitted_folder.ts";
import type { Forest } from "./forest.ts";
import { Head, type Standardization } from "./head.ts";
import { neighborVotes } from "./neighbor_votes.ts";
import { distinctRows, noveltyOf, pointsOf, type Reference } from "./points.ts";
import { probabilitiesOf, scaled, type WindowRows } from "./train_head.ts";

/** Light curves that were trained on, with their classes. */
export interface LabelledReference extends Reference {
  /** (n,) classes. */
  labels: Int32Array<ArrayBuffer>;
}

/** What a classifier says of light curves. */
export interface Predictions {
  /** (N, C) row after row, temperature-scaled on the validation. */
  probabilities: Float32Array;
  /**
   * (N,) distance to the nearest training light curves in units of how far those lie from each other: about 1 for what was
   * trained on, large for what is unlike all of it.
   */
  novelty: Float32Array;
}

/** Version 1 says its version, version 0 does not; version 2 keeps what sets of classes are calibrated with. */
export const classifierVersions: FormatVersions = { what: "classifier", oldest: 0, newest: 2 };

const configSchema = z.object({
  classifier_type: z.literal("astromer-classifier"),
  format_version: z.int().default(0),
  classes: z.array(z.string()).min(2),
  kind: z.enum(classifierKinds),
  /** Vectors of a window, as `HeadShape` counts them, and their length. */
  vectors: z.int().min(2),
  width: z.int().min(1),
  temperature: z.number().gt(0),
  neighbors: z.int().min(0),
  spacing: z.number().min(0),
  /** The encoder: a model folder with the SHA-256 of its weights, or classical features by name. */
  encoder: z.record(z.string(), z.unknown()),
  training: z.record(z.string(), z.unknown()),
  metrics: z.record(z.string(), jsonNumber),
  astromer_version: z.string(),
});
type ClassifierConfig = z.output<typeof configSchema>;

/** What a classifier folder holds. */
export interface ClassifierParts {
  config: ClassifierConfig;
  /** Parameters of a head that is trained by gradients; else empty. */
  state: StateDict;
  standardization: Standardization;
  reference: LabelledReference;
  /** The reference's points, each once: an object that is taken repeatedly is no nearer for that. */
  distinct: Float32Array<ArrayBuffer>;
  /** Of that kind alone. */
  forest: Forest | undefined;
  /** Null in what older versions wrote. */
  calibration: Float32Array<ArrayBuffer> | null;
}

/** What a classifier's folder says of where it comes from. */
export type ClassifierDetails = Pick<ClassifierConfig, "encoder" | "training" | "metrics">;

/** A classifier that was fitted. */
export class FittedClassifier extends Fitted<LabelledReference> {
  constructor(
    readonly classes: readonly string[],
    readonly temperature: number,
    /** (n,) how wrong it is of light curves that it was not trained on, see `classScores`; null where that is not known. */
    readonly calibration: Float32Array<ArrayBuffer> | null,
    parts: FittedParts<LabelledReference>,
  ) {
    super(parts);
  }

  /**
   * Classifies light curves by the vectors of their windows.
   * @param vectors (rows, V, d) float32
   * @param samples which rows are each light curve's
   */
  async predict(vectors: Tensor, samples: readonly WindowRows[]): Promise<Predictions> {
    const { width } = this.shape, { points, labels, spacing } = this.reference;
    const mine = pointsOf(vectors, samples, this.standardization);
    const plain = this.head instanceof Head
      ? probabilitiesOf(this.head, vectors, samples)
      : this.head
      ? this.head.probabilities(pointsOf(vectors, samples, this.standardization, "all"))
      : await neighborVotes(mine, points, labels, width, this.neighbors, this.classes.length);
    return {
      probabilities: scaled(plain, this.classes.length, this.temperature),
      novelty: await noveltyOf(mine, this.distinct, width, spacing),
    };
  }

  /** Writes a classifier folder, atomically. */
  save(folder: string, details: ClassifierDetails): Promise<void> {
    const { vectors, width } = this.shape, { points, labels, spacing } = this.reference;
    const config: ClassifierConfig = {
      classifier_type: "astromer-classifier",
      classes: [...this.classes],
      kind: this.kind,
      vectors,
      width,
      temperature: this.temperature,
      neighbors: this.neighbors,
      spacing,
      ...details,
      format_version: classifierVersions.newest,
      astromer_version: version,
    };
    return writeFolderAtomically(folder, async (temporary) => {
      await writeSafetensors(`${temporary}/classifier.safetensors`, {
        ...headTensors(this.head),
        ...standardizationTensors(this.standardization, [vectors, width]),
        "reference.points": floats(points, [labels.length, width]),
        "reference.labels": { dtype: "I32", shape: [labels.length], data: labels },
        ...this.calibration
          ? { "calibration.scores": floats(this.calibration, [this.calibration.length]) }
          : {},
      }, { format: "pt" });
      await writeJson(`${temporary}/config.json`, config);
    });
  }

  /**
   * Reads a classifier folder.
   * @throws {InputError} naming the file and what is wrong with it
   */
  static async load(
    folder: string,
    device: Device = "cpu",
  ): Promise<{ classifier: FittedClassifier; details: ClassifierDetails }> {
    const { config, state, standardization, reference, forest, calibration } = await readClassifier(folder);
    const { classes, kind, vectors, width, temperature, neighbors, spacing: _, ...details } = config;
    const shape = { vectors, width, classes: classes.length };
    const head = hasGradients(kind)
      ? new Head({ kind, ...shape }, { device, state, standardization })
      : forest ?? null;
    return {
      classifier: new FittedClassifier(classes, temperature, calibration, {
        kind,
        shape: { vectors, width },
        standardization,
        reference,
        head,
        neighbors,
      }),
      details,
    };
  }
}

/**
 * Reads a classifier folder.
 * @throws {InputError} naming the file and what is wrong with it
 */
export async function readClassifier(folder: string): Promise<ClassifierParts> {
  const config = await readConfig(folder, configSchema, {
    what: "a classifier folder (make one with classify)",
    versions: classifierVersions,
  });
  const { classes, kind, vectors, width, spacing } = config;
  const tensors = await FolderTensors.read(folder, "classifier.safetensors");
  const labels = tensors.take("reference.labels", "I32", [null]);
  const points = tensors.take("reference.points", "F32", [labels.length, width]);
  const parts = tensors.headParts({ kind, vectors, width, classes: classes.length });
  const reference = { points, labels, spacing };
  const distinct = distinctRows(points, width);
  const calibration = tensors.has("calibration.scores")
    ? tensors.take("calibration.scores", "F32", [null])
    : null;
  return { config, ...parts, reference, distinct, calibration };
}
