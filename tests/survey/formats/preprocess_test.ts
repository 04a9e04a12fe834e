/** Whole runs on containers: the dataset has what the files hold. */
import { InputError } from "../../../src/common/errors.ts";
import { Database } from "../../../src/survey/duckdb.ts";
import { assertEquals, assertRejects } from "../../../src/common/std.ts";
import { sharedPath, testIn } from "../../shared.ts";
import { hasShared } from "../../shared.ts";
import { readDataset, run } from "../support.ts";
import { fitsTable } from "./fits_files.ts";

testIn("FITS, VOTable, nested and flat Parquet of the same observations give one dataset", async (folder) => {
  const rows = Array.from({ length: 24 }, (_, i) => ({
    id: `${9007199254740993n + BigInt(i % 2)}`,
    mjd: 58000.123456789 + i * 1.25,
    mag: 15 + (i % 7) / 8,
    magerr: 0.03125,
  }));
  using db = await Database.open(undefined, { memory_limit: "500MB", threads: 1 });
  await db.run(`CREATE TABLE flat (id BIGINT, mjd DOUBLE, mag FLOAT, magerr FLOAT)`);
  await db.run(
    `INSERT INTO flat VALUES ${rows.map((r) => `(${r.id}, ${r.mjd}, ${r.mag}, ${r.magerr})`).join(", ")}`,
  );
  await db.run(`COPY flat TO '${folder}/flat.parquet' (FORMAT parquet)`);
  await db.run(
    `COPY (SELECT id, list({mjd: mjd, mag: mag, magerr: magerr}) AS lightcurve, 1.5 AS ra FROM flat GROUP BY id)
    TO '${folder}/nested.parquet' (FORMAT parquet)`,
  );
  const field = (name: string, type: string) => `<FIELD name="${name}" datatype="${type}"/>`;
  await Deno.writeTextFile(
    `${folder}/table.vot`,
    `<VOTABLE><RESOURCE><TABLE>${field("id", "long")}${field("mjd", "double")}${field("mag", "float")}${
      field("magerr", "float")
    }<DATA><TABLEDATA>${
      rows.map((r) => `<TR><TD>${r.id}</TD><TD>${r.mjd}</TD><TD>${r.mag}</TD><TD>${r.magerr}</TD></TR>`).join(
        "\n",
      )
    }</TABLEDATA></DATA></TABLE></RESOURCE></VOTABLE>`,
  );
  const outputs = [];
  for (const file of ["flat.parquet", "nested.parquet", "table.vot"]) {
    await run({ input: [`${folder}/${file}`], output: `${folder}/${file}.dataset` });
    outputs.push(await readDataset(`${folder}/${file}.dataset`));
  }
  assertEquals(outputs[0].rows.map(({ id, length }) => [id, length]), [["9007199254740993", 12], [
    "9007199254740994",
    12,
  ]]);
  assertEquals(outputs[1], outputs[0]);
  assertEquals(outputs[2], outputs[0]);
});

testIn(
  "In a folder of FITS files a broken one stops the run, or is passed over and listed",
  async (folder) => {
    await Deno.mkdir(`${folder}/in`);
    const whole = fitsTable({ TTYPE3: "'STARNAME'" });
    for (const name of ["a", "b"]) await Deno.writeFile(`${folder}/in/${name}.fits`, whole);
    await Deno.writeFile(`${folder}/in/cut.fits`, whole.subarray(0, 2 * 2880 + 20));
    await Deno.writeTextFile(`${folder}/in/labels.csv`, "star,class\nV1,RRAB\nV2,EB\n");
    const settings = {
      input: [`${folder}/in`],
      output: `${folder}/out`,
      id: "filename",
      time: "TIME",
      magnitude: "MAG",
      error: "MAG",
      max_error: 99,
      min_observations: 1,
    };
    await assertRejects(() => run(settings), InputError, "cut.fits is cut");
    const { warnings } = await run({ ...settings, skip_unreadable: true });
    assertEquals((await readDataset(`${folder}/out`)).rows.map(({ id, length }) => [id, length]), [["a", 3], [
      "b",
      3,
    ]]);
    for (const name of ["cut.fits", "labels.csv"]) {
      assertEquals(warnings.filter((line) => line.includes(name)).length, 1, name);
    }
  },
);

testIn(
  hasShared
    ? "A HATS folder and a report to the AAVSO"
    : "A HATS folder and a report (skipped: ../shared is absent)",
  async (folder) => {
    await run({
      input: [sharedPath("cases/28-ztf-dr22-list-of-structs/input/list_struct.parquet")],
      output: `${folder}/ztf`,
    });
    assertEquals((await readDataset(`${folder}/ztf`)).rows.map(({ id, length }) => [id, length]), [
      ["1447212400010480", 14],
      ["1447212400010488", 62],
    ]);
    await run({
      input: [sharedPath("cases/15-aavso-extended-report/input/AAVSOreport-20170504.txt")],
      output: `${folder}/aavso`,
      id: "NAME",
      error: "MERR",
      band: "FILT",
    });
    const { rows } = await readDataset(`${folder}/aavso`);
    assertEquals([rows.length, rows.reduce((sum, { length }) => sum + length, 0)], [6, 145]);
  },
  !hasShared,
);
