/** Makes a folder that is ready for the Hugging Face Hub. */
import { basename } from "node:path";
import { command, setting, z } from "../src/command/command.ts";
import { InputError } from "../src/common/errors.ts";
import { refuseForeignFolder } from "../src/files/atomic.ts";
import { modelHelp, readModel } from "../src/weights/model_folder.ts";
import { writePublication } from "../src/publish/publication.ts";

const repositoryName = /^[\w.-]+\/[\w.-]+$/;

export default command({
  name: "publish",
  summary:
    "Makes a folder that is ready for the Hugging Face Hub: a card with metadata, config.json, model.safetensors, and model.onnx with the lines of Python that use it. Nothing is uploaded: `hf upload ORG/NAME FOLDER` does that.",
  settings: z.object({
    model: setting(z.string(), modelHelp),
    output: setting(z.string(), "folder to make"),
    name: setting(z.string().optional(), "the model's name (default: the folder's)"),
    license: setting(
      z.string().regex(/^[a-z0-9.-]+$/, "it must be an identifier such as mit or cc-by-4.0").optional(),
      "licence of the weights as the Hub names it, such as mit or cc-by-4.0 (default: the model's own)",
    ),
    datasets: setting(
      z.array(z.string().regex(repositoryName, "ORG/NAME is needed")).default([]),
      "datasets of the Hub that it was trained on: ORG/NAME",
    ),
    repository: setting(
      z.string().regex(repositoryName, "ORG/NAME is needed").optional(),
      "where it will be on the Hub, for the card: ORG/NAME",
    ),
  }),
  examples: [
    "deno task publish --model runs/asas/best --license cc-by-4.0 --repository someone/astromer2-asas --output hub/astromer2-asas",
  ],
  async run({ model: location, output, name, ...publication }) {
    await refuseForeignFolder(output, "model.safetensors", "a model folder");
    const model = await readModel(location);
    if (/^https?:/.test(model.folder)) {
      throw new InputError(`--model ${location}: it has to be a model on this machine`);
    }
    await writePublication(output, model, { name: name ?? basename(output), ...publication });
    console.log(`${output}: README.md, config.json, model.safetensors, model.onnx`);
    if (!publication.license && !model.config.license) {
      console.log("no licence is given: nobody may use these weights until the card names one (--license)");
    }
    const { repository = "ORG/NAME" } = publication;
    console.log(`hf upload ${repository} ${output}   (pip install huggingface_hub; hf auth login)`);
  },
});
