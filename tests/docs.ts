/** The parts of the documentation that are made from the code. `deno task readme` writes them. */
import { commands } from "../cli.ts";
import type { Command } from "../src/command/command.ts";
import { settingsTable } from "../src/command/help.ts";
import { type Preset, presets } from "../src/survey/presets.ts";

export const root = new URL("../", import.meta.url);
export const readmePath = new URL("README.md", root);
export const commandsPath = new URL("tasks/README.md", root);

/** Every page of the documentation that people write. */
export const pages = [
  "README.md",
  "CONTRIBUTING.md",
  "CHANGELOG.md",
  "tasks/cluster.md",
  "tasks/python.md",
  "weights/README.md",
  "weights/trials.md",
  "weights/astromer2-asas/README.md",
  "weights/astromer2-surveys/README.md",
  "ffi/README.md",
  "src/README.md",
];

/** What `preprocess` reads, and the surveys that it knows. */
function filesThatAreRead(): string[] {
  const rows = Object.entries(presets as Record<string, Preset>).map(([name, { about, known, notes = "" }]) =>
    `| \`${name}\` | ${about} | ${known ? "yes" : "no: --preset"} | ${notes} |`
  );
  return [
    "### Files that are read",
    "Files are told apart by their content, not by their names: CSV and other text tables, Parquet (flat, nested, HATS catalogues), FITS tables, " +
    "VOTable, ECSV, IPAC, CDS and VizieR tables, AAVSO reports, SNANA, Avro alerts; gzip is undone. What is not read is refused with a " +
    "sentence that says how to convert it.",
    "Surveys whose columns, units, flags and limits are known:",
    ["| preset | files | recognised | notes |", "| --- | --- | --- | --- |", ...rows].join("\n"),
  ];
}

/** `tasks/README.md`: every command with its settings and examples. */
export async function commandsPage(): Promise<string> {
  const parts = [
    "# Commands",
    "Made from the code by `deno task readme`. Each command is `deno task <command>`; `--help` says the same as this page. Settings can also " +
    "stand in a TOML or JSON file (`--config`), with underscores in place of hyphens.",
    "Exit codes: 0 done, 1 failure, 2 wrong use or input, 75 stopped by a signal (`--resume` goes on). Outputs appear whole or not at all.",
    Object.entries(commands).map(([name, { summary }]) => `- [${name}](#${name}): ${summary}`).join("\n"),
  ];
  for (const [name, { load }] of Object.entries(commands)) {
    const command = (await load()).default as Command;
    const settings = Object.keys(command.settings.shape).length ? [settingsTable(command)] : [];
    parts.push(`## ${name}`, command.summary, ...settings);
    if (name === "preprocess") parts.push(...filesThatAreRead());
    if (command.examples.length) {
      parts.push(
        `<!-- not run: the files are yours; a test checks that each line is understood -->\n\`\`\`sh\n${
          command.examples.join("\n")
        }\n\`\`\``,
      );
    }
  }
  return parts.join("\n\n") + "\n";
}

if (import.meta.main) await Deno.writeTextFile(commandsPath, await commandsPage());
