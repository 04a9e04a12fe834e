/** The authors' checkpoints as our models, against the numbers that their code computes with them. */
import { noGrad } from "../../ffi/autograd.ts";
import { liveTensors, scope, type Tensor } from "../../ffi/tensor.ts";
import { InputError } from "../../src/common/errors.ts";
import { openFolderOrZip } from "../../src/files/folder_or_zip.ts";
import { type Architecture, architecture } from "../../src/model/architecture.ts";
import { AstromerNetwork } from "../../src/model/network.ts";
import { assertEquals, assertRejects, assertStringIncludes, assertTrue } from "../../src/common/std.ts";
import { loadModel, saveModel } from "../../src/weights/model_folder.ts";
import { type ImportOptions, importReference } from "../../src/weights/reference_import.ts";
import type { CheckpointTensor } from "../../src/weights/tensorflow_checkpoint.ts";
import {
  encoderInput,
  recorded,
  referenceFrequencies,
  referenceName,
  releasedAstromer1,
} from "../model/reference.ts";
import { Fixture, hasShared, largestDifference, sharedPath, sharedTest, testIn } from "../shared.ts";
import { checkpointFiles, floats, memory, recordedFiles, recordedWeights } from "./checkpoint_support.ts";

/** Imports, saves and loads back, as the command and then a user do. */
async function throughFolder(folder: string, from: string, options: ImportOptions = {}) {
  const { network, ...details } = await importReference(await openFolderOrZip(sharedPath(from)), options);
  using imported = network;
  await saveModel(`${folder}/model`, imported, details);
  return await loadModel(`${folder}/model`);
}

/** What a network computes from recorded windows. */
function watched(network: AstromerNetwork, fixture: Fixture, prefix = "in.", times = `${prefix}times`) {
  return noGrad(() =>
    scope(() => {
      const layers: Float32Array[] = [], attention: Float32Array[] = [];
      const values = (tensor: Tensor) => tensor.toArray() as Float32Array;
      const reconstruction = values(network.reconstruct(encoderInput(fixture, prefix, times), {
        onLayer: (layer) => layers.push(values(layer)),
        onWeights: (weights) => attention.push(values(weights)),
      }));
      return { reconstruction, layers, attention };
    })
  );
}

/** The same weights under the angle rates that the reference computed, so that outputs can be compared tightly. */
function withFrequencies(network: AstromerNetwork, frequencies: Float32Array<ArrayBuffer>): AstromerNetwork {
  const exact = new AstromerNetwork(network.architecture, { frequencies });
  exact.parameters.loadStateDict(network.parameters.stateDict());
  return exact;
}

function assertWithin(
  actual: ArrayLike<number>,
  expected: ArrayLike<number>,
  tolerance: number,
  what: string,
) {
  const difference = largestDifference(actual, expected);
  assertTrue(difference <= tolerance, `${what}: differs by ${difference}, tolerance ${tolerance}`);
}

/** Asserts that a network's parameters are those that TensorFlow read from the same checkpoint, bit for bit. */
function assertRecordedWeights(network: AstromerNetwork, fixture: Fixture, prefix: string) {
  for (const [name, { shape, data }] of network.parameters.stateDict()) {
    assertWithin(data, recorded(fixture, prefix + referenceName(name), shape), 0, name);
  }
}

