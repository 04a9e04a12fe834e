import { randomWindow, sequentialWindows, type Window } from "../../src/data/windows.ts";
import { seeded } from "../../src/common/random.ts";
import { assertEquals, assertTrue } from "../../src/common/std.ts";

const starts = (windows: Window[]) => windows.map(({ start }) => start);

Deno.test("sequential windows: the last one is moved back so that it is full", () => {
  const windows = sequentialWindows(3, 450, 200);
  assertEquals(windows, [
    { lightCurve: 3, start: 0, length: 200 },
    { lightCurve: 3, start: 200, length: 200 },
    { lightCurve: 3, start: 250, length: 200 },
  ]);
  assertEquals(starts(sequentialWindows(0, 201, 200)), [0, 1]);
});

Deno.test("exactly k full windows are k windows (the reference has the last one twice)", () => {
  assertEquals(starts(sequentialWindows(0, 200)), [0]);
  assertEquals(starts(sequentialWindows(0, 600)), [0, 200, 400]);
});

Deno.test("a light curve shorter than a window is one short window", () => {
  for (const length of [5, 199]) {
    const whole = { lightCurve: 1, start: 0, length };
    assertEquals(sequentialWindows(1, length), [whole]);
    assertEquals(randomWindow(1, length, seeded(1)), whole);
  }
});

Deno.test("sequential windows cover every point, none beyond the end", () => {
  for (let length = 5; length < 60; length++) {
    const covered = new Set<number>();
    for (const { start, length: n } of sequentialWindows(0, length, 7)) {
      for (let i = start; i < start + n; i++) covered.add(i);
    }
    assertEquals([...covered].sort((a, b) => a - b), Array.from({ length }, (_, i) => i));
  }
});

Deno.test("a random window reaches both ends, and all of the light curve's points", () => {
  const random = seeded(4);
  const found = Array.from({ length: 400 }, () => randomWindow(2, 30, random, 20));
  assertTrue(found.every(({ lightCurve, length }) => lightCurve === 2 && length === 20));
  assertEquals([...new Set(starts(found))].sort((a, b) => a - b), Array.from({ length: 11 }, (_, i) => i));
});
