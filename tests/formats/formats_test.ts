/** Folders that every version wrote are read, with the numbers of that time; newer ones are refused with a sentence. */
import { Astromer, Classifier } from "../../mod.ts";
import { openDataset } from "../../src/data/dataset.ts";
import { InputError } from "../../src/common/errors.ts";
import { assertAlmostEquals, assertEquals, assertRejects } from "../../src/common/std.ts";
import { largestDifference, testIn } from "../shared.ts";
import "../model/support.ts"; // one thread
import { curve, kept, unevenCurve } from "./support.ts";

const read = async (path: string) => JSON.parse(await Deno.readTextFile(path));

Deno.test("models of versions 0 and 1, classifiers of versions 0 to 2", async () => {
  for (const [ofModel, version] of [[0, 0], [1, 1], [1, 2]]) {
    const folders = [kept("model", ofModel), kept("classifier", version)];
    for (const [i, folder] of folders.entries()) {
      assertEquals((await read(`${folder}/config.json`)).format_version ?? 0, [ofModel, version][i]);
    }
    using model = await Astromer.load(folders[0]);
    const [embedding] = model.embed([unevenCurve(7)]);
    assertEquals(largestDifference(embedding, await read(`${folders[0]}/expected.json`)) < 1e-5, true);
    using classifier = await Classifier.load(folders[1], model);
    const [{ probabilities }] = await classifier.predict([unevenCurve(7)]);
    for (const [name, value] of Object.entries(await read(`${folders[1]}/expected.json`))) {
      assertAlmostEquals(probabilities[name], value as number, 1e-4);
    }
  }
});

Deno.test("a dataset of version 1", async () => {
  using dataset = await openDataset(kept("dataset", 1));
  assertEquals([dataset.ids, Array.from(dataset.lengths)], [["star0", "star1", "star2"], [40, 40, 40]]);
  assertEquals(Array.from(dataset.mjd.subarray(40, 80)), curve(1).mjd);
  assertEquals(Array.from(dataset.mag.subarray(40, 80)), curve(1).magnitude.map(Math.fround));
});

testIn("what a newer version wrote is refused, by its version", async (folder) => {
  using model = await Astromer.load(kept("model", 1));
  const kinds = [
    ["model", "config.json", "format_version", () => Astromer.load(folder), 1],
    ["classifier", "config.json", "format_version", () => Classifier.load(folder, model), 2],
    ["dataset", "dataset.json", "version", () => openDataset(folder), 1],
  ] as const;
  for (const [kind, file, name, load, newest] of kinds) {
    for await (const { name } of Deno.readDir(kept(kind, newest))) {
      await Deno.copyFile(`${kept(kind, newest)}/${name}`, `${folder}/${name}`);
    }
    const json = await read(`${folder}/${file}`);
    const say = (version: unknown) =>
      Deno.writeTextFile(`${folder}/${file}`, JSON.stringify({ ...json, [name]: version, later: {} }));
    await say(newest + 1);
    await assertRejects(
      load,
      InputError,
      `${folder}/${file}: this ${kind} has format version ${
        newest + 1
      }, and this software reads versions up to ${newest}`,
    );
    await say("two");
    await assertRejects(load, InputError, 'the version of the format must be a whole number, not "two"');
  }
});
