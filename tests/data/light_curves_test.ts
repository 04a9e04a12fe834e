/** Arrays as a dataset: copied, sorted, checked. */
import { datasetOf, type LightCurve } from "../../src/data/light_curves.ts";
import { assertEquals, assertThrows } from "../../src/common/std.ts";

const good = (): LightCurve => ({
  mjd: [5, 3, 1, 2, 4],
  magnitude: [15, 13, 11, 12, 14],
  error: [0.5, 0.3, 0.1, 0.2, 0.4],
});

Deno.test("light curves are copied end to end, each sorted by time", () => {
  const second = {
    mjd: Float64Array.of(1, 2, 3, 4, 5, 6),
    magnitude: [1, 2, 3, 4, 5, 6],
    id: "x",
    band: "V",
    class: "RRab",
  };
  const dataset = datasetOf([good(), second]);
  assertEquals([...dataset.mjd], [1, 2, 3, 4, 5, 1, 2, 3, 4, 5, 6]);
  assertEquals([...dataset.mag], [11, 12, 13, 14, 15, 1, 2, 3, 4, 5, 6]);
  assertEquals([...dataset.err.subarray(0, 6)], [0.1, 0.2, 0.3, 0.4, 0.5, 0].map(Math.fround));
  assertEquals([[...dataset.offsets], [...dataset.lengths]], [[0, 5], [5, 6]]);
  assertEquals([dataset.ids, dataset.bands, dataset.classes], [["0", "x"], [null, "V"], [null, "RRab"]]);
  second.mjd[0] = 100;
  assertEquals(dataset.mjd[5], 1);
  assertEquals(good().mjd, [5, 3, 1, 2, 4]);
});

Deno.test("a tenth validates, the same for a seed; the fingerprint is that of the values", () => {
  const many = Array.from({ length: 50 }, (_, i) => ({ ...good(), magnitude: [i, 1, 2, 3, 4] }));
  const [one, two, other] = [datasetOf(many), datasetOf(many), datasetOf(many, { seed: 1 })];
  assertEquals(one.subsets.filter((subset) => subset === "validation").length, 5);
  assertEquals(one.subsets, two.subsets);
  assertEquals(one.subsets.join() === other.subsets.join(), false);
  assertEquals(one.fingerprint, two.fingerprint);
  assertEquals(one.fingerprint === datasetOf(many.slice(1)).fingerprint, false);
});

Deno.test("the bands of an object train together or validate together", () => {
  const bands = Array.from(
    { length: 50 },
    (_, i) => ({ ...good(), id: `star ${i >> 1}`, band: "gr"[i % 2] }),
  );
  const { subsets } = datasetOf(bands, { validationFraction: 0.4 });
  assertEquals(subsets.filter((subset) => subset === "validation").length, 20);
  for (let i = 0; i < 50; i += 2) assertEquals(subsets[i], subsets[i + 1], `star ${i >> 1}`);
});

Deno.test("what is wrong is named: light curve, array, element", () => {
  const rows: [unknown, typeof TypeError | typeof RangeError, string][] = [
    [good(), TypeError, "light curves are given as an array of { mjd, magnitude, error }"],
    [[null], TypeError, "light curve 0 must be an object { mjd, magnitude, error }, not null"],
    [[good(), {}], TypeError, "light curve 1: mjd must be an array of numbers, not undefined"],
    [
      [{ ...good(), magnitude: "12345" }],
      TypeError,
      "light curve 0: magnitude must be an array of numbers, not string",
    ],
    [[{ ...good(), error: [1, 1] }], RangeError, "light curve 0: mjd has 5 values, but error has 2"],
    [[{ ...good(), magnitude: [1] }], RangeError, "light curve 0: mjd has 5 values, but magnitude has 1"],
    [
      [{ ...good(), id: "HD 1", mjd: [1, 2, NaN, 4, 5] }],
      RangeError,
      'light curve 0 ("HD 1"): mjd[2] is NaN, all values must be finite',
    ],
    [
      [{ ...good(), magnitude: [1, 2, 3, 4, 1e39] }],
      RangeError,
      "light curve 0: magnitude[4] is 1e+39, all values must be finite",
    ],
    [
      [{ ...good(), magnitude: [1, 2, 3, 4, null] }],
      TypeError,
      "light curve 0: magnitude[4] must be a number, not object",
    ],
    [
      [{ ...good(), mjd: new BigInt64Array(5) }],
      TypeError,
      "light curve 0: mjd[0] must be a number, not bigint",
    ],
    [
      [{ mjd: [1, 2], magnitude: [1, 2] }],
      RangeError,
      "light curve 0 has 2 observations, at least 5 are needed",
    ],
    [[{ mjd: [], magnitude: [] }], RangeError, "light curve 0 has 0 observations, at least 5 are needed"],
  ];
  for (const [given, kind, message] of rows) {
    assertEquals(assertThrows(() => datasetOf(given as LightCurve[]), kind).message, message);
  }
});
