import { shownNumber, tableHtml } from "../../src/report/table.ts";
import { assertEquals, assertStringIncludes, assertTrue } from "../../src/common/std.ts";

Deno.test("a table shows rounded numbers and copies whole ones", () => {
  const { text } = tableHtml({
    caption: "<b>",
    columns: ["name", "value"],
    rows: [['"><script>', 0.123456789]],
  });
  assertStringIncludes(text, "<caption>&lt;b&gt;</caption>");
  assertStringIncludes(text, `<td class="number">0.1235</td>`);
  assertStringIncludes(text, `<th scope="col" class="number">value</th>`);
  assertStringIncludes(text, "0.123456789");
  assertTrue(!text.includes("<script"));
});

Deno.test("numbers are rounded to be read", () => {
  const rows: [number, number | undefined, string][] = [
    [1454792, undefined, "1,454,792"],
    [0.123456, undefined, "0.1235"],
    [-12.3456, undefined, "-12.35"],
    [1e-9, undefined, "1.00e-9"],
    [0.73849, 3, "0.738"],
    [0.7, 3, "0.700"],
  ];
  for (const [value, decimals, shown] of rows) assertEquals(shownNumber(value, decimals), shown);
});
