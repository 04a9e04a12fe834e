/** Regressors on clouds of points: every kind of head, logarithms, folders, intervals. */
import { liveTensors, Tensor } from "../../ffi/tensor.ts";
import { thresholdFor } from "../../src/classify/conformal.ts";
import { fitRegressor } from "../../src/classify/fit_regressor.ts";
import { FittedRegressor, type ValueSample } from "../../src/classify/fitted_regressor.ts";
import { growValueForest } from "../../src/classify/forest.ts";
import { InputError } from "../../src/common/errors.ts";
import { regressionScores } from "../../src/evaluate/regression.ts";
import { seeded } from "../../src/common/random.ts";
import {
  assertAlmostEquals,
  assertEquals,
  assertRejects,
  assertThrows,
  assertTrue,
} from "../../src/common/std.ts";
import "../model/support.ts"; // one thread
import { testIn } from "../shared.ts";

const training = { learningRate: 0.03, batchSize: 64, epochs: 60, patience: 20, seed: 0 };

/** Vectors (n, 2, 6), whose first two elements make the value, and samples of one row each. */
function cloud(n: number, seed: number) {
  const random = seeded(seed, 0xc10d), width = 6, table = new Float32Array(n * 2 * width);
  const samples = Array.from({ length: n }, (_, i): ValueSample => {
    for (let k = 0; k < width; k++) {
      table[2 * i * width + k] = table[(2 * i + 1) * width + k] = random.normal();
    }
    const [a, b] = table.subarray(2 * i * width);
    return { rows: [i], value: 10 ** (0.3 + 0.5 * a - 0.2 * b + 0.05 * random.normal()) };
  });
  return { vectors: Tensor.from(table, [n, 2, width]), samples };
}

testIn(
  "every kind of head learns the logarithm of a value, says how far off it is, and is read again",
  async (folder) => {
    const before = liveTensors();
    {
      const { vectors, samples } = cloud(700, 1);
      using _ = vectors;
      const test = samples.slice(500),
        parts = { train: samples.slice(0, 380), validation: samples.slice(380, 500) };
      const truth = test.map(({ value }) => Math.log10(value));
      for (
        const [kind, least] of [["linear", 0.97], ["mean", 0.9], ["knn", 0.6], ["forest", 0.85]] as const
      ) {
        const losses: number[] = [];
        const { regressor, validationRmse } = await fitRegressor(
          vectors,
          parts,
          { name: "period", log: true },
          kind,
          { ...training, ...kind === "mean" ? { learningRate: 1e-3, epochs: 15 } : {} },
          (_epoch, _train, validation) => losses.push(validation),
        );
        using __ = regressor;
        assertEquals(losses.length > 0, kind === "linear" || kind === "mean");
        const found = await regressor.predict(vectors, test);
        const { rmse, r2 } = regressionScores(found.learned, truth);
        assertTrue(r2 > least, `${kind}: R2 ${r2}`);
        assertTrue(
          validationRmse / rmse > 0.6 && validationRmse / rmse < 1.6,
          `${kind}: ${validationRmse}, ${rmse}`,
        );
        const halfWidth = thresholdFor(regressor.residuals, 0.9, "here");
        const covered = truth.filter((value, i) => Math.abs(found.learned[i] - value) <= halfWidth).length /
          200;
        assertTrue(covered > 0.82 && covered < 0.98, `${kind}: ${covered} of 0.9`);
        assertAlmostEquals(regressor.valueOf(regressor.learnedOf(3)), 3, 1e-9);

        await regressor.save(`${folder}/${kind}`, {
          encoder: { kind: "model" },
          training: {},
          metrics: { r2 },
        });
        const { regressor: again, details } = await FittedRegressor.load(`${folder}/${kind}`);
        using ___ = again;
        assertEquals([again.target, details.metrics], [{ name: "period", log: true }, { r2 }]);
        assertEquals(await again.predict(vectors, test), found);
        assertEquals(again.residuals, regressor.residuals);
      }
      const target = { name: "period", log: true }, zero = [...parts.train, { rows: [0], value: 0 }];
      for (
        const [samples, sentence] of [
          [{ ...parts, train: zero }, "period of a light curve is 0: a logarithm needs positive values"],
          [{ ...parts, train: parts.train.slice(0, 1) }, "with two different values of period to train on"],
          [{ ...parts, validation: [] }, "no light curve with a value of period to validate with"],
        ] as const
      ) {
        await assertRejects(
          () => fitRegressor(vectors, samples, target, "linear", training),
          InputError,
          sentence,
        );
      }
      assertThrows(
        () => thresholdFor(new Float32Array(8), 0.9, "here"),
        InputError,
        "--coverage 0.9 needs 9 light curves to calibrate with, here has 8: at most 0.888 can be promised",
      );
      await assertRejects(
        () => FittedRegressor.load("nowhere"),
        InputError,
        "nowhere is not a regressor folder",
      );
    }
    assertEquals(liveTensors(), before);
  },
);

Deno.test("a forest of values splits where the value changes, and says out of bag what it scores on others", async () => {
  const random = seeded(3),
    n = 600,
    width = 3,
    points = new Float32Array(n * width),
    values = new Float32Array(n);
  for (let i = 0; i < n; i++) {
    for (let f = 0; f < width; f++) points[i * width + f] = random.next();
    values[i] = points[i * width] > 0.5 ? 5 : points[i * width + 1];
  }
  const { forest, outOfBag } = await growValueForest({ points, values }, { trees: 60 });
  const { r2 } = regressionScores(outOfBag, values);
  assertTrue(r2 > 0.98, `${r2}`);
  assertAlmostEquals(forest.probabilities(Float32Array.of(0.9, 0.2, 0.5))[0], 5, 0.1);
  assertAlmostEquals(forest.probabilities(Float32Array.of(0.1, 0.7, 0.5))[0], 0.7, 0.1);
  assertEquals(forest.flaw(), undefined);
  // A point that is counted twice does not tell of itself out of bag.
  const noise = Float32Array.from(values, () => random.normal());
  const twice = await growValueForest({ points, values: noise, counts: new Int32Array(n).fill(3) }, {
    trees: 60,
  });
  assertTrue(regressionScores(twice.outOfBag, noise).r2 < 0.1);
});
