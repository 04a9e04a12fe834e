import { main } from "../../cli.ts";
import { InputError } from "../../src/common/errors.ts";
import { findColumn, needColumn } from "../../src/survey/columns.ts";
import { lossWeights } from "../../src/data/batch.ts";
import { layoutOf } from "../../src/survey/text_layout.ts";
import {
  assertAlmostEquals,
  assertEquals,
  assertMatch,
  assertNotEquals,
  assertRejects,
  assertStringIncludes,
  assertThrows,
  assertTrue,
} from "../../src/common/std.ts";
import { gzip, namesIn, readDataset, run, testTiny, tiny } from "./support.ts";
import { testIn } from "../shared.ts";

/** A light curve as lines of CSV: id, time, magnitude, error. */
function lines(id: string, magnitudes: number[], error = 0.01): string {
  return magnitudes.map((m, i) => `${id},${50_000 + i},${m},${error}\n`).join("");
}
const head = "id,mjd,mag,err\n";

/** Writes a table and hands back its path. */
async function file(folder: string, name: string, text: string): Promise<string> {
  await Deno.writeTextFile(`${folder}/${name}`, text);
  return `${folder}/${name}`;
}

async function refused(folder: string, settings: Parameters<typeof run>[0]): Promise<string> {
  const before = await namesIn(folder);
  const error = await assertRejects(() => run({ output: `${folder}/out`, ...settings }), InputError);
  assertEquals(await namesIn(folder), before, "nothing is left behind");
  return error.message.replaceAll(folder + "/", "");
}

testTiny("Parquet, CSV, CSV.gz and a table a light curve give one dataset", async (folder) => {
  const csv = await Deno.readTextFile(`${tiny}/observations.csv`);
  await gzip(`${folder}/observations.csv.gz`, csv);
  await Deno.mkdir(`${folder}/photometry`);
  const tables = new Map<string, string[]>();
  for (const line of csv.trimEnd().split("\n").slice(1)) {
    const [id, ...rest] = line.trim().split(",");
    if (!tables.has(id)) tables.set(id, ["# a light curve", "# mjd  mag err"]);
    tables.get(id)!.push(` ${rest.join("  ")}`);
  }
  for (const [id, rows] of tables) {
    await Deno.writeTextFile(`${folder}/photometry/${id}.dat`, rows.join("\n") + "\n");
  }

  const inputs: Record<string, Parameters<typeof run>[0]> = {
    parquet: { input: [`${tiny}/observations/*.parquet`], labels: `${tiny}/metadata.parquet` },
    csv: { input: [`${tiny}/observations.csv`], labels: `${tiny}/metadata.csv` },
    gz: { input: [`${folder}/observations.csv.gz`], labels: `${tiny}/metadata.csv` },
    tables: { input: [`${folder}/photometry`], labels: `${tiny}/metadata.parquet` },
  };
  for (const [name, settings] of Object.entries(inputs)) {
    await run({ ...settings, output: `${folder}/${name}` });
  }
  const datasets = await Promise.all(Object.keys(inputs).map((name) => readDataset(`${folder}/${name}`)));
  const [first, ...others] = datasets;
  assertEquals(first.rows.length, 240);
  assertEquals(first.mag.length, 112_570);
  assertEquals(first.rows.map((row) => Number(row.id)), Array.from({ length: 240 }, (_, i) => i));
  assertEquals(first.rows[0].band, "V");
  assertEquals(first.rows[0].class, "Close Binary Eclipsing Systems");
  for (const other of others) {
    assertEquals(other.rows, first.rows);
    assertEquals([other.mjd, other.mag, other.err], [first.mjd, first.mag, first.err]);
  }
});

