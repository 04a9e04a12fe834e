import { noGrad } from "../../ffi/autograd.ts";
import { liveTensors } from "../../ffi/tensor.ts";
import { InputError } from "../../src/common/errors.ts";
import { readSafetensors, type TensorData, writeSafetensors } from "../../src/files/safetensors.ts";
import { architecture } from "../../src/model/architecture.ts";
import { AstromerNetwork } from "../../src/model/network.ts";
import { assertEquals, assertRejects, assertStringIncludes, assertTrue } from "../../src/common/std.ts";
import { version } from "../../src/common/version.ts";
import { loadModel, saveModel } from "../../src/weights/model_folder.ts";
import { assertSame, inputOf, randomWindows, reconstructed, scramble, tiny } from "../model/support.ts";
import { namesIn } from "../survey/support.ts";
import { testIn } from "../shared.ts";

const details = { window_size: 20, training: { seed: 3 }, metrics: { validation_rmse: 0.1 } };
const windows = randomWindows(2, 15, 0.3);
const output = (model: AstromerNetwork) => reconstructed(model, () => inputOf(windows));

testIn("a model comes back from its folder bit for bit, with its configuration", async (folder) => {
  const architectures = [
    tiny(),
    tiny({ encoding: "periods", shortest_period: 0.5, dropout: 0.2 }),
    tiny({ skip: "none", masked_magnitudes: "zero", blocks: 3 }),
  ];
  for (const of of architectures) {
    using model = scramble(new AstromerNetwork(of));
    await saveModel(`${folder}/model`, model, details);
    const { model: loaded, config } = await loadModel(`${folder}/model`);
    using again = loaded;
    assertEquals(again.architecture, of);
    assertSame(
      again.parameters.master.toArray() as Float32Array,
      model.parameters.master.toArray() as Float32Array,
    );
    assertSame(output(again), output(model));
    assertEquals(config, {
      model_type: "astromer",
      astromer_version: version,
      parameters: model.parameters.size,
      architecture: of,
      format_version: 1,
      ...details,
    });
  }
  assertEquals(await namesIn(`${folder}/model`), ["README.md", "config.json", "model.safetensors"]);
  assertEquals(await namesIn(folder), ["model"]);
});

testIn("a model trained in bfloat16 is saved in float32, and runs in either", async (folder) => {
  using model = scramble(new AstromerNetwork(tiny(), { dtype: "bfloat16" }));
  await saveModel(`${folder}/model`, model, details);
  const { tensors, metadata } = await readSafetensors(`${folder}/model/model.safetensors`);
  assertEquals(metadata, { format: "pt" });
  assertEquals([...tensors.keys()].sort(), model.parameters.layout.map(({ name }) => name).sort());
  assertTrue([...tensors.values()].every(({ dtype }) => dtype === "F32"));
  using half = (await loadModel(`${folder}/model`, { dtype: "bfloat16" })).model;
  assertSame(output(half), output(model));
  using full = (await loadModel(`${folder}/model`)).model;
  assertEquals([half.dtype, full.dtype], ["bfloat16", "float32"]);
});

testIn("parameters in half the bytes keep eleven bits each", async (folder) => {
  using model = scramble(new AstromerNetwork(tiny()));
  await saveModel(`${folder}/model`, model, details, { dtype: "F16" });
  using again = (await loadModel(`${folder}/model`)).model;
  const [before, after] = [model, again].map(({ parameters }) => parameters.master.toArray() as Float32Array);
  assertTrue(before.every((value, i) => Math.abs(value - after[i]) <= 2 ** -11 * Math.abs(value) + 2 ** -25));
  assertEquals([again.dtype, Object.is(before[0], after[0])], ["float32", false]);
});

