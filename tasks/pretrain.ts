/** Pretrains a model on a dataset folder. */
import { command, z } from "../src/command/command.ts";
import { forDevice, pretrainShape, resolve } from "../src/run/settings.ts";
import { lightCurvesOf } from "../src/data/dataset.ts";
import { openDatasets, trainParts, validationPart } from "../src/data/joined_datasets.ts";
import { architectureSchema } from "../src/model/architecture.ts";
import { AstromerNetwork } from "../src/model/network.ts";
import { reportAfterRun } from "../src/report/after_run.ts";
import { lockFolder } from "../src/files/lock.ts";
import { refuseExistingRun, resumeShape, savedOf, settingsIn, settingsToTrain } from "../src/run/resume.ts";
import { joinRanks, leaveRanks } from "../src/machine/ranks.ts";
import { prepareRun } from "../src/machine/runtime.ts";
import { interrupted, listenForStop, sayStopping } from "../src/machine/signals.ts";
import { belongOnDevice } from "../src/train/device_observations.ts";
import { trainIntoFolder } from "../src/run/training_run.ts";
import { summaryOf } from "../src/run/trained_run.ts";

const schema = z.object({ ...pretrainShape, ...resumeShape });

export default command({
  name: "pretrain",
  summary:
    "Pretrains Astromer on a dataset folder: predicts hidden magnitudes, keeps the best and the last model.",
  settings: schema,
  examples: [
    "deno task pretrain --data data/asas --output runs/asas --max-minutes 30",
    "deno task pretrain --data data/macho --output runs/macho --recipe paper --device cuda:0 --batch-size 512",
    "deno task pretrain --data data/asas --output runs/small --preset small --epochs 5 --seed 1",
    "deno task pretrain --data data/macho --output runs/macho --max-minutes 1400 --resume --requeue",
    "deno task pretrain --data data/asas,data/css,data/ogle --data-weights 1,0.5,0.1 --select probe --output runs/surveys",
    "mpirun -n 4 deno task pretrain --data data/macho --output runs/macho --batch-size 512",
    "deno task pretrain --data data/asas --output runs/asas --resume --epochs 200 --override epochs",
    "deno task pretrain --config runs/asas/config.json --output runs/asas-again",
  ],
  async run(chosen, given) {
    const { output, resume, requeue } = chosen;
    const ranks = joinRanks(), say = ranks.first ? console.log : () => {};
    if (!resume && ranks.first) await refuseExistingRun(output);
    const begun = resume && await settingsIn(output) !== undefined;
    const read = await settingsToTrain(schema, resolve(chosen, given), given, [output]);
    using stop = listenForStop(() => ranks.first && sayStopping("step"));
    const joined = await openDatasets(read.data);
    using dataset = joined.dataset;
    const train = trainParts(joined, lightCurvesOf(dataset, "train"), read.data_weights);
    const validation = validationPart(joined, lightCurvesOf(dataset, "validation"), read.data_weights);
    const runtime = prepareRun(read, ranks), { device, dtype } = runtime;
    const settings = forDevice(read, device, given, begun), { seed, initialization, window_size } = settings;
    using network = new AstromerNetwork(architectureSchema.parse(settings), {
      ...runtime,
      seed,
      initialization,
    });
    say(
      `${settings.preset}: ${
        network.parameters.size.toLocaleString("en")
      } parameters, ${dtype} on ${device}` +
        (device === "cpu" ? `, ${runtime.threads} threads` : "") +
        (belongOnDevice(
            dataset,
            train.flatMap(({ lightCurves }) => lightCurves),
            device,
            settings.data_on_device,
          )
          ? ", observations there, too"
          : "") +
        (ranks.size > 1 ? `, at each of ${ranks.size} ranks` : ""),
    );
    ranks.barrier(); // all have read the run's settings: from here on its folder changes
    using _lock = ranks.first ? await lockFolder(output, console.error) : undefined;
    const run = await trainIntoFolder({
      ...{
        network,
        dataset,
        train,
        validation,
        settings,
        saved: savedOf(settings),
        runtime,
        output,
        resume,
        stop,
        ranks,
      },
      details: { window_size },
    });
    say(summaryOf(run));
    if (run.reason === "stopped by a signal") {
      throw interrupted(
        stop,
        `--resume continues from step ${run.steps} of ${run.folder}`,
        requeue && ranks.first,
      );
    }
    leaveRanks(); // the others would wait, and their cores with them
    if (ranks.first) await reportAfterRun(run.folder);
  },
});
