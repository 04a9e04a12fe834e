/** Files of surveys as archives hand them out: what is read of them is what an independent reader found in them. */
import { InputError } from "../../src/common/errors.ts";
import {
  assertAlmostEquals,
  assertEquals,
  assertRejects,
  assertStringIncludes,
} from "../../src/common/std.ts";
import type { PreprocessSettings } from "../../src/survey/preprocess.ts";
import { hasShared, sharedPath, testIn } from "../shared.ts";
import { readDataset, run } from "./support.ts";

interface Case {
  /** The folder in ../shared/cases. */
  folder: string;
  /** Files in it; `input` if not given. */
  input?: string[];
  settings?: Partial<PreprocessSettings>;
  /** Light curves and observations, where the folder has no table of what is expected, or that has no numbers. */
  gives?: [number, number];
  /** What the reader called bands. */
  bands?: Record<string, string>;
  /** Parts of the notes, of rows left out, and of unusable ones. */
  says?: string[];
  refuses?: string;
}

const grz = { 1: "g", 2: "r", 3: "i" };
const tape = {
  magnitude: "psFlux",
  error: "psFluxErr",
  time: "midPointTai",
  band: "filterName",
  id: "ps1_objid",
};

const cases: Case[] = [
  { folder: "01-macho-mjd", settings: { preset: "macho" } },
  { folder: "01-macho-mjd", gives: [19, 15_045] },
  { folder: "04-ogle3-lpv-two-bands" },
  {
    folder: "05-ipac-tbl-exoplanet-archive",
    input: ["input/*.tbl*"],
    refuses:
      "OB03235_MOA.tbl.txt: which column is the magnitude? Give --magnitude; its columns are HJD, Relative_Flux",
  },
  {
    folder: "05-ipac-tbl-exoplanet-archive",
    input: ["input/*.tbl*"],
    settings: { skip_unreadable: true },
    gives: [3, 3075],
  },
  { folder: "06-ztf-irsa-csv", says: ["read as ztf"] },
  { folder: "07-ztf-irsa-votable", says: ["17 observations are doubtful (catflags has bit 32768)"] },
  { folder: "07-ztf-irsa-votable", settings: { preset: "ztf" }, gives: [2, 280] },
  {
    folder: "07-ztf-irsa-votable",
    settings: { flag: ["catflags:32768"] },
    gives: [2, 280],
    says: ["flagged (catflags:32768)"],
  },
  { folder: "08-gaia-epoch-votable", input: ["input/gaia_multiband.csv"] },
  { folder: "08-gaia-epoch-votable", input: ["input/gaia_multiband.xml"] },
  { folder: "09-asassn-skypatrol-v2" },
  { folder: "10-atlas-forced-photometry", says: ["m is negative: a flux below 0, not detected: 39"] },
  { folder: "101-kepler-2009-llc-fits", input: ["*.fits"], says: ["no flux (a gap): 13"] },
  { folder: "106-des-snana-fits-gz", input: ["."], gives: [740, 5713], says: ["not detected: 137"] },
  { folder: "113-asassn-skypatrol-csv", input: ["vxmen.csv"], gives: [1, 1065] },
  { folder: "116-ztf-forced-photometry-service", input: ["*.txt"], settings: { max_error: 1e6 } },
  {
    folder: "119-vstar-simple-format",
    input: ["*.tsv"],
    gives: [4, 34_936],
    says: ["a limit (such as <13.4), not detected"],
  },
  { folder: "124-eros2-time-files", input: ["*.time"], says: ["99.999, a mark for no value: 384"] },
  {
    folder: "125-ogle4-dat-folders-by-band",
    input: ["Phot"],
    gives: [38, 8438],
    says: ["the folder is taken for the band"],
  },
  { folder: "136-pantheon-snana-text", input: ["*.txt"], gives: [40, 253], says: ["not detected: 7"] },
  { folder: "145-ztf-dr-list-struct-parquet", input: ["list_struct.parquet"], bands: grz },
  {
    folder: "146-tape-source-parquet-flux",
    input: ["test_source.parquet"],
    settings: tape,
    gives: [24, 2000],
    says: ["32-bit numbers"],
  },
  {
    folder: "146-tape-source-parquet-flux",
    input: ["test_source.parquet"],
    refuses:
      "psFlux, psFluxErr look like fluxes, which are no magnitudes: --flux, --flux-error and --zero-point convert them",
  },
  {
    folder: "147-elasticc-fluxcal-parquet",
    input: ["elasticc_lc_chunk.parquet"],
    settings: { max_error: 1e6 },
    gives: [60, 1124],
  },
  {
    folder: "147-elasticc-fluxcal-parquet",
    input: ["elasticc_lc_chunk.parquet"],
    gives: [57, 723],
    says: ["not detected: 397"],
  },
  { folder: "15-aavso-extended-report", input: ["input/AAVSOreport-20170504.txt"] },
  { folder: "150-asteroids-ztf-list-columns", input: ["*.parquet"], bands: grz },
  { folder: "155-stellarphot-fits-dump", input: ["*.fits"], gives: [41, 3854] },
  { folder: "157-stellarphot-ecsv", input: ["*.ecsv"], gives: [10, 14] },
  { folder: "16-crts-catalina-csv", settings: { labels: "input/labels.csv" } },
  { folder: "17-eros-lists-in-csv-cells" },
  { folder: "20-kepler-fits", input: ["input/kplr*"], gives: [1, 1626] },
  { folder: "20-kepler-fits", input: ["input/6479*"], gives: [1, 1149] },
  { folder: "20-kepler-fits", input: ["input/2.fits"], gives: [1, 3313] },
  { folder: "22-times-as-dates", input: ["input/1.UTC"], gives: [1, 3122] },
  { folder: "26-hats-nested-parquet", says: ["errors are unknown"] },
  { folder: "28-ztf-dr22-list-of-structs" },
  { folder: "31-list-columns-parquet" },
  {
    folder: "32-plasticc-fluxes",
    input: ["input/training_set.csv"],
    settings: { max_error: 1e6 },
    gives: [60, 1865],
    says: ["not detected: 1414"],
  },
  { folder: "37-cosmograil-rdb-wide" },
  { folder: "38-kmtnet-pysis-flux-and-mag" },
  { folder: "46-index-column-and-empty-column" },
  { folder: "46-index-column-and-empty-column", input: ["input/FID807.csv"], gives: [1, 727] },
  // Inputs made after bug reports
  {
    folder: "61-bug-long-and-padded-ids",
    input: ["input/long_ids.csv"],
    settings: { labels: "input/labels.csv" },
    gives: [12, 20_688],
  },
  ...["labels_float.csv", "labels_double.parquet", "labels_padded.csv", "labels_int_class.parquet"].map((
    name,
  ): Case => ({
    folder: "62-bug-labels-with-float-ids",
    input: ["input/photometry.csv"],
    settings: { labels: `input/${name}` },
    gives: [12, 240],
  })),
  ...[
    "bom_crlf.csv",
    "bom_quoted.csv",
    "german.csv",
    "german_tab.txt",
    "utf16.txt",
    "old_mac_cr.csv",
    "sep_line.csv",
  ].map(
    (name): Case => ({ folder: "63-bug-excel-exports", input: [`input/${name}`], gives: [2, 24] }),
  ),
  { folder: "63-bug-excel-exports", input: ["input/latin1.csv"], gives: [1, 12], says: ["Latin-1"] },
  {
    folder: "64-bug-ragged-rows-and-quotes",
    gives: [1, 29],
    says: [
      "fewer fields than columns: 1, e.g. CASE/input/ragged.csv: line 21",
      "a quote is not closed: 1, e.g. CASE/input/ragged.csv: line 27",
    ],
  },
  {
    folder: "65-bug-values-that-change-their-kind-late",
    gives: [2, 25_007],
    says: ["no magnitude: 6, e.g. CASE/input/late.csv: line 25004"],
  },
  { folder: "65-bug-values-that-change-their-kind-late", settings: { strict: true }, refuses: "line 25004" },
  { folder: "66-bug-unordered-and-duplicate-times", gives: [2, 46] },
  ...["nan.csv", "nan.parquet"].map((name): Case => ({
    folder: "67-bug-nan-times-zero-and-infinite-errors",
    input: [`input/${name}`],
    gives: [1, 23],
    says: ["1 observations are at time 0", "the time is beyond 10000000: 1"],
  })),
  {
    folder: "68-bug-mixed-time-zero-points",
    refuses: 'times of "A1" go from 1539.19652 to 2458532.630128, over 6727 years',
  },
  { folder: "69-bug-constant-and-degenerate-light-curves", gives: [7, 383] },
  {
    folder: "70-bug-fluxes-taken-for-magnitudes",
    input: ["input/flux_named.csv"],
    refuses: "look like fluxes",
  },
  {
    folder: "70-bug-fluxes-taken-for-magnitudes",
    input: ["input/flux_named.csv"],
    settings: { magnitude: "flux", error: "flux_err" },
    refuses: "magnitudes of both signs stand in one light curve",
  },
  {
    folder: "70-bug-fluxes-taken-for-magnitudes",
    input: ["input/flux_called_mag.csv"],
    refuses: "magnitudes of both signs stand in one light curve",
  },
  ...["classes", "classes_empty"].map((name): Case => ({
    folder: "77-bug-rare-classes",
    input: ["input/survey.csv"],
    settings: { labels: `input/${name}.csv` },
    gives: [73, 1460],
  })),
  {
    folder: "77-bug-rare-classes",
    input: ["input/survey.csv"],
    settings: { labels: "input/classes_case.csv" },
    gives: [73, 1460],
    says: ['the classes "RRLYR", "rrlyr" differ by case alone'],
  },
  ...["dictionary_ids", "decimal_mags", "timestamp_times", "brotli", "zstd_v2"].map((name): Case => ({
    folder: "81-bug-parquet-oddities",
    input: [`input/${name}.parquet`],
    gives: [3, 45],
  })),
  { folder: "81-bug-parquet-oddities", input: ["input/hive/**/*.parquet"], gives: [3, 45] },
  { folder: "81-bug-parquet-oddities", input: ["input/extreme_ids.parquet"], gives: [6, 45] },
  {
    folder: "81-bug-parquet-oddities",
    input: ["input/empty_rows.parquet"],
    refuses: "there is no usable observation",
  },
  { folder: "81-bug-parquet-oddities", input: ["input/null_mags.parquet"], refuses: "no magnitude: 45 rows" },
  {
    folder: "81-bug-parquet-oddities",
    input: ["input/not_parquet.parquet"],
    refuses: "is no Parquet file, whatever its name: it looks like CSV",
  },
  { folder: "81-bug-parquet-oddities", input: ["input/truncated.parquet"], refuses: "is cut" },
];

