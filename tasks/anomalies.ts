/** Ranks light curves by how odd they are. */
import { command, setting, z } from "../src/command/command.ts";
import { runShape } from "../src/machine/settings.ts";
import { openDataset } from "../src/data/dataset.ts";
import { type Anomaly, drawn, ranked, rankFile } from "../src/discover/anomalies.ts";
import { artefactOf } from "../src/discover/artefacts.ts";
import { EmbeddingFile } from "../src/discover/embedding_file.ts";
import { pieceRows } from "../src/discover/vectors.ts";
import { lightCurveFinder } from "../src/discover/light_curves_of.ts";
import { Failure, InputError } from "../src/common/errors.ts";
import { writeText } from "../src/files/atomic.ts";
import { type Cell, csvOf } from "../src/files/csv.ts";
import { duration, ProgressLine } from "../src/common/progress.ts";
import { checkFigurePath, writeFigure } from "../src/report/figure.ts";
import { galleryFigure } from "../src/report/gallery_figure.ts";
import { prepareRun } from "../src/machine/runtime.ts";
import { listenForStop } from "../src/machine/signals.ts";
import { grouped, plainTable } from "../src/common/table.ts";

/** Anomalies of the printed table and of the page. */
const shownRows = 20, drawnRows = 50;

export default command({
  name: "anomalies",
  summary:
    "Ranks light curves by how odd their embeddings are, without labels: by the distance to the k-th neighbor, an isolation forest, or both. With --data, light curves that stand out only because of how they were observed (few points, one outlier, …) go to the end, each with the reason, and the first 50 are drawn on one page.",
  settings: z.object({
    embeddings: setting(z.string(), "the .parquet that embed wrote"),
    output: setting(
      z.string().regex(/\.csv$/, "a path that ends in .csv is needed"),
      "the .csv to write: all rows, the oddest first",
    ),
    data: setting(z.string().optional(), "dataset folder of the light curves, for artefacts and the figure"),
    method: setting(
      z.enum(["neighbors", "forest", "both"]).default("both"),
      "distance to the k-th neighbor, isolation forest, or the mean of the two ranks",
    ),
    k: setting(z.int().min(1).default(10), "which neighbor's distance counts"),
    per_class: setting(
      z.boolean().default(false),
      "rank each light curve among those of its class: odd members",
    ),
    sample: setting(
      z.int().min(10).default(20_000),
      "look for neighbors among this many embeddings, drawn at random (or all, if there are fewer)",
    ),
    artefacts: setting(
      z.enum(["last", "keep"]).default("last"),
      "where light curves go that the rules call artefacts: to the end, or where their score puts them",
    ),
    column: setting(z.string().optional(), "the column of vectors (embedding, or the last block's)"),
    figure: setting(z.string().optional(), "the .svg page of the first 50 (beside the output, with --data)"),
    fold: setting(z.boolean().default(false), "fold the figure's light curves on their Lomb-Scargle periods"),
    seed: setting(z.int().min(0).default(0), "of the draw and of the forest"),
    ...runShape,
  }),
  examples: [
    "deno task anomalies --embeddings embeddings.parquet --output odd.csv",
    "deno task anomalies --embeddings embeddings.parquet --data data/asas --output odd.csv --fold",
    "deno task anomalies --embeddings embeddings.parquet --data data/asas --per-class --output odd-members.csv",
  ],
  async run(settings) {
    const { output } = settings;
    const figure = settings.figure ?? output.replace(/\.csv$/, ".svg");
    checkFigurePath(figure);
    if (settings.figure !== undefined && settings.data === undefined) {
      throw new InputError("--figure needs --data, where the light curves are");
    }
    using file = await EmbeddingFile.open(settings.embeddings, {
      column: settings.column,
      threads: settings.threads,
    });
    using dataset = settings.data === undefined ? undefined : await openDataset(settings.data);
    prepareRun(settings);

    const line = new ProgressLine(), started = performance.now();
    const seconds = () => (performance.now() - started) / 1000;
    using stop = listenForStop(() => line.clear());
    const progress = (done: number) => {
      if (stop.requested()) throw new Failure(`stopped by a signal: ${output} was not written`);
      line.update(() =>
        `${grouped(done)} of ${grouped(file.rows)} rows  ${grouped(Math.round(done / seconds()))}/s  ${
          duration((file.rows - done) * seconds() / done)
        } left`
      );
    };
    const rows = await file.everyRow();
    const found = settings.per_class
      ? await perClass(file, rows.map((row) => row.class), settings, progress)
      : await rankFile(file, settings, progress);
    line.clear();

    const finder = dataset && lightCurveFinder(dataset);
    const entries = found.map((anomaly) => {
      const row = rows[anomaly.row], lightCurve = finder?.(row);
      const artefact = dataset && lightCurve !== undefined ? artefactOf(dataset, lightCurve) : undefined;
      return { ...anomaly, ...row, lightCurve, artefact };
    });
    if (settings.artefacts === "last") {
      entries.sort((a, b) => Number(a.artefact !== undefined) - Number(b.artefact !== undefined)); // stable
    }
    const columns = [
      "rank",
      "id",
      "band",
      "class",
      "score",
      "neighbor_distance",
      "isolation",
      "artefact",
      "reason",
      "row",
    ];
    await writeText(
      output,
      csvOf({
        columns,
        rows: entries.map((entry, i): Cell[] => [
          i + 1,
          entry.id,
          entry.band,
          entry.class,
          ...[entry.score, entry.neighborDistance, entry.isolation].map((value) =>
            Number(value.toPrecision(6))
          ),
          entry.artefact?.rule ?? null,
          entry.artefact?.finding ?? null,
          entry.row,
        ]),
      }),
    );
    const scoreOf = (value: number) => value.toFixed(4);
    console.log(plainTable([
      ["rank", "id", "class", "score", "distance", "isolation"],
      ...entries.slice(0, shownRows).map((entry, i) => [
        String(i + 1),
        entry.band === null ? entry.id : `${entry.id} (${entry.band})`,
        entry.class ?? "",
        scoreOf(entry.score),
        entry.neighborDistance.toFixed(2),
        entry.isolation.toFixed(3),
      ]),
    ]));
    console.log(`\n${output}: ${grouped(entries.length)} rows, ${duration(seconds())}`);
    const flagged = entries.filter((entry) => entry.artefact);
    for (const [rule, some] of Map.groupBy(flagged, (entry) => entry.artefact!.rule)) {
      console.log(
        `${grouped(some.length)} ${rule.replaceAll("_", " ")}${
          settings.artefacts === "last" ? ", at the end" : ""
        } (such as ${some[0].id}: ${some[0].artefact!.finding})`,
      );
    }
    if (!dataset) return;
    const panels = entries.slice(0, drawnRows).map((entry, i) => ({
      lightCurve: entry.lightCurve,
      title: `${i + 1}  ${entry.id}`,
      remark: [entry.class, scoreOf(entry.score)].filter(Boolean).join(", "),
    }));
    const title = `The ${panels.length} oddest of ${grouped(entries.length)}`;
    await writeFigure(figure, await galleryFigure(dataset, panels, { title, folded: settings.fold }));
    console.log(figure);
  },
});

