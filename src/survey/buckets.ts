/** Observations in any order, gathered by light curve through the disk, in memory that does not grow with the survey. */

/** Observations of some light curves, end to end. */
export interface Observations {
  time: Float64Array;
  mag: Float32Array;
  err: Float32Array;
}

/** Neighbouring light curves with all their observations. */
export interface Bucket extends Observations {
  /** Number of the first light curve. */
  first: number;
  /** Where each light curve starts, and where the last ends. */
  starts: Int32Array;
}

/** Rows of one bucket, about: it fits into memory many times over. */
const bucketRows = 1 << 20;
/** Rows of a bucket that are written at once: the time, then the light curve, the magnitude and the error of each. */
const blockRows = 2048, rowBytes = 20, blockBytes = blockRows * rowBytes;

/**
 * A distribution sort in two passes. Each light curve has a number, and how many rows it may have is known, so neighbouring
 * ones share a bucket of the file that is large enough: rows first go to their bucket, then each bucket is sorted in memory.
 */
export class Buckets implements Disposable {
  readonly #file: Deno.FsFile;
  /** The bucket of each light curve. */
  readonly #bucketOf: Int32Array;
  /** The first light curve of each bucket, and the number of light curves. */
  readonly #firsts: number[] = [];
  /** The block of the file where each bucket starts. */
  readonly #startBlocks: number[] = [];
  readonly #rows: Float64Array;
  /** One block of each bucket, filled. */
  readonly #time: Float64Array;
  readonly #lightCurve: Int32Array;
  readonly #mag: Float32Array;
  readonly #err: Float32Array;

  /** @param counts rows of each light curve at most */
  constructor(path: string, counts: ArrayLike<number>) {
    this.#file = Deno.openSync(path, { create: true, truncate: true, read: true, write: true });
    this.#bucketOf = new Int32Array(counts.length);
    for (let i = 0, rows = Infinity, block = 0; i < counts.length; i++) {
      if (rows + counts[i] > bucketRows && rows > 0) {
        if (i > 0) block += Math.ceil(rows / blockRows);
        this.#firsts.push(i);
        this.#startBlocks.push(block);
        rows = 0;
      }
      rows += counts[i];
      this.#bucketOf[i] = this.#firsts.length - 1;
    }
    const rows = this.#firsts.length * blockRows;
    this.#rows = new Float64Array(this.#firsts.length);
    this.#firsts.push(counts.length);
    this.#time = new Float64Array(rows);
    this.#lightCurve = new Int32Array(rows);
    this.#mag = new Float32Array(rows);
    this.#err = new Float32Array(rows);
  }

  [Symbol.dispose]() {
    this.#file.close();
  }

  /** Adds rows of any light curves. */
  add(lightCurves: Int32Array, times: Float64Array, mags: Float32Array, errs: Float32Array): void {
    const bucketOf = this.#bucketOf, rows = this.#rows;
    const time = this.#time, lightCurve = this.#lightCurve, mag = this.#mag, err = this.#err;
    for (let i = 0; i < lightCurves.length; i++) {
      const bucket = bucketOf[lightCurves[i]], inBlock = rows[bucket]++ % blockRows;
      const at = bucket * blockRows + inBlock;
      time[at] = times[i];
      lightCurve[at] = lightCurves[i];
      mag[at] = mags[i];
      err[at] = errs[i];
      if (inBlock === blockRows - 1) this.#write(bucket, rows[bucket] / blockRows - 1);
    }
  }

  /** Writes the filled block of a bucket. */
  #write(bucket: number, block: number): void {
    const start = bucket * blockRows, bytes = new Uint8Array(blockBytes);
    let at = 0;
    for (const column of [this.#time, this.#lightCurve, this.#mag, this.#err]) {
      const part = column.subarray(start, start + blockRows);
      bytes.set(new Uint8Array(part.buffer, part.byteOffset, part.byteLength), at);
      at += part.byteLength;
    }
    this.#file.seekSync((this.#startBlocks[bucket] + block) * blockBytes, Deno.SeekMode.Start);
    for (let done = 0; done < blockBytes;) done += this.#file.writeSync(bytes.subarray(done));
  }

  /** The light curves, bucket by bucket, in the order of their numbers; the rows of each as they came. */
  *read(): Generator<Bucket> {
    for (let bucket = 0; bucket < this.#rows.length; bucket++) {
      const rows = this.#rows[bucket], blocks = Math.ceil(rows / blockRows);
      if (rows % blockRows) this.#write(bucket, blocks - 1);
      const bytes = new Uint8Array(blocks * blockBytes);
      this.#file.seekSync(this.#startBlocks[bucket] * blockBytes, Deno.SeekMode.Start);
      for (let done = 0; done < bytes.length;) done += this.#file.readSync(bytes.subarray(done))!;
      yield gathered(bytes.buffer, rows, this.#firsts[bucket], this.#firsts[bucket + 1]);
    }
  }
}

/** The rows of a bucket's blocks, light curve by light curve. */
function gathered(blocks: ArrayBuffer, rows: number, first: number, end: number): Bucket {
  const parts = Array.from({ length: Math.ceil(rows / blockRows) }, (_, block) => {
    const start = block * blockBytes, length = Math.min(blockRows, rows - block * blockRows);
    return {
      time: new Float64Array(blocks, start, length),
      lightCurve: new Int32Array(blocks, start + 8 * blockRows, length),
      mag: new Float32Array(blocks, start + 12 * blockRows, length),
      err: new Float32Array(blocks, start + 16 * blockRows, length),
    };
  });
  const starts = new Int32Array(end - first + 1);
  for (const { lightCurve } of parts) {
    for (let i = 0; i < lightCurve.length; i++) starts[lightCurve[i] - first + 1]++;
  }
  for (let i = 1; i < starts.length; i++) starts[i] += starts[i - 1];
  const next = starts.slice();
  const time = new Float64Array(rows), mag = new Float32Array(rows), err = new Float32Array(rows);
  for (const part of parts) {
    for (let i = 0; i < part.time.length; i++) {
      const at = next[part.lightCurve[i] - first]++;
      time[at] = part.time[i];
      mag[at] = part.mag[i];
      err[at] = part.err[i];
    }
  }
  return { first, starts, time, mag, err };
}
