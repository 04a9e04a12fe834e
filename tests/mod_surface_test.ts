/** Every public function and class is documented with an example that `deno test --doc` runs. */
import { assertEquals, assertTrue } from "../src/std.ts";

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
  jsDoc?: { doc?: string; tags?: { kind: string }[] };
}

Deno.test("every public function, class and value has an example", async () => {
  const { code, stdout, stderr } = await doc("--json");
  assertEquals(code, 0, stderr);
  const files = Object.values(JSON.parse(stdout).nodes) as {
    symbols: { name: string; declarations: Declaration[] }[];
  }[];
  const symbols = files.flatMap(({ symbols }) => symbols);
  assertTrue(symbols.length > 50);
  const lacking = symbols.filter(({ declarations }) =>
    declarations.some(({ kind, jsDoc }) =>
      ["function", "class", "variable"].includes(kind) && !jsDoc?.tags?.some((tag) => tag.kind === "example")
    )
  );
  assertEquals(lacking.map(({ name }) => name), []);
});

Deno.test("deno doc --lint finds nothing", async () => {
  const { code, stderr } = await doc("--lint");
  assertEquals(code, 0, stderr);
});