testIn("what is wrong with a folder is said, with file, tensor or setting", async (folder) => {
  const path = `${folder}/model`, config = `${path}/config.json`, weights = `${path}/model.safetensors`;
  using model = new AstromerNetwork(tiny());
  await saveModel(path, model, details);
  const original = [await Deno.readFile(config), await Deno.readFile(weights)];
  const json = JSON.parse(await Deno.readTextFile(config));
  const { tensors } = await readSafetensors(weights);
  const configure = (value: unknown) => Deno.writeTextFile(config, JSON.stringify(value));
  const architect = (changes: object) =>
    configure({ ...json, architecture: { ...json.architecture, ...changes } });
  const weigh = (change: (state: Record<string, TensorData>) => void) => {
    const state = Object.fromEntries(tensors);
    change(state);
    return writeSafetensors(weights, state);
  };
  const rows: [string, () => Promise<void>, string][] = [
    ["no configuration", () => Deno.remove(config), `${path} is not a model folder`],
    ["half a configuration", () => Deno.writeTextFile(config, '{"arch'), "config.json is not valid JSON"],
    ["null", () => configure(null), "config.json: Invalid input: expected object"],
    ["a list", () => configure([]), "config.json: Invalid input: expected object"],
    ["another kind of model", () => configure({ ...json, model_type: "bert" }), "config.json: model_type: "],
    ["no window size", () => configure({ ...json, window_size: null }), "config.json: window_size: "],
    [
      "more blocks than memory",
      () => architect({ blocks: 1e9 }),
      "config.json: architecture.blocks: ",
    ],
    [
      "a width beyond memory",
      () => architect({ heads: 1 << 20, head_size: 1 << 20 }),
      "this model wants [1099511627776,1]",
    ],
    ["no architecture", () => configure({ ...json, architecture: undefined }), "config.json: architecture: "],
    ["an unknown setting", () => architect({ layers: 6 }), 'Unrecognized key: "layers"'],
    ["an impossible setting", () => architect({ blocks: 0 }), "config.json: architecture.blocks: "],
    ["an unknown word", () => architect({ encoding: "sine" }), "config.json: architecture.encoding: "],
    [
      "another number of blocks",
      () => architect({ blocks: 3 }),
      "missing: encoder.blocks.2.attention_skip.weight",
    ],
    ["fewer blocks", () => architect({ blocks: 1 }), "not a parameter of this model: encoder.blocks.1."],
    [
      "another width",
      () => architect({ feed_forward_size: 13 }),
      "encoder.blocks.0.feed_forward.up.weight has shape [12,8], this model wants [13,8]",
    ],
    ["no token", () => weigh((state) => delete state["encoder.mask_token"]), "missing: encoder.mask_token"],
    [
      "a tensor too many",
      () => weigh((state) => state["extra"] = state["encoder.mask_token"]),
      "not a parameter of this model: extra",
    ],
    [
      "a tensor of another shape",
      () => weigh((state) => state["head.linear.weight"] = { ...state["head.linear.weight"], shape: [8, 1] }),
      "head.linear.weight has shape [8,1], this model wants [1,8]",
    ],
    [
      "a tensor of another dtype",
      () =>
        weigh((state) => state["head.linear.bias"] = { dtype: "F64", shape: [1], data: new Float64Array(1) }),
      'tensor "head.linear.bias" has dtype F64, a model wants F32 or F16',
    ],
    [
      "a weight that is no number",
      () =>
        weigh((state) =>
          state["head.linear.bias"] = { dtype: "F32", shape: [1], data: Float32Array.of(Infinity) }
        ),
      'tensor "head.linear.bias" holds Infinity at element 0',
    ],
    [
      "a pipe for weights",
      async () => {
        await Deno.remove(weights);
        await new Deno.Command("mkfifo", { args: [weights] }).output();
      },
      "model.safetensors cannot be read: it is not a file",
    ],
    ["no weights", () => Deno.remove(weights), "model.safetensors cannot be read"],
    [
      "weights cut short",
      () => Deno.truncate(weights, original[1].length - 4),
      "is it cut short?",
    ],
  ];
  for (const [what, alter, sentence] of rows) {
    await alter();
    const before = liveTensors();
    const error = await assertRejects(() => loadModel(path), InputError);
    assertStringIncludes(error.message, sentence, what);
    assertStringIncludes(error.message, path, what);
    assertEquals(liveTensors(), before, `${what}: no tensor is left`);
    await Deno.remove(weights).catch(() => {});
    await Deno.writeFile(config, original[0]);
    await Deno.writeFile(weights, original[1]);
  }
  (await loadModel(path)).model[Symbol.dispose]();
});

testIn("a failure to save leaves the model that was there", async (folder) => {
  using model = scramble(new AstromerNetwork(tiny()));
  await saveModel(`${folder}/model`, model, details);
  const circular: Record<string, unknown> = {};
  circular.itself = circular;
  await assertRejects(
    () => saveModel(`${folder}/model`, model, { ...details, training: circular }),
    TypeError,
  );
  assertEquals(await namesIn(folder), ["model"]);
  const { model: loaded, config } = await loadModel(`${folder}/model`);
  using again = loaded;
  assertEquals(config.training, { seed: 3 });
  noGrad(() => assertSame(output(again), output(model)));
});

testIn("settings that a configuration leaves out are the defaults", async (folder) => {
  using model = new AstromerNetwork(tiny());
  await saveModel(`${folder}/model`, model, details);
  const config = JSON.parse(await Deno.readTextFile(`${folder}/model/config.json`));
  const { blocks, heads, head_size, feed_forward_size } = tiny();
  config.architecture = { blocks, heads, head_size, feed_forward_size };
  await Deno.writeTextFile(`${folder}/model/config.json`, JSON.stringify(config));
  using loaded = (await loadModel(`${folder}/model`)).model;
  assertEquals(loaded.architecture, architecture("astromer2", config.architecture));
});
