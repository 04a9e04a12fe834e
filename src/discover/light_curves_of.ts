/** Which light curve of a dataset a row of embeddings is of. */
import type { Dataset } from "../data/dataset.ts";
import type { EmbeddingRow } from "./embedding_file.ts";

/** Finds the light curve of a row: the one of its id and band; of an object in several bands, the first of these. */
export function lightCurveFinder(
  { ids, bands }: Pick<Dataset, "ids" | "bands">,
): (row: Pick<EmbeddingRow, "id" | "band">) => number | undefined {
  const byName = new Map<string, number>(), byId = new Map<string, number>();
  for (let i = ids.length - 1; i >= 0; i--) {
    byId.set(ids[i], i);
    byName.set(`${bands[i]}\n${ids[i]}`, i);
  }
  return ({ id, band }) => band === null ? byId.get(id) : byName.get(`${band}\n${id}`) ?? byId.get(id);
}
