/** Observations in any order, gathered by light curve in bounded memory: what does not fit waits on disk. */

/** Observations of some light curves, end to end. */
export interface Observations {
  time: Float64Array;
  mag: Float32Array;
  err: Float32Array;
}

/** Neighbouring light curves with all their observations, in the order in which they came. */
export interface Bucket extends Observations {
  /** Number of the first light curve. */
  first: number;
  /** Where each light curve starts, and where the last ends. */
  starts: Int32Array;
}

/** Rows of one bucket, about: sorting it takes little memory. */
const bucketRows = 1 << 19;
/** Rows of a block: the time of each, then the light curve, the magnitude and the error. */
const blockRows = 2048, blockBytes = 20 * blockRows;

/** A part of a bucket. */
class Block {
  readonly bytes = new Uint8Array(blockBytes);
  readonly time = new Float64Array(this.bytes.buffer, 0, blockRows);
  readonly lightCurve = new Int32Array(this.bytes.buffer, 8 * blockRows, blockRows);
  readonly mag = new Float32Array(this.bytes.buffer, 12 * blockRows, blockRows);
  readonly err = new Float32Array(this.bytes.buffer, 16 * blockRows, blockRows);
}

/**
 * A distribution sort. How many rows each light curve has is known, so that it is known when a bucket is complete: of a
 * survey that is in order already, no row ever goes to disk.
 */
export class Buckets implements Disposable {
  readonly #file: Deno.FsFile;
  /** The bucket of each light curve. */
  readonly #bucketOf: Int32Array;
  /** The first light curve of each bucket, and the number of light curves. */
  readonly #firsts: number[] = [];
  /** Rows of each bucket, all and those that came. */
  readonly #due: number[] = [];
  readonly #rows: Float64Array;
  /** The blocks of each bucket: in memory, or their place in the file. The last is being filled. */
  readonly #blocks: (Block | number)[][];
  readonly #filling: Block[] = [];
  /** Blocks that were used before: memory is not asked for again and again. */
  readonly #spare: Block[] = [];
  #held = 0;
  #written = 0;
  /** The next bucket to be handed out. */
  #next = 0;

  /**
   * @param path a file for what does not fit into memory
   * @param counts rows of each light curve
   * @param bytes how much memory full blocks may take
   */
  constructor(path: string, counts: ArrayLike<number>, readonly bytes: number) {
    this.#file = Deno.openSync(path, { create: true, truncate: true, read: true, write: true });
    this.#bucketOf = new Int32Array(counts.length);
    for (let i = 0; i < counts.length; i++) {
      const last = this.#due.length - 1;
      if (last < 0 || this.#due[last] > 0 && this.#due[last] + counts[i] > bucketRows) {
        this.#firsts.push(i);
        this.#due.push(0);
      }
      this.#bucketOf[i] = this.#due.length - 1;
      this.#due[this.#due.length - 1] += counts[i];
    }
    this.#firsts.push(counts.length);
    this.#rows = new Float64Array(this.#due.length);
    this.#blocks = this.#due.map(() => []);
  }

  [Symbol.dispose]() {
    this.#file.close();
  }

  /** Adds rows of any light curves. */
  add(lightCurves: Int32Array, times: Float64Array, mags: Float32Array, errs: Float32Array): void {
    const bucketOf = this.#bucketOf, rows = this.#rows;
    for (let i = 0; i < lightCurves.length; i++) {
      const bucket = bucketOf[lightCurves[i]], at = rows[bucket]++ % blockRows;
      const block = at === 0 ? this.#begin(bucket) : this.#filling[bucket];
      block.time[at] = times[i];
      block.lightCurve[at] = lightCurves[i];
      block.mag[at] = mags[i];
      block.err[at] = errs[i];
    }
  }

  /** A new block of a bucket; the one before is full. */
  #begin(bucket: number): Block {
    const blocks = this.#blocks[bucket], full = blocks.length - 1;
    if (full >= 0) {
      if ((this.#held + 1) * blockBytes <= this.bytes) this.#held++;
      else {
        const { bytes } = this.#filling[bucket];
        blocks[full] = this.#written++;
        this.#file.seekSync(blocks[full] as number * blockBytes, Deno.SeekMode.Start);
        for (let done = 0; done < blockBytes;) done += this.#file.writeSync(bytes.subarray(done));
        this.#spare.push(this.#filling[bucket]);
      }
    }
    const block = this.#spare.pop() ?? new Block();
    this.#filling[bucket] = block;
    blocks.push(block);
    return block;
  }

  /** The buckets that are complete and were not handed out before, in order: after all rows came, the rest of them. */
  *complete(): Generator<Bucket> {
    for (; this.#next < this.#due.length && this.#rows[this.#next] === this.#due[this.#next]; this.#next++) {
      yield this.#gathered(this.#next);
    }
  }

  /** Whether all buckets were handed out. */
  get handedOut(): boolean {
    return this.#next === this.#due.length;
  }

  /** The rows of a bucket, light curve by light curve. */
  #gathered(bucket: number): Bucket {
    const rows = this.#rows[bucket], first = this.#firsts[bucket];
    const blocks = this.#blocks[bucket].map((block) => typeof block === "number" ? this.#read(block) : block);
    const lengthOf = (block: number) => Math.min(blockRows, rows - block * blockRows);
    const starts = new Int32Array(this.#firsts[bucket + 1] - first + 1);
    for (const [b, { lightCurve }] of blocks.entries()) {
      for (let i = 0; i < lengthOf(b); i++) starts[lightCurve[i] - first + 1]++;
    }
    for (let i = 1; i < starts.length; i++) starts[i] += starts[i - 1];
    const next = starts.slice();
    const time = new Float64Array(rows), mag = new Float32Array(rows), err = new Float32Array(rows);
    for (const [b, block] of blocks.entries()) {
      for (let i = 0; i < lengthOf(b); i++) {
        const at = next[block.lightCurve[i] - first]++;
        time[at] = block.time[i];
        mag[at] = block.mag[i];
        err[at] = block.err[i];
      }
    }
    this.#held -= this.#blocks[bucket].slice(0, -1).filter((block) => typeof block !== "number").length;
    this.#spare.push(...blocks);
    this.#blocks[bucket] = [];
    return { first, starts, time, mag, err };
  }

  #read(place: number): Block {
    const block = this.#spare.pop() ?? new Block();
    this.#file.seekSync(place * blockBytes, Deno.SeekMode.Start);
    for (let done = 0; done < blockBytes;) done += this.#file.readSync(block.bytes.subarray(done))!;
    return block;
  }
}