testIn("the released Astromer 1: its weights, blocks, attention and reconstruction", async (folder) => {
  const fixture = await Fixture.read("astromer1_macho.safetensors");
  const { model, config } = await throughFolder(folder, "weights/macho_a0.zip");
  using loaded = model;
  assertEquals(config.architecture, { ...releasedAstromer1, dropout: 0.1 });
  assertEquals([config.window_size, config.parameters, config.license], [200, 661_505, "unknown"]);
  assertStringIncludes(config.origin!, "macho/weights in macho_a0.zip");
  const card = await Deno.readTextFile(`${folder}/model/README.md`);
  for (
    const said of [
      "https://github.com/astromer-science/weights",
      "such points are preferred, not hidden",
      "windows are always padded to the full window size",
      "which copying can solve in part",
      "carries no licence file",
    ]
  ) assertStringIncludes(card, said);
  assertRecordedWeights(loaded, fixture, "weights.");

  using exact = withFrequencies(loaded, await referenceFrequencies());
  for (const [network, factor] of [[exact, 1], [loaded, 10]] as const) {
    const { layers, attention, reconstruction } = watched(network, fixture);
    assertWithin(layers[1], fixture.floats("out.block0"), 1e-4 * factor, "block 0");
    assertWithin(layers[2], fixture.floats("out.block1"), 1e-3 * factor, "block 1");
    assertWithin(reconstruction, fixture.floats("out.reconstruction"), 1e-4 * factor, "reconstruction");
    const window4 = attention[1].subarray(4 * 4 * 200 * 200, 5 * 4 * 200 * 200);
    assertWithin(window4, fixture.floats("out.attention_block1_w4"), 2e-4 * factor, "attention of block 1");
  }
  const visible = watched(exact, fixture, "in_visible.", "in.times").reconstruction;
  assertWithin(visible, fixture.floats("out_visible.reconstruction"), 1e-4, "nothing masked");
}, !hasShared);

testIn(
  "Astromer 2 as the reference writes it: its weights, last block and reconstruction",
  async (folder) => {
    const fixture = await Fixture.read("astromer2_io.safetensors");
    const { model, config } = await throughFolder(folder, "fixtures/astromer2_random", {
      preset: "astromer2",
    });
    using loaded = model;
    assertEquals(config.architecture, architecture("astromer2", { masked_magnitudes: "kept" }));
    assertEquals([config.window_size, config.parameters], [200, 3_953_409]);
    assertRecordedWeights(loaded, await Fixture.read("astromer2_random.safetensors"), "");

    using exact = withFrequencies(loaded, await referenceFrequencies());
    for (const [network, factor] of [[exact, 1], [loaded, 10]] as const) {
      const { layers, reconstruction } = watched(network, fixture);
      const thinned = layers[6].filter((_, i) => Math.floor(i / 256) % 200 % 25 === 0);
      assertWithin(thinned, fixture.floats("as_built.block5_s25"), 2e-5 * factor, "block 5");
      assertWithin(
        reconstruction,
        fixture.floats("as_built.reconstruction"),
        2e-5 * factor,
        "reconstruction",
      );
    }
    const visible = watched(exact, fixture, "in_visible.", "in.times").reconstruction;
    assertWithin(visible, fixture.floats("as_built.visible.reconstruction"), 2e-5, "nothing masked");
  },
  !hasShared,
);

const tiny = { preset: "astromer2", heads: 2, window_size: 16 } as const;

testIn("with and without token: weights, blocks, attention and reconstruction", async (folder) => {
  const fixture = await Fixture.read("astromer2_tiny.safetensors");
  const variants = [["as_built", "kept", 1393], ["with_token", "token", 1394]] as const;
  for (const [variant, masked_magnitudes, size] of variants) {
    const { model, config } = await throughFolder(folder, `fixtures/astromer2_tiny/${variant}`, tiny);
    using loaded = model;
    const sizes = { blocks: 2, heads: 2, head_size: 4, feed_forward_size: 12 };
    assertEquals(config.architecture, architecture("astromer2", { ...sizes, masked_magnitudes }));
    assertEquals([config.window_size, config.parameters], [16, size]);
    assertRecordedWeights(loaded, fixture, "weights.");
    using exact = withFrequencies(loaded, fixture.floats("angle_rates_d8"));
    for (const [network, factor] of [[exact, 1], [loaded, 10]] as const) {
      const { layers, attention, reconstruction } = watched(network, fixture);
      const close = (values: Float32Array, name: string) =>
        assertWithin(values, fixture.floats(`${variant}.${name}`), 2e-5 * factor, `${variant}, ${name}`);
      for (const i of [0, 1]) {
        close(layers[i + 1], `block${i}`);
        close(attention[i], `attention${i}`);
      }
      close(reconstruction, "reconstruction");
    }
  }
}, !hasShared);

