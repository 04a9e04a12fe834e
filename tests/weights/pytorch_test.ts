/** The README's Python computes what we compute, from the same model folders. */
import { noGrad } from "../../ffi/autograd.ts";
import { scope, Tensor } from "../../ffi/tensor.ts";
import { openFolderOrZip } from "../../src/files/folder_or_zip.ts";
import { AstromerNetwork } from "../../src/model/network.ts";
import { seeded } from "../../src/common/random.ts";
import { assertEquals, assertTrue } from "../../src/common/std.ts";
import { saveModel } from "../../src/weights/model_folder.ts";
import { importReference } from "../../src/weights/reference_import.ts";
import { scramble, tiny } from "../model/support.ts";
import { missingInPython } from "../python.ts";
import { root } from "../docs.ts";
import { hasShared, largestDifference, sharedPath, testIn } from "../shared.ts";

const missing = missingInPython("torch", "safetensors", "numpy");

/** Runs the script once for each folder, in one Python, and prints what it computed. */
const runner = `
import json, sys
script, window, *folders = sys.argv[1:]
for folder in folders:
    sys.argv, names = [script, folder, window], {}
    exec(open(script).read(), names)
    print(json.dumps([names[name].flatten().tolist() for name in ("embedding", "reconstruction")]))
`;

testIn(
  `PyTorch as weights/README.md writes it: embedding and reconstruction${
    missing && ` (skipped: Python has no ${missing})`
  }`,
  async (folder) => {
    const [, script] = /^## Weights in PyTorch$[\s\S]*?^\`\`\`python\n([\s\S]*?)^\`\`\`$/m.exec(
      await Deno.readTextFile(new URL("weights/README.md", root)),
    )!;
    await Deno.writeTextFile(`${folder}/script.py`, script);
    const random = seeded(3, 0x9170), size = 200;
    const mjd = Float64Array.from({ length: size }, () => 48_000 + 3000 * random.next()).sort();
    const magnitudes = mjd.map((t) => 15 + Math.sin(t / 40) + 0.1 * random.normal());
    const lines = Array.from(mjd, (t, i) => `${t},${magnitudes[i]}\n`);
    await Deno.writeTextFile(`${folder}/window.csv`, lines.join(""));

    using token = scramble(new AstromerNetwork(tiny()));
    using periods = scramble(new AstromerNetwork(tiny({ encoding: "periods", heads: 4, blocks: 3 })));
    using plain = scramble(new AstromerNetwork(tiny({ skip: "none", masked_magnitudes: "zero" })));
    using folded = scramble(new AstromerNetwork(tiny({ encoding: "folded", heads: 4, head_size: 16 })));
    const networks = [token, periods, plain, folded];
    using released = hasShared
      ? (await importReference(await openFolderOrZip(sharedPath("weights/macho_a0.zip")))).network
      : null;
    if (released) networks.push(released);
    const folders = networks.map((_, i) => `${folder}/model${i}`);
    for (const [i, network] of networks.entries()) {
      await saveModel(folders[i], network, { window_size: size });
    }

    const { stdout, stderr } = await new Deno.Command("python3", {
      args: ["-c", runner, `${folder}/script.py`, `${folder}/window.csv`, ...folders],
    }).output();
    const results = new TextDecoder().decode(stdout).trim().split("\n");
    assertEquals(results.length, networks.length, new TextDecoder().decode(stderr));
    const mean = (values: Float64Array) => values.reduce((sum, value) => sum + value, 0) / size;
    const centred = (values: Float64Array) =>
      Tensor.from(Float32Array.from(values, (value) => value - mean(values)), [1, size, 1]);
    for (const [i, network] of networks.entries()) {
      const ours = noGrad(() =>
        scope(() => {
          const input = { magnitudes: centred(magnitudes), times: centred(mjd), hidden: null };
          const values = (tensor: Tensor) => tensor.toArray() as Float32Array;
          return [values(network.encode(input)), values(network.reconstruct(input))];
        })
      );
      const [embedding, reconstruction] = JSON.parse(results[i]) as number[][];
      const assertClose = (actual: number[], expected: Float32Array, tolerance: number, what: string) => {
        const difference = largestDifference(actual, expected);
        assertTrue(difference <= tolerance, `${what} of model ${i}: differs by ${difference}`);
      };
      // The released Astromer 1 amplifies rounding: see the fixtures' tolerances of its last block, which reaches 14. The
      // period of a maximum is found to a millionth of its width, and its phase counts eight times.
      const found = network === folded ? 1e-3 : 1e-5;
      assertClose(embedding, ours[0], network === released ? 5e-4 : found, "embedding");
      assertClose(reconstruction, ours[1].map((value) => value + mean(magnitudes)), found, "reconstruction");
    }
  },
  missing !== "",
);
