/** Calibration, sets of classes, and what a report shows of them. */
import { classScores, classSet, conformalThreshold, coveragesOfSets } from "../../src/classify/conformal.ts";
import { writeTestPredictions } from "../../src/classify/test_predictions.ts";
import { calibrationOf } from "../../src/evaluate/calibration.ts";
import { seeded } from "../../src/common/random.ts";
import {
  calibrationTable,
  classFigure,
  classPoints,
  lossFigure,
  reliabilityFigure,
  reliabilityPoints,
} from "../../src/report/calibration_figures.ts";
import { renderSvg } from "../../src/report/figure.ts";
import { writeReport } from "../../src/report/run_report.ts";
import { datasetOf } from "../../src/data/light_curves.ts";
import { mistakesHtml } from "../../src/report/mistakes.ts";
import { assertAlmostEquals, assertEquals, assertStringIncludes, assertTrue } from "../../src/common/std.ts";
import "../model/support.ts"; // one thread
import { testIn } from "../shared.ts";
import { selfContained } from "./page.ts";
import { classes, resultOf } from "./results.ts";

/** Probabilities (n, 3) that are right as often as they say, and the classes. */
function calibrated(n: number, seed: number) {
  const random = seeded(seed, 0xca11), probabilities = new Float32Array(3 * n);
  const labels = Array.from({ length: n }, (_, i) => {
    const row = probabilities.subarray(3 * i, 3 * i + 3);
    for (let c = 0; c < 3; c++) row[c] = random.next() ** 4 + 0.01;
    const sum = row[0] + row[1] + row[2], draw = random.next();
    for (let c = 0; c < 3; c++) row[c] /= sum;
    return draw < row[0] ? 0 : draw < row[0] + row[1] ? 1 : 2;
  });
  return { probabilities, labels };
}

Deno.test("what is right as often as it says has no calibration error; what is always sure has", () => {
  const { probabilities, labels } = calibrated(20_000, 1);
  const { ece, brier, bins } = calibrationOf(probabilities, labels, 3);
  assertTrue(ece < 0.02, `${ece}`);
  for (const { confidence, accuracy, count } of bins) {
    assertTrue(
      Math.abs(confidence - accuracy) < 4 * Math.sqrt(0.25 / count),
      `${confidence} ${accuracy} ${count}`,
    );
  }
  assertEquals(bins.reduce((sum, { count }) => sum + count, 0), 20_000);
  const sure = Float32Array.from(labels.flatMap((_, i) => {
    const row = [...probabilities.subarray(3 * i, 3 * i + 3)], best = Math.max(...row);
    return row.map((p) => p === best ? 1 : 0);
  }));
  const over = calibrationOf(sure, labels, 3), wrong = 1 - over.bins[0].accuracy;
  assertAlmostEquals(over.ece, wrong, 1e-9);
  assertTrue(over.brier > brier && over.bins.length === 1);
});

Deno.test("sets hold the true class as often as was asked for, and are no larger than need be", () => {
  const held = calibrated(400, 2), test = calibrated(4000, 3);
  const scores = classScores(held.probabilities, held.labels, 3);
  const found = coveragesOfSets(scores, test.probabilities, test.labels, 3);
  assertEquals(found.map(({ asked }) => asked), [0.8, 0.9, 0.95]);
  for (const { asked, found: share, size } of found) {
    assertTrue(Math.abs(share - asked) < 0.04, `${share} of ${asked}`);
    assertTrue(size >= 1 && size < 2.6);
  }
  assertTrue(found[0].size < found[1].size && found[1].size < found[2].size);
  // The ceil((n + 1) coverage)-th smallest score, and none where there are too few.
  assertEquals(conformalThreshold([5, 1, 4, 2, 3, 6, 7, 8, 9], 0.9), 9);
  assertEquals(conformalThreshold([5, 1, 4, 2, 3, 6, 7, 8], 0.9), undefined);
  assertEquals(classSet(Float32Array.of(0.2, 0.7, 0.1), 0.85), [1, 0]);
  assertEquals(classSet(Float32Array.of(0.3, 0.4, 0.3), 0.1), [1], "never empty");
});

/** Results of two folds with all that a report shows. */
const folds = [0, 1].map((fold) => {
  const { probabilities, labels } = calibrated(300, 5 + fold);
  return {
    ...resultOf({ model: "m", head: "mean", samples_per_class: 100, fold, right: 6 + 2 * fold }),
    calibration: calibrationOf(probabilities, labels, 3),
    coverages: [{ asked: 0.9, found: 0.9 + 0.02 * fold, size: 1.5 }],
    calibrated_with: 40,
    curve: { epoch: [1, 2, 3], train: [1, 0.7, 0.5], validation: [1.1, 0.8, 0.75] },
  };
});
const candidates = [{ model: "m", head: "mean" }];