testIn("with an optimizer: one step of Adam away from the weights before it", async (folder) => {
  const fixture = await Fixture.read("astromer2_tiny.safetensors");
  const { model } = await throughFolder(folder, "fixtures/astromer2_tiny/with_token_and_optimizer", tiny);
  using loaded = model;
  const tensors = await recordedWeights("astromer2_tiny/with_token_and_optimizer");
  const { bytes } = tensors.get("optimizer/_learning_rate/.ATTRIBUTES/VARIABLE_VALUE")!;
  const learningRate = new DataView(bytes.buffer, bytes.byteOffset).getFloat32(0, true);
  // Adam's first step is the learning rate against the gradient's sign, wherever the gradient is more than rounding.
  let moved = 0;
  for (const [name, { shape, data }] of loaded.parameters.stateDict()) {
    const before = recorded(fixture, `weights.${referenceName(name)}`, shape);
    const gradient = recorded(fixture, `with_token.grad.${referenceName(name)}`, shape);
    for (const [i, value] of data.entries()) {
      if (Math.abs(gradient[i]) < 1e-3) continue;
      moved++;
      assertWithin(
        [value - before[i]],
        [-learningRate * Math.sign(gradient[i])],
        1e-2 * learningRate,
        `${name}, ${i}`,
      );
    }
  }
  assertTrue(moved > 700, `${moved} parameters moved`);
}, !hasShared);

