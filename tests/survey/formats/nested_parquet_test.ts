/** Parquet with light curves in nested columns, against the same observations in rows. */
import { InputError } from "../../../src/common/errors.ts";
import { Database } from "../../../src/survey/duckdb.ts";
import { parseType } from "../../../src/survey/formats/duckdb_type.ts";
import { flattened } from "../../../src/survey/formats/nested_parquet.ts";
import { assertEquals, assertRejects } from "../../../src/common/std.ts";
import { sharedPath, sharedTest, testIn } from "../../shared.ts";

const observation = "{mjd: mjd, mag: mag, band: band}";
const layouts = {
  "list of structs": `list(${observation}) AS lc`,
  "struct of lists": "{mjd: list(mjd), mag: list(mag), band: list(band)} AS lc",
  "parallel lists": "list(mjd) AS mjd, list(mag) AS mag, list(band) AS band, [1, 2] AS two",
  "a list within a struct": `{lc: list(${observation}), n: count(*)} AS matched`,
  "a list of lists": `[list(${observation})] AS lc`,
  "decimals": "list({mjd: mjd::DECIMAL(18, 8), mag: mag::DECIMAL(9, 4), band: band}) AS lc",
};

testIn("Nested light curves are the same observations as flat ones", async (folder) => {
  using db = await Database.open(undefined, { memory_limit: "1GB", threads: 1 });
  await db.run(
    `CREATE TABLE flat AS SELECT 9007199254740993 + i // 7 AS id, 58000 + i / 8 AS mjd, (15 + i % 5)::FLOAT AS mag,
    ['g', 'r'][1 + i % 2] AS band FROM range(70) t(i)`,
  );
  const answer = (from: string) =>
    db.rows(
      `SELECT id::VARCHAR AS id, round(mjd::DOUBLE, 6) AS mjd, mag::FLOAT AS mag, band FROM ${from} ORDER BY id, mjd`,
    );
  const right = await answer("flat");
  for (const [k, columns] of Object.entries(layouts)) {
    const path = `${folder}/[a] ${k}.parquet`;
    // An object without observations has no row, an empty list and none at all.
    await db.run(
      `COPY (SELECT id, 10.5 AS ra, ${columns} FROM flat GROUP BY id) TO '${path}' (FORMAT parquet)`,
    );
    const found = (await flattened(db, [path]))!;
    assertEquals(await answer(found.from([path])), right, k);
    assertEquals(await answer(found.from([path], ["id", "mjd", "mag", "band"])), right, k);
    if (k === "parallel lists") assertEquals(found.passedOver, ["two"]);
  }
});

testIn("Empty and missing lists are objects without observations", async (folder) => {
  using db = await Database.open(undefined, { memory_limit: "1GB", threads: 1 });
  const path = `${folder}/a.parquet`;
  await db.run(
    `COPY (SELECT * FROM (VALUES (1, [{mjd: 1.5, mag: 2}]), (2, []), (3, NULL)) t(id, lc)) TO '${path}' (FORMAT parquet)`,
  );
  const found = (await flattened(db, [path]))!;
  assertEquals(await db.rows(`SELECT id, mjd, file_row_number AS row FROM ${found.from([path])}`), [{
    id: 1,
    mjd: 1.5,
    row: 0,
  }]);
});

testIn(
  "Of several nested columns the one with times and magnitudes is read, or the named one",
  async (folder) => {
    using db = await Database.open(undefined, { memory_limit: "1GB", threads: 1 });
    const path = `${folder}/a.parquet`;
    await db.run(
      `COPY (SELECT 1 AS id, 5 AS mag, [{name: 'x'}] AS aliases, [{mjd: 1.5, mag: 2}] AS lc, [{mjd: 7.5, psfFlux: 3}] AS forced)
    TO '${path}' (FORMAT parquet)`,
    );
    const guessed = (await flattened(db, [path]))!;
    assertEquals([guessed.nested, guessed.passedOver], ["lc", ["aliases", "forced"]]);
    assertEquals(guessed.columns.map((column) => column.name), ["id", "mag", "mjd", "lc.mag"]);
    const named = (await flattened(db, [path], { nested: "forced" }))!;
    assertEquals(await db.rows(`SELECT mjd, psfFlux FROM ${named.from([path])}`), [{ mjd: 7.5, psfFlux: 3 }]);
    await assertRejects(() => flattened(db, [path], { nested: "lcs" }), InputError, "aliases, lc, forced");
  },
);

Deno.test("DuckDB's types are taken apart", () => {
  assertEquals(parseType('STRUCT("a ""b" DECIMAL(9,4)[], c STRUCT(d BIGINT))[3]'), {
    kind: "list",
    of: {
      kind: "struct",
      fields: [
        { name: 'a "b', type: { kind: "list", of: { kind: "scalar", type: "DECIMAL(9,4)" } } },
        {
          name: "c",
          type: { kind: "struct", fields: [{ name: "d", type: { kind: "scalar", type: "BIGINT" } }] },
        },
      ],
    },
  });
});

sharedTest("HATS catalogues and list columns of surveys are read", async () => {
  using db = await Database.open(undefined, { memory_limit: "1GB", threads: 1 });
  const counts: [string[], number, number][] = [
    [
      [44, 45, 46, 47].map((k) => `26-hats-nested-parquet/input/dataset/Norder=1/Dir=0/Npix=${k}.parquet`),
      17161,
      131,
    ],
    [["145-ztf-dr-list-struct-parquet/list_struct.parquet"], 81, 5],
    [["31-list-columns-parquet/input/sso_ztf_lc_aggregated_202504_three_obj.parquet"], 333, 3],
    [["28-ztf-dr22-list-of-structs/input/vsx-x-ztfdr22_lc-m31.parquet"], 0, 0],
  ];
  for (const [names, rows, objects] of counts) {
    const paths = names.map((path) => sharedPath(`cases/${path}`));
    const found = (await flattened(db, paths))!;
    const id = found.columns[0].name;
    assertEquals(
      await db.row(`SELECT count(*) AS rows, count(DISTINCT ${id}) AS objects FROM ${found.from(paths)}`),
      { rows, objects },
    );
  }
  const flat = sharedPath("cases/147-elasticc-fluxcal-parquet/elasticc_lc_chunk.parquet");
  assertEquals(await flattened(db, [flat]), undefined);
});
