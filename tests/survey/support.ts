/** What the tests of surveys share. */
import { asyncBufferFromFile, parquetReadObjects } from "npm:hyparquet@1.31.5";
import { readSafetensors } from "../../src/files/safetensors.ts";
import { type DatasetDescription, preprocess, type PreprocessSettings } from "../../src/survey/preprocess.ts";
import task from "../../tasks/preprocess.ts";
import { testIn } from "../shared.ts";

/** The small survey beside the project, where there is one. */
export const tiny = new URL("../../../shared/data/asas-tiny", import.meta.url).pathname;

/** Registers a test that needs the small survey. */
export function testTiny(name: string, run: (folder: string) => Promise<void>) {
  let there = true;
  try {
    Deno.statSync(tiny);
  } catch {
    there = false;
  }
  testIn(there ? name : `${name} (skipped: ../shared is absent)`, run, !there);
}

/** Preprocesses with the command's defaults; one thread, as the test machine is shared. */
export function run(settings: Partial<PreprocessSettings>): Promise<DatasetDescription> {
  const { config: _, ...full } = task.settings.parse({ threads: 1, memory_limit: "500MB", ...settings });
  return preprocess(full);
}

/** A light curve of a dataset folder. */
export interface Row {
  id: string;
  band: string | null;
  class: string | null;
  offset: bigint;
  length: number;
  subset: string;
  mean_magnitude: number;
  std_magnitude: number;
  skewness: number | null;
  kurtosis: number | null;
  mean_error: number;
  first_mjd: number;
  last_mjd: number;
}

/** A dataset folder in memory. */
export async function readDataset(folder: string) {
  const { tensors } = await readSafetensors(`${folder}/observations.safetensors`);
  return {
    rows: await readParquet(`${folder}/metadata.parquet`) as unknown as Row[],
    mjd: Array.from(tensors.get("mjd")!.data as Float64Array),
    mag: Array.from(tensors.get("mag")!.data as Float32Array),
    err: Array.from(tensors.get("err")!.data as Float32Array),
  };
}

/** A Parquet file's rows, through the reader that the rest of the project uses. */
export async function readParquet(path: string): Promise<Record<string, unknown>[]> {
  return await parquetReadObjects({ file: await asyncBufferFromFile(path) });
}

/** Names in a folder. */
export async function namesIn(folder: string): Promise<string[]> {
  return (await Array.fromAsync(Deno.readDir(folder))).map((entry) => entry.name).sort();
}

/** Compresses text with gzip. */
export async function gzip(path: string, text: string): Promise<void> {
  const stream = new Blob([text]).stream().pipeThrough(new CompressionStream("gzip"));
  await Deno.writeFile(path, new Uint8Array(await new Response(stream).arrayBuffer()));
}
