/** Probes, clusters, novelty, periods and paired tests: against scikit-learn where it is there, and on cases that are known. */
import { predictedBy, probeNames } from "../../src/benchmark/probes.ts";
import { agreementOf, kMeans } from "../../src/evaluate/clustering.ts";
import { multiClassIsolationScores } from "../../src/evaluate/isolation_forest.ts";
import { fitLogisticRegression } from "../../src/evaluate/logistic_regression.ts";
import { areaUnderRoc, macroF1, pairedDifference } from "../../src/evaluate/ranking.ts";
import { ridgeR2 } from "../../src/evaluate/ridge.ts";
import { seeded } from "../../src/common/random.ts";
import { assertAlmostEquals, assertEquals, assertTrue } from "../../src/common/std.ts";
import { overlapping } from "../classify/support.ts";
import { missingInPython } from "../python.ts";
import "../model/support.ts"; // one thread

const width = 20, classes = 4, missing = missingInPython("sklearn", "numpy");

Deno.test({
  name: `scikit-learn's probes score the same to .01${missing ? ` (skipped: Python lacks ${missing})` : ""}`,
  ignore: missing !== "",
  async fn() {
    const train = overlapping(400, 1), test = overlapping(2000, 2);
    const ours = new Map<string, number>();
    for (const probe of probeNames) {
      const found = await predictedBy(
        probe,
        train.points as Float32Array,
        train.labels,
        test.points,
        width,
        classes,
      );
      ours.set(probe, macroF1(test.labels, found, classes));
    }
    const program = `
import sys, json, numpy as np
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import KNeighborsClassifier
from sklearn.preprocessing import StandardScaler
from sklearn.metrics import f1_score
d = json.load(sys.stdin)
X, T = (np.array(d[k], "f4").reshape(-1, ${width}) for k in ("points", "queries"))
scaler = StandardScaler().fit(X)
X, T = scaler.transform(X), scaler.transform(T)
score = lambda m: f1_score(d["truth"], m.fit(X, d["labels"]).predict(T), average="macro")
print(json.dumps({
  "logistic": score(LogisticRegression(C=0.05, max_iter=2000)),
  "knn": score(KNeighborsClassifier(5, weights="distance")),
  "forest": np.mean([score(RandomForestClassifier(500, random_state=s)) for s in range(2)]),
}))`;
    const input = JSON.stringify({
      points: [...train.points],
      queries: [...test.points],
      labels: [...train.labels],
      truth: [...test.labels],
    });
    const python = new Deno.Command("python3", {
      args: ["-c", program],
      stdin: "piped",
      stdout: "piped",
      stderr: "inherit",
    }).spawn();
    const writer = python.stdin.getWriter();
    await writer.write(new TextEncoder().encode(input));
    await writer.close();
    const { stdout } = await python.output();
    const theirs: Record<string, number> = JSON.parse(new TextDecoder().decode(stdout));
    for (const probe of probeNames) assertAlmostEquals(ours.get(probe)!, theirs[probe], 0.01, probe);
  },
});

Deno.test("logistic regression is where its gradient ends: the penalty pulls as the data push", async () => {
  const { points, labels } = overlapping(200, 3), strength = 0.5;
  const { weight, bias } = await fitLogisticRegression(points, labels, classes, strength);
  const pull = new Float64Array(classes * width), total = new Float64Array(classes);
  for (let i = 0; i < 200; i++) {
    const x = points.subarray(i * width, (i + 1) * width);
    const logits = [...bias].map((b, c) => b + x.reduce((sum, v, f) => sum + v * weight[c * width + f], 0));
    const sum = logits.reduce((s, l) => s + Math.exp(l), 0);
    for (let c = 0; c < classes; c++) {
      const rest = Math.exp(logits[c]) / sum - (labels[i] === c ? 1 : 0);
      total[c] += rest;
      for (let f = 0; f < width; f++) pull[c * width + f] += strength * rest * x[f];
    }
  }
  assertTrue(total.every((t) => Math.abs(t) < 0.01), "the biases are free");
  assertTrue(pull.every((p, k) => Math.abs(p + weight[k]) < 0.01), "C x gradient = - weight");
});

Deno.test("one labelled star a class is enough for every probe", async () => {
  const points = Float32Array.of(0, 0, 10, 10), labels = Int32Array.of(0, 1);
  for (const probe of probeNames) {
    const found = await predictedBy(probe, points, labels, Float32Array.of(1, 1, 9, 9), 2, 2);
    assertEquals([...found], [0, 1], probe);
  }
});

