/** Embeddings of catalogues: made by LSDB, embedded by the real command, opened and cross-matched by LSDB. */
import { Astromer } from "../../mod.ts";
import { shareOf } from "../../src/hats/partitions.ts";
import { assertEquals, assertStringIncludes, assertTrue, parseCsv } from "../../src/common/std.ts";
import { Database } from "../../src/survey/duckdb.ts";
import { openParquet } from "../../src/files/parquet.ts";
import { named, openMpi } from "../mpirun.ts";
import { missingInPython } from "../python.ts";
import { hasShared, largestDifference, sharedPath, testIn } from "../shared.ts";
import { namesIn } from "../survey/support.ts";
import { Running, succeed } from "../tasks/support.ts";

const missing = missingInPython("lsdb", "nested_pandas", "pandas");
const peer = new URL("lsdb_peer.py", import.meta.url).pathname;

async function python(...args: string[]) {
  const { success, stdout, stderr } = await new Deno.Command("python3", { args: [peer, ...args] }).output();
  assertTrue(success, new TextDecoder().decode(stderr));
  return JSON.parse(new TextDecoder().decode(stdout).trim().split("\n").at(-1)!);
}

Deno.test("ranks and the tasks of a Slurm array share partitions, each once", () => {
  const variables = ["ID", "COUNT", "MIN", "STEP"].map((name) => `SLURM_ARRAY_TASK_${name}`);
  const before = variables.map((name) => Deno.env.get(name));
  const taken: number[] = [];
  for (const task of [10, 12, 14]) {
    for (const [i, value] of [task, 3, 10, 2].entries()) Deno.env.set(variables[i], String(value));
    for (const rank of [0, 1]) {
      const { index, count } = shareOf({ rank, size: 2 });
      assertEquals(count, 6);
      taken.push(index);
    }
  }
  for (const [i, name] of variables.entries()) {
    before[i] === undefined ? Deno.env.delete(name) : Deno.env.set(name, before[i]);
  }
  assertEquals(taken, [0, 1, 2, 3, 4, 5]);
  assertEquals(shareOf({ rank: 1, size: 4 }), { index: 1, count: 4 });
});

testIn(
  `a HATS catalogue of LSDB, shared by two tasks, gone on with, and cross-matched by LSDB${
    missing && ` (skipped: Python has no ${missing})`
  }`,
  async (folder) => {
    const catalogue = `${folder}/stars`, output = `${folder}/embeddings`;
    const { partitions, objects } = await python("make", sharedPath("data/asas-tiny"), catalogue);
    using model = Astromer.untrained({ blocks: 1, heads: 2, head_size: 8, feed_forward_size: 8 });
    await model.save(`${folder}/model`);
    const args = ["embed", "--model", `${folder}/model`, "--input", catalogue, "--output", output];
    const task = async (id: number) => {
      const env = { SLURM_ARRAY_TASK_ID: String(id), SLURM_ARRAY_TASK_COUNT: "2", SLURM_ARRAY_TASK_MIN: "0" };
      const ended = await new Running(args, env).end();
      assertEquals(ended.code, 0, ended.stderr);
      return ended;
    };
    const first = await task(0);
    assertStringIncludes(
      first.stdout,
      `${output}: ${Math.ceil(partitions / 2)} partitions are done here, others are left`,
    );
    assertEquals((await namesIn(output)).includes("properties"), false);
    const second = await task(1);
    assertStringIncludes(second.stdout, `${output}: complete, ${objects - 1} rows`);

    // A partition that is lost is made again, and no other; the same bytes of embeddings.
    const lost = `${output}/dataset/Norder=0/Dir=0/Npix=0.parquet`, before = await rowsOf(lost);
    await Deno.remove(lost);
    const again = await succeed(...args);
    assertStringIncludes(
      again.stderr,
      `${partitions - 1} partitions are done already\ndataset/Norder=0/Dir=0/Npix=0.parquet: `,
    );
    assertEquals(await rowsOf(lost), before);
    assertEquals(again.stderr.trim().split("\n").length, 2, again.stderr);

    const found = await python("open", catalogue, output);
    const { first: [id, embedding], cone, smallest: _, ...rest } = found;
    assertEquals(rest, {
      valid: true,
      rows: objects - 1,
      columns: ["objectid", "ra", "dec", "color", "band", "windows", "points", "embedding"],
      matched: objects - 1,
      same: true,
      shape: [objects - 1, 16],
      finite: true,
      partitions: partitions - 1,
      metadata: [objects - 1, partitions - 1],
      total_rows: objects - 1,
    });
    assertTrue(cone[0] > 0 && cone[1]);
    const rows = parseCsv(await Deno.readTextFile(sharedPath("data/asas-tiny/observations.csv")), {
      skipFirstRow: true,
    });
    const star = rows.filter((row) => row.newID === id).slice(0, 40);
    const [ours] = model.embed([{
      mjd: star.map(({ mjd }) => Number(mjd)),
      magnitude: star.map(({ mag }) => Number(mag)),
      error: star.map(({ errmag }) => Number(errmag)),
    }]);
    assertTrue(
      largestDifference(embedding, ours) < 1e-4,
      "the vector is that of the object whose row it is in",
    );

    const other = await new Running([...args, "--pooling", "max"]).end();
    assertEquals(other.code, 2);
    assertStringIncludes(other.stderr, 'holds embeddings with another pooling ("mean", now "max")');
  },
  missing !== "" || !hasShared,
);

