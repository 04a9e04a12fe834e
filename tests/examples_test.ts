/** The examples run, with the permissions that README names, and find what they should. */
import { libtorch } from "../ffi/library.ts";
import { assertEquals, assertStringIncludes, assertTrue } from "../src/common/std.ts";
import { testIn } from "./shared.ts";

const root = new URL("../", import.meta.url);

/** What an example prints. */
async function outputOf(example: string, ...args: string[]): Promise<string> {
  const { code, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: [
      ...["run", "--no-prompt", "--no-check", "--allow-read", "--allow-env", "--allow-ffi"],
      ...[new URL(`examples/${example}.ts`, root).pathname, ...args],
    ],
    env: { NO_COLOR: "1", OMP_NUM_THREADS: "1", LIBTORCH: libtorch().folder },
  }).output();
  assertEquals(code, 0, new TextDecoder().decode(stderr));
  return new TextDecoder().decode(stdout);
}

/** The numbers of a line that begins, or goes on after them, with some words. */
const numbersIn = (text: string, words: string) =>
  text.split("\n").find((line) => line.includes(words))!.match(/\d+(\.\d+)?/g)!.map(Number);

/** By example: what must be true of what it prints. */
const examples: Record<string, (folder: string) => Promise<void>> = {
  async embed_csv(folder) {
    const rows = Array.from(
      { length: 60 },
      (_, i) => `${15 + Math.sin(i / (i % 2 ? 3 : 9))},${i % 2 ? "star a" : "b"},${59_000 + i}`,
    );
    await Deno.writeTextFile(`${folder}/own.csv`, ["magnitude,id,mjd", ...rows, ""].join("\n"));
    const found = (await outputOf("embed_csv", `${folder}/own.csv`)).trim().split("\n").map((line) =>
      JSON.parse(line)
    );
    assertEquals(found.map(({ id }) => id), ["b", "star a"]);
    for (const { embedding } of found) {
      assertEquals(embedding.length, 256);
      assertTrue(embedding.every(Number.isFinite));
    }
    assertTrue(found[0].embedding.join() !== found[1].embedding.join());
  },
  async few_shot() {
    const [right, of, covered] = numbersIn(await outputOf("few_shot"), "are right");
    assertEquals(of, 60);
    assertTrue(right >= 40, `${right} of 60, where chance has 20`);
    assertTrue(covered >= 50, `the true class is in ${covered} of 60 sets`);
  },
  async custom_head() {
    const [right, of] = numbersIn(await outputOf("custom_head"), "are right");
    assertEquals(of, 60);
    assertTrue(right >= 34, `${right} of 60, where chance has 20`);
  },
  async regressor() {
    const text = await outputOf("regressor");
    const [error] = numbersIn(text, "RMSE"), [ofTheMean] = numbersIn(text, "RMSE of the mean");
    assertTrue(error < ofTheMean / 2, text);
    assertTrue(numbersIn(text, "intervals")[0] >= 40, text);
  },
  async search() {
    const text = await outputOf("search");
    assertStringIncludes(text, "like star 0 (eclipses):");
    assertTrue(text.split(", eclipses, ").length > 3, text);
    assertStringIncludes(text, "the oddest: 123,");
  },
  async linear_regression() {
    assertEquals(await outputOf("linear_regression"), "y = 2.00 x + 1.00\n");
  },
};

for (const [name, holds] of Object.entries(examples)) testIn(`examples/${name}.ts`, holds);

Deno.test("every example is run here, and README leads to it", async () => {
  const files = (await Array.fromAsync(Deno.readDir(new URL("examples", root)))).map(({ name }) => name);
  assertEquals(files.sort(), [...Object.keys(examples).map((name) => `${name}.ts`), "simulated.ts"].sort());
  const readme = await Deno.readTextFile(new URL("README.md", root));
  for (const name of Object.keys(examples)) assertStringIncludes(readme, `(examples/${name}.ts)`);
});

Deno.test("ffi/README.md shows examples/linear_regression.ts as it is", async () => {
  const page = await Deno.readTextFile(new URL("ffi/README.md", root));
  const [, ...lines] = (await Deno.readTextFile(new URL("examples/linear_regression.ts", root))).split("\n");
  assertStringIncludes(page, "```ts\n" + lines.join("\n") + "```");
});
