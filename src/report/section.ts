/** The parts that a report is made of. */
import type { Figure } from "./figure.ts";
import type { Html } from "./html.ts";
import type { Values } from "./run_folder.ts";
import type { ReportTable } from "./table.ts";

/** What stands in a section. */
export type Part = Html | Figure | ReportTable;

/** What is opened on demand. */
export interface Collapsed {
  summary: string;
  collapsed: Part[];
}

/** A part of the report under a title. */
export interface Section {
  title: string;
  /** The run whose folder its figures go to. */
  folder: string;
  parts: (Part | Collapsed)[];
}

/** Tells figures from tables and HTML. */
export function isFigure(part: Part): part is Figure {
  return "spec" in part;
}

/** Settings, or what else has names and values. */
export function valuesTable(caption: string, values: Values): ReportTable {
  return {
    caption,
    columns: ["name", "value"],
    rows: Object.entries(values).map((
      [name, value],
    ) => [name, typeof value === "number" ? value : textOf(value)]),
  };
}

/** A value of settings as text. */
export function textOf(value: unknown): string {
  return typeof value === "string" ? value : JSON.stringify(value) ?? "–";
}

/** The sum of numbers. */
export function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}
