/** What a setting is: a zod schema with a line of help. Rooms declare their own; `src/command/` reads them. */
import { z } from "npm:zod@4.6.7";

export { z };

/** What a setting's `.meta()` carries: one line of help and, for a quantity, its unit. */
export interface SettingMeta {
  help: string;
  unit?: string;
}

/** Names of settings that were not left to their defaults: by flag or file, and by flag alone. */
export interface Given {
  /** By flag or by file. */
  all: ReadonlySet<string>;
  /** By flag. */
  flags: ReadonlySet<string>;
}

/** Declares a setting: its schema, one line of help, and the unit of a quantity. */
export function setting<S extends z.ZodType>(schema: S, help: string, unit?: string): S {
  return schema.meta(unit ? { help, unit } : { help });
}
