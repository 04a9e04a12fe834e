/** Situations from other tools' bug reports: each is read right, or refused with the sentence that helps. */
import { InputError } from "../../src/common/errors.ts";
import { assertEquals, assertRejects, assertStringIncludes, assertTrue } from "../../src/common/std.ts";
import type { DatasetDescription, PreprocessSettings } from "../../src/survey/preprocess.ts";
import { gzip, readDataset, run } from "./support.ts";
import { testIn } from "../shared.ts";

const bugs = new URL("../../../shared/cases/bugs", import.meta.url).pathname;
let there = true;
try {
  Deno.statSync(bugs);
} catch {
  there = false;
}

/** A light curve as lines: id, time, magnitude, error. */
function lines(id: string, count = 6, sign = ",", shift = 0): string {
  return Array.from(
    { length: count },
    (_, i) => [id, 58_000 + i, 15 + shift + i % 3 / 10, 0.01].join(sign) + "\n",
  )
    .join("");
}
const head = "id,mjd,mag,err\n";

interface Case {
  name: string;
  /** Settings; a path that begins with "bugs/" lies in ../shared, another in a folder of files that are made here. */
  settings: Partial<PreprocessSettings>;
  files?: Record<string, string>;
  /** Light curves and observations. */
  gives?: [number, number];
  ids?: string[];
  /** A part of a note or of an unusable row's reason. */
  says?: string[];
  refuses?: string;
  check?: (dataset: DatasetDescription, folder: string) => void | Promise<void>;
}

const six = ["a", "b", "c", "d", "e", "f"];
const survey = head + six.map((id, i) => lines(id, 6, ",", i)).join("");

