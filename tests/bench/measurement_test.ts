import { measurementsOf, median, medianOf, ratiosOf } from "../../src/bench/measurement.ts";
import { Failure } from "../../src/common/errors.ts";
import { assertEquals, assertThrows } from "../../src/common/std.ts";

const line = (rest: object) => JSON.stringify({ variant: "a", inference_windows_per_second: 4, ...rest });

Deno.test("what a program printed, with its memory where that is one variant's", () => {
  const ran = { lines: [line({ windows_per_second: 2, loss: 1 })], seconds: 1, peak_memory_gb: 3 };
  const [measured] = measurementsOf(ran, "cpu", "it");
  assertEquals(measured, {
    variant: "a",
    windows_per_second: 2,
    inference_windows_per_second: 4,
    peak_memory_gb: 3,
  });
  assertEquals(measurementsOf(ran, "cuda", "it")[0].peak_memory_gb, undefined, "batches are on the GPU");
  const two = measurementsOf({ ...ran, lines: [line({}), line({ variant: "b" })] }, "cpu", "it");
  assertEquals(two.map(({ variant, peak_memory_gb }) => [variant, peak_memory_gb]), [
    ["a", undefined],
    ["b", undefined],
  ]);
  for (const wrong of ["training …", "{}", line({ windows_per_second: "fast" })]) {
    assertThrows(
      () => measurementsOf({ ...ran, lines: [wrong] }, "cpu", "it"),
      Failure,
      `it printed "${wrong}"`,
    );
  }
});

Deno.test("medians and ratios; what does not train has neither in training nor in memory", () => {
  assertEquals([median([3, 1, 2]), median([4, 1, 2, 3]), median([1, undefined])], [2, 2.5, undefined]);
  const own = { variant: "own", windows_per_second: 6, inference_windows_per_second: 8, peak_memory_gb: 1 };
  const faster = { ...own, windows_per_second: 10, inference_windows_per_second: 12, peak_memory_gb: 3 };
  const ours = medianOf([own, faster]);
  assertEquals([ours.windows_per_second, ours.inference_windows_per_second, ours.peak_memory_gb], [8, 10, 2]);
  const both = { variant: "both", windows_per_second: 4, inference_windows_per_second: 5, peak_memory_gb: 4 };
  const infers = { variant: "infers", inference_windows_per_second: 2, peak_memory_gb: 1 };
  const [first, second] = ratiosOf([[own, faster]], [[both, { ...both, windows_per_second: 5 }], [
    infers,
    infers,
  ]]);
  const rounded = JSON.parse(JSON.stringify(first), (_, value) => Number(Number(value).toFixed(6)) || value);
  assertEquals(rounded, {
    ...{ variant: "own", peer: "both" },
    training: { median: 1.75, lowest: 1.5, highest: 2, spread: 0.142857 }, // 6 / 4 and 10 / 5: each round by itself
    inference: { median: 2, lowest: 1.6, highest: 2.4, spread: 0.2 },
    memory: { median: 0.5, lowest: 0.25, highest: 0.75, spread: 0.5 },
  });
  assertEquals([second.training, second.memory, second.inference.median], [undefined, undefined, 5]);
});
