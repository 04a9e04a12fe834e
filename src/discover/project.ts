/** The map of embeddings that `explore` shows and `embed --project` writes. */
import { project as projectRows } from "../evaluate/projection.ts";

/** How {@link project} works. */
export interface ProjectOptions {
  /** Default: umap, which is what `explore` shows. */
  method?: "umap" | "tsne";
  /** UMAP: neighbors of a point, itself among them. Default: 15, or as many as there are. */
  neighbors?: number;
  /** t-SNE: effective number of neighbors of a point. Default: 30, or as many as the number of embeddings allows. */
  perplexity?: number;
  /** Default: 0. */
  seed?: number;
}

/**
 * Projects embeddings to the plane so that near ones stay near: the map of `explore`.
 *
 * @example
 * ```ts
 * import { project } from "../../mod.ts";
 *
 * const embeddings = Array.from({ length: 40 }, (_, i) => Float32Array.of(i % 2 ? 9 : 0, Math.sin(i), Math.cos(3 *
 * i)));
 * const map = await project(embeddings);
 * const distance = (i: number, k: number) => Math.hypot(map[i][0] - map[k][0], map[i][1] - map[k][1]);
 * if (!(distance(0, 2) < distance(0, 1))) throw new Error("two groups stay apart");
 * ```
 * @param embeddings arrays of one length, at least four
 * @param options method and its settings
 * @returns two coordinates for each; directions and units have no meaning
 * @throws {RangeError} when arrays are not of one length
 * @throws {InputError} when a number is not finite, or there are too few embeddings for the perplexity or the neighbors
 */
export async function project(
  embeddings: readonly Float32Array[],
  { method = "umap", neighbors, perplexity, seed = 0 }: ProjectOptions = {},
): Promise<[x: number, y: number][]> {
  const width = embeddings[0]?.length ?? 0, rows = new Float32Array(embeddings.length * width);
  for (const [i, embedding] of embeddings.entries()) {
    if (embedding.length !== width) {
      throw new RangeError(`embedding ${i} has ${embedding.length} numbers, the first has ${width}`);
    }
    rows.set(embedding, i * width);
  }
  const others = embeddings.length - 1;
  const plane = await projectRows(rows, width || 1, {
    method,
    seed,
    neighbors: neighbors ?? Math.min(15, Math.max(2, others)),
    perplexity: perplexity ?? Math.min(30, Math.max(1, Math.floor(others / 3))),
  });
  return embeddings.map((_, i) => [plane[2 * i], plane[2 * i + 1]]);
}
