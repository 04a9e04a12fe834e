/** The labelled objects of a dataset, of which few-shot scenarios are drawn. */
import { type Dataset, lightCurvesOf, type Subset } from "../data/dataset.ts";
import type { ChosenClass } from "./classes.ts";

/** An object with a class. In several bands it has several light curves, which go together. */
export interface LabelledObject {
  id: string;
  /** Which class, counted from 0. */
  label: number;
  /** The part of the dataset that it belongs to, with its duplicates: that which pretraining sees most of. */
  subset: Subset;
  /** Its light curves that are long enough to be used, by index. */
  lightCurves: number[];
}

/** Subsets by how much pretraining sees of them: its steps, its early stopping, nothing. */
const mostSeenFirst: readonly Subset[] = ["train", "validation", "none", "test"];

/** Of the subsets of an object and its duplicates that which pretraining sees most of. */
export function subsetMostSeen(subsets: readonly Subset[]): Subset {
  return mostSeenFirst.find((subset) => subsets.includes(subset))!;
}

/**
 * The objects of the chosen classes, in the order of the dataset.
 * @param groups ids that are one object, from `groupsOf`: the first of them that has a class stands for all
 * @returns the objects, and the ids of those left out because they have two classes
 */
export function labelledObjects(
  dataset: Dataset,
  classes: readonly ChosenClass[],
  groups: ReadonlyMap<string, string> = new Map(),
): { objects: LabelledObject[]; contradictory: string[] } {
  const labels = new Map(classes.flatMap(({ of }, label) => of.map((name) => [name, label] as const)));
  const members = new Map<string, number[]>();
  for (const i of lightCurvesOf(dataset, "all")) {
    const object = groups.get(dataset.ids[i]) ?? dataset.ids[i];
    if (!members.has(object)) members.set(object, []);
    members.get(object)!.push(i);
  }
  const objects: LabelledObject[] = [], contradictory: string[] = [];
  for (const lightCurves of members.values()) {
    const labelled = lightCurves.filter((i) => dataset.classes[i] !== null);
    // Undefined stands for the classes that are left out: to be one of them contradicts being one of the chosen.
    const found = new Set(labelled.map((i) => labels.get(dataset.classes[i]!)));
    const [label] = found;
    if (found.size > 1) contradictory.push(dataset.ids[labelled[0]]);
    else if (label !== undefined) {
      const id = dataset.ids[labelled[0]];
      objects.push({
        id,
        label,
        subset: subsetMostSeen(lightCurves.map((i) => dataset.subsets[i])),
        lightCurves: lightCurves.filter((i) => dataset.ids[i] === id),
      });
    }
  }
  return { objects, contradictory };
}
