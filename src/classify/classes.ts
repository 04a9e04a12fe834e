/** The classes that a classifier tells apart: a survey's own, or some of them renamed, merged, left out. */
import type { Dataset } from "../data/dataset.ts";
import { InputError } from "../common/errors.ts";
import { closestString } from "../common/std.ts";

/** A class, and the survey's classes that it is made of. */
export interface ChosenClass {
  name: string;
  of: string[];
}

/**
 * The names of classes in a dataset, sorted.
 * @throws {InputError} when none of its objects has a class
 */
export function classesIn({ folder, classes }: Pick<Dataset, "folder" | "classes">): string[] {
  const names = new Set(classes);
  names.delete(null);
  if (names.size === 0) {
    throw new InputError(
      `no object of ${folder} has a class: preprocess takes classes from a table of ids and classes (--labels) ` +
        "or from a column of the observations (--class)",
    );
  }
  return [...names as Set<string>].sort();
}

/**
 * Reads a choice of classes: "RRab,RRc,EC=ECL+EA+EB" keeps two as they are, makes one of three, leaves out the rest.
 * Commas and plus signs may also stand in the survey's names ("RR Lyrae, First Overtone"): the longest name that fits is
 * taken.
 * @param known the survey's names
 * @throws {InputError} when a name is unknown, or one is used twice
 */
export function readClasses(text: string, known: readonly string[]): ChosenClass[] {
  const longestFirst = [...known].sort((a, b) => b.length - a.length);
  const chosen: ChosenClass[] = [], used = new Set<string>();
  let rest = text.trim();
  if (rest === "") throw new InputError("--classes is empty");
  const knownNext = () =>
    longestFirst.find((name) => rest.startsWith(name) && /^\s*([,+]|$)/.test(rest.slice(name.length)));
  const take = (): string => {
    const name = knownNext();
    if (name === undefined) throw unknownClass(rest, known);
    if (used.has(name)) throw new InputError(`--classes: "${name}" is used twice`);
    used.add(name);
    rest = rest.slice(name.length).trimStart();
    return name;
  };
  while (rest !== "") {
    const [start, newName] = knownNext() === undefined && /^([^=,+]+)=\s*/.exec(rest) || [""];
    rest = rest.slice(start.length);
    const of = [take()];
    while (rest.startsWith("+")) {
      rest = rest.slice(1).trimStart();
      of.push(take());
    }
    rest = rest.slice(1).trimStart(); // a comma, or the end
    const name = newName?.trim() ?? of.join("+");
    if (chosen.some((other) => other.name === name)) {
      throw new InputError(`--classes: two classes are named "${name}"`);
    }
    chosen.push({ name, of });
  }
  return chosen;
}

function unknownClass(rest: string, known: readonly string[]): InputError {
  const word = rest.split(/[,+]/)[0].trim();
  if (word === "") return new InputError(`--classes: a name is missing before "${rest}"`);
  return new InputError(
    `--classes: there is no class "${word}"; did you mean "${closestString(word, known)}"? ` +
      `There are: ${known.map((name) => `"${name}"`).join(", ")}`,
  );
}

/** Classes as `--classes` would give them. */
export function writeClasses(classes: readonly ChosenClass[]): string {
  return classes.map(({ name, of }) => name === of.join("+") ? name : `${name}=${of.join("+")}`).join(",");
}
