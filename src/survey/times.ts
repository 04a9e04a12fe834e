/** What the numbers of a time are counted from, and the scale of their clock: what files and surveys say of it. */
import type { Mapping } from "./mapping.ts";
import { type Preset, presets } from "./presets.ts";
import type { Source } from "./source.ts";

/** Scales of time, as the field writes them. */
export const timeScales = ["UTC", "TAI", "TT", "TDB", "TCB"] as const;

/** What is known of times. */
export interface Times {
  /** What the numbers are, as they stand in the dataset: "mjd", "jd", "bjd - 2457000"; null where nothing says it. */
  format: string | null;
  /** UTC, TAI, TT, TDB, TCB; null where nothing says it. */
  scale: string | null;
  /** What says the scale, as half a sentence. */
  why: string;
}

/** The times of a source. */
export function timesOf(
  source: Source,
  mapping: Mapping,
  settings: { time_format?: string; time_scale?: string },
): Times {
  const { metadata } = source;
  const preset: Preset | undefined = mapping.preset && presets[mapping.preset];
  const time = mapping.channels[0].time ?? mapping.time, at = time.column;
  const name = at === undefined ? time.label : source.columns[at];
  const description = at === undefined ? "" : `${source.descriptions[at] ?? ""} ${source.units[at] ?? ""}`;
  const days = Number(metadata.BJDREFI) + Number(metadata.BJDREFF ?? 0);
  const format = settings.time_format !== undefined || time.label.endsWith("as MJD)")
    ? "mjd"
    : days > 0
    ? `bjd - ${days}`
    : preset?.time_format ??
      /^(h?mjd|bmjd|hjd|bjd|jd)/.exec(name.toLowerCase().replace(/[^a-z]/g, ""))?.[0] ?? null;
  const value = Number(source.sample.find((row) => at !== undefined && row[at] !== "")?.[at!]);
  const scaleIn = (text: string | undefined) =>
    /(?<![A-Z])(UTC|TAI|TT|TDB|TCB)(?![A-Z])/i.exec(text ?? "")?.[1].toUpperCase();
  const said: [string | undefined, string][] = [
    [settings.time_scale, "--time-scale says so"],
    [scaleIn(metadata[`${name}.scale`]), "the file's header says so of this column"],
    [/(utc|tai|tdb|tcb)$/i.exec(name)?.[1].toUpperCase(), "the column's name says so"],
    [scaleIn(metadata.TIMESYS ?? metadata.TIMESCALE), "the file's header says so (TIMESYS)"],
    [scaleIn(description), "the column's description says so"],
    [preset?.time_scale, `known of ${mapping.preset}`],
  ];
  const [scale, why] = said.find(([scale]) => scale !== undefined) ?? [null, "nothing says it"];
  return { format: format && asCounted(format, value), scale: scale ?? null, why };
}

/** A format with what its numbers show: days of a survey that are full Julian dates, or without 2,400,000 of them. */
function asCounted(format: string, value: number): string {
  const kind = /^(btjd|bkjd|gaia|bjd)/.test(format) ? "bjd" : format === "hjd" ? "hjd" : "jd";
  if (value > 2_300_000) return format === "hjd" ? format : kind;
  return value > 15_000 && value < 100_000 && /^([bh]?jd|btjd|bkjd)$/.test(format)
    ? `${kind} - 2400000`
    : format;
}

/** The times of several sources together: what all agree on. */
export function commonTimes(all: readonly Times[]): Pick<Times, "format" | "scale"> {
  const same = (values: (string | null)[]) => new Set(values).size === 1 ? values[0] : null;
  return { format: same(all.map(({ format }) => format)), scale: same(all.map(({ scale }) => scale)) };
}
