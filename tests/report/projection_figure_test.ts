import { type ProjectedPoint, projectionFigure } from "../../src/report/projection_figure.ts";
import { renderSvg } from "../../src/report/figure.ts";
import { assertAlmostEquals, assertEquals, assertTrue } from "../../src/common/std.ts";

interface Mark {
  x: number;
  y: number;
  color: string;
  /** Its outline, of whatever size. */
  shape: string;
  opacity: number;
}

function markOf(path: string): Mark {
  const [, x, y, outline, color] = /translate\(([^,]*),([^)]*)\)" d="([^"]*)" fill="([^"]*)"/.exec(path)!;
  const opacity = [...path.matchAll(/opacity="([^"]*)"/g)].reduce(
    (product, [, part]) => product * Number(part),
    1,
  );
  return { x: Number(x), y: Number(y), color, shape: outline.replace(/[^A-Za-z]/g, ""), opacity };
}

/** The drawn points of each panel in order of drawing, the legend's symbols by name, and all texts. */
async function drawn(...[points, options]: Parameters<typeof projectionFigure>) {
  const svg = await renderSvg(projectionFigure(points, options));
  const texts = (within: string) =>
    [...within.matchAll(/<text[^>]*>([^<]*)<\/text>/g)].map(([, text]) => text);
  const panels = [...svg.matchAll(/class="mark-symbol role-mark[^>]*>((?:<path[^>]*>)*)/g)]
    .map(([, paths]) => [...paths.matchAll(/<path[^>]*>/g)].map(([path]) => markOf(path)));
  const legend = new Map(
    [...svg.matchAll(
      /role-legend-symbol"[^>]*>(<path[^>]*>)<\/g>(<g class="mark-text role-legend-label.*?<\/text>)/g,
    )]
      .map(([, path, label]) => [texts(label)[0], markOf(path)]),
  );
  return { svg, panels, legend, texts: texts(svg) };
}

const point = (name: string | null, x = 0, y = 0, panel?: string): ProjectedPoint => ({
  x,
  y,
  class: name,
  panel,
});

Deno.test("the legend starts with the largest class; the rarest is drawn last, what has no class first", async () => {
  const points = ["Mira", null, "RRab", "RRab", "Cepheid", null, "RRab", null, null].map((name, i) =>
    point(name, i, i * i)
  );
  const { panels: [marks], legend, texts } = await drawn(points, { axes: "t-SNE", title: "ASAS" });
  assertEquals([...legend.keys()], ["RRab", "Cepheid", "Mira", "unclassified"]); // equal counts by name
  const colors = ["unclassified", "RRab", "Cepheid", "Mira"].map((name) => legend.get(name)!.color);
  assertEquals(new Set(colors).size, 4);
  assertEquals(colors[0], "#d4d4d4");
  const [none, most, middle, rarest] = colors;
  assertEquals(
    marks.map(({ color }) => color),
    [none, none, none, none, most, most, most, middle, rarest],
  );
  assertEquals(new Set(marks.map(({ shape }) => shape)).size, 1);
  assertEquals(new Set(marks.map(({ opacity }) => opacity)), new Set([0.6]));
  assertEquals(new Set([...legend.values()].map(({ opacity }) => opacity)), new Set([1]));
  for (const text of ["ASAS", "t-SNE 1", "t-SNE 2"]) assertTrue(texts.includes(text), text);
  assertEquals(texts.length, 3 + 4); // no numbers at the axes
});

Deno.test("no two of many classes look alike", async () => {
  const names = Array.from({ length: 60 }, (_, i) => `class ${i}`);
  const { legend } = await drawn(names.map((name, i) => point(name, i, -i)), { axes: "UMAP" });
  const looks = [...legend.values()].map(({ color, shape }) => `${color} ${shape}`);
  assertEquals([looks.length, new Set(looks).size], [60, 60]);
  const colors = [...legend.values()].map(({ color }) => color);
  assertEquals(new Set(colors.slice(0, 12)).size, 12);
  assertEquals(new Set(colors.filter((color) => /^#(..)\1\1$/.test(color))), new Set(["#000000"])); // no gray
});

Deno.test("x and y share a scale, and fill the panel", async () => {
  const points = [[100, 20], [140, 20], [100, 30]].map(([x, y]) => point("Mira", x, y));
  const { panels: [[a, b, c]] } = await drawn(points, { axes: "t-SNE" });
  assertAlmostEquals((b.x - a.x) / (a.y - c.y), 4, 0.01);
  assertTrue(b.x - a.x > 270, `${b.x - a.x} pixels`);
  const { panels: [[d, e, f]] } = await drawn(points.map(({ x, y }) => point("Mira", y, x)), {
    axes: "t-SNE",
  });
  assertAlmostEquals((d.y - e.y) / (f.x - d.x), 4, 0.01);
  assertAlmostEquals(d.y - e.y, b.x - a.x, 0.01);
  const { panels: [[alone]] } = await drawn(points.slice(0, 1), { axes: "t-SNE" });
  assertAlmostEquals(alone.x, (a.x + b.x) / 2, 0.01);
});

Deno.test("a panel a block, each fitted by itself, in their order", async () => {
  const blocks = ["input", "block 1", "block 2", "block 10"];
  const points = blocks.flatMap((panel, i) => [-1, 1].map((side) => point("RRab", side * 10 ** i, 0, panel)));
  const { panels, legend, texts } = await drawn(points, { axes: "t-SNE" });
  assertEquals(panels.length, 4);
  for (const marks of panels) assertEquals(marks, panels[0]);
  assertEquals(texts.filter((text) => blocks.includes(text)), blocks);
  assertEquals([...legend.keys()], ["RRab"]);
});

Deno.test("one panel is as wide as a journal's column, several as its page", async () => {
  const names = [
    "Contact binary",
    "RR Lyrae, fundamental mode",
    "Mira",
    "Delta Scuti",
    "unknown, or several types",
  ];
  const centimeters = async (...asked: Parameters<typeof projectionFigure>) => {
    const { svg } = await drawn(...asked);
    return Number(/width="(\d+)"/.exec(svg)![1]) / 96 * 2.54;
  };
  const between = (low: number, width: number, high: number) =>
    assertTrue(low < width && width <= high, `${width} cm`);
  const points = names.map((name, i) => point(name, i, i));
  between(8, await centimeters(points, { axes: "t-SNE" }), 8.5);
  for (const columns of [2, 3, 4]) {
    const panels = [0, 1, 2, 3].flatMap((panel) => points.map((of) => ({ ...of, panel: `block ${panel}` })));
    between(16.6, await centimeters(panels, { axes: "t-SNE", columns }), 17.6);
  }
});
