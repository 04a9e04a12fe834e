import { liveTensors } from "../../ffi/tensor.ts";
import { lightCurvesOf, openDataset } from "../../src/data/dataset.ts";
import { Failure, InputError } from "../../src/common/errors.ts";
import { readSafetensors, type TensorData, writeSafetensors } from "../../src/files/safetensors.ts";
import {
  assertEquals,
  assertRejects,
  assertStringIncludes,
  assertThrows,
  parseCsv,
} from "../../src/common/std.ts";
import { Database } from "../../src/survey/duckdb.ts";
import { run, testTiny, tiny } from "../survey/support.ts";
import { sinusoidDataset } from "./support.ts";
import { testIn } from "../shared.ts";

testTiny("asas-tiny: every value is the survey file's", async (folder) => {
  await run({ preset: "reference", input: [tiny], output: `${folder}/data` });
  const before = liveTensors();
  {
    using dataset = await openDataset(`${folder}/data`);
    const rows = parseCsv(await Deno.readTextFile(`${tiny}/observations.csv`), { skipFirstRow: true });
    const labels = parseCsv(await Deno.readTextFile(`${tiny}/metadata.csv`), { skipFirstRow: true });
    assertEquals([dataset.size, dataset.mjd.length], [240, rows.length]);
    assertEquals(dataset.mjd, Float64Array.from(rows, (row) => Number(row.mjd)));
    assertEquals(dataset.mag, Float32Array.from(rows, (row) => Number(row.mag)));
    assertEquals(dataset.err, Float32Array.from(rows, (row) => Number(row.errmag)));
    assertEquals(dataset.ids, labels.map((row) => row.newID));
    assertEquals(dataset.classes, labels.map((row) => row.Class));
    assertEquals(dataset.bands, labels.map((row) => row.Band));
    for (const [i, id] of dataset.ids.entries()) {
      const from = dataset.offsets[i], to = from + dataset.lengths[i];
      assertEquals([rows[from - 1]?.newID === id, rows[from].newID], [false, id]);
      assertEquals([rows[to - 1].newID, rows[to]?.newID === id], [id, false]);
    }
    const count = (subset: string) => dataset.subsets.filter((s) => s === subset).length;
    assertEquals([count("train"), count("validation"), count("test")], [192, 24, 24]);
    assertEquals(lightCurvesOf(dataset, "train").length, 192);
    assertEquals(dataset.fingerprint.length, 64);
  }
  assertEquals(liveTensors(), before, "the mapping is given back");
});

/** A dataset folder of three light curves of 6, 5 and 7 observations, without classes and bands. */
async function smallDataset(folder: string): Promise<string> {
  const rows = [6, 5, 7].flatMap((n, i) =>
    Array.from({ length: n }, (_, j) => `${i},${50_000 + j},${10 + i + j / 8},0.1`)
  );
  await Deno.writeTextFile(`${folder}/a.csv`, ["id,mjd,mag,err", ...rows, ""].join("\n"));
  await run({
    input: [`${folder}/a.csv`],
    output: `${folder}/data`,
    trim: false,
    noise_filter: false,
    fractions: [1, 0, 0],
  });
  return `${folder}/data`;
}

testIn("a folder made of a CSV without classes and bands", async (folder) => {
  using dataset = await openDataset(await smallDataset(folder));
  assertEquals(dataset.ids, ["0", "1", "2"]);
  assertEquals([dataset.bands, dataset.classes], [Array(3).fill(null), Array(3).fill(null)]);
  assertEquals([Array.from(dataset.offsets), Array.from(dataset.lengths)], [[0, 6, 11], [6, 5, 7]]);
  assertEquals(dataset.subsets, ["train", "train", "train"]);
  assertEquals(dataset.mag[11], 12);
});

