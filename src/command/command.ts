/** A command: its settings as a zod schema, from which come its flags, its config file, its help and the saved run. */
import { type Given, setting, z } from "../common/setting.ts";

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
