/** Ids of one star, by position: surveys give a star an id for each field, CCD or band that it is seen in. */
import { InputError } from "../common/errors.ts";
import { grouped } from "../common/table.ts";
import type { Carried } from "./carried.ts";
import { type Database, text } from "./duckdb.ts";
import type { Source } from "./source.ts";

/** Objects that are one star, and what is worth a word. */
export interface JoinedStars {
  /** Pairs of ids. */
  pairs: [string, string][];
  notes: string[];
}

/**
 * Joins objects by position: those nearer to each other than a radius, and those that are so by way of others.
 * @param ids the objects, in their own order, which is that of the table `summary` joined with `light_curves`
 * @param radius seconds of arc
 * @throws {InputError} when no object has a position, or one is none in degrees
 */
export async function joinStars(
  db: Database,
  ids: readonly string[],
  carried: readonly Carried[],
  radius: number,
): Promise<JoinedStars> {
  const at = (setting: "ra" | "dec") => carried.findIndex((column) => column.setting === setting);
  const [ra, dec] = [at("ra"), at("dec")];
  const number = (i: number) => `TRY_CAST(carried_${i} AS DOUBLE)`;
  // The first light curve that has a position gives it.
  const positions = `SELECT id, arg_min({'ra': ${number(ra)}, 'dec': ${number(dec)}}, lc)
      FILTER (isfinite(${number(ra)}) AND isfinite(${number(dec)})) AS place
    FROM summary JOIN light_curves USING (lc) WHERE n_final > 0 GROUP BY id`;
  const [wrong] = await db.rows<{ id: string; ra: number; dec: number }>(
    `SELECT id, place.ra AS ra, place.dec AS "dec" FROM (${positions})
      WHERE abs(place.dec) > 90 OR place.ra NOT BETWEEN -360 AND 360 ORDER BY id LIMIT 1`,
  );
  if (wrong) {
    throw new InputError(
      `"${wrong.id}" is at ${carried[ra].name} ${wrong.ra}, ${
        carried[dec].name
      } ${wrong.dec}: --object-radius needs degrees, ` +
        `-90 to 90 of declination; --ra and --dec choose the columns`,
    );
  }
  const sky = { ra: new Float64Array(ids.length), dec: new Float64Array(ids.length) };
  let filled = 0;
  for await (
    const [ras, decs] of db.stream(
      `SELECT coalesce(place.ra, 'nan'::DOUBLE), coalesce(place.dec, 'nan'::DOUBLE) FROM (${positions}) ORDER BY id`,
    )
  ) {
    sky.ra.set(ras, filled);
    sky.dec.set(decs, filled);
    filled += ras.length;
  }
  const { leads, nowhere } = starsAt(sky, radius);
  if (nowhere === ids.length) {
    const [{ cell }] = await db.rows<{ cell: string | null }>(
      `SELECT min(carried_${ra}::VARCHAR) AS cell FROM light_curves`,
    );
    throw new InputError(
      `no object has a position in the columns ${carried[ra].name} and ${carried[dec].name} (there is ${
        cell === null ? "nothing" : JSON.stringify(cell)
      } in the first): --object-radius needs numbers, in degrees`,
    );
  }
  const pairs: [string, string][] = [], sizes = new Map<number, number>();
  for (const [i, lead] of leads.entries()) {
    if (lead === i) continue;
    pairs.push([ids[lead], ids[i]]);
    sizes.set(lead, (sizes.get(lead) ?? 1) + 1);
  }
  const notes = [
    pairs.length === 0
      ? `no two of ${grouped(ids.length)} ids are within ${radius} arcsec of each other`
      : `${grouped(pairs.length + sizes.size)} of ${grouped(ids.length)} ids are ${
        grouped(sizes.size)
      } stars by --object-radius ${radius}, such as "${pairs[0][0]}" and "${
        pairs[0][1]
      }": each star is on one side of the split, and its light curves stay apart`,
  ];
  let most = 0, largest = 0;
  for (const [lead, size] of sizes) if (size > most) [most, largest] = [size, lead];
  if (most > manyIds) {
    notes.push(
      `${grouped(most)} ids are one star with "${
        ids[largest]
      }", by way of each other: is the radius too large for so crowded a field, ` +
        `or does a position (${sky.ra[largest]}, ${sky.dec[largest]}) stand for none?`,
    );
  }
  if (nowhere > 0) notes.push(`${grouped(nowhere)} ids have no position: each is a star of its own`);
  return { pairs, notes };
}

