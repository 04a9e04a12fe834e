/** A command: its settings as a zod schema, from which come its flags, its config file, its help and the saved run. */
import { InputError, messageOf, shown } from "../common/errors.ts";
import { landingOf, parentOf, tryOutput } from "../files/atomic.ts";
import { readText } from "../files/text.ts";
import { type Given, setting, type SettingMeta, z } from "../common/setting.ts";
import { closestString, parseArgs, parseToml } from "../common/std.ts";

export { type Given, setting, z };

/** A command of the command line, one a file in `tasks/`. */
export interface Command<Shape extends z.ZodRawShape = z.ZodRawShape> {
  name: string;
  summary: string;
  settings: z.ZodObject<Shape>;
  /** Whole command lines that `--help` shows. */
  examples: string[];
  /** Does the work; `given` names the settings that were not left to their defaults. */
  run(settings: z.output<z.ZodObject<Shape>>, given: Given, runOther: RunCommand): void | Promise<void>;
}

/** Runs another command line, such as `["pretrain", "--data", "…"]`, and returns its exit code. */
export type RunCommand = (args: string[]) => Promise<number>;

/** Declares a command; settings are typed by their schema. */
export function command<Shape extends z.ZodRawShape>(definition: Command<Shape>): Command<Shape> {
  return definition;
}

type Kind = "text" | "number" | "boolean" | "list";

interface Described {
  name: string;
  flag: string;
  kind: Kind;
  /** What may stand after the flag: a unit, the allowed words, or the type. */
  value: string;
  help: string;
  unit: string;
  required: boolean;
  fallback: unknown;
}

/** Every setting of a schema, read from the schema itself. */
export function describe(settings: z.ZodObject): Described[] {
  return Object.entries(settings.shape).map(([name, schema]) => {
    const meta = ((schema as z.ZodType).meta() ?? {}) as Partial<SettingMeta>;
    let inner = schema as z.ZodType, fallback: unknown, required = true;
    for (;;) {
      const definition = inner.def as unknown as {
        type: string;
        innerType?: z.ZodType;
        defaultValue?: unknown;
      };
      if (definition.type === "default" || definition.type === "prefault") {
        fallback ??= definition.defaultValue;
      } else if (definition.type !== "optional" && definition.type !== "nullable") break;
      required = false;
      inner = definition.innerType!;
    }
    const { kind, value } = kindOf(inner);
    const { help = "", unit = "" } = { ...inner.meta() as Partial<SettingMeta>, ...meta };
    return {
      name,
      flag: name.replaceAll("_", "-"),
      kind,
      value: unit || value,
      help,
      unit,
      required,
      fallback,
    };
  });
}

function kindOf(schema: z.ZodType): { kind: Kind; value: string } {
  const definition = schema.def as unknown as {
    type: string;
    entries?: Record<string, string>;
    options?: z.ZodType[];
    values?: unknown[];
    in?: z.ZodType;
  };
  switch (definition.type) {
    case "boolean":
      return { kind: "boolean", value: "" };
    case "number":
    case "int":
      return { kind: "number", value: "number" };
    case "enum":
      return { kind: "text", value: Object.values(definition.entries!).join("|") };
    case "literal":
      return { kind: "text", value: definition.values!.join("|") };
    case "array":
      return { kind: "list", value: "a,b,…" };
    case "pipe":
      return kindOf(definition.in!);
    case "union": {
      const options = definition.options!.map(kindOf);
      const kinds = new Set(options.map((option) => option.kind));
      return {
        kind: kinds.size === 1 ? options[0].kind : "number",
        value: options.map((o) => o.value).join("|"),
      };
    }
    default:
      return { kind: "text", value: "text" };
  }
}

/**
 * Settings from flags over a config file over defaults.
 * @param args what stands after the command's name
 * @returns the settings, and the names of those that were given
 * @throws {InputError} on an unknown, missing or impossible setting, by name
 */
