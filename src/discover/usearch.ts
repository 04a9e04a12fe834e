/** The native part of usearch (HNSW, Malkov and Yashunin 2018), which its npm package brings for each platform. */
import { createRequire } from "node:module";
import { Failure, messageOf } from "../common/errors.ts";

/** What is used of usearch's index. */
export interface NativeIndex {
  /** Adds vectors, (n, width) row by row, under their keys. */
  add(keys: BigUint64Array, vectors: Float32Array, threads: number): void;
  /** Keys and distances, (Q, k), and how many each query has. */
  search(
    vectors: Float32Array,
    k: number,
    threads: number,
  ): [keys: BigUint64Array, distances: Float32Array, counts: BigUint64Array];
  save(path: string): void;
  /** Maps a file, so that only what is asked for is read. */
  view(path: string): void;
  size(): number;
}

interface Native {
  CompiledIndex: new (
    width: number,
    metric: string,
    quantization: string,
    connectivity: number,
    expansionAdd: number,
    expansionSearch: number,
    multi: boolean,
  ) => NativeIndex;
}

/** Never called: named so that Deno fetches the package together with the code. */
export const fetched = () => import("npm:usearch@2.26.2");

let native: Native | undefined;

/**
 * Makes an empty index. The package's own entry asks for a dozen of environment variables to find the file that is opened here.
 * @throws {Failure} when there is none for this machine
 */
export function nativeIndex(
  width: number,
  metric: "cos" | "l2sq",
  { connectivity, expansionAdd, expansionSearch }: Record<
    "connectivity" | "expansionAdd" | "expansionSearch",
    number
  >,
): NativeIndex {
  if (!native) {
    const { os, arch } = Deno.build;
    const platform = os === "darwin"
      ? "darwin-arm64+x64"
      : `${os === "windows" ? "win32" : os}-${arch === "aarch64" ? "arm64" : "x64"}`;
    try {
      const entry = import.meta.resolve("npm:usearch@2.26.2");
      const path = new URL(`../../../prebuilds/${platform}/usearch.node`, entry);
      native = createRequire(import.meta.url)(decodeURIComponent(path.pathname)) as Native;
    } catch (error) {
      throw new Failure(
        `usearch cannot be loaded on ${platform} (--index exact needs none): ${messageOf(error)}`,
      );
    }
  }
  return new native.CompiledIndex(
    width,
    metric,
    "bf16",
    connectivity,
    expansionAdd,
    expansionSearch,
    false,
  );
}
