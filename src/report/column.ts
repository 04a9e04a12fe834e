/** Figures of one light curve, a journal's column (8.5 cm) wide. */
import type { FigureSpec } from "./figure.ts";

/** Pixels of a panel, without its axes. */
export const panelWidth = 270;

/** Brighter is up. */
const magnitudeAxis = {
  type: "quantitative",
  title: "magnitude (mag)",
  scale: { reverse: true, zero: false },
  axis: { tickCount: 5, minExtent: 30 },
} as const;

/** Share of the points, one at least, that may lie outside of the magnitude axis at either end. */
const outsideShare = 0.01;

/**
 * A magnitude axis that single wild points cannot flatten: what lies farther from all others than twice their range is
 * left outside, up to {@link outsideShare}.
 * @param magnitudes of all points that are drawn
 * @returns the axis, whether marks must be clipped to it, and a remark on what is outside
 */
export function magnitudeAxisOf(magnitudes: readonly number[]) {
  const sorted = Float64Array.from(magnitudes).sort();
  const most = Math.max(1, Math.floor(outsideShare * sorted.length));
  const inner = sorted.subarray(most, sorted.length - most), low = inner[0], high = inner[inner.length - 1];
  const range = high - low, isOutside = (m: number) => m < low - 2 * range || m > high + 2 * range;
  const outside = sorted.filter(isOutside);
  if (!(range > 0) || outside.length === 0) return { axis: magnitudeAxis, clip: false, remarks: [] };
  const inside = sorted.filter((m) => !isOutside(m)), margin = 0.05 * (inside[inside.length - 1] - inside[0]);
  const domain = [inside[0] - margin, inside[inside.length - 1] + margin];
  const named = Array.from(outside.subarray(0, 3), (m) => m.toFixed(2)).join(", ");
  return {
    axis: { ...magnitudeAxis, scale: { ...magnitudeAxis.scale, domain } },
    clip: true,
    remarks: [
      `outside of the magnitude axis: ${outside.length} ${
        outside.length === 1 ? "point" : "points"
      } at ${named}${outside.length > 3 ? ", …" : ""} mag`,
    ],
  };
}

/** Two cycles. */
export const phaseAxis = {
  type: "quantitative",
  title: "phase",
  scale: { domain: [0, 2] },
  axis: { values: [0, 0.5, 1, 1.5, 2], format: ".1f" },
} as const;

/** Phase of a time, 0 … 1. */
export function phaseOf(mjd: number, period: number, epoch: number): number {
  const cycles = (mjd - epoch) / period;
  return cycles - Math.floor(cycles);
}

/** Panels below each other, under a title and remarks. */
export function columnFigure(
  title: string,
  remarks: readonly string[],
  panels: readonly FigureSpec[],
): FigureSpec {
  return {
    title: {
      text: wrapped(title, 44),
      subtitle: remarks.flatMap((remark) => wrapped(remark, 54)),
      fontSize: 12,
      subtitleFontSize: 10,
      anchor: "start",
      offset: 8,
    },
    spacing: 10,
    vconcat: panels,
    config: { legend: { orient: "top" } },
  };
}

/** The title of one panel. */
export function panelTitle(text: string): FigureSpec {
  return { text, fontSize: 10, fontWeight: "normal", anchor: "start", offset: 4 };
}

/** A text in lines: a figure is made as wide as its longest line. */
function wrapped(text: string, characters: number): string[] {
  const lines: string[] = [];
  for (const word of text.split(" ")) {
    const line = lines.at(-1);
    if (line !== undefined && line.length + 1 + word.length <= characters) {
      lines[lines.length - 1] += ` ${word}`;
    } else lines.push(word);
  }
  return lines;
}

/** A float32 as text has it, without the digits that only a float64 has. */
export function float32Digits(value: number): number {
  return Number(value.toPrecision(7));
}

/** A file name from an object's name, of characters that no file system or shell minds. */
export function fileNameFor(what: string, id: string, band: string | null): string {
  const safe = (part: string) => part.replace(/[^A-Za-z0-9._+-]+/g, "_");
  return [what, safe(id), ...band === null ? [] : [safe(band)]].join("-");
}
