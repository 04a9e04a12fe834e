/**
 * Keeps one folder of each kind as this version writes it, with what comes out of it: `deno run -A tests/formats/record.ts`.
 * Run it whenever the version of a format goes up; what older versions wrote stays as it is.
 */
import { Astromer, Classifier } from "../../mod.ts";
import { classifierVersions } from "../../src/classify/fitted_classifier.ts";
import { datasetVersions } from "../../src/data/dataset.ts";
import { writeJson } from "../../src/files/atomic.ts";
import { modelVersions } from "../../src/weights/model_config.ts";
import { run } from "../survey/support.ts";
import { curve, kept, unevenCurve } from "./support.ts";

const model = kept("model", modelVersions.newest), classifier = kept("classifier", classifierVersions.newest);
const dataset = kept("dataset", datasetVersions.newest);

using astromer = Astromer.untrained({
  blocks: 2,
  heads: 2,
  head_size: 4,
  feed_forward_size: 12,
  window_size: 50,
});
await astromer.save(model);
await Deno.remove(`${model}/README.md`);
const labelled = Array.from({ length: 20 }, (_, i) => ({ ...curve(i), class: i % 2 ? "fast" : "slow" }));
using fitted = await Classifier.fit(astromer, labelled, { head: "linear", learningRate: 0.05, epochs: 20 });
await fitted.save(classifier);

const csv = await Deno.makeTempFile({ suffix: ".csv" });
const rows = [0, 1, 2].flatMap((star) => {
  const { mjd, magnitude } = curve(star);
  return mjd.map((t, i) => `star${star},${t},${magnitude[i]},0.02`);
});
await Deno.writeTextFile(csv, ["id,mjd,mag,err", ...rows, ""].join("\n"));
await run({ input: [csv], output: dataset, trim: false, noise_filter: false, fractions: [1, 0, 0] });
await Deno.remove(csv);

const [embedding] = astromer.embed([unevenCurve(7)]),
  [{ probabilities }] = await fitted.predict([unevenCurve(7)]);
await writeJson(`${model}/expected.json`, Array.from(embedding));
await writeJson(`${classifier}/expected.json`, probabilities);

// No path of the machine it was recorded on.
const here = new URL("./", import.meta.url).pathname;
for (const path of [`${classifier}/config.json`, `${dataset}/dataset.json`]) {
  const text = await Deno.readTextFile(path);
  await Deno.writeTextFile(path, text.replaceAll(here, "").replaceAll(csv, "survey.csv"));
}