sharedTest("a checkpoint of which a tensor is missing, left over or another is refused by name", async () => {
  const suffix = "/.ATTRIBUTES/VARIABLE_VALUE";
  const attempt = async (
    change: (tensors: Map<string, CheckpointTensor>) => void,
    options: ImportOptions = tiny,
  ) => {
    const tensors = await recordedWeights("astromer2_tiny/with_token");
    change(tensors);
    return importReference(memory(checkpointFiles(tensors)), options);
  };
  (await attempt(() => {})).network[Symbol.dispose]();
  const query = "layer_with_weights-1/enc_layers/1/mha/wq/kernel";
  const move = (from: string, to: string, keep = false) => (tensors: Map<string, CheckpointTensor>) => {
    tensors.set(to, tensors.get(from + suffix)!);
    if (!keep) tensors.delete(from + suffix);
  };
  const set = (name: string, tensor: CheckpointTensor) => (tensors: Map<string, CheckpointTensor>) =>
    void tensors.set(name, tensor);
  const rows: [string, (tensors: Map<string, CheckpointTensor>) => void, string][] = [
    ["a block less", (tensors) => {
      for (const name of [...tensors.keys()].filter((name) => name.includes("enc_layers/0/"))) {
        tensors.delete(name);
      }
    }, "has no matrix layer_with_weights-1/enc_layers/0/ffn/layer_with_weights-0/kernel"],
    ["a tensor missing", (tensors) => void tensors.delete(query + suffix), `missing: ${query}`],
    ["all skips of a kind missing", (tensors) => {
      for (const name of [...tensors.keys()].filter((name) => name.includes("reshape_leak_2"))) {
        tensors.delete(name);
      }
    }, "missing: layer_with_weights-1/enc_layers/0/reshape_leak_2/kernel"],
    [
      "a tensor too many",
      set("layer_with_weights-3/kernel" + suffix, floats([1], [0])),
      "left over: layer_with_weights-3/kernel",
    ],
    [
      "a tensor renamed",
      move(query, query.replace("wq", "wx") + suffix),
      `missing: ${query}; left over: ${query.replace("wq", "wx")}`,
    ],
    ["a tensor that is no variable", move(query, query, true), `left over: ${query}`],
    ["a gap in the blocks' numbers", (tensors) => {
      for (const [name, tensor] of [...tensors].filter(([name]) => name.includes("enc_layers/1/"))) {
        tensors.delete(name);
        tensors.set(name.replace("enc_layers/1/", "enc_layers/2/"), tensor);
      }
    }, "missing: layer_with_weights-1/enc_layers/1/"],
    [
      "two models",
      move("layer_with_weights-2/bn_0/gamma", "other/bn_0/gamma" + suffix, true),
      "more than one bn_0/gamma",
    ],
    [
      "no head",
      (tensors) => void tensors.delete("layer_with_weights-2/bn_0/gamma" + suffix),
      "has no bn_0/gamma",
    ],
    [
      "a classifier",
      move("layer_with_weights-1/inp_transform/kernel", "layer_with_weights-0/kernel" + suffix),
      "has no inp_transform/kernel",
    ],
    [
      "a kernel turned round",
      set(
        "layer_with_weights-1/enc_layers/0/ffn/layer_with_weights-1/kernel" + suffix,
        floats([8, 12], Array(96).fill(0)),
      ),
      "is float32 [8,12], not float32 [12,8]",
    ],
    [
      "whole numbers",
      set(query + suffix, { dtype: "int32", shape: [8, 8], bytes: new Uint8Array(256) }),
      "is int32 [8,8], not float32 [8,8]",
    ],
    [
      "not a number",
      set(query + suffix, floats([8, 8], Array(64).fill(NaN))),
      `tensor "${query}" holds NaN at element 0`,
    ],
  ];
  const before = liveTensors();
  for (const [what, change, sentence] of rows) {
    const error = await assertRejects(() => attempt(change), InputError);
    assertStringIncludes(error.message, sentence, what);
    assertStringIncludes(error.message, "memory/weights.index", what);
  }
  assertEquals(liveTensors(), before, "no tensor is left");
  // What an optimizer or tf.train.Checkpoint adds is known.
  const { network } = await attempt((tensors) => {
    set("save_counter" + suffix, { dtype: "int64", shape: [], bytes: new Uint8Array(8) })(tensors);
    set("optimizer/iter" + suffix, { dtype: "int64", shape: [], bytes: new Uint8Array(8) })(tensors);
    set(`${query}/.OPTIMIZER_SLOT/optimizer/m${suffix}`, floats([8, 8], Array(64).fill(1)))(tensors);
  });
  using _ = network;
  assertRecordedWeights(network, await Fixture.read("astromer2_tiny.safetensors"), "weights.");
});

