/** Vega-Lite figures as SVG, without a browser. */
import { InputError } from "../common/errors.ts";
import { writeText } from "../files/atomic.ts";
import { config, type FigureWidth, textWidth } from "./style.ts";

/** A Vega-Lite specification (https://vega.github.io/vega-lite). */
export type FigureSpec = Record<string, unknown>;

/** A figure with what is said of it. */
export interface Figure {
  /** Of its files. */
  name: string;
  /** What is shown, units, what error bars are, of how many. */
  caption: string;
  width: FigureWidth;
  spec: FigureSpec;
}

/** A text as Vega lays it out. */
interface TextItem {
  fontSize?: number;
  fontWeight?: string | number;
}

/** Renders a specification as SVG text. */
export async function renderSvg(spec: FigureSpec): Promise<string> {
  const [{ compile }, vega] = await Promise.all([import("npm:vega-lite@6.5.0"), import("npm:vega@6.4.0")]);
  // Vega itself takes all letters for wide ones, which leaves gaps.
  const metrics =
    (vega as unknown as { textMetrics: { width: (item: TextItem, text: unknown) => number } }).textMetrics;
  metrics.width = ({ fontSize = 11, fontWeight }, text) =>
    textWidth(String(text ?? ""), fontSize, fontWeight === "bold" || Number(fontWeight) >= 600);
  const { spec: compiled } = compile(
    {
      $schema: "https://vega.github.io/schema/vega-lite/v6.json",
      background: "white",
      padding: 2,
      ...spec,
      config: merged(config, spec.config as FigureSpec ?? {}),
    } as unknown as Parameters<typeof compile>[0],
  );
  const view = new vega.View(vega.parse(compiled), { renderer: "none", logLevel: vega.Error });
  try {
    const svg = await view.toSVG();
    // Hundredths of a pixel are enough, and half the file; texts stay as they are.
    return svg.replace(
      / (?:d|transform|[xy][12]?|width|height)="[^"]*"/g,
      (attribute) => attribute.replace(/(\d+\.\d\d)\d+/g, "$1"),
    );
  } finally {
    view.finalize();
  }
}

function merged(base: FigureSpec, over: FigureSpec): FigureSpec {
  const isTable = (value: unknown): value is FigureSpec =>
    typeof value === "object" && value !== null && !Array.isArray(value);
  const result: FigureSpec = { ...base };
  for (const [name, value] of Object.entries(over)) {
    const before = base[name];
    result[name] = isTable(before) && isTable(value) ? merged(before, value) : value;
  }
  return result;
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
