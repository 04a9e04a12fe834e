import { renderSvg } from "../../src/report/figure.ts";
import { type Finetuned, finetuningBars, finetuningFigure } from "../../src/report/finetuning_figure.ts";
import { assertAlmostEquals, assertEquals, assertStringIncludes } from "../../src/common/std.ts";

const run = (name: string, before: number, after: number, minutes: number): Finetuned => ({
  name,
  light_curves: 140,
  before,
  after,
  minutes,
  epochs: 3,
});

Deno.test("bars are means over folds, scenarios in order of their size", () => {
  const bars = finetuningBars([
    run("100-0", 0.2, 0.1, 2),
    run("20-0", 0.2, 0.18, 0.5),
    run("20-1", 0.3, 0.22, 0.7),
  ]);
  assertEquals(bars.map(({ scenario, when, folds }) => [scenario, when, folds]), [
    ["20", "before", 2],
    ["20", "after", 2],
    ["100", "before", 1],
    ["100", "after", 1],
  ]);
  const after = bars[1];
  assertAlmostEquals(after.rmse, 0.2);
  assertAlmostEquals(after.deviation, 0.02);
  assertAlmostEquals(after.low, 0.18);
  assertAlmostEquals(after.high, 0.22);
  assertEquals(bars.map(({ label }) => label), ["", "0.6 min", "", "2.0 min"]);
});

Deno.test("the figure says what its error bars are and how long it took", async () => {
  const figure = finetuningFigure([run("20-0", 0.2, 0.18, 0.5), run("20-1", 0.3, 0.22, 0.7)]);
  assertStringIncludes(figure.caption, "means over 2 folds; error bars, their standard deviation");
  assertStringIncludes(figure.caption, "on 140 light curves");
  const svg = await renderSvg(figure.spec);
  for (const text of ["RMSE (mag)", "samples per class", "20", "0.6 min"]) {
    assertStringIncludes(svg, `>${text}<`);
  }
  const survey = finetuningFigure([run("", 0.2, 0.18, 30)]);
  assertStringIncludes(survey.caption, "Of one fold, hence without error bars.");
  assertStringIncludes(await renderSvg(survey.spec), ">30 min<");
});
