/** Columns that go along with light curves, from files or labels into the dataset. */
import { openDataset } from "../../src/data/dataset.ts";
import { keptPart } from "../../src/data/kept.ts";
import { InputError } from "../../src/common/errors.ts";
import { assertEquals, assertRejects, assertStringIncludes } from "../../src/common/std.ts";
import { Database } from "../../src/survey/duckdb.ts";
import { testIn } from "../shared.ts";
import { readParquet, run } from "./support.ts";

/** Six observations of each of three stars in two bands, as SQL: a tile that is constant, a seeing that is not. */
const survey =
  `SELECT 'star ' || s AS id, b AS band, 58000 + 10 * k + s AS mjd, 15 + k / 10.0 AS mag, 0.01 AS magerr,
  10.5 * s AS ra, -20 - s AS "dec", 9007199254740993 + s AS tile, s = 1 AS blended, DATE '2020-01-01' + s::INTEGER AS taken,
  '00' || s AS field, CASE WHEN k > 1 THEN 1.5 + k + s / 10.0 END AS seeing, CASE WHEN s = 2 THEN NULL ELSE 'ok' END AS "class_remark"
  FROM range(1, 4) AS stars(s), (VALUES ('g'), ('r')) AS bands(b), range(6) AS numbers(k)`;

const kept = "ra,dec,tile,blended,taken,field,seeing,class_remark,MAG".split(",");

/** The dataset's kept values of the first light curve of each star, by name. */
async function keptIn(folder: string) {
  using dataset = await openDataset(folder);
  return Object.fromEntries(
    Object.entries(dataset.kept!).map((
      [name, { type, values }],
    ) => [name, [type, values[0], values[2], values[4]]]),
  );
}

testIn("columns of Parquet and of CSV go along, with their types", async (folder) => {
  using db = await Database.open(undefined, { memory_limit: "500MB", threads: 1 });
  await db.run(`COPY (${survey}) TO '${folder}/survey.parquet' (FORMAT parquet)`);
  await db.run(`COPY (${survey}) TO '${folder}/survey.csv' (FORMAT csv)`);
  const expected = {
    ra: ["float64", 10.5, 21, 31.5],
    dec: ["int32", -21, -22, -23],
    tile: ["int64", 9007199254740994n, 9007199254740995n, 9007199254740996n],
    blended: ["boolean", true, false, false],
    taken: ["text", "2020-01-02", "2020-01-03", "2020-01-04"],
    field: ["text", "001", "002", "003"],
    seeing: ["float64", 3.6, 3.7, 3.8],
    class_remark: ["text", "ok", null, "ok"],
    mag: ["float64", 15, 15, 15],
  };
  for (const form of ["parquet", "csv"]) {
    const { warnings } = await run({
      input: [`${folder}/survey.${form}`],
      keep: kept,
      output: `${folder}/${form}`,
    });
    const texts = { blended: ["text", "true", "false", "false"] };
    // A decimal of 64 bits is a float64 in both; a bigint that small is an int32 in text.
    const own = form === "csv"
      ? { ...expected, ...texts }
      : { ...expected, dec: ["int64", -21n, -22n, -23n] };
    assertEquals(await keptIn(`${folder}/${form}`), own, form);
    assertStringIncludes(
      warnings.join("\n"),
      '--keep seeing: its values differ within 6 of 6 light curves (e.g. "star 1": 3.6 to 6.6); the first in time is kept',
    );
    assertEquals(warnings.some((line) => line.includes("--keep ra")), false);
  }
});

testIn("columns of labels go along; a name that is taken gets kept_ before it", async (folder) => {
  using db = await Database.open(undefined, { memory_limit: "500MB", threads: 1 });
  await db.run(
    `COPY (SELECT id, band, mjd, mag, magerr FROM (${survey})) TO '${folder}/survey.csv' (FORMAT csv)`,
  );
  await Deno.writeTextFile(
    `${folder}/labels.csv`,
    "id,class,period,length\nstar 1,RR,0.5,7\nstar 2,EB,1e1,8\n",
  );
  const common = { input: [`${folder}/survey.csv`], labels: `${folder}/labels.csv` };
  await run({ ...common, keep: ["period", "length"], output: `${folder}/out` });
  assertEquals(await keptIn(`${folder}/out`), {
    period: ["float64", 0.5, 10, null],
    kept_length: ["int32", 7, 8, null],
  });
  const [row] = await readParquet(`${folder}/out/metadata.parquet`);
  assertEquals([row.length, row.kept_length, row.period], [6, 7, 0.5]);
  const { message } = await assertRejects(
    () => run({ ...common, keep: ["period", "colour"], output: `${folder}/no` }),
    InputError,
  );
  assertStringIncludes(
    message,
    'has no column "colour" (--keep); its columns are id, band, mjd, mag, magerr',
  );
});

testIn("what some files lack is empty for their light curves, and said", async (folder) => {
  const rows = Array.from({ length: 6 }, (_, k) => `${58000 + k},15.${k},0.1`);
  await Deno.writeTextFile(
    `${folder}/a.csv`,
    "id,mjd,mag,err,ra\n" + rows.map((row) => `a,${row},1.5\n`).join(""),
  );
  await Deno.writeTextFile(`${folder}/b.csv`, "id,mjd,mag,err\n" + rows.map((row) => `b,${row}\n`).join(""));
  const { warnings } = await run({ input: [folder], keep: ["RA"], output: `${folder}/out` });
  using dataset = await openDataset(`${folder}/out`);
  assertEquals(dataset.kept, { ra: { type: "float64", values: [1.5, null] } });
  assertStringIncludes(warnings.join("\n"), `1 files such as ${folder}/b.csv have no column "ra" (--keep)`);
});

Deno.test("beside the columns of a table, none is twice", () => {
  const dataset = {
    kept: { ra: { type: "float64", values: [1] }, Class: { type: "text", values: ["x"] } },
  } as const;
  const part = keptPart(dataset as unknown as Parameters<typeof keptPart>[0], ["id", "class", "kept_class"]);
  assertEquals(part.columns, { ra: "float64", kept_kept_Class: "text" });
  assertEquals(part.of(0), { ra: 1, kept_kept_Class: "x" });
});
