/** Suites of the benchmark: a dataset folder, scenarios drawn of it, and if known the stars' periods, in a file of TOML or JSON. */
import { basename, dirname, resolve } from "node:path";
import { openScenarios, type ScenarioRun, type ScenarioSample } from "../classify/scenarios.ts";
import { z } from "../common/setting.ts";
import { type Dataset, openDataset } from "../data/dataset.ts";
import { InputError, messageOf } from "../common/errors.ts";
import { parseToml } from "../common/std.ts";
import { findColumn, listed, needColumn } from "../survey/columns.ts";
import { Database } from "../survey/duckdb.ts";
import { fileAt } from "../survey/files.ts";
import { readable, sourceOf } from "../survey/source.ts";

/** What a suite's file holds; paths are relative to it. */
const descriptionSchema = z.strictObject({
  /** Of the tables; the file's name without its ending, if not given. */
  name: z.string().regex(/^[\w.-]+$/, "letters, digits and . _ - are right").optional(),
  /** The dataset folder that `preprocess` made. */
  data: z.string(),
  /** The folder that `scenarios` made of it. */
  scenarios: z.string(),
  /** A table of id and period in days (Parquet, CSV). */
  periods: z.string().optional(),
  /** Its columns, where they have no usual name. */
  periods_id: z.string().optional(),
  periods_period: z.string().optional(),
});

/** A suite, opened. */
export interface Suite extends Disposable {
  name: string;
  dataset: Dataset;
  classes: string[];
  /** Ascending. */
  samplesPerClass: number[];
  folds: number[];
  test: ScenarioSample[];
  runs: ScenarioRun[];
  /** log10 of the period in days by id of the star, where a catalogue knows it; undefined where there is no catalogue. */
  logPeriods: ReadonlyMap<string, number> | undefined;
}

/**
 * Opens a suite.
 * @throws {InputError} naming the file and what is wrong with it
 */
export async function openSuite(path: string): Promise<Suite> {
  let content: unknown;
  try {
    const text = await Deno.readTextFile(path);
    content = path.endsWith(".json") ? JSON.parse(text) : parseToml(text);
  } catch (error) {
    throw new InputError(
      `--suites ${path} cannot be read: ${
        messageOf(error)
      }; a suite is a TOML or JSON file with data (a dataset ` +
        "folder), scenarios (a folder of scenarios) and if known periods (a table of id and period)",
    );
  }
  const parsed = descriptionSchema.safeParse(content);
  if (!parsed.success) {
    const [{ path: at, message }] = parsed.error.issues;
    throw new InputError(`${path}: ${at.length ? `${at.join(".")}: ` : ""}${message}`);
  }
  const { name = basename(path).replace(/\.[^.]*$/, ""), data, scenarios, periods } = parsed.data;
  const at = (relative: string) => resolve(dirname(path), relative);
  const dataset = await openDataset(at(data));
  const opened = await openScenarios(at(scenarios), dataset);
  const logPeriods = periods === undefined
    ? undefined
    : await readPeriods(at(periods), parsed.data.periods_id, parsed.data.periods_period);
  return { name, dataset, ...opened, logPeriods, [Symbol.dispose]: () => dataset[Symbol.dispose]() };
}

async function readPeriods(
  path: string,
  givenId: string | undefined,
  givenPeriod: string | undefined,
): Promise<Map<string, number>> {
  using db = await Database.open(undefined, { memory_limit: "1GB" });
  const source = await sourceOf(db, fileAt(path, "suites"));
  const id = needColumn(source, "id", givenId, "suites (periods_id)");
  const name = givenPeriod ?? source.columns.find((column) => /^(period|p|per)$/i.test(column));
  if (name === undefined) {
    throw new InputError(
      `${path}: which column is the period? Write periods_period in the suite; ${listed(source)}`,
    );
  }
  const period = findColumn(source, "class", name, "suites (periods_period)")!;
  const rows = await readable(
    source.files,
    source.from(source.files).then((table) =>
      db.rows<{ id: string | null; period: number | null }>(
        `SELECT ${source.textCell(id)} AS id, ${source.numberCell(period)} AS period FROM ${table}`,
      )
    ),
  );
  return new Map(
    rows.flatMap(({ id, period }) =>
      id !== null && period !== null && period > 0 && Number.isFinite(period)
        ? [[id, Math.log10(period)] as const]
        : []
    ),
  );
}
