/** The same stars with fewer observations, and few labelled stars of a scenario. */
import { drawsOf } from "../../src/benchmark/unit.ts";
import { changed } from "../../src/benchmark/variants.ts";
import { datasetOf } from "../../src/data/light_curves.ts";
import { assertEquals, assertTrue } from "../../src/common/std.ts";

const dataset = datasetOf(Array.from({ length: 3 }, (_, k) => {
  const mjd = Array.from({ length: 10 + 20 * k }, (_, i) => 50_000 + i);
  return { mjd, magnitude: mjd.map((t) => 1000 * k + t - 50_000), error: mjd.map((t) => t - 50_000) };
}));

Deno.test("fewer observations are whole ones in order of time, and part of the more", () => {
  const few = changed(dataset, [2, 0], { observations: 8 }, 0);
  const more = changed(dataset, [1, 2], { observations: 20 }, 0);
  assertEquals([...few.lengths], [8, 8]);
  assertEquals([...more.lengths], [20, 20]);
  const times = few.mjd.slice(0, 8);
  assertEquals(times, times.toSorted());
  for (let j = 0; j < 8; j++) {
    assertEquals(few.mag[j], Math.fround(2000 + few.mjd[j] - 50_000));
    assertEquals(few.err[j], Math.fround(few.mjd[j] - 50_000));
    assertTrue(more.mjd.subarray(20).includes(few.mjd[j]), "the same star, whatever stands beside it");
  }
  assertEquals([...changed(dataset, [0], { observations: 50 }, 0).mag], [...dataset.mag.subarray(0, 10)]);
});

Deno.test("shuffled: all times and all pairs of magnitude and error, but not together", () => {
  const shuffled = changed(dataset, [2], { shuffled: true }, 0);
  assertEquals([...shuffled.mjd], [...dataset.mjd.subarray(40)]);
  assertEquals(shuffled.mag.toSorted(), dataset.mag.slice(40).toSorted());
  assertTrue(shuffled.mag.every((m, j) => m - 2000 === shuffled.err[j]), "errors stay with their magnitudes");
  assertTrue(shuffled.mag.some((m, j) => m !== dataset.mag[40 + j]));
});

Deno.test("few labelled stars are some of the smallest scenario's, others in every draw", () => {
  const sample = (label: number, k: number) => ({ lightCurve: 100 * label + k, label, count: 1 });
  const stars = (count: number) =>
    [0, 1].flatMap((label) => Array.from({ length: count }, (_, k) => sample(label, k)));
  const runs = [20, 40].map((count) => ({
    samplesPerClass: count,
    fold: 0,
    train: stars(count).slice(0, -2),
    validation: stars(count).slice(-2),
  }));
  const suite = { runs, samplesPerClass: [20, 40], classes: ["a", "b"] };
  const draws = drawsOf(suite, { fewer: [1, 5, 30], draws: 3, middle: 20, middleOnly: false });
  assertEquals(draws.map(({ samplesPerClass }) => samplesPerClass), [1, 1, 1, 5, 5, 5, 20, 40]);
  for (const { samplesPerClass, labelled } of draws) {
    for (const label of [0, 1]) {
      const mine = labelled.filter((s) => s.label === label);
      assertEquals(new Set(mine.map((s) => s.lightCurve)).size, samplesPerClass);
      if (samplesPerClass < 20) assertTrue(mine.every((s) => s.lightCurve % 100 < 20));
    }
  }
  assertTrue(draws[3].labelled.join() !== JSON.stringify(draws[4].labelled));
  assertEquals(drawsOf(suite, { fewer: [1], draws: 3, middle: 20, middleOnly: true }).length, 1);
});
