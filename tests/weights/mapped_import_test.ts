/** State dicts of other names, in safetensors and as torch.save writes them, become the same model. */
import { Astromer } from "../../mod.ts";
import { InputError } from "../../src/common/errors.ts";
import { assertEquals, assertRejects, assertStringIncludes, assertTrue } from "../../src/common/std.ts";
import { importMapped } from "../../src/weights/mapped_import.ts";
import { saveModel } from "../../src/weights/model_folder.ts";
import { missingInPython } from "../python.ts";
import { testIn } from "../shared.ts";
import { succeed } from "../tasks/support.ts";

const missing = missingInPython("torch", "safetensors", "numpy");

/** Renames, transposes and joins a model's tensors as another code base might, and saves them in each format. */
const renaming = `
import sys, collections, torch
from safetensors.torch import load_file, save_file
folder = sys.argv[1]
ours, theirs = load_file(f"{folder}/model/model.safetensors"), collections.OrderedDict()
for i in range(2):
    block = f"encoder.blocks.{i}."
    for kind in ("weight", "bias"):
        parts = [ours.pop(f"{block}attention.{part}.{kind}") for part in ("query", "key", "value")]
        theirs[f"layers.{i}.qkv.{kind}"] = torch.cat(parts)
    theirs[f"layers.{i}.up.weight"] = ours.pop(f"{block}feed_forward.up.weight").T  # not contiguous
    theirs[f"layers.{i}.up.bias"] = ours.pop(f"{block}feed_forward.up.bias")
theirs.update({f"net.{name}": value for name, value in ours.items()})
torch.save({"state_dict": theirs, "epoch": 3, "steps": torch.tensor(7)}, f"{folder}/model.pt")
torch.save({name: value.double() for name, value in theirs.items()}, f"{folder}/plain.bin")
save_file({name: value.contiguous() for name, value in theirs.items()}, f"{folder}/renamed.safetensors")
class Anything:
    def __reduce__(self):
        return print, ("this must not run",)
torch.save({"state_dict": theirs, "x": Anything()}, f"{folder}/evil.pt")
`;

testIn(
  `state dicts of PyTorch by a mapping file${missing && ` (skipped: Python has no ${missing})`}`,
  async (folder) => {
    const settings = { blocks: 2, heads: 2, head_size: 4, feed_forward_size: 12 };
    using original = Astromer.untrained({ ...settings, seed: 5 });
    await original.save(`${folder}/model`);
    const { success, stderr } = await new Deno.Command("python3", { args: ["-c", renaming, folder] })
      .output();
    assertTrue(success, new TextDecoder().decode(stderr));
    const mapping = (prefix: string, changes = {}) => {
      const part = (index: number) => ({ name: `${prefix}layers.{i}.qkv`, part: [index, 3] });
      const block = "encoder.blocks.{i}.", rest = `${prefix}net.`;
      const same = [
        ...["encoder.input", "head.norm", "head.linear", "encoder.mask_token"],
        ...["attention.output", "attention_skip", "attention_norm", "feed_forward.down", "feed_forward_skip"]
          .concat("feed_forward_norm").map((layer) => block + layer),
      ];
      return Deno.writeTextFile(
        `${folder}/mapping.json`,
        JSON.stringify({
          window_size: 200,
          architecture: settings,
          license: "mit",
          tensors: {
            [`${block}attention.query`]: part(0),
            [`${block}attention.key`]: part(1),
            [`${block}attention.value`]: part(2),
            [`${block}feed_forward.up`]: { name: `${prefix}layers.{i}.up`, transposed: true },
            ...Object.fromEntries(same.map((name) => [name, rest + name])),
            ...changes,
          },
        }),
      );
    };
    const expected = original.network.parameters.stateDict();
    for (
      const [file, prefix] of [["model.pt", "state_dict."], ["plain.bin", ""], ["renamed.safetensors", ""]]
    ) {
      await mapping(prefix);
      const { network, ...details } = await importMapped(`${folder}/${file}`, `${folder}/mapping.json`);
      using model = network;
      assertEquals(model.parameters.stateDict(), expected, file);
      assertEquals([details.window_size, details.license], [200, "mit"]);
      await saveModel(`${folder}/again`, model, details);
    }
    const args = ["--mapping", `${folder}/mapping.json`, "--output", `${folder}/imported`];
    const { stdout } = await succeed("import", "--from", `${folder}/renamed.safetensors`, ...args);
    assertStringIncludes(stdout, "2 blocks of 2 heads x 4, feed-forward 12");

    const rows: [string, object, string][] = [
      ["model.pt", {}, 'has no tensor "net.encoder.input.weight" for encoder.input.weight'],
      [
        "plain.bin",
        { "head.linear": "net.encoder.input" },
        'tensor "net.encoder.input.bias" is [8], which does not make head.linear.bias [1]',
      ],
      ["plain.bin", { "head.linear": "layers.0.qkv" }, "does not make head.linear.weight [1,8]"],
      ["evil.pt", {}, "is no plain table of tensors: it calls"],
      ["mapping.json", {}, "is neither a folder nor a zip"],
    ];
    for (const [file, changes, sentence] of rows) {
      await mapping("", changes);
      const path = file.endsWith(".json") ? `${folder}/fake.pt` : `${folder}/${file}`;
      if (file.endsWith(".json")) await Deno.copyFile(`${folder}/${file}`, path);
      await assertRejects(() => importMapped(path, `${folder}/mapping.json`), InputError, sentence);
    }
    await assertRejects(
      () => importMapped(`${folder}/plain.bin`, undefined),
      InputError,
      "needs --mapping FILE.json",
    );
    await mapping("");
    const text = await Deno.readTextFile(`${folder}/mapping.json`);
    await Deno.writeTextFile(`${folder}/mapping.json`, text.replace('"encoder.mask_token":', '"head.bias":'));
    await assertRejects(
      () => importMapped(`${folder}/plain.bin`, `${folder}/mapping.json`),
      InputError,
      "tensors does not say what encoder.mask_token is",
    );
  },
  missing !== "",
);
