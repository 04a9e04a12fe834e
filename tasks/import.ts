/** Turns the authors' TensorFlow weights into a model folder. */
import { command, setting, z } from "../src/command/command.ts";
import { shortestLightCurve } from "../src/data/windows.ts";
import { refuseForeignFolder } from "../src/files/atomic.ts";
import { openFolderOrZip } from "../src/files/folder_or_zip.ts";
import { architectureShape } from "../src/model/architecture.ts";
import { saveModel } from "../src/weights/model_folder.ts";
import { importMapped, isStateDict } from "../src/weights/mapped_import.ts";
import { referencePresets } from "../src/weights/reference_config.ts";
import { importReference } from "../src/weights/reference_import.ts";

export default command({
  name: "import",
  summary:
    "Converts a TensorFlow checkpoint of the authors' code (Astromer 1 or 2), or a PyTorch state dict, into a model folder. It needs neither TensorFlow nor PyTorch, and fails if a tensor is left over. Sizes come from the tensors; heads, window and mask from the config.toml or " +
    "conf.json beside them, from --preset, or from flags.",
  settings: z.object({
    from: setting(
      z.string(),
      "zip, or folder with NAME.index and NAME.data-00000-of-00001; or a state dict: .safetensors, .pt, .pth, .bin",
    ),
    mapping: setting(
      z.string().optional(),
      'of a state dict: a JSON file with window_size, architecture, and tensors, such as {"encoder.blocks.{i}.attention.query": ' +
        '{"name": "layers.{i}.qkv", "part": [0, 3]}}; see src/weights/mapped_import.ts',
    ),
    output: setting(z.string(), "model folder to make"),
    prefix: setting(
      z.string().optional(),
      "NAME of the checkpoint's files, if there are several checkpoints",
    ),
    preset: setting(
      z.enum(Object.keys(referencePresets) as [keyof typeof referencePresets]).optional(),
      "settings of the authors' code, instead of a configuration file: 4 heads, windows of 200, and the mask: astromer1 adds 1 where " +
        "query or key is hidden, astromer2 hides keys",
    ),
    heads: setting(z.int().min(1).optional(), architectureShape.heads.meta()!.help as string),
    window_size: setting(z.int().min(shortestLightCurve).optional(), "observations of a window"),
    attention_mask: setting(
      architectureShape.attention_mask.unwrap().optional(),
      "where hidden points were masked in training (an Astromer 1 with the paper's mask: keys)",
    ),
    attention_mask_value: setting(
      architectureShape.attention_mask_value.unwrap().optional(),
      "what was added to a masked attention logit (an Astromer 1 with the paper's mask: -1e9)",
    ),
  }),
  examples: [
    "deno task import --from macho_a0.zip --output models/astromer1-macho",
    "deno task import --from results/pretraining --preset astromer2 --output models/astromer2",
    "deno task import --from checkpoint.pt --mapping mapping.json --output models/mine",
  ],
  async run({ from, output, mapping, ...options }) {
    await refuseForeignFolder(output, "model.safetensors", "a model folder");
    const { network, ...details } = isStateDict(from)
      ? await importMapped(from, mapping)
      : await importReference(await openFolderOrZip(from), options);
    using model = network;
    await saveModel(output, model, details);
    const { blocks, heads, head_size, feed_forward_size, skip, masked_magnitudes, ...rest } =
      model.architecture;
    console.log(
      `${output}: ${blocks} blocks of ${heads} heads x ${head_size}, feed-forward ${feed_forward_size}, skip ${skip}, ` +
        `${
          model.parameters.size.toLocaleString("en")
        } parameters; windows of ${details.window_size}; hidden magnitudes: ` +
        `${masked_magnitudes}; attention mask: ${rest.attention_mask}, ${rest.attention_mask_value}`,
    );
    for (const note of details.notes ?? []) console.log(`- ${note}`);
  },
});
