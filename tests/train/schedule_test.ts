import { constant, cosine, transformer } from "../../src/train/schedule.ts";
import { assertAlmostEquals, assertEquals } from "../../src/common/std.ts";

Deno.test("constant", () => {
  assertEquals([1, 1000].map((step) => constant(1e-5)({ step, done: 0.5 })), [1e-5, 1e-5]);
});

Deno.test("the Transformer's: d^-0.5 min(s^-0.5, s w^-1.5), highest at the end of the warm-up", () => {
  const rate = (step: number) => transformer(256)({ step, done: 0 });
  assertAlmostEquals(rate(1), 4000 ** -1.5 / 16, 1e-15);
  assertAlmostEquals(rate(4000), 1 / (16 * Math.sqrt(4000)), 1e-12);
  assertAlmostEquals(rate(16_000), rate(4000) / 2, 1e-12);
  assertEquals(rate(3999) < rate(4000) && rate(4001) < rate(4000), true);
  assertAlmostEquals(transformer(64, 10)({ step: 10, done: 0 }), 1 / (8 * Math.sqrt(10)), 1e-12);
});

Deno.test("cosine: linear warm-up, then from the peak to a fiftieth of it", () => {
  const schedule = cosine(1e-3, 100);
  assertAlmostEquals(schedule({ step: 1, done: 0 }), 1e-5, 1e-12);
  assertAlmostEquals(schedule({ step: 50, done: 0 }), 5e-4, 1e-12);
  assertAlmostEquals(schedule({ step: 100, done: 0 }), 1e-3, 1e-12);
  assertAlmostEquals(schedule({ step: 1000, done: 0.5 }), 1e-3 * 0.51, 1e-12);
  for (const done of [1, 1.7]) assertAlmostEquals(schedule({ step: 2000, done }), 2e-5, 1e-12);
  assertAlmostEquals(cosine(1e-3, 0)({ step: 1, done: 0 }), 1e-3, 1e-12);
  assertAlmostEquals(cosine(1, 1, 0)({ step: 9, done: 1 }), 0, 1e-12);
  const rates = Array.from({ length: 101 }, (_, i) => schedule({ step: 200, done: i / 100 }));
  assertEquals(rates.every((rate, i) => i === 0 || rate < rates[i - 1]), true);
});
