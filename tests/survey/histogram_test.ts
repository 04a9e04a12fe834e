import { Histogram } from "../../src/survey/histogram.ts";
import { assertEquals, assertTrue } from "../../src/common/std.ts";
import { seeded } from "../../src/common/random.ts";

Deno.test("the span is exact at the ends, the median right to 1 part in 4096, whatever the signs", () => {
  const random = seeded(4);
  for (
    const draw of [() => 12 + random.normal(), () => random.normal() - 1, () => 10 ** (6 * random.next() - 9)]
  ) {
    const values = Float32Array.from({ length: 2001 }, draw), histogram = new Histogram();
    histogram.add(values.subarray(0, 700));
    histogram.add(values.subarray(700));
    const sorted = values.toSorted(), { min, median, max } = histogram.span()!;
    assertEquals([min, max], [sorted[0], sorted[2000]]);
    assertTrue(
      Math.abs(median - sorted[1000]) <= Math.abs(sorted[1000]) / 4096,
      `${median}, not ${sorted[1000]}`,
    );
  }
});

Deno.test("zeros have the median zero; nothing has no span", () => {
  const histogram = new Histogram();
  assertEquals(histogram.span(), null);
  histogram.add(new Float32Array([0, 0, 0, 5]));
  assertEquals(histogram.span(), { min: 0, median: 0, max: 5 });
});
