/** Embeds a catalogue partition by partition: the same tree with embeddings, begun again where it stopped. */
import type { Dataset } from "../data/dataset.ts";
import { lightCurvesOf } from "../data/dataset.ts";
import { embeddingTable, type TableOptions } from "../embed/table.ts";
import { InputError } from "../common/errors.ts";
import { exists, makeFolder, parentOf, writeJson } from "../files/atomic.ts";
import { groupsOf, openParquet } from "../files/parquet.ts";
import type { AstromerNetwork } from "../model/network.ts";
import { duration } from "../common/progress.ts";
import { NothingLeft } from "../survey/preprocess.ts";
import type { OpenedData } from "../survey/temporary_dataset.ts";
import { grouped } from "../common/table.ts";
import { joinObjects } from "./join.ts";
import { rowsIn, writeCatalogueMetadata } from "./metadata.ts";
import { openCatalogue, type Partition, type Share } from "./partitions.ts";

/** What is done with which catalogue. */
export interface CatalogueWork {
  network: AstromerNetwork;
  /** Folder of the catalogue, and of the one to make. */
  input: string;
  output: string;
  /** Which partitions are this process's. */
  share: Share;
  options: TableOptions;
  memory: { memory_limit: string; threads?: number };
  /** Opens a partition's light curves; what that leaves on disk stands beside the given path. */
  open(path: string, beside: string): Promise<OpenedData>;
  /** What tells these embeddings from others: the same in every run that goes on with them. */
  settings: Record<string, unknown>;
  /** Takes a line about each partition. */
  say(line: string): void;
  /** Throws to stop, between batches. */
  check(): void;
}

/** Name of the file that says how the embeddings were made. */
const settingsFile = "embeddings.json";

/**
 * Embeds this process's partitions, and completes the catalogue if all are done then.
 * @returns whether the catalogue is complete, and its rows
 * @throws {InputError} when the output holds other embeddings or something else, or a partition is no survey
 */
export async function embedCatalogue(work: CatalogueWork): Promise<{ partitions: number; rows?: number }> {
  const { output, share, say } = work, catalogue = await openCatalogue(work.input);
  await checkOutput(output, work.settings);
  const mine = catalogue.partitions.filter((_, i) => i % share.count === share.index);
  const left: Partition[] = [];
  for (const partition of mine) if (!await isDone(output, partition)) left.push(partition);
  if (left.length < mine.length) say(`${grouped(mine.length - left.length)} partitions are done already`);
  const started = performance.now();
  for (const [i, partition] of left.entries()) {
    work.check();
    const before = performance.now(), rows = await embedPartition(work, catalogue.properties, partition);
    const now = performance.now(), seconds = (now - started) / 1000;
    say(
      `${partition.name}: ${grouped(rows)} rows, ${duration((now - before) / 1000)}; ${grouped(i + 1)} of ${
        grouped(left.length)
      } partitions, ${duration(seconds / (i + 1) * (left.length - i - 1))} left`,
    );
  }
  const withRows: Partition[] = [];
  for (const partition of catalogue.partitions) {
    if (!await isDone(output, partition)) return { partitions: mine.length };
    if (await exists(`${output}/${partition.name}`)) withRows.push(partition);
  }
  const rows = await writeCatalogueMetadata(output, catalogue, withRows);
  return { partitions: mine.length, rows };
}

async function checkOutput(output: string, settings: Record<string, unknown>): Promise<void> {
  const path = `${output}/${settingsFile}`;
  if (await exists(path)) {
    const before = JSON.parse(await Deno.readTextFile(path)) as Record<string, unknown>;
    const names = [...new Set([...Object.keys(before), ...Object.keys(settings)])];
    const shown = (value: unknown) => JSON.stringify(value) ?? "not given";
    const other = names.find((name) => shown(before[name]) !== shown(settings[name]));
    if (other === undefined) return;
    throw new InputError(
      `--output ${output} holds embeddings with another ${other} (${shown(before[other])}, now ${
        shown(settings[other])
      }): choose another folder`,
    );
  }
  if (await exists(output)) {
    const names = (await Array.fromAsync(Deno.readDir(output))).map(({ name }) => name);
    // Another process of the same job may be writing the settings.
    if (names.some((name) => !name.endsWith(".tmp"))) {
      throw new InputError(`--output ${output} exists and does not hold embeddings: choose another folder`);
    }
  }
  await makeFolder(output);
  await writeJson(path, settings);
}

/** Marks a partition in which no light curve is long enough. */
function emptyMark(output: string, { name }: Partition): string {
  return `${output}/.empty/${name.replaceAll("/", ",")}`;
}

async function isDone(output: string, partition: Partition): Promise<boolean> {
  return await exists(`${output}/${partition.name}`) || await exists(emptyMark(output, partition));
}

async function embedPartition(
  work: CatalogueWork,
  properties: ReadonlyMap<string, string> | undefined,
  partition: Partition,
): Promise<number> {
  const path = `${work.input.replace(/\/+$/, "")}/${partition.name}`,
    output = `${work.output}/${partition.name}`;
  const temporary = `${output}.${Deno.pid}.embeddings.tmp`;
  await makeFolder(parentOf(output));
  try {
    await using opened = await work.open(path, output);
    const { dataset } = opened;
    const table = embeddingTable(work.network, dataset, lightCurvesOf(dataset, "all"), work.options, {
      onBatch: work.check,
    });
    {
      using file = await openParquet(temporary, table.columns);
      for await (const group of groupsOf(table.rows)) file.write(group);
      file.finish();
    }
    if (await rowsIn(temporary) === 0) throw new NothingLeft("no object has all bands");
    return await joinObjects(
      {
        partition: path,
        embeddings: temporary,
        id: await idColumnOf(dataset),
        position: positionOf(properties),
        kept: Object.keys(dataset.kept ?? {}),
      },
      output,
      work.memory,
    );
  } catch (error) {
    if (!(error instanceof NothingLeft)) throw error;
    const mark = emptyMark(work.output, partition);
    await makeFolder(parentOf(mark));
    await Deno.writeTextFile(mark, "");
    return 0;
  } finally {
    await Deno.remove(temporary).catch(() => {});
  }
}

/** The columns of a HATS catalogue's positions. */
function positionOf(properties: ReadonlyMap<string, string> | undefined): string[] {
  if (!properties) return [];
  return [
    properties.get("hats_col_ra") ?? "ra",
    properties.get("hats_col_dec") ?? "dec",
    properties.get("hats_col_healpix") ?? "_healpix_29",
  ];
}

/** The column that a dataset's ids were taken from. */
async function idColumnOf({ folder }: Dataset): Promise<string> {
  const { columns } = JSON.parse(await Deno.readTextFile(`${folder}/dataset.json`)) as {
    columns: { columns: { id?: string } }[];
  };
  const { id } = columns[0].columns;
  if (id === undefined) throw new InputError("a catalogue needs a column of ids: name it with --id");
  return id;
}