sharedTest(
  "how a model was trained: configuration beside it, preset, flags, or an error that says what to give",
  async () => {
    const conf = {
      layers: 2,
      heads: 2,
      head_dim: 8,
      dff: 12,
      use_leak: true,
      dropout: 0.2,
      max_obs: 50,
      base: 1000,
    };
    const base = {
      arch: "base",
      num_layers: 2,
      num_heads: 2,
      head_dim: 4,
      mixer: 12,
      dropout: 0.3,
      window_size: 60,
      m_alpha: -1e9,
      mask_format: "K",
      use_leak: true,
      temperature: 0,
      pe_base: 1000,
    };
    const toml = (changes: Record<string, unknown> = {}) =>
      Object.entries({ ...base, ...changes }).filter(([, value]) => value !== undefined)
        .map(([name, value]) => `${name} = ${JSON.stringify(value)}\n`).join("") + "lr = 1e-05\n";
    const weights = {
      as_built: await recordedFiles("astromer2_tiny/as_built"),
      with_token: await recordedFiles("astromer2_tiny/with_token"),
    };
    const noSkip = checkpointFiles(
      new Map(
        [...await recordedWeights("astromer2_tiny/as_built")].filter(([name]) =>
          !name.includes("reshape_leak")
        ),
      ),
    );
    type Row = [string, Record<string, Uint8Array | string>, ImportOptions];
    const settings = async ([, files, options]: Row) => {
      const { network, window_size } = await importReference(memory(files), options);
      using _ = network;
      const { heads, dropout, skip, attention_mask, attention_mask_value, encoding, encoding_base } =
        network.architecture;
      assertEquals([encoding, encoding_base], ["reference", 10000]);
      return { window_size, heads, dropout, skip, attention_mask, attention_mask_value };
    };
    const astromer1 = { attention_mask: "both", attention_mask_value: 1 } as const;
    const astromer2 = { attention_mask: "keys", attention_mask_value: -1e9 } as const;
    const rows: [...Row, Partial<Architecture> & { window_size: number }][] = [
      ["conf.json", { ...weights.as_built, "conf.json": JSON.stringify(conf) }, {}, {
        window_size: 50,
        heads: 2,
        dropout: 0.2,
        skip: "linear",
        ...astromer1,
      }],
      ["config.toml before conf.json", { ...weights.as_built, "config.toml": toml(), "conf.json": "?" }, {}, {
        window_size: 60,
        heads: 2,
        dropout: 0.3,
        skip: "linear",
        ...astromer2,
      }],
      [
        "mask format Q of Astromer 2: queries",
        { ...weights.with_token, "config.toml": toml({ mask_format: "Q", m_alpha: -0.5, temperature: 1 }) },
        {},
        {
          window_size: 60,
          heads: 2,
          dropout: 0.3,
          skip: "linear",
          attention_mask: "queries",
          attention_mask_value: -0.5,
        },
      ],
      [
        "mask format Q of Astromer 1: keys",
        { ...noSkip, "config.toml": toml({ arch: "zero", mask_format: "Q", use_leak: false }) },
        {},
        { window_size: 60, heads: 2, dropout: 0.3, skip: "none", ...astromer2 },
      ],
      [
        "mask format QK of Astromer 1",
        { ...noSkip, "config.toml": toml({ arch: "zero", mask_format: "QK", m_alpha: 1, temperature: 7 }) },
        {},
        { window_size: 60, heads: 2, dropout: 0.3, skip: "none", ...astromer1 },
      ],
      [
        "no mask format: Astromer 1 without mask",
        { ...noSkip, "config.toml": toml({ arch: "zero", mask_format: undefined }) },
        {},
        {
          window_size: 60,
          heads: 2,
          dropout: 0.3,
          skip: "none",
          attention_mask: "keys",
          attention_mask_value: 0,
        },
      ],
      ["preset astromer1", noSkip, { preset: "astromer1" }, {
        window_size: 200,
        heads: 4,
        dropout: 0,
        skip: "none",
        ...astromer1,
      }],
      ["Astromer 1 with the paper's mask", noSkip, { preset: "astromer1", ...astromer2 }, {
        window_size: 200,
        heads: 4,
        dropout: 0,
        skip: "none",
        ...astromer2,
      }],
      ["flags over a configuration", { ...weights.as_built, "conf.json": JSON.stringify(conf) }, {
        heads: 4,
        window_size: 70,
        ...astromer2,
      }, { window_size: 70, heads: 4, dropout: 0.2, skip: "linear", ...astromer2 }],
      ["a preset in place of a configuration", { ...weights.as_built, "conf.json": "?" }, {
        preset: "astromer2",
      }, { window_size: 200, heads: 4, dropout: 0, skip: "linear", ...astromer2 }],
      ["flags alone", weights.as_built, { heads: 2, window_size: 16, ...astromer2 }, {
        window_size: 16,
        heads: 2,
        dropout: 0,
        skip: "linear",
        ...astromer2,
      }],
    ];
    for (const [what, files, options, expected] of rows) {
      assertEquals(await settings([what, files, options]) as Record<string, unknown>, expected, what);
    }

    const wrong: [...Row, string][] = [
      [
        "nothing",
        weights.as_built,
        {},
        "memory/weights.index has no config.toml or conf.json beside it to say how it was trained: give --preset astromer1 or --preset astromer2, or --heads, --window-size, --attention-mask, --attention-mask-value",
      ],
      ["not all flags", weights.as_built, { heads: 2, ...astromer2 }, "or --window-size"],
      [
        "heads that do not divide",
        weights.as_built,
        { preset: "astromer2", heads: 3 },
        "heads cannot be 3: the model's width is 8",
      ],
      [
        "Astromer 1 with skips",
        weights.as_built,
        { preset: "astromer1" },
        "--preset astromer1 is of another model: skip is none, in memory/weights.index it is linear",
      ],
      [
        "another model's conf.json",
        { ...weights.as_built, "conf.json": JSON.stringify({ ...conf, head_dim: 256, layers: 3 }) },
        {},
        "memory/conf.json is of another model: blocks is 3, in memory/weights.index it is 2; width is 256, in memory/weights.index it is 8",
      ],
      [
        "another model's config.toml",
        { ...weights.as_built, "config.toml": toml({ mixer: 128 }) },
        {},
        "feed_forward_size is 128, in memory/weights.index it is 12",
      ],
      [
        "JSON cut short",
        { ...weights.as_built, "conf.json": '{"layers": ' },
        {},
        "memory/conf.json cannot be understood",
      ],
      [
        "TOML cut short",
        { ...weights.as_built, "config.toml": "arch = " },
        {},
        "memory/config.toml cannot be understood",
      ],
      [
        "a setting missing",
        { ...weights.as_built, "conf.json": JSON.stringify({ ...conf, heads: undefined }) },
        {},
        "memory/conf.json: heads: ",
      ],
      [
        "an unknown architecture",
        { ...weights.as_built, "config.toml": toml({ arch: "redux" }) },
        {},
        'memory/config.toml: arch: must be "zero" (Astromer 1) or "base" (Astromer 2); --preset',
      ],
      [
        "Astromer 2 without mask format",
        { ...weights.as_built, "config.toml": toml({ mask_format: undefined }) },
        {},
        "memory/config.toml: mask_format: ",
      ],
      [
        "a temperature",
        { ...weights.as_built, "config.toml": toml({ temperature: 0.5 }) },
        {},
        "temperature: attention with a temperature is not supported",
      ],
    ];
    const before = liveTensors();
    for (const [what, files, options, sentence] of wrong) {
      const error = await assertRejects(() => importReference(memory(files), options), InputError);
      assertStringIncludes(error.message, sentence, what);
    }
    assertEquals(liveTensors(), before, "no tensor is left");
  },
);

