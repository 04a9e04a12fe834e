/** The command reconstruct, end to end. */
import { Astromer } from "../../src/library/astromer.ts";
import { ReconstructionMetrics } from "../../src/evaluate/metrics.ts";
import { assertEquals, assertStringIncludes, assertTrue, parseCsv } from "../../src/common/std.ts";
import { largestDifference, testIn } from "../shared.ts";
import { namesIn } from "../survey/support.ts";
import { periodicDataset } from "./periodic_survey.ts";
import { cli, run, succeed } from "./support.ts";

type Row = Record<"window" | "mjd" | "magnitude" | "error" | "role" | "predicted", string>;

testIn("hidden observations, their predictions and their errors", async (folder) => {
  const { data, model } = await periodicDataset(folder);
  const settings = ["--model", model, "--data", data, "--precision", "float32"];
  const files = ["--output", `${folder}/out.svg`, "--csv", `${folder}/out.csv`];
  const { stdout } = await succeed("reconstruct", ...settings, "--id", "long", "--period", "7.3", ...files);

  const rows = parseCsv(await Deno.readTextFile(`${folder}/out.csv`), { skipFirstRow: true }) as Row[];
  const metrics = new ReconstructionMetrics();
  for (const window of ["0", "1"]) {
    const own = rows.filter((row) => row.window === window),
      hidden = own.filter(({ role }) => role === "hidden");
    assertEquals([own.length, hidden.length], [200, 60]);
    metrics.add(hidden.map(({ predicted }) => +predicted), hidden.map(({ magnitude }) => +magnitude));
  }
  const { rmse, r2 } = metrics;
  assertTrue(
    new RegExp(`hidden observations +2 +${rmse.toFixed(4)} .* ${r2.toFixed(3)}\n`).test(stdout),
    stdout,
  );
  const svg = await Deno.readTextFile(`${folder}/out.svg`);
  for (const text of ["long, V band", "window 1", "60 hidden", "phase", "magnitude (mag)"]) {
    assertStringIncludes(svg, text);
  }

  // The library agrees with the command.
  using loaded = await Astromer.load(model);
  const first = rows.slice(0, 200), number = (name: keyof Row) => first.map((row) => +row[name]);
  const [{ predicted }] = loaded.reconstruct(
    [{ mjd: number("mjd"), magnitude: number("magnitude") }],
    () => [...first.keys()].filter((i) => first[i].role === "hidden"),
  );
  assertTrue(largestDifference(predicted, number("predicted")) < 1e-4);
});

testIn("one window in plain sight, into a file named after the object", async (folder) => {
  const { data, model } = await periodicDataset(folder);
  const { code, stderr } = await new Deno.Command(Deno.execPath(), {
    args: [
      ...["run", "-A", cli, "reconstruct", "--model", model, "--data", data, "--id", "two bands"],
      ...["--band", "g", "--window", "0", "--masked-fraction", "0"],
    ],
    cwd: folder,
  }).output();
  assertEquals(code, 0, new TextDecoder().decode(stderr));
  assertEquals(await namesIn(folder), ["data", "model", "reconstruction-two_bands-g.svg", "survey.csv"]);
  const svg = await Deno.readTextFile(`${folder}/reconstruction-two_bands-g.svg`);
  assertStringIncludes(svg, "mag of 20 seen");
});

testIn("wrong use is a sentence, exit code 2, and nothing is written", async (folder) => {
  const { data, model } = await periodicDataset(folder);
  const rows: [string[], string][] = [
    [["--id", "lonk"], `--id lonk: ${data} has no such light curve; the closest ids are long`],
    [["--id", "two bands"], "in the bands g, r: choose one with --band"],
    [["--id", "long", "--window", "2"], "--window 2: long has windows 0 to 1"],
    [
      ["--id", "two bands", "--band", "r", "--masked-fraction", "0.98"],
      "hides all 20 observations of a window",
    ],
    [["--id", "long", "--output", "x.png"], "x.png: figures are written as .svg"],
    [["--id", "long", "--csv", "x.txt"], "a path that ends in .csv is needed"],
  ];
  for (const [args, sentence] of rows) {
    const { code, stderr } = await run("reconstruct", "--model", model, "--data", data, ...args);
    assertEquals(code, 2, stderr);
    assertStringIncludes(stderr, sentence);
  }
  assertEquals(await namesIn(folder), ["data", "model", "survey.csv"]);
});
