import {
  cadenceBoxes,
  cadenceFigure,
  magnitudeDensities,
  magnitudeFigure,
  partsOf,
} from "../../src/report/dataset_figures.ts";
import { renderSvg } from "../../src/report/figure.ts";
import { assertAlmostEquals, assertEquals, assertStringIncludes, assertTrue } from "../../src/common/std.ts";
import { datasetOf, sinusoidDataset } from "../data/support.ts";

/** Observations at these times, all of 12 mag but the first. */
const curve = (...mjd: number[]) => ({
  mjd,
  mag: mjd.map((_, i) => i === 0 ? 10 : 12),
  err: mjd.map(() => 0.1),
});

Deno.test("times are differences within a light curve, never from one to the next", () => {
  const [train, test] = partsOf(
    datasetOf([curve(0, 1, 3), curve(1000, 1004), curve(5, 5, 6)], ["train", "train", "test"]),
    "ASAS ",
  );
  assertEquals([train.name, train.light_curves, [...train.steps], [...train.magnitudes]], [
    "ASAS train",
    2,
    [1, 2, 4],
    [10, 12, 12, 10, 12],
  ]);
  assertEquals([...test.steps], [0, 1]);
});

Deno.test("boxes: quartiles, 5th and 95th percentile; steps of no length are left out and counted", () => {
  const times = Array.from({ length: 102 }, (_, i) => i * (i + 1) / 2 - (i > 0 ? 1 : 0)); // steps 0, 2, 3 … 101
  const [box] = cadenceBoxes(partsOf(datasetOf([curve(...times)])));
  assertEquals([box.lower, box.median, box.upper], [26.75, 51.5, 76.25]);
  assertAlmostEquals(box.low, 6.95, 1e-9);
  assertAlmostEquals(box.high, 96.05, 1e-9);
  assertAlmostEquals(box.zeros, 1 / 101);
});

Deno.test("densities have an area of one in each part, whatever its size", () => {
  const dataset = sinusoidDataset([400, 300, 80], { subsets: ["train", "train", "test"] });
  const { width, densities } = magnitudeDensities(partsOf(dataset));
  for (const name of ["train", "test"]) {
    const area = densities.filter(({ part }) => part === name).reduce(
      (sum, { density }) => sum + density * width,
      0,
    );
    assertTrue(area > 0.99 && area <= 1 + 1e-9, `${name}: ${area}`);
  }
  const peak = (value: number) =>
    densities.find(({ magnitude }) => Math.abs(magnitude - value) < width)!.density;
  assertTrue(peak(11.52) > peak(12), "a sinusoid is longest at its extremes");
});

Deno.test("figures of a dataset have units, numbers of light curves and every subset", async () => {
  const parts = partsOf(sinusoidDataset([40, 30, 20], { subsets: ["train", "validation", "none"] }));
  const figures = [magnitudeFigure(parts), cadenceFigure(parts)!];
  for (const { caption } of figures) assertStringIncludes(caption, "train 1, validation 1, in no subset 1.");
  const [magnitudes, times] = await Promise.all(figures.map(({ spec }) => renderSvg(spec)));
  for (const text of ["magnitude (mag)", "density (1/mag)", "in no subset"]) {
    assertStringIncludes(magnitudes, `>${text}<`);
  }
  for (const text of ["time between observations (days)", "in no subset", "1"]) {
    assertStringIncludes(times, `>${text}<`);
  }
});

Deno.test("a dataset of single observations has no cadence, a constant one a density", async () => {
  const parts = partsOf(datasetOf([curve(1), curve(2)]));
  assertEquals(cadenceFigure(parts), null);
  assertStringIncludes(await renderSvg(magnitudeFigure(parts).spec), "<svg");
});
