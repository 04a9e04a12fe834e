/** The README says what the schemas say. */
import { assertEquals, assertTrue } from "../src/std.ts";
import { readmePath, withTables } from "./readme.ts";

Deno.test("the README's tables of settings are those of the schemas (deno task readme makes them)", async () => {
  const text = await Deno.readTextFile(readmePath);
  assertTrue(text.includes("<!-- settings: pretrain -->"));
  assertEquals(text, await withTables(text));
});

Deno.test("the README's first two commands are tasks, at the pinned Deno", async () => {
  const text = await Deno.readTextFile(readmePath);
  const commands = [...text.matchAll(/^npx -y deno@([\d.]+) task (\w+)$/gm)].map((
    [, version, task],
  ) => [version, task]);
  assertEquals(commands.slice(0, 2).map(([, task]) => task), ["quickstart", "test"]);
  const { tasks } = JSON.parse(await Deno.readTextFile(new URL("../deno.json", import.meta.url)));
  for (const [, task] of text.matchAll(/deno task (\w+)/g)) {
    assertTrue(task in tasks, `deno.json has no task ${task}`);
  }
  const ci = await Deno.readTextFile(new URL("../.ci/run", import.meta.url));
  assertTrue(ci.includes(`deno@${commands[0][0]}`), "README and .ci/run name different versions of Deno");
});