testTiny("metadata agrees with the observations, moments with their definitions", async (folder) => {
  await run({ preset: "reference", input: [tiny], output: `${folder}/out` });
  const { rows, mjd, mag, err } = await readDataset(`${folder}/out`);
  let offset = 0;
  for (const row of rows) {
    assertEquals(Number(row.offset), offset);
    const end = offset + row.length, m = mag.slice(offset, end), t = mjd.slice(offset, end);
    const mean = average(m), moment = (k: number) => average(m.map((x) => (x - mean) ** k));
    assertAlmostEquals(row.mean_magnitude, mean, 1e-9);
    assertAlmostEquals(row.std_magnitude, Math.sqrt(moment(2)), 1e-9);
    assertAlmostEquals(row.skewness!, moment(3) / moment(2) ** 1.5, 1e-7);
    assertAlmostEquals(row.kurtosis!, moment(4) / moment(2) ** 2 - 3, 1e-6);
    assertAlmostEquals(row.mean_error, average(err.slice(offset, end)), 1e-9);
    assertEquals(t, [...t].sort((a, b) => a - b));
    assertEquals([row.first_mjd, row.last_mjd], [t[0], t.at(-1)]);
    offset = end;
  }
  assertEquals(offset, mag.length);
});

const average = (values: number[]) => values.reduce((sum, value) => sum + value, 0) / values.length;

testIn("errors out of range, values that are not finite, and exact repeats go", async (folder) => {
  const input = await file(
    folder,
    "a.csv",
    head +
      "7,1,10.1,0.1\n7,2,10.2,-0.1\n7,3,10.3,1.5\n7,4,nan,0.1\n7,5,10.5,1\n7,6,10.6,0\n7,6,10.6,0\n7,6,10.7,0\n7,9,10.9,0.5\n7,8,10.8,inf\n",
  );
  const dataset = await run({ input: [input], output: `${folder}/out`, trim: false, noise_filter: false });
  const { mjd, mag } = await readDataset(`${folder}/out`);
  assertEquals(mjd, [1, 5, 6, 6, 9]);
  assertEquals(mag, [10.1, 10.5, 10.6, 10.7, 10.9].map(Math.fround));
  assertEquals(dataset.stages.map((stage) => stage.observations), [10, 6, 5, 5]);
});

testIn("trimming cuts at interpolated percentiles of each light curve", async (folder) => {
  // 0..100 in steps of 1: percentile p is p itself. 10 and 90 stay, what is beyond goes.
  const input = await file(
    folder,
    "a.csv",
    head + lines("a", Array.from({ length: 101 }, (_, i) => i / 10)) +
      lines("b", [9, 1, 1, 1, 1, 1, 1, 1, 1, 1]),
  );
  await run({
    input: [input],
    output: `${folder}/out`,
    trim: true,
    trim_percentiles: [10, 90],
    noise_filter: false,
  });
  const { rows, mag } = await readDataset(`${folder}/out`);
  // b: sorted 1 (nine times), 9; percentile 90 lies at index 8.1, so at 1.8: the 9 goes.
  assertEquals(rows.map((row) => [row.id, row.length]), [["a", 81], ["b", 9]]);
  assertEquals(mag.slice(0, 81), Array.from({ length: 81 }, (_, i) => Math.fround((i + 10) / 10)));
});

testIn("the noise filter keeps what meets any criterion, or all", async (folder) => {
  const small = [10, 10.01, 10, 10.01, 10, 10.01], wide = [10, 10.3, 10, 10.3, 10, 10.3];
  const skewed = [10, 10, 10, 10, 10, 10.05]; // skewness 4 / sqrt 5 = 1.79
  const spiky = [...Array(40).fill(10), 11]; // std 0.154, skewness 6.2, excess kurtosis 36
  const input = await file(
    folder,
    "a.csv",
    head + lines("noise", small) + lines("wide", wide) + lines("skewed", skewed) + lines("spiky", spiky),
  );
  const settings = { input: [input], output: `${folder}/out`, fractions: [1, 0, 0] };
  const kept = await run(settings);
  assertStringIncludes(kept.warnings.join("\n"), "1 of 4 light curves look like noise");
  assertEquals(kept.light_curves, 4);
  await run({ ...settings, noise_filter: true });
  assertEquals((await readDataset(`${folder}/out`)).rows.map((row) => row.id), ["skewed", "spiky", "wide"]);
  await run({ ...settings, noise_filter: true, noise_criteria: "all" });
  assertEquals((await readDataset(`${folder}/out`)).rows.map((row) => row.id), ["spiky"]);
  const paper = await run({ ...settings, recipe: "paper" });
  assertEquals([paper.settings.trim, paper.settings.noise_filter], [true, true]);
});

