/** Pretrains a model on a dataset folder. */
import { command } from "../src/command.ts";
import { pretrainSchema, resolve } from "../src/config.ts";
import { lightCurvesOf, openDataset } from "../src/data/dataset.ts";
import { architectureSchema } from "../src/model/architecture.ts";
import { AstromerNetwork } from "../src/model/network.ts";
import { reportAfterRun } from "../src/report/after_run.ts";
import { prepareRun } from "../src/run.ts";
import { refuseExistingRun, summaryOf, trainIntoFolder } from "../src/training_run.ts";

export default command({
  name: "pretrain",
  summary:
    "Pretrains Astromer on a dataset folder: predicts hidden magnitudes, keeps the best and the last model.",
  settings: pretrainSchema,
  examples: [
    "deno task pretrain --data data/asas --output runs/asas --max-minutes 30",
    "deno task pretrain --data data/macho --output runs/macho --recipe paper --device cuda:0 --batch-size 512",
    "deno task pretrain --data data/asas --output runs/small --preset small --epochs 5 --seed 1",
    "deno task pretrain --config runs/asas/config.json --output runs/asas-again",
  ],
  async run(chosen, given) {
    const settings = resolve(chosen, given), { output, seed, initialization, window_size } = settings;
    await refuseExistingRun(output);
    using dataset = await openDataset(settings.data);
    for (const subset of ["train", "validation"] as const) lightCurvesOf(dataset, subset);
    const runtime = prepareRun(settings), { device, dtype } = runtime;
    using network = new AstromerNetwork(architectureSchema.parse(settings), {
      ...runtime,
      seed,
      initialization,
    });
    console.log(
      `${settings.preset}: ${
        network.parameters.size.toLocaleString("en")
      } parameters, ${dtype} on ${device}` +
        (device === "cpu" ? `, ${runtime.threads} threads` : ""),
    );
    const { config: _, ...saved } = settings;
    const details = { window_size };
    const run = await trainIntoFolder({ network, dataset, settings, saved, details, runtime, output });
    console.log(summaryOf(run));
    if (run.reason !== "stopped by a signal") await reportAfterRun(run.folder);
  },
});
