/** What this machine has and what is missing. */
import { command, setting, z } from "../src/command/command.ts";
import { diagnose, reportOf } from "../src/machine/doctor.ts";
import { Failure } from "../src/common/errors.ts";

export default command({
  name: "doctor",
  summary:
    "Shows what this machine has, what the automatic settings would choose, what is missing and how to get it.",
  settings: z.object({
    json: setting(z.boolean().default(false), "print one JSON object"),
  }),
  examples: ["deno task doctor", "deno task doctor --json"],
  run({ json }) {
    const found = diagnose();
    console.log(json ? JSON.stringify(found, null, 2) : reportOf(found));
    if (!found.libtorch) throw new Failure("there is no usable libtorch: the report says what to do");
  },
});