/** A file's rows, as JSON. */
async function rowsOf(path: string): Promise<string[]> {
  using db = await Database.open(undefined, { memory_limit: "500MB", threads: 1 });
  const read = `read_parquet('${path}', hive_partitioning = false)`;
  return (await db.rows<{ row: string }>(`SELECT to_json(t)::VARCHAR AS row FROM ${read} t`)).map(({ row }) =>
    row
  );
}

/** A survey as a folder of Parquet, a star a file, and a small model to embed it with. */
async function surveyOf(folder: string, names: readonly string[]): Promise<void> {
  using model = Astromer.untrained({ blocks: 1, heads: 2, head_size: 8, feed_forward_size: 8 });
  await model.save(`${folder}/model`);
  await Deno.mkdir(`${folder}/survey/field1`, { recursive: true });
  for (const [k, name] of names.entries()) {
    using file = await openParquet(`${folder}/survey/${name}.parquet`, {
      ...{ id: "text", mjd: "float64", mag: "float32", err: "float32" },
    });
    file.write(
      Array.from(
        { length: 30 },
        (_, i) => ({ id: `s${k}`, mjd: 59_000 + i, mag: Math.sin(i + k), err: 0.1 }),
      ),
    );
    file.finish();
  }
}

testIn("a plain folder of Parquet becomes the same tree", async (folder) => {
  await surveyOf(folder, ["field1/a", "b"]);
  const output = `${folder}/out`;
  const { stdout } = await succeed(
    ...["embed", "--model", `${folder}/model`, "--input", `${folder}/survey`, "--output", output],
  );
  assertStringIncludes(stdout, `${output}: complete, 2 rows`);
  assertEquals(await namesIn(output), [
    "_common_metadata",
    "_metadata",
    "b.parquet",
    "embeddings.json",
    "field1",
  ]);
  const rows = await rowsOf(`${output}/field1/a.parquet`);
  assertEquals(rows.map((row) => [JSON.parse(row).id, JSON.parse(row).points]), [["s0", 30]]);
});

testIn(named("two ranks of mpirun share a catalogue's partitions", openMpi), async (folder) => {
  await surveyOf(folder, ["a", "b", "c", "d", "field1/e"]);
  const embed = ["embed", "--model", `${folder}/model`, "--input", `${folder}/survey`, "--output"];
  await succeed(...embed, `${folder}/one`);
  const ranks = await new Running([...embed, `${folder}/two`], {}, openMpi!.start(2)).end();
  assertEquals(ranks.code, 0, ranks.stderr);
  assertEquals(await namesIn(`${folder}/two`), await namesIn(`${folder}/one`));
  for (const name of ["a", "b", "c", "d", "field1/e"]) {
    const [two, one] = await Promise.all(
      ["two", "one"].map((of) => rowsOf(`${folder}/${of}/${name}.parquet`)),
    );
    assertEquals(two, one, name);
  }
}, !openMpi);
