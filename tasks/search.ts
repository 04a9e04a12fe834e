/** Finds light curves that are like others. */
import { Astromer } from "../src/library/astromer.ts";
import { command, setting, z } from "../src/command/command.ts";
import { runShape } from "../src/machine/settings.ts";
import { lightCurvesOf, openDataset } from "../src/data/dataset.ts";
import { EmbeddingFile, type EmbeddingRow } from "../src/discover/embedding_file.ts";
import { standardize } from "../src/discover/vectors.ts";
import { exactRows, middleOf, searchFile } from "../src/discover/search.ts";
import { lightCurveFinder } from "../src/discover/light_curves_of.ts";
import { vectorsOf } from "../src/embed/pooling.ts";
import { Failure, fewOf, InputError } from "../src/common/errors.ts";
import { writeText } from "../src/files/atomic.ts";
import { type Cell, csvOf } from "../src/files/csv.ts";
import { duration, ProgressLine } from "../src/common/progress.ts";
import { checkFigurePath, writeFigure } from "../src/report/figure.ts";
import { galleryFigure, mostPanels } from "../src/report/gallery_figure.ts";
import { prepareRun } from "../src/machine/runtime.ts";
import { listenForStop } from "../src/machine/signals.ts";
import { dataOrInputShape, openDataOrInput } from "../src/survey/temporary_dataset.ts";
import { grouped, plainTable } from "../src/common/table.ts";

const { data: _, ...inputShape } = dataOrInputShape;

/** Light curves of `--input` that are searched for, each or all of them. */
const mostQueries = 1000;

export default command({
  name: "search",
  summary:
    "Finds light curves like given ones, by the nearest embeddings. The search is exact up to ten million rows; beyond that it uses an HNSW index, which is kept beside the file, and prints its recall.",
  settings: z.object({
    embeddings: setting(z.string(), "the .parquet that embed wrote"),
    like: setting(
      z.array(z.string()).min(1).optional(),
      "ids of objects to search for (ID:BAND if an object has several bands)",
    ),
    k: setting(z.int().min(1).max(10_000).default(50), "how many to find"),
    each: setting(
      z.boolean().default(false),
      "search for each by itself, instead of for their mean",
    ),
    metric: setting(
      z.enum(["cosine", "euclidean"]).default("cosine"),
      "1 - cosine of the angle, or the length of the difference",
    ),
    raw: setting(
      z.boolean().default(false),
      "compare vectors as they are; by default each element is first standardized over the file",
    ),
    column: setting(z.string().optional(), "the column of vectors (embedding, or the last block's)"),
    index: setting(
      z.enum(["auto", "exact", "hnsw"]).default("auto"),
      "compare with every row, or use the index, which is made if there is none (auto: exact up to ten million rows)",
    ),
    expansion: setting(
      z.int().min(1).default(256),
      "candidates that the index looks at: more of them find more, and take longer",
    ),
    model: setting(z.string().optional(), "model folder, with --input: the one that made the embeddings"),
    ...inputShape,
    data: setting(z.string().optional(), "dataset folder of the light curves, for --figure"),
    output: setting(
      z.string().regex(/\.csv$/, "a path that ends in .csv is needed").optional(),
      "the .csv of results to write",
    ),
    figure: setting(z.string().optional(), "the .svg of the light curves to draw, with --data"),
    fold: setting(z.boolean().default(false), "fold the figure's light curves on their Lomb-Scargle periods"),
    ...runShape,
  }),
  examples: [
    "deno task search --embeddings embeddings.parquet --like 150216",
    "deno task search --embeddings embeddings.parquet --like 150216,060637 -k 20 --data data/asas --figure alike.svg --fold",
    "deno task search --embeddings embeddings.parquet --model runs/asas/best --input mine.csv --each --output alike.csv",
  ],
  async run(settings, given) {
    const { like, input, metric, k, figure } = settings;
    if ((like === undefined) === (input === undefined)) {
      throw new InputError("say what to look for, by either --like (ids) or --input (survey files)");
    }
    if (figure !== undefined) {
      checkFigurePath(figure);
      if (settings.data === undefined) {
        throw new InputError("--figure needs --data, where the light curves are");
      }
    }
    const { threads } = settings;
    using file = await EmbeddingFile.open(settings.embeddings, { ...settings, threads });
    using dataset = settings.data === undefined ? undefined : await openDataset(settings.data);
    prepareRun(settings);

    const standardization = settings.raw ? undefined : await file.standardize();
    const asked = like ? await file.find(like) : await fromInput(file, settings, given);
    const vectors = "vectors" in asked ? asked.vectors : await file.vectorsAt(asked.map(({ row }) => row));
    if ("vectors" in asked && standardization) standardize(vectors, standardization);
    const names = "vectors" in asked ? asked.ids : asked.map(nameOf);
    const known: EmbeddingRow[] = "vectors" in asked ? [] : asked;
    const together = names.length > 1 && !settings.each;
    const queries = together ? middleOf(vectors, file.width, metric) : vectors;

    const line = new ProgressLine(), started = performance.now();
    using stop = listenForStop(() => line.clear());
    const { matches, index } = await searchFile(file, queries, {
      k,
      metric,
      index: settings.index,
      expansionSearch: settings.expansion,
      threads,
      without: new Set(known.map(({ row }) => row)),
      onProgress(rows, of) {
        if (stop.requested()) throw new Failure("stopped by a signal: nothing was written");
        const seconds = (performance.now() - started) / 1000;
        line.update(() =>
          `${grouped(rows)} of ${grouped(of)} rows  ${grouped(Math.round(rows / seconds))}/s  ${
            duration((of - rows) * seconds / rows)
          } left`
        );
      },
    });
    line.clear();
    const rows = new Map(
      (await file.rowsAt([...new Set(matches.flat().map(({ row }) => row))])).map((row) => [row.row, row]),
    );
    const queryNames = together ? [fewOf(names, 3)] : names;
    const seconds = ((performance.now() - started) / 1000).toFixed(2);
    for (const [q, name] of queryNames.entries()) {
      const table = matches[q].map(({ row, distance }, i) => {
        const found = rows.get(row)!;
        return [String(i + 1), nameOf(found), found.class ?? "", distance.toFixed(4)];
      });
      console.log(
        `like ${name}:\n${plainTable([["rank", "id", "class", `${metric} distance`], ...table])}\n`,
      );
    }
    console.log(
      `${grouped(file.rows)} rows of ${file.width}, ` +
        (index
          ? `index ${index.path}${index.built ? " (made now)" : ""}, recall of the ten nearest ${
            index.recall.toFixed(3)
          }`
          : "exact, recall 1") +
        `; ${seconds} s`,
    );
    if (!index && file.rows > exactRows) {
      console.log("--index hnsw is made once, and then answers in milliseconds");
    }
    if (settings.output !== undefined) {
      const columns = ["query", "rank", "distance", "id", "band", "class", "row"];
      await writeText(
        settings.output,
        csvOf({
          columns,
          rows: queryNames.flatMap((name, q) =>
            matches[q].map(({ row, distance }, i): Cell[] => {
              const { id, band, class: of } = rows.get(row)!;
              return [name, i + 1, Number(distance.toPrecision(7)), id, band, of, row];
            })
          ),
        }),
      );
      console.log(settings.output);
    }
    if (figure !== undefined && dataset) {
      const finder = lightCurveFinder(dataset);
      const panels = [
        ...known.map((row) => ({
          lightCurve: finder(row),
          title: nameOf(row),
          remark: "asked for",
          marked: true,
        })),
        ...matches.flatMap((some) =>
          some.map(({ row, distance }, i) => {
            const found = rows.get(row)!;
            return {
              lightCurve: finder(found),
              title: `${i + 1}  ${nameOf(found)}`,
              remark: [found.class, distance.toFixed(3)].filter(Boolean).join(", "),
            };
          })
        ),
      ].slice(0, mostPanels);
      const title = `Like ${fewOf(queryNames, 3)}`;
      await writeFigure(figure, await galleryFigure(dataset, panels, { title, folded: settings.fold }));
      console.log(figure);
    }
  },
});