testIn("nothing is trimmed or searched for noise unless asked", async (folder) => {
  const input = await file(folder, "a.csv", head + lines("a", [10, 10.01, 10, 10.01, 10, 10.01]));
  const labels = await file(folder, "labels.csv", "id,class\na,EA\n");
  const dataset = await run({ input: [input], labels, output: `${folder}/out` });
  assertEquals(dataset.observations, 6);
  assertEquals(dataset.classes, { EA: { light_curves: 1, observations: 6 } });
  assertStringIncludes(
    await refused(folder, { input: [input], labels, noise_filter: true }),
    "no light curve is left",
  );
});

testIn("comments and blank lines may stand anywhere, a header may be repeated", async (folder) => {
  const rows = lines("a", [10, 11, 10, 11, 10, 11]);
  for (
    const [name, text] of Object.entries({
      comment_first: "# one\n# two\n" + head + rows,
      comment_after: head + "# one\n" + rows,
      blank_first: "\n\n# one\n\n" + head + "\n" + rows,
      joined: head + lines("a", [10, 11]) + head + rows.split("\n").slice(2).join("\n"),
      windows: (head + rows).replaceAll("\n", "\r\n"),
      tabs: (head + rows).replaceAll(",", "\t"),
      blanks: (head + rows).replaceAll(",", "  "),
    })
  ) {
    const dataset = await run({
      input: [await file(folder, `${name}.csv`, text)],
      output: `${folder}/out`,
      strict: true,
    });
    assertEquals([name, dataset.observations], [name, 6]);
  }
});

testIn("without a column of errors they are unknown, and weigh alike in the loss", async (folder) => {
  const input = await file(
    folder,
    "a.csv",
    "id,mjd,mag\n" + lines("a", [10, 11, 10, 11, 10]).replaceAll(",0.01", ""),
  );
  const dataset = await run({ input: [input], output: `${folder}/out` });
  assertStringIncludes(dataset.warnings.join("\n"), "errors are unknown");
  const { rows, err } = await readDataset(`${folder}/out`);
  assertEquals(rows[0].mean_error, null);
  assertEquals(err, [NaN, NaN, NaN, NaN, NaN]);
  assertEquals(lossWeights(err), [1, 1, 1, 1, 1]);
  assertEquals(lossWeights([0.1, NaN, 0.2]), lossWeights([0.1, 0, 0.2]));
});

testIn("fluxes become magnitudes by a zero point; conditions and flags leave rows out", async (folder) => {
  const rows = Array.from(
    { length: 8 },
    (_, i) => `s,${58_000 + i},${i === 0 ? -1 : 100 * i},10,${i === 1 ? 4 : 1},${i}\n`,
  );
  const input = await file(folder, "f.csv", "id,mjd,f,df,bits,airmass\n" + rows.join(""));
  const dataset = await run({
    input: [input],
    output: `${folder}/out`,
    flux: "f",
    flux_error: "df",
    zero_point: "uJy",
    where: "airmass < 7",
    flag: ["bits:4"],
    min_observations: 1,
  });
  const { mag, err, mjd } = await readDataset(`${folder}/out`);
  assertEquals(mjd, [58_002, 58_003, 58_004, 58_005, 58_006]);
  assertAlmostEquals(mag[0], 23.9 - 2.5 * Math.log10(200), 1e-5);
  assertAlmostEquals(err[0], 1.0857362 * 10 / 200, 1e-6);
  assertEquals(dataset.filtered.map(({ reason, rows }) => [reason, rows]).sort(), [
    ["flagged (bits:4)", 1],
    ["not airmass < 7 (--where)", 1],
    ["the flux is not above 0, not detected", 1],
  ]);
  assertEquals(dataset.unusable, []);
});

