/** Fetches a model of the Hub, which all other commands then use without the network. */
import { command, setting, z } from "../src/command/command.ts";
import { InputError } from "../src/common/errors.ts";
import { fetchModel, hubReference } from "../src/hub/hub.ts";
import { duration, ProgressLine } from "../src/common/progress.ts";
import { readModel } from "../src/weights/model_folder.ts";

export default command({
  name: "fetch",
  summary:
    "Downloads a model from the Hugging Face Hub into the cache that it shares with Python's huggingface_hub. No other command uses the network: they take --model hf:ORG/NAME[@REVISION] from the cache. If a branch has moved on, the newer model is downloaded. HF_ENDPOINT, HF_TOKEN, HF_HOME and HF_HUB_CACHE work as in Python.",
  settings: z.object({
    model: setting(z.string(), "hf:ORG/NAME, or hf:ORG/NAME@REVISION: a branch, a tag or a commit"),
  }),
  examples: [
    "deno task fetch --model hf:someone/astromer2-ztf",
    "deno task fetch --model hf:someone/astromer2-ztf@v1.0",
  ],
  async run({ model }) {
    const reference = hubReference(model);
    if (!reference) throw new InputError(`--model ${model}: hf:ORG/NAME or hf:ORG/NAME@REVISION is needed`);
    const line = new ProgressLine(), started = performance.now();
    const seconds = () => (performance.now() - started) / 1000;
    let first: number | undefined;
    const folder = await fetchModel(reference, (file, done, of) => {
      first ??= done;
      line.update(() => {
        const rate = (done - first!) / seconds(), megabytes = (bytes: number) => (bytes / 1e6).toFixed(1);
        const left = of === undefined || rate === 0 ? "" : `, ${duration((of - done) / rate)} left`;
        return `${file}: ${megabytes(done)}${of === undefined ? "" : ` of ${megabytes(of)}`} MB  ${
          megabytes(rate)
        } MB/s${left}`;
      });
    });
    line.clear();
    const { config } = await readModel(model);
    console.log(
      `${folder}: ${config.parameters.toLocaleString("en")} parameters, windows of ${config.window_size}; ` +
        `use it with --model ${model}`,
    );
  },
});
