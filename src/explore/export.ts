/** A map as one file that needs nothing but itself, to send to a colleague. */
import { InputError } from "../common/errors.ts";
import { writeText } from "../files/atomic.ts";
import { pageHtml } from "./page.ts";
import { startOf } from "./server.ts";
import { neighborsShown, type Session } from "./session.ts";

/** Light curves that a file holds at most. */
export const mostExported = 20_000;
/** Observations of a light curve; of more, some are left out evenly. */
const mostPoints = 400;
/** Days of a step of the times that are written. */
const timeStep = 1e-5;

/**
 * Writes a map with its light curves, neighbors and columns; in it all works but training and conditions in SQL.
 * @throws {InputError} when there are too many light curves for one file
 */
export async function exportMap(
  session: Session,
  path: string,
  title: string,
  onProgress: (row: number) => void = () => {},
): Promise<void> {
  const { rows } = session;
  if (rows > mostExported) {
    throw new InputError(
      `--export holds at most ${mostExported} light curves, but there are ${rows}: embed or select fewer`,
    );
  }
  const start = startOf(session);
  const columns = start.columns.filter(({ name }) => !["id", "band", "class"].includes(name));
  const objects: unknown[][] = [], first: number[] = [], starts = new Uint32Array(rows + 1);
  const neighbors = new Int32Array(rows * neighborsShown).fill(-1),
    distances = new Float32Array(rows * neighborsShown);
  const times: number[] = [], magnitudes: number[] = [], errors: number[] = [];
  for (let row = 0; row < rows; row++) {
    const object = await session.object(row);
    objects.push([object.id, object.band, object.class, ...columns.map(({ name }) => object[name] ?? null)]);
    for (const [k, found] of (await session.neighbors(row)).entries()) {
      neighbors[row * neighborsShown + k] = found.row;
      distances[row * neighborsShown + k] = found.distance;
    }
    const curve = await session.curve(row), step = Math.max(1, (curve?.mjd.length ?? 0) / mostPoints);
    first.push(curve?.mjd[0] ?? 0);
    for (let at = 0; curve && at < curve.mjd.length; at += step) {
      const i = Math.floor(at);
      times.push(Math.round((curve.mjd[i] - curve.mjd[0]) / timeStep));
      magnitudes.push(curve.magnitude[i]);
      errors.push(curve.error[i]);
    }
    starts[row + 1] = times.length;
    onProgress(row + 1);
  }
  // Classes of the table's own column are colors, too.
  const about = {
    ...start,
    columns: [...start.columns.filter(({ name }) => name === "class" || name === "band"), ...columns],
    objects: objects.map((fields) => {
      const [id, band, of, ...others] = fields;
      const named = start.columns.filter(({ name }) => name === "class" || name === "band")
        .map(({ name }) => name === "class" ? of : band);
      return [id, band, of, ...named, ...others];
    }),
    first,
    neighbors: neighborsShown,
  };
  const arrays = [
    session.positions,
    neighbors,
    distances,
    starts,
    Int32Array.from(times),
    Float32Array.from(magnitudes),
    Float32Array.from(errors),
  ];
  const text = new TextEncoder().encode(JSON.stringify(about));
  const head = new Uint8Array(4 + Math.ceil(text.length / 4) * 4);
  new DataView(head.buffer).setUint32(0, text.length, true);
  head.set(text, 4);
  const stream = new Blob([head, ...arrays]).stream().pipeThrough(new CompressionStream("gzip"));
  const embedded = new Uint8Array(await new Response(stream).arrayBuffer()).toBase64();
  const page = await pageHtml({ title, embedded });
  await writeText(path, page.text);
}