for (
  const { folder: name, input = ["input"], settings = {}, gives, bands = {}, says = [], refuses } of cases
) {
  const flags = Object.entries(settings).map(([flag, value]) => ` --${flag} ${value}`).join("");
  const title = `${name} ${input.join(" ")}${flags}`;
  testIn(hasShared ? title : `${title} (skipped: ../shared is absent)`, async (folder) => {
    const place = sharedPath(`cases/${name}`);
    const placed = {
      max_error: 1,
      min_observations: 1,
      ...settings,
      input: input.map((path) => `${place}/${path}`),
      labels: settings.labels && `${place}/${settings.labels}`,
      output: `${folder}/out`,
    };
    if (refuses !== undefined) {
      const { message } = await assertRejects(() => run(placed), InputError);
      return assertStringIncludes(message, refuses);
    }
    const dataset = await run(placed), { rows, mjd, mag } = await readDataset(placed.output);
    const said = [
      ...dataset.warnings,
      ...[...dataset.unusable, ...dataset.filtered].map(({ reason, rows, example }) =>
        `${reason}: ${rows}, e.g. ${example}`
      ),
    ].join("\n").replaceAll(place, "CASE");
    for (const part of says) assertStringIncludes(said, part);
    if (gives) return assertEquals([dataset.light_curves, dataset.observations], gives);
    const [head, ...expected] = (await Deno.readTextFile(`${place}/expected.csv`)).trim().split(/\r?\n/)
      .map((line) => line.split(","));
    const found = new Map(rows.map((row) => [`${row.id} ${bands[row.band!] ?? row.band ?? ""}`, row]));
    assertEquals(found.size, expected.length, "light curves");
    for (const cells of expected) {
      const { id, band, n, ...more } = Object.fromEntries(head.map((name, i) => [name, cells[i]]));
      const row = found.get(`${id} ${band}`);
      assertEquals(row?.length, Number(n), `observations of ${id} ${band}`);
      if (more.first_time === undefined) continue;
      assertAlmostEquals(mjd[Number(row!.offset)], Number(more.first_time), 1e-5);
      assertAlmostEquals(row!.last_mjd, Number(more.last_time), 1e-5);
      assertAlmostEquals(row!.mean_magnitude, Number(more.mean_mag), 2e-4);
      const mean = mag.slice(Number(row!.offset), Number(row!.offset) + row!.length).reduce((a, b) => a + b) /
        row!.length;
      assertAlmostEquals(mean, Number(more.mean_mag), 2e-4);
    }
  }, !hasShared);
}
