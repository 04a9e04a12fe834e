/** Damaged model folders: a sentence, or the very same model; never a crash, a hang, other weights. */
import { liveTensors } from "../../ffi/tensor.ts";
import { InputError } from "../../src/common/errors.ts";
import { architecture } from "../../src/model/architecture.ts";
import { AstromerNetwork } from "../../src/model/network.ts";
import { type Random, seeded } from "../../src/common/random.ts";
import { assertEquals, assertTrue } from "../../src/common/std.ts";
import { type LoadedModel, loadModel, saveModel } from "../../src/weights/model_folder.ts";
import { damaged, oddValues, pick, replaceOne } from "../files/support.ts";
import { scramble, tiny } from "../model/support.ts";
import { testIn } from "../shared.ts";

/** Ways to damage JSON text. */
const damages: ((json: string, random: Random) => string)[] = [
  (json, random) => json.slice(0, random.integer(json.length)),
  (json, random) => replaceOne(random, json, /[^]/g, () => String.fromCharCode(random.integer(256))),
  (json, random) => replaceOne(random, json, /[{}[\]:,]/g, () => pick(random, "{}[]:, ")),
  (json, random) =>
    replaceOne(
      random,
      json,
      /(?<=: )-?[\d.e-]+/g,
      () => pick(random, [...oddValues, "1e9", "4294967296", "3"]),
    ),
  (json, random) =>
    replaceOne(
      random,
      json,
      /(?<=: )"\w+"/g,
      () => pick(random, [...oddValues, '"kept"', '"both"', '"none"']),
    ),
  (json, random) =>
    replaceOne(random, json, /"\w+":/g, () => pick(random, ['"heads":', '"__proto__":', '"":'])),
  (json, random) => replaceOne(random, json, /^ +"\w+": [^{}]*?,\n/gm, () => ""), // a setting left out
  (json, random) => replaceOne(random, json, /"\w+": /g, (key) => `${key}${pick(random, oddValues)}, ${key}`),
  (json, random) => {
    const depth = random.integer(20_000);
    return replaceOne(random, json, /(?<=: )"?\w+"?/g, () => "[".repeat(depth) + "]".repeat(depth));
  },
];

/** Loads a folder: the model, or the sentence that says why not. Any other error is the test's. */
async function outcome(folder: string): Promise<LoadedModel | string> {
  try {
    return await loadModel(folder);
  } catch (error) {
    if (error instanceof InputError) return error.message;
    throw error;
  }
}

testIn("five hundred damaged model folders: a sentence, or the very same model", async (folder) => {
  const path = `${folder}/model`, weights = `${path}/model.safetensors`, config = `${path}/config.json`;
  using network = scramble(new AstromerNetwork(tiny()));
  await saveModel(path, network, {
    window_size: 20,
    notes: ["a"],
    metrics: { rmse: 0.2 },
    training: { seed: 3 },
  });
  const file = await Deno.readFile(weights), json = await Deno.readTextFile(config);
  const bitsOf = ({ parameters }: AstromerNetwork) =>
    new Uint32Array((parameters.master.toArray() as Float32Array<ArrayBuffer>).buffer);
  const values = bitsOf(network);
  const refused = { weights: 0, config: 0 };

  const check = async (of: "weights" | "config", what: string, text: string) => {
    const before = liveTensors(), found = await outcome(path);
    if (typeof found === "string") {
      refused[of]++;
      assertTrue(found.includes(path) && found.length < 2000, `${what}: ${found}`);
    } else {
      using model = found.model;
      assertEquals(bitsOf(model), values, what);
      // What no tensor depends on may be another setting and still be right; it is then as the text says.
      assertEquals(model.architecture, architecture("astromer2", JSON.parse(text).architecture), what);
    }
    assertEquals(liveTensors(), before, `${what}: no tensor is left`);
  };
  for (const { index, kind, bytes } of damaged(() => file, 250)) {
    await Deno.writeFile(weights, bytes);
    await check("weights", `${kind}, number ${index}`, json);
  }
  await Deno.writeFile(weights, file);
  for (let index = 0; index < 250; index++) {
    const text = damages[index % damages.length](json, seeded(0xf01d, index));
    await Deno.writeTextFile(config, text);
    await check("config", `${index}: ${text.slice(0, 2000)}`, text);
  }
  assertTrue(refused.weights > 190 && refused.weights < 250, `${refused.weights} of 250 weights`);
  assertTrue(refused.config > 150 && refused.config < 250, `${refused.config} of 250 configurations`);
});
