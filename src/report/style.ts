/** One look for all figures: sizes of a journal's columns, letters, colors that color-blind readers can tell apart. */

/** One column of a journal, and both. */
export const centimetres = { column: 8.5, page: 17.6 } as const;
export type FigureWidth = keyof typeof centimetres;
/** The same in pixels of 1/96 inch. */
export const widths = { column: 321, page: 665 } as const;

/** Letters that are alike in all their widths, whichever of them a computer has. */
export const font = "Arial, Helvetica, Arimo, Liberation Sans, sans-serif";

/** Okabe and Ito's (2008) colors, those first that are also far apart in lightness. */
export const palette = [
  "#0072B2",
  "#D55E00",
  "#009E73",
  "#E69F00",
  "#56B4E9",
  "#CC79A7",
  "#000000",
  "#999999",
];
/** Shapes and dashes say the same as colors, for print without color. */
export const shapes = ["circle", "square", "triangle-up", "diamond", "cross", "triangle-down", "stroke"];
export const dashes = [[1, 0], [6, 3], [2, 2], [8, 3, 2, 3], [4, 2], [1, 3], [10, 4]];

/** What is called the same looks the same: the i-th look of a list that begins again at its end. */
export function look<Look>(looks: readonly Look[], i: number): Look {
  return looks[i % looks.length];
}

const label = 9.5, title = 10.5; // pixels: 7 and 8 points

/** The configuration of every figure, which a figure's own adds to. */
export const config = {
  font,
  view: { stroke: "#999", strokeWidth: 0.75 },
  mark: { aria: false }, // a description of every mark makes the files many times as large
  axis: {
    grid: false,
    labelFontSize: label,
    titleFontSize: title,
    titleFontWeight: "normal",
    labelColor: "black",
    titleColor: "black",
    domainColor: "#555",
    tickColor: "#555",
    tickSize: 4,
  },
  legend: {
    labelFontSize: label,
    titleFontSize: title,
    titleFontWeight: "normal",
    labelColor: "black",
    titleColor: "black",
    symbolOpacity: 1,
    symbolSize: 45,
    offset: 8,
    labelLimit: 200,
  },
  header: { labelFontSize: title, labelFontWeight: "bold", labelColor: "black", labelPadding: 4 },
  title: { fontSize: title, color: "black" },
} as const;

/** A legend of lines, over the figure. */
export const lineLegend = {
  orient: "top",
  symbolType: "stroke",
  symbolSize: 250,
  symbolStrokeWidth: 1.8,
} as const;

/** A figure of one panel that is as wide as a column or a page, with all that stands around the panel. */
export function sized(width: FigureWidth, height: number) {
  return { width: widths[width], height, autosize: { type: "fit", contains: "padding" } } as const;
}

/** Widths of Helvetica's letters, from the space to the tilde, in thousandths of the size (Adobe's font metrics). */
const letterWidths = [
  ...[278, 278, 355, 556, 556, 889, 667, 191, 333, 333, 389, 584, 278, 333, 278, 278],
  ...[556, 556, 556, 556, 556, 556, 556, 556, 556, 556, 278, 278, 584, 584, 584, 556],
  ...[1015, 667, 667, 722, 722, 667, 611, 778, 722, 278, 500, 667, 556, 833, 722, 778],
  ...[667, 778, 722, 667, 611, 722, 667, 944, 667, 667, 611, 278, 278, 278, 469, 556],
  ...[333, 556, 556, 500, 556, 556, 278, 556, 556, 222, 222, 500, 222, 833, 556, 556],
  ...[556, 556, 333, 500, 278, 556, 500, 722, 500, 500, 500, 334, 260, 334, 584],
];

/** The width of a text, in the unit of its size: legends and labels are laid out without a browser. */
export function textWidth(text: string, size: number, bold = false): number {
  let sum = 0;
  for (const letter of text) sum += letterWidths[letter.codePointAt(0)! - 32] ?? 600;
  return sum * size / 1000 * (bold ? 1.07 : 1);
}
