import { InputError } from "../../src/common/errors.ts";
import { clearNights, errorAt } from "../../src/survey/observing.ts";
import { checksum } from "../../src/survey/dataset_files.ts";
import { simulate, type SimulateSettings } from "../../src/survey/simulate.ts";
import { simulateLightCurve } from "../../src/survey/simulated_light_curves.ts";
import { variableTypes } from "../../src/survey/variable_stars.ts";
import {
  assertAlmostEquals,
  assertEquals,
  assertNotEquals,
  assertRejects,
  assertTrue,
} from "../../src/common/std.ts";
import task from "../../tasks/simulate.ts";
import { namesIn, readParquet, run } from "./support.ts";
import { testIn } from "../shared.ts";

const seed = 3, clear = clearNights(seed);
const curves = Array.from({ length: 120 }, (_, i) => simulateLightCurve(seed, i, clear, 500));

function survey(settings: Partial<SimulateSettings>) {
  const { config: _, ...full } = task.settings.parse({
    threads: 1,
    memory_limit: "500MB",
    mean_length: 100,
    ...settings,
  });
  return simulate(full);
}

Deno.test("a seed and an index name a light curve", () => {
  assertEquals(simulateLightCurve(seed, 5, clear, 500), curves[5]);
  assertNotEquals(simulateLightCurve(seed + 1, 5, clear, 500).mjd, curves[5].mjd);
  assertEquals(new Set(curves.map((curve) => curve.label)).size, variableTypes.length);
});

/**
 * Phase dispersion (Stellingwerf 1978): the variance within 20 bins of phase over the whole variance. Small at the true period.
 */
function dispersion({ mjd, mag }: { mjd: Float64Array; mag: Float32Array }, period: number): number {
  const sums = Array.from({ length: 20 }, () => ({ n: 0, sum: 0, squares: 0 }));
  const mean = mag.reduce((a, b) => a + b, 0) / mag.length;
  let total = 0;
  mjd.forEach((time, i) => {
    const bin = sums[Math.floor((time / period % 1) * 20)], d = mag[i] - mean;
    bin.n++;
    bin.sum += d;
    bin.squares += d * d;
    total += d * d;
  });
  return sums.reduce((sum, { n, sum: s, squares }) => sum + (n ? squares - s * s / n : 0), 0) / total;
}

Deno.test("folding at the true period orders the light curve, at others it does not", () => {
  for (const name of ["RR Lyrae, Fundamental Mode", "RR Lyrae, First Overtone", "Mira", "Contact Systems"]) {
    const label = variableTypes.findIndex((type) => type.name === name);
    const some = curves.filter((curve) =>
      curve.label === label && Math.max(...curve.err) < 0.06 || name === "Mira" && curve.label === label
    )
      .slice(0, 4);
    assertTrue(some.length > 0, name);
    for (const curve of some) {
      const at = dispersion(curve, curve.period), off = dispersion(curve, curve.period * 1.0837);
      assertTrue(at < 0.5 * off, `${name}: ${at} at the period, ${off} beside it`);
    }
  }
});

Deno.test("the period is the minimum of the dispersion over a grid", () => {
  const label = variableTypes.findIndex((type) => type.name === "RR Lyrae, Fundamental Mode");
  const curve = curves.find((curve) => curve.label === label && Math.max(...curve.err) < 0.1)!;
  const step = 1e-5;
  const frequencies = Array.from({ length: 2001 }, (_, i) => 1 / curve.period + (i - 1000) * step);
  const values = frequencies.map((frequency) => dispersion(curve, 1 / frequency));
  const best = frequencies[values.indexOf(Math.min(...values))];
  assertAlmostEquals(best, 1 / curve.period, 20 * step);
});

Deno.test("the cadence has nights, gaps between seasons, and several years", () => {
  for (const { mjd } of curves.slice(0, 20)) {
    assertTrue(mjd.at(-1)! - mjd[0] > 2000);
    const steps = Array.from(mjd.slice(1), (time, i) => time - mjd[i]);
    assertTrue(steps.every((step) => step >= 0));
    const gaps = steps.filter((step) => step > 90).length;
    assertTrue(gaps >= 5 && gaps <= 8, `${gaps} gaps`);
  }
});

