/** What preprocess would make of survey files, as text for people: the same reading, before anything is split or written. */
import { fewOf, printable } from "../common/errors.ts";
import { grouped, plainTable } from "../common/table.ts";
import { ObservationFiles } from "./dataset_files.ts";
import { Database } from "./duckdb.ts";
import { findFiles, type FoundFiles, type SurveyFile } from "./files.ts";
import type { Cell, Mapping } from "./mapping.ts";
import { sharesOf } from "./memory.ts";
import { type PreprocessSettings, type ReadSurvey, readSurvey, resolved } from "./preprocess.ts";
import { type Preset, presets } from "./presets.ts";
import { silent } from "./progress.ts";
import type { Reading } from "./read.ts";
import type { Source } from "./source.ts";

/** Settings of preprocessing that have no part in reading. */
type ReadingSettings = Omit<PreprocessSettings, "output" | "fractions" | "validation_fraction" | "seed">;

/** Light curves that are shown, rows of each, and characters of its sparkline. */
const shown = 3, firstRows = 4, sparkline = 60;

/**
 * Reads survey files as `preprocess` does, in a folder of passing life, and says what came of it.
 * @param most at most so many files are read, evenly from among all
 * @returns the report
 * @throws {InputError} as `preprocess`
 */
export async function inspect(given: ReadingSettings, most: number): Promise<string> {
  const settings = await resolved({
    ...given,
    output: "",
    fractions: [1, 0, 0],
    validation_fraction: 0,
    seed: 0,
  });
  const folder = await Deno.makeTempDir({ dir: "/tmp", prefix: "astromer-inspect-" });
  const remove = () => Deno.removeSync(folder, { recursive: true });
  const stop = () => {
    remove();
    Deno.exit(130);
  };
  for (const signal of ["SIGINT", "SIGTERM"] as const) Deno.addSignalListener(signal, stop);
  try {
    const memory = sharesOf(settings.memory_limit);
    using db = await Database.open(folder, { ...settings, memory_limit: `${memory.database}B` });
    using observations = new ObservationFiles(folder);
    const found = await findFiles(db, settings.input, "input");
    const survey = await readSurvey(
      { db, folder, observations, buckets: memory.buckets, progress: silent },
      settings,
      { ...found, files: someOf(found.files, most) },
    );
    return printable(
      [
        filesText(found, survey.files),
        ...survey.reading.layouts.map((layout) => layoutText(layout)),
        await lightCurvesText(db),
        lossText(survey),
      ].filter((part) => part !== "").join("\n\n"),
    );
  } finally {
    for (const signal of ["SIGINT", "SIGTERM"] as const) Deno.removeSignalListener(signal, stop);
    remove();
  }
}

/** At most so many of the files, evenly from among them. */
function someOf(files: SurveyFile[], most: number): SurveyFile[] {
  if (files.length <= most) return files;
  return Array.from({ length: most }, (_, i) => files[Math.floor(i * files.length / most)]);
}

function filesText({ files }: FoundFiles, read: readonly SurveyFile[]): string {
  const bytes = files.reduce((sum, file) => sum + file.bytes, 0);
  const all = `${grouped(files.length)} ${files.length === 1 ? "file" : "files"}, ${
    (bytes / 1e6).toPrecision(3)
  } MB`;
  return read.length === files.length
    ? all
    : `${all}; ${grouped(read.length)} of them are read here (--files), and all numbers below are of these`;
}

/** One layout of files: what it is, and which column was taken for what, and why. */
function layoutText({ source, mapping, times }: Reading["layouts"][number]): string {
  const { preset, guessed } = mapping;
  const rows = rolesOf(source, mapping).map(([role, cell]) => [
    role,
    cell.label,
    (cell.column === undefined ? undefined : source.units[cell.column]) ?? "",
    cell.why ?? "",
  ]);
  const used = new Set(rolesOf(source, mapping).map(([, cell]) => cell.column));
  const others = source.columns.filter((_, i) => !used.has(i));
  const channel = mapping.channels[0];
  return [
    `${
      source.files.length === 1 ? source.path : `${grouped(source.files.length)} files such as ${source.path}`
    }`,
    `  format   ${source.format}`,
    `  survey   ${
      preset === undefined
        ? "none that is known (--preset names one)"
        : `${preset}, ${(presets[preset] as Preset).about}: ${
          guessed ? "recognised by its columns" : "as --preset says"
        }`
    }`,
    `  times    ${times.format ?? "of unknown origin"}, scale ${times.scale ?? "unknown"} (${times.why})`,
    ...channel.zeroPoint === undefined ? [] : [
      `  fluxes   become magnitudes with the zero point ${
        channel.zeroPointColumn === undefined
          ? channel.zeroPoint
          : `of column ${source.columns[channel.zeroPointColumn]}`
      }`,
    ],
    indented(plainTable([["", "column", "unit", "why"], ...rows])),
    ...others.length > 0 ? [`  not read: ${fewOf(others, 30)}`] : [],
  ].join("\n");
}

