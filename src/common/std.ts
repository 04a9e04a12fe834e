/**
 * The standard library, in one place. JSR's `@std/*` is reached through the npm package that mirrors it (JavaScript
 * without types, hence the signatures here); moving to `jsr:@std/*` is a change of one line each.
 */
import * as assert from "npm:deno-std@1.4.0/assert/mod.js";
import * as cli from "npm:deno-std@1.4.0/cli/parse_args.js";
import * as csv from "npm:deno-std@1.4.0/csv/mod.js";
import * as toml from "npm:deno-std@1.4.0/toml/mod.js";
import * as yaml from "npm:deno-std@1.4.0/yaml/mod.js";
import * as text from "npm:deno-std@1.4.0/text/closest_string.js";

type ErrorClass<E extends Error> = abstract new (...parameters: never[]) => E;

export const parseArgs = cli.parseArgs as (
  args: string[],
  options: {
    boolean?: string[];
    string?: string[];
    negatable?: string[];
    collect?: string[];
    unknown?: (argument: string, key?: string, value?: unknown) => unknown;
  },
) => Record<string, unknown> & { _: (string | number)[] };

export const parseCsv = csv.parse as (
  text: string,
  options?: { skipFirstRow?: boolean; separator?: string },
) => Record<string, string>[];

export const parseYaml = yaml.parse as (text: string) => unknown;
export const parseToml = toml.parse as (text: string) => Record<string, unknown>;
export const closestString = text.closestString as (word: string, possible: readonly string[]) => string;

export const assertEquals = assert.assertEquals as (
  actual: unknown,
  expected: unknown,
  message?: string,
) => void;
export const assertNotEquals = assert.assertNotEquals as typeof assertEquals;
export const assertStrictEquals = assert.assertStrictEquals as typeof assertEquals;
export const assertAlmostEquals = assert.assertAlmostEquals as (
  actual: number,
  expected: number,
  tolerance?: number,
  message?: string,
) => void;
export const assertStringIncludes = assert.assertStringIncludes as (
  actual: string,
  expected: string,
  message?: string,
) => void;
export const assertMatch = assert.assertMatch as (actual: string, expected: RegExp, message?: string) => void;
export const assertThrows = assert.assertThrows as <E extends Error = Error>(
  run: () => unknown,
  errorClass?: ErrorClass<E>,
  includes?: string,
) => E;
export const assertRejects = assert.assertRejects as <E extends Error = Error>(
  run: () => PromiseLike<unknown>,
  errorClass?: ErrorClass<E>,
  includes?: string,
) => Promise<E>;
export function assertTrue(condition: unknown, message?: string): asserts condition {
  (assert.assert as (condition: unknown, message?: string) => void)(condition, message);
}
