/** What tests share: the reference's recorded numbers and the real light curves, where they are at hand. */
import { readSafetensors, type TensorData } from "../src/files/safetensors.ts";

const folder = new URL("../../shared/", import.meta.url);

/** The path of a file in ../shared. */
export function sharedPath(path: string): string {
  return new URL(path, folder).pathname;
}

/** Whether ../shared is there: a user's clone has none. */
export const hasShared = (() => {
  try {
    return Deno.statSync(new URL("README.md", folder)).isFile;
  } catch {
    return false;
  }
})();

/** A test that needs ../shared: skipped, with a line that says so, where it is absent. */
export function sharedTest(name: string, run: () => void | Promise<void>): void {
  Deno.test({
    name: hasShared ? name : `${name} (skipped: ../shared is absent)`,
    ignore: !hasShared,
    fn: run,
  });
}

/** Runs a test in a folder of its own that is removed afterwards. */
export function testIn(name: string, run: (folder: string) => Promise<void>, ignore = false): void {
  Deno.test({
    name,
    ignore,
    async fn() {
      const folder = await Deno.makeTempDir();
      try {
        await run(folder);
      } finally {
        await Deno.remove(folder, { recursive: true });
      }
    },
  });
}

/** The tensors of a recorded file. */
export class Fixture {
  private constructor(readonly tensors: Map<string, TensorData>, readonly metadata: Record<string, string>) {}

  static async read(name: string): Promise<Fixture> {
    const { tensors, metadata } = await readSafetensors(sharedPath(`fixtures/${name}`));
    return new Fixture(tensors, metadata);
  }

  shape(name: string): readonly number[] {
    return this.entry(name).shape;
  }

  floats(name: string): Float32Array<ArrayBuffer> {
    return this.entry(name).data as Float32Array<ArrayBuffer>;
  }

  /** Numbers of any dtype, such as counts and float64 times. */
  numbers(name: string): Int32Array | Float64Array | Float32Array {
    return this.entry(name).data as Float64Array;
  }

  has(name: string): boolean {
    return this.tensors.has(name);
  }

  entry(name: string): TensorData {
    const entry = this.tensors.get(name);
    if (!entry) throw new Error(`the fixture has no tensor "${name}"`);
    return entry;
  }
}

/** The largest absolute difference of two arrays of the same length. */
export function largestDifference(a: ArrayLike<number>, b: ArrayLike<number>): number {
  if (a.length !== b.length) throw new Error(`${a.length} elements against ${b.length}`);
  let largest = 0;
  for (let i = 0; i < a.length; i++) {
    const difference = Math.abs(a[i] - b[i]);
    if (!(difference <= largest)) largest = Number.isNaN(difference) ? Infinity : difference;
  }
  return largest;
}
