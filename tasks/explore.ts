/** Shows embeddings as a map in a browser of this machine. */
import { Astromer } from "../src/library/astromer.ts";
import { command, setting, z } from "../src/command/command.ts";
import { runShape } from "../src/machine/settings.ts";
import { openDataset } from "../src/data/dataset.ts";
import { EmbeddingFile } from "../src/discover/embedding_file.ts";
import { InputError, messageOf } from "../src/common/errors.ts";
import { exportMap } from "../src/explore/export.ts";
import { handlerOf, newToken } from "../src/explore/server.ts";
import { Session } from "../src/explore/session.ts";
import { ProgressLine } from "../src/common/progress.ts";
import { prepareRun } from "../src/machine/runtime.ts";
import { listenForStop } from "../src/machine/signals.ts";
import { grouped } from "../src/common/table.ts";

export default command({
  name: "explore",
  summary:
    "Shows embeddings as a map in this machine's browser: color it by any column, hover and click to see light curves, fold them, step through neighbors, select, label, train on the labels, and label what is in doubt. The page needs the token in its address, and only labels are ever written.",
  settings: z.object({
    embeddings: setting(
      z.string(),
      "the .parquet that embed wrote; with --project its coordinates are the map",
    ),
    data: setting(z.string().optional(), "dataset folder of the light curves"),
    model: setting(z.string().optional(), "model folder, to draw its reconstructions"),
    tables: setting(
      z.array(z.string()).default([]),
      "more columns by id: Parquet or CSV files, such as those of predict and anomalies",
    ),
    labels: setting(
      z.string().default("labels.csv"),
      "file of labels (id, class), which preprocess --labels reads",
    ),
    export: setting(
      z.string().regex(/\.html$/, "a path that ends in .html is needed").optional(),
      "write the map as one .html file (up to 20,000 light curves) and stop",
    ),
    port: setting(z.int().min(0).max(65_535).default(0), "port on 127.0.0.1 (0: any free one)"),
    column: setting(z.string().optional(), "the column of vectors (embedding, or the last block's)"),
    seed: setting(z.int().min(0).default(0), "seed of the layout, if the file has none"),
    ...runShape,
  }),
  examples: [
    "deno task explore --embeddings embeddings.parquet --data data/asas",
    "deno task explore --embeddings embeddings.parquet --data data/asas --model runs/asas/best --tables predictions.parquet,odd.csv",
    "deno task explore --embeddings embeddings.parquet --data data/asas --export map.html",
  ],
  async run(settings) {
    using file = await EmbeddingFile.open(settings.embeddings, {
      column: settings.column,
      threads: settings.threads,
    });
    using dataset = settings.data === undefined ? undefined : await openDataset(settings.data);
    const { device, dtype } = prepareRun(settings);
    using model = settings.model === undefined
      ? undefined
      : await Astromer.load(settings.model, { device, dtype });
    const line = new ProgressLine();
    using stop = listenForStop(() => line.clear());
    const progress = (text: string) => {
      if (stop.requested()) throw new InputError("stopped by a signal");
      line.update(() => text);
    };
    const { labels, tables, seed } = settings;
    using session = await Session.open({ file, dataset, model, tables, labels, seed, onProgress: progress });
    const title = `${file.path.split("/").at(-1)!.replace(/\.parquet$/, "")} · Astromer`;
    if (settings.export !== undefined) {
      await exportMap(
        session,
        settings.export,
        title,
        (row) => progress(`${grouped(row)} of ${grouped(session.rows)}`),
      );
      line.clear();
      const { size } = await Deno.stat(settings.export);
      console.log(`${settings.export}: ${grouped(session.rows)} light curves, ${(size / 1e6).toFixed(1)} MB`);
      return;
    }
    line.clear();
    const token = newToken();
    let server: Deno.HttpServer<Deno.NetAddr>;
    try {
      server = Deno.serve(
        { hostname: "127.0.0.1", port: settings.port, onListen() {} },
        handlerOf(session, token, title),
      );
    } catch (error) {
      throw new InputError(`--port ${settings.port} cannot be listened on: ${messageOf(error)}`);
    }
    console.log(`${grouped(session.rows)} light curves, labels in ${labels}; Ctrl-C ends\n`);
    console.log(`http://127.0.0.1:${server.addr.port}/?token=${token}`);
    await new Promise<void>((resolve) => {
      const timer = setInterval(() => {
        if (!stop.requested()) return;
        clearInterval(timer);
        resolve();
      }, 200);
    });
    await server.shutdown();
  },
});
