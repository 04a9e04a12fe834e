/** What `--help` and `tasks/README.md` say of a command. */
import type { Command } from "./command.ts";
import { describe } from "./described.ts";

/** The text of `--help`: summary, settings with units and defaults, examples. */
export function helpOf(command: Command): string {
  const rows = describe(command.settings).map((setting) => ({
    flag: setting.kind === "boolean" ? `--${setting.flag}` : `--${setting.flag} <${setting.value}>`,
    text: setting.help +
      (setting.required
        ? " (required)"
        : setting.fallback === undefined || setting.fallback === false || String(setting.fallback) === ""
        ? ""
        : ` (default ${Array.isArray(setting.fallback) ? setting.fallback.join(",") : setting.fallback})`),
  }));
  const wide = Math.min(36, Math.max(0, ...rows.map((row) => row.flag.length)));
  const lines = rows.map((row) =>
    row.flag.length > wide
      ? `  ${row.flag}\n  ${" ".repeat(wide)}  ${row.text}`
      : `  ${row.flag.padEnd(wide)}  ${row.text}`
  );
  return [
    command.summary,
    "",
    "Settings:",
    ...lines,
    "",
    "Examples:",
    ...command.examples.map((example) => `  ${example}`),
  ].join("\n");
}

/** A Markdown table of a command's settings, for `tasks/README.md`. */
export function settingsTable(command: Command): string {
  const shown = (value: unknown) =>
    value === undefined
      ? ""
      : Array.isArray(value)
      ? value.join(",")
      : value === false
      ? "no"
      : String(value);
  const cell = (text: string) => text.replaceAll("|", "\\|");
  return [
    "| setting | default | unit | what it is |",
    "| --- | --- | --- | --- |",
    ...describe(command.settings).map(({ flag, kind, value, unit, help, required, fallback }) =>
      `| \`--${flag}\` | ${required ? "required" : cell(shown(fallback))} | ${
        cell(unit || (kind === "text" && /\|/.test(value) ? value : ""))
      } | ${cell(help)} |`
    ),
  ].join("\n");
}
