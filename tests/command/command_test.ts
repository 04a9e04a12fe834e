/** Settings from flags, config files and defaults; the command line itself. */
import { main } from "../../cli.ts";
import { command } from "../../src/command/command.ts";
import { describe } from "../../src/command/described.ts";
import { helpOf, settingsTable } from "../../src/command/help.ts";
import { readSettings } from "../../src/command/read_settings.ts";
import { setting, z } from "../../src/common/setting.ts";
import { pretrainSchema, recipes, resolve } from "../../src/run/settings.ts";
import { InputError } from "../../src/common/errors.ts";
import { architectureSchema, presets } from "../../src/model/architecture.ts";
import {
  assertEquals,
  assertMatch,
  assertRejects,
  assertStringIncludes,
  assertThrows,
  assertTrue,
} from "../../src/common/std.ts";
import pretrain from "../../tasks/pretrain.ts";
import { testIn } from "../shared.ts";

const toy = command({
  name: "toy",
  summary: "A command with every kind of setting.",
  settings: z.object({
    input: setting(z.array(z.string()).min(1), "files"),
    config: setting(z.string().optional(), "a file of settings"),
    max_minutes: setting(z.number().gt(0).default(5), "minutes at most", "minutes"),
    blocks: setting(z.int().min(1).default(6), "attention blocks"),
    rate: setting(
      z.union([z.number(), z.literal("schedule")]).default(0.5),
      "a number, or the word schedule",
    ),
    kind: setting(z.enum(["linear", "none"]).default("linear"), "one of two words"),
    range: setting(z.array(z.coerce.number()).default([1, 99]), "two numbers"),
    trim: setting(z.boolean().default(true), "cut or not"),
    strict: setting(z.boolean().optional(), "refuse or not"),
    without: setting(z.array(z.string()).default([]), "classes to leave out"),
    name: setting(z.string().optional(), "any text"),
  }),
  examples: ["deno task toy --input a.csv"],
  run() {},
});
const read = async (...args: string[]) => (await readSettings(toy, ["--input", "a", ...args])).settings;
const refused = async (...args: string[]) => (await assertRejects(() => read(...args), InputError)).message;

Deno.test("defaults where nothing is given, and given says what was", async () => {
  const { settings, given } = await readSettings(toy, ["--input", "a", "--no-trim", "--blocks=2"]);
  assertEquals(settings, {
    input: ["a"],
    max_minutes: 5,
    blocks: 2,
    rate: 0.5,
    kind: "linear",
    range: [1, 99],
    trim: false,
    without: [],
  });
  assertEquals([...given.all].sort(), ["blocks", "input", "trim"]);
});

Deno.test("numbers, words, texts, lists, booleans", async () => {
  const rows: [string[], Record<string, unknown>][] = [
    [["--max-minutes", "0.5"], { max_minutes: 0.5 }],
    [["--max-minutes=1e3"], { max_minutes: 1000 }],
    [["--rate", "schedule"], { rate: "schedule" }],
    [["--rate", "1e-5"], { rate: 1e-5 }],
    [["--kind", "none"], { kind: "none" }],
    [["--name", "12"], { name: "12" }],
    [["--name", "a=b, c"], { name: "a=b, c" }],
    [["--name=a=b"], { name: "a=b" }],
    [["--input", "b,c", "--input=d"], { input: ["a", "b", "c", "d"] }],
    [["--range", "5, 95"], { range: [5, 95] }],
    [["--trim"], { trim: true }],
    [["--no-trim"], { trim: false }],
    [["--trim=false"], { trim: false }],
    [["--strict", "--no-trim"], { strict: true, trim: false }],
    [["--no-strict"], { strict: false }],
  ];
  for (const [args, expected] of rows) {
    const settings = await read(...args) as Record<string, unknown>;
    for (const [name, value] of Object.entries(expected)) assertEquals(settings[name], value, args.join(" "));
  }
});