const cases: Case[] = [
  // 03: ids through floating point
  {
    name: "03 whole ids of 19 digits",
    settings: {
      input: ["bugs/03-float-ids-in-one-part/part-0.parquet", "bugs/03-float-ids-in-one-part/part-1.parquet"],
    },
    gives: [4, 120],
  },
  {
    name: "03 one part has ids as floats",
    settings: { input: ["bugs/03-float-ids-in-one-part/bad"] },
    refuses: "bad/part-1.parquet, column source_id: the ids are floating-point numbers",
  },
  {
    name: "03 all ids are floats",
    settings: { input: ["bugs/03-float-ids-in-one-part/float"] },
    refuses: "column source_id: the ids are floating-point numbers",
  },
  {
    name: "03 text that was a float",
    files: { "a.csv": head + lines("5.853498713190526e+18") },
    settings: { input: ["a.csv"] },
    refuses: "the ids are floating-point numbers (e.g. 5.853498713190526e+18)",
  },
  {
    name: "03 labels with ids as floats",
    files: { "a.csv": head + lines("5853498713190525697"), "l.csv": "id,class\n5.853498713190526e+18,A\n" },
    settings: { input: ["a.csv"], labels: "l.csv" },
    refuses: "l.csv: the ids are floating-point numbers",
  },
  {
    name: "03 whole ids of labels with a decimal point",
    files: {
      "a.csv": head + lines("20010") + lines("20011"),
      "l.csv": "id,class\n20010.0,1.0\n20011.0,2.0\n",
    },
    settings: { input: ["a.csv"], labels: "l.csv" },
    gives: [2, 12],
    check: ({ classes }) => assertEquals(Object.keys(classes), ["1", "2"]),
  },
  {
    name: "03 duplicates of 19 digits in TOML",
    files: {
      "a.csv": head +
        Array.from({ length: 20 }, (_, i) => lines(`58534987131905256${10 + i}`, 6, ",", i)).join(""),
      "d.toml": `[duplicates]\npairs = [${
        Array.from({ length: 19 }, (_, i) => `[58534987131905256${10 + i}, 58534987131905256${11 + i}]`).join(
          ",\n",
        )
      }]\n`,
    },
    settings: { input: ["a.csv"], duplicates: "d.toml" },
    check: ({ subsets }) => assertEquals(Object.keys(subsets), ["train"], "all twenty are one object"),
  },
  {
    name: "03 duplicates that name nobody are said",
    files: { "a.csv": survey, "d.csv": "one,other\na,b\nx,y\n" },
    settings: { input: ["a.csv"], duplicates: "d.csv" },
    says: ["1 of 2 pairs of "],
  },
  // 04: folders named like columns
  {
    name: "04 a folder mag=15 beside a column mag",
    settings: { input: ["bugs/04-folder-named-like-a-column/grid/**/*.parquet"] },
    gives: [12, 360],
    check: async (_, folder) => {
      for (const { std_magnitude: std } of (await readDataset(folder)).rows) {
        assertTrue(std > 0.1 && std < 0.3);
      }
    },
  },
  {
    name: "04 folders give class and band where no column does",
    files: { "class=RRL/band=g/a.csv": head + lines("a"), "class=EB/band=r/b.csv": head + lines("b") },
    settings: { input: ["."] },
    gives: [2, 12],
    says: ["the band is taken from the folder band=", "the class is taken from the folder class="],
    check: ({ classes }) => assertEquals(Object.keys(classes), ["EB", "RRL"]),
  },
  {
    name: "04 labels under class=ZZ keep their own classes",
    files: { "a.csv": survey, "class=ZZ/l.csv": "id,class\na,A\nb,B\n" },
    settings: { input: ["a.csv"], labels: "class=ZZ/l.csv" },
    check: ({ classes }) => assertEquals(Object.keys(classes), ["A", "B", "(none)"]),
  },
  // 05: # within a line
  ...["no-comment", "survey", "id-first"].map((name): Case => ({
    name: `05 ${name}`,
    settings: { input: [`bugs/05-hash-in-an-id/${name}.csv`] },
    gives: [6, 180],
    ids: ["M5 #21", "M5 #22", "M5 #23", "M5 #24", "M5 #25", "M5 #26"],
  })),
  {
    name: "05 classes with # in labels",
    files: { "a.csv": survey, "l.csv": "# by hand\nid,class\na,RR#0\nb,RR#1\n" },
    settings: { input: ["a.csv"], labels: "l.csv" },
    check: ({ classes }) => assertEquals(Object.keys(classes), ["RR#0", "RR#1", "(none)"]),
  },
  {
    name: "06 a line break in quotes",
    settings: { input: ["bugs/06-line-break-in-a-remark/survey.csv"] },
    gives: [6, 180],
  },
  {
    name: "06 a line break in quotes under a comment",
    files: { "a.csv": "# c\nid,mjd,mag,err,note\n" + lines("a").replaceAll("\n", ',"two\nlines"\n') },
    settings: { input: ["a.csv"] },
    gives: [1, 6],
  },
  {
    name: "06 a quote that is not closed takes no other row with it",
    files: {
      "a.csv": "id,mjd,mag,err,note\n" +
        lines("a", 9).replaceAll("\n", ",ok\n").replace(",ok", ',5" tube').replace(",ok", ',"cut'),
    },
    settings: { input: ["a.csv"] },
    gives: [1, 8],
    says: ["a quote is not closed", "line 3 "],
  },
  {
    name: "07 mixed line ends",
    settings: { input: ["bugs/07-mixed-line-ends/survey.csv"] },
    gives: [6, 180],
  },
  {
    name: "08 hidden files in a folder",
    settings: { input: ["bugs/08-appledouble-files/lcs"], id: "filename" },
    gives: [6, 180],
    says: ["7 hidden files"],
  },
  {
    name: "08 hidden files and folders of a pattern",
    files: {
      "x/a.csv": head + lines("a"),
      "x/.ipynb_checkpoints/a-checkpoint.csv": head + lines("a"),
      "x/._a.csv": "\0\0",
    },
    settings: { input: ["x/**"] },
    gives: [1, 6],
  },
  // 09: names that become alike
  {
    name: "09 one name in folders of two bands",
    settings: { input: ["bugs/09-same-name-in-two-folders/lcs/*/*.csv"], id: "filename" },
    gives: [10, 300],
    says: ["the folder is taken for the band"],
  },
  {
    name: "09 a column called filename",
    settings: { input: ["bugs/09-same-name-in-two-folders/one-table.csv"], id: "filename" },
    gives: [6, 180],
  },
  {
    name: "09 one name in two fields",
    files: { "field1/7.dat": lines("", 6, " "), "field2/7.dat": lines("", 6, " ") },
    settings: { input: ["."] },
    refuses: 'would be one light curve "7" by their names: --band folder takes the folder for the band',
  },
  {
    name: "09 star1.csv and star1.dat",
    files: { "star1.csv": "mjd,mag,err\n1,2,3\n", "star1.dat": "mjd mag err\n1 2 3\n" },
    settings: { input: ["."] },
    refuses: 'would be one light curve "star1"',
  },
  {
    name: "09 a pattern that looks at the name alone",
    files: { "field1/7.dat": lines("", 6, " "), "field2/7.dat": lines("", 6, " ") },
    settings: { input: ["."], file_name: "(?<id>\\d+)" },
    refuses: "--file-name with a / in its pattern looks at the whole path",
  },
  {
    name: "09 a pattern that looks at the path",
    files: { "field1/7.dat": lines("", 6, " "), "field2/7.dat": lines("", 6, " ") },
    settings: { input: ["."], file_name: "(?<id>field\\d/\\d+)" },
    ids: ["field1/7", "field2/7"],
  },
  ...["bgzip", "padded", "not-gzipped"].map((name): Case => ({
    name: `10 ${name}`,
    settings: { input: [`bugs/10-gzip-members/${name}.csv.gz`] },
    gives: [6, 180],
  })),
  // 11: columns that are not what they are called
  {
    name: "11 ATLAS's err is a flag",
    settings: { input: ["bugs/11-atlas-err-is-a-flag/atlas*.txt"], id: "filename" },
    check: ({ columns, light_curves }) => {
      assertEquals([columns[0].columns.error, columns[0].columns.band], ["dm", "F"]);
      assertEquals(light_curves, 8);
    },
  },
  {
    name: "11 all errors are 0",
    files: { "a.csv": survey.replaceAll(",0.01", ",0") },
    settings: { input: ["a.csv"] },
    refuses: "all errors in column err are 0: it may be a flag",
  },
  {
    name: "11 all errors are 0, and meant",
    files: { "a.csv": survey.replaceAll(",0.01", ",0") },
    settings: { input: ["a.csv"], error: "err" },
    gives: [6, 36],
  },
  // 12: rows with too few fields
  {
    name: "12 a blank cell in a table of blanks",
    settings: { input: ["bugs/12-blank-cell-shifts-the-row/survey.dat"] },
    gives: [6, 150],
    says: ["fewer fields than columns", "survey.dat: line 2 "],
  },
  {
    name: "12 strict refuses it",
    settings: { input: ["bugs/12-blank-cell-shifts-the-row/survey.dat"], strict: true },
    refuses: "fewer fields than columns: 30 rows, e.g.",
  },
  {
    name: "12 strict refuses short rows of CSV",
    files: { "a.csv": survey + "a,58100,15\na,58101\n" },
    settings: { input: ["a.csv"], strict: true },
    refuses: "fewer fields than columns: 2 rows, e.g.",
  },
  {
    name: "12 a blank class takes no word from beside it",
    files: { "a.csv": survey, "l.dat": "id class period\na RRL 0.5\nb     0.6\nc EB  0.7\n" },
    settings: { input: ["a.csv"], labels: "l.dat" },
    says: ["--labels: fewer fields than columns", "line 3"],
    check: ({ classes }) => assertEquals(Object.keys(classes), ["EB", "RRL", "(none)"]),
  },
  {
    name: "12 a class of two words is no class of one",
    files: { "a.csv": survey, "l.dat": "id class\na RR Lyr\nb EB\nc EB\n" },
    settings: { input: ["a.csv"], labels: "l.dat", strict: true },
    refuses: "--labels: more fields than columns: 1 rows, e.g.",
  },
  {
    name: "12 short rows of a split file",
    files: { "a.csv": survey, "s.csv": "id,subset,fold\na,train,1\nb,test\n" },
    settings: { input: ["a.csv"], split_file: "s.csv", strict: true, unlisted: "train" },
    refuses: "--split-file: fewer fields than columns: 1 rows, e.g.",
  },
  // 15: R's row names
  ...["txt", "csv"].map((ending): Case => ({
    name: `15 row names in ${ending}`,
    settings: { input: [`bugs/15-r-row-names/survey.${ending}`] },
    gives: [6, 180],
    ids: ["1000", "1001", "1002", "1003", "1004", "1005"],
    says: ["taken for row names, as R writes them"],
  })),
  {
    name: "15 labels whose header lacks a name",
    files: { "a.csv": survey, "l.dat": "id class\na RRL x\nb EB y\n" },
    settings: { input: ["a.csv"], labels: "l.dat" },
    refuses: "l.dat: its header has 2 names and its rows have 3 fields: which name is missing?",
  },
  {
    name: "18 a Git LFS pointer",
    settings: { input: ["bugs/18-lfs-pointer/model/model.safetensors"] },
    refuses: 'is a Git LFS pointer, not the data: fetch the file with "git lfs pull"',
  },
  {
    name: "18 a Git LFS pointer that is called Parquet",
    files: { "a.parquet": "version https://git-lfs.github.com/spec/v1\noid sha256:ab\nsize 7\n" },
    settings: { input: ["a.parquet"] },
    refuses: "is a Git LFS pointer",
  },
  // 25, 27: classes that look like something else
  ...["classes.csv", "quoted.csv", "classes.parquet"].map((name): Case => ({
    name: `25 classes called NA and None in ${name}`,
    settings: { input: ["bugs/25-class-called-NA/survey.csv"], labels: `bugs/25-class-called-NA/${name}` },
    gives: [30, 900],
    check: ({ classes }) => assertEquals(Object.keys(classes), ["NA", "None", "RRL"]),
  })),
  {
    name: "25 an object called NA",
    files: { "a.csv": head + lines("NA") + lines("null") + "x,58000,NA,0.1\n" },
    settings: { input: ["a.csv"] },
    ids: ["NA", "null"],
    says: ["no magnitude"],
  },
  ...["classes.csv", "classes-float.parquet"].map((name): Case => ({
    name: `27 classes that are numbers in ${name}`,
    settings: {
      input: ["bugs/27-classes-that-are-numbers/survey.csv"],
      labels: `bugs/27-classes-that-are-numbers/${name}`,
    },
    gives: [100, 3000],
    check: async ({ classes }, folder) => {
      assertEquals(Object.keys(classes).sort(), ["10", "2", "6", "67", "90"]);
      const { rows } = await readDataset(folder);
      assertEquals(rows.filter(({ id }) => id === "s0" || id === "s2").map((row) => row.class), ["90", "6"]);
    },
  })),
  // new: names that are patterns
  {
    name: "new: lc[1].csv beside lc1.csv",
    files: {
      "lc[1].csv": "mjd,mag,err\n" + lines("", 6).replaceAll(/^,/gm, ""),
      "lc1.csv": "mjd,mag,err\n" + lines("", 7, ",", 1).replaceAll(/^,/gm, ""),
    },
    settings: { input: ["."] },
    gives: [2, 13],
    ids: ["lc1", "lc[1]"],
  },
  {
    name: "new: labels[1].csv beside labels1.csv",
    files: { "a.csv": survey, "l[1].csv": "id,class\na,right\n", "l1.csv": "id,class\na,wrong\n" },
    settings: { input: ["a.csv"], labels: "l[1].csv" },
    check: ({ classes }) => assertEquals(Object.keys(classes), ["right", "(none)"]),
  },
  // 24: copies
  {
    name: "24 copies on two sides of the split",
    files: { "a.csv": head + Array.from({ length: 30 }, (_, i) => lines(`s${i}`)).join("") },
    settings: { input: ["a.csv"] },
    gives: [30, 180],
    says: [
      "30 light curves are copies of another (up to 30 of one)",
      "stand on more than one side of the split",
    ],
  },
];

