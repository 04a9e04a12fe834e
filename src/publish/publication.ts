/** A model as a folder that is ready for the Hugging Face Hub: card, configuration, weights, ONNX. */
import { writeFolderAtomically, writeJson, writeText } from "../files/atomic.ts";
import { onnxFile } from "../onnx/export.ts";
import { cardBody, frontMatter, modelCard } from "../weights/model_card.ts";
import type { ModelParts } from "../weights/model_folder.ts";
import type { ModelConfig } from "../weights/model_config.ts";

/** What a card says beside what the model's folder does. */
export interface Publication {
  /** The model's name. */
  name: string;
  /** SPDX name of the licence, in lower case as the Hub has them. */
  license?: string;
  /** Datasets of the Hub that it was trained on, ORG/NAME. */
  datasets: readonly string[];
  /** Where it will be on the Hub, ORG/NAME. */
  repository?: string;
}

/** Figures that a card shows. */
const figures = /\.(svg|png|jpg)$/;

/**
 * Writes the folder, atomically.
 * @param model whose weights are copied as they are
 * @throws {InputError} when the parameters do not fit the architecture
 */
export async function writePublication(
  folder: string,
  model: ModelParts,
  publication: Publication,
): Promise<void> {
  const config: ModelConfig = { ...model.config, license: publication.license ?? model.config.license };
  const onnx = onnxFile({ ...model, config }, { outputs: ["mean", "max", "sequence"], dtype: "float32" });
  const written = await Deno.readTextFile(`${model.folder}/README.md`).catch(() => modelCard(config));
  await writeFolderAtomically(folder, async (temporary) => {
    await writeText(
      `${temporary}/README.md`,
      `${frontMatter(config, publication)}\n${withSnippet(cardBody(written), config, publication)}`,
    );
    await writeJson(`${temporary}/config.json`, config);
    await Deno.copyFile(`${model.folder}/model.safetensors`, `${temporary}/model.safetensors`);
    await Deno.writeFile(`${temporary}/model.onnx`, onnx);
    for await (const { name, isFile } of Deno.readDir(model.folder)) {
      if (isFile && figures.test(name)) {
        await Deno.copyFile(`${model.folder}/${name}`, `${temporary}/${name}`);
      }
    }
  });
}

/** The lines of Python that embed a light curve. */
function snippet({ window_size: size }: ModelConfig, { repository }: Publication): string {
  return [
    "import numpy as np, onnxruntime",
    ...repository ? ["from huggingface_hub import hf_hub_download"] : [],
    "from light_curve.embed import Astromer2",
    `session = onnxruntime.InferenceSession(${
      repository ? `hf_hub_download("${repository}", "model.onnx")` : '"model.onnx"'
    })`,
    `model = Astromer2(session)${size === 200 ? "" : `; model.seq_size = ${size}`}`,
    "nights = np.arange(150); mjd = 59000 + 2 * nights + 0.3 * np.sin(nights**2)  # a light curve of yours",
    "magnitude = 15 + 0.3 * np.sin(mjd / 5)",
    "embedding = model(mjd, magnitude).squeeze()",
  ].join("\n");
}

/** A card's text with how to use the model in Python, before its first section. */
function withSnippet(body: string, config: ModelConfig, publication: Publication): string {
  const packages = ["light-curve", "onnxruntime", ...publication.repository ? ["huggingface_hub"] : []];
  const section = [
    "## Use in Python",
    "",
    `With \`pip install ${packages.join(" ")}\`, and nothing else:`,
    "",
    "```python",
    snippet(config, publication),
    "```",
    "",
    "`model.onnx` takes windows of any length in batches (`input`: magnitudes, `times`: days, each less its mean over the " +
    "window; `mask_in`: 1 for observations, 0 for padding) and gives `mean`, `max` and `sequence`.",
    "",
    ...publication.repository
      ? [
        "## Use in Deno",
        "",
        "```sh",
        `deno task fetch --model hf:${publication.repository}`,
        `deno task embed --model hf:${publication.repository} --input 'survey/*.parquet' --output embeddings.parquet`,
        "```",
        "",
      ]
      : [],
    "",
  ].join("\n");
  const first = body.search(/^## /m);
  return first < 0 ? `${body}\n${section}` : body.slice(0, first) + section + body.slice(first);
}
