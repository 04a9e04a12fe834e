/** A figure as files at a journal's size, and as it stands in a page. */
import { writeAtomically, writeText } from "../files/atomic.ts";
import { type Figure, renderSvg } from "./figure.ts";
import { escapeHtml, Html } from "./html.ts";
import { pngOf } from "./png.ts";
import { centimetres } from "./style.ts";

/** Dots per inch, as journals want line drawings. */
const dpi = 600;

/**
 * Writes `NAME.svg` and `NAME.png` into a folder.
 * @param taken paths that are not to be written again: a figure of the same name gets a number
 * @returns the SVG for a page, and the paths
 */
export async function writeFigureFiles(
  { name, caption, spec, width }: Figure,
  folder: string,
  taken: readonly string[] = [],
): Promise<{ svg: Html; paths: string[] }> {
  let path = `${folder}/${name}`;
  for (let number = 2; taken.includes(`${path}.svg`); number++) path = `${folder}/${name}-${number}`;
  const svg = await renderSvg(spec), size = centimetres[width];
  await writeText(`${path}.svg`, atSize(svg, size));
  const png = await pngOf(svg, { centimetres: size, dpi });
  await writeAtomically(`${path}.png`, (temporary) => Deno.writeFile(temporary, png));
  return {
    svg: new Html(inPage(svg, path.slice(folder.length + 1), caption)),
    paths: [`${path}.svg`, `${path}.png`],
  };
}

/** The width and height that Vega gives a drawing, in pixels. */
const size = / width="([\d.]+)" height="([\d.]+)"/;

/** An SVG that is printed so many centimetres wide. */
export function atSize(svg: string, centimetres: number): string {
  return svg.replace(
    size,
    (_, width, height) => ` width="${centimetres}cm" height="${(centimetres * height / width).toFixed(3)}cm"`,
  );
}

/**
 * An SVG to stand in a page beside others: as wide as there is room, and with names of its own for what it refers to.
 * @param name of letters, digits and - . _ +
 * @param label what is read aloud
 */
export function inPage(svg: string, name: string, label: string): string {
  return svg.replace(size, () => ` role="img" aria-label="${escapeHtml(label)}"`)
    .replace(/ id="([^"]*)"/g, (_, id) => ` id="${name}-${id}"`)
    .replace(/url\(#([^)]*)\)/g, (_, id) => `url(#${name}-${id})`);
}
