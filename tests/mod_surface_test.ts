/** Every public function and class is documented with an example that `deno test --doc` runs and that can fail. */
import { assertEquals, assertTrue } from "../src/common/std.ts";

const module = new URL("../mod.ts", import.meta.url).pathname;

async function doc(...args: string[]) {
  const { code, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["doc", ...args, module],
    env: { NO_COLOR: "1" },
  }).output();
  return { code, stdout: new TextDecoder().decode(stdout), stderr: new TextDecoder().decode(stderr) };
}

interface Declaration {
  kind: string;
  jsDoc?: { tags?: Tag[] };
}

interface Tag {
  kind: string;
  doc?: string;
}

/** What `deno doc --json` says: its symbols, and the examples of all of them, their members and the modules. */
async function surface() {
  const { code, stdout, stderr } = await doc("--json");
  assertEquals(code, 0, stderr);
  const examples: string[] = [];
  const { nodes } = JSON.parse(stdout, (_, value) => {
    if (value?.kind === "example") examples.push(value.doc);
    return value;
  }) as { nodes: Record<string, { symbols: { name: string; declarations: Declaration[] }[] }> };
  return { symbols: Object.values(nodes).flatMap(({ symbols }) => symbols), examples };
}

Deno.test("every public function, class and value has an example", async () => {
  const { symbols } = await surface();
  assertTrue(symbols.length > 50);
  const lacking = symbols.filter(({ declarations }) =>
    declarations.some(({ kind, jsDoc }) =>
      ["function", "class", "variable"].includes(kind) && !jsDoc?.tags?.some((tag) => tag.kind === "example")
    )
  );
  assertEquals(lacking.map(({ name }) => name), []);
});

Deno.test("every example is run and throws where the result is wrong", async () => {
  const { examples } = await surface();
  assertTrue(examples.length > 40);
  assertEquals(examples.filter((example) => !/^```ts$/m.test(example) || !/\bthrow\b/.test(example)), []);
});

Deno.test("deno doc --lint finds nothing", async () => {
  const { code, stderr } = await doc("--lint");
  assertEquals(code, 0, stderr);
});
