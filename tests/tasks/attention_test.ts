/** The command attention, end to end. */
import { Astromer } from "../../src/library/astromer.ts";
import {
  assertAlmostEquals,
  assertEquals,
  assertStringIncludes,
  assertTrue,
  parseCsv,
} from "../../src/common/std.ts";
import { largestDifference, testIn } from "../shared.ts";
import { namesIn } from "../survey/support.ts";
import { periodicDataset } from "./periodic_survey.ts";
import { run, succeed } from "./support.ts";

testIn("the attention received, folded on the best period", async (folder) => {
  const { data, model } = await periodicDataset(folder);
  const settings = ["--model", model, "--data", data, "--precision", "float32", "--id", "long"];
  const files = ["--output", `${folder}/out.svg`, "--csv", `${folder}/out.csv`];
  const { stdout } = await succeed("attention", ...settings, "--window", "1", "--block", "2", ...files);
  const [, period, power] = /period ([\d.]+) days \(Lomb-Scargle, power ([\d.]+)\)/.exec(stdout)!;
  assertAlmostEquals(Number(period), 7.3, 0.01);
  assertTrue(Number(power) > 0.9);

  const rows = parseCsv(await Deno.readTextFile(`${folder}/out.csv`), { skipFirstRow: true });
  const numbers = (name: string) => rows.map((row) => Number(row[name]));
  const heads = ["head_1", "head_2", "head_3", "head_4"];
  assertEquals(Object.keys(rows[0]), ["mjd", "magnitude", "error", "phase", ...heads, "mean"]);
  assertEquals(rows.length, 200);
  assertTrue(numbers("phase").every((phase) => phase >= 0 && phase < 1));

  // The library agrees with the command.
  using loaded = await Astromer.load(model);
  const [{ weights }] = loaded.attention({ mjd: numbers("mjd"), magnitude: numbers("magnitude") }, {
    block: 2,
  });
  for (const [head, name] of heads.entries()) {
    const received = Array.from({ length: 200 }, (_, key) => {
      let sum = 0;
      for (let query = 0; query < 200; query++) sum += weights[(head * 200 + query) * 200 + key];
      return sum;
    });
    assertTrue(largestDifference(received, numbers(name)) < 1e-4);
    assertAlmostEquals(numbers(name).reduce((sum, value) => sum + value), 200, 0.01);
  }
  const svg = await Deno.readTextFile(`${folder}/out.svg`);
  for (const text of ["long, V band", "block 2; window 1", "head 4", "mean over heads", "phase"]) {
    assertStringIncludes(svg, text);
  }
});

testIn("the attention of one query", async (folder) => {
  const { data, model } = await periodicDataset(folder);
  const settings = ["--model", model, "--data", data, "--precision", "float32", "--id", "long"];
  const table = async (...query: string[]) => {
    const files = ["--output", `${folder}/out.svg`, "--csv", `${folder}/out.csv`];
    const { stdout } = await succeed("attention", ...settings, "--period", "7.3", ...query, ...files);
    return { stdout, rows: parseCsv(await Deno.readTextFile(`${folder}/out.csv`), { skipFirstRow: true }) };
  };
  const faintest = await table("--query", "faintest");
  const magnitudes = faintest.rows.map(({ magnitude }) => Number(magnitude));
  const place = magnitudes.indexOf(Math.max(...magnitudes));
  assertStringIncludes(faintest.stdout, `query: observation ${place}, the faintest\n`);
  assertEquals(await table("--query", String(place)).then(({ rows }) => rows), faintest.rows);

  using loaded = await Astromer.load(model);
  const mjd = faintest.rows.map((row) => Number(row.mjd));
  const [{ weights }] = loaded.attention({ mjd, magnitude: magnitudes }, { block: 1 });
  const given = Array.from(
    weights.subarray((3 * 200 + place) * 200, (3 * 200 + place + 1) * 200),
    (w) => w * 200,
  );
  assertTrue(largestDifference(given, faintest.rows.map((row) => Number(row.head_4))) < 1e-4);
  assertTrue(Math.max(...given) - Math.min(...given) > 1e-3, "weights differ, so that a wrong one is seen");

  const brightest = await table("--query", "brightest");
  assertStringIncludes(
    brightest.stdout,
    `query: observation ${magnitudes.indexOf(Math.min(...magnitudes))}, the`,
  );
});

testIn("a given period is used; wrong use is a sentence", async (folder) => {
  const { data, model } = await periodicDataset(folder);
  const settings = ["attention", "--model", model, "--data", data, "--output", `${folder}/out.svg`];
  const { stdout } = await succeed(...settings, "--id", "constant", "--period", "3.5");
  assertStringIncludes(stdout, "period 3.5 days (as given)");
  assertEquals(await namesIn(folder), ["data", "model", "out.svg", "survey.csv"]);
  const rows: [string[], string][] = [
    [["--id", "constant"], "constant does not vary, so it has no period: give one with --period"],
    [["--id", "two bands"], "in the bands g, r: choose one with --band"],
    [["--id", "long", "--block", "3"], `--block 3: ${model} has blocks 1 to 2`],
    [["--id", "long", "--window", "2"], "--window 2: long has windows 0 to 1"],
    [["--id", "long", "--query", "200"], "--query 200: the window has observations 0 to 199"],
    [
      ["--id", "long", "--query", "middle"],
      '--query cannot be "middle": brightest|faintest|number is needed',
    ],
  ];
  for (const [args, sentence] of rows) {
    const { code, stderr } = await run(...settings, ...args);
    assertEquals(code, 2, stderr);
    assertStringIncludes(stderr, sentence);
  }
});
