/** Vega-Lite figures as SVG, without a browser. */
import { InputError } from "../errors.ts";
import { writeText } from "../files/atomic.ts";

/** A Vega-Lite specification (https://vega.github.io/vega-lite). */
export type FigureSpec = Record<string, unknown>;

/** Renders a specification as SVG text. */
export async function renderSvg(spec: FigureSpec): Promise<string> {
  const [{ compile }, vega] = await Promise.all([import("npm:vega-lite@6.5.0"), import("npm:vega@6.4.0")]);
  const { spec: compiled } = compile(
    {
      $schema: "https://vega.github.io/schema/vega-lite/v6.json",
      background: "white",
      ...spec,
      config: {
        font: "sans-serif",
        view: { stroke: "#ccc" },
        axis: { grid: false },
        ...spec.config as FigureSpec,
      },
    } as Parameters<typeof compile>[0],
  );
  const view = new vega.View(vega.parse(compiled), { renderer: "none" });
  try {
    // Hundredths of a pixel are enough, and half the file.
    return (await view.toSVG()).replace(/(\d+\.\d\d)\d+/g, "$1");
  } finally {
    view.finalize();
  }
}

/**
 * To be asked before long work.
 * @throws {InputError} unless the path ends in .svg
 */
export function checkFigurePath(path: string): void {
  if (!path.endsWith(".svg")) throw new InputError(`${path}: figures are written as .svg`);
}

/** Writes a figure, atomically. */
export async function writeFigure(path: string, spec: FigureSpec): Promise<void> {
  checkFigurePath(path);
  await writeText(path, await renderSvg(spec));
}
