/** Which settings a run may go on with. */
import { z } from "../../src/common/setting.ts";
import { loopShape } from "../../src/run/settings.ts";
import { InputError } from "../../src/common/errors.ts";
import {
  isOverridden,
  refuseExistingRun,
  resumeShape,
  savedOf,
  settingsIn,
  settingsToTrain,
} from "../../src/run/resume.ts";
import { assertEquals, assertRejects, assertStringIncludes } from "../../src/common/std.ts";
import { testIn } from "../shared.ts";

const schema = z.object({
  data: z.string(),
  output: z.string(),
  blocks: z.int().default(6),
  ...loopShape,
  ...resumeShape,
});
type Settings = z.output<typeof schema>;

/** A run folder with settings. */
async function begun(folder: string, changes: Partial<Settings> = {}): Promise<Record<string, unknown>> {
  const saved = savedOf(schema.parse({ data: "data/a", output: folder, ...changes }));
  await Deno.writeTextFile(`${folder}/config.json`, JSON.stringify(saved));
  await Deno.writeTextFile(`${folder}/metrics.jsonl`, "");
  return saved;
}

/** Settings to go on with, when some are given. */
function goOn(folder: string, given: Record<string, unknown>) {
  const settings = schema.parse({ data: "data/a", output: folder, resume: true, ...given });
  const names = new Set(["data", "output", "resume", ...Object.keys(given)]);
  return settingsToTrain(schema, settings, { all: names, flags: names }, [`${folder}/none`, folder]);
}

testIn("what is not given is the run's; what changes no number may change", async (folder) => {
  await begun(folder, { epochs: 7, seed: 3, threads: 2, max_minutes: 5 });
  assertEquals(savedOf(await goOn(folder, {})), await settingsIn(folder) as Settings);
  const given = { data: "data/b", epochs: 7, threads: 4, checkpoint_minutes: 1, core_power: 3 };
  const { epochs, seed, threads, data, checkpoint_minutes, core_power } = await goOn(folder, given);
  assertEquals({ data, epochs, threads, checkpoint_minutes, core_power }, given);
  assertEquals(seed, 3);
});

testIn("what has changed is named with both values, and refused", async (folder) => {
  await begun(folder);
  const rows: [Record<string, unknown>, string][] = [
    [
      { epochs: 9 },
      `${folder} was started with epochs = 100, now 9. Leave that out, or confirm it with --override epochs`,
    ],
    [
      { max_minutes: 5 },
      "max_minutes = not given, now 5. Leave that out, or confirm it with --override max_minutes",
    ],
    [
      { seed: 1, epochs: 9 },
      "epochs = 100, now 9; seed = 0, now 1. A run cannot continue with another seed",
    ],
    [{ blocks: 2, override: ["epochs"] }, "blocks = 6, now 2. A run cannot continue with another blocks"],
    [{ epochs: 9, patience: 2, override: ["epochs"] }, "patience = 20, now 2. Leave that out"],
    [{ schedule: "transformer", override: ["schedule"] }, "--schedule transformer does not fit"],
  ];
  for (const [given, sentence] of rows) {
    const { message } = await assertRejects(() => goOn(folder, given), InputError);
    assertStringIncludes(message, sentence);
  }
});

testIn("--override lets the named settings change, and takes a limit away", async (folder) => {
  const saved = await begun(folder, { max_minutes: 5, seed: 3 });
  const changed = await goOn(folder, { epochs: 200, override: ["epochs", "max_minutes"] });
  assertEquals([changed.epochs, changed.max_minutes, changed.seed], [200, undefined, 3]);
  assertEquals([isOverridden(changed, saved), isOverridden(await goOn(folder, {}), saved)], [true, false]);
});

testIn("a run that is there is gone on with only when told to", async (folder) => {
  await refuseExistingRun(folder);
  await begun(folder);
  await assertRejects(
    () => refuseExistingRun(folder),
    InputError,
    `${folder} already holds a run: continue it with --resume`,
  );
  await assertRejects(
    () => goOn(folder, { resume: false, override: ["epochs"] }),
    InputError,
    "--override needs --resume",
  );
  await Deno.writeTextFile(`${folder}/config.json`, "{");
  await assertRejects(() => goOn(folder, {}), InputError, `${folder}/config.json, cannot be read`);
  await Deno.writeTextFile(`${folder}/config.json`, '{"epochs": "many"}');
  await assertRejects(() => goOn(folder, {}), InputError, `${folder}/config.json: epochs: `);
});
