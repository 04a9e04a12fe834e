/**
 * Faults and bad input, each met with the real command under the permissions of its task: the exact sentence, the
 * exit code.
 * Nothing may crash, hang, print a stack trace, or leave a part of an output behind.
 */
import { libtorch } from "../ffi/library.ts";
import { Astromer } from "../src/library/astromer.ts";
import { Classifier } from "../src/library/classifier.ts";
import { assertEquals } from "../src/common/std.ts";
import { sinusoids } from "./data/support.ts";
import { testIn } from "./shared.ts";
import { run as preprocessed } from "./survey/support.ts";
import { permissionsOf } from "./tasks/permissions.ts";
import { cli } from "./tasks/support.ts";

/** What every row may use. */
interface Good {
  /** A folder of the row's own. */
  own: string;
  /** A survey of 24 objects in two classes, its dataset, an untrained model, a classifier on it. */
  survey: string;
  data: string;
  model: string;
  classifier: string;
}

interface Fault {
  name: string;
  /** Makes what is wrong, and says which command line meets it. */
  given(good: Good): string[] | Promise<string[]>;
  code: 0 | 1 | 2;
  /**
   * Standard error after "error: ", whole (a pattern where numbers depend on the processor); of a command that
   * succeeds, a
   * part of what it says.
   */
  says: string | RegExp;
  environment?: (good: Good) => Record<string, string>;
  /** Shell that runs before the command in its process, or replaces it. */
  shell?: (good: Good) => string;
  /** Done after the first epoch of training. */
  meanwhile?: (good: Good) => Promise<void>;
  /** Why it cannot be tried here. */
  skip?: string;
}

const curves = sinusoids(Array(24).fill(20));
const head = "id,mjd,mag,err,class";

/** The fields of an observation. */
type Fields = [id: string, mjd: string, mag: string, err: string, name: string];

/** The survey as CSV, each observation changed. */
function surveyOf(
  change: (fields: Fields, i: number, k: number) => void = () => {},
  light = 24,
  points = 20,
) {
  const lines = [head];
  for (let i = 0; i < light; i++) {
    const { mjd, mag, err } = curves[i];
    for (let k = 0; k < points; k++) {
      const fields: Fields = [String(i), String(mjd[k]), String(mag[k]), String(err[k]), i % 2 ? "EA" : "RR"];
      change(fields, i, k);
      lines.push(fields.join());
    }
  }
  return lines.join("\n") + "\n";
}

async function write({ own }: Good, name: string, content: string | Uint8Array): Promise<string> {
  await Deno.writeFile(
    `${own}/${name}`,
    typeof content === "string" ? new TextEncoder().encode(content) : content,
  );
  return `${own}/${name}`;
}

/** A row of `preprocess` on a table. */
const table = (
  name: string,
  content: string | Uint8Array | ((good: Good) => Promise<string | Uint8Array>),
  says: string,
  { code = 2, file = "survey.csv", flags = [] }: { code?: 0 | 2; file?: string; flags?: string[] } = {},
): Fault => ({
  name,
  code,
  says,
  async given(good) {
    const input = await write(good, file, typeof content === "function" ? await content(good) : content);
    return ["preprocess", "--input", input, ...flags, "--threads", "1", "--output", `${good.own}/out`];
  },
});

/** A copy of a folder in which a file is another. */
async function altered(
  folder: string,
  good: Good,
  name: string,
  change: (bytes: Uint8Array<ArrayBuffer>) => Uint8Array | string,
) {
  const copy = `${good.own}/copy`;
  await Deno.mkdir(copy);
  for await (const { name } of Deno.readDir(folder)) {
    await Deno.copyFile(`${folder}/${name}`, `${copy}/${name}`);
  }
  await write({ ...good, own: copy }, name, change(await Deno.readFile(`${folder}/${name}`)));
  return copy;
}

const bitAt = (place: number) => (bytes: Uint8Array<ArrayBuffer>) => {
  bytes[place < 0 ? bytes.length + place : place] ^= 64;
  return bytes;
};

