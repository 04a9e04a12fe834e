import { bytesOf, sharesOf } from "../../src/survey/memory.ts";
import { Failure } from "../../src/common/errors.ts";
import { assertEquals, assertRejects, assertTrue } from "../../src/common/std.ts";
import { testIn } from "../shared.ts";
import { run, testTiny, tiny } from "./support.ts";

Deno.test("sizes are decimal, or binary with an i", () => {
  assertEquals(["2GB", "1.5 GiB", "500mb", "64KiB"].map(bytesOf), [2e9, 1.5 * 2 ** 30, 500e6, 65536]);
});

Deno.test("DuckDB and the buckets leave the program its part", () => {
  for (const limit of ["200MB", "500MB", "2GB", "1TB"]) {
    const { database, buckets } = sharesOf(limit), total = bytesOf(limit);
    assertTrue(database + buckets <= total - Math.min(400e6, total / 2));
    assertTrue(database > buckets && buckets > 0.19 * total);
  }
});

testTiny("the dataset does not depend on the memory limit", async (folder) => {
  const fingerprints = ["1GB", "200MB"].map(async (memory_limit, i) => {
    const made = await run({ preset: "reference", input: [tiny], memory_limit, output: `${folder}/${i}` });
    return made.fingerprint;
  });
  const [large, small] = await Promise.all(fingerprints);
  assertEquals(small, large);
});

testIn("a limit that is too small is said to be", async (folder) => {
  const input = `${folder}/a.csv`;
  const rows = Array.from({ length: 200_000 }, (_, i) => `object-${i},${i},10,0.1\n`);
  await Deno.writeTextFile(input, `id,mjd,mag,err\n${rows.join("")}`);
  await assertRejects(
    () => run({ input: [input], memory_limit: "10MB", output: `${folder}/out` }),
    Failure,
    "raise --memory-limit",
  );
});
