/** Embeds light curves as a Parquet table. */
import { threads } from "../ffi/device.ts";
import { launched } from "../ffi/mpi.ts";
import { fingerprintOf } from "../src/classify/encoder.ts";
import { command, type Given, setting, z } from "../src/command/command.ts";
import { inferenceBatch, inferenceBatchOn, runShape } from "../src/machine/settings.ts";
import { lightCurvesOf } from "../src/data/dataset.ts";
import { projectionSeconds } from "../src/evaluate/projection.ts";
import { projected, type ProjectedTable } from "../src/embed/projected.ts";
import { type FeatureSet, featureSets, hybridOf, isFeatureSet } from "../src/features/feature_sets.ts";
import { plainTableOf, withFeatureColumns } from "../src/embed/feature_columns.ts";
import { embeddingTable } from "../src/embed/table.ts";
import { Failure, InputError } from "../src/common/errors.ts";
import { exists, writeAtomically } from "../src/files/atomic.ts";
import { fromStandardInput, toStandardOutput } from "../src/files/pipes.ts";
import { groupsOf, openParquet } from "../src/files/parquet.ts";
import { duration, ProgressLine } from "../src/common/progress.ts";
import { checkFigurePath, writeFigure } from "../src/report/figure.ts";
import { type ProjectedPoint, projectionFigure } from "../src/report/projection_figure.ts";
import { embedCatalogue } from "../src/hats/embed_catalogue.ts";
import { shareOf } from "../src/hats/partitions.ts";
import { joinRanks, Ranks } from "../src/machine/ranks.ts";
import { prepareRun } from "../src/machine/runtime.ts";
import { interrupted, listenForStop, sayStopping } from "../src/machine/signals.ts";
import { silent } from "../src/survey/progress.ts";
import { dataOrInputShape, openDataOrInput } from "../src/survey/temporary_dataset.ts";
import { grouped } from "../src/common/table.ts";
import { version } from "../src/common/version.ts";
import { loadModel, modelHelp } from "../src/weights/model_folder.ts";

const settings = z.object({
  model: setting(
    z.string(),
    `${modelHelp}; add +classical, +star or +star-scores to write features of the light curve as further columns, or give the word classical, star or star-scores to write features alone`,
  ),
  output: setting(
    z.string(),
    "the .parquet to write, - for standard output, or the folder of a catalogue to make: see the examples",
  ),
  ...dataOrInputShape,
  subset: setting(
    z.enum(["train", "validation", "test", "none", "all"]).default("all"),
    "light curves of a dataset folder to use",
  ),
  pooling: setting(
    z.enum(["mean", "max", "layers", "points"]).default("mean"),
    "mean or max: of the last block over the observations; layers: means of the input embedding and of every block, a column each; points: no pooling, a row per observation",
  ),
  per_window: setting(
    z.boolean().default(false),
    "a row per window, instead of one per light curve (the mean of its windows, weighted by their observations)",
  ),
  bands: setting(
    z.array(z.string()).min(1).optional(),
    "a row per object, made of its light curves in these bands",
  ),
  join: setting(
    z.enum(["concat", "mean"]).default("concat"),
    "how bands are joined: end to end (objects without one of them are left out), or the mean of the bands there are",
  ),
  project: setting(
    z.enum(["tsne", "umap"]).optional(),
    "add the coordinates of a map, and draw it by class; all embeddings must fit in memory",
  ),
  perplexity: setting(
    z.number().min(1).default(30),
    "t-SNE: effective neighbors of a point (as in the paper)",
  ),
  projection_rate: setting(
    z.number().gt(0).optional(),
    "t-SNE: learning rate (default: 1000, as in the paper, or the number of rows if that is less)",
  ),
  neighbors: setting(z.int().min(2).default(15), "UMAP: neighbors of a point"),
  figure: setting(z.string().optional(), "the .svg to draw (default: beside the output)"),
  seed: setting(z.int().min(0).default(0), "seed of the projection"),
  batch_size: inferenceBatch,
  ...runShape,
});