for (const { name, settings, files = {}, gives, ids, says = [], refuses, check } of cases) {
  const shared = JSON.stringify(settings).includes('"bugs/');
  testIn(shared && !there ? `${name} (skipped: ../shared is absent)` : name, async (folder) => {
    for (const [path, text] of Object.entries(files)) {
      await Deno.mkdir(`${folder}/in/${path}`.replace(/\/[^/]*$/, ""), { recursive: true });
      if (path.endsWith(".gz")) await gzip(`${folder}/in/${path}`, text);
      else await Deno.writeTextFile(`${folder}/in/${path}`, text);
    }
    const at = (path: string) => path.startsWith("bugs/") ? bugs + path.slice(4) : `${folder}/in/${path}`;
    const { input, labels, split_file, duplicates } = settings;
    const placed = {
      ...settings,
      input: input!.map(at),
      labels: labels && at(labels),
      split_file: split_file && at(split_file),
      duplicates: duplicates && at(duplicates),
      output: `${folder}/out`,
    };
    if (refuses !== undefined) {
      const { message } = await assertRejects(() => run(placed), InputError);
      return assertStringIncludes(message, refuses);
    }
    const dataset = await run(placed);
    if (gives) assertEquals([dataset.light_curves, dataset.observations], gives);
    if (ids) assertEquals((await readDataset(placed.output)).rows.map((row) => row.id), ids);
    const said = [
      ...dataset.warnings,
      ...dataset.unusable.map(({ reason, example }) => `${reason}, e.g. ${example}`),
    ].join("\n");
    for (const part of says) assertStringIncludes(said, part);
    await check?.(dataset, placed.output);
  }, shared && !there);
}
