/** Twenty thousand damaged config files: settings that the schema allows, or a sentence; never a crash, a hang, other settings. */
import { describe } from "../../src/command/described.ts";
import { readSettings } from "../../src/command/read_settings.ts";
import { InputError } from "../../src/common/errors.ts";
import { type Random, seeded } from "../../src/common/random.ts";
import { assertEquals, assertTrue } from "../../src/common/std.ts";
import task from "../../tasks/preprocess.ts";
import { oddValues, pick, replaceOne } from "../files/support.ts";
import { testIn } from "../shared.ts";

const settings = {
  input: ["a.csv", "b.csv"],
  output: "data",
  max_error: 0.5,
  magnitude_range: [-5, 40],
  trim: true,
  noise_criteria: "all",
  seed: 7,
  threads: 2,
  memory_limit: "2GB",
};
const files = {
  toml: Object.entries(settings).map(([name, value]) => `${name} = ${JSON.stringify(value)}\n`).join(""),
  json: JSON.stringify(settings, null, 2),
};

/** Ways to damage a text. */
const damages: Record<string, (text: string, random: Random) => string> = {
  "the end cut off": (text, random) => text.slice(0, random.integer(text.length)),
  "a letter": (text, random) =>
    replaceOne(random, text, /[^]/g, () => String.fromCharCode(random.integer(0x3000))),
  "a control character": (text, random) =>
    replaceOne(
      random,
      text,
      /\w/g,
      (letter) => letter + pick(random, ["\0", "\u001b[2J", "\u202e", "\r", "\ud800"]),
    ),
  "a sign": (text, random) => replaceOne(random, text, /[{}[\]=:,"\n]/g, () => pick(random, '{}[]=:,"\n#')),
  "a block copied": (text, random) => {
    const from = random.integer(text.length), at = random.integer(text.length);
    return text.slice(0, at) + text.slice(from, from + 1 + random.integer(40)) + text.slice(at);
  },
  "a value": (text, random) =>
    replaceOne(
      random,
      text,
      /(?<=[=:] ?)("[^"]*"|[\d.]+|true)/g,
      () => pick(random, [...oddValues, "nan", "inf", "-5"]),
    ),
  "a name": (text, random) =>
    replaceOne(
      random,
      text,
      /\b[a-z_]{4,}\b(?="? ?[=:])/g,
      () => pick(random, ["__proto__", "constructor", "config", "toString", "threads", "size", "größe"]),
    ),
  "a name twice": (text, random) =>
    replaceOne(random, text, /"?\b[a-z_]+"? ?[=:] [^\n]+\n/g, (line) => line + line),
  "deep nesting": (text, random) => {
    const depth = random.integer(3000);
    return replaceOne(random, text, /(?<=[=:] )[\d.]+/g, () => "[".repeat(depth) + "]".repeat(depth));
  },
  "a table of tables": (text, random) =>
    replaceOne(random, text, /\n/g, () => pick(random, ["\n[a]\n", "\n[[input]]\n", "\n{\n"])),
};

for (const [format, original] of Object.entries(files)) {
  testIn(
    `ten thousand damaged config files in ${format}: possible settings, or a sentence`,
    async (folder) => {
      const path = `${folder}/config.${format}`, kinds = Object.entries(damages);
      const names = describe(task.settings).map(({ name }) => name);
      const refused: Record<string, number> = {};
      for (let index = 0; index < 10_000; index++) {
        const [kind, damage] = kinds[index % kinds.length], text = damage(original, seeded(0xc0f1, index));
        await Deno.writeTextFile(path, text);
        const what = `${kind}, number ${index}:\n${text.slice(0, 2000)}`;
        try {
          const { settings: found } = await readSettings(task, ["--config", path]);
          assertTrue(Object.keys(found).every((name) => names.includes(name)), what);
          // What is read is what the schema makes of it once more: nothing slipped past it.
          assertEquals(task.settings.parse(found), found, what);
        } catch (error) {
          if (!(error instanceof InputError)) throw new Error(`${what}\n${error}`, { cause: error });
          refused[kind] = (refused[kind] ?? 0) + 1;
          assertTrue(error.message.length < 3000, `${what}\n${error.message.length} letters`);
          assertTrue(!/(?!\n)\p{Cc}/u.test(error.message), `${what}\n${JSON.stringify(error.message)}`);
        }
      }
      for (const kind of ["the end cut off", "a sign", "a value", "a name", "deep nesting"]) {
        assertTrue(refused[kind] > 300, `${kind}: ${refused[kind]} of 1000`);
      }
      assertEquals(({} as Record<string, unknown>).input, undefined, "no prototype was changed");
    },
  );
}
