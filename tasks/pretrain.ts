/** Pretrains a model on a dataset folder. */
import { libtorch } from "../ffi/library.ts";
import { command } from "../src/command.ts";
import { pretrainOptions, pretrainSchema, type PretrainSettings, resolve } from "../src/config.ts";
import { lightCurvesOf, openDataset } from "../src/data/dataset.ts";
import { InputError, messageOf } from "../src/errors.ts";
import { exists, writeJson } from "../src/files/atomic.ts";
import { architectureSchema } from "../src/model/architecture.ts";
import { AstromerNetwork } from "../src/model/network.ts";
import { duration, ProgressLine } from "../src/progress.ts";
import { listenForStop, prepareRun } from "../src/run.ts";
import { Adam } from "../src/train/adam.ts";
import { energyOf } from "../src/train/energy.ts";
import { pretrain } from "../src/train/pretrain.ts";
import { version } from "../src/version.ts";
import { datasetDetails, saveModel } from "../src/weights/model_folder.ts";

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
    const settings = resolve(chosen, given);
    if (await exists(`${settings.output}/metrics.jsonl`)) {
      throw new InputError(
        `${settings.output} already holds a run: choose another --output, or remove it first`,
      );
    }
    using dataset = await openDataset(settings.data);
    for (const subset of ["train", "validation"] as const) lightCurvesOf(dataset, subset);
    const runtime = prepareRun(settings);
    const { device, dtype } = runtime;
    const architecture = architectureSchema.parse(settings);
    using model = new AstromerNetwork(architecture, {
      ...runtime,
      seed: settings.seed,
      initialization: settings.initialization,
    });
    using adam = new Adam(model.parameters, { clipNorm: settings.clip_norm || Infinity });

    const run = settings.output.replace(/\/+$/, "");
    await Deno.mkdir(run, { recursive: true }).catch((error) => {
      throw new InputError(`--output ${run} cannot be made: ${messageOf(error)}`);
    });
    await writeJson(`${run}/config.json`, savable(settings));
    await writeJson(`${run}/environment.json`, {
      astromer: version,
      deno: Deno.version.deno,
      libtorch: libtorch().version,
      ...runtime,
      dataset: { folder: settings.data, fingerprint: dataset.fingerprint },
      parameters: model.parameters.size,
      started: new Date().toISOString(),
    });
    using metrics = await Deno.open(`${run}/metrics.jsonl`, { create: true, write: true });
    const started = performance.now();
    const used = () => ({
      hours: (performance.now() - started) / 3.6e6,
      cores: device === "cpu" ? runtime.threads : 1,
      gpus: device === "cpu" ? 0 : 1,
      memory: Deno.memoryUsage().rss / 1e9,
    });
    const save = (name: string, found: Record<string, number>) =>
      saveModel(`${run}/${name}`, model, {
        window_size: settings.window_size,
        training: savable(settings),
        ...datasetDetails(dataset),
        metrics: found,
        energy: energyOf(used(), settings),
      });

    console.log(
      `${settings.preset}: ${model.parameters.size.toLocaleString("en")} parameters, ${dtype} on ${device}` +
        (device === "cpu" ? `, ${runtime.threads} threads` : ""),
    );
    const line = new ProgressLine();
    using stop = listenForStop(() => {
      line.clear();
      console.error("stopping after this step; once more to stop at once");
    });
    const result = await pretrain(model, adam, dataset, pretrainOptions(settings), {
      stopRequested: stop.requested,
      onStep: ({ epoch, step, steps, done, loss, rate }) =>
        line.update(() => {
          const elapsed = (performance.now() - started) / 1000;
          return `epoch ${epoch}  step ${step}/${steps}  loss ${loss.toFixed(4)}  ${
            rate.toFixed(1)
          } windows/s  ` +
            `${duration(elapsed)}, ${duration(elapsed * (1 - done) / done)} left`;
        }),
      async onMetrics(found) {
        await metrics.write(new TextEncoder().encode(JSON.stringify(found) + "\n"));
        if (found.kind !== "epoch") return;
        line.clear();
        const number = (name: string) => Number(found[name]).toFixed(4);
        console.log(
          `epoch ${found.epoch}: train loss ${number("train_loss")}, validation loss ${
            number("validation_loss")
          }, ` +
            `RMSE ${number("validation_rmse")}, R2 ${number("validation_r2")}, ${duration(found.seconds)}` +
            (found.best ? ", best so far" : ""),
        );
      },
      onEpoch: (found) => save("last", found),
      onBest: (found) => save("best", found),
    });
    line.clear();
    // A run that ends within an epoch has gone on since it last saved.
    if (result.reason === "stopped by a signal") await save("last", result.last);
    const best = await exists(`${run}/best`) ? `${run}/best` : "none yet, there was no validation";
    console.log(
      `${result.reason}: ${result.epochs} epochs, ${result.steps} steps, ${duration(result.seconds)}\n` +
        `best model: ${best}   last model: ${run}/last   metrics: ${run}/metrics.jsonl`,
    );
  },
});

/** The settings that a later run can be given as `--config`. */
function savable({ config: _, ...settings }: PretrainSettings): Record<string, unknown> {
  return settings;
}
