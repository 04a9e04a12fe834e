/** Imports go one way: between the rooms of src, as the table of src/README.md orders them, and between files. */
import { assertEquals, assertTrue } from "../src/common/std.ts";

const root = new URL("../", import.meta.url);

async function* sources(folder: string): AsyncGenerator<string> {
  for await (const { name, isDirectory } of Deno.readDir(new URL(folder, root))) {
    if (isDirectory) yield* sources(`${folder}/${name}`);
    else if (name.endsWith(".ts")) yield `${folder}/${name}`;
  }
}

/** What the text of a file imports, as paths from the root. Types count; an import that is awaited later, as cli.ts does, too. */
function importsOf(file: string, text: string): string[] {
  const code = text.replaceAll(/^\s*(?:\/\*\*|\*|\/\/).*$/gm, ""); // examples in comments import mod.ts
  return [...code.matchAll(/(?:\bfrom|\bimport\(?)\s*"(\.[^"]+)"/g)]
    .map(([, to]) => new URL(to, new URL(file, root)).pathname.slice(root.pathname.length))
    .filter((to) => to.endsWith(".ts"));
}

/** The imports of every file of the project, tests aside. */
async function importsOfAll(): Promise<Map<string, string[]>> {
  const files = ["mod.ts", "cli.ts"];
  for (const folder of ["ffi", "src", "tasks"]) files.push(...await Array.fromAsync(sources(folder)));
  return new Map(
    await Promise.all(files.map(async (file) => {
      return [file, importsOf(file, await Deno.readTextFile(new URL(file, root)))] as const;
    })),
  );
}

/** A chain of imports that comes back to where it began; undefined if there is none. */
function circleIn(imports: ReadonlyMap<string, readonly string[]>): string[] | undefined {
  const done = new Set<string>(), chain: string[] = [];
  const visit = (file: string): string[] | undefined => {
    if (chain.includes(file)) return [...chain.slice(chain.indexOf(file)), file];
    if (done.has(file)) return undefined;
    chain.push(file);
    for (const next of imports.get(file) ?? []) {
      const circle = visit(next);
      if (circle) return circle;
    }
    chain.pop();
    done.add(file);
    return undefined;
  };
  for (const file of imports.keys()) {
    const circle = visit(file);
    if (circle) return circle;
  }
  return undefined;
}

/** Imports from a room that stands below the importing file's own. */
function against(order: readonly string[], imports: ReadonlyMap<string, readonly string[]>): string[] {
  const place = (file: string) => order.findIndex((room) => file.startsWith(room));
  return [...imports].flatMap(([file, all]) =>
    place(file) < 0 ? [] : all.filter((to) => place(to) > place(file)).map((to) => `${file} imports ${to}`)
  );
}

const roomsOfReadme = (text: string) =>
  [...text.matchAll(/^\| `([./\w]+\/)` /gm)].map(([, room]) =>
    new URL(room, new URL("src/", root)).pathname.slice(root.pathname.length)
  );

Deno.test("rooms import only from the rooms above them in the table of src/README.md", async () => {
  const order = roomsOfReadme(await Deno.readTextFile(new URL("src/README.md", root)));
  const folders = await Array.fromAsync(Deno.readDir(new URL("src", root)));
  const rooms = folders.filter(({ isDirectory }) => isDirectory).map(({ name }) => `src/${name}/`);
  assertEquals([...order].sort(), [...rooms, "ffi/", "tasks/"].sort());
  const imports = await importsOfAll();
  assertEquals(against(order, imports), []);
  // cli.ts and mod.ts are doors: nothing inside comes in by them.
  const entered = [...imports].filter(([, all]) => all.some((to) => to === "cli.ts" || to === "mod.ts"));
  assertEquals(entered.map(([file]) => file), []);
});

Deno.test("no chain of imports comes back to where it began", async () => {
  const imports = await importsOfAll();
  assertTrue(imports.size > 200 && imports.get("tasks/pretrain.ts")!.includes("src/run/training_run.ts"));
  assertEquals(circleIn(imports), undefined);
});

Deno.test("imports against the order, and circles, are found", () => {
  const imports = new Map([
    ["src/a/x.ts", importsOf("src/a/x.ts", 'import type { Y } from "../b/y.ts";\n// import "../c/z.ts";')],
    ["src/b/y.ts", importsOf("src/b/y.ts", 'import {\n  z,\n} from "../c/z.ts";')],
    ["src/c/z.ts", importsOf("src/c/z.ts", 'const x = await import("../a/x.ts");')],
  ]);
  assertEquals(against(["src/c/", "src/b/", "src/a/"], imports), ["src/c/z.ts imports src/a/x.ts"]);
  assertEquals(circleIn(imports), ["src/a/x.ts", "src/b/y.ts", "src/c/z.ts", "src/a/x.ts"]);
});
