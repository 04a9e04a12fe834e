/** The library's classifier: labelled arrays in, classes of others out. */
import { liveTensors } from "../../ffi/tensor.ts";
import { Astromer } from "../../src/library/astromer.ts";
import { Classifier } from "../../src/library/classifier.ts";
import type { LightCurve } from "../../src/data/light_curves.ts";
import { InputError } from "../../src/common/errors.ts";
import { seeded } from "../../src/common/random.ts";
import {
  assertAlmostEquals,
  assertEquals,
  assertRejects,
  assertStringIncludes,
  assertTrue,
} from "../../src/common/std.ts";
import "../model/support.ts"; // one thread
import { testIn } from "../shared.ts";

/** Sinusoids of small or large amplitude, sawteeth, or steps; noise of 0.02 mag. */
function curve(kind: "quiet" | "pulsating" | "eclipsing", seed: number, length = 40): LightCurve {
  const random = seeded(seed, 0xc0de), period = 3 + 5 * random.next(), phase = random.next();
  const mjd = Array.from({ length }, (_, i) => 59_000 + i + 0.5 * random.next());
  const shape = {
    quiet: () => 0.02,
    pulsating: (p: number) => 0.6 * Math.sin(2 * Math.PI * p),
    eclipsing: (p: number) => p < 0.12 ? 1 : 0,
  }[kind];
  return {
    mjd,
    magnitude: mjd.map((t) => 14 + shape((t / period + phase) % 1) + 0.02 * random.normal()),
    class: kind,
  };
}
const kinds = ["quiet", "pulsating", "eclipsing"] as const;
const sample = (count: number, from: number) =>
  Array.from({ length: count }, (_, i) => curve(kinds[i % 3], from + i));

testIn(
  "labelled arrays are enough: classes of others, probabilities, novelty, and a folder",
  async (folder) => {
    const before = liveTensors();
    {
      using model = Astromer.untrained({ preset: "small", precision: "float32" });
      const test = sample(30, 1000);
      for (const [head, enough] of [["gamma", 26], ["max", 28], ["knn", 20]] as const) {
        using classifier = await Classifier.fit(model, sample(300, 0), {
          head,
          epochs: 100,
          batchSize: 32,
          windows: 2,
        });
        assertEquals(classifier.classes, ["eclipsing", "pulsating", "quiet"]);
        const found = await classifier.predict(test);
        const right = found.filter((one, i) => one.class === test[i].class).length;
        assertTrue(right >= enough, `${head}: ${right} of 30`);
        for (const { class: name, probabilities } of found) {
          const values = Object.values(probabilities);
          assertAlmostEquals(values.reduce((a, b) => a + b), 1, 1e-5);
          assertEquals(probabilities[name], Math.max(...values));
        }
        // A star ten times as variable as any is unlike all that was trained on.
        const wild = curve("pulsating", 7);
        const [odd] = await classifier.predict([
          { ...wild, magnitude: Array.from(wild.magnitude, (m) => 14 + 10 * (m - 14)) },
        ]);
        const usual = found.map(({ novelty }) => novelty).sort((a, b) => a - b);
        assertTrue(odd.novelty > 2 * usual[27], `${head}: ${odd.novelty} against ${usual[27]}`);

        await classifier.save(`${folder}/${head}`);
        using again = await Classifier.load(`${folder}/${head}`, model);
        assertEquals(await again.predict(test), found);
      }
    }
    assertEquals(liveTensors(), before);
  },
);

Deno.test("an object's bands are never on both sides: two bands of one star cannot validate each other", async () => {
  using model = Astromer.untrained({ preset: "small" });
  const twoBands = (["quiet", "pulsating"] as const).flatMap((kind, i) =>
    ["g", "r"].map((band, k) => ({ ...curve(kind, 2 * i + k), id: kind, band }))
  );
  await assertRejects(
    () => Classifier.fit(model, twoBands, { head: "knn" }),
    InputError,
    "there is no light curve to validate with",
  );
});

Deno.test("what cannot be learned is refused before anything is", async () => {
  using model = Astromer.untrained({ preset: "small" });
  const one = sample(9, 0).filter((c) => c.class === "quiet");
  assertStringIncludes(
    (await assertRejects(() => Classifier.fit(model, one), InputError)).message,
    "a classifier needs two classes, not quiet",
  );
  // One light curve a class trains, and none is left to say when to stop.
  for (const head of ["linear", "knn"] as const) {
    await assertRejects(
      () => Classifier.fit(model, sample(3, 0), { head }),
      InputError,
      "there is no light curve to validate with",
    );
  }
  await assertRejects(
    () => Classifier.fit(model, sample(6, 0), { epochs: 0 }),
    RangeError,
    "epochs must be a whole number from 1, not 0",
  );
  const unnamed = [...sample(6, 0), { ...curve("quiet", 1), class: undefined }];
  assertEquals(
    (await assertRejects(() => Classifier.fit(model, unnamed), TypeError)).message,
    "light curve 6 has no class",
  );
  assertStringIncludes(
    (await assertRejects(() => Classifier.load("nowhere", model), InputError)).message,
    "nowhere is not a classifier folder",
  );
});
