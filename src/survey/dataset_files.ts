/** The files of a dataset folder, written as DuckDB hands out the observations. */
import { createHash } from "node:crypto";
import { Failure } from "../errors.ts";
import { layOut } from "../files/safetensors.ts";
import { type Database, text } from "./duckdb.ts";
import { LogHistogram, type Span } from "./histogram.ts";

/**
 * Writes `observations.safetensors`: mjd F64 [N] as given, mag F32 [N], err F32 [N], the light curves end to end.
 * @param lengths observations of each light curve, in order
 * @returns the span of the time between neighbouring observations of a light curve, in days
 */
export async function writeObservations(
  db: Database,
  path: string,
  lengths: readonly number[],
): Promise<Span | null> {
  const total = lengths.reduce((sum, length) => sum + length, 0);
  const { head, tensors } = layOut({
    mjd: { dtype: "F64", shape: [total] },
    mag: { dtype: "F32", shape: [total] },
    err: { dtype: "F32", shape: [total] },
  });
  await Deno.writeFile(path, head);
  const steps = new LogHistogram();
  let written = 0, curve = 0, left = lengths[0] ?? 0, lc = -1, last = NaN;
  using mjd = new TensorWriter(path, tensors.get("mjd")!.start);
  using mag = new TensorWriter(path, tensors.get("mag")!.start);
  using err = new TensorWriter(path, tensors.get("err")!.start);
  // `kept` was filled in order, and DuckDB hands rows out in that order; should it not, that is noticed below.
  for await (const [lcs, times, mags, errs] of db.stream(`SELECT lc, time, mag, err FROM kept`)) {
    for (let i = 0; i < lcs.length; i++) {
      if (left === 0) {
        left = lengths[++curve];
        last = NaN;
        if (lcs[i] <= lc) throw new Failure("the observations left DuckDB out of order");
      } else if (written + i > 0 && lcs[i] !== lc) {
        throw new Failure("the observations left DuckDB out of order");
      }
      lc = lcs[i];
      if (times[i] < last) throw new Failure("the observations left DuckDB out of order");
      if (!Number.isNaN(last)) steps.add(times[i] - last);
      last = times[i];
      left--;
    }
    mjd.write(times);
    mag.write(mags);
    err.write(errs);
    written += lcs.length;
  }
  for (const tensor of [mjd, mag, err]) tensor.finish();
  if (written !== total) throw new Failure(`${written} observations left DuckDB in place of ${total}`);
  return steps.span();
}

/** Writes one tensor of a file from its start on, through a buffer that {@link finish} empties. */
class TensorWriter implements Disposable {
  #file: Deno.FsFile;
  #buffer = new Uint8Array(1 << 20);
  #filled = 0;

  constructor(path: string, start: number) {
    this.#file = Deno.openSync(path, { write: true });
    this.#file.seekSync(start, Deno.SeekMode.Start);
  }

  write(values: ArrayBufferView) {
    const bytes = new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
    if (this.#filled + bytes.length > this.#buffer.length) this.finish();
    this.#buffer.set(bytes, this.#filled);
    this.#filled += bytes.length;
  }

  finish() {
    for (let done = 0; done < this.#filled;) {
      done += this.#file.writeSync(this.#buffer.subarray(done, this.#filled));
    }
    this.#filled = 0;
  }

  [Symbol.dispose]() {
    this.#file.close();
  }
}

/** Writes `metadata.parquet`: one row a light curve that stays, in the order of the observations. */
export async function writeMetadata(db: Database, path: string): Promise<void> {
  await db.run(
    `COPY (
      SELECT id, nullif(band, '') AS band, class,
        (sum(n_final) OVER (ORDER BY lc) - n_final)::BIGINT AS "offset", n_final::INTEGER AS length, subset,
        mean_magnitude, std_magnitude, skewness, kurtosis, mean_error, first_mjd, last_mjd
      FROM summary JOIN light_curves USING (lc) JOIN subsets USING (id)
      WHERE n_final > 0 ORDER BY lc
    ) TO ${text(path)} (FORMAT parquet, COMPRESSION snappy)`,
  );
}

/** SHA-256 of a file, in hexadecimal, without holding the file. */
export async function checksum(path: string): Promise<string> {
  const hash = createHash("sha256");
  using file = await Deno.open(path, { read: true });
  const buffer = new Uint8Array(1 << 20);
  for (let n; (n = await file.read(buffer)) !== null;) hash.update(buffer.subarray(0, n));
  return hash.digest("hex");
}