sharedTest("several checkpoints: --prefix chooses", async () => {
  const tensors = await recordedWeights("astromer2_tiny/with_token");
  const other = await recordedWeights("astromer2_tiny/as_built");
  const files = memory({
    ...checkpointFiles(tensors, { prefix: "atlas/weights" }),
    ...checkpointFiles(other, { prefix: "atlas/finetuning/last", shards: 3 }),
    "__MACOSX/atlas/._weights.index": "",
  });
  const sizeOf = async (prefix: string) => {
    const { network, origin } = await importReference(files, { ...tiny, prefix });
    using _ = network;
    assertStringIncludes(origin!, "the TensorFlow checkpoint atlas/");
    return network.parameters.size;
  };
  assertEquals(await sizeOf("atlas/weights"), 1394);
  assertEquals(await sizeOf("weights"), 1394);
  assertEquals(await sizeOf("last"), 1393);
  const list = "atlas/weights, atlas/finetuning/last";
  await assertRejects(
    () => importReference(files, tiny),
    InputError,
    `several checkpoints; choose with --prefix: ${list}`,
  );
  await assertRejects(
    () => sizeOf("best"),
    InputError,
    `--prefix best: the checkpoints in memory are ${list}`,
  );
  const none = memory({ "weights.h5": "" });
  await assertRejects(() => importReference(none, tiny), InputError, "memory holds no TensorFlow checkpoint");
});
