import { ReconstructionMetrics } from "../../src/evaluate/metrics.ts";
import { assertAlmostEquals, assertEquals, assertTrue } from "../../src/common/std.ts";
import { Fixture, sharedTest } from "../shared.ts";

Deno.test("RMSE is a mean over windows, R2 a sum over points with each window's own mean", () => {
  const metrics = new ReconstructionMetrics();
  metrics.add([1, 2, 4], [1, 2, 3], [1, 1, 0.5]);
  metrics.add([0], [2], [3]);
  metrics.add([5, 5], [4, 6]);
  metrics.add([], []);
  assertEquals(metrics.windows, 3);
  assertAlmostEquals(metrics.rmse, Math.sqrt((1 / 3 + 4 + 1) / 3), 1e-12);
  assertAlmostEquals(metrics.loss, Math.sqrt((0.5 / 3 + 12 + 1) / 3), 1e-12);
  assertAlmostEquals(metrics.r2, 1 - (1 + 4 + 2) / (2 + 0 + 2), 1e-12);
  assertAlmostEquals(metrics.medianRmse, 1, 1e-12);
  metrics.add([0], [0]);
  assertAlmostEquals(metrics.medianRmse, (Math.sqrt(1 / 3) + 1) / 2, 1e-12);
});

Deno.test("the window's mean as prediction has R2 0, the truth has 1", () => {
  const target = [0.1, 0.4, -0.5, 0.3], mean = target.reduce((a, b) => a + b) / 4;
  const [none, all] = [target.map(() => mean), target].map((predicted) => {
    const metrics = new ReconstructionMetrics();
    metrics.add(predicted, target);
    return metrics.r2;
  });
  assertAlmostEquals(none, 0, 1e-12);
  assertEquals(all, 1);
});

sharedTest("scores of recorded reconstructions are the reference's, in all and per window", async () => {
  const rows = [
    ["astromer2_io.safetensors", "token.reconstruction", "in.", "token.score."],
    ["astromer1_macho.safetensors", "out.reconstruction", "in.", "score."],
    ["astromer1_macho.safetensors", "out_visible.reconstruction", "in_visible.", "score_visible."],
  ];
  for (const [file, reconstruction, prefix, score] of rows) {
    const fixture = await Fixture.read(file);
    const predicted = fixture.floats(reconstruction), probed = fixture.floats(`${prefix}mask_out`);
    const target = fixture.floats("in.target"), weights = fixture.floats("in.w_error");
    const all = new ReconstructionMetrics();
    const close = (found: number, name: string, w = 0) => {
      const expected = fixture.floats(score + name)[w];
      const difference = Math.abs(found - expected);
      assertTrue(
        difference <= 3e-6 * Math.max(1, Math.abs(expected)),
        `${score}${name}: ${found}, ${expected}`,
      );
    };
    for (let w = 0; w < 6; w++) {
      const points = Array.from({ length: 200 }, (_, l) => 200 * w + l).filter((i) => probed[i] === 1);
      const of = (values: Float32Array) => points.map((i) => values[i]);
      const window = new ReconstructionMetrics();
      for (const metrics of [all, window]) metrics.add(of(predicted), of(target), of(weights));
      close(window.rmse, "rmse_per_window", w);
      close(window.loss, "rmse_weighted_per_window", w);
      close(window.r2, "r2_per_window", w);
    }
    close(all.rmse, "rmse");
    close(all.loss, "rmse_weighted");
    close(all.r2, "r2");
  }
});