Deno.test("a value may begin with a dash: negative numbers, with a blank and with =", async () => {
  for (const args of [["--rate", "-1e9"], ["--rate=-1e9"]]) assertEquals((await read(...args)).rate, -1e9);
  for (const args of [["--range", "-5,40"], ["--range=-5,40"]]) {
    assertEquals((await read(...args)).range, [-5, 40]);
  }
  assertEquals((await read("--rate", "-.5", "--no-trim")).rate, -0.5);
  assertEquals((await read("--name", "-x")).name, "-x");
  const { settings } = await readSettings(
    pretrain,
    ["--data", "a", "--output", "b", "--attention-mask-value", "-1e9", "--learning-rate", "schedule"],
  );
  assertEquals([settings.attention_mask_value, settings.learning_rate], [-1e9, "schedule"]);
});

Deno.test("what is wrong is said in a sentence", async () => {
  const rows: [string[], string][] = [
    [["--bloks", "3"], "unknown setting --bloks; did you mean --blocks? (toy --help lists all)"],
    [["--bloks=3"], "unknown setting --bloks; did you mean --blocks?"],
    [["--no-blocks"], "unknown setting --no-blocks"],
    [["--no-kind=none"], '"--no-kind=none" is not understood'],
    [["-x"], "unknown setting --x"],
    [["3"], '"3" is not understood: settings are given as --name value'],
    [["--trim", "yes"], '"yes" is not understood'],
    [["--trim=no"], '"--trim=no" is not understood'],
    [["--trim="], '"--trim=" is not understood'],
    [["--", "--blocks", "3"], '"--" is not understood'],
    [["--blocks"], "--blocks needs a value (number)"],
    [["--blocks", "--trim"], "--blocks needs a value (number)"],
    [["--blocks="], "--blocks needs a value (number)"],
    [["--name", ""], "--name needs a value (text)"],
    [["--max-minutes"], "--max-minutes needs a value (minutes)"],
    [["--input"], "--input needs a value"],
    [["--kind"], "--kind needs a value (linear|none)"],
    [["--blocks", "three"], '--blocks cannot be "three": expected number, received string'],
    [["--blocks", "2.5"], "--blocks cannot be 2.5: "],
    [["--blocks", "0"], "--blocks cannot be 0: "],
    [["--blocks", " "], '--blocks cannot be " "'],
    [["--blocks", "Infinity"], '--blocks cannot be "Infinity"'],
    [["--kind", "cubic"], '--kind cannot be "cubic": '],
    [["--rate", "often"], '--rate cannot be "often"'],
    [["--range", "1,b"], '--range cannot be ["1","b"]'],
    [["--blocks", "2", "--blocks", "3"], "--blocks was given 2 times: 2, 3"],
    [["--config", "/none.toml"], "the config file /none.toml cannot be read"],
  ];
  for (const [args, sentence] of rows) assertStringIncludes(await refused(...args), sentence, args.join(" "));
  const missing = await assertRejects(() => readSettings(toy, []), InputError);
  assertEquals(missing.message, "--input is missing: files");
  const several = await refused("--blocks", "0", "--kind", "cubic");
  assertMatch(several, /--blocks cannot be 0.*\n--kind cannot be "cubic"/);
});

testIn("a config file in TOML or JSON, under the flags and over the defaults", async (folder) => {
  await Deno.writeTextFile(
    `${folder}/a.toml`,
    'blocks = 3\nmax-minutes = 1.5\nrate = "schedule"\ntrim = false\nrange = [5, 95]\nname = "of the file"\n',
  );
  await Deno.writeTextFile(`${folder}/a.json`, '{"blocks": 3, "max_minutes": 1.5, "trim": false}');
  for (const name of ["a.toml", "a.json"]) {
    const { settings, given } = await readSettings(toy, [
      ...["--input", "a", "--config", `${folder}/${name}`, "--blocks", "4", "--trim"],
    ]);
    assertEquals([settings.blocks, settings.max_minutes, settings.kind], [4, 1.5, "linear"]);
    assertEquals(settings.trim, true);
    assertTrue(given.all.has("blocks") && given.all.has("max_minutes") && !given.all.has("kind"));
  }
  const settings = await read("--config", `${folder}/a.toml`);
  assertEquals([settings.rate, settings.range, settings.name], ["schedule", [5, 95], "of the file"]);
  await Deno.writeTextFile(`${folder}/b.toml`, 'input = ["x", "y"]');
  const { settings: fromFile } = await readSettings(toy, ["--config", `${folder}/b.toml`]);
  assertEquals(fromFile.input, ["x", "y"]);
});

