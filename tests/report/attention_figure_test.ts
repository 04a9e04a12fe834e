import { attendedObservations, attentionFigure, attentionTable } from "../../src/report/attention_figure.ts";
import { renderSvg } from "../../src/report/figure.ts";
import { assertAlmostEquals, assertEquals, assertStringIncludes } from "../../src/common/std.ts";
import { datasetOf } from "../data/support.ts";

const dataset = datasetOf([
  { mjd: [1, 2], mag: [9, 9], err: [1, 1] },
  { mjd: [50_000, 51_000.5, 51_003], mag: [9, 12, 13.3], err: [1, 0.1, 0.2] },
]);
// Two heads; rows are queries, columns keys.
const weights = Float32Array.of(...[0.75, 0.25], ...[0.25, 0.75], ...[1, 0], ...[0.5, 0.5]);
const observations = attendedObservations(dataset, { lightCurve: 1, start: 1, length: 2 }, weights);

Deno.test("the attention received is the mean over queries, 1 where attention is uniform", () => {
  assertEquals(observations.map(({ mjd, heads, mean }) => [mjd, heads, mean]), [
    [51_000.5, [1, 1.5], 1.25],
    [51_003, [1, 0.5], 0.75],
  ]);
  const { columns, rows } = attentionTable(observations, 2);
  assertEquals(columns, ["mjd", "magnitude", "error", "phase", "head_1", "head_2", "mean"]);
  assertEquals(rows, [[51_000.5, 12, 0.1, 0.25, 1, 1.5, 1.25], [51_003, 13.3, 0.2, 0.5, 1, 0.5, 0.75]]);
});

Deno.test("of one query the weights that it gives, the query ringed in every panel", () => {
  const window = { lightCurve: 1, start: 1, length: 2 };
  const ofSecond = attendedObservations(dataset, window, weights, 1);
  assertEquals(ofSecond.map(({ heads, mean }) => [heads, mean]), [[[0.5, 1], 0.75], [[1.5, 1], 1.25]]);
  type Layered = { layer: { data?: { values: { phase: number; magnitude: number }[] } }[] };
  const ringed = (query?: number) =>
    (attentionFigure(ofSecond, { title: "star", remarks: [], period: 2, query }).vconcat as Layered[])
      .map(({ layer }) =>
        layer.at(-1)!.data!.values.map(({ phase, magnitude }) => [phase, magnitude.toFixed(2)])
      );
  assertEquals(ringed(1), Array(3).fill([[0.5, "13.30"], [1.5, "13.30"]]));
  assertEquals(ringed(), [[], [], []]);
});

Deno.test("a panel a head and one for the mean, the most attended on top, in two cycles", async () => {
  const spec = attentionFigure(observations, { title: "star", remarks: ["period 2 days"], period: 2 });
  const panels = spec.vconcat as {
    title: { text: string };
    data: { values: { phase: number; magnitude: number; attention: number; fainter: number }[] };
  }[];
  assertEquals(panels.map(({ title }) => title.text), [
    "head 1: 1.00 to 1.00 times uniform",
    "head 2: 0.50 to 1.50 times uniform",
    "mean over heads: 0.75 to 1.25 times uniform",
  ]);
  const [uniform, second] = panels.map(({ data }) => data.values);
  assertEquals(uniform.map(({ attention }) => attention), [0.5, 0.5, 0.5, 0.5]);
  assertEquals(second.map(({ phase, attention }) => [phase, attention]), [[0.5, 0], [1.5, 0], [0.25, 1], [
    1.25,
    1,
  ]]);
  assertAlmostEquals(second[0].fainter, 13.5, 1e-6);
  const svg = await renderSvg(spec);
  for (const text of ["star", "period 2 days", "phase", "magnitude (mag)", "highest of the panel"]) {
    assertStringIncludes(svg, `>${text}</text>`);
  }
  assertEquals(svg.match(/>phase<\/text>/g)!.length, 1, "one axis for all panels");
});
