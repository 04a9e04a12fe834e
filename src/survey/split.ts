/** Which objects train, which validate, which test. An object is never on two sides, whatever bands it has. */
import { createHash } from "node:crypto";
import type { Subset } from "../data/dataset.ts";
import { InputError } from "../common/errors.ts";

export type { Subset };
/** Where an object may belong; "none" objects are in the dataset but in no subset. */
export const subsets: readonly Subset[] = ["train", "validation", "test", "none"];

/** Words that split files use. */
const spelled: Record<string, Subset> = {
  train: "train",
  training: "train",
  pretrain: "train",
  validation: "validation",
  valid: "validation",
  val: "validation",
  test: "test",
  none: "none",
  "": "none",
};

/** The subset that a word of a split file means, or undefined. */
export function subsetOf(word: string | null): Subset | undefined {
  return spelled[(word ?? "").trim().toLowerCase()];
}

/**
 * A uniform number in [0, 1) that depends on the seed and the name alone: adding, dropping or reordering other objects
 * does not change it (48 bits of SHA-256).
 */
export function drawOf(seed: number, name: string): number {
  return createHash("sha256").update(`${seed}\n${name}`).digest().readUIntBE(0, 6) / 2 ** 48;
}

/**
 * Objects that must stay together: connected components of the pairs (union-find, the smaller id leads).
 * @returns for each object of a pair the smallest id of its group; an object in no pair is its own group
 */
export function groupsOf(pairs: Iterable<readonly [string, string]>): Map<string, string> {
  const parent = new Map<string, string>();
  const rootOf = (id: string): string => {
    let root = id;
    while (parent.has(root) && parent.get(root) !== root) root = parent.get(root)!;
    for (let at = id; at !== root;) {
      const next = parent.get(at)!;
      parent.set(at, root);
      at = next;
    }
    return root;
  };
  for (const [a, b] of pairs) {
    const [low, high] = [rootOf(a), rootOf(b)].sort();
    parent.set(low, low);
    parent.set(high, low);
  }
  return new Map([...parent.keys()].map((id) => [id, rootOf(id)]));
}

/**
 * Splits objects by fractions, group by group: groups are ranked by {@link drawOf} and dealt out in that order, so the
 * fractions are met to within one group and nothing depends on the order of files or rows.
 * @param ids the objects, each once
 * @param fractions one share a side, adding up to 1
 * @returns for each object the index of its side
 */
export function splitByFractions(
  ids: readonly string[],
  fractions: readonly number[],
  seed: number,
  groups: ReadonlyMap<string, string>,
): Map<string, number> {
  const members = new Map<string, string[]>();
  for (const id of ids) {
    const group = groups.get(id) ?? id;
    if (!members.has(group)) members.set(group, []);
    members.get(group)!.push(id);
  }
  const ranked = [...members].map(([group, ids]) => ({ group, ids, draw: drawOf(seed, group) }))
    .sort((a, b) => a.draw - b.draw || (a.group < b.group ? -1 : 1));
  let share = 0;
  const ends = fractions.map((fraction) => Math.round(ids.length * (share += fraction)));
  const sides = new Map<string, number>();
  for (const { ids } of ranked) {
    const side = ends.findIndex((end) => sides.size < end);
    for (const id of ids) sides.set(id, side < 0 ? fractions.length - 1 : side);
  }
  return sides;
}

/** How objects are split. */
export interface Split {
  seed: number;
  /** Shares of train, validation and test, where there is no file. */
  fractions: readonly number[];
  /** What a file says of each object. */
  listed?: ReadonlyMap<string, Subset>;
  /** Where objects go that the file does not list; without it they are refused. */
  unlisted?: Exclude<Subset, "none"> | "drop";
  /** The share of the file's train that becomes validation, where the file names none. */
  validationFraction: number;
  /** Groups that stay together, from {@link groupsOf}. */
  groups: ReadonlyMap<string, string>;
}

/**
 * The subset of every object.
 * @throws {InputError} when a file does not list an object, or puts two of a group on different sides
 */
export function assignSubsets(ids: readonly string[], split: Split): Map<string, Subset> {
  const { seed, fractions, listed, unlisted, groups } = split;
  if (!listed) {
    return new Map(
      [...splitByFractions(ids, fractions, seed, groups)].map(([id, side]) => [id, subsets[side]]),
    );
  }
  const missing = ids.filter((id) => !listed.has(id));
  if (missing.length > 0 && (unlisted === undefined || unlisted === "drop")) {
    throw new InputError(
      `the split file does not list ${missing.length} of ${ids.length} objects, e.g. "${missing[0]}"; ` +
        `give --unlisted train, validation, test or drop`,
    );
  }
  const assigned = new Map(ids.map((id) => [id, listed.get(id) ?? unlisted as Subset]));
  const sideOf = new Map<string, string>();
  for (const [id, group] of groups) {
    const subset = assigned.get(id);
    if (subset === undefined || subset === "none") continue;
    const other = sideOf.get(group);
    if (other !== undefined && assigned.get(other) !== subset) {
      throw new InputError(
        `the split file has "${other}" in ${assigned.get(other)} and "${id}" in ${subset}, ` +
          `but they are one object (--duplicates, --object-radius)`,
      );
    }
    sideOf.set(group, id);
  }
  if (![...assigned.values()].includes("validation") && split.validationFraction > 0) {
    const train = ids.filter((id) => assigned.get(id) === "train");
    const share = split.validationFraction;
    for (const [id, side] of splitByFractions(train, [share, 1 - share], seed, groups)) {
      if (side === 0) assigned.set(id, "validation");
    }
  }
  return assigned;
}
