import { type Bucket, Buckets } from "../../src/survey/buckets.ts";
import { assertEquals, assertTrue } from "../../src/common/std.ts";
import { seeded } from "../../src/common/random.ts";
import { testIn } from "../shared.ts";

/** Light curve 1 has no row; 2 and 3 are larger than a bucket together. */
const counts = [3, 0, 400_000, 300_000, 5000, 1];
const total = counts.reduce((sum, count) => sum + count, 0);

/** Adds row k of each light curve as (k, lc, k / 2) in a given order, 2048 at a time, and takes what is complete. */
function distribute(
  path: string,
  order: Int32Array,
  bytes: number,
): { taken: Bucket[]; early: number; spilled: number } {
  using buckets = new Buckets(path, counts, bytes);
  const seen = new Int32Array(counts.length), taken: Bucket[] = [];
  let early = 0;
  for (let start = 0; start < order.length; start += 2048) {
    const lcs = order.slice(start, start + 2048), rows = Array.from(lcs, (lc) => seen[lc]++);
    buckets.add(
      lcs,
      Float64Array.from(rows),
      Float32Array.from(lcs),
      Float32Array.from(rows, (row) => row / 2),
    );
    taken.push(...buckets.complete());
    if (start + 2048 < order.length) early = taken.length;
  }
  assertTrue(buckets.handedOut);
  return { taken, early, spilled: Deno.statSync(path).size };
}

function check(taken: Bucket[]) {
  assertEquals(taken.map(({ first }) => first), [0, 3]);
  for (const { first, starts, time, mag, err } of taken) {
    for (let i = 0; i + 1 < starts.length; i++) {
      const from = starts[i], to = starts[i + 1];
      assertEquals(to - from, counts[first + i]);
      const rows = time.slice(from, to).sort();
      assertTrue(rows.every((row, k) => row === k), "every row, once");
      assertTrue(mag.subarray(from, to).every((lc) => lc === first + i));
    }
    assertTrue(err.every((value, k) => value === time[k] / 2), "columns belong together");
  }
}

const ordered = Int32Array.from(counts.flatMap((count, lc) => new Array(count).fill(lc)));

testIn("rows in order are handed on when a bucket is complete, and none goes to disk", (folder) => {
  const { taken, early, spilled } = distribute(`${folder}/buckets`, ordered, 20_000_000);
  check(taken);
  assertEquals(early, 1);
  assertEquals(spilled, 0);
  return Promise.resolve();
});

testIn("rows in any order are gathered; what memory does not hold goes to disk", (folder) => {
  const shuffled = seeded(1).shuffle(ordered.slice());
  const all = 20 * total;
  for (
    const [bytes, fewest, most] of [[2 * all, 0, 0], [all / 2, 0.4 * all, 0.6 * all], [0, 0.9 * all, all]]
  ) {
    const { taken, spilled } = distribute(`${folder}/buckets`, shuffled, bytes);
    check(taken);
    assertTrue(spilled >= fewest && spilled <= most, `${spilled} of ${all} bytes went to disk`);
  }
  return Promise.resolve();
});