testIn("short light curves go, bands are light curves of their own, ids sort as numbers", async (folder) => {
  const rows = (id: number, band: string, n: number) =>
    Array.from({ length: n }, (_, i) => `${id};${i};10.${i};0.1;${band}\n`).join("");
  const input = await file(
    folder,
    "a.csv",
    "StarID;HJD;Mag;e_Mag;Filter\n" + rows(10, "R", 6) + rows(9, "B", 5) + rows(9, "R", 4) + rows(10, "B", 7),
  );
  const dataset = await run({ input: [input], output: `${folder}/out`, trim: false, noise_filter: false });
  const { rows: found } = await readDataset(`${folder}/out`);
  assertEquals(found.map((row) => [row.id, row.band, row.length]), [["9", "B", 5], ["10", "B", 7], [
    "10",
    "R",
    6,
  ]]);
  assertEquals(found[1].subset, found[2].subset);
  assertEquals(dataset.columns[0].columns, {
    id: "StarID",
    time: "HJD",
    magnitude: "Mag",
    error: "e_Mag",
    band: "Filter",
  });
});

testIn("MACHO's tables: id and band from the file's name", async (folder) => {
  const table = "#MACHO light curve\n#\n#MJD B_mag B_err\n" +
    Array.from({ length: 8 }, (_, i) => `4883${i}.5  -7.${i}   0.10\n`).join("");
  await Deno.mkdir(`${folder}/macho`);
  for (const name of ["lc_1.3444.614.B.mjd", "lc_1.3444.614.R.mjd"]) {
    await file(folder, `macho/${name}`, table);
  }
  const dataset = await run({ preset: "macho", input: [`${folder}/macho/*.mjd`], output: `${folder}/out` });
  const { rows } = await readDataset(`${folder}/out`);
  assertEquals(rows.map((row) => [row.id, row.band]), [["1.3444.614", "B"], ["1.3444.614", "R"]]);
  assertEquals(dataset.time_system, "MJD");
  assertStringIncludes(dataset.warnings.join("\n"), "magnitudes are outside of -5 to 40");
});

testIn("unusable rows are counted by kind, with file and line; --strict refuses them", async (folder) => {
  const good = lines("a", [10, 11, 10, 11, 10, 11]);
  const input = await file(
    folder,
    "a.csv",
    `# made by hand\n${head}${good}a,7,abc,0.1\n\na,8,12,\n,9,12,0.1\na,10,12,0.1,5\na,x,12,0.1\na,y,12,0.1\n`,
  );
  const dataset = await run({ input: [input], output: `${folder}/out` });
  assertEquals(dataset.observations, 6);
  const found = Object.fromEntries(
    dataset.unusable.map((
      { reason, rows, example },
    ) => [reason, [rows, example.replaceAll(folder + "/", "")]]),
  );
  assertEquals(found, {
    "the time is not a number": [2, 'a.csv: line 14 (id "a", mjd "x", mag "12", err "0.1")'],
    "no error": [1, 'a.csv: line 11 (id "a", mjd "8", mag "12", err empty)'],
    "no id": [1, 'a.csv: line 12 (id empty, mjd "9", mag "12", err "0.1")'],
    "the magnitude is not a number": [1, 'a.csv: line 9 (id "a", mjd "7", mag "abc", err "0.1")'],
    "more fields than columns": [1, 'a.csv: line 13 (id "a", mjd "10", mag "12", err "0.1")'],
  });
  const sentence = await refused(folder, { input: [input], strict: true, output: `${folder}/other` });
  assertStringIncludes(
    sentence,
    'no error: 1 rows, e.g. a.csv: line 11 (id "a", mjd "8", mag "12", err empty)',
  );
});

testIn("a table of blanks reports its lines, too", async (folder) => {
  const input = await file(
    folder,
    "star.dat",
    "# t m e\n1 10 0.1\n 2  11 0.1\n3 10 0.1\n# cloud\n4 11 0.1\n5 ---  0.1\n6 10 0.1\n7 10 0.1 9 9\n8 10\n",
  );
  const dataset = await run({ input: [input], output: `${folder}/out` });
  assertEquals(dataset.observations, 5);
  assertEquals(dataset.unusable.map(({ reason, example }) => [reason, /line \d+/.exec(example)?.[0]]), [
    ["fewer fields than columns", "line 10"],
    ["more fields than columns", "line 9"],
    ["the magnitude is not a number", "line 7"],
  ]);
  assertEquals((await readDataset(`${folder}/out`)).rows[0].id, "star");
});

