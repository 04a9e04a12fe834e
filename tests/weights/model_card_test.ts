/** The model card says what its model's configuration says. */
import { architecture } from "../../src/model/architecture.ts";
import { assertEquals, assertMatch, assertStringIncludes } from "../../src/common/std.ts";
import { energyOf } from "../../src/train/energy.ts";
import { modelCard } from "../../src/weights/model_card.ts";
import type { ModelConfig } from "../../src/weights/model_config.ts";

const config: ModelConfig = {
  model_type: "astromer",
  architecture: architecture("astromer1"),
  parameters: 661_505,
  window_size: 200,
  astromer_version: "0.1.0",
};

Deno.test("a model of which little is known has no empty sections, and its licence is open", () => {
  const card = modelCard(config);
  assertMatch(card, /^---\nlibrary_name: astromer\n(.*\n)*license: other\n---\n/);
  assertStringIncludes(card, "2 blocks, 4 heads of 64, 661,505 parameters");
  assertStringIncludes(card, "None was named");
  assertEquals([...card.matchAll(/^## (.*)$/gm)].map(([, title]) => title), ["Use", "Licence", "Citation"]);
  assertEquals(/undefined|NaN|\[object/.test(card), false);
});

Deno.test("data, preprocessing, metrics, settings, energy, notes and licence are all there", () => {
  const assumptions = {
    core_power: 12,
    gpu_power: 300,
    power_usage_effectiveness: 1.67,
    carbon_intensity: 475,
  };
  const card = modelCard({
    ...config,
    origin: "Imported from somewhere.",
    notes: ["Padding is a part of its input."],
    license: "cc-by-4.0",
    dataset: { folder: "data/a|b", fingerprint: "abc", light_curves: 10, observations: 2000 },
    preprocessing: { max_error: 1, trim_percentiles: [1, 99] },
    metrics: { validation_rmse: 0.211234567 },
    training: { batch_size: 16, recipe: "fast" },
    energy: energyOf({ hours: 1, cores: 2, gpus: 0, memory: 2 }, assumptions),
  });
  for (
    const part of [
      "license: cc-by-4.0",
      "Imported from somewhere.",
      "- Padding is a part of its input.",
      "| dataset | data/a\\|b |",
      "| max_error | 1 |",
      "| trim_percentiles | [1,99] |",
      "| validation_rmse | 0.21123 |",
      "| batch_size | 16 |",
      "kg of CO2 equivalent",
    ]
  ) assertStringIncludes(card, part);
  assertEquals(card.includes("None was named"), false);
});
