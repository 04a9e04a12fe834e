/** The whole way from files as archives hand them out: preprocess, embed, predict. */
import { asyncBufferFromFile, parquetMetadataAsync } from "npm:hyparquet@1.31.5";
import { Astromer } from "../../src/library/astromer.ts";
import { Classifier } from "../../src/library/classifier.ts";
import { assertAlmostEquals, assertEquals, assertStringIncludes, assertTrue } from "../../src/common/std.ts";
import { hasShared, sharedPath, testIn } from "../shared.ts";
import { readParquet } from "../survey/support.ts";
import { run, succeed } from "./support.ts";

interface Survey {
  name: string;
  files: string;
  settings: string[];
  /** Ids, bands and observations of its light curves. */
  lightCurves: [id: string, band: string | null, observations: number][];
  /** What the metadata of the embeddings say of the times. */
  times: { system: string; format: string; scale: string };
  /** What came along. */
  kept: Record<string, string | number>[];
}

const surveys: Survey[] = [
  {
    name: "nested Parquet of ZTF",
    files: sharedPath("cases/28-ztf-dr22-list-of-structs/input/list_struct.parquet"),
    settings: ["--keep", "objra,objdec,filterid", "--object-radius", "1.5"],
    lightCurves: [["1447212400010480", "2", 14], ["1447212400010488", "2", 62]],
    times: { system: "MJD", format: "mjd", scale: "UTC" },
    kept: [
      { objra: 44.006325, objdec: 1.263639, filterid: 2 },
      { objra: 44.277557, objdec: 1.263729, filterid: 2 },
    ],
  },
  {
    name: "FITS of TESS",
    files: sharedPath("cases/20-kepler-fits/input/6479535620075955328_llc.fits"),
    settings: ["--keep", "teff_val,Gaia-ID,RA[deg]"],
    lightCurves: [["6479535620075955328_llc", "TESS", 1149]],
    times: { system: "JD", format: "bjd", scale: "TDB" },
    kept: [{ teff_val: 6046.6098632812, "Gaia-ID": "6479535620075955328", "RA[deg]": 319.7942153834 }],
  },
];

for (const { name, files, settings, lightCurves, times, kept } of surveys) {
  const title = `${name}: preprocess, embed, predict`;
  testIn(hasShared ? title : `${title} (skipped: ../shared is absent)`, async (folder) => {
    const data = `${folder}/data`, model = `${folder}/model`, classifier = `${folder}/classifier`;
    {
      using small = Astromer.untrained({ blocks: 1, heads: 2, head_size: 8, feed_forward_size: 8 });
      await small.save(model);
      const mjd = Array.from({ length: 40 }, (_, i) => 59_000 + i);
      const labelled = Array.from({ length: 8 }, (_, i) => ({
        mjd,
        magnitude: mjd.map((t) => 15 + Math.sin(t / (i % 2 ? 1 : 5) + i)),
        class: i % 2 ? "fast" : "slow",
      }));
      using fitted = await Classifier.fit(small, labelled, { head: "linear", epochs: 2 });
      await fitted.save(classifier);
    }
    await succeed("preprocess", "--input", files, ...settings, "--output", data);
    const outputs: Record<string, Record<string, unknown>[]> = {};
    const from = { dataset: ["--data", data], files: ["--input", files, ...settings] };
    for (const [source, given] of Object.entries(from)) {
      const path = `${folder}/${source}.parquet`;
      await succeed("embed", "--model", model, ...given, "--output", path);
      outputs[source] = await readParquet(path);
      const { key_value_metadata: facts } = await parquetMetadataAsync(await asyncBufferFromFile(path));
      const { dataset } = JSON.parse(facts!.find(({ key }) => key === "astromer")!.value!);
      assertEquals(dataset.times, times);
    }
    const rows = outputs.dataset;
    assertEquals(rows.map(({ id, band, points }) => [id, band, points]), lightCurves);
    assertEquals(rows, outputs.files);
    for (const [i, row] of rows.entries()) {
      for (const [column, value] of Object.entries(kept[i])) {
        if (typeof value === "number") assertAlmostEquals(row[column] as number, value, 1e-6, column);
        else assertEquals(row[column], value);
      }
      const embedding = row.embedding as number[];
      assertEquals(embedding.length, 16);
      assertTrue(embedding.every(Number.isFinite));
    }
    for (const ending of ["parquet", "csv"]) {
      const path = `${folder}/classes.${ending}`;
      await succeed(
        "predict",
        "--classifier",
        classifier,
        "--model",
        model,
        "--data",
        data,
        "--output",
        path,
      );
      const names = [
        "id",
        ...Object.keys(kept[0]),
        "class",
        "probability_fast",
        "probability_slow",
        "novelty",
      ];
      if (ending === "csv") {
        const lines = (await Deno.readTextFile(path)).trim().split("\r\n");
        assertEquals([lines[0], lines.length], [names.join(), lightCurves.length + 1]);
        continue;
      }
      const predicted = await readParquet(path);
      assertEquals(Object.keys(predicted[0]), names);
      for (const [i, row] of predicted.entries()) {
        for (const column of Object.keys(kept[0])) assertEquals(row[column], rows[i][column]);
        assertAlmostEquals((row.probability_fast as number) + (row.probability_slow as number), 1, 1e-6);
      }
    }
    const { code, stderr } = await run(
      ...[
        "embed",
        "--model",
        model,
        "--input",
        files,
        "--keep",
        "colour",
        "--output",
        `${folder}/no.parquet`,
      ],
    );
    assertEquals(code, 2);
    assertStringIncludes(stderr, `${files} has no column "colour" (--keep); its columns are`);
  }, !hasShared);
}