/** A hundred objects of six observations. */
const hundred = Array.from({ length: 100 }, (_, i) => lines(String(i), [10, 11, 10, 11, 10, 11]));
async function subsetsOf(
  folder: string,
  settings: Parameters<typeof run>[0],
): Promise<Record<string, string>> {
  await run({ output: `${folder}/out`, ...settings });
  return Object.fromEntries((await readDataset(`${folder}/out`)).rows.map((row) => [row.id, row.subset]));
}

testIn("splits meet their fractions, follow the seed, and not the order of rows", async (folder) => {
  const input = await file(folder, "a.csv", head + hundred.join(""));
  const split = await subsetsOf(folder, { input: [input], fractions: [0.7, 0.2, 0.1] });
  const count = (name: string) => Object.values(split).filter((subset) => subset === name).length;
  assertEquals([count("train"), count("validation"), count("test")], [70, 20, 10]);
  const other = await file(folder, "b.csv", head + hundred.toReversed().join(""));
  assertEquals(await subsetsOf(folder, { input: [other], fractions: [0.7, 0.2, 0.1] }), split);
  assertNotEquals(await subsetsOf(folder, { input: [input], fractions: [0.7, 0.2, 0.1], seed: 1 }), split);
});

testIn("duplicates stay on one side, also through a third", async (folder) => {
  const input = await file(folder, "a.csv", head + hundred.join(""));
  const pairs = Array.from({ length: 33 }, (_, i) => [[3 * i, 3 * i + 2], [3 * i + 1, 3 * i + 2]]).flat();
  const duplicates = await file(folder, "d.toml", `[duplicates]\npairs = ${JSON.stringify(pairs)}\n`);
  const split = await subsetsOf(folder, { input: [input], duplicates, fractions: [0.5, 0.3, 0.2] });
  for (const [a, b] of pairs) assertEquals(split[a], split[b]);
  const train = Object.values(split).filter((subset) => subset === "train").length;
  assertTrue(Math.abs(train - 50) <= 2);
  const table = await file(folder, "d.csv", "a,b\n" + pairs.map((pair) => pair.join(",") + "\n").join(""));
  assertEquals(
    await subsetsOf(folder, { input: [input], duplicates: table, fractions: [0.5, 0.3, 0.2] }),
    split,
  );
});

testIn(
  "a split file is followed: holdout, validation carved from train, unlisted objects",
  async (folder) => {
    const input = await file(folder, "a.csv", head + hundred.join(""));
    const rows = Array.from(
      { length: 90 },
      (_, i) => `${i},${i < 20 ? "test" : "pretrain"},${i % 10 === 0}\n`,
    );
    const split_file = await file(folder, "s.csv", "id,subset,held\n" + rows.join(""));
    const settings = { input: [input], split_file, split_holdout_column: "held" };
    assertStringIncludes(
      await refused(folder, settings),
      'the split file does not list 10 of 100 objects, e.g. "90"',
    );
    const split = await subsetsOf(folder, { ...settings, unlisted: "drop", validation_fraction: 0.25 });
    const counts = Object.groupBy(Object.values(split), (subset) => subset);
    assertEquals(
      Object.entries(counts).map(([name, all]) => [name, all!.length]).sort(),
      [["none", 7], ["test", 20], ["train", 47], ["validation", 16]],
    );
    for (let i = 20; i < 90; i += 10) assertEquals(split[i], "none");
    const to = await subsetsOf(folder, { ...settings, unlisted: "test" });
    assertEquals([to[95], to[5]], ["test", "test"]);
    const duplicates = await file(folder, "d.csv", "a,b\n5,25\n");
    assertStringIncludes(
      await refused(folder, { ...settings, unlisted: "test", duplicates, output: `${folder}/other` }),
      'the split file has "25" in train and "5" in test, but they are one object (--duplicates, --object-radius)',
    );
  },
);