/** Projections that are likely to take more seconds than this are announced. */
const saidBeforehand = 15;

export default command({
  name: "embed",
  summary:
    "Writes an embedding of each light curve as Parquet: its windows, with nothing masked, pooled over their observations.",
  settings,
  examples: [
    "deno task embed --model runs/asas/best --data data/asas --output embeddings.parquet",
    "deno task embed --model runs/asas/best --input 'survey/*.csv' --output embeddings.parquet",
    "deno task embed --model runs/asas/best --data data/ztf --bands g,r --join concat --output objects.parquet",
    "deno task embed --model classical --data data/asas --output features.parquet",
    "deno task embed --model runs/asas/best --data data/asas --pooling layers --project tsne --output layers.parquet",
    "deno task embed --model astromer2-asas --input - --output - < light_curves.parquet > embeddings.parquet",
    "deno task embed --model astromer2-asas --input CATALOGUE --output EMBEDDED   # a HATS catalogue, or a folder of Parquet files",
  ],
  async run(settings, given) {
    const { output, pooling, bands, per_window } = settings;
    if (bands && (per_window || pooling === "points")) {
      throw new InputError(
        "--bands makes one row per object: leave out --per-window and --pooling points",
      );
    }
    if (settings.figure !== undefined) {
      if (!settings.project) throw new InputError("--figure needs --project, which is not given");
      checkFigurePath(settings.figure);
    }
    const { model: name, features } = await wantedOf(settings.model);
    if (features && (per_window || bands || pooling === "points")) {
      throw new InputError(
        "features describe whole light curves: leave out --per-window, --bands and --pooling points",
      );
    }
    if (name === undefined && settings.project) {
      throw new InputError("--project needs embeddings: it cannot project features alone");
    }
    if (features && output !== "-" && !output.endsWith(".parquet")) {
      throw new InputError(
        `--output ${output}: features are written as .parquet, not partition by partition`,
      );
    }
    if (output !== "-" && !output.endsWith(".parquet")) return await embedFolder(settings, given);
    if (settings.input?.includes("-") || output === "-") return await embedPiped(settings, given);
    await embedTable(settings, given, console.log);
  },
});

type Settings = z.output<typeof settings>;

