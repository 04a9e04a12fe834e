/** Ids of one star, joined by position. */
import { main } from "../../cli.ts";
import { openDataset } from "../../src/data/dataset.ts";
import { InputError } from "../../src/common/errors.ts";
import { seeded } from "../../src/common/random.ts";
import { assertEquals, assertRejects, assertStringIncludes, assertTrue } from "../../src/common/std.ts";
import { starsAt } from "../../src/survey/stars.ts";
import scenarios from "../../tasks/scenarios.ts";
import { testIn } from "../shared.ts";
import { readParquet, run } from "./support.ts";

const arcsec = 1 / 3600;

Deno.test("positions within the radius are one star, at the poles and over 0 h, too", () => {
  const places: [ra: number, dec: number, star: number][] = [
    [10, 20, 0],
    [10, 20 + 1.4 * arcsec, 0],
    [10, 20 - 1.6 * arcsec, 2],
    // Right ascensions stand closer together at high declinations.
    [50, 80, 3],
    [50 + 1.4 * arcsec / Math.cos(80 * Math.PI / 180), 80, 3],
    [50 - 1.6 * arcsec / Math.cos(80 * Math.PI / 180), 80, 5],
    [359.9999, 0, 6],
    [0.0002, 0, 6],
    [0, 90 - 0.7 * arcsec, 8],
    [180, 90 - 0.7 * arcsec, 8],
    [-10, -30, 10],
    [350, -30, 10],
    // A friend of a friend
    [200, -45, 12],
    [200, -45 + 2.8 * arcsec, 12],
    [200, -45 + 1.4 * arcsec, 12],
    [NaN, 0, 15],
    [NaN, 0, 16],
  ];
  const sky = {
    ra: Float64Array.from(places, ([ra]) => ra),
    dec: Float64Array.from(places, ([, dec]) => dec),
  };
  const { leads, nowhere } = starsAt(sky, 1.5);
  assertEquals([...leads], places.map(([, , star]) => star));
  assertEquals(nowhere, 2);
});

Deno.test("a crowded field: the same stars as by comparing each with each", () => {
  for (const [seed, width] of [[1, 30], [2, 60], [3, 200]]) {
    const random = seeded(seed, 0x57a5), n = 400;
    const dec = Float64Array.from({ length: n }, () => 60 + random.next() * width * arcsec);
    const ra = Float64Array.from({ length: n }, () => 1e-3 - random.next() * width * 2 * arcsec);
    const { leads } = starsAt({ ra, dec }, 1.5);
    const expected = Array.from({ length: n }, (_, i) => i);
    const rename = (from: number, to: number) => {
      for (let k = 0; k < n; k++) if (expected[k] === from) expected[k] = to;
    };
    for (let i = 0; i < n; i++) {
      for (let j = 0; j < i; j++) {
        const [a, b] = [dec[i], dec[j]].map((d) => d * Math.PI / 180);
        const haversine = Math.sin((a - b) / 2) ** 2 +
          Math.cos(a) * Math.cos(b) * Math.sin((ra[i] - ra[j]) * Math.PI / 360) ** 2;
        if (2 * Math.asin(Math.sqrt(haversine)) * 180 / Math.PI > 1.5 * arcsec) continue;
        rename(Math.max(expected[i], expected[j]), Math.min(expected[i], expected[j]));
      }
    }
    assertEquals([...leads], expected);
    const stars = new Set(leads).size;
    assertTrue(stars > 1 && stars < n, `${stars} stars in ${width} arcsec`);
  }
});

/** Light curves of 40 stars with three ids each, and of 20 with one, as CSV. */
function survey(): string {
  const lines = ["oid,hjd,mag,magerr,filter,RAJ2000,DEJ2000,class"];
  for (let star = 0; star < 60; star++) {
    for (let copy = 0; copy < (star < 40 ? 3 : 1); copy++) {
      for (let k = 0; k < 8; k++) {
        const place = [150 + star / 10, (30 - star / 7) + copy * arcsec];
        // Ids of one star are far from each other.
        lines.push(
          [
            `z${copy}${star}`,
            59000 + k,
            15 + k / 10 + star / 100,
            0.01,
            "gri"[copy],
            ...place,
            star % 2 ? "A" : "B",
          ]
            .join(),
        );
      }
    }
  }
  return lines.join("\n");
}

testIn(
  "no star stands on two sides of a split, nor of a scenario; its light curves stay apart",
  async (folder) => {
    await Deno.writeTextFile(`${folder}/survey.csv`, survey());
    const { warnings } = await run({
      input: [`${folder}/survey.csv`],
      object_radius: 1.5,
      fractions: [0.5, 0.25, 0.25],
      output: `${folder}/out`,
    });
    assertStringIncludes(
      warnings.join("\n"),
      '120 of 140 ids are 40 stars by --object-radius 1.5, such as "z00" and "z10"',
    );
    using dataset = await openDataset(`${folder}/out`);
    assertEquals(dataset.size, 140);
    const sides = new Map<string, Set<string>>();
    for (const [i, id] of dataset.ids.entries()) {
      const star = id.slice(2);
      assertEquals(dataset.stars![i], `z0${star}`);
      sides.set(star, (sides.get(star) ?? new Set()).add(dataset.subsets[i]));
    }
    assertEquals([...sides.values()].every((of) => of.size === 1), true);
    assertEquals(new Set(dataset.subsets).size, 3);

    await scenarios.run(
      scenarios.settings.parse({
        data: `${folder}/out`,
        output: `${folder}/scenarios`,
        samples_per_class: [10],
        folds: 2,
        test_per_class: 8,
      }),
      { all: new Set(), flags: new Set() },
      main,
    );
    const drawn = await readParquet(`${folder}/scenarios/scenarios.parquet`);
    const starsIn = (fold: unknown, subset: string) =>
      new Set(
        drawn.filter((row) => row.fold === fold && row.subset === subset).map((row) =>
          String(row.id).slice(2)
        ),
      );
    for (const fold of [0, 1]) {
      const parts = [starsIn(null, "test"), starsIn(fold, "train"), starsIn(fold, "validation")];
      assertTrue(parts.every((part) => part.size > 0));
      for (const [a, b] of [[0, 1], [0, 2], [1, 2]]) assertEquals(parts[a].intersection(parts[b]).size, 0);
    }
  },
);

testIn("without the columns of positions, or with other numbers, it is refused", async (folder) => {
  const file = async (head: string, cells: string) => {
    const rows = Array.from({ length: 6 }, (_, k) => `a,${59000 + k},15.${k},0.1,${cells}`);
    await Deno.writeTextFile(`${folder}/survey.csv`, [`id,mjd,mag,err,${head}`, ...rows].join("\n"));
  };
  const refused = async (settings = {}) =>
    (await assertRejects(
      () =>
        run({ input: [`${folder}/survey.csv`], object_radius: 1.5, output: `${folder}/out`, ...settings }),
      InputError,
    )).message;
  await file("x,y", "1,2");
  assertStringIncludes(
    await refused(),
    "which column is the right ascension, in degrees? --object-radius needs it: give --ra; its columns are id, mjd",
  );
  assertStringIncludes(await refused({ ra: "z" }), 'has no column "z" (--ra)');
  assertStringIncludes(
    await refused({ ra: "x", object_radius: undefined }),
    "--object-radius, which is not given",
  );
  await file("ra,dec", "1,92");
  assertStringIncludes(await refused(), '"a" is at ra 1, dec 92: --object-radius needs degrees');
  await file("ra,dec", "12:30:00,+02:00:00");
  assertStringIncludes(await refused(), 'there is "12:30:00" in the first): --object-radius needs numbers');
});