Deno.test("figures and table: bins of all folds together, error bars over folds, losses by epoch", async () => {
  const points = reliabilityPoints(folds);
  assertEquals(points.reduce((sum, { count }) => sum + count, 0), 600);
  assertTrue(points.every(({ confidence }, i) => i === 0 || confidence > points[i - 1].confidence));
  const [mira] = classPoints(folds), f1 = folds.map((fold) => fold.f1[0]);
  assertAlmostEquals(mira.f1, (f1[0] + f1[1]) / 2, 1e-12);
  assertAlmostEquals(mira.high - mira.low, Math.abs(f1[0] - f1[1]), 1e-12);
  const table = calibrationTable(folds)!;
  assertEquals(table.columns.slice(-3), ["calibrated with", "in sets of 0.9", "classes"]);
  assertEquals(table.rows[0].slice(-3), [40, 0.91, 1.5]);
  for (
    const [figure, texts] of [
      [reliabilityFigure(folds, candidates)!, ["probability of the likeliest class", "m, mean"]],
      [classFigure(folds, candidates), ["F1", ...classes]],
      [lossFigure(folds, "cross-entropy (nat)")!, ["epoch", "validation", "cross-entropy (nat)"]],
    ] as const
  ) {
    const svg = await renderSvg(figure.spec);
    for (const text of texts) assertStringIncludes(svg, text);
  }
  const old = [resultOf()]; // of a version that did not know them
  assertEquals(
    [reliabilityFigure(old, candidates), calibrationTable(old), lossFigure(old, "nat")],
    [null, null, null],
  );
});

testIn("the confusion matrix leads to the light curves that were taken for another class", async (folder) => {
  const hostile = `"><script>alert(1)</script>`, names = ["Mira", hostile];
  const mjd = Array.from({ length: 60 }, (_, i) => 50_000 + 1.3 * i + 0.2 * Math.sin(i * i));
  const curves = Array.from({ length: 6 }, (_, i) => ({
    id: i === 0 ? `<b>${hostile}` : `star ${i}`,
    band: "V",
    mjd,
    magnitude: mjd.map((t) => 12 + Math.sin(2 * Math.PI * t / 7.3 + i)),
  }));
  using dataset = datasetOf(curves);
  const results = [0, 1].map((fold) => resultOf({ model: "m", head: "mlp", names, fold }));
  for (const fold of [0, 1]) {
    // The first is wrong in both folds, the second in one.
    const predicted = (i: number) => i === 0 || i === 1 && fold === 1 ? 1 - i % 2 : i % 2;
    await writeTestPredictions(
      `${folder}/predictions/m/mean/20-${fold}.parquet`,
      dataset,
      curves.map((_, i) => ({
        lightCurve: i,
        class: names[i % 2],
        predicted: names[predicted(i)],
        [`probability_${names[predicted(i)]}`]: 0.75,
        [`probability_${names[1 - predicted(i)]}`]: 0.25,
        novelty: 1,
      })),
    );
  }
  const candidate = { model: "m", head: "mlp" };
  const { text } = (await mistakesHtml(folder, results, candidate, dataset))!;
  const links = [...text.matchAll(/<a href="#([^"]*)"[^>]*>(\d+)<\/a>/g)].map(([, target, n]) => ({
    target,
    n,
  }));
  assertEquals(links.map(({ n }) => n), ["2", "1"], "over both folds");
  for (const { target } of links) assertStringIncludes(text, `class="mistakes" id="${target}"`);
  assertEquals(text.match(/<svg/g)!.length, 2);
  assertTrue(/7\.\d+ d/.test(text) && text.includes("2 folds") && text.includes("star 1 (V)"));
  assertTrue(!/<script|<b><?"/.test(text), "names are text");
  const without = (await mistakesHtml(folder, results, candidate, undefined))!.text;
  assertTrue(!without.includes("<svg") && without.includes("star 1 (V)"));
  assertEquals(await mistakesHtml(`${folder}/no`, results, candidate, dataset), null);

  await Deno.writeTextFile(`${folder}/results.json`, JSON.stringify(results));
  const [report] = await writeReport([folder]);
  const page = await Deno.readTextFile(report);
  selfContained(page);
  assertStringIncludes(page, "Misclassified light curves: m, mlp");
});
