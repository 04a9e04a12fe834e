import { forwardOperations } from "../../src/bench/subject.ts";
import { architecture } from "../../src/model/architecture.ts";
import { assertEquals } from "../../src/common/std.ts";

Deno.test("operations of a forward pass: every matrix product, hidden points no keys, the last block its queries", () => {
  const one = architecture("astromer2", { blocks: 1, heads: 1, head_size: 2, feed_forward_size: 3 });
  const windows = [{ lightCurve: 0, start: 0, length: 5 }];
  // 3 queries: query, output and two skips (2, 2); 4 keys: key and value; 3 x 4 logits twice; up and down (2, 3).
  const products = 3 * 4 * 4 + 4 * 2 * 4 + 3 * 4 * 2 * 2 + 3 * 2 * 3 * 2;
  assertEquals(forwardOperations(one, { windows, length: 5, keys: 4, queriesFrom: 2 }), 2 * products);
  const two = { ...one, blocks: 2 }, without = { ...one, skip: "none" as const };
  const first = 5 * 4 * 4 + 4 * 2 * 4 + 5 * 4 * 2 * 2 + 5 * 2 * 3 * 2;
  assertEquals(
    forwardOperations(two, { windows, length: 5, keys: 4, queriesFrom: 2 }),
    2 * (first + products),
  );
  assertEquals(
    forwardOperations(without, { windows, length: 5, keys: 4, queriesFrom: 2 }),
    2 * (products - 3 * 2 * 4),
  );
});