testIn("files that were altered, or are of something else, are refused by name", async (folder) => {
  const data = await smallDataset(folder);
  const original = new Map<string, Uint8Array>();
  for (const name of ["dataset.json", "metadata.parquet", "observations.safetensors"]) {
    original.set(name, await Deno.readFile(`${data}/${name}`));
  }
  const json = JSON.parse(await Deno.readTextFile(`${data}/dataset.json`));
  const describe = (changes: unknown) => Deno.writeTextFile(`${data}/dataset.json`, JSON.stringify(changes));
  const tensors = Object.fromEntries((await readSafetensors(`${data}/observations.safetensors`)).tensors);
  const observe = (changes: Record<string, TensorData>) =>
    writeSafetensors(`${data}/observations.safetensors`, changes);
  const metadata = async (select: string) => {
    using db = await Database.open(undefined, { memory_limit: "200MB", threads: 1 });
    await db.run(
      `COPY (SELECT ${select} FROM '${data}/metadata.parquet') TO '${folder}/new.parquet' (FORMAT parquet)`,
    );
    await Deno.rename(`${folder}/new.parquet`, `${data}/metadata.parquet`);
  };
  const { mjd: _, ...withoutTimes } = tensors;
  const inDouble = { ...tensors, mag: { ...tensors.mag, dtype: "F64" as const, data: new Float64Array(18) } };
  const shorter = Object.fromEntries(
    Object.entries(tensors).map(([name, { dtype, data }]) => [
      name,
      { dtype, shape: [17], data: (data as Float32Array<ArrayBuffer>).slice(1) },
    ]),
  );

  const rows: [string, () => Promise<void>, string][] = [
    ["no description", () => Deno.remove(`${data}/dataset.json`), `${data} is not a dataset folder`],
    [
      "half a description",
      () => Deno.writeTextFile(`${data}/dataset.json`, '{"format":'),
      "dataset.json is not valid JSON",
    ],
    ["null", () => describe(null), "dataset.json does not describe an Astromer dataset"],
    [
      "another format",
      () => describe({ ...json, format: "images" }),
      "does not describe an Astromer dataset",
    ],
    [
      "another version",
      () => describe({ ...json, version: 2 }),
      "format version 2, and this software reads versions up to 1",
    ],
    [
      "another count of light curves",
      () => describe({ ...json, light_curves: 4 }),
      "has 3 rows, dataset.json",
    ],
    [
      "another count of observations",
      () => describe({ ...json, observations: 19 }),
      'no tensor "mjd" of dtype F64 and shape [19]',
    ],
    ["no times", () => observe(withoutTimes), 'no tensor "mjd" of dtype F64 and shape [18]'],
    ["magnitudes in float64", () => observe(inDouble), 'no tensor "mag" of dtype F32'],
    ["fewer observations", () => observe(shorter), 'no tensor "mjd" of dtype F64 and shape [18]'],
    ["no observations", () => Deno.remove(`${data}/observations.safetensors`), "cannot be read"],
    [
      "observations cut short",
      () =>
        Deno.truncate(
          `${data}/observations.safetensors`,
          original.get("observations.safetensors")!.length - 1,
        ),
      "is it cut short?",
    ],
    ["no metadata", () => Deno.remove(`${data}/metadata.parquet`), "metadata.parquet cannot be read"],
    [
      "metadata that is not Parquet",
      () => Deno.writeTextFile(`${data}/metadata.parquet`, "id,offset\n"),
      "metadata.parquet cannot be read",
    ],
    ["a column less", () => metadata("* EXCLUDE (subset)"), "metadata.parquet cannot be read"],
    ["a gap", () => metadata('* REPLACE ("offset" + 1 AS "offset")'), "row 1: offset 1 where 0 is due"],
    [
      "another length",
      () => metadata("* REPLACE (CASE WHEN id = '2' THEN 8 ELSE length END AS length)"),
      "describes 19 observations, dataset.json counts 18",
    ],
  ];
  for (const [what, alter, sentence] of rows) {
    await alter();
    const before = liveTensors();
    const error = await assertRejects(() => openDataset(data), InputError);
    assertStringIncludes(error.message, sentence, what);
    assertStringIncludes(error.message, data, what);
    assertEquals(liveTensors(), before);
    for (const [name, bytes] of original) await Deno.writeFile(`${data}/${name}`, bytes);
  }
  (await openDataset(data))[Symbol.dispose]();
  await assertRejects(() => openDataset(`${folder}/a.csv`), InputError, "is not a dataset folder");
});

Deno.test("lightCurvesOf: those of the subset, in order, of five and more observations", () => {
  const dataset = sinusoidDataset([4, 5, 9, 3, 6], {
    subsets: ["train", "train", "test", "validation", "train"],
  });
  assertEquals(lightCurvesOf(dataset, "train"), [1, 4]);
  assertEquals(lightCurvesOf(dataset, "train", 6), [4]);
  assertEquals(lightCurvesOf(dataset, "all"), [1, 2, 4]);
  assertThrows(
    () => lightCurvesOf(dataset, "validation"),
    InputError,
    "memory has no light curve of 5 or more observations in the subset validation (1 shorter ones)",
  );
  assertThrows(() => lightCurvesOf(dataset, "none"), InputError, "in the subset none");
});

testIn(
  "a mapped file that is touched stays; one that is cut, replaced or removed is a failure",
  async (folder) => {
    const data = await smallDataset(folder), path = `${data}/observations.safetensors`;
    const original = await Deno.readFile(path);
    const says = (what: string) => `${path} was ${what} while it was in use: start again`;
    const rows: [string, () => Promise<void>, string | undefined][] = [
      ["nothing", () => Promise.resolve(), undefined],
      ["touched", () => Deno.utime(path, new Date(0), new Date(1000)), undefined],
      ["replaced by the same", async () => {
        await Deno.writeFile(`${folder}/same`, original);
        await Deno.rename(`${folder}/same`, path);
      }, undefined],
      [
        "written over",
        () => Deno.writeFile(path, original.map((byte, i) => i === original.length - 1 ? byte ^ 1 : byte)),
        says("changed"),
      ],
      ["cut short", () => Deno.truncate(path, 100), says(`changed (100 bytes, not ${original.length})`)],
      ["removed", () => Deno.remove(path), says("removed")],
    ];
    for (const [what, change, sentence] of rows) {
      await Deno.writeFile(path, original);
      await Deno.utime(path, new Date(0), new Date(5000)); // the clock of files ticks in milliseconds
      using dataset = await openDataset(data);
      assertEquals(dataset.mag[0], 10);
      await change();
      if (sentence === undefined) assertEquals(dataset.mag[0], 10, what);
      else assertThrows(() => dataset.mag, Failure, sentence);
    }
  },
);
