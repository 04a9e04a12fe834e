/**
 * Puts a trained model among those that ship, with half the bytes:
 * `deno run -A src/weights/ship.ts --model runs/asas/best --name astromer2-asas --origin 'Pretrained on …' --license CC-BY-4.0`.
 * An older card (`README.md`) is kept: it is written by hand.
 */
import { createHash } from "node:crypto";
import { basename } from "node:path";
import { exists, writeJson, writeText } from "../files/atomic.ts";
import { parseArgs } from "../common/std.ts";
import { loadModel, saveModel } from "./model_folder.ts";
import shipped from "../../weights/shipped.json" with { type: "json" };

const { model, name, origin, license } = parseArgs(Deno.args, {
  string: ["model", "name", "origin", "license"],
}) as Partial<Record<"model" | "name" | "origin" | "license", string>>;
if (!model || !name) throw new Error("--model and --name are needed");

const weights = new URL("../../weights/", import.meta.url).pathname,
  folder = `${weights}${name}`,
  card = `${folder}/README.md`;
const written = await exists(card) ? await Deno.readTextFile(card) : undefined;

const { model: network, config } = await loadModel(model);
using _ = network;
const { data: _data, output: _output, ...training } = config.training ?? {}; // folders of the machine it was trained on
const dataset = config.dataset &&
  { ...config.dataset, folder: config.dataset.folder.split(",").map((path) => basename(path)).join() };
const details = { ...config, training, dataset, ...origin ? { origin } : {}, ...license ? { license } : {} };
await saveModel(folder, network, details, { dtype: "F16" });
if (written !== undefined) await writeText(card, written);

const hashes = await Promise.all(["config.json", "model.safetensors"].map(async (file) => {
  const bytes = await Deno.readFile(`${folder}/${file}`);
  console.log(`${folder}/${file}: ${bytes.length} bytes`);
  return [file, createHash("sha256").update(bytes).digest("hex")];
}));
await writeJson(`${weights}shipped.json`, { ...shipped, [name]: Object.fromEntries(hashes) });
