import { type FigureSpec, renderSvg } from "../../src/report/figure.ts";
import { atSize, inPage } from "../../src/report/figure_files.ts";
import { centimetres, sized, textWidth, widths } from "../../src/report/style.ts";
import { assertAlmostEquals, assertEquals, assertStringIncludes, assertTrue } from "../../src/common/std.ts";

const spec: FigureSpec = {
  ...sized("column", 200),
  data: { values: [{ x: 0.001, y: 1, c: "<script>alert(1)</script>" }, { x: 0.002, y: 2.123456, c: "b" }] },
  mark: { type: "point", clip: true },
  encoding: {
    x: { field: "x", type: "quantitative", axis: { values: [0.001, 0.002] } },
    y: { field: "y", type: "quantitative" },
    color: { field: "c", type: "nominal" },
  },
};

Deno.test("a figure is as wide as a column, its texts whole and escaped, its font that of all", async () => {
  const svg = await renderSvg(spec);
  assertStringIncludes(svg, `width="${widths.column}"`);
  assertAlmostEquals(widths.column / 96 * 2.54, centimetres.column, 0.02);
  assertAlmostEquals(widths.page / 96 * 2.54, centimetres.page, 0.02);
  assertStringIncludes(svg, ">0.001<");
  assertStringIncludes(svg, "&lt;script&gt;");
  assertTrue(!svg.includes("<script"));
  assertStringIncludes(svg, "Arial");
  assertTrue(!/ d="[^"]*\.\d{3}/.test(svg), "coordinates have two decimals");
});

Deno.test("a figure's own configuration adds to the common one", async () => {
  const svg = await renderSvg({ ...spec, config: { axis: { labelFontSize: 13 } } });
  assertStringIncludes(svg, 'font-size="13px"');
  assertStringIncludes(svg, "Arial");
});

Deno.test("an SVG is printed at its size, and stands in a page beside others", async () => {
  const svg = await renderSvg(spec);
  assertStringIncludes(atSize(svg, 8.5), ' width="8.5cm" height="5.296cm" viewBox="0 0 321 200"');
  const [one, two] = ["one", "two"].map((name) => inPage(svg, name, 'what "it" shows $&'));
  assertStringIncludes(one, 'aria-label="what &quot;it&quot; shows $&amp;"');
  const ids = (text: string) => [...text.matchAll(/ id="([^"]*)"/g)].map(([, id]) => id);
  assertTrue(ids(one).length > 0, "the clipped points have a clip path");
  for (const [, id] of one.matchAll(/url\(#([^)]*)\)/g)) assertTrue(ids(one).includes(id), `${id} is there`);
  assertEquals(ids(one).filter((id) => ids(two).includes(id)), []);
});

Deno.test("texts are as wide as in Helvetica", () => {
  assertEquals(textWidth("Mira", 10), 8.33 + 2.22 + 3.33 + 5.56);
  assertTrue(textWidth("γ", 10) > 4);
});