testIn("what is wrong is said in one sentence", async (folder) => {
  const good = head + lines("a", [10, 11, 10, 11, 10, 11]);
  const input = [await file(folder, "a.csv", good)];
  const noId = [await file(folder, "c.csv", "when,mjd,mag,err\na,1,2,3\n")];
  const empty = [await file(folder, "d.csv", "")];
  const bad = [await file(folder, "e.parquet", "not parquet at all")];
  const headOnly = [await file(folder, "f.csv", head)];
  const words = [await file(folder, "g.csv", head + "a,x,y,z\n")];
  const labels = await file(folder, "labels.csv", "id,class\nz,EA\n");
  const two = await file(folder, "two.csv", "id,class\na,EA\na,EB\n");
  const subset = await file(folder, "split.csv", "id,subset\na,tset\n");
  const cases: [Parameters<typeof run>[0], string][] = [
    [{ input: [`${folder}/absent.csv`] }, "--input absent.csv: there is no such file or folder"],
    [{ input: [`${folder}/*.absent`] }, "--input *.absent: the pattern matches no file"],
    [{ input, time: "jd" }, 'a.csv has no column "jd" (--time); its columns are id, mjd, mag, err'],
    [
      { input: noId },
      "c.csv: which column is the object's id? Give --id, or --id filename if the file is one light curve; its columns are when, mjd, mag, err",
    ],
    [{ input: empty }, "d.csv is empty"],
    [{ input: headOnly }, "there is no usable observation in f.csv"],
    [
      { input: words },
      'there is no usable observation in g.csv; the time is not a number: 1 rows, e.g. g.csv: line 2 (id "a", mjd "x", mag "y", err "z")',
    ],
    [
      { input, max_error: 0.001 },
      "no light curve is left; light curves after each filter: readable rows: 1, finite, error 0 to 0.001: 0, exact repeats dropped: 0, " +
      "at least 5 observations: 0; are the errors in magnitudes? --min-error and --max-error bound them",
    ],
    [
      { input, labels },
      'labels.csv: none of its ids (e.g. "z") is an id of the observations (e.g. "a"); --labels-id and --id choose the columns',
    ],
    [{ input, labels: two }, 'two.csv: object "a" has two classes, "EA" and "EB"'],
    [
      { input, split_file: subset },
      'split.csv, row 1: "tset" is no subset; right are train, pretrain, validation, val, test and none',
    ],
    [
      { input, fractions: [0.5, 0.6] },
      "--fractions 0.5,0.6: three shares (train, validation, test) that add up to 1 are needed",
    ],
    [
      { input, output: folder },
      `--output ${folder} exists and is not a dataset folder, so it is not replaced: choose another name`,
    ],
  ];
  for (const [settings, sentence] of cases) assertEquals(await refused(folder, settings), sentence);
  assertMatch(
    await refused(folder, { input: bad }),
    /^e\.parquet is no Parquet file, whatever its name: it looks like text /,
  );
});

testIn("a run that fails leaves the older dataset as it was", async (folder) => {
  const input = await file(folder, "a.csv", head + lines("a", [10, 11, 10, 11, 10, 11]));
  const first = await run({ input: [input], output: `${folder}/out` });
  await Deno.writeTextFile(`${folder}/a.csv`, "broken,1,2,3\n", { append: true });
  await refused(folder, { input: [input], min_observations: 10 });
  assertEquals(
    JSON.parse(await Deno.readTextFile(`${folder}/out/dataset.json`)).fingerprint,
    first.fingerprint,
  );
  assertEquals(await namesIn(`${folder}/out`), [
    "dataset.json",
    "metadata.parquet",
    "observations.safetensors",
  ]);
});