Deno.test("clusters: k-means finds what lies apart; agreement as scikit-learn computes it", () => {
  const random = seeded(1), n = 90;
  const truth = Int32Array.from({ length: n }, (_, i) => i % 3);
  const points = Float32Array.from({ length: 2 * n }, (_, k) => {
    const c = truth[k >> 1];
    return 8 * (k % 2 ? c >> 1 : c % 2) + random.normal();
  });
  assertEquals(agreementOf(kMeans(points, 2, 3), truth), {
    normalized_mutual_information: 1,
    adjusted_rand_index: 1,
  });
  const { normalized_mutual_information, adjusted_rand_index } = agreementOf(
    [0, 0, 0, 1, 1, 1, 2, 2],
    [0, 0, 1, 1, 1, 2, 2, 2],
  );
  assertAlmostEquals(normalized_mutual_information, 0.55887303, 1e-6);
  assertAlmostEquals(adjusted_rand_index, 0.2380952, 1e-6);
});

Deno.test("novelty: what lies far from every class stands out, what lies between the classes too", () => {
  const random = seeded(2);
  const labels = Int32Array.from({ length: 300 }, (_, i) => i % 2);
  const points = Float32Array.from({ length: 600 }, (_, k) => 6 * labels[k >> 1] + random.normal());
  const queries = Float32Array.from(
    { length: 80 },
    (_, k) => (k < 40 ? 6 * (k >> 1 & 1) : 3) + 0.5 * random.normal(),
  );
  const scores = multiClassIsolationScores(points, labels, queries, 2);
  const area = areaUnderRoc(scores, Array.from({ length: 40 }, (_, i) => i >= 20));
  assertTrue(area > 0.95, `${area}`);
  assertEquals(areaUnderRoc([1, 2, 2, 3], [false, true, false, true]), 0.875);
});

Deno.test("ridge: told by others alone; noise tells nothing, a line all, also with more features than stars", () => {
  const random = seeded(3), n = 60;
  for (const width of [5, 200]) {
    const points = Float32Array.from({ length: n * width }, () => random.normal());
    const line = Float64Array.from(
      { length: n },
      (_, i) => 3 + 2 * points[i * width] - points[i * width + 1],
    );
    const noise = Float64Array.from({ length: n }, () => random.normal());
    if (width === 5) assertTrue(ridgeR2(points, width, line) > 0.999);
    const nothing = ridgeR2(points, width, noise);
    assertTrue(nothing < 0.2, `${nothing} of noise from ${width} features`);
  }
  // Leave-one-out in closed form is leave-one-out: one feature, by hand.
  const x = [-1, 0, 1, 2], y = [0, 1, 1, 3], penalties = [1e-2, 1e-1, 1, 10, 1e2, 1e3, 1e4, 1e5];
  const center = 0.5, mean = 1.25;
  const best = Math.max(...penalties.map((penalty) => {
    const sxx = x.reduce((s, v) => s + (v - center) ** 2, 0);
    const slope = x.reduce((s, v, i) => s + (v - center) * (y[i] - mean), 0) / (sxx + penalty);
    const errors = x.map((v, i) =>
      (y[i] - mean - slope * (v - center)) / (1 - 1 / 4 - (v - center) ** 2 / (sxx + penalty))
    );
    const variance = y.reduce((s, v) => s + ((v - mean) * 4 / 3) ** 2, 0);
    return 1 - errors.reduce((s, e) => s + e * e, 0) / variance;
  }));
  assertAlmostEquals(ridgeR2(Float32Array.from(x), 1, Float64Array.from(y)), best, 1e-9);
});

Deno.test("paired: the same predictions do not differ, better ones do, on the same stars", () => {
  const random = seeded(4), n = 300;
  const truth = Int32Array.from({ length: n }, (_, i) => i % 3);
  const guess = (right: number) => truth.map((c) => random.next() < right ? c : (c + 1) % 3);
  const a = guess(0.7), b = guess(0.85);
  assertEquals(pairedDifference(truth, [a], [a], 3).p, 1);
  const { difference, low, high, p } = pairedDifference(truth, [b, b], [a, a], 3);
  assertAlmostEquals(difference, macroF1(truth, b, 3) - macroF1(truth, a, 3), 1e-12);
  assertTrue(low > 0 && high > difference && p < 0.01, `${low} ${high} ${p}`);
});
