/** The documentation says what the code says, its links lead somewhere, and its examples run. */
import { assertEquals, assertTrue } from "../src/common/std.ts";
import { commandsPage, commandsPath, pages, readmePath, root } from "./docs.ts";
import { testIn } from "./shared.ts";
import { libtorch } from "../ffi/library.ts";

Deno.test("tasks/README.md has every command as its schema says (deno task readme makes it)", async () => {
  assertEquals(await Deno.readTextFile(commandsPath), await commandsPage());
});

Deno.test("the README's first two commands are tasks, at the pinned Deno", async () => {
  const text = await Deno.readTextFile(readmePath);
  const commands = [...text.matchAll(/^npx -y deno@([\d.]+) task (\w+)$/gm)].map((
    [, version, task],
  ) => [version, task]);
  assertEquals(commands.slice(0, 2).map(([, task]) => task), ["quickstart", "test"]);
  const ci = await Deno.readTextFile(new URL(".ci/run", root));
  assertTrue(ci.includes(`deno@${commands[0][0]}`), "README and .ci/run name different versions of Deno");
});

Deno.test("every task that a page names is in deno.json", async () => {
  const { tasks } = JSON.parse(await Deno.readTextFile(new URL("deno.json", root)));
  for (const page of pages) {
    for (const [, task] of (await Deno.readTextFile(new URL(page, root))).matchAll(/deno task (\w+)/g)) {
      assertTrue(task in tasks, `${page}: deno.json has no task ${task}`);
    }
  }
});

Deno.test("links between pages lead to files that are there", async () => {
  for (const page of pages) {
    const from = new URL(page, root);
    for (const [, link] of (await Deno.readTextFile(from)).matchAll(/\]\(([^)\s#]+)[^)]*\)/g)) {
      if (/^https?:/.test(link)) continue;
      const found = await Deno.stat(new URL(link, from)).then(() => true, () => false);
      assertTrue(found, `${page}: nothing at ${link}`);
    }
  }
});

for (const page of pages) {
  const text = await Deno.readTextFile(new URL(page, root));
  for (const [i, [, script]] of [...text.matchAll(/^```ts run\n([\s\S]*?)^```$/gm)].entries()) {
    testIn(`example ${i + 1} of ${page} runs`, async (folder) => {
      const path = `${folder}/example.ts`;
      await Deno.writeTextFile(
        path,
        script.replaceAll('"../mod.ts"', JSON.stringify(new URL("mod.ts", root).href)),
      );
      const { code, stderr } = await new Deno.Command(Deno.execPath(), {
        args: ["run", "--allow-read", "--allow-env", "--allow-ffi", "--no-prompt", "--check", path],
        env: { NO_COLOR: "1", LIBTORCH: libtorch().folder },
      }).output();
      assertEquals(code, 0, new TextDecoder().decode(stderr));
    });
  }
}
