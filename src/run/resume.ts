/** Resuming a run: which of its settings may change. */
import { type Given, setting, z } from "../common/setting.ts";
import { requeueSetting } from "../machine/settings.ts";
import { checkLoop, type LoopSettings } from "./settings.ts";
import { InputError, messageOf } from "../common/errors.ts";
import { exists } from "../files/atomic.ts";
import { readText } from "../files/text.ts";
import { energyShape } from "../train/energy.ts";

/** Settings that a run may go on with when they have changed and `--override` names them. */
const overridable = [
  "epochs",
  "max_minutes",
  "patience",
  "learning_rate",
  "schedule",
  "warmup_steps",
  "clip_norm",
  "validation_windows",
  "log_steps",
  "device",
  "precision",
  "tf32",
] as const;

/** Settings that change nothing in a run's numbers, or, as threads, their last bits alone. */
const harmless = [
  "threads",
  "steps_ahead",
  "cuda_graphs",
  "data_on_device",
  "checkpoint_minutes",
  ...Object.keys(energyShape),
];

/**
 * Settings of one call of a command, which are not those of a run. Where data, scenarios and model lie may change: that
 * they are the same is known by their fingerprints.
 */
const ofTheCall = [
  ...["data", "scenarios", "model", "output", "config"],
  ...["resume", "override", "requeue", "samples_per_class", "folds"],
];

/** Settings of going on with a run. */
export const resumeShape = {
  resume: setting(
    z.boolean().default(false),
    "continue the run in --output from its newest checkpoint (after a kill, or exit code 75), or start it if there is none; settings that are not given are the run's",
  ),
  override: setting(
    z.array(z.enum(overridable)).default([]),
    `settings that may change when a run is resumed, such as epochs: any of ${overridable.join(", ")}`,
  ),
  requeue: requeueSetting,
} as const;

/** Settings of a training that can be resumed. */
export type ResumableSettings = LoopSettings & z.output<z.ZodObject<typeof resumeShape>>;

/** The settings that make a run what it is, as its `config.json` keeps them. */
export function savedOf(settings: ResumableSettings & { config?: string }): Record<string, unknown> {
  const { config: _, resume: __, override: ___, requeue: ____, ...saved } = settings;
  return saved;
}

/** The settings of the run in a folder; undefined where there is none. */
export async function settingsIn(folder: string): Promise<Record<string, unknown> | undefined> {
  if (!await exists(`${folder}/metrics.jsonl`)) return undefined;
  const path = `${folder}/config.json`;
  try {
    return JSON.parse(await readText(path));
  } catch (error) {
    throw new InputError(`the settings of the run, ${path}, cannot be read: ${messageOf(error)}`);
  }
}

/**
 * Refuses a folder that holds a run.
 * @throws {InputError} if it does
 */
export async function refuseExistingRun(folder: string): Promise<void> {
  if (await settingsIn(folder) === undefined) return;
  throw new InputError(
    `${folder} already holds a run: continue it with --resume, choose another --output, or remove it first`,
  );
}

/**
 * Settings to train with: as given, or with `--resume` those of the run that is there.
 * @param schema of the command's settings
 * @param folders where a run may be; all have the same settings
 * @throws {InputError} when the run cannot go on with what was given
 */
export async function settingsToTrain<S extends ResumableSettings>(
  schema: z.ZodType<S>,
  settings: S,
  given: Given,
  folders: readonly string[],
): Promise<S> {
  if (!settings.resume) {
    if (settings.override.length === 0) return settings;
    throw new InputError("--override needs --resume: it names the settings that may change");
  }
  for (const folder of folders) {
    const saved = await settingsIn(folder);
    if (saved) return resumedSettings(schema, settings, given, saved, folder);
  }
  console.log(`there is no run in ${folders[0]} yet: starting one`);
  return settings;
}

/** Whether settings differ from a run's where `--override` may change them. */
export function isOverridden(settings: ResumableSettings, saved: Record<string, unknown>): boolean {
  return overridable.some((name) => JSON.stringify(settings[name]) !== JSON.stringify(saved[name]));
}

/**
 * Refuses the results of a run with other settings.
 * @param saved what the run's `config.json` says
 * @throws {InputError} naming the settings that differ, with both values
 */
export function refuseOtherRun(
  settings: ResumableSettings,
  saved: Record<string, unknown>,
  folder: string,
): void {
  const now = savedOf(settings), free = [...ofTheCall, ...harmless];
  const said = Object.keys({ ...saved, ...now })
    .filter((name) => !free.includes(name) && JSON.stringify(now[name]) !== JSON.stringify(saved[name]))
    .map((name) => `${name} = ${shown(saved[name])}, now ${shown(now[name])}`);
  if (said.length === 0) return;
  throw new InputError(`${folder} exists already, made with ${said.join("; ")}: choose another --output`);
}

/**
 * The settings that a run goes on with: its own, but for what may change from call to call.
 * @param settings of this call, with defaults
 * @param saved what the run's `config.json` says
 * @param folder of the run, for messages
 * @throws {InputError} naming the settings that were given and are not the run's, with both values
 */
function resumedSettings<S extends ResumableSettings>(
  schema: z.ZodType<S>,
  settings: S,
  given: Given,
  saved: Record<string, unknown>,
  folder: string,
): S {
  const now = settings as Record<string, unknown>;
  const free = new Set<string>([...ofTheCall, ...settings.override]);
  const changed = Object.keys(now).filter((name) =>
    given.all.has(name) && !free.has(name) && !harmless.includes(name) &&
    JSON.stringify(now[name]) !== JSON.stringify(saved[name])
  );
  if (changed.length) {
    const may = changed.filter((name) => (overridable as readonly string[]).includes(name));
    const never = changed.filter((name) => !may.includes(name));
    const said = changed.map((name) => `${name} = ${shown(saved[name])}, now ${shown(now[name])}`);
    throw new InputError(
      `${folder} was started with ${said.join("; ")}. ` +
        (never.length ? `A run cannot continue with another ${never.join(", ")}` : "Leave that out") +
        (never.length ? "" : `, or confirm it with --override ${may.join(",")}`),
    );
  }
  const own = Object.entries(saved).filter(([name]) =>
    !free.has(name) && !(harmless.includes(name) && given.all.has(name))
  );
  const parsed = schema.safeParse({ ...settings, ...Object.fromEntries(own) });
  if (!parsed.success) {
    const [{ path, message }] = parsed.error.issues;
    throw new InputError(`${folder}/config.json: ${path.join(".")}: ${message}`);
  }
  checkLoop(parsed.data);
  return parsed.data;
}

const shown = (value: unknown) => value === undefined ? "not given" : JSON.stringify(value);
