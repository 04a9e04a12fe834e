import { energyOf, energySentences } from "../../src/train/energy.ts";
import { assertAlmostEquals, assertEquals, assertStringIncludes } from "../../src/common/std.ts";

const assumptions = {
  core_power: 12,
  gpu_power: 300,
  power_usage_effectiveness: 1.67,
  carbon_intensity: 475,
};

Deno.test("energy and CO2 are those of the formula", () => {
  // 10 h of 2 cores and 64 GB: 10 x (2 x 12 + 64 x 0.3725) x 1.67 / 1000 kWh
  const cpu = energyOf({ hours: 10, cores: 2, gpus: 0, memory: 64 }, assumptions);
  assertAlmostEquals(cpu.energy, 0.798928, 1e-6);
  assertAlmostEquals(cpu.co2, 0.3794908, 1e-6);
  const told = { ...assumptions, data: "data/asas" }; // a model's folder must not say where its data lay
  assertEquals(energyOf({ hours: 10, cores: 2, gpus: 0, memory: 64 }, told), cpu);
  const gpu = energyOf({ hours: 1, cores: 0, gpus: 4, memory: 0 }, {
    ...assumptions,
    power_usage_effectiveness: 1,
  });
  assertAlmostEquals(gpu.energy, 1.2, 1e-12);
});

Deno.test("the assumptions are said", () => {
  const text = energySentences(energyOf({ hours: 10, cores: 2, gpus: 1, memory: 64 }, assumptions));
  for (
    const part of [
      "2 CPU cores at 12 W",
      "1 GPU at 300 W",
      "64 GB",
      "0.3725 W/GB",
      "1.67",
      "475 g/kWh",
      "not measured",
    ]
  ) {
    assertStringIncludes(text, part);
  }
});
