/** From explore back to the commands: its labels are those of preprocess and classify; search by files and by ids agree. */
import { Astromer } from "../../src/library/astromer.ts";
import type { Result } from "../../src/classify/results.ts";
import { openDataset } from "../../src/data/dataset.ts";
import { EmbeddingFile } from "../../src/discover/embedding_file.ts";
import { Session } from "../../src/explore/session.ts";
import { seeded } from "../../src/common/random.ts";
import { assertEquals, assertTrue, parseCsv } from "../../src/common/std.ts";
import { testIn } from "../shared.ts";
import { succeed } from "./support.ts";

/** Stars that vary within days or within months, whose ids a spreadsheet would like to reckon with. */
const stars = Array.from(
  { length: 36 },
  (_, i) => ({ id: i === 3 ? "+J12" : i === 5 ? "-17" : `star ${i}`, fast: i % 2 === 0 }),
);

async function survey(path: string, some = stars): Promise<void> {
  const lines = ["id,mjd,mag,err"];
  for (const { id, fast } of some) {
    const random = seeded(stars.findIndex((star) => star.id === id), 0x5a);
    const period = (fast ? 3 : 60) * (1 + random.next()), amplitude = 0.3 + random.next();
    for (let k = 0; k < 50; k++) {
      const mjd = 59_000 + 1.37 * k + random.next();
      lines.push(
        [id, mjd, 15 + amplitude * Math.sin(2 * Math.PI * mjd / period) + 0.03 * random.normal(), 0.03]
          .join(),
      );
    }
  }
  await Deno.writeTextFile(path, lines.join("\n") + "\n");
}

testIn("labels that explore saved are taken by preprocess, and classify learns them", async (folder) => {
  const data = `${folder}/data`, embeddings = `${folder}/e.parquet`, labels = `${folder}/labels.csv`;
  await survey(`${folder}/survey.csv`);
  const preprocess = ["preprocess", "--input", `${folder}/survey.csv`];
  await succeed(...preprocess, "--output", data);
  {
    using model = Astromer.untrained({ preset: "small" });
    await model.save(`${folder}/model`);
  }
  await succeed("embed", "--model", `${folder}/model`, "--data", data, "--output", embeddings);
  using dataset = await openDataset(data);
  const kindOf = (id: string) => stars.find((star) => star.id === id)!.fast ? "fast, of days" : "slow";
  const unlabelled = dataset.ids.indexOf("star 8");
  {
    using file = await EmbeddingFile.open(embeddings);
    using session = await Session.open({ file, dataset, labels, seed: 0 });
    const rows = [...dataset.ids.keys()];
    await session.label(rows.filter((i) => kindOf(dataset.ids[i]) === "slow"), "slow");
    await session.label(rows.filter((i) => kindOf(dataset.ids[i]) !== "slow"), "fast, of days");
    await session.label([unlabelled], null);
  }
  {
    // Whoever comes back finds them.
    using file = await EmbeddingFile.open(embeddings);
    using session = await Session.open({ file, dataset, labels, seed: 0 });
    assertEquals({ ...session.labelCounts() }, { "fast, of days": 17, slow: 18 });
  }
  await succeed(...preprocess, "--labels", labels, "--output", `${folder}/labelled`);
  using labelled = await openDataset(`${folder}/labelled`);
  assertEquals(labelled.ids, dataset.ids);
  assertEquals(labelled.classes, dataset.ids.map((id, i) => i === unlabelled ? null : kindOf(id)));

  const drawn = [
    "--samples-per-class",
    "8",
    "--folds",
    "1",
    "--test-per-class",
    "6",
    "--output",
    `${folder}/scenarios`,
  ];
  await succeed("scenarios", "--data", `${folder}/labelled`, ...drawn);
  await succeed(
    ...["classify", "--data", `${folder}/labelled`, "--scenarios", `${folder}/scenarios`],
    ...["--models", "classical", "--heads", "forest", "--output", `${folder}/run`],
  );
  const [{ classes, scores }]: Result[] = JSON.parse(await Deno.readTextFile(`${folder}/run/results.json`));
  assertEquals(classes, ["fast, of days", "slow"]);
  assertTrue(scores.accuracy >= 0.75, `${scores.accuracy}`);

  // Search: the same light curves as files, embedded now, have the neighbors that their rows have.
  const asked = [stars[4], stars[9]];
  await survey(`${folder}/mine.csv`, asked);
  const found = async (...settings: string[]) => {
    const csv = `${folder}/found.csv`;
    await succeed("search", "--embeddings", embeddings, "--each", ...settings, "--output", csv);
    const rows = parseCsv(await Deno.readTextFile(csv), { skipFirstRow: true });
    return Map.groupBy(rows, ({ query }) => query);
  };
  const byId = await found("--like", asked.map(({ id }) => id).join(), "-k", "6");
  const byFile = await found("--input", `${folder}/mine.csv`, "--model", `${folder}/model`, "-k", "7");
  for (const { id } of asked) {
    const [itself, ...others] = byFile.get(id)!;
    assertEquals([itself.id, Math.abs(Number(itself.distance)) < 1e-5], [id, true]);
    assertEquals(others.map((row) => row.id), byId.get(id)!.map((row) => row.id));
    assertTrue(
      others.every(({ distance }, i) =>
        Math.abs(Number(distance) - Number(byId.get(id)![i].distance)) < 1e-4
      ),
    );
  }
});
