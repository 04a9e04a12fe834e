/** The files of a catalogue, and which of them a process takes. */
import { InputError } from "../common/errors.ts";
import { exists } from "../files/atomic.ts";

/** One file of a catalogue. */
export interface Partition {
  /** Under the catalogue's folder, such as `dataset/Norder=1/Dir=0/Npix=44.parquet`. */
  name: string;
  /** HEALPix order and pixel, where the catalogue is a HATS one. */
  pixel?: { order: number; number: number };
}

/** A folder of Parquet files; of a HATS catalogue (https://hats.readthedocs.io) also what its properties say. */
export interface Catalogue {
  folder: string;
  /** In order of their names. */
  partitions: Partition[];
  /** Undefined of a plain folder. */
  properties: Map<string, string> | undefined;
}

/**
 * Opens a catalogue.
 * @throws {InputError} when the folder holds no Parquet file
 */
export async function openCatalogue(path: string): Promise<Catalogue> {
  const folder = path.replace(/\/+$/, "");
  const properties = await readProperties(folder);
  const start = properties ? "dataset/" : "";
  const partitions: Partition[] = [];
  for await (const name of parquetFiles(folder, start)) {
    if (!properties) {
      partitions.push({ name });
      continue;
    }
    const [, order, number] = /\/Norder=(\d+)\/(?:Dir=\d+\/)?Npix=(\d+)[./]/.exec(name) ?? [];
    if (number !== undefined) {
      partitions.push({ name, pixel: { order: Number(order), number: Number(number) } });
    }
  }
  if (!partitions.length) {
    throw new InputError(
      `${folder} holds no ${properties ? "partition of a HATS catalogue" : "Parquet file"}`,
    );
  }
  partitions.sort((a, b) =>
    (a.pixel?.order ?? 0) - (b.pixel?.order ?? 0) || (a.pixel?.number ?? 0) - (b.pixel?.number ?? 0) ||
    (a.name < b.name ? -1 : 1)
  );
  return { folder, partitions, properties };
}

async function readProperties(folder: string): Promise<Map<string, string> | undefined> {
  const name = ["hats.properties", "properties"].map((name) => `${folder}/${name}`);
  const path = await exists(name[0]) ? name[0] : name[1];
  if (!await exists(path)) return undefined;
  const lines = (await Deno.readTextFile(path)).split("\n").filter((line) => /^[^#]+=/.test(line));
  return new Map(lines.map((line) => {
    const [, key, value] = /^\s*([^=]+?)\s*=\s*(.*?)\s*$/.exec(line)!;
    return [key, value];
  }));
}

async function* parquetFiles(folder: string, under: string): AsyncGenerator<string> {
  for await (const { name, isDirectory } of Deno.readDir(`${folder}/${under}`)) {
    if (isDirectory) yield* parquetFiles(folder, `${under}${name}/`);
    // Names that begin with _ or . are no data, by the custom of Hadoop.
    else if (/^[^_.].*\.(parquet|parq|pq)$/.test(name) && name !== "data_thumbnail.parquet") {
      yield under + name;
    }
  }
}

/** This process among all that share a catalogue. */
export interface Share {
  index: number;
  count: number;
}

/**
 * A process's share, of ranks started by mpirun or srun and of the tasks of a Slurm array (`sbatch --array=0-99`).
 * @param ranks this one and how many, of this task of the array
 */
export function shareOf({ rank, size }: { rank: number; size: number }): Share {
  const number = (name: string) => {
    const value = Number(Deno.env.get(name) || NaN);
    return Number.isInteger(value) ? value : undefined;
  };
  const task = number("SLURM_ARRAY_TASK_ID"), tasks = number("SLURM_ARRAY_TASK_COUNT");
  if (task === undefined || tasks === undefined) return { index: rank, count: size };
  const place = (task - (number("SLURM_ARRAY_TASK_MIN") ?? 0)) / (number("SLURM_ARRAY_TASK_STEP") || 1);
  return { index: place * size + rank, count: tasks * size };
}