Deno.test("errors grow with magnitude, and describe the scatter", () => {
  assertTrue(errorAt(8) < 0.02 && errorAt(14) > 0.05 && errorAt(15) > errorAt(14));
  // A detached binary is flat for most of the time: its scatter there is its error.
  const label = variableTypes.findIndex((type) => type.name === "Detached");
  const ratios = curves.filter((curve) => curve.label === label).map(({ mag, err }) => {
    const sorted = mag.toSorted();
    const median = sorted[sorted.length >> 1];
    const brighter = sorted.slice(0, sorted.length >> 1).map((m) => median - m);
    return brighter[brighter.length >> 1] * 1.48 / err.toSorted()[err.length >> 1];
  });
  const typical = ratios.sort((a, b) => a - b)[ratios.length >> 1];
  assertTrue(typical > 0.6 && typical < 2, String(typical));
});

testIn("shards and metadata agree, in Parquet and CSV, and preprocess reads them", async (folder) => {
  const made = await survey({
    light_curves: 40,
    seed,
    shard_observations: 1000,
    output: `${folder}/parquet`,
  });
  const files = await namesIn(`${folder}/parquet/observations`);
  assertEquals(files.length, made.shards);
  assertTrue(files.length > 2 && files[0] === "000.parquet");
  const metadata = await readParquet(`${folder}/parquet/metadata.parquet`);
  assertEquals(metadata.map((row) => row.newID), Array.from({ length: 40 }, (_, i) => i));
  assertEquals(metadata.reduce((sum, row) => sum + Number(row.n_obs), 0), made.observations);
  const direct = simulateLightCurve(seed, 7, clear, 100);
  assertEquals([metadata[7].period, metadata[7].n_obs, metadata[7].Class], [
    direct.period,
    direct.mjd.length,
    variableTypes[direct.label].name,
  ]);

  await survey({ light_curves: 40, seed, format: "csv", output: `${folder}/csv` });
  const settings = { preset: "reference", max_error: 5, min_observations: 1, seed: 1 } as const;
  const [a, b] = [
    await run({ ...settings, input: [`${folder}/parquet`], output: `${folder}/a` }),
    await run({ ...settings, input: [`${folder}/csv`], output: `${folder}/b` }),
  ];
  assertEquals(a.observations, made.observations);
  assertEquals(a.unusable, []);
  assertEquals(a.warnings.filter((warning) => !warning.includes("look like noise")), []);
  assertEquals(a.fingerprint, b.fingerprint);
  assertEquals(Object.keys(a.classes).length, 6);
});

testIn("a seed gives the same bytes, whatever the threads; another seed gives others", async (folder) => {
  const digest = async (settings: Partial<SimulateSettings>) => {
    const output = `${folder}/out`;
    const { observations, shards } = await survey({
      light_curves: 30,
      shard_observations: 700,
      ...settings,
      output,
    });
    const paths = [
      "metadata.parquet",
      ...(await namesIn(`${output}/observations`)).map((n) => `observations/${n}`),
    ];
    const sums = await Promise.all(
      paths.map(async (path) => `${path} ${await checksum(`${output}/${path}`)}`),
    );
    const rows = await Promise.all(paths.slice(1).map((path) => readParquet(`${output}/${path}`)));
    assertEquals([rows.length, rows.flat().length], [shards, observations]);
    assertTrue(shards > 2);
    return sums;
  };
  const first = await digest({ seed: 5, threads: 1 });
  assertEquals(await digest({ seed: 5, threads: 3 }), first);
  assertNotEquals(await digest({ seed: 6, threads: 1 }), first);
});

testIn("the size is given one way", async (folder) => {
  const output = `${folder}/out`;
  const made = await survey({ observations: 5000, output });
  assertEquals(made.light_curves, 50);
  await assertRejects(() => survey({ output }), InputError, "give either --light-curves or --observations");
  await assertRejects(() => survey({ light_curves: 5, observations: 5, output }), InputError, "give either");
});
