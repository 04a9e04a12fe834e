/** Writes a model, or a classifier with its model, as a file that other software runs. */
import { encoderFolder } from "../src/classify/encoder.ts";
import { readClassifier } from "../src/classify/fitted_classifier.ts";
import { command, setting, z } from "../src/command/command.ts";
import { InputError } from "../src/common/errors.ts";
import { writeAtomically } from "../src/files/atomic.ts";
import { classifierOutputs, modelOutputs, onnxFile } from "../src/onnx/export.ts";
import { opset } from "../src/onnx/graph.ts";
import { modelHelp, readModel } from "../src/weights/model_folder.ts";

export default command({
  name: "export",
  summary:
    "Writes a model as ONNX, for ONNX Runtime, the Python package light-curve and others: everything from magnitudes and times to embeddings. A batch may have any number of windows of any length.",
  settings: z.object({
    model: setting(z.string().optional(), modelHelp),
    classifier: setting(
      z.string().optional(),
      "classifier folder: its probabilities and novelty become outputs; it says which --model it needs",
    ),
    output: setting(z.string(), "the .onnx to write"),
    format: setting(z.enum(["onnx"]).default("onnx"), `ONNX, opset ${opset}`),
    outputs: setting(
      z.array(z.enum(modelOutputs)).optional(),
      "any of mean and max (over a window's points), sequence (every point), layers (means of the input embedding and of every block), reconstruction (magnitudes); default: mean,max,sequence, or none with --classifier",
    ),
    precision: setting(
      z.enum(["float32", "float16"]).default("float32"),
      "precision of parameters and layers: float16 halves the file; inputs, outputs and periods keep theirs",
    ),
  }),
  examples: [
    "deno task export --model astromer2-asas --format onnx --output astromer2-asas.onnx",
    "deno task export --model runs/asas/best --outputs mean,reconstruction --precision float16 --output model.onnx",
    "deno task export --classifier runs/classify/classifiers/asas-best/gamma/500-0 --output classifier.onnx",
  ],
  async run({ model: location, classifier: folder, output, outputs, precision }) {
    if (!output.endsWith(".onnx")) throw new InputError(`--output ${output}: ONNX files are named .onnx`);
    const classifier = folder === undefined ? undefined : await readClassifier(folder);
    if (classifier && classifier.config.encoder.kind !== "model") {
      throw new InputError(`${folder} reads features, which cannot be written as ONNX`);
    }
    if (location === undefined && classifier === undefined) {
      throw new InputError(`--model is missing: ${modelHelp}`);
    }
    const model = await readModel(
      classifier ? await encoderFolder(folder!, classifier.config.encoder, location) : location!,
    );
    const names = outputs ?? (classifier ? [] : ["mean", "max", "sequence"] as const);
    const bytes = onnxFile(model, { outputs: names, dtype: precision, classifier });
    await writeAtomically(output, (temporary) => Deno.writeFile(temporary, bytes));
    const all = [...classifier ? classifierOutputs : [], ...names];
    console.log(
      `${output}: ${
        (bytes.length / 1e6).toFixed(1)
      } MB, ONNX opset ${opset}, ${precision}; inputs input, times, mask_in ` +
        `(batch, length, 1), windows of up to ${model.config.window_size} observations; outputs ${
          all.join(", ")
        }`,
    );
  },
});
