/** The settings of a command: from flags, over a config file, over defaults. */
import { InputError, messageOf, shown } from "../common/errors.ts";
import type { Given, z } from "../common/setting.ts";
import { closestString, parseArgs, parseToml } from "../common/std.ts";
import { readText } from "../files/text.ts";
import type { Command } from "./command.ts";
import { describe, type Described } from "./described.ts";
import { refuseOutside, written } from "./outputs.ts";

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
  const given = givenByFlags(command.name, described, args);
  const byFlagAlone = new Set(given.keys());
  if (byFlag.has("config") && given.has("config")) {
    await addConfig(given.get("config") as string, byFlag, given);
  }
  const result = command.settings.safeParse(Object.fromEntries(given));
  if (!result.success) throw new InputError(sentenceOf(result.error, byFlag, given));
  return { settings: result.data, given: { all: new Set(given.keys()), flags: byFlagAlone } };
}

/** What flags say, by the settings' names. */
function givenByFlags(
  command: string,
  described: readonly Described[],
  args: readonly string[],
): Map<string, unknown> {
  const flagsOf = (some: readonly Described[]) => some.map((setting) => setting.flag);
  const booleans = flagsOf(described.filter((setting) => setting.kind === "boolean"));
  const others = described.filter((setting) => setting.kind !== "boolean"), texts = flagsOf(others);
  const parsed = parseArgs(tiedToFlags(args, others, booleans), {
    boolean: booleans,
    negatable: booleans,
    string: texts,
    collect: texts,
    unknown(argument, key) {
      if (key === undefined) throw new InputError(notUnderstood(argument));
      throw new InputError(
        `unknown setting --${key}; did you mean --${closestString(key, flagsOf(described))}? ` +
          `(${command} --help lists all)`,
      );
    },
  });
  const flags = new Set(args.flatMap((arg) => /^--(?:no-)?([a-z0-9-]+)/.exec(arg)?.[1] ?? []));
  const given = new Map<string, unknown>();
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
  return given;
}

/** Flags with their values in one word: a value that begins with a dash (-1e9) would else be read as a flag. */
function tiedToFlags(
  args: readonly string[],
  others: readonly Described[],
  booleans: readonly string[],
): string[] {
  const tied: string[] = [];
  for (let i = 0; i < args.length; i++) {
    // A setting of one letter may be written -k.
    const [, name = "", equals] = /^--?([a-z])$/.exec(args[i]) ?? /^--([a-z0-9-]+)(=?)$/.exec(args[i]) ?? [];
    const setting = others.find(({ flag }) => flag === name);
    if (!setting) {
      tied.push(args[i]);
      continue;
    }
    const value = equals ? "" : args[++i] ?? "";
    if (value === "" || /^--[a-z]/.test(value)) {
      throw new InputError(`--${name} needs a value (${setting.value})`);
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
  return tied;
}

/** Adds what a config file says of settings that no flag has given. */
async function addConfig(
  path: string,
  byFlag: ReadonlyMap<string, Described>,
  given: Map<string, unknown>,
): Promise<void> {
  const names = [...byFlag.values()].map(({ name }) => name);
  for (const [name, value] of Object.entries(await readConfig(path))) {
    const key = name.replaceAll("-", "_"), setting = byFlag.get(key.replaceAll("_", "-"));
    if (!setting || setting.flag === "config") {
      throw new InputError(
        `${path}: unknown setting ${shown(name)}; did you mean "${closestString(key, names)}"?`,
      );
    }
    if (given.has(key)) continue;
    if (written.has(key)) await refuseOutside(path, setting, value);
    given.set(key, value);
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