/** Ranks each class's rows among themselves; rows without a class, and classes of fewer than three, are left out. */
async function perClass(
  file: EmbeddingFile,
  classes: readonly (string | null)[],
  options: { method: "neighbors" | "forest" | "both"; k: number; sample: number; seed: number },
  progress: (done: number) => void,
): Promise<Anomaly[]> {
  const members = Map.groupBy(classes.keys(), (i) => classes[i]);
  members.delete(null);
  const large = [...members.values()].filter((rows) => rows.length >= 3);
  if (large.length === 0) {
    throw new InputError(
      `--per-class: ${file.path} has no class of three or more rows in its column "class"`,
    );
  }
  await file.standardize();
  const all: Anomaly[] = [];
  for (const rows of large) {
    const reference = drawn(rows, options.sample, options.seed);
    // Places in the class stand for rows while it is ranked.
    const placeOf = new Map(rows.map((row, place) => [row, place]));
    const pieces = async function* () {
      for (let from = 0; from < rows.length; from += pieceRows) {
        yield { from, vectors: await file.vectorsAt(rows.slice(from, from + pieceRows)) };
      }
    };
    const found = await ranked(
      pieces(),
      file.width,
      { rows: reference.map((row) => placeOf.get(row)!), vectors: await file.vectorsAt(reference) },
      options,
      (done) => progress(all.length + done),
    );
    for (const one of found) all.push({ ...one, row: rows[one.row] });
  }
  return all.sort((a, b) => b.score - a.score || b.neighborDistance - a.neighborDistance || a.row - b.row);
}