testIn("a config file that is wrong is named", async (folder) => {
  const rows: [string, string, string][] = [
    ["a.toml", "bloks = 3", 'a.toml: unknown setting "bloks"; did you mean "blocks"?'],
    ["a.json", '{"max_minute": 3}', 'a.json: unknown setting "max_minute"; did you mean "max_minutes"?'],
    ["a.toml", 'config = "b.toml"', 'a.toml: unknown setting "config"'],
    ["a.toml", "blocks = = 3", "a.toml is not valid TOML"],
    ["a.json", "{blocks: 3}", "a.json is not valid JSON"],
    ["a.json", "null", "a.json is not a table of settings"],
    ["a.json", "[3]", "a.json is not a table of settings"],
    ["a.json", "3", "a.json is not a table of settings"],
    ["a.toml", 'blocks = "3"', '--blocks cannot be "3"'],
    ["a.toml", "blocks = 0", "--blocks cannot be 0"],
    ["a.json", '{"blocks": null}', "--blocks cannot be null"],
  ];
  for (const [name, text, sentence] of rows) {
    await Deno.writeTextFile(`${folder}/${name}`, text);
    assertStringIncludes(await refused("--config", `${folder}/${name}`), sentence, text);
  }
});

Deno.test("help: summary, flags with units, choices and defaults, examples", () => {
  const help = helpOf(toy as never);
  for (
    const text of [
      "A command with every kind of setting.",
      "  --input <a,b,…>           files (required)",
      "  --max-minutes <minutes>   minutes at most (default 5)",
      "  --rate <number|schedule>",
      "--kind <linear|none>",
      "  --range <a,b,…>           two numbers (default 1,99)",
      "  --trim                    cut or not (default true)",
      "  --strict                  refuse or not\n",
      "  deno task toy --input a.csv",
    ]
  ) assertStringIncludes(help, text);
  const table = settingsTable(toy as never).split("\n");
  assertEquals(table.length, 2 + describe(toy.settings).length);
  assertEquals(table[2], "| `--input` | required |  | files |");
  assertEquals(table[4], "| `--max-minutes` | 5 | minutes | minutes at most |");
  assertEquals(table[7], "| `--kind` | linear | linear\\|none | one of two words |");
  for (const { name, help } of describe(pretrainSchema)) assertTrue(help.length > 5, `${name} has no help`);
});

const parsed = (given: Record<string, unknown>, flags = Object.keys(given)) =>
  resolve(pretrainSchema.parse({ data: "a", output: "b", ...given }), {
    all: new Set(Object.keys(given)),
    flags: new Set(flags),
  });

Deno.test("presets and recipes set what was not given, and nothing else", () => {
  const plain = parsed({});
  assertEquals([plain.blocks, plain.heads, plain.head_size, plain.encoding], [6, 4, 64, "folded"]);
  assertEquals([plain.initialization, plain.learning_rate], ["interpolation", 5e-4]);
  const small = parsed({ preset: "small" });
  for (const [name, value] of Object.entries(presets.small)) {
    assertEquals(small[name as keyof typeof small], value);
  }
  const first = parsed({ preset: "astromer1", blocks: 5 });
  assertEquals([first.blocks, first.skip, first.masked_magnitudes], [5, "none", "zero"]);
  const paper = parsed({ recipe: "paper" });
  for (const [name, value] of Object.entries(recipes.paper)) {
    assertEquals(paper[name as keyof typeof paper], value);
  }
  const changed = parsed({
    recipe: "paper",
    preset: "small",
    encoding: "periods",
    learning_rate: 1e-3,
    head_size: 8,
  });
  assertEquals([changed.encoding, changed.learning_rate, changed.head_size], ["periods", 1e-3, 8]);
  assertEquals([changed.blocks, changed.schedule, changed.batch_size], [2, "constant", 32]);
  // Given, even where it equals the default.
  assertEquals(parsed({ recipe: "paper", batch_size: 16 }).batch_size, 16);
});

