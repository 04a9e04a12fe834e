import { renderSvg } from "../../src/report/figure.ts";
import { learningCurves, learningPoints } from "../../src/report/learning_curves.ts";
import type { MetricsLine } from "../../src/train/pretrain_types.ts";
import { assertEquals, assertStringIncludes } from "../../src/common/std.ts";

const step = (step: number, rmse: number): MetricsLine => ({
  kind: "step",
  epoch: 1,
  step,
  seconds: step,
  rmse,
  r2: 0,
});
const epoch = (epoch: number, rmse: number, best = 1): MetricsLine => ({
  kind: "epoch",
  epoch,
  step: 10 * epoch,
  seconds: epoch,
  train_rmse: rmse + 0.1,
  train_r2: 0.5,
  validation_rmse: rmse,
  validation_r2: 0.6,
  best,
});

Deno.test("validation stands at an epoch's end, running means in the middle of their steps", () => {
  const points = learningPoints([step(4, 0.9), step(8, 0.8), epoch(1, 0.5), epoch(2, 0.4)]);
  assertEquals(points, [
    { set: "training, running", place: 0.2, rmse: 0.9, r2: 0 },
    { set: "training, running", place: 0.6, rmse: 0.8, r2: 0 },
    { set: "training", place: 1, rmse: 0.6, r2: 0.5 },
    { set: "validation", place: 1, rmse: 0.5, r2: 0.6 },
    { set: "training", place: 2, rmse: 0.5, r2: 0.5 },
    { set: "validation", place: 2, rmse: 0.4, r2: 0.6 },
  ]);
});

Deno.test("an epoch that may have been cut short is no unit", async () => {
  const figure = learningCurves([step(4, 0.9), step(8, 0.8), epoch(1, 0.5)])!;
  assertEquals((figure.spec.data as { values: { place: number }[] }).values.map(({ place }) => place), [
    2,
    6,
    10,
    10,
  ]);
  assertStringIncludes(await renderSvg(figure.spec), ">steps<");
});

Deno.test("curves name units, the best epoch and the test set", async () => {
  const lines = [epoch(1, 0.5), epoch(2, 0.4), epoch(3, 0.45, 0)];
  const figure = learningCurves(lines, { name: "test", rmse: 0.42, r2: 0.55 })!;
  assertStringIncludes(figure.caption, "over 3 epochs (30 steps)");
  assertStringIncludes(figure.caption, "The best model is that of epoch 2.");
  assertStringIncludes(figure.caption, "Dotted: the best model on the test set.");
  const svg = await renderSvg(figure.spec);
  for (const text of ["RMSE (mag)", "R²", "epochs", "training", "validation", "test"]) {
    assertStringIncludes(svg, `>${text}<`);
  }
  assertEquals(svg.match(/>validation</g)!.length, 1, "one legend");
});

Deno.test("there is nothing to draw before there are metrics", () => {
  assertEquals(learningCurves([]), null);
  assertEquals(learningCurves([{ ...step(4, 0.9), rmse: null as unknown as number }]), null);
});

Deno.test("where R2 is not defined, RMSE is drawn all the same", async () => {
  const undefinedR2 = { ...step(4, 0.9), r2: null as unknown as number };
  assertEquals(learningPoints([undefinedR2]).map(({ r2 }) => r2), [null]);
  const svg = await renderSvg(learningCurves([undefinedR2, { ...undefinedR2, step: 8 }])!.spec);
  assertEquals(/NaN|undefined/.test(svg), false);
});
