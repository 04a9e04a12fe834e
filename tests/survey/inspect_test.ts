/** Inspecting survey files: it says what preprocess does, and leaves nothing behind. */
import { InputError } from "../../src/common/errors.ts";
import { assertEquals, assertRejects, assertStringIncludes } from "../../src/common/std.ts";
import { inspect, sparklineOf } from "../../src/survey/inspect.ts";
import task from "../../tasks/inspect.ts";
import { hasShared, sharedPath, testIn } from "../shared.ts";
import { run as command } from "../tasks/support.ts";
import { namesIn, run } from "./support.ts";

function inspected(settings: Record<string, unknown>): Promise<string> {
  const { files, ...rest } = task.settings.parse({ threads: 1, memory_limit: "500MB", ...settings });
  return inspect(rest, files);
}

const leftovers = async () => (await namesIn("/tmp")).filter((name) => name.startsWith("astromer-inspect-"));

interface Inspected {
  files: string;
  settings?: Record<string, unknown>;
  says: string[];
  /** What the dataset then says of its times. */
  times: [format: string | null, scale: string | null];
}

const surveys: Inspected[] = [
  {
    files: "28-ztf-dr22-list-of-structs/input/list_struct.parquet",
    says: [
      "  format   nested Parquet\n",
      "  survey   ztf-hats, ",
      "recognised by its columns\n",
      "  times    mjd, scale UTC (known of ztf-hats)\n",
      "  magnitude       mag        known of ztf-hats\n",
      "  not read: objra, objdec, _healpix_29, clrcoeff, catflags\n",
      '"1447212400010480", band 2: 14 observations, 14 stay\n',
      "  58761.424850    20.9289  0.2264\n",
    ],
    times: ["mjd", "UTC"],
  },
  {
    files: "20-kepler-fits/input/6479535620075955328_llc.fits",
    settings: { keep: ["Gaia-ID"] },
    says: [
      "  format   FITS\n",
      "  times    bjd, scale TDB (the file's header says so (TIMESYS))\n",
      "the file's name\n",
    ],
    times: ["bjd", "TDB"],
  },
  {
    files: "10-atlas-forced-photometry/input",
    says: ["m is negative: a flux below 0, not detected: 39", "  survey   atlas, ", "finite, error 0 to 1"],
    times: ["mjd", "UTC"],
  },
  {
    files: "46-index-column-and-empty-column/input/FID807.csv",
    settings: { time_scale: "TAI" },
    says: ["a usual name", "scale TAI (--time-scale says so)"],
    times: ["mjd", "TAI"],
  },
];

for (const { files, settings = {}, says, times } of surveys) {
  const title = `inspect says of ${files} what preprocess does`;
  testIn(hasShared ? title : `${title} (skipped: ../shared is absent)`, async (folder) => {
    const given = { input: [sharedPath(`cases/${files}`)], ...settings };
    const text = await inspected(given);
    for (const part of says) assertStringIncludes(text, part);
    const dataset = await run({ ...given, output: `${folder}/out` } as Parameters<typeof run>[0]);
    for (const { name, light_curves, observations } of dataset.stages) {
      const numbers = `${light_curves.toLocaleString("en")}\\s+${observations.toLocaleString("en")}`;
      const line = text.split("\n").find((line) => line.startsWith(name))!;
      assertEquals(new RegExp(`${numbers}$`).test(line), true, line);
    }
    const { warnings, unusable, filtered } = dataset;
    for (const line of warnings.filter((line) => !line.includes("copies of another"))) {
      assertStringIncludes(text, line);
    }
    for (const { reason } of [...unusable, ...filtered]) assertStringIncludes(text, `${reason}: `);
    for (const column of Object.values(dataset.columns[0].columns)) assertStringIncludes(text, column);
    assertEquals([dataset.time_format, dataset.time_scale], times);
    assertEquals(await leftovers(), []);
  }, !hasShared);
}

testIn(
  "of many files some are read; odd text is, without a file left; wrong input is a sentence",
  async (folder) => {
    const rows = Array.from({ length: 6 }, (_, k) => `${58000 + k} 15.${k} 0.1`);
    for (let i = 0; i < 9; i++) {
      await Deno.writeTextFile(
        `${folder}/star${i}.dat`,
        rows.join("\r\n") + "\n#x\r",
      );
    }
    const { code, stdout, stderr } = await command("inspect", "--input", folder, "--files", "3");
    assertEquals(code, 0, stderr);
    assertStringIncludes(stdout, "9 files, 0.00");
    assertStringIncludes(stdout, " MB; 3 of them are read here (--files)");
    assertStringIncludes(stdout, "its place among three columns without names");
    assertStringIncludes(stdout, '"star3": 6 observations, 6 stay');
    assertStringIncludes(stdout, "█▇▅▄▂▁  15.00 to 15.50 mag, 5.0 days");
    assertEquals(await namesIn(folder), Array.from({ length: 9 }, (_, i) => `star${i}.dat`));
    await Deno.writeTextFile(`${folder}/a.csv`, "id,when,mag\n1,2,3\n");
    const { message } = await assertRejects(() => inspected({ input: [`${folder}/a.csv`] }), InputError);
    assertStringIncludes(message, "which column is the time?");
    assertEquals(await leftovers(), []);
  },
);

Deno.test("a sparkline has the bright above, gaps, and one height where nothing varies", () => {
  const at = (time: number, mag: number) => ({ time, mag });
  assertEquals(sparklineOf([at(0, 12), at(1, 10), at(3, 11)]), "▁█▅  10.00 to 12.00 mag, 3.0 days");
  assertEquals(sparklineOf([at(0, 12), at(0, 12)]), "▄   12.00 to 12.00 mag, 0.0 days");
});
