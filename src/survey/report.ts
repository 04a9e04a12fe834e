/** What preprocessing did, as plain text. */
import { printable } from "../common/errors.ts";
import { grouped, plainTable } from "../common/table.ts";
import type { Count, Stage } from "./filters.ts";
import type { Span } from "./histogram.ts";
import type { DatasetDescription } from "./preprocess.ts";

const timesAs: Record<string, string> = { relative: "days from some start", mixed: "JD and MJD, mixed" };

/** The whole report: filters, classes, subsets, spans, what was unusable, what looks odd. */
export function reportOf(dataset: DatasetDescription): string {
  const { stages, subsets, unusable, filtered, warnings, magnitudes, time_steps, time_system } = dataset;
  const classes = Object.keys(stages[0].classes);
  return printable([
    readAs(dataset.columns),
    plainTable([
      ["after the filter", "light curves", "observations"],
      ...stages.map((stage) => [stage.name, ...counts(stage)]),
    ]),
    ...(classes.length > 1 || classes[0] !== "(none)" ? [classTable(stages, classes)] : []),
    plainTable([
      ["subset", "light curves", "observations"],
      ...Object.entries(subsets).map(([name, count]) => [name, ...counts(count)]),
    ]),
    plainTable([
      ["", "min", "median", "max"],
      ["magnitude", ...span(magnitudes)],
      ...(time_steps ? [["time step (days)", ...span(time_steps)]] : []),
    ]) +
    `\nTimes look like ${timesAs[time_system] ?? time_system}; only differences are used.` +
    (dataset.time_scale ? ` Their scale is ${dataset.time_scale}.` : ""),
    ...(unusable.length > 0
      ? [
        "Unusable rows, left out:\n" +
        unusable.map(({ reason, rows, example }) => `  ${reason}: ${grouped(rows)}, e.g. ${example}`).join(
          "\n",
        ),
      ]
      : []),
    ...(filtered.length > 0
      ? [
        "Left out, as they are no measurements or were asked to go:\n" +
        filtered.map(({ reason, rows, example }) => `  ${reason}: ${grouped(rows)}, e.g. ${example}`).join(
          "\n",
        ),
      ]
      : []),
    ...(warnings.length > 0 ? ["Note:\n" + warnings.map((warning) => `  ${warning}`).join("\n")] : []),
  ].join("\n\n"));
}

/** Which column was taken for what, a line a layout of files. */
function readAs(columns: DatasetDescription["columns"]): string {
  return "Columns:\n" + columns.map(({ files, first, columns }) => {
    const roles = Object.entries(columns).map(([role, column]) => `${role} ${column}`).join(", ");
    const id = "id" in columns ? "" : "id from the file's name, ";
    return `  ${files === 1 ? first : `${files} files such as ${first}`}: ${id}${roles}`;
  }).join("\n");
}

function counts({ light_curves, observations }: Count): string[] {
  return [grouped(light_curves), grouped(observations)];
}

function classTable(stages: Stage[], classes: string[]): string {
  const [first, last] = [stages[0], stages.at(-1)!];
  return plainTable([
    ["class", "light curves read", "kept", "observations read", "kept"],
    ...classes.map((name) => [
      name,
      grouped(first.classes[name].light_curves),
      grouped(last.classes[name].light_curves),
      grouped(first.classes[name].observations),
      grouped(last.classes[name].observations),
    ]),
  ]);
}

function span({ min, median, max }: Span): string[] {
  return [min, median, max].map((value) => String(Number(value.toPrecision(5))));
}