Deno.test("a preset or recipe given as a flag counts more than the file, a flag more than either", () => {
  // The file is a saved run's: it holds every setting.
  const file = parsed({ preset: "small" });
  const again = parsed({ ...file, preset: "astromer1", heads: 2 }, ["preset", "heads"]);
  assertEquals([again.feed_forward_size, again.skip, again.heads, again.head_size], [128, "none", 2, 16]);
  const paper = parsed({ ...file, recipe: "paper", batch_size: 8 }, ["recipe", "batch_size"]);
  assertEquals([paper.learning_rate, paper.encoding, paper.batch_size], [1e-5, "reference", 8]);
  assertEquals(parsed({ ...file }, []), file, "without flags the saved run comes back");
});

Deno.test("the Transformer's schedule brings its warm-up; contradictions are refused", () => {
  const plain = parsed({ learning_rate: "schedule" });
  assertEquals([plain.schedule, plain.warmup_steps], ["transformer", 4000]);
  assertEquals(parsed({ learning_rate: "schedule", warmup_steps: 10 }).warmup_steps, 10);
  for (
    const wrong of [
      { learning_rate: "schedule", schedule: "cosine" },
      { schedule: "transformer" },
      { attention_mask: "both" },
      { attention_mask_value: 1 },
      { masked_fraction: 0.6 },
      { shortest_period: 2000 },
      { shortest_period: 0.001 }, // for the folded encoding
      { heads: 1, head_size: 3 },
    ]
  ) assertThrows(() => parsed(wrong), InputError);
});

Deno.test("a resolved setting of every preset is a possible architecture", () => {
  for (const preset of Object.keys(presets)) {
    for (const recipe of Object.keys(recipes)) {
      const settings = parsed({ preset, recipe });
      assertEquals(architectureSchema.parse(settings).blocks, settings.blocks);
    }
  }
});

/** Runs the command line in this process and keeps what it prints. */
async function printed(...args: string[]) {
  const { log, error } = console, out: string[] = [], err: string[] = [];
  console.log = (text) => void out.push(String(text));
  console.error = (text) => void err.push(String(text));
  try {
    return { code: await main(args), out: out.join("\n"), err: err.join("\n") };
  } finally {
    Object.assign(console, { log, error });
  }
}

Deno.test("the command line: unknown command, help, wrong use", async () => {
  const unknown = await printed("pretrian");
  assertEquals([unknown.code, unknown.out], [2, ""]);
  assertEquals(unknown.err, 'error: unknown command "pretrian"; did you mean "pretrain"?');
  assertEquals((await printed("toString")).code, 2);
  for (const args of [["--help"], ["-h"], ["help"]]) {
    const { code, out } = await printed(...args);
    assertEquals(code, 0);
    for (const name of ["setup", "doctor", "preprocess", "pretrain", "evaluate"]) {
      assertMatch(out, new RegExp(`^  ${name} `, "m"));
    }
  }
  assertEquals((await printed()).code, 2, "nothing to do is wrong use");
  for (const flag of ["--help", "-h"]) {
    const { code, out } = await printed("pretrain", flag);
    assertEquals(code, 0);
    assertStringIncludes(out, "--max-minutes <minutes>");
    assertStringIncludes(out, "deno task pretrain --data");
  }
  const wrong = await printed("pretrain", "--data", "a", "--output", "b", "--bloks", "3");
  assertEquals([wrong.code, wrong.out], [2, ""]);
  assertMatch(wrong.err, /^error: unknown setting --bloks; did you mean --blocks\?[^\n]*$/);
});