/** Which cell serves as what, each band's own included. */
function rolesOf(source: Source, { id, band, class: label, time, channels }: Mapping): [string, Cell][] {
  const text = (label: string): Cell => ({ label, text: "", id: "", isEmpty: "", number: () => "" });
  const roles: [string, Cell | undefined][] = [
    ["id", id ?? text("the file's name")],
    ...channels.every((channel) => channel.time) ? [] : [["time", time] as [string, Cell]],
    ...channels.flatMap((channel): [string, Cell | undefined][] => {
      const of = channel.band === undefined ? "" : ` ${channel.band}`;
      return [
        [`time${of}`, channel.time],
        [`magnitude${of}`, channel.magnitude],
        [`error${of}`, channel.error],
        [`flux${of}`, channel.magnitude && !channel.fluxError ? undefined : channel.flux],
        [`flux error${of}`, channel.fluxError],
      ];
    }),
    ["band", band],
    ["class", label],
  ];
  const flags = new Set(channels.flatMap(({ filters }) => filters.map(({ column }) => column)));
  const meant = new Set(roles.map(([, cell]) => cell?.column));
  return [
    ...roles.filter((entry): entry is [string, Cell] => entry[1] !== undefined),
    ...[...flags].filter((column) => column !== undefined && !meant.has(column)).map((
      column,
    ): [string, Cell] => [
      "filter",
      { ...text(source.columns[column!]), column, why: "observations go by it" },
    ]),
  ];
}

/** The first light curves: their first rows, and how they look. */
async function lightCurvesText(db: Database): Promise<string> {
  const curves = await db.rows<{ lc: number; id: string; band: string; class: string | null; n: number }>(
    `SELECT lc, id, band, class, n_final AS n FROM light_curves JOIN summary USING (lc)
      ORDER BY n_final = 0, lc LIMIT ${shown}`,
  );
  const parts: string[] = [];
  for (const { lc, id, band, class: label, n } of curves) {
    const rows = await db.rows<{ time: number; mag: number; err: number | null }>(
      `SELECT time, mag, err FROM raw JOIN light_curves ON raw.id = light_curves.key AND raw.band = light_curves.read_band
        WHERE reason IS NULL AND lc = ${lc} AND isfinite(time) AND isfinite(mag) ORDER BY time, mag`,
    );
    const digits = (value: number | null) =>
      value === null || Number.isNaN(value) ? "unknown" : value.toFixed(4);
    parts.push([
      `"${id}"${band ? `, band ${band}` : ""}${label === null ? "" : `, class ${label}`}: ${
        grouped(rows.length)
      } observations, ${n === 0 ? "which would go" : `${grouped(n)} stay`}`,
      indented(plainTable([
        ["time", "magnitude", "error"],
        ...rows.slice(0, firstRows).map(({ time, mag, err }) => [time.toFixed(6), digits(mag), digits(err)]),
      ])),
      ...rows.length > 1 ? [`  ${sparklineOf(rows)}`] : [],
    ].join("\n"));
  }
  return parts.join("\n\n");
}

/** Magnitudes over time as a line of blocks, bright above. */
export function sparklineOf(rows: readonly { time: number; mag: number }[]): string {
  const times = rows.map(({ time }) => time), first = times[0], last = times.at(-1)!;
  const width = Math.min(sparkline, rows.length);
  const sums = new Float64Array(width), counts = new Float64Array(width);
  for (const { time, mag } of rows) {
    const at = last > first ? Math.min(width - 1, Math.floor((time - first) / (last - first) * width)) : 0;
    sums[at] += mag;
    counts[at]++;
  }
  const means = [...sums].map((sum, i) => sum / counts[i]);
  const there = means.filter((mean) => !Number.isNaN(mean));
  const faint = Math.max(...there), bright = Math.min(...there), blocks = "▁▂▃▄▅▆▇█";
  const line = means.map((mean) =>
    Number.isNaN(mean)
      ? " "
      : blocks[faint > bright ? Math.min(7, Math.floor((faint - mean) / (faint - bright) * 8)) : 3]
  ).join("");
  return `${line}  ${bright.toFixed(2)} to ${faint.toFixed(2)} mag, ${(last - first).toFixed(1)} days`;
}

/** What would go, and what is worth a word. */
function lossText({ reading: { unusable, filtered }, stages, warnings }: ReadSurvey): string {
  const listed = (title: string, lines: readonly string[]) =>
    lines.length === 0 ? [] : [`${title}\n${lines.map((line) => `  ${line}`).join("\n")}`];
  const counts = (rows: typeof unusable) =>
    rows.map(({ reason, rows, example }) => `${reason}: ${grouped(rows)}, e.g. ${example}`);
  return [
    plainTable([
      ["after the filter", "light curves", "observations"],
      ...stages.map((stage) => [stage.name, grouped(stage.light_curves), grouped(stage.observations)]),
    ]),
    ...listed("Unusable rows, which would be left out:", counts(unusable)),
    ...listed("Would be left out, as they are no measurements or were asked to go:", counts(filtered)),
    ...listed("Note:", warnings),
  ].join("\n\n");
}

function indented(text: string): string {
  return text.split("\n").map((line) => `  ${line}`.trimEnd()).join("\n");
}
