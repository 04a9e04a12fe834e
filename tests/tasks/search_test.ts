/** Search end to end: the real command on real light curves. */
import { openDataset } from "../../src/data/dataset.ts";
import { openParquet } from "../../src/files/parquet.ts";
import { assertEquals, assertStringIncludes, assertTrue, parseCsv } from "../../src/common/std.ts";
import { hasShared, testIn } from "../shared.ts";
import { namesIn } from "../survey/support.ts";
import { preprocessed, run, succeed } from "./support.ts";

testIn("asas-tiny: by id, by several, by index; a table and a figure", async (folder) => {
  const data = await preprocessed(folder), embeddings = `${folder}/e.parquet`;
  using dataset = await openDataset(data);
  {
    // Vectors of which one can say who is near: a spiral in the order of the dataset.
    using file = await openParquet(embeddings, {
      id: "text",
      band: "text",
      class: "text",
      embedding: "list of float32",
    });
    file.write(dataset.ids.map((id, i) => ({
      id,
      band: dataset.bands[i],
      class: dataset.classes[i],
      embedding: Float32Array.of(Math.cos(i / 40), Math.sin(i / 40), 3, i / 40),
    })));
    file.finish();
  }
  const { ids } = dataset, common = ["--embeddings", embeddings, "--raw", "--metric", "euclidean"];
  const csv = `${folder}/found.csv`, figure = `${folder}/found.svg`;
  const found = async (...settings: string[]) => {
    const { stdout } = await succeed("search", ...common, ...settings, "--output", csv);
    const lines = parseCsv(await Deno.readTextFile(csv), { skipFirstRow: true });
    return { stdout, ids: lines.map(({ id }) => id), lines };
  };
  const one = await found("--like", ids[100], "-k", "4", "--data", data, "--figure", figure, "--fold");
  assertEquals(
    [...one.ids].sort(),
    [98, 99, 101, 102].map((i) => ids[i]).sort(),
    "not the one that was asked for",
  );
  assertStringIncludes(one.stdout, "240 rows of 4, exact, recall 1");
  const svg = await Deno.readTextFile(figure);
  assertTrue(
    svg.includes("asked for") && svg.includes("phase (") &&
      (svg.match(/role-frame|concat_\d+_group/g) ?? []).length >= 5,
  );
  const both = await found("--like", `${ids[10]},${ids[14]}`, "-k", "1");
  assertEquals(both.ids, [ids[12]], "what is between them");
  const each = await found("--like", `${ids[10]},${ids[14]}`, "--each", "-k", "1", "--index", "hnsw");
  assertEquals(each.lines.map(({ query }) => query.split(" ")[0]), [ids[10], ids[14]]);
  assertStringIncludes(each.stdout, "recall of the ten nearest");
  assertEquals(
    await namesIn(folder),
    [
      "data",
      "e.parquet",
      "e.parquet.raw-euclidean.usearch",
      "e.parquet.raw-euclidean.usearch.json",
      "found.csv",
      "found.svg",
    ],
  );
  const unknown = await run("search", ...common, "--like", "no such star");
  assertEquals(unknown.code, 2);
  assertStringIncludes(unknown.stderr, "e.parquet has no such id; the closest are");
  const neither = await run("search", ...common);
  assertEquals([neither.code, neither.stderr.includes("either --like (ids) or --input")], [2, true]);
}, !hasShared);
