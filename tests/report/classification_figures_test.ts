import {
  bestCandidates,
  confusionCells,
  confusionFigure,
  gammaFigure,
  gammaPoints,
  scoreFigure,
  scorePoints,
} from "../../src/report/classification_figures.ts";
import { renderSvg } from "../../src/report/figure.ts";
import { assertAlmostEquals, assertEquals, assertStringIncludes, assertTrue } from "../../src/common/std.ts";
import { classes, resultOf } from "./results.ts";

const gammas = [[0.2, 0.5, 0.3], [0.4, 0.3, 0.3]];
const results = [
  ...[6, 8].map((right, fold) => resultOf({ right, fold, gammas: gammas[fold] })),
  ...[7, 9].map((right, fold) => resultOf({ right, fold, samples_per_class: 100, gammas: gammas[fold] })),
  ...[5, 5].map((right, fold) => resultOf({ right, fold, model: "classical", head: "mlp" })),
  ...[10, 10].map((right, fold) =>
    resultOf({ right, fold, model: "classical", head: "mlp", samples_per_class: 100 })
  ),
];

Deno.test("points are means, error bars standard deviations over folds", () => {
  const points = scorePoints(results);
  assertEquals(points.map(({ model, samples_per_class, folds }) => [model, samples_per_class, folds]), [
    ["astromer2", 20, 2],
    ["classical", 20, 2],
    ["astromer2", 100, 2],
    ["classical", 100, 2],
  ]);
  // Every class has the same precision and recall, right / 10.
  assertAlmostEquals(points[0].f1, 0.7);
  assertAlmostEquals(points[0].deviation, 0.1);
  assertAlmostEquals(points[0].low, 0.6);
  assertAlmostEquals(points[0].high, 0.8);
  assertAlmostEquals(points[3].f1, 1);
  assertAlmostEquals(points[0].place * points[1].place, 400, 1e-6, "moved aside to either side of 20");
});

Deno.test("the figure of scores names scenarios, models, heads, folds and stars", async () => {
  const { spec, caption } = scoreFigure(results);
  assertStringIncludes(caption, "30 light curves, 3 classes");
  assertStringIncludes(caption, "means over 2 folds; error bars, their standard deviation");
  const svg = await renderSvg(spec);
  for (
    const text of ["macro F1", "samples per class", "20", "100", "astromer2", "classical", "gamma", "mlp"]
  ) {
    assertStringIncludes(svg, `>${text}<`);
  }
  assertEquals(svg.match(/>gamma</g)!.length, 1, "shape and dashes share a legend");
});

Deno.test("with many models and heads, every head has a panel, and scenarios do not mix", async () => {
  const many = ["a", "b", "c"].flatMap((model) =>
    ["gamma", "mean", "max"].flatMap((head) =>
      [20, 100].map((samples_per_class) => resultOf({ model, head, samples_per_class }))
    )
  );
  const places = scorePoints(many).map(({ place }) => place).sort((a, b) => a - b);
  assertTrue(places[8] < 30 && places[9] > 60, String(places));
  const svg = await renderSvg(scoreFigure(many).spec);
  for (const text of ["gamma", "mean", "max", "a", "b", "c"]) {
    assertEquals(svg.match(new RegExp(`>${text}<`, "g"))!.length, 1, text);
  }
});

Deno.test("weights of layers: input embedding (0), block 1, block 2, with deviations; none of heads without", async () => {
  const points = gammaPoints(results);
  assertEquals(points.filter((point) => point.samples_per_class === 20).map(({ layer }) => layer), [
    0,
    1,
    2,
  ]);
  assertAlmostEquals(points[0].gamma, 0.3);
  assertAlmostEquals(points[0].deviation, 0.1);
  assertAlmostEquals(points[2].deviation, 0);
  assertEquals(gammaFigure(results.filter(({ model }) => model === "classical")), null);
  const twice = [
    ...results,
    ...results.filter((one) => one.gammas).map((one) => ({ ...one, model: "other" })),
  ];
  const svg = await renderSvg(gammaFigure(twice)!.spec);
  for (const text of ["block (0: input embedding)", "γ", "other", "astromer2", "100"]) {
    assertStringIncludes(svg, `>${text}<`);
  }
});

Deno.test("confusions are per cent of the true class, the mean over folds", () => {
  const cells = confusionCells(results, { model: "astromer2", head: "gamma" });
  const percent = (panel: string, truth: string, predicted: string) =>
    cells.find((cell) => cell.panel === panel && cell.truth === truth && cell.predicted === predicted)!
      .percent;
  assertEquals(cells.length, 2 * 9);
  assertAlmostEquals(percent("20 samples per class", "Mira", "Mira"), 70);
  assertAlmostEquals(percent("20 samples per class", "Mira", "RRab"), 30);
  assertAlmostEquals(percent("20 samples per class", "RRab", "Mira"), 0);
  assertAlmostEquals(percent("100 samples per class", "Delta Scuti", "Mira"), 20);
});

Deno.test("a class without test stars has an empty row, not a NaN", () => {
  const one = resultOf({ right: 10 });
  one.confusion.fill(0, 0, 3);
  assertEquals(confusionCells([one], one).slice(0, 3).map(({ percent }) => percent), [0, 0, 0]);
});

Deno.test("matrices have a panel a scenario, classes in order on both axes, numbers in cells", async () => {
  const { spec, caption, name } = confusionFigure(results, { model: "astromer2", head: "gamma" });
  assertEquals(name, "confusion-astromer2-gamma");
  assertStringIncludes(caption, "means over 2 folds");
  const svg = await renderSvg(spec);
  const texts = [...svg.matchAll(/>([^<]+)<\/text>/g)].map(([, text]) => text);
  for (
    const text of [
      "20 samples per class",
      "100 samples per class",
      "70",
      "30",
      "true class",
      "predicted class",
    ]
  ) {
    assertTrue(texts.includes(text), text);
  }
  assertTrue(texts.indexOf("20 samples per class") < texts.indexOf("100 samples per class"));
  assertEquals(texts.filter((text) => classes.includes(text)).length, 9, "rows once, columns in each panel");
});

Deno.test("many classes with long names still fit two columns of a journal", async () => {
  const names = Array.from({ length: 20 }, (_, i) => `A class with quite a long name, number ${i}`);
  const many = [20, 100, 500].map((samples_per_class) => resultOf({ names, samples_per_class }));
  const svg = await renderSvg(confusionFigure(many, many[0]).spec);
  assertTrue(Number(/width="([\d.]+)"/.exec(svg)![1]) < 700);
});

Deno.test("the best model stands first, each with its best head", () => {
  const more = [resultOf({ samples_per_class: 100, head: "mean", right: 9 }), ...results];
  assertEquals(bestCandidates(more), [{ model: "classical", head: "mlp" }, {
    model: "astromer2",
    head: "mean",
  }]);
});
