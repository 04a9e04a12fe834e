/** The whole way on a simulated survey: each step is a command that is printed before it runs. */
import { command, setting, z } from "../src/command/command.ts";
import { Failure } from "../src/common/errors.ts";
import { exists, refuseForeignFolder } from "../src/files/atomic.ts";
import { duration } from "../src/common/progress.ts";

/** Weights that come with this project. */
const shipped = "astromer2-surveys";

export default command({
  name: "quickstart",
  summary:
    "Sets up what is missing, simulates a survey, preprocesses it, pretrains a small Astromer 2, evaluates and finetunes it, embeds " +
    "the survey with the weights that come with this project, classifies from few labels with both, and writes a report.",
  settings: z.object({
    light_curves: setting(z.int().min(20).default(1200), "size of the simulated survey"),
    epochs: setting(z.int().min(1).default(20), "epochs of pretraining"),
    output: setting(
      z.string().default("runs/quickstart"),
      "folder for everything it makes; an older one is replaced",
    ),
    seed: setting(z.int().min(0).default(0), "seed of the survey and the training"),
  }),
  examples: [
    "deno task quickstart",
    "deno task quickstart --light-curves 300 --epochs 3 --output /tmp/quick",
  ],
  async run({ light_curves, epochs, output, seed }, _given, runOther) {
    const survey = `${output}/survey`, dataset = `${output}/dataset`, run = `${output}/pretrain`;
    const scenarios = `${output}/scenarios`,
      finetuned = `${output}/finetuned`,
      classified = `${output}/classify`;
    const started = performance.now();
    await refuseForeignFolder(run, "metrics.jsonl", "a run of pretraining");
    for (const folder of [run, finetuned, classified]) {
      if (await exists(folder)) await Deno.remove(folder, { recursive: true });
    }
    const data = ["--data", dataset], few = ["--samples-per-class", 20];
    const quick = ["--batch-size", 32, "--seed", seed];
    const steps = [
      ["setup"],
      ["simulate", "--light-curves", light_curves, "--mean-length", 120, "--seed", seed, "--output", survey],
      ["preprocess", "--preset", "reference", "--input", survey, "--output", dataset],
      [
        ...["pretrain", ...data, "--preset", "small", "--epochs", epochs, "--learning-rate", 2e-3, ...quick],
        ...["--output", run],
      ],
      ["evaluate", "--model", `${run}/best`, ...data, "--without", "Mira"],
      ["scenarios", ...data, ...few, "--folds", 2, "--test-per-class", 15, "--output", scenarios],
      [
        ...["finetune", "--model", `${run}/best`, ...data, "--scenarios", scenarios, "--epochs", 3],
        ...["--learning-rate", 2e-4, ...quick, "--output", finetuned],
      ],
      [
        ...["embed", "--model", shipped, ...data, "--pooling", "layers", "--project", "tsne"],
        ...["--output", `${output}/embeddings.parquet`],
      ],
      [
        ...[
          "classify",
          "--models",
          `${run}/best,${finetuned},${shipped},classical,star-scores,${shipped}+star-scores`,
          ...data,
          "--scenarios",
          scenarios,
        ],
        ...["--heads", "gamma,mean,forest", "--windows", 4, "--output", classified],
      ],
      [
        ...["report", "--run", [run, finetuned, classified].join(), "--model", shipped, ...data],
        ...["--output", `${output}/report.html`],
      ],
    ];
    for (const step of steps) {
      const words = step.map(String);
      console.log(`\n$ deno task ${words.join(" ")}`);
      const code = await runOther(words);
      if (code !== 0) throw new Failure(`${words[0]} ended with code ${code}, see above`);
    }
    console.log(
      [
        `\nDone in ${
          duration((performance.now() - started) / 1000)
        }. To compare: predicting each window's mean has R2 0.`,
        "",
        `  ${survey}     the simulated survey (Parquet)`,
        `  ${dataset}    the dataset that models are trained on`,
        `  ${run}   settings, metrics.jsonl, best and last model`,
        `  ${output}/embeddings.parquet   an embedding a light curve, of every block`,
        `  ${classified}   classifiers, results.csv`,
        `  ${output}/report.html   all figures and tables: open it in a browser`,
        "",
        "Next, with your own survey's files:",
        "  deno task preprocess --input 'survey/*.parquet' --labels classes.csv --output data/mine",
        "  deno task pretrain --data data/mine --output runs/mine --max-minutes 30",
        "  deno task evaluate --model runs/mine/best --data data/mine",
        "  deno task scenarios --data data/mine --samples-per-class 20,100 --output data/scenarios",
        "  deno task classify --models runs/mine/best,classical,star-scores --heads mean-max,linear,forest --data data/mine --scenarios data/scenarios --output runs/classify",
      ].join("\n"),
    );
  },
});