export async function readSettings<Shape extends z.ZodRawShape>(
  command: Command<Shape>,
  args: string[],
): Promise<{ settings: z.output<z.ZodObject<Shape>>; given: Given }> {
  const described = describe(command.settings);
  const byFlag = new Map(described.map((setting) => [setting.flag, setting]));
  const takesConfig = byFlag.has("config");
  const given = new Map<string, unknown>();

  const booleans = described.filter((setting) => setting.kind === "boolean").map((setting) => setting.flag);
  const texts = described.filter((setting) => setting.kind !== "boolean").map((setting) => setting.flag);
  // A value is tied to its flag: one that begins with a dash (-1e9) would otherwise be read as a flag.
  const tied: string[] = [];
  for (let i = 0; i < args.length; i++) {
    // A setting of one letter may be written -k.
    const [, name = "", equals] = /^--?([a-z])$/.exec(args[i]) ?? /^--([a-z0-9-]+)(=?)$/.exec(args[i]) ?? [];
    if (!texts.includes(name)) {
      tied.push(args[i]);
      continue;
    }
    const value = equals ? "" : args[++i] ?? "";
    if (value === "" || /^--[a-z]/.test(value)) {
      throw new InputError(`--${name} needs a value (${byFlag.get(name)!.value})`);
    }
    tied.push(`--${name}=${value}`);
  }
  // What parseArgs would pass over in silence: all after "--", the "no-" of "--no-blocks=3", "--trim=no" (as true).
  const odd = tied.find((arg) => {
    const [, name = "", value] = /^--([^=]+)=(.*)$/s.exec(arg) ?? [];
    return arg === "--" || name.startsWith("no-") ||
      (booleans.includes(name) && value !== "true" && value !== "false");
  });
  if (odd) throw new InputError(notUnderstood(odd));
  const parsed = parseArgs(tied, {
    boolean: booleans,
    negatable: booleans,
    string: texts,
    collect: texts,
    unknown(argument, key) {
      if (key === undefined) throw new InputError(notUnderstood(argument));
      const known = [...byFlag.keys()];
      throw new InputError(
        `unknown setting --${key}; did you mean --${closestString(key, known)}? ` +
          `(${command.name} --help lists all)`,
      );
    },
  });
  const flags = new Set(args.flatMap((arg) => /^--(?:no-)?([a-z0-9-]+)/.exec(arg)?.[1] ?? []));
  for (const setting of described) {
    const value = parsed[setting.flag];
    if (setting.kind === "boolean") {
      if (flags.has(setting.flag)) given.set(setting.name, value);
      continue;
    }
    const values = value as string[];
    if (values.length === 0) continue;
    if (setting.kind !== "list" && values.length > 1) {
      throw new InputError(`--${setting.flag} was given ${values.length} times: ${values.join(", ")}`);
    }
    given.set(setting.name, fromText(setting, setting.kind === "list" ? values.join(",") : values[0]));
  }

  const byFlagAlone = new Set(given.keys());
  if (takesConfig && given.has("config")) {
    const path = given.get("config") as string;
    for (const [name, value] of Object.entries(await readConfig(path))) {
      const key = name.replaceAll("-", "_");
      const setting = byFlag.get(key.replaceAll("_", "-"));
      if (!setting || setting.flag === "config") {
        throw new InputError(
          `${path}: unknown setting ${shown(name)}; did you mean "${
            closestString(
              key,
              described.map((s) => s.name),
            )
          }"?`,
        );
      }
      if (given.has(key)) continue;
      if (written.has(key)) await refuseOutside(path, setting, value);
      given.set(key, value);
    }
  }

  const result = command.settings.safeParse(Object.fromEntries(given));
  if (!result.success) throw new InputError(sentenceOf(result.error, byFlag, given));
  return { settings: result.data, given: { all: new Set(given.keys()), flags: byFlagAlone } };
}

/**
 * Tries, before any work, whether what a command writes can be written.
 * @throws {Failure} naming the path, and why not
 */
export async function tryOutputs(settings: Record<string, unknown>): Promise<void> {
  for (const name of written) {
    const path = settings[name];
    if (typeof path === "string") await tryOutput(path);
  }
}

function notUnderstood(argument: string): string {
  return `"${argument}" is not understood: settings are given as --name value`;
}

function fromText(setting: Described, text: string): unknown {
  if (setting.kind === "list") {
    // Numbers in a list stay text here: the schema coerces them where it wants numbers.
    return text.split(",").map((part) => part.trim()).filter((part) => part !== "");
  }
  if (setting.kind === "number") {
    const number = Number(text);
    return text.trim() !== "" && Number.isFinite(number) ? number : text;
  }
  return text;
}

async function readConfig(path: string): Promise<Record<string, unknown>> {
  let text: string;
  try {
    text = await readText(path);
  } catch (error) {
    throw new InputError(`the config file ${path} cannot be read: ${messageOf(error)}`);
  }
  const format = path.endsWith(".json") ? "JSON" : "TOML";
  let value: unknown;
  try {
    value = format === "JSON" ? JSON.parse(text) : parseToml(text);
  } catch (error) {
    throw new InputError(`the config file ${path} is not valid ${format}: ${messageOf(error)}`);
  }
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    throw new InputError(`the config file ${path} is not a table of settings`);
  }
  return value as Record<string, unknown>;
}

/** Settings that name what a command writes. */
const written: ReadonlySet<string> = new Set(["output", "figure", "csv"]);

/**
 * A config file may be somebody else's: it says where to write within the working folder and its own, a flag anywhere.
 * @throws {InputError} when it leads out of both
 */
async function refuseOutside(config: string, { name, flag }: Described, value: unknown): Promise<void> {
  if (typeof value !== "string") return; // the schema refuses it
  const target = await landingOf(value);
  for (const folder of [".", parentOf(config)]) {
    const within = `${await Deno.realPath(folder)}/`.replace(/^\/+$/, "/");
    if (`${target}/`.startsWith(within)) return;
  }
  throw new InputError(
    `${config}: ${name} "${value}" is outside of the working folder and of the config file's own; ` +
      `a flag may say so: --${flag} ${value}`,
  );
}

function sentenceOf(error: z.ZodError, byFlag: Map<string, Described>, given: Map<string, unknown>): string {
  return error.issues.map((issue) => {
    const name = String(issue.path[0] ?? "");
    const setting = byFlag.get(name.replaceAll("_", "-"));
    if (!setting) return issue.message;
    if (!given.has(name)) return `--${setting.flag} is missing: ${setting.help}`;
    const found = shown(given.get(name));
    return `--${setting.flag} cannot be ${found}: ${
      issue.message === "Invalid input"
        ? `${setting.value} is needed (${setting.help})`
        : issue.message.replace(/^Invalid input: /, "").replace(/^Invalid option: /, "")
    }`;
  }).join("\n");
}

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
