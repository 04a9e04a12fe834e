/** What stands in a catalogue beside its partitions, so that LSDB and other readers open it. */
import type { FileMetaData } from "npm:hyparquet@1.31.5";
import { writeAtomically, writeText } from "../files/atomic.ts";
import { version } from "../common/version.ts";
import type { Catalogue, Partition } from "./partitions.ts";

/** The footer of a Parquet file. */
async function footerOf(path: string): Promise<FileMetaData> {
  const { asyncBufferFromFile, parquetMetadataAsync } = await import("npm:hyparquet@1.31.5");
  return await parquetMetadataAsync(await asyncBufferFromFile(path));
}

/** Writes a Parquet file that is a footer alone. */
async function writeFooter(path: string, footer: FileMetaData): Promise<void> {
  const { ByteWriter } = await import("npm:hyparquet-writer@0.17.0");
  const { writeMetadata } = await import("npm:hyparquet-writer@0.17.0/src/metadata.js");
  const bytes = new ByteWriter();
  const magic = 0x31524150; // PAR1
  bytes.appendUint32(magic);
  writeMetadata(bytes, footer);
  bytes.appendUint32(magic);
  await writeAtomically(path, (temporary) => Deno.writeFile(temporary, bytes.getBytes()));
}

/** Rows of a Parquet file. */
export async function rowsIn(path: string): Promise<number> {
  return Number((await footerOf(path)).num_rows);
}

/**
 * Writes what completes a catalogue: of a HATS one `hats.properties`, `properties`, `partition_info.csv`; of any
 * `_metadata` (the row groups of all partitions) and `_common_metadata` (the columns).
 * @param folder the catalogue's, with its partitions in place
 * @param from the catalogue that it was made of
 * @param partitions those that have rows
 * @returns rows of all partitions
 */
export async function writeCatalogueMetadata(
  folder: string,
  from: Catalogue,
  partitions: readonly Partition[],
): Promise<number> {
  const data = from.properties ? `${folder}/dataset` : folder;
  let all: FileMetaData | undefined, bytes = 0;
  for (const { name } of partitions) {
    const footer = await footerOf(`${folder}/${name}`), path = `${folder}/${name}`.slice(data.length + 1);
    bytes += (await Deno.stat(`${folder}/${name}`)).size;
    for (const { columns } of footer.row_groups) for (const column of columns) column.file_path = path;
    if (!all) all = footer;
    else {
      all.row_groups.push(...footer.row_groups);
      all.num_rows += footer.num_rows;
    }
  }
  if (!all) return 0;
  await writeFooter(`${data}/_metadata`, all);
  await writeFooter(`${data}/_common_metadata`, { ...all, row_groups: [], num_rows: 0n });
  const rows = Number(all.num_rows);
  if (!from.properties) return rows;
  const pixels = partitions.map(({ pixel }) => pixel!);
  const once = [...new Map(pixels.map((pixel) => [`${pixel.order},${pixel.number}`, pixel])).keys()];
  await writeText(`${folder}/partition_info.csv`, ["Norder,Npix", ...once, ""].join("\n"));
  const text = propertiesOf(from.properties, {
    rows,
    kilobytes: Math.round(bytes / 1024),
    order: Math.max(...pixels.map(({ order }) => order)),
    sky: once.reduce((sum, pixel) => sum + 4 ** -Number(pixel.split(",")[0]) / 12, 0),
  });
  for (const name of ["hats.properties", "properties"]) await writeText(`${folder}/${name}`, text);
  return rows;
}

/** Properties of a catalogue of embeddings. */
function propertiesOf(
  from: ReadonlyMap<string, string>,
  { rows, kilobytes, order, sky }: { rows: number; kilobytes: number; order: number; sky: number },
): string {
  // What is said of files and columns that are not here.
  const gone =
    /^(hats_skymap_|hats_cols_|hats_primary_table|default_index|all_indexes|default_margin|all_margins|hats_max_|hats_progenitor)/;
  const kept = [...from].filter(([key]) => !gone.test(key));
  const properties = new Map([
    ...kept,
    ["obs_collection", `${from.get("obs_collection") ?? "catalogue"}_embeddings`],
    ["dataproduct_type", "object"],
    ["hats_nrows", String(rows)],
    ["hats_estsize", String(kilobytes)],
    ["hats_npix_suffix", from.get("hats_npix_suffix") ?? ".parquet"],
    ["hats_order", String(order)],
    ["moc_sky_fraction", sky.toPrecision(6)],
    ["hats_builder", `Astromer for Deno ${version}`],
    ["hats_creation_date", `${new Date().toISOString().slice(0, 16)}UTC`],
  ]);
  return ["#HATS catalog", ...[...properties].map(([key, value]) => `${key}=${value}`), ""].join("\n");
}
