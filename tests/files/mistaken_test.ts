/** What stands where weights are expected is called by its name. */
import { InputError } from "../../src/common/errors.ts";
import { openFolderOrZip } from "../../src/files/folder_or_zip.ts";
import { readSafetensorsHeader } from "../../src/files/safetensors.ts";
import { assertEquals, assertRejects } from "../../src/common/std.ts";
import { hasShared, sharedPath, testIn } from "../shared.ts";

testIn(
  `weights that are none: a pointer, a web page, another format${
    hasShared ? "" : " (skipped: ../shared is absent)"
  }`,
  async () => {
    const place = sharedPath("cases/75-bug-weights-that-are-no-weights/input");
    const rows: [string, string][] = [
      [
        "lfs-pointer",
        " is not a safetensors file but a Git LFS pointer, not the weights themselves (15.8 MB): run git lfs pull",
      ],
      ["html-page", " is not a safetensors file but a web page, not the weights: download them again"],
      ["empty", " is not a safetensors file: it has only 0 bytes"],
      ["header-too-large", " is not a safetensors file: its header claims 1099511627776 of 10 bytes"],
      [
        "torch-pickle",
        " is not a safetensors file but a zip archive, as PyTorch saves .pt files: save the state dict by safetensors.torch.save_file",
      ],
      ["truncated", ': tensor "encoder.input.weight" ends beyond the end of the file (is it cut short?)'],
    ];
    for (const [name, sentence] of rows) {
      const path = `${place}/${name}/model.safetensors`;
      const { message } = await assertRejects(() => readSafetensorsHeader(path), InputError);
      assertEquals(message, path + sentence);
    }
    const keras = `${place}/keras.weights.h5`;
    const { message } = await assertRejects(() => openFolderOrZip(keras), InputError);
    assertEquals(
      message,
      `${keras} is neither a folder nor a zip: an HDF5 file, as Keras saves weights: save them as a TensorFlow checkpoint ` +
        `(model.save_weights) or as safetensors`,
    );
  },
  !hasShared,
);