function nameOf({ id, band }: EmbeddingRow): string {
  return band === null ? id : `${id} (${band})`;
}

type InputSettings = Parameters<typeof openDataOrInput>[0] & {
  model?: string;
  embeddings: string;
  device: string;
  precision: "auto" | "float32" | "bfloat16";
};

/** Light curves of survey files, embedded as the file's were. */
async function fromInput(
  file: EmbeddingFile,
  settings: InputSettings,
  given: Parameters<typeof openDataOrInput>[1],
): Promise<{ ids: string[]; vectors: Float32Array<ArrayBuffer> }> {
  const noted = file.details as { model?: string; pooling?: string };
  const folder = settings.model ?? noted.model;
  if (folder === undefined) {
    throw new InputError(`--input needs --model to embed it (${file.path} does not name the model)`);
  }
  const pooling = noted.pooling ?? "mean";
  if (pooling !== "mean" && pooling !== "max") {
    throw new InputError(`--input takes embeddings of --pooling mean or max; ${file.path} has ${pooling}`);
  }
  const { device, dtype } = prepareRun(settings);
  using model = await Astromer.load(folder, { device, dtype });
  if (model.width * vectorsOf(model.network, pooling) !== file.width) {
    throw new InputError(
      `${folder} makes embeddings of ${model.width}, ${file.path} has ${file.width}: it was made by another model`,
    );
  }
  const { data: _, ...input } = settings;
  await using opened = await openDataOrInput(
    input,
    given,
    model.config.preprocessing ?? {},
    settings.embeddings,
  );
  const { dataset } = opened, lightCurves = lightCurvesOf(dataset, "all");
  if (lightCurves.length > mostQueries) {
    throw new InputError(
      `--input has ${grouped(lightCurves.length)} light curves, at most ${
        grouped(mostQueries)
      } are searched for at once`,
    );
  }
  const vectors = new Float32Array(lightCurves.length * file.width);
  const curves = lightCurves.map((i) => {
    const [from, to] = [dataset.offsets[i], dataset.offsets[i] + dataset.lengths[i]];
    return { mjd: dataset.mjd.slice(from, to), magnitude: dataset.mag.slice(from, to) };
  });
  for (const [i, vector] of model.embed(curves, { pooling }).entries()) vectors.set(vector, i * file.width);
  return { ids: lightCurves.map((i) => dataset.ids[i]), vectors };
}
