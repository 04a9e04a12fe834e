import { forDevice, pretrainSchema } from "../../src/run/settings.ts";
import { assertEquals } from "../../src/common/std.ts";

Deno.test("a GPU takes 256 windows a step, unless the batch or a recipe was chosen, or the run is gone on with", () => {
  const settings = (changes = {}) => pretrainSchema.parse({ data: "data", output: "run", ...changes });
  const given = (...names: string[]) => ({ all: new Set(names), flags: new Set(names) });
  const batch = (...args: Parameters<typeof forDevice>) => forDevice(...args).batch_size;
  assertEquals(batch(settings(), "cuda:1", given(), false), 256);
  assertEquals(batch(settings(), "cpu", given(), false), 16);
  assertEquals(batch(settings({ batch_size: 24 }), "cuda", given("batch_size"), false), 24);
  assertEquals(batch(settings({ recipe: "paper", batch_size: 32 }), "cuda", given("recipe"), false), 32);
  assertEquals(batch(settings(), "cuda", given(), true), 16, "the run's own");
});
