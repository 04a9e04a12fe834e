/** Results of classifiers, written by hand. */
import type { Result } from "../../src/classify/results.ts";
import { ClassificationMetrics } from "../../src/evaluate/classification.ts";

export const classes = ["Mira", "RRab", "Delta Scuti"];

/** One result; of each class `right` of 10 are recognised, the others taken for the next class. */
export function resultOf(
  {
    model = "astromer2",
    head = "gamma",
    samples_per_class = 20,
    fold = 0,
    right = 8,
    names = classes,
    gammas,
  }:
    & Partial<Pick<Result, "model" | "head" | "samples_per_class" | "fold" | "gammas">>
    & { right?: number; names?: string[] } = {},
): Result {
  const metrics = new ClassificationMetrics(names);
  for (const truth of names.keys()) {
    for (let i = 0; i < 10; i++) metrics.add(truth, i < right ? truth : (truth + 1) % names.length);
  }
  return {
    model,
    head,
    samples_per_class,
    fold,
    classes: names,
    scores: metrics.scores,
    f1: names.map((_, of) => metrics.f1(of)),
    confusion: [...metrics.confusion],
    ...gammas ? { gammas } : {},
    validation_loss: 0.5,
    epochs: 7,
    seconds: 1.5,
    light_curves: { train: 48, validation: 12, test: 30 },
  };
}