/** A row of `evaluate` on a dataset or a model in which a file is another. */
const damaged = (
  of: "data" | "model",
  name: string,
  file: string,
  change: (bytes: Uint8Array<ArrayBuffer>) => Uint8Array | string,
  says: string,
): Fault => ({
  name,
  code: 2,
  says,
  async given(good) {
    const { data, model }: Good = { ...good, [of]: await altered(good[of], good, file, change) };
    return ["evaluate", "--model", model, "--data", data, "--subset", "all"];
  },
});

/** Whether a file system of a chosen size can be mounted, for one process alone. */
const canMount = await (async () => {
  try {
    const { success } = await new Deno.Command("unshare", {
      args: ["-rm", "mount", "-t", "tmpfs", "-o", "size=4k", "tmpfs", "/tmp"],
      stderr: "null",
    }).output();
    return success;
  } catch {
    return false;
  }
})();

/** A row of a command whose output goes to a file system of its own. */
const mounted = (
  name: string,
  options: string,
  command: (good: Good) => string[],
  says: string,
): Fault => ({
  name,
  code: 1,
  says,
  skip: canMount ? undefined : "no file system can be mounted here",
  given: async (good) => {
    await Deno.mkdir(`${good.own}/disk`);
    return command(good);
  },
  shell: ({ own }) =>
    `exec unshare -rm sh -c 'mount -t tmpfs -o ${options} tmpfs ${own}/disk && exec "$0" "$@"' "$0" "$@"`,
});

const inLatin1 = (text: string) => Uint8Array.from(text, (letter) => letter.charCodeAt(0));
const inUtf16 = (text: string) =>
  new Uint8Array(Uint16Array.from("\ufeff" + text, (letter) => letter.charCodeAt(0)).buffer);
const evaluated = (
  { model, data }: Good,
) => ["evaluate", "--model", model, "--data", data, "--subset", "all"];
const pretrained = ({ own, data }: Good, ...settings: string[]) => [
  ...["pretrain", "--data", data, "--preset", "small", "--precision", "float32", ...settings],
  ...["--output", `${own}/run`],
];
const scaled = (factor: number, ...places: number[]) => (fields: Fields) => {
  for (const place of places) fields[place] = String(factor * Number(fields[place]));
};
/** Every seventh value of a column is another. */
const sometimes = (place: number, value: string) => (fields: Fields, _: number, k: number) => {
  if (k % 7 === 0) fields[place] = value;
};
const libtorchAt = ({ own }: Good) => ({ LIBTORCH: own });
const nowhere = (causes: string[]) =>
  [
    "no usable libtorch was found; tried",
    ...["lib", "", "torch/lib"].map((part, i) =>
      `  ${["OWN", part].filter(Boolean).join("/")} (LIBTORCH): ${causes[i]}`
    ),
    "Run `deno task setup` to install libtorch 2.13.0, or set LIBTORCH to a folder with libtorch 2.10 or newer",
  ].join("\n");
const absent = "there is no libtorch_cpu.so";

