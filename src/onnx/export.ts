/** Models and classifiers as ONNX files: what the Python package light-curve and ONNX Runtime read. */
import type { ClassifierParts } from "../classify/fitted_classifier.ts";
import { InputError, messageOf } from "../common/errors.ts";
import { widthOf } from "../model/architecture.ts";
import { parameterSpecs } from "../model/network.ts";
import { checkStateDict } from "../model/parameters.ts";
import { version } from "../common/version.ts";
import type { ModelParts } from "../weights/model_folder.ts";
import { classify } from "./classifier.ts";
import { Graph, type Port, type Value } from "./graph.ts";
import { encode, inputs, Layers, maximumOf, meanOf, type OnnxDtype, reconstructionOf } from "./network.ts";

/**
 * What a file can give of every window; names of the first three as the Python package light-curve has them.
 *
 * - `mean`, `max` (batch, d): of the last block's output, over what the model sees.
 * - `sequence` (batch, length, d): the last block's output of every point.
 * - `layers` (batch, blocks + 1, d): means of the input embedding and of every block's output.
 * - `reconstruction` (batch, length, 1): the magnitude of every point, relative to the mean that was taken off.
 */
export const modelOutputs = ["mean", "max", "sequence", "layers", "reconstruction"] as const;
export type ModelOutput = typeof modelOutputs[number];

/** What a classifier's file gives of every window as a light curve of its own. */
export const classifierOutputs = ["probabilities", "window_probabilities", "novelty"] as const;

/** What to write, and how. */
export interface OnnxOptions {
  outputs: readonly ModelOutput[];
  /** Of the parameters and of what the layers compute with; inputs and outputs are float32 in either case. */
  dtype: OnnxDtype;
  /** A classifier that was fitted on this model: its outputs are added. */
  classifier?: ClassifierParts;
}

/**
 * A model as the bytes of an ONNX file: the whole encoder, its period search included.
 * @param model as `readModel` reads it
 * @throws {InputError} when the parameters do not fit the architecture, or the classifier does not fit the model
 */
export function onnxFile(
  { folder, config, state }: ModelParts,
  { outputs, dtype, classifier }: OnnxOptions,
): Uint8Array<ArrayBuffer> {
  const { architecture } = config, width = widthOf(architecture);
  try {
    checkStateDict(parameterSpecs(architecture, "reference"), state);
  } catch (error) {
    throw new InputError(
      `${folder}/model.safetensors does not fit ${folder}/config.json: ${messageOf(error)}`,
    );
  }
  const graph = new Graph(), layers = new Layers(graph, state, dtype);
  const encoded = encode(layers, architecture), last = encoded.layers.at(-1)!;
  const ports: Port[] = [];
  const give = (name: string, value: Value, ...shape: (number | string)[]) => {
    graph.output(value, name);
    ports.push({ name, type: "float32", shape: ["batch", ...shape] });
  };
  const makers: Record<ModelOutput, () => void> = {
    mean: () => give("mean", meanOf(graph, last, encoded.visible), width),
    max: () => give("max", maximumOf(graph, last, encoded.visible), width),
    sequence: () => give("sequence", graph.cast(last, "float32"), "length", width),
    layers() {
      const means = encoded.layers.map((x) =>
        graph.op("Unsqueeze", [meanOf(graph, x, encoded.visible), graph.integers(1)])
      );
      give("layers", graph.concat(1, ...means), means.length, width);
    },
    reconstruction: () => give("reconstruction", reconstructionOf(layers, last), "length", 1),
  };
  if (classifier) {
    const { vectors, width: of, classes } = classifier.config, count = encoded.layers.length + 1;
    if (vectors !== count || of !== width) {
      throw new InputError(
        `the classifier reads ${vectors} vectors of ${of} a window, this model makes ${count} of ${width}`,
      );
    }
    const { probabilities, plain, novelty } = classify(graph, classifier, encoded);
    give("probabilities", probabilities, classes.length);
    give("window_probabilities", plain, classes.length);
    give("novelty", novelty);
  }
  for (const name of outputs) makers[name]();
  return graph.file({
    name: "astromer",
    version,
    description:
      "Astromer: magnitudes (input) and times of windows of light curves, each less its mean over the window; " +
      "mask_in is 1 for what is seen, 0 for padding and hidden points",
    inputs,
    outputs: ports,
    metadata: {
      architecture: JSON.stringify(architecture),
      window_size: String(config.window_size),
      astromer_version: version,
      ...config.origin ? { origin: config.origin } : {},
      ...config.license ? { license: config.license } : {},
      ...classifier
        ? {
          classes: JSON.stringify(classifier.config.classes),
          temperature: String(classifier.config.temperature),
        }
        : {},
    },
  });
}
