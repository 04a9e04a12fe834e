/** The command evaluate, end to end. */
import { Astromer } from "../../src/library/astromer.ts";
import { assertEquals, assertStringIncludes, assertTrue } from "../../src/common/std.ts";
import { hasShared, sharedPath, testIn } from "../shared.ts";
import { succeed } from "./support.ts";

/** A simulated survey, whose errors differ, and a model with some settings of training. */
async function surveyAndModel(folder: string, settings: { masked_magnitudes?: string } = {}) {
  const survey = `${folder}/survey`, data = `${folder}/data`, model = `${folder}/model`;
  await succeed("simulate", "--light-curves", "60", "--mean-length", "60", "--output", survey);
  await succeed("preprocess", "--preset", "reference", "--input", survey, "--output", data);
  using untrained = Astromer.untrained({ preset: "small", ...settings });
  using weighted = new Astromer(untrained.network, {
    ...untrained.config,
    training: { loss_weights: "errors" },
  });
  await weighted.save(model);
  return ["evaluate", "--model", model, "--data", data, "--subset", "all"];
}

testIn("the loss weighs masked points as it weighs all", async (folder) => {
  const evaluate = await surveyAndModel(folder);
  const half = ["--probed-fraction", "0.5", "--masked-fraction", "0.5", "--replaced-fraction", "0", "--json"];
  const { probed, remark } = JSON.parse((await succeed(...evaluate, ...half)).stdout);
  assertTrue(probed.all.loss !== probed.all.rmse, "errors differ, so weights do");
  assertEquals(probed["masked points"], probed.all, "whatever is probed is masked");
  assertEquals(remark, undefined);
});

testIn(
  "a model that is shown what is hidden is said to be one, where something is hidden",
  async (folder) => {
    const evaluate = await surveyAndModel(folder, { masked_magnitudes: "kept" });
    const sentence = "this model is shown the magnitudes of hidden observations";
    assertStringIncludes((await succeed(...evaluate)).stdout, sentence);
    assertStringIncludes(JSON.parse((await succeed(...evaluate, "--json")).stdout).remark, sentence);
    const { stdout } = await succeed(...evaluate, "--masked-fraction", "0");
    assertTrue(!stdout.includes(sentence), stdout);
  },
);

testIn("asas-tiny: baselines beside the model, on its windows under its masks", async (folder) => {
  const data = `${folder}/data`, model = `${folder}/model`;
  const survey = ["--preset", "reference", "--input", sharedPath("data/asas-tiny")];
  await succeed("preprocess", ...survey, "--output", data);
  using untrained = Astromer.untrained({ preset: "small" });
  await untrained.save(model);
  const evaluate = ["evaluate", "--model", model, "--data", data, "--subset", "all", "--windows", "random"];
  const { probed, baselines } = JSON.parse((await succeed(...evaluate, "--baselines", "--json")).stdout);
  assertEquals(Object.keys(baselines), ["mean", "linear interpolation", "Gaussian process", "harmonic fit"]);
  for (const [name, sets] of Object.entries(baselines) as [string, typeof probed][]) {
    assertEquals(Object.keys(sets), Object.keys(probed), name);
    for (const set of Object.keys(probed)) assertEquals(sets[set].windows, probed[set].windows, name);
  }
  const rmse = (name: string) => baselines[name].all.rmse;
  assertTrue(Math.abs(baselines.mean.all.r2) < 0.1, "the window's mean is about that of its probed points");
  assertTrue(rmse("Gaussian process") < rmse("linear interpolation"));
  assertTrue(rmse("harmonic fit") < rmse("mean"));

  const { stdout } = await succeed(...evaluate, "--baselines");
  for (const number of ["rmse", "median_rmse"]) {
    const row = [probed, ...Object.values(baselines) as (typeof probed)[]]
      .map((sets) => sets.all[number].toFixed(4));
    assertTrue(
      stdout.split("\n").some((line) => line.split(/  +/).join() === ["all", ...row].join()),
      stdout,
    );
  }
  // The weights that ship, which have seen most of these stars, know more than any of them.
  const ships = evaluate.with(2, "astromer2-asas");
  const shipped = JSON.parse((await succeed(...ships, "--precision", "float32", "--json")).stdout).probed;
  for (const [name, sets] of Object.entries(baselines) as [string, typeof probed][]) {
    for (const number of ["rmse", "median_rmse"]) {
      assertTrue(shipped.all[number] < sets.all[number], `${number} of the ${name}`);
    }
  }
  const plain = JSON.parse((await succeed(...evaluate, "--json")).stdout);
  assertEquals(plain.probed, probed);
  assertEquals(plain.baselines, undefined);
}, !hasShared);