/** From and to standard input and output, through files that are gone afterwards. */
async function embedPiped(settings: Settings, given: Given): Promise<void> {
  if (settings.input?.includes("-") && settings.input.length > 1) {
    throw new InputError("--input - is standard input: give no other files with it");
  }
  if (settings.output === "-") {
    if (settings.figure === undefined && settings.project) {
      throw new InputError("--output - with --project: --figure says where the figure goes");
    }
    if (Deno.stdout.isTerminal()) {
      throw new InputError(
        "--output - writes Parquet to standard output, but that is a terminal: pipe it to a file or program",
      );
    }
  }
  const folder = await Deno.makeTempDir({ prefix: "astromer-" });
  try {
    const input = settings.input?.includes("-") ? [await fromStandardInput(folder)] : settings.input;
    const output = settings.output === "-" ? `${folder}/embeddings.parquet` : settings.output;
    await embedTable(
      { ...settings, input, output },
      given,
      settings.output === "-" ? console.error : console.log,
    );
    if (settings.output === "-") await toStandardOutput(output);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

/** A catalogue, partition by partition. */
async function embedFolder(settings: Settings, given: Given): Promise<void> {
  const { input, output, pooling, bands } = settings;
  const isFolder = input?.length === 1 && (await Deno.stat(input[0]).catch(() => undefined))?.isDirectory;
  if (!isFolder) {
    throw new InputError(
      `--output ${output}: embeddings are written as .parquet; only a catalogue (--input FOLDER) becomes a folder`,
    );
  }
  if (settings.project) {
    throw new InputError("--project needs all embeddings in memory, so it does not work on a catalogue");
  }
  if (settings.output.replace(/\/+$/, "") === input[0].replace(/\/+$/, "")) {
    throw new InputError("--output is the catalogue itself: choose another folder");
  }
  // No rank waits for another: each takes its partitions.
  const ranks = new Ranks(launched()), { device, dtype } = prepareRun(settings, ranks);
  const { model, config, folder } = await loadModel(settings.model, { device, dtype });
  using _ = model;
  const started = performance.now();
  using stop = listenForStop(() => sayStopping("batch"));
  const { partitions, rows } = await embedCatalogue({
    network: model,
    input: input[0],
    output: output.replace(/\/+$/, ""),
    share: shareOf(ranks),
    options: {
      pooling,
      perWindow: settings.per_window,
      bands,
      join: settings.join,
      windowSize: config.window_size,
      batchSize: inferenceBatchOn(device, settings.batch_size),
    },
    memory: settings,
    open: (path, beside) =>
      openDataOrInput({ ...settings, input: [path] }, given, config.preprocessing ?? {}, beside, silent),
    settings: {
      catalogue: input[0],
      model: settings.model,
      ...!/^https?:/.test(folder) ? { fingerprint: await fingerprintOf(folder) } : {},
      pooling,
      per_window: settings.per_window,
      bands,
      ...bands ? { join: settings.join } : {},
      precision: dtype,
    },
    say: (line) => console.error(line),
    check() {
      if (stop.requested()) {
        throw interrupted(stop, "the same command goes on with the partitions left", false);
      }
    },
  });
  console.log(
    rows === undefined
      ? `${output}: ${grouped(partitions)} partitions are done here, others are left to other processes; ${
        duration((performance.now() - started) / 1000)
      }`
      : `${output}: complete, ${grouped(rows)} rows; ${dtype} on ${device}, ${
        duration((performance.now() - started) / 1000)
      }`,
  );
}

/** Into one file. */
async function embedTable(settings: Settings, given: Given, say: (line: string) => void): Promise<void> {
  const { output, pooling, bands, per_window } = settings;
  const ranks = joinRanks();
  if (ranks.size > 1 && settings.input !== undefined) {
    throw new InputError(
      "--input is read by one process; several ranks share a dataset folder (preprocess, --data)",
    );
  }
  const { model: name, features } = await wantedOf(settings.model);
  if (features && ranks.size > 1) {
    throw new InputError(`features are computed by one process, but this is one of ${ranks.size}`);
  }
  const { device, dtype } = prepareRun(settings, ranks);
  const loaded = name === undefined ? undefined : await loadModel(name, { device, dtype });
  using _ = loaded?.model;
  const config = loaded?.config;
  await using opened = await openDataOrInput(settings, given, config?.preprocessing ?? {}, output);
  const { dataset } = opened, lightCurves = lightCurvesOf(dataset, settings.subset);

  const line = new ProgressLine(), started = performance.now();
  const seconds = () => (performance.now() - started) / 1000;
  using stop = listenForStop(() => line.clear());
  let incomplete = 0, embedded = 0;
  const unit = loaded ? "windows" : "light curves";
  const onBatch = (done: number) => {
    embedded = seconds();
    if (stop.requested()) throw new Failure(`stopped by a signal: ${output} was not written`);
    if (!ranks.first) return;
    line.update(() => {
      const rate = done / seconds();
      return `${grouped(done)} of ${grouped(plain.windows)} ${unit}  ${rate.toFixed(1)} ${unit}/s  ` +
        `${duration(seconds())}, ${duration((plain.windows - done) / rate)} left`;
    });
  };
  const reserved = [
    ...features ? featureSets[features].names : [],
    ...settings.project ? [`${settings.project}_x`, `${settings.project}_y`] : [],
  ];
  const plain = loaded
    ? embeddingTable(loaded.model, dataset, lightCurves, {
      pooling,
      perWindow: per_window,
      bands,
      join: settings.join,
      windowSize: loaded.config.window_size,
      batchSize: inferenceBatchOn(device, settings.batch_size),
      reserved,
      ranks,
    }, { onBatch, onIncomplete: () => void incomplete++ })
    : plainTableOf(dataset, lightCurves, reserved, onBatch);
  const table = features ? withFeatureColumns(features, plain, dataset, lightCurves, device) : plain;
  if (!ranks.first) {
    for await (const _ of table.rows) throw new Error("only the first rank has rows");
    return;
  }
  const { project: method } = settings;
  const plane = method && await projected(table, {
    method,
    perplexity: settings.perplexity,
    learningRate: settings.projection_rate,
    neighbors: settings.neighbors,
    seed: settings.seed,
    onBegin(rows, width) {
      const seconds = projectionSeconds({ rows, width, method, threads: threads() });
      if (seconds < saidBeforehand) return;
      line.clear();
      console.error(
        `${method === "tsne" ? "t-SNE" : "UMAP"} of ${grouped(rows)} rows of ${width} takes about ${
          duration(seconds)
        }`,
      );
    },
    onProgress(stage, done, of) {
      if (stop.requested()) throw new Failure(`stopped by a signal: ${output} was not written`);
      line.update(() => `${method}, ${stage}: ${grouped(done)} of ${grouped(of)}`);
    },
  });
  let rows = 0;
  await writeAtomically(output, async (temporary) => {
    using file = await openParquet(temporary, (plane ?? table).columns, {
      astromer: JSON.stringify({
        version,
        model: settings.model,
        ...config ? { architecture: config.architecture, window_size: config.window_size } : {},
        dataset: { folder: dataset.folder, fingerprint: dataset.fingerprint, times: dataset.times },
        pooling,
        precision: dtype,
      }),
    });
    for await (const group of groupsOf((plane ?? table).rows)) {
      file.write(group);
      rows += group.length;
    }
    file.finish();
  });
  line.clear();
  say(
    `${output}: ${grouped(rows)} rows of ${grouped(table.lightCurves)} light curves, ${
      grouped(table.windows)
    } windows, ` +
      `${dtype} on ${device}${ranks.size > 1 ? ` of ${ranks.size} ranks` : ""}; ${duration(seconds())}, ${
        (table.windows / embedded).toFixed(1)
      } windows/s`,
  );
  if (plane) {
    const figure = settings.figure ?? output.replace(/\.parquet$/, ".svg");
    await writeFigure(
      figure,
      projectionFigure(pointsOf(plane), { axes: method === "tsne" ? "t-SNE" : "UMAP" }),
    );
    say(figure);
    if (plane.copies) {
      say(
        `${grouped(plane.copies)} of ${
          grouped(rows)
        } embeddings are copies of another row's: they make clumps in the map ` +
          "that mean nothing; are light curves in there twice?",
      );
    }
  }
  if (incomplete) {
    say(
      `${grouped(incomplete)} objects lack one of the bands ${
        bands!.join(", ")
      } and are left out (--join mean keeps them)`,
    );
  }
}

/** What `--model` asks for: a model, features, or both. */
async function wantedOf(text: string): Promise<{ model?: string; features?: FeatureSet }> {
  if (isFeatureSet(text)) return { features: text };
  return await exists(text) ? { model: text } : hybridOf(text) ?? { model: text };
}

/** A point for every row; with several vectors a panel for each, from the input embedding on. */
function pointsOf({ rows, coordinates }: ProjectedTable): ProjectedPoint[] {
  return coordinates.flatMap(({ x, y }, i) => {
    const panel = coordinates.length === 1 ? {} : { panel: i === 0 ? "input embedding" : `block ${i}` };
    return rows.map((row) => ({
      x: row[x] as number,
      y: row[y] as number,
      class: row.class as string | null ?? null,
      ...panel,
    }));
  });
}
