/** Drawing few-shot scenarios (paper, section 5.1). */
import type { Subset } from "../data/dataset.ts";
import { InputError } from "../common/errors.ts";
import { drawOf } from "../survey/split.ts";
import { grouped } from "../common/table.ts";
import { type ChosenClass, writeClasses } from "./classes.ts";
import type { LabelledObject } from "./labelled_objects.ts";

/** An object, and how often it is taken. */
export interface DrawnObject {
  object: LabelledObject;
  count: number;
}

/** One fold of a scenario. */
export interface DrawnRun {
  samplesPerClass: number;
  /** Counted from 0. */
  fold: number;
  train: DrawnObject[];
  validation: DrawnObject[];
}

/** Scenarios with the test set that all of them and all folds share. */
export interface Drawing {
  test: LabelledObject[];
  /** By samples per class, then fold. */
  runs: DrawnRun[];
}

/** How scenarios are drawn. */
export interface DrawSettings {
  samplesPerClass: readonly number[];
  folds: number;
  testPerClass: number;
  /** Share of a draw that validates. */
  validationFraction: number;
  seed: number;
}

/** Fewest objects of a class besides its test objects: one trains, one validates. */
const fewest = 2;

/** Where test objects are taken from: first what no pretraining sees, then what it only stops by, then what it learns. */
const leastSeenFirst: readonly Subset[] = ["test", "none", "validation", "train"];

/**
 * Draws scenarios of so many samples per class, a number of folds of each, independent of each other, and one test set.
 *
 * In a fold the objects of a class are divided at random into those that may train and those that may validate, in the
 * proportion of the draw; so no object does both. Where a class has too few, objects are taken again, each as often as
 * any other to within one, so that every label is used. Test objects are taken once, and are in no draw.
 *
 * Test objects come from the dataset's test subset; where that has too few of a class, from subsets of which pretraining
 * sees more, train last. Those that train and validate come from train and validation; where these have too few of a
 * class, from what the test set leaves of all subsets.
 * @param objects duplicates counted as one, so that none can be on two sides
 * @throws {InputError} when a class has too few objects
 */
export function drawScenarios(
  objects: readonly LabelledObject[],
  classes: readonly ChosenClass[],
  { samplesPerClass, folds, testPerClass, validationFraction, seed }: DrawSettings,
): Drawing {
  const byClass = classes.map((_, label) => objects.filter((object) => object.label === label));
  refuseSmall(byClass.map(({ length }) => length), classes, testPerClass);
  const test = byClass.flatMap((of) =>
    inRandomOrder(of, "test", seed)
      .sort((a, b) => leastSeenFirst.indexOf(a.subset) - leastSeenFirst.indexOf(b.subset))
      .slice(0, testPerClass)
  );
  const tested = new Set(test), left = byClass.map((of) => of.filter((object) => !tested.has(object)));
  const shareOf = (n: number) => Math.min(n - 1, Math.max(1, Math.round(validationFraction * n)));

  const runs = [...samplesPerClass].sort((a, b) => a - b).flatMap((samplesPerClass) =>
    Array.from({ length: folds }, (_, fold): DrawnRun => {
      const run: DrawnRun = { samplesPerClass, fold, train: [], validation: [] };
      for (const all of left) {
        const usual = all.filter(({ subset }) => subset === "train" || subset === "validation");
        const ranked = inRandomOrder(
          usual.length < samplesPerClass ? all : usual,
          `${samplesPerClass} samples per class, fold ${fold}`,
          seed,
        );
        const validating = shareOf(ranked.length), validationSamples = shareOf(samplesPerClass);
        run.validation.push(...take(ranked.slice(0, validating), validationSamples));
        run.train.push(...take(ranked.slice(validating), samplesPerClass - validationSamples));
      }
      return run;
    })
  );
  return { test, runs };
}

/**
 * Sentences for those who report results: where scenarios and the dataset's own subsets overlap.
 * @returns none, if pretraining has seen no test object, and the dataset's test subset stays unseen
 */
export function overlapsOf({ test, runs }: Drawing): string[] {
  const seen = test.filter(({ subset }) => subset === "train" || subset === "validation").length;
  const drawn = new Set(runs.flatMap((run) => [...run.train, ...run.validation]).map(({ object }) => object));
  const spent = [...drawn].filter(({ subset }) => subset === "test").length;
  return [
    ...seen === 0 ? [] : [
      `${grouped(seen)} of the ${
        grouped(test.length)
      } test objects are in the dataset's subsets train and validation: ` +
      "a model pretrained on it has seen their light curves, though not their classes",
    ],
    ...spent === 0 ? [] : [
      `${grouped(spent)} of the ${
        grouped(drawn.size)
      } objects that train and validate are in the dataset's test subset: ` +
      "a model finetuned on them cannot be evaluated on that subset, only on the scenarios' own test set",
    ],
  ];
}

/** Objects in an order that depends on seed, purpose and their own ids alone. */
function inRandomOrder(objects: readonly LabelledObject[], purpose: string, seed: number): LabelledObject[] {
  return objects.map((object) => ({ object, draw: drawOf(seed, `${purpose}\n${object.id}`) }))
    .sort((a, b) => a.draw - b.draw || (a.object.id < b.object.id ? -1 : 1)).map(({ object }) => object);
}

/** The first n objects; of fewer, all again and again. */
function take(objects: readonly LabelledObject[], n: number): DrawnObject[] {
  const times = Math.floor(n / objects.length), more = n % objects.length;
  return objects.map((object, i) => ({ object, count: times + (i < more ? 1 : 0) }))
    .filter(({ count }) => count > 0);
}

function refuseSmall(
  counts: readonly number[],
  classes: readonly ChosenClass[],
  testPerClass: number,
): void {
  const isSmall = (label: number) => counts[label] < testPerClass + fewest;
  const small = [...classes.keys()].filter(isSmall);
  if (small.length === 0) return;
  const others = classes.filter((_, label) => !isSmall(label));
  const leaveOut = others.length > 1 ? `, or leave out: --classes '${writeClasses(others)}'` : "";
  throw new InputError(
    (classes.length === 1
      ? `too few objects with a value of ${classes[0].name} (${counts[0]}): `
      : `too few objects of class ${
        small.map((label) => `"${classes[label].name}" (${counts[label]})`).join(", ")
      }: `) +
      `${testPerClass} for the test set and ${fewest} to train and validate on are needed; ` +
      `lower --test-per-class${leaveOut}`,
  );
}