const faults: Fault[] = [
  // Units
  table(
    "flux for magnitude",
    surveyOf((f) => f[2] = String(10 ** (8 - 0.4 * Number(f[2])))),
    "480 of 480 magnitudes are beyond 100 (most often 1050.808): they look like fluxes, or another column; where they are right, --magnitude-range says so",
  ),
  table(
    "magnitudes and errors in millimagnitudes",
    surveyOf(scaled(1000, 2, 3)),
    "480 of 480 magnitudes are beyond 100 (most often 11568.06): they look like millimagnitudes, to be divided by 1000; where they are right, --magnitude-range says so",
  ),
  table(
    "errors in millimagnitudes",
    surveyOf(scaled(1000, 3)),
    "no light curve is left; light curves after each filter: readable rows: 24, finite, error 0 to 1: 0, exact repeats dropped: 0, at least 5 observations: 0; are the errors in magnitudes? --min-error and --max-error bound them",
  ),
  table(
    "JD for MJD is said",
    surveyOf((f) => f[1] = String(2_400_000.5 + Number(f[1]))),
    "Times look like JD; only differences are used.",
    { code: 0 },
  ),
  table(
    "JD and MJD mixed are noted",
    surveyOf((f, i) => i % 2 && (f[1] = String(2_400_000 + Number(f[1])))),
    "Julian and modified Julian dates seem to be mixed",
    { code: 0 },
  ),
  table(
    "times in seconds",
    surveyOf(scaled(86_400, 1)),
    'there is no usable observation in OWN/survey.csv; the time is beyond 10000000: 480 rows, e.g. OWN/survey.csv: line 2 (id "0", mjd "4363072359.68692", mag "12.446191278303194", err "0.017132087973877788")',
  ),

  // Values
  table(
    "times, magnitudes and errors that are not finite go",
    surveyOf((f, _, k) => {
      if (k < 9) f[1 + k % 3] = ["NaN", "inf", "-inf"][Math.floor(k / 3)];
    }),
    "finite, error 0 to 1               24           264",
    { code: 0 },
  ),
  table(
    "1e30 for no value is counted and goes",
    surveyOf(sometimes(2, "1e30")),
    "the magnitude is beyond 10000000000: 72, e.g. OWN/survey.csv: line 2",
    { code: 0 },
  ),
  table(
    "1e30 for no value, where it is refused",
    surveyOf(sometimes(2, "1e300")),
    'the magnitude is beyond 10000000000: 72 rows, e.g. OWN/survey.csv: line 2 (id "0", mjd "50498.522681561575", mag "1e300", err "0.017132087973877788")',
    {
      flags: ["--strict"],
    },
  ),
  table(
    "-99 for no value is noted",
    surveyOf(sometimes(2, "-99")),
    "72 magnitudes are outside of -5 to 40 (most often -99)",
    { code: 0 },
  ),
  table(
    "no number where a number is due",
    surveyOf((f) => f[2] = "bright"),
    'there is no usable observation in OWN/survey.csv; the magnitude is not a number: 480 rows, e.g. OWN/survey.csv: line 2 (id "0", mjd "50498.522681561575", mag "bright", err "0.017132087973877788")',
  ),
  table(
    "the same rows twice count once",
    surveyOf() + surveyOf().slice(head.length + 1),
    "exact repeats dropped              24           480",
    { code: 0 },
  ),
  table("one id with two classes", surveyOf((f) => f[0] = "x"), 'object "x" has two classes, "EA" and "RR"'),

  // Too little
  table("an empty file", "", "OWN/survey.csv is empty"),
  table("a header alone", head + "\n", "there is no usable observation in OWN/survey.csv"),
  {
    name: "an empty folder",
    code: 2,
    says: "--input OWN: the folder has no file of light curves",
    given: ({ own }) => ["preprocess", "--input", own, "--output", `${own}/out`],
  },
  table(
    "light curves shorter than 5",
    surveyOf(undefined, 24, 4),
    "no light curve is left; light curves after each filter: readable rows: 24, finite, error 0 to 1: 24, exact repeats dropped: 24, at least 5 observations: 0",
  ),
  table("one light curve is a dataset", surveyOf(undefined, 1), "train              1            20", {
    code: 0,
  }),
  {
    name: "one light curve is not enough to train",
    code: 2,
    says: "OWN/one has no light curve of 5 or more observations in the subset validation",
    async given(good) {
      const input = [await write(good, "one.csv", surveyOf(undefined, 1))];
      await preprocessed({ input, output: `${good.own}/one` });
      return pretrained({ ...good, data: `${good.own}/one` });
    },
  },
  {
    name: "one class is not enough to classify",
    code: 2,
    says: 'there is only one class, "RR": a classifier needs two or more to tell apart',
    async given(good) {
      const input = [await write(good, "one.csv", surveyOf((f) => f[4] = "RR"))];
      await preprocessed({ input, output: `${good.own}/one` });
      return ["scenarios", "--data", `${good.own}/one`, "--output", `${good.own}/out`];
    },
  },

  // Files
  table(
    "Parquet cut short",
    async ({ data }) => (await Deno.readFile(`${data}/metadata.parquet`)).slice(0, 500),
    "OWN/a.parquet is cut: it begins as Parquet and does not end so; get the file again",
    { file: "a.parquet" },
  ),
  table(
    "Parquet that is none",
    "id,mjd",
    'OWN/a.parquet is no Parquet file, whatever its name: it looks like CSV (it begins with "id,mjd")',
    { file: "a.parquet" },
  ),
  table(
    "Parquet with a damaged page",
    async ({ data }) => (await Deno.readFile(`${data}/metadata.parquet`)).fill(7, 10, 400),
    'OWN/a.parquet cannot be read: Invalid Input Error: Failed to read file "OWN/a.parquet": Page sizes must be >= 0',
    {
      file: "a.parquet",
      flags: ["--id", "id", "--time", "first_mjd", "--magnitude", "mean_magnitude", "--error", "mean_error"],
    },
  ),
  table(
    "Parquet of other columns",
    ({ data }) => Deno.readFile(`${data}/metadata.parquet`),
    "OWN/a.parquet: which column is the time? Give --time; its columns are id, band, class, offset, length, subset, mean_magnitude, std_magnitude, skewness, kurtosis, mean_error, first_mjd, last_mjd",
    {
      file: "a.parquet",
    },
  ),
  table(
    "a table of other columns",
    "star,when\na,1\n",
    "OWN/survey.csv: which column is the time? Give --time; its columns are star, when",
  ),
  table(
    "CSV that is an image",
    Uint8Array.from({ length: 4000 }, (_, i) => i * i % 251),
    "OWN/survey.csv is not a text table (it holds zero bytes): binary data, or UTF-16 without a mark?",
  ),
  table(
    "CSV in UTF-16 is read",
    inUtf16(surveyOf()),
    "24 light curves, 480 observations",
    { code: 0 },
  ),
  table(
    "ids in Latin-1",
    inLatin1(surveyOf((f) => f[0] = `\xe9toile ${f[0]}`)),
    "there is no usable observation in OWN/survey.csv; bytes that are not UTF-8 (Latin-1 or Windows-1252?): 480 rows, e.g. OWN/survey.csv: line 2 (Invalid unicode (byte sequence mismatch) detected. This file is not utf-8 encoded.)",
  ),
  table(
    "ids in Latin-1 in a table of blanks",
    inLatin1(surveyOf((f) => f[0] = `\xe9toile${f[0]}`).replaceAll(",", " ")),
    "there is no usable observation in OWN/survey.dat; bytes that are not UTF-8 (Latin-1 or Windows-1252?): 480 rows, e.g. OWN/survey.dat: line 2 (Invalid unicode (byte sequence mismatch) detected. This file is not utf-8 encoded.)",
    { file: "survey.dat" },
  ),
  table(
    "a quote that does not end",
    surveyOf().replace("0,", '"0,'),
    'a quote is not closed: 1, e.g. OWN/survey.csv: line 2 (id "\\"0"',
    { code: 0 },
  ),
  table(
    "gzip that is none",
    "no gzip",
    "OWN/survey.csv.gz: which column is the time? Give --time; its columns are no, gzip",
    { file: "survey.csv.gz" },
  ),
  table(
    "more fields than columns, where they are refused",
    surveyOf().replace("RR", "RR,1,2"),
    "more fields than columns: 1 rows, e.g. OWN/survey.csv: line 2 (Expected Number of Columns: 5 Found: 7)",
    {
      flags: ["--strict"],
    },
  ),
  damaged(
    "data",
    "observations cut short",
    "observations.safetensors",
    (bytes) => bytes.slice(0, 3000),
    'OWN/copy/observations.safetensors: tensor "mjd" ends beyond the end of the file (is it cut short?)',
  ),
  damaged(
    "data",
    "a bit of the observations",
    "observations.safetensors",
    bitAt(-9),
    "OWN/copy/observations.safetensors has been altered: its checksum is not the one in dataset.json; run preprocess again",
  ),
  damaged(
    "data",
    "a bit of the metadata",
    "metadata.parquet",
    bitAt(700),
    "OWN/copy/metadata.parquet has been altered: its checksum is not the one in dataset.json; run preprocess again",
  ),
  damaged(
    "data",
    "metadata that is no Parquet",
    "metadata.parquet",
    () => "PAR1",
    "OWN/copy/metadata.parquet cannot be read: Offset is outside the bounds of the DataView",
  ),
  damaged(
    "data",
    "half a description",
    "dataset.json",
    (bytes) => bytes.slice(0, 20),
    "OWN/copy/dataset.json is not valid JSON: Unterminated string in JSON at position 20 (line 2 column 19)",
  ),
  damaged(
    "model",
    "weights cut short",
    "model.safetensors",
    (bytes) => bytes.slice(0, 5000),
    "OWN/copy/model.safetensors is not a safetensors file: its header claims 7176 of 5000 bytes",
  ),
  damaged(
    "model",
    "a bit of the weights",
    "model.safetensors",
    bitAt(-9),
    'OWN/copy/model.safetensors: tensor "head.linear.weight" has been altered: its checksum is "CHECKSUM", the file\'s header says "CHECKSUM"',
  ),
  damaged(
    "model",
    "a configuration of another model",
    "config.json",
    () => '{"model_type": "bert"}',
    'OWN/copy/config.json: model_type: Invalid input: expected "astromer"',
  ),
  damaged(
    "model",
    "control characters in a configuration",
    "config.json",
    () => '{"model_type": "astromer", "\\u001b[2J": \u001b',
    'OWN/copy/config.json is not valid JSON: Unexpected token \'\\u001b\', ..."001b[2J": \\u001b" is not valid JSON',
  ),
  {
    name: "no model",
    code: 2,
    says:
      "OWN/none is not a model folder: config.json cannot be read: No such file or directory (os error 2): stat 'OWN/none/config.json'",
    given: (good) => evaluated({ ...good, model: `${good.own}/none` }),
  },
  {
    name: "a checkpoint that is no zip",
    code: 2,
    says: "OWN/a.zip is neither a folder nor a zip: File format is not recognized",
    given: async (
      good,
    ) => ["import", "--from", await write(good, "a.zip", "PK"), "--output", `${good.own}/out`],
  },
  {
    name: "a TensorFlow index that is none",
    code: 2,
    says: "OWN/weights.index is not the index of a TensorFlow checkpoint (or is cut short)",
    async given(good) {
      for (const name of ["weights.index", "weights.data-00000-of-00001"]) await write(good, name, "rubbish");
      return ["import", "--from", good.own, "--output", `${good.own}/out`];
    },
  },

  // Names that would do something where they are read
  {
    name: "formulas in ids and classes stay texts in CSV",
    code: 0,
    says: `"'=1+1"`,
    async given(good) {
      const input = [
        await write(good, "formula.csv", surveyOf((f) => [f[0], f[4]] = [`=${f[0]}+1`, `@${f[4]}`])),
      ];
      await preprocessed({ input, output: `${good.own}/data` });
      return [
        "predict",
        "--classifier",
        good.classifier,
        "--data",
        `${good.own}/data`,
        "--output",
        `${good.own}/out.csv`,
      ];
    },
    shell: ({ own }) => `"$0" "$@" && exec cat ${own}/out.csv`,
  },
  {
    name: "HTML in a class stays text in a report",
    code: 0,
    says: "&lt;script&gt;alert(1)&lt;/script&gt;",
    async given(good) {
      const input = [await write(good, "html.csv", surveyOf((f) => f[4] += "<script>alert(1)</script>"))];
      await preprocessed({ input, output: `${good.own}/data` });
      const run = pretrained({ ...good, data: `${good.own}/data` }, "--epochs", "1");
      return run;
    },
    shell: ({ own }) =>
      `"$0" "$@" && grep -o '[^ ]*alert(1)[^ ]*' ${own}/run/report.html && ! grep -q '<script>alert' ${own}/run/report.html`,
  },
  {
    name: "control characters of a file are spelled out in errors",
    code: 2,
    says: 'object "\\u001b[31mred" has two classes, "\\u001b[2J0" and "\\u001b[2J9"',
    given: async (good) => [
      "preprocess",
      ...[
        "--input",
        await write(good, "a.csv", surveyOf((f, _, k) => [f[0], f[4]] = ["\u001b[31mred", `\u001b[2J${k}`])),
      ],
      ...["--output", `${good.own}/out`],
    ],
  },
  table(
    "control characters of a file are spelled out in tables",
    surveyOf((f) => f[4] = `\u001b[2J${f[4]}`),
    "\\u001b[2JEA",
    { code: 0 },
  ),

  // Where to write
  {
    name: "a config file does not write outside",
    code: 2,
    says:
      'OWN/a.toml: output "/etc/astromer" is outside the working folder and the config file\'s folder; give it as a flag instead: --output /etc/astromer',
    given: async (
      good,
    ) => [
      "pretrain",
      "--data",
      good.data,
      "--config",
      await write(good, "a.toml", 'output = "/etc/astromer"\n'),
    ],
  },
  {
    name: "a config file does not write outside through a link",
    code: 2,
    says:
      `OWN/a.json: output "OWN/link/astromer" is outside the working folder and the config file's folder; give it as a flag instead: --output OWN/link/astromer`,
    async given(good) {
      await Deno.symlink("/etc", `${good.own}/link`);
      const config = await write(
        good,
        "a.json",
        JSON.stringify({ output: `${good.own}/link/astromer` }),
      );
      return ["pretrain", "--data", good.data, "--config", config];
    },
  },
  {
    name: "a config file writes beside itself",
    code: 0,
    says: "all epochs done",
    given: async (good) => [
      ...["pretrain", "--data", good.data, "--preset", "small", "--epochs", "1"],
      ...["--config", await write(good, "a.json", JSON.stringify({ output: `${good.own}/run` }))],
    ],
  },
  {
    name: "an output under a file: preprocess",
    code: 1,
    says: "GOOD/survey.csv/out cannot be written: part of its path is a file, not a folder",
    given: ({ survey }) => ["preprocess", "--input", survey, "--output", `${survey}/out`],
  },
  {
    name: "an output under a file: simulate",
    code: 1,
    says: "GOOD/survey.csv/out cannot be written: part of its path is a file, not a folder",
    given: ({ survey }) => ["simulate", "--light-curves", "9", "--output", `${survey}/out`],
  },
  {
    name: "an output under a file: embed",
    code: 1,
    says: "GOOD/survey.csv/out.parquet cannot be written: part of its path is a file, not a folder",
    given: (good) => ["embed", ...evaluated(good).slice(1), "--output", `${good.survey}/out.parquet`],
  },
  mounted(
    "a full disk: preprocess, tables",
    "size=4k",
    ({ own, survey }) => ["preprocess", "--input", survey, "--output", `${own}/disk/out`],
    'the disk is full (IO Error: Could not write file "OWN/disk/out.PID.work.tmp/tables.duckdb": No space left on device)',
  ),
  mounted(
    "a full disk: preprocess, dataset",
    "size=48k",
    ({ own, survey }) => ["preprocess", "--input", survey, "--output", `${own}/disk/out`],
    "OWN/disk/out cannot be written: the disk is full",
  ),
  mounted(
    "a full disk: embed",
    "size=4k",
    (good) => ["embed", ...evaluated(good).slice(1), "--output", `${good.own}/disk/out.parquet`],
    "OWN/disk/out.parquet cannot be written: the disk is full",
  ),
  mounted(
    "a full disk: pretrain",
    "size=300k",
    (good) => pretrained({ ...good, own: `${good.own}/disk` }),
    "OWN/disk/run/checkpoints/step-00000000.safetensors cannot be written: the disk is full",
  ),
  mounted(
    "a full disk: simulate",
    "size=64k",
    ({ own }) => ["simulate", "--light-curves", "30", "--output", `${own}/disk/out`],
    'the disk is full (IO Error: Could not write file "OWN/disk/out.PID.tmp/observations/000.parquet": No space left on device)',
  ),
  mounted(
    "a full disk: a figure",
    "size=4k",
    (good) => [...evaluated(good), "--figure", `${good.own}/disk/a.svg`],
    "OWN/disk/a.svg cannot be written: the disk is full",
  ),
  mounted(
    "a read-only disk: preprocess",
    "ro",
    ({ own, survey }) => ["preprocess", "--input", survey, "--output", `${own}/disk/out`],
    "OWN/disk/out cannot be written: the file system is read-only",
  ),
  mounted(
    "a read-only disk: embed",
    "ro",
    (good) => ["embed", ...evaluated(good).slice(1), "--output", `${good.own}/disk/out.parquet`],
    "OWN/disk/out.parquet cannot be written: the file system is read-only",
  ),
  {
    name: "a limit of file sizes",
    code: 1,
    says: "OWN/out.parquet cannot be written: File too large (os error 27)",
    given: (
      good,
    ) => ["embed", ...evaluated(good).slice(1), "--pooling", "points", "--output", `${good.own}/out.parquet`],
    shell: () => `trap "" XFSZ; ulimit -f 8; exec "$0" "$@"`,
  },

  // While it runs
  {
    name: "a dataset that is replaced while it is mapped",
    code: 1,
    says:
      "OWN/copy/observations.safetensors was changed (12 bytes, not 7880) while it was in use: start again, and leave the dataset as it is",
    async given(good) {
      good = { ...good, data: await altered(good.data, good, "dataset.json", (bytes) => bytes) };
      return pretrained(good, "--epochs", "100000");
    },
    async meanwhile({ own }) {
      await Deno.writeTextFile(`${own}/copy/new`, "another file");
      await Deno.rename(`${own}/copy/new`, `${own}/copy/observations.safetensors`);
    },
  },
  {
    name: "a loss that is not a number stops, and the last good model stays",
    code: 1,
    says:
      /^the (loss|validation loss) became NaN in epoch \d+(, batch [12] \(light curves .*\))?; the best model, of epoch \d+, is kept. Try a lower --learning-rate$/,
    given: (good) =>
      pretrained(
        good,
        "--learning-rate",
        "1e6",
        "--warmup-steps",
        "200",
        "--clip-norm",
        "0",
        "--schedule",
        "constant",
      ),
    shell: ({ own }) =>
      `"$0" "$@"; code=$?; test -s ${own}/run/best/model.safetensors && exit $code; exit 99`,
  },
  {
    name: "more memory than there is: in the network",
    code: 1,
    says:
      "there is not enough memory (Array buffer allocation failed): lower --batch-size or --window-size or --head-size or --feed-forward-size",
    given: (good) => pretrained(good, "--head-size", "1000000"),
  },
  {
    name: "more memory than there is: in a batch",
    code: 1,
    says:
      "there is not enough memory (448.0 GB more were wanted): lower --batch-size or --window-size or --head-size or --feed-forward-size",
    async given(good) {
      const mjd = Array.from({ length: 200_000 }, (_, i) => `a,${50_000 + i / 9},${i % 7},0.1`);
      const input = [
        await write(
          good,
          "long.csv",
          ["id,mjd,mag,err", ...mjd, ...mjd.map((line) => `b${line}`)].join("\n"),
        ),
      ];
      await preprocessed({
        input,
        output: `${good.own}/long`,
        trim: false,
        noise_filter: false,
        fractions: [0.5, 0.5, 0],
      });
      return pretrained({ ...good, data: `${good.own}/long` }, "--window-size", "200000");
    },
  },

  // libtorch
  {
    name: "libtorch is gone",
    code: 1,
    says: nowhere([absent, absent, absent]),
    given: evaluated,
    environment: libtorchAt,
  },
  {
    name: "libtorch is no library",
    code: 1,
    says: nowhere([
      absent,
      "OWN/libtorch_cpu.so: file too short",
      absent,
    ]),
    async given(good) {
      for (const name of ["libtorch_cpu.so", "libc10.so"]) await write(good, name, "rubbish");
      return evaluated(good);
    },
    environment: libtorchAt,
  },
  {
    name: "libtorch is too old",
    code: 1,
    says: nowhere([absent, "it is older than 2.10, the oldest that can be used", absent]),
    async given(good) {
      const { folder } = libtorch();
      await Deno.symlink(`${folder}/libc10.so`, `${good.own}/libtorch_cpu.so`);
      await Deno.symlink(`${folder}/libc10.so`, `${good.own}/libc10.so`);
      return evaluated(good);
    },
    environment: libtorchAt,
  },
];

