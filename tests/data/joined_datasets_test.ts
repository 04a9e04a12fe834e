import {
  epochLightCurves,
  openDatasets,
  trainParts,
  validationPart,
} from "../../src/data/joined_datasets.ts";
import { openDataset } from "../../src/data/dataset.ts";
import { InputError } from "../../src/common/errors.ts";
import { seeded } from "../../src/common/random.ts";
import { assertEquals, assertRejects, assertThrows, assertTrue } from "../../src/common/std.ts";
import { testIn } from "../shared.ts";
import { simulate } from "../../src/survey/simulate.ts";
import { run as preprocess } from "../survey/support.ts";

testIn("several datasets are one, each light curve with its own observations", async (folder) => {
  const [a, b] = [`${folder}/a`, `${folder}/b`];
  for (const [data, light_curves] of [[a, 12], [b, 9]] as const) {
    const survey = `${data}-survey`,
      sizes = { mean_length: 30, shard_observations: 1e6, memory_limit: "500MB" };
    await simulate({ output: survey, light_curves, seed: light_curves, format: "parquet", ...sizes });
    await preprocess({ preset: "reference", input: [survey], output: data });
  }
  const { dataset, folders } = await openDatasets(`${a}, ${b}`);
  using first = await openDataset(a);
  using second = await openDataset(b);
  assertEquals(folders.map(({ from, to }) => [from, to]), [[0, first.size], [
    first.size,
    first.size + second.size,
  ]]);
  assertEquals(dataset.ids, [...first.ids, ...second.ids]);
  assertEquals(dataset.subsets, [...first.subsets, ...second.subsets]);
  for (const name of ["mjd", "mag", "err"] as const) {
    const at = dataset.offsets[first.size + 3];
    assertEquals(
      dataset[name].slice(at, at + dataset.lengths[first.size + 3]),
      second[name].slice(second.offsets[3], second.offsets[3] + second.lengths[3]),
    );
  }
  assertEquals(dataset.preprocessing, first.preprocessing);

  const same = await openDatasets(`${a},${b}`), other = await openDatasets(`${b},${a}`);
  assertEquals(same.dataset.fingerprint, dataset.fingerprint);
  assertTrue(other.dataset.fingerprint !== dataset.fingerprint);
  const one = await openDatasets(a);
  using alone = one.dataset;
  assertEquals(alone.fingerprint, first.fingerprint);
  await assertRejects(() => openDatasets(`${a},${a}`), InputError, "are given twice");
  await assertRejects(() => openDatasets(`${a},${folder}/none`), InputError, "none is not a dataset folder");
});

const folders = [{ folder: "a", from: 0, to: 10 }, { folder: "b", from: 10, to: 14 }];
const train = [0, 1, 2, 3, 5, 8, 9, 10, 11, 12, 13];

Deno.test("weights are windows of a light curve an epoch", () => {
  const [a, b] = trainParts({ folders }, train, [0.5, 2.25]);
  assertEquals([a.windows, b.windows], [4, 9]);
  const epoch = (n: number) => epochLightCurves(a, () => seeded(n));
  for (let n = 0; n < 20; n++) {
    assertEquals(new Set(epoch(n)).size, 4);
    assertTrue(epoch(n).every((i) => a.lightCurves.includes(i)));
  }
  const seen = new Set(Array.from({ length: 20 }, (_, n) => epoch(n)).flat());
  assertEquals(seen.size, 7, "other ones every epoch");
  const often = Map.groupBy(epochLightCurves(b, () => seeded(1)), (i) => i);
  assertEquals([...often.values()].map(({ length }) => length).sort(), [2, 2, 2, 3]);
});

Deno.test("without weights each light curve is taken once, in order", () => {
  const parts = trainParts({ folders }, train);
  assertEquals(parts.flatMap((part) => epochLightCurves(part, () => seeded(1))), train);
  assertEquals(validationPart({ folders }, train), train);
});

Deno.test("validation has the same share of each dataset, and no light curve twice", () => {
  const part = validationPart({ folders }, train, [0.5, 3]);
  assertEquals(part.length, 8);
  assertEquals(part.slice(-4), [10, 11, 12, 13]);
  assertEquals(part, validationPart({ folders }, train, [0.5, 3]));
});

Deno.test("weights that do not fit are refused", () => {
  assertThrows(() => trainParts({ folders }, train, [1]), InputError, "has 1 numbers, --data 2 folders");
  assertThrows(() => trainParts({ folders }, train, [0, 0]), InputError, "leave no light curves");
});
