/** The README's tables of settings, made from the schemas. `deno task readme` writes them. */
import { type Command, settingsTable } from "../src/command.ts";

export const readmePath = new URL("../README.md", import.meta.url);

/** The text with every part between `<!-- settings: NAME -->` and `<!-- end -->` made anew. */
export async function withTables(text: string): Promise<string> {
  const parts = text.split(/(?<=<!-- settings: \w+ -->\n)[\s\S]*?(?=\n<!-- end -->)/);
  const names = [...text.matchAll(/<!-- settings: (\w+) -->/g)].map(([, name]) => name);
  let result = parts[0];
  for (const [i, name] of names.entries()) {
    const { default: command } = await import(`../tasks/${name}.ts`) as { default: Command };
    result += settingsTable(command) + parts[i + 1];
  }
  return result;
}

if (import.meta.main) {
  await Deno.writeTextFile(readmePath, await withTables(await Deno.readTextFile(readmePath)));
}