/** Runs a row; what came of it, if that is not what the row states. */
async function differenceOf(fault: Fault, good: Good): Promise<string | undefined> {
  const args = await fault.given(good), shared = good.own.replace(/\/[^/]*$/, "");
  const child = new Deno.Command("sh", {
    args: [
      ...["-c", fault.shell?.(good) ?? 'exec "$0" "$@"'],
      ...[Deno.execPath(), "run", ...permissionsOf(args[0], shared), cli, ...args],
    ],
    env: { NO_COLOR: "1", OMP_NUM_THREADS: "1", ...fault.environment?.(good) },
    stdout: "piped",
    stderr: "piped",
    signal: AbortSignal.timeout(60_000),
  }).spawn();
  let stdout = "";
  const reading = (async () => {
    for await (const text of child.stdout.pipeThrough(new TextDecoderStream())) {
      // The first epoch's line says that training goes on.
      if (/^epoch 1:/m.test(text)) await fault.meanwhile?.(good);
      stdout += text;
    }
  })();
  const stderr = await new Response(child.stderr).text();
  await reading;
  const { code, signal } = await child.status;
  const plain = (text: string) =>
    text.replaceAll(good.own, "OWN").replaceAll(shared, "GOOD")
      .replace(/\.\d+\.((work|dataset)\.)?tmp/g, ".PID.$1tmp").replace(/"[0-9a-f]{8}"/g, '"CHECKSUM"');
  const errors = plain(stderr), said = errors.slice(Math.max(0, errors.search(/^error: /m)));
  const { says } = fault;
  const asStated = typeof says !== "string"
    ? says.test(said.slice("error: ".length, -1))
    : code === 0
    ? plain(stdout).includes(says)
    : said === `error: ${says}\n`;
  const left = Array.from(Deno.readDirSync(good.own), ({ name }) => name).filter((name) =>
    name.endsWith(".tmp")
  );
  if (asStated && code === fault.code && signal === null && left.length === 0) return undefined;
  const got = code === 0 ? plain(stdout) : said;
  return `${fault.name}: exit code ${code}, signal ${signal}, left behind: ${
    left.join(", ") || "nothing"
  }\n${got}`;
}