/** So many ids of one star are odd: ZTF has a few fields and CCDs in three bands. */
const manyIds = 50;

/**
 * Says that positions are not in degrees, where a file says so.
 * @throws {InputError} naming the file and the column
 */
export function refuseOtherUnits(sources: readonly Source[], carried: readonly Carried[]): void {
  for (const { setting, columns } of carried) {
    if (setting === "keep") continue;
    for (const [k, column] of columns.entries()) {
      const unit = column === undefined ? undefined : sources[k].units[column];
      if (
        unit === undefined ||
        !/^(rad(ians?)?|h(r|rs|our|ours|ms)?|hourangle|"?h:m:s"?|"?d:m:s"?|arc\w+)$/i.test(unit)
      ) {
        continue;
      }
      throw new InputError(
        `${sources[k].path}: column ${sources[k].columns[column!]} is in ${
          text(unit)
        }, --object-radius needs degrees`,
      );
    }
  }
}

/** Positions in degrees; not a number where there is none. */
export interface Sky {
  ra: Float64Array;
  dec: Float64Array;
}

/**
 * Stars among positions: friends of friends within a radius, over the whole sphere. Unit vectors fall into cubic cells
 * twice as wide as the radius, which a hash table holds, so that each is compared with those in at most 8 cells.
 * @param radius seconds of arc
 * @returns for each position the first of its star; and how many are not a number
 */
export function starsAt({ ra, dec }: Sky, radius: number): { leads: Int32Array; nowhere: number } {
  const n = ra.length, leads = Int32Array.from({ length: n }, (_, i) => i);
  const rootOf = (i: number) => {
    while (leads[i] !== i) i = leads[i] = leads[leads[i]];
    return i;
  };
  const join = (a: number, b: number) => {
    const [one, other] = [rootOf(a), rootOf(b)];
    if (one < other) leads[other] = one;
    else leads[one] = other;
  };
  // Of an angle, the chord: 2 sin(r / 2). A little is added for positions that are rounded just so.
  const chord = 2 * Math.sin(radius / 3600 * Math.PI / 360) * (1 + 1e-9), limit = chord * chord;
  const side = 2 * chord, xyz = new Float64Array(3 * n);
  const bits = Math.max(4, Math.min(26, Math.ceil(Math.log2(2 * n + 1)))), mask = 2 ** bits - 1;
  const heads = new Int32Array(2 ** bits).fill(-1), next = new Int32Array(n);
  const hash = (x: number, y: number, z: number) => {
    let h = Math.imul(x, 0x9e3779b1) ^ Math.imul(y, 0x85ebca77) ^ Math.imul(z, 0xc2b2ae3d);
    h = Math.imul(h ^ h >>> 15, 0x2c1b3c6d);
    return (h ^ h >>> 13) & mask;
  };
  let nowhere = 0;
  for (let i = 0; i < n; i++) {
    if (Number.isNaN(ra[i]) || Number.isNaN(dec[i])) {
      nowhere++;
      continue;
    }
    const a = ra[i] * Math.PI / 180, d = dec[i] * Math.PI / 180, at = 3 * i;
    xyz[at] = Math.cos(d) * Math.cos(a);
    xyz[at + 1] = Math.cos(d) * Math.sin(a);
    xyz[at + 2] = Math.sin(d);
    const cell = (x: number) => Math.floor(x / side);
    const [x0, y0, z0] = [xyz[at], xyz[at + 1], xyz[at + 2]];
    const lastX = cell(x0 + chord), lastY = cell(y0 + chord), lastZ = cell(z0 + chord);
    // Those before it are in the table. Of many at one place, one stands there: marks for no position make no long chains.
    let alone = true;
    for (let x = cell(x0 - chord); x <= lastX; x++) {
      for (let y = cell(y0 - chord); y <= lastY; y++) {
        for (let z = cell(z0 - chord); z <= lastZ; z++) {
          for (let j = heads[hash(x, y, z)]; j >= 0; j = next[j]) {
            const dx = x0 - xyz[3 * j], dy = y0 - xyz[3 * j + 1], dz = z0 - xyz[3 * j + 2];
            const distance = dx * dx + dy * dy + dz * dz;
            if (distance > limit) continue;
            join(i, j);
            if (distance === 0) alone = false;
          }
        }
      }
    }
    if (!alone) continue;
    const own = hash(cell(x0), cell(y0), cell(z0));
    next[i] = heads[own];
    heads[own] = i;
  }
  for (let i = 0; i < n; i++) leads[i] = rootOf(i);
  return { leads, nowhere };
}
