/** Ten thousand damaged rows of CSV: each is left out and counted, or read as what stands in it; the others stay as they were. */
import { type Random, seeded } from "../../src/common/random.ts";
import { assertEquals, assertTrue } from "../../src/common/std.ts";
import { Database } from "../../src/survey/duckdb.ts";
import { fileAt } from "../../src/survey/files.ts";
import { readObservations } from "../../src/survey/read.ts";
import { pick, replaceOne } from "../files/support.ts";
import { testIn } from "../shared.ts";

type Damage = (row: string, random: Random) => string;

const oddNumbers = [
  ..."nan inf -inf 1e30 -1e400 1e-400 0x10 1_000 1,5 1.2.3 -- +5 .5 5. 1e 1d3 ١٢ １２ true null NA".split(
    " ",
  ),
  "9".repeat(400),
  "",
  " ",
];

/** Ways to damage a row that leave it one row. */
const damages: Record<string, Damage> = {
  "a letter": (row, random) =>
    replaceOne(random, row, /[^]/g, () => pick(random, "0159.-+eE ;|_/abcXYZ%$é\u00a0\u2212")),
  "a control character": (row, random) =>
    replaceOne(random, row, /\w/g, (letter) => letter + pick(random, "\0\t\u0007\u001b\u007f\u202e")),
  "a letter left out": (row, random) => replaceOne(random, row, /[^]/g, () => ""),
  "a number": (row, random) => replaceOne(random, row, /(?<=,)[\d.]+/g, () => pick(random, oddNumbers)),
  "a field left out": (row, random) => replaceOne(random, row, /,[^,]*/g, () => ""),
  "a field twice": (row, random) => replaceOne(random, row, /,[^,]*/g, (field) => field + field),
  "the end cut off": (row, random) => row.slice(0, 1 + random.integer(row.length)),
  "two rows in one": (row) => row + row,
  "a byte that is no UTF-8": (row, random) => replaceOne(random, row, /\w/g, () => "\ud800"), // see bytesOf
  "fields exchanged": (row) => row.split(",").toReversed().join(","),
};

/** As UTF-8; lone surrogates become a byte that is none. */
function bytesOf(text: string): Uint8Array {
  return Uint8Array.from(
    [...text].flatMap((letter) => letter === "\ud800" ? [0xe9] : [...new TextEncoder().encode(letter)]),
  );
}

/** What stands in a row, if it is a usable one: id, time, magnitude, error. */
function meaningOf(row: string): string | undefined {
  const fields = row.split(",").map((field) => field.trim());
  const [id, ...numbers] = fields, values = numbers.map(numberOf);
  if (fields.length !== 4 || id === "" || row.includes("\ud800")) return undefined;
  const [time, ...rest] = values;
  if (values.includes(undefined) || Math.abs(time!) > 1e7 && Number.isFinite(time)) return undefined;
  if (rest.some((value) => Math.abs(value!) > 1e10 && Number.isFinite(value))) return undefined;
  return [id, time, ...rest.map((value) => Math.fround(value!))].join();
}

function numberOf(field: string): number | undefined {
  if (/^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i.test(field)) return Number(field);
  const [, sign, word] = /^([+-]?)(nan|inf|infinity)$/i.exec(field) ?? [];
  return word === undefined ? undefined : /nan/i.test(word) ? NaN : sign === "-" ? -Infinity : Infinity;
}

testIn("ten thousand damaged rows: left out and counted, or read as they stand", async (folder) => {
  using db = await Database.open(undefined, { memory_limit: "500MB", threads: 1 });
  const kinds = Object.entries(damages), path = `${folder}/survey.csv`, files = 250, damagedRows = 40;
  let unusable = 0;
  for (let file = 0; file < files; file++) {
    const random = seeded(0xc5f, file);
    const rows = Array.from({ length: 100 }, (_, i) => {
      const whole = `star${i % 7},${50_000 + i + 0.25},${10 + i / 16},${(1 + i % 8) / 64}`;
      if (i % 5 > 1) return whole; // the first lines say how the file is laid out
      const [, damage] = kinds[(file * damagedRows + i) % kinds.length];
      return i < 10 ? whole : damage(whole, random);
    });
    await Deno.writeFile(path, bytesOf(["id,mjd,mag,err", ...rows, ""].join("\n")));
    // Magnitudes of both signs are meant here, which a survey would be asked about.
    const settings = { magnitude_range: [-2e10, 2e10] };
    const reading = await readObservations(db, [fileAt(path, "input")], settings, "true");
    const read = await db.rows<Record<string, string | number>>(
      `SELECT id, time, mag, err FROM raw WHERE reason IS NULL`,
    );
    for (const table of ["raw", "found", "reject_errors", "reject_scans"]) {
      await db.run(`DROP TABLE IF EXISTS ${table}`);
    }
    // Blanks about a value mean nothing, though a tab may stay at an id.
    const found = read.map(({ id, time, mag, err }) => [String(id).trim(), time, mag, err].join()).sort();
    assertEquals(found, rows.map(meaningOf).filter((row) => row !== undefined).sort(), `file ${file}`);
    const left = reading.unusable.reduce((sum, { rows }) => sum + rows, 0);
    assertEquals(left, rows.length - found.length, `file ${file}: every other row is counted`);
    unusable += left;
  }
  assertTrue(unusable > 5000, `${unusable} of ${files * damagedRows} damaged rows were left out`);
});