testIn("every fault ends with its sentence and its exit code", async (folder) => {
  const survey = `${folder}/survey.csv`, data = `${folder}/data`, model = `${folder}/model`;
  const classifier = `${folder}/classifier`;
  await Deno.writeTextFile(survey, surveyOf());
  await preprocessed({ input: [survey], output: data });
  {
    using untrained = Astromer.untrained({ preset: "small" });
    await untrained.save(model);
    const labelled = curves.map(({ mjd, mag }, i) => ({ mjd, magnitude: mag, class: i % 2 ? "EA" : "RR" }));
    using fitted = await Classifier.fit(untrained, labelled, { head: "linear", epochs: 3 });
    await fitted.save(classifier);
  }
  const wrong: string[] = [], waiting = faults.entries();
  const worker = async () => {
    for (const [i, fault] of waiting) {
      if (fault.skip !== undefined) {
        console.log(`${fault.name}: skipped, ${fault.skip}`);
        continue;
      }
      const own = `${folder}/${i}`;
      await Deno.mkdir(own);
      const difference = await differenceOf(fault, { own, survey, data, model, classifier });
      if (difference !== undefined) wrong.push(difference);
    }
  };
  await Promise.all(Array.from({ length: navigator.hardwareConcurrency }, worker));
  assertEquals(wrong.join("\n"), "");
});
