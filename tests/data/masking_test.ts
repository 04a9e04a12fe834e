import {
  type MaskedWindow,
  type Masking,
  maskWindow,
  noMasking,
  paperMasking,
} from "../../src/data/masking.ts";
import { seeded } from "../../src/common/random.ts";
import { assertEquals, assertNotEquals, assertTrue } from "../../src/common/std.ts";

const mask = (n: number, masking: Masking = paperMasking, ...key: number[]) =>
  maskWindow(n, masking, () => seeded(1, ...key));
const counts = ({ unprobed, left, replaced, masked }: MaskedWindow) =>
  [unprobed, left, replaced, masked].map((points) => points.length);
const points = ({ unprobed, left, replaced, masked }: MaskedWindow) =>
  [...unprobed, ...left, ...replaced, ...masked].sort((a, b) => a - b);

Deno.test("the paper's fractions of 200 points: 100 probed, 60 masked, 20 replaced, 20 left", () => {
  assertEquals(counts(mask(200)), [100, 20, 20, 60]);
  assertEquals(counts(mask(100)), [50, 10, 10, 30]);
});

Deno.test("short windows: every point once, half of them probed, masked at most the probed", () => {
  for (let n = 5; n <= 30; n++) {
    const window = mask(n, paperMasking, n);
    const [unprobed, left, replaced, masked] = counts(window), probed = left + replaced + masked;
    assertEquals(points(window), Array.from({ length: n }, (_, i) => i), `n = ${n}`);
    assertEquals([unprobed, probed], [Math.ceil(n / 2), Math.floor(n / 2)]);
    assertTrue(masked >= 1 && masked <= probed && Math.abs(masked - 0.3 * n) <= 0.5, `n = ${n}: ${masked}`);
    assertTrue(Math.abs(replaced - 0.1 * n) <= 0.8, `n = ${n}: ${replaced}`);
    assertEquals(window.sources.length, replaced);
    assertTrue(window.sources.every((source) => source >= 0 && source < n));
  }
});

Deno.test("fractions that do not fit together never mask more than is probed", () => {
  for (
    const [probed_fraction, masked_fraction, replaced_fraction] of [[0.2, 1, 1], [0.5, 0.4, 0.4], [1, 1, 1]]
  ) {
    const window = mask(20, { probed_fraction, masked_fraction, replaced_fraction });
    const [unprobed, left, replaced, masked] = counts(window);
    assertEquals(unprobed, 20 - 20 * probed_fraction);
    assertEquals([left, replaced + masked], [0, 20 * probed_fraction]);
    assertEquals(points(window).length, 20);
  }
});

Deno.test("a window too short for a small fraction still has a probed point", () => {
  const masking = { probed_fraction: 0.1, masked_fraction: 0.1, replaced_fraction: 0 };
  assertEquals(counts(mask(5, masking)), [4, 0, 0, 1]);
  assertEquals(counts(mask(9, { ...masking, masked_fraction: 0 })), [8, 1, 0, 0]);
});

Deno.test("noMasking probes every point, hides none, keeps their order", () => {
  const window = mask(7, noMasking);
  assertEquals(counts(window), [0, 7, 0, 0]);
  assertEquals(Array.from(window.left), [0, 1, 2, 3, 4, 5, 6]);
});

Deno.test("masks are a function of the key, and differ by epoch", () => {
  assertEquals(mask(50, paperMasking, 3), mask(50, paperMasking, 3));
  assertNotEquals(mask(50, paperMasking, 3), mask(50, paperMasking, 4));
  assertNotEquals([...mask(50, paperMasking, 3).masked], [...mask(50, paperMasking, 4).masked]);
});

Deno.test("every role falls on every point equally often", () => {
  const n = 20, draws = 2000;
  const seen = {
    left: Array(n).fill(0),
    replaced: Array(n).fill(0),
    masked: Array(n).fill(0),
    sources: Array(n).fill(0),
  };
  for (let i = 0; i < draws; i++) {
    const window = mask(n, { probed_fraction: 0.5, masked_fraction: 0.2, replaced_fraction: 0.2 }, i);
    for (const role of Object.keys(seen) as (keyof typeof seen)[]) {
      for (const point of window[role]) seen[role][point]++;
    }
  }
  for (const [role, found] of Object.entries(seen)) {
    const total = found.reduce((a, b) => a + b, 0), share = total / n;
    // Of a draw without replacement, each point's count has variance N p (1 - p), and the counts are bound to their sum.
    const variance = role === "sources" ? share : share * (1 - share / draws) * n / (n - 1);
    const chiSquare = found.reduce((sum, c) => sum + (c - share) ** 2 / variance, 0);
    assertTrue(chiSquare < 45, `${role}: chi-square ${chiSquare} of 19 degrees of freedom`);
    assertTrue(chiSquare > 5, `${role}: chi-square ${chiSquare}, too even to be random`);
  }
});
