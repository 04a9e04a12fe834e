/** Vectors that need no model: numbers with names, computed from a whole light curve. */
import type { Device } from "../../ffi/device.ts";
import type { Dataset } from "../data/dataset.ts";
import { type ClassicalFeatures, classicalFeatures, classicalNames } from "./classical_features.ts";
import { starFeatures, starNames } from "./star_features.ts";
import { starScoreNames, starScores } from "./star_scores.ts";

/**
 * - `classical`: the features of light curves that the literature has, the baseline beside every classifier.
 * - `star`: these, and how the star repeats.
 * - `star-scores`: `star` for readers that add numbers up: linear heads, neighbors, search.
 */
export type FeatureSet = "classical" | "star" | "star-scores";

interface Features {
  names: readonly string[];
  compute(
    dataset: Pick<Dataset, "mjd" | "mag" | "err" | "offsets" | "lengths">,
    lightCurves: readonly number[],
    onProgress?: (done: number) => void,
    options?: { device?: Device },
  ): Promise<ClassicalFeatures>;
}

export const featureSets: Readonly<Record<FeatureSet, Features>> = {
  classical: { names: classicalNames, compute: classicalFeatures },
  star: { names: starNames, compute: starFeatures },
  "star-scores": { names: starScoreNames, compute: starScores },
};

export function isFeatureSet(text: string): text is FeatureSet {
  return Object.hasOwn(featureSets, text);
}

/** Of `MODEL+classical`, `MODEL+star` or `MODEL+star-scores` the model, and the set that stands behind its vectors; null of any other text. */
export function hybridOf(text: string): { model: string; features: FeatureSet } | null {
  const at = text.lastIndexOf("+"), features = text.slice(at + 1);
  return at > 0 && isFeatureSet(features) ? { model: text.slice(0, at), features } : null;
}
