import { role } from "../../src/data/batch.ts";
import { columnFigure, fileNameFor, magnitudeAxisOf, phaseOf } from "../../src/report/column.ts";
import { renderSvg } from "../../src/report/figure.ts";
import {
  lightCurveFigure,
  magnitudesOf,
  reconstructedObservations,
  reconstructionTable,
} from "../../src/report/light_curve_figure.ts";
import { assertAlmostEquals, assertEquals, assertStringIncludes } from "../../src/common/std.ts";
import { datasetOf } from "../data/support.ts";

// The second light curve has windows of three observations, of which the last two overlap.
const dataset = datasetOf([
  { mjd: [1, 2], mag: [9, 9], err: [1, 1] },
  { mjd: [51_000.5, 51_001, 51_003, 51_004], mag: [12, 13, 14, 12.3], err: [0.1, 0.2, 0, 0.1] },
]);
const windows = [0, 1].map((start) => ({
  window: start,
  observations: reconstructedObservations(dataset, {
    window: { lightCurve: 1, start, length: 3 },
    // Placed by their role, as a batch has them.
    points: [2, 0, 1],
    roles: [role.left, role.left, role.masked],
    predicted: [1, -1, 0.5],
    targets: [0, 0, 0],
    weights: [0, 0, 0],
  }),
}));

type Panel = {
  title: { text: string };
  data: { values: { x: number; magnitude: number; kind: string; brighter?: number }[] };
};
const panelsOf = (spec: Record<string, unknown>) => spec.vconcat as Panel[];

Deno.test("observations in order of time, predictions beside them in magnitudes", () => {
  assertEquals(windows[0].observations, [
    { place: 0, mjd: 51_000.5, magnitude: 12, error: Math.fround(0.1), role: "seen", predicted: 12 },
    { place: 1, mjd: 51_001, magnitude: 13, error: Math.fround(0.2), role: "hidden", predicted: 13.5 },
    { place: 2, mjd: 51_003, magnitude: 14, error: 0, role: "seen", predicted: 14 },
  ]);
  assertEquals(magnitudesOf(windows[0], "hidden"), { predicted: [13.5], magnitudes: [13] });
  const { columns, rows } = reconstructionTable(windows);
  assertEquals(columns, ["window", "mjd", "magnitude", "error", "role", "predicted"]);
  assertEquals(rows.length, 6);
  assertEquals(rows[1], [0, 51_001, 13, 0.2, "hidden", 13.5]);
  assertEquals(rows[5], [1, 51_004, 12.3, 0.1, "seen", 14.1]);
});

Deno.test("a panel a window, predictions of what was hidden, brighter up", async () => {
  const spec = lightCurveFigure(windows, { title: "star", remarks: ["a remark"] });
  const [first, second] = panelsOf(spec);
  assertEquals(panelsOf(spec).length, 2);
  assertEquals(
    first.data.values.map(({ x, magnitude, kind }) => [x, magnitude, kind]),
    [[0.5, 12, "seen"], [1, 13, "hidden"], [1, 13.5, "predicted"], [3, 14, "seen"]],
  );
  assertAlmostEquals(first.data.values[0].brighter!, 11.9, 1e-6);
  assertEquals(first.title.text, "window 0: RMSE 0.500 mag of 1 hidden");
  assertEquals(second.data.values.filter(({ kind }) => kind === "predicted").length, 1);

  const svg = await renderSvg(spec);
  for (const text of ["star", "a remark", "seen", "hidden", "predicted", "time - 51000 (days)"]) {
    assertStringIncludes(svg, `>${text}</text>`);
  }
  // The axis is inverted: a fainter magnitude stands lower, at a larger y.
  const height = (label: string) =>
    Number(new RegExp(`translate\\([-\\d.]+,([\\d.]+)\\)[^>]*>${label}</text>`).exec(svg)![1]);
  assertEquals(height("14.0") > height("12.0"), true);
});

Deno.test("where nothing is hidden all are predicted", () => {
  const seen = windows.map(({ window, observations }) => ({
    window,
    observations: observations.map((observation) => ({ ...observation, role: "seen" as const })),
  }));
  const [{ data: { values }, title }] = panelsOf(lightCurveFigure(seen, { title: "star" }));
  assertEquals(values.filter(({ kind }) => kind === "predicted").map(({ magnitude }) => magnitude), [
    12,
    13.5,
    14,
  ]);
  assertEquals(title.text, "window 0: RMSE 0.289 mag of 3 seen");
});

Deno.test("folded, every observation stands twice, those of two windows no more often", () => {
  const { data: { values } } = panelsOf(lightCurveFigure(windows, { title: "star", period: 2 }))[2];
  const observed = values.filter(({ kind }) => kind !== "predicted");
  assertEquals(
    observed.map(({ x, magnitude }) => [x, Math.round(10 * magnitude) / 10]),
    [[0.25, 12], [1.25, 12], [0.5, 13], [1.5, 13], [0.5, 14], [1.5, 14], [0, 12.3], [1, 12.3]],
  );
});

Deno.test("one wild point does not flatten the magnitude axis, and is told; eclipses stay", () => {
  type Axis = { scale: { domain?: number[] } };
  const domainOf = (magnitudes: number[]) => (magnitudeAxisOf(magnitudes).axis as Axis).scale.domain;
  const usual = Array.from({ length: 200 }, (_, i) => 12 + 0.1 * Math.sin(i));
  assertEquals(magnitudeAxisOf(usual).remarks, []);
  assertEquals(domainOf(usual), undefined);
  const wild = magnitudeAxisOf([...usual, 31, 2.5]);
  assertEquals(wild.remarks, ["outside of the magnitude axis: 2 points at 2.50, 31.00 mag"]);
  const [low, high] = domainOf([...usual, 31, 2.5])!;
  assertEquals([low, high].map((limit) => limit.toFixed(2)), ["11.89", "12.11"]);
  // A star that is a magnitude fainter in 3 % of its observations is no flaw; nor are two groups, or a constant.
  assertEquals(domainOf(usual.map((m, i) => i % 33 === 0 ? m + 1 : m)), undefined);
  assertEquals(domainOf([12, 12, 12, 15, 15, 15]), undefined);
  assertEquals([domainOf([]), domainOf([12]), domainOf([12, 12, 12, 12])], [undefined, undefined, undefined]);

  const observations = usual.map((magnitude, place) => (
    { place, mjd: place, magnitude, error: 0.01, role: "seen" as const, predicted: place ? 12 : 20 }
  ));
  const { title } = lightCurveFigure([{ window: 0, observations }], { title: "star" });
  assertEquals((title as { subtitle: string[] }).subtitle, [
    "outside of the magnitude axis: 1 point at 20.00 mag",
  ]);
});

Deno.test("phases are within a cycle on both sides of the epoch", () => {
  assertAlmostEquals(phaseOf(51_007, 4, 51_000), 0.75);
  assertAlmostEquals(phaseOf(50_999, 4, 51_000), 0.75);
});

Deno.test("long remarks go on in the next line", () => {
  const { title } = columnFigure("a title", ["word ".repeat(30).trim()], []) as {
    title: { subtitle: string[] };
  };
  assertEquals(title.subtitle.map((line) => line.length), [54, 54, 39]);
});

Deno.test("file names are safe", () => {
  assertEquals(fileNameFor("attention", "OGLE/LMC CEP 1", "I"), "attention-OGLE_LMC_CEP_1-I");
  assertEquals(fileNameFor("attention", "../..", null), "attention-.._..");
});
