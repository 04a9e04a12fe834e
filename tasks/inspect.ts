/** What preprocess would make of survey files; nothing is written. */
import { command, setting, z } from "../src/command/command.ts";
import { inspect } from "../src/survey/inspect.ts";
import { columnsShape, filterShape, inputSetting, resourcesShape } from "../src/survey/settings.ts";

export default command({
  name: "inspect",
  summary:
    "Shows what preprocess would read from survey files: format, survey, which columns and why, times, the first light curves, and what would be left out. It writes nothing: run it first on new data.",
  settings: z.object({
    input: inputSetting,
    files: setting(
      z.int().min(1).default(20),
      "most files to read, evenly spaced among all; counts are of these files",
    ),
    ...columnsShape,
    ...filterShape,
    ...resourcesShape,
  }),
  examples: [
    "deno task inspect --input survey",
    "deno task inspect --input 'survey/*.fits' --files 100",
    "deno task inspect --input lc.csv --flux flux --flux-error flux_err --zero-point nJy",
    "deno task inspect --input CATALOGUE --keep ra,dec --where 'catflags < 32768'",
  ],
  async run({ files, ...settings }) {
    console.log(await inspect(settings, files));
  },
});