testIn("the command takes lists and negative numbers, and exits with 2 on wrong input", async (folder) => {
  const rows = lines("a", [10, 11, 10, 11, 10, 11, 99.999]);
  const input = await file(folder, "a.csv", head + rows + "a,x,10,0.1\n");
  const args = [
    "preprocess",
    "--input",
    input,
    "--output",
    `${folder}/out`,
    "--fractions",
    "1,0,0",
    "--no-trim",
  ];
  const printed: string[] = [], { log, error } = console;
  console.log = console.error = (text: string) => printed.push(text);
  try {
    assertEquals(await main([...args, "--magnitude-range=-5,40", "--threads", "1"]), 0);
    assertEquals(await main([...args, "--strict", "--threads", "1"]), 2);
    assertEquals(await main([...args, "--noise-criteria", "some"]), 2);
  } finally {
    Object.assign(console, { log, error });
  }
  assertEquals((await readDataset(`${folder}/out`)).mag.length, 6);
  assertStringIncludes(printed.join("\n"), "Unusable rows, left out:\n  the time is not a number: 1, e.g. ");
  assertMatch(printed.at(-2)!, /^error: the time is not a number: 1 rows, e\.g\. .*a\.csv: line 9 /);
  assertMatch(printed.at(-1)!, /^error: --noise-criteria cannot be "some"/);
});

testTiny("the command prints what it did, and the dataset does not depend on threads", async (folder) => {
  const args = ["preprocess", "--preset", "reference", "--input", tiny, "--memory-limit", "500MB"];
  const printed: string[] = [], log = console.log;
  console.log = (text: string) => printed.push(text);
  try {
    assertEquals(await main([...args, "--output", `${folder}/one`, "--threads", "1"]), 0);
    assertEquals(await main([...args, "--output", `${folder}/two`, "--threads", "2"]), 0);
  } finally {
    console.log = log;
  }
  assertMatch(printed[0], /at least 5 observations +240 +112,570/);
  assertMatch(printed[0], /Mira +40 +40 +12,979 +12,979/);
  assertMatch(printed[0], /train +192 /);
  const [one, two] = await Promise.all(
    ["one", "two"].map(async (name) => JSON.parse(await Deno.readTextFile(`${folder}/${name}/dataset.json`))),
  );
  assertEquals(one.fingerprint, two.fingerprint);
  assertEquals(one.time_system, "JD");
});

Deno.test("columns are found by their usual names, whatever the case", () => {
  const table = { path: "a.csv", columns: ["ObjectID", "Obs_Time", "PSFMag", "Mag-Err", "x"], named: true };
  assertEquals(
    (["id", "time", "magnitude", "error", "band"] as const).map((role) =>
      findColumn(table, role, undefined, role)
    ),
    [0, 1, 2, 3, undefined],
  );
  assertEquals(findColumn(table, "time", "X", "time"), 4);
  const vizier = { path: "a.csv", columns: ["Source", "HJD", "Vmag", "e_Vmag"], named: true };
  assertEquals(
    (["magnitude", "error"] as const).map((role) => findColumn(vizier, role, undefined, role)),
    [2, 3],
  );
  assertEquals(findColumn(table, "time", "2", "time"), 1);
  const bare = { path: "a.dat", columns: ["1", "2", "3", "4"], named: false };
  const error = assertThrows(() => needColumn(bare, "time", undefined, "time"), InputError);
  assertEquals(
    error.message,
    "a.dat: which column is the time? Give --time; it has 4 columns without names, numbered from 1",
  );
});

testIn("text layouts: delimiters, headers, comments", async (folder) => {
  const looks = async (text: string) => {
    const { delimiter, header, columns, named } = await layoutOf(await file(folder, "x.txt", text));
    return [delimiter, header !== null, columns, named];
  };
  assertEquals(await looks("id,mjd\n1,2\n"), [",", true, ["id", "mjd"], true]);
  assertEquals(await looks("#c\n# mjd mag err\n1 2 3\n"), [null, false, ["mjd", "mag", "err"], true]);
  assertEquals(await looks("1 2  3\n4 5 6 7\n8 9 9\n"), [null, false, ["1", "2", "3"], false]);
  assertEquals(await looks("a,b\n1,2,\n3,4,\n"), [",", true, ["a", "b", "3"], true]);
  assertEquals(await looks("a\tb\n1\t2\n"), ["\t", true, ["a", "b"], true]);
  assertEquals(await looks('"a";"b, c"\n1;2\n'), [";", true, ["a", "b, c"], true]);
});
