/** The whole way on a simulated survey: each step is a command that is printed before it runs. */
import { main } from "../cli.ts";
import { command, setting, z } from "../src/command.ts";
import { Failure } from "../src/errors.ts";
import { exists, refuseForeignFolder } from "../src/files/atomic.ts";
import { duration } from "../src/progress.ts";

export default command({
  name: "quickstart",
  summary:
    "Sets up what is missing, simulates a survey, preprocesses it, pretrains a small Astromer 2, evaluates it.",
  settings: z.object({
    light_curves: setting(z.int().min(20).default(1200), "size of the simulated survey"),
    epochs: setting(z.int().min(1).default(20), "epochs of pretraining"),
    output: setting(
      z.string().default("runs/quickstart"),
      "folder for all that is made; an older one is replaced",
    ),
    seed: setting(z.int().min(0).default(0), "names the survey and the training"),
  }),
  examples: [
    "deno task quickstart",
    "deno task quickstart --light-curves 300 --epochs 3 --output /tmp/quick",
  ],
  async run({ light_curves, epochs, output, seed }) {
    const survey = `${output}/survey`, dataset = `${output}/dataset`, run = `${output}/pretrain`;
    const started = performance.now();
    await refuseForeignFolder(run, "metrics.jsonl", "a run of pretraining");
    if (await exists(run)) await Deno.remove(run, { recursive: true });
    const steps = [
      ["setup"],
      ["simulate", "--light-curves", light_curves, "--seed", seed, "--output", survey],
      ["preprocess", "--preset", "reference", "--input", survey, "--output", dataset],
      [
        "pretrain",
        "--data",
        dataset,
        "--preset",
        "small",
        "--epochs",
        epochs,
        "--batch-size",
        32,
        "--learning-rate",
        2e-3,
      ]
        .concat(["--seed", seed, "--output", run]),
      ["evaluate", "--model", `${run}/best`, "--data", dataset, "--without", "Mira"],
    ];
    for (const step of steps) {
      const words = step.map(String);
      console.log(`\n$ deno task ${words.join(" ")}`);
      const code = await main(words);
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
        "",
        "Next, with your own survey's files:",
        "  deno task preprocess --input 'survey/*.parquet' --labels classes.csv --output data/mine",
        "  deno task pretrain --data data/mine --output runs/mine --max-minutes 30",
        "  deno task evaluate --model runs/mine/best --data data/mine",
      ].join("\n"),
    );
  },
});
