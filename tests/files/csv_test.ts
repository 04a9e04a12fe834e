import { csvCell, csvOf } from "../../src/files/csv.ts";
import { assertEquals, parseCsv } from "../../src/common/std.ts";

Deno.test("no cell of CSV is taken for a formula, and numbers stay numbers", () => {
  for (const formula of ["=1+1", "+1+1", "-1+1", "@SUM(A1)", "\t=1", "\r=1", "-12e", "－1"]) {
    assertEquals(csvCell(formula).replaceAll('"', ""), `'${formula}`);
  }
  for (const number of ["-12", "+.5e-3"]) assertEquals(csvCell(number), number);
  assertEquals(csvCell(-0.125), "-0.125");
  assertEquals(csvCell(1e-9), "1e-9");
  assertEquals(csvCell(null), "");
  assertEquals(csvCell('a "b", c'), '"a ""b"", c"');
  assertEquals(csvCell("RR Lyrae"), "RR Lyrae");
});

Deno.test("CSV is read back as it was, whole numbers and all", () => {
  const text = csvOf({
    columns: ["class", "F1"],
    rows: [["RR Lyrae, First Overtone", 0.123456789012], ["a\nb", null]],
  });
  assertEquals(parseCsv(text, { skipFirstRow: true }), [
    { class: "RR Lyrae, First Overtone", F1: "0.123456789012" },
    { class: "a\nb", F1: "" },
  ]);
});
