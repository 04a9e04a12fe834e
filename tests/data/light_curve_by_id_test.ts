import { lightCurveById } from "../../src/data/light_curve_by_id.ts";
import { InputError } from "../../src/common/errors.ts";
import { assertEquals, assertThrows } from "../../src/common/std.ts";

const dataset = {
  folder: "data/mine",
  ids: ["star-1", "star-1", "star-2", "other", "star-30"],
  bands: ["g", "r", null, "g", "r"],
  lengths: Int32Array.of(20, 30, 5, 40, 4),
};

Deno.test("a light curve is named by its object, and by its band where there are several", () => {
  assertEquals(lightCurveById(dataset, "star-1", "r"), 1);
  assertEquals(lightCurveById(dataset, "star-2"), 2);
  assertEquals(lightCurveById(dataset, "other"), 3);
  assertEquals(lightCurveById(dataset, "other", "g"), 3);
});

Deno.test("what cannot be chosen is told with what could be", () => {
  const rows: [string, string | undefined, string][] = [
    [
      "star-3",
      undefined,
      "--id star-3: data/mine has no such light curve; the closest ids are star-1, star-2, star-30",
    ],
    ["star-1", undefined, "data/mine has star-1 in the bands g, r: choose one with --band"],
    ["star-1", "i", "--band i: data/mine has star-1 in the bands g, r"],
    ["star-2", "g", "--band g: data/mine has star-2 in the bands (unnamed)"],
    ["star-30", undefined, "--id star-30: the light curve has 4 observations, at least 5 are needed"],
  ];
  for (const [id, band, message] of rows) {
    assertEquals(assertThrows(() => lightCurveById(dataset, id, band), InputError).message, message);
  }
});
