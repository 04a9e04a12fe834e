import { InputError } from "../../src/common/errors.ts";
import { architecture } from "../../src/model/architecture.ts";
import { AstromerNetwork } from "../../src/model/network.ts";
import { renderSvg } from "../../src/report/figure.ts";
import { modelFigures } from "../../src/report/model_figures.ts";
import { assertEquals, assertRejects, assertStringIncludes } from "../../src/common/std.ts";
import { sinusoidDataset } from "../data/support.ts";

const options = { lightCurves: 95, attention: 1, seed: 1 };

/** A small model, untrained, and a dataset of as many light curves, every fourth of them of the class B. */
function modelAndDataset(lightCurves: number) {
  const dataset = sinusoidDataset(Array<number>(lightCurves).fill(24), {
    subsets: Array(lightCurves).fill("test"),
  });
  dataset.classes = dataset.ids.map((_, i) => i % 4 ? "A" : "B");
  const model = new AstromerNetwork(architecture("small"), { device: "cpu", dtype: "float32", seed: 0 });
  const config = {
    model_type: "astromer",
    architecture: model.architecture,
    parameters: 1,
    window_size: 20,
  } as const;
  return { dataset, model, loaded: { model, config: { ...config, astromer_version: "0" } } };
}

Deno.test("a model's figures: hidden points, t-SNE of each block, attention of a light curve of the largest class", async () => {
  const { dataset, model, loaded } = modelAndDataset(100);
  using _ = model;
  const [hidden, tsne, attention, ...rest] = await modelFigures(loaded, dataset, options);
  assertEquals(rest.length, 0);
  const panels = await renderSvg(hidden.spec);
  for (const text of ["A, star-", "B, star-", ">predicted<"]) assertStringIncludes(panels, text);
  assertStringIncludes(
    tsne.caption,
    "gives 95 light curves of the test set, drawn at random of 100, colored by class",
  );
  assertStringIncludes(tsne.caption, "perplexity 30, learning rate 95");
  const svg = await renderSvg(tsne.spec);
  for (const text of ["block 1", "block 2", "t-SNE 1", "A", "B"]) assertStringIncludes(svg, `>${text}<`);
  assertStringIncludes(attention.caption, "first 20 observations of star-");
  assertStringIncludes(attention.caption, "(A) receives in block 1");
  assertStringIncludes(await renderSvg(attention.spec), ">magnitude (mag)<");
});

Deno.test("a projection of too few light curves is refused", async () => {
  const { dataset, model, loaded } = modelAndDataset(90);
  using _ = model;
  await assertRejects(
    () => modelFigures(loaded, dataset, options),
    InputError,
    "needs more than 90 light curves",
  );
});
