/** Bands of one object as one vector. */
import { lightCurvesIn, perObject } from "../../src/embed/objects.ts";
import type { EmbeddedLightCurve } from "../../src/embed/stream.ts";
import { InputError } from "../../src/common/errors.ts";
import { assertEquals, assertStringIncludes, assertThrows } from "../../src/common/std.ts";

const dataset = {
  folder: "survey",
  ids: ["a", "a", "b", "c", "c", "c"],
  bands: ["g", "r", "r", "g", "i", "r"],
};
const curve = (lightCurve: number): EmbeddedLightCurve => ({
  lightCurve,
  windows: 1,
  points: 10 * (lightCurve + 1),
  embedding: Float32Array.of(lightCurve, lightCurve + 0.25, -lightCurve, 1),
});

async function join(bands: string[], how: "concat" | "mean", layers: number) {
  const left: string[] = [];
  async function* curves() {
    for (const i of lightCurvesIn(dataset, [0, 1, 2, 3, 4, 5], bands)) yield curve(i);
  }
  const objects = await Array.fromAsync(
    perObject(curves(), dataset, { bands, join: how, layers }, (id) => left.push(id)),
  );
  return {
    left,
    rows: objects.map((o) => [dataset.ids[o.lightCurve], o.bands.join(), o.points, [...o.embedding]]),
  };
}

Deno.test("concat puts bands end to end in the order given, and leaves out objects that lack one", async () => {
  assertEquals(await join(["r", "g"], "concat", 1), {
    left: ["b"],
    rows: [
      ["a", "r,g", 30, [1, 1.25, -1, 1, 0, 0.25, -0, 1]],
      ["c", "r,g", 100, [5, 5.25, -5, 1, 3, 3.25, -3, 1]],
    ],
  });
});

Deno.test("each layer is joined by itself", async () => {
  assertEquals((await join(["g", "r"], "concat", 2)).rows[0][3], [0, 0.25, 1, 1.25, -0, 1, -1, 1]);
});

Deno.test("mean takes the bands that there are", async () => {
  assertEquals(await join(["g", "r"], "mean", 1), {
    left: [],
    rows: [
      ["a", "g,r", 30, [0.5, 0.75, -0.5, 1]],
      ["b", "r", 30, [2, 2.25, -2, 1]],
      ["c", "g,r", 100, [4, 4.25, -4, 1]],
    ],
  });
});

Deno.test("a band that is not there is refused", () => {
  const refused = (bands: string[], of = dataset) =>
    assertThrows(() => lightCurvesIn(of, [0], bands), InputError).message;
  assertStringIncludes(refused(["G"]), "--bands G: the bands of survey are g, i, r; did you mean g?");
  assertStringIncludes(refused(["g", "g"]), "--bands names g twice");
  const bandless = { ...dataset, bands: dataset.bands.map(() => null) };
  assertStringIncludes(refused(["g"], bandless as unknown as typeof dataset), "have no bands");
});
