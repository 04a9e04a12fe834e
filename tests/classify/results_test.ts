import { type Result, resultsCsv, summariesOf, tableRows } from "../../src/classify/results.ts";
import { ClassificationMetrics, meanAndDeviation } from "../../src/evaluate/classification.ts";
import { assertAlmostEquals, assertEquals } from "../../src/common/std.ts";

Deno.test("scores of a confusion matrix", () => {
  // Truth by row: a (3 right of 4, one taken for b), b (2 of 4, two taken for a), c (never seen, never said).
  const metrics = new ClassificationMetrics(["a", "b", "c"]);
  for (const [truth, said] of [[0, 0], [0, 0], [0, 0], [0, 1], [1, 0], [1, 0], [1, 1], [1, 1]]) {
    metrics.add(truth, said);
  }
  assertEquals([...metrics.confusion], [3, 1, 0, 2, 2, 0, 0, 0, 0]);
  assertAlmostEquals(metrics.precision(0), 3 / 5);
  assertAlmostEquals(metrics.recall(0), 3 / 4);
  assertAlmostEquals(metrics.f1(0), 2 / 3);
  const { f1, precision, recall, accuracy, balanced_accuracy } = metrics.scores;
  assertAlmostEquals(f1, (2 / 3 + 4 / 7 + 0) / 3);
  assertAlmostEquals(precision, (3 / 5 + 2 / 3) / 3);
  assertAlmostEquals(recall, (3 / 4 + 1 / 2) / 3);
  assertAlmostEquals(accuracy, 5 / 8);
  assertEquals(balanced_accuracy, recall);
});

const result = (
  model: string,
  head: string,
  samples_per_class: number,
  fold: number,
  f1: number,
): Result => ({
  model,
  head,
  samples_per_class,
  fold,
  classes: ["a", "b"],
  scores: { f1, precision: f1, recall: 0.5, accuracy: f1, balanced_accuracy: 0.5 },
  f1: [f1, f1],
  confusion: [1, 0, 0, 1],
  validation_loss: 1,
  epochs: 3,
  seconds: 0.5,
  light_curves: { train: 1, validation: 1, test: 2 },
});
const results = [
  result('old, "one"', "mean", 100, 0, 0.5),
  result('old, "one"', "mean", 20, 0, 0.25),
  result('old, "one"', "mean", 20, 1, 0.75),
  result("new", "gamma", 20, 0, 0.7),
  result("new", "gamma", 20, 1, 0.8),
];

Deno.test("means and deviations over folds; the best of each scenario is marked", () => {
  assertEquals(meanAndDeviation([1, 2, 3, 4]), { mean: 2.5, deviation: Math.sqrt(1.25) });
  const summaries = summariesOf(results);
  assertEquals(summaries.map((s) => [s.samples_per_class, s.model, s.folds]), [
    [20, 'old, "one"', 2],
    [20, "new", 2],
    [100, 'old, "one"', 1],
  ]);
  const [, old, best, alone] = tableRows(summaries, (text) => `<${text}>`);
  assertEquals(old.slice(3, 6), ["0.500 ± 0.250", "0.500 ± 0.250", "<0.500 ± 0.000>"]);
  assertEquals(best.slice(3, 6), ["<0.750 ± 0.050>", "<0.750 ± 0.050>", "<0.500 ± 0.000>"]);
  assertEquals(alone[3], "<0.500>", "one fold has no deviation");
});

Deno.test("every result is a line of CSV", () => {
  const lines = resultsCsv(results).trim().split("\r\n");
  assertEquals(lines.length, 6);
  assertEquals(
    lines[0],
    "model,head,samples_per_class,fold,f1,precision,recall,accuracy,balanced_accuracy,validation_loss,epochs,seconds",
  );
  assertEquals(lines[1], '"old, ""one""",mean,100,0,0.5,0.5,0.5,0.5,0.5,1,3,0.5');
});
