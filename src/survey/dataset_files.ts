/** The files of a dataset folder. */
import { createHash } from "node:crypto";
import { layOut } from "../files/safetensors.ts";
import type { Observations } from "./buckets.ts";
import type { KeptColumn } from "./carried.ts";
import { type Database, name, text } from "./duckdb.ts";
import { Histogram, type Span } from "./histogram.ts";

/** The columns of `observations.safetensors`: the light curves end to end, times as given. */
const columns = { mjd: "F64", mag: "F32", err: "F32" } as const;

/** The observations that stay, on their way to `observations.safetensors`: how many they are is known at the end. */
export class ObservationFiles implements Disposable {
  readonly #mjd: ColumnWriter;
  readonly #mag: ColumnWriter;
  readonly #err: ColumnWriter;
  readonly #steps = new Histogram();
  readonly #magnitudes = new Histogram();
  #count = 0;

  /** @param folder where each column has a file of its own */
  constructor(readonly folder: string) {
    [this.#mjd, this.#mag, this.#err] = Object.keys(columns).map((name) =>
      new ColumnWriter(`${folder}/${name}`)
    );
  }

  [Symbol.dispose]() {
    for (const column of [this.#mjd, this.#mag, this.#err]) column[Symbol.dispose]();
  }

  /**
   * Adds light curves, end to end, each ordered by time.
   * @param lengths observations of each
   */
  add({ time, mag, err }: Observations, lengths: Int32Array): void {
    this.#mjd.write(time);
    this.#mag.write(mag);
    this.#err.write(err);
    this.#count += time.length;
    this.#magnitudes.add(mag);
    const steps = new Float32Array(time.length);
    let filled = 0, start = 0;
    for (const length of lengths) {
      for (let i = start + 1; i < start + length; i++) steps[filled++] = time[i] - time[i - 1];
      start += length;
    }
    this.#steps.add(steps.subarray(0, filled));
  }

  /** The span of the magnitudes, and of the time between neighbouring observations of a light curve, in days. */
  get spans(): { magnitudes: Span | null; timeSteps: Span | null } {
    return { magnitudes: this.#magnitudes.span(), timeSteps: this.#steps.span() };
  }

  /**
   * Writes the one file of all columns.
   * @returns its SHA-256, in hexadecimal
   */
  async writeTo(path: string): Promise<string> {
    for (const column of [this.#mjd, this.#mag, this.#err]) column.empty();
    const shape = [this.#count];
    const { head, tensors } = layOut(
      Object.fromEntries(Object.entries(columns).map(([name, dtype]) => [name, { dtype, shape }])),
    );
    const hash = createHash("sha256");
    using file = Deno.openSync(path, { create: true, truncate: true, write: true });
    const write = (bytes: Uint8Array) => {
      hash.update(bytes);
      writeAll(file, bytes);
    };
    write(head);
    // In the order in which they are laid out.
    for (const name of tensors.keys()) {
      for await (const bytes of piecesOf(`${this.folder}/${name}`)) write(bytes);
      await Deno.remove(`${this.folder}/${name}`);
    }
    return hash.digest("hex");
  }
}

function writeAll(file: Deno.FsFile, bytes: Uint8Array): void {
  for (let done = 0; done < bytes.length;) done += file.writeSync(bytes.subarray(done));
}

/** A file piece by piece; a piece is valid only until the next is asked for. */
async function* piecesOf(path: string): AsyncGenerator<Uint8Array> {
  using file = await Deno.open(path, { read: true });
  const buffer = new Uint8Array(1 << 20);
  for (let n; (n = await file.read(buffer)) !== null;) yield buffer.subarray(0, n);
}

/** Writes a column's values, through a buffer. */
class ColumnWriter implements Disposable {
  readonly #file: Deno.FsFile;
  readonly #buffer = new Uint8Array(1 << 20);
  #filled = 0;

  constructor(path: string) {
    this.#file = Deno.openSync(path, { create: true, truncate: true, write: true });
  }

  write(values: ArrayBufferView) {
    const bytes = new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
    if (this.#filled + bytes.length > this.#buffer.length) this.empty();
    if (bytes.length > this.#buffer.length) return writeAll(this.#file, bytes);
    this.#buffer.set(bytes, this.#filled);
    this.#filled += bytes.length;
  }

  empty() {
    writeAll(this.#file, this.#buffer.subarray(0, this.#filled));
    this.#filled = 0;
  }

  [Symbol.dispose]() {
    this.#file.close();
  }
}

/**
 * Writes `metadata.parquet`: one row a light curve that stays, in the order of the observations.
 * @param kept columns that go along
 * @param joined whether the column `star` says which ids are one star
 */
export async function writeMetadata(
  db: Database,
  path: string,
  { kept, joined }: { kept: readonly KeptColumn[]; joined: boolean },
): Promise<void> {
  await db.run(
    `COPY (
      SELECT id, nullif(band, '') AS band, class,
        (sum(n_final) OVER (ORDER BY lc) - n_final)::BIGINT AS "offset", n_final::INTEGER AS length, subset,${
      joined ? " coalesce(star, id) AS star," : ""
    }
        mean_magnitude, std_magnitude, nullif(skewness, 'NaN'::DOUBLE) AS skewness, nullif(kurtosis, 'NaN'::DOUBLE) AS kurtosis,
        nullif(mean_error, 'NaN'::DOUBLE) AS mean_error, first_mjd, last_mjd${
      kept.map((column) => `, ${column.sql} AS ${name(column.name)}`).join("")
    }
      FROM summary JOIN light_curves USING (lc) JOIN subsets USING (id)${
      joined ? " LEFT JOIN stars USING (id)" : ""
    }
      WHERE n_final > 0 ORDER BY lc
    ) TO ${text(path)} (FORMAT parquet, COMPRESSION snappy)`,
  );
}

/** SHA-256 of a file, in hexadecimal, without holding the file. */
export async function checksum(path: string): Promise<string> {
  const hash = createHash("sha256");
  for await (const bytes of piecesOf(path)) hash.update(bytes);
  return hash.digest("hex");
}
